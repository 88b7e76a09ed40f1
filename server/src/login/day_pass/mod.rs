//! A pass for a day, for somebody who left their HPKI card at home.
//!
//! Two colleagues stand up for the person at one terminal, each just logged in by something that an HPKI card
//! stands behind: one asks for the pass ([`asking`]), the other gives it ([`giving`]), and the person chooses a PIN
//! there. What is printed is a slip with a code. Slip and PIN log the person in at the terminals of that facility
//! ([`login`], [`admission`]) until the pass is over, is taken back ([`ending`]), or the card is back. It names no
//! profession: the certificate of the card at home vouches ([`super::vouching`]).
//! `docs/decisions/0045-two-colleagues-stand-in-for-a-card-at-home.md` says why.

use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{Actor, Entry},
    day_pass::{self, DayPass},
    membership, party, session as sessions,
};
use sekisho_wire::acr;
use time::{Duration, OffsetDateTime};

use super::{
    Least,
    session::PortalSession,
    vouching::{self, FRESH, Lapse, Profession},
};
use crate::{app::App, people::likeness::Identity};

pub mod admission;
pub mod asking;
pub mod ending;
pub mod giving;
pub mod login;
mod pin;

/// Where colleagues ask for passes and give them.
pub const PATH: &str = "/day-pass";
/// Why sessions end whose pass was taken back.
pub const TAKEN_BACK: &str = "day_pass_taken_back";
/// Why passes end, and their sessions: the card is back.
pub const CARD_BACK: &str = "card_back";
/// For how long the second colleague may follow the first.
const CONFIRM_WITHIN: Duration = Duration::minutes(10);
/// Within which time the passes of a person are counted.
const COUNTED: Duration = Duration::days(30);

/// The weakest login by which a colleague stands up for somebody: an HPKI card stands behind it and every
/// stronger one, so that two colleagues are two people, whoever invented accounts.
const COLLEAGUES_LEVEL: &str = acr::PASSKEY;

/// Whether the person of a session may stand up for somebody: they proved themself these minutes, and their card
/// holds.
fn may_stand_up(session: &PortalSession, now: OffsetDateTime) -> bool {
    let backed = [acr::HPKI_CARD, acr::JPKI_CARD, acr::PASSKEY].contains(&session.acr.as_str());
    let holds = matches!(session.profession, Profession::OfCard | Profession::Vouched { .. });
    backed && holds && now - session.auth_time <= FRESH
}

/// The login that makes a colleague fit for it.
fn login_first(app: &App) -> String {
    Least::of(app.config(), COLLEAGUES_LEVEL).unwrap_or(Least::HPKI_CARD).address(PATH)
}

/// Why somebody gets no pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    /// Nobody stands up for themself.
    Oneself,
    /// They are no member here.
    NotAMember,
    /// They never logged in by HPKI card.
    NoCard,
    /// The certificate of their card does not hold.
    CardLapsed(Lapse),
    /// They had as many as they may.
    TooMany,
    /// Two of the three have one name, or are one.
    Alike,
    /// The session ended, or was locked, since the page was shown.
    SessionOver,
    /// It waits no longer, or not at this terminal, or whoever asked would give it.
    NotWaiting,
}

impl Unfit {
    #[cfg(test)]
    const ALL: [Self; 8] = [
        Self::Oneself,
        Self::NotAMember,
        Self::NoCard,
        Self::CardLapsed(Lapse::Revoked),
        Self::TooMany,
        Self::Alike,
        Self::SessionOver,
        Self::NotWaiting,
    ];

    /// Constant code: in records, and in message keys (`day-pass-unfit-CODE`).
    const fn code(self) -> &'static str {
        match self {
            Self::Oneself => "oneself",
            Self::NotAMember => "not-a-member",
            Self::NoCard => "no-card",
            Self::CardLapsed(_) => "card-lapsed",
            Self::TooMany => "too-many",
            Self::Alike => "alike",
            Self::SessionOver => "session-over",
            Self::NotWaiting => "not-waiting",
        }
    }

    /// The key of its words.
    fn key(self) -> String {
        format!("day-pass-unfit-{}", self.code())
    }
}

/// SHA-256 of the certificate that will vouch for a person here; or why they get no pass.
async fn fitness(
    app: &App,
    queries: &mut impl Queries,
    person_id: &str,
    organisation_id: &str,
    now: OffsetDateTime,
) -> Result<Result<[u8; 32], Unfit>, StoreError> {
    if membership::in_force(queries, person_id, organisation_id).await?.is_none() {
        return Ok(Err(Unfit::NotAMember));
    }
    let trust = app.card_trust().at(organisation_id);
    let card = day_pass::card_at_home(queries, person_id).await?;
    // Invented people and real ones never meet (decision 22), whatever card they have at home.
    let Some((fingerprint, voucher)) = card.filter(|(_, voucher)| voucher.world == trust.world())
    else {
        return Ok(Err(Unfit::NoCard));
    };
    if let Err(lapse) = vouching::judge(&trust, &voucher.certificate_der, now) {
        return Ok(Err(Unfit::CardLapsed(lapse)));
    }
    let had = day_pass::given_since(queries, person_id, now - COUNTED).await?;
    if had >= i64::from(app.config().card_login().day_passes_in_30_days()) {
        return Ok(Err(Unfit::TooMany));
    }
    Ok(Ok(fingerprint))
}

/// Whether two of these people may be one human being under two cards
/// (`docs/decisions/0006-officer-and-applicant-are-two-people.md`). Somebody of whom nothing is known may be anybody.
async fn alike(queries: &mut impl Queries, people: &[&str]) -> Result<bool, StoreError> {
    let mut seen: Vec<Identity> = Vec::new();
    for person_id in people {
        let Some(party) = party::find(queries, person_id).await? else { return Ok(true) };
        let identity = Identity::of(&party);
        if identity.like_any(&seen).is_some() {
            return Ok(true);
        }
        seen.push(identity);
    }
    Ok(false)
}

/// The pass by which a session was opened; `None` for any other session.
///
/// # Errors
/// [`StoreError`].
pub async fn of_session(
    queries: &mut impl Queries,
    session: &PortalSession,
) -> Result<Option<DayPass>, StoreError> {
    if session.acr != acr::DAY_PASS {
        return Ok(None);
    }
    day_pass::of_login(queries, &session.evidence_id).await
}

/// Ends what a person has of passes but for `except`, with their sessions; the records of it.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn end_all(
    tx: &mut Tx,
    person_id: &str,
    except: &str,
    reason: &'static str,
    now: OffsetDateTime,
) -> Result<Vec<Entry>, StoreError> {
    let mut records = Vec::new();
    for id in day_pass::end_of_person(tx, person_id, except, reason, now).await? {
        let ended = sessions::end_of_day_pass(tx, &id, reason, now).await?;
        records.push(
            Entry::done("day_pass.end", Actor::System, now)
                .on("day_pass", id)
                .on("person", person_id)
                .fact("reason", reason)
                .fact("sessions_ended", ended.len()),
        );
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    #[test]
    fn whoever_gets_no_pass_is_told_why_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        for (unfit, lang) in Unfit::ALL.into_iter().flat_map(|u| Lang::ALL.map(|lang| (u, lang))) {
            assert!(catalogue.has(lang, &unfit.key()), "{} in {}", unfit.key(), lang.tag());
        }
    }
}
