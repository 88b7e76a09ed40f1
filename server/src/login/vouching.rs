//! Whose profession counts in a session, and until when.
//!
//! It rests on an HPKI certificate: that of the card which logged the person in, or of the card in whose session
//! a My Number card was linked or a passkey enrolled. It is judged anew each time that anybody asks: once it has
//! expired or was revoked the profession falls away in a session that lives as well, and the session with it where
//! that card is what opened it.

use sekisho_store::{
    Queries, StoreError, Tx, card, day_pass, jpki_link, passkey,
    session::{self, Realm, Session},
};
use sekisho_wire::acr;
use time::{Duration, OffsetDateTime};

use super::{
    refusal::{LoginError, Refusal},
    session::PortalSession,
    trust_sources::CardTrust,
};
use crate::app::App;

/// How old the login by HPKI card may be that vouches for something new. Whoever finds a colleague's
/// screen open later than that cannot link or enrol anything of their own for that colleague; the portal
/// tells the person of what is new for a week.
pub const FRESH: Duration = Duration::minutes(5);

/// The end of a session whose HPKI card was revoked.
pub const CARD_REVOKED: &str = "card_revoked";
/// The end of a session whose HPKI card expired.
pub const CARD_EXPIRED: &str = "card_expired";

/// On what the profession in a session rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profession {
    /// On the card that logged the person in.
    OfCard,
    /// On the HPKI certificate that vouched for the linked card or the passkey, or of the card at home.
    Vouched {
        /// End of that certificate's validity.
        until: OffsetDateTime,
    },
    /// On nothing any more.
    Lapsed(Lapse),
    /// On nothing: a password names none, whoever may have one beside it.
    None,
}

/// Why nobody vouches any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The HPKI certificate is over.
    Expired,
    /// The HPKI certificate was revoked.
    Revoked,
    /// Nobody knows whether it was revoked.
    Unknown,
    /// It does not hold for another reason: its authority is trusted no longer.
    Refused,
    /// The card is linked, or the passkey enrolled, no longer; the pass for a day is over.
    Unlinked,
}

impl Lapse {
    /// All, for the test that each has words.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] =
        [Self::Expired, Self::Revoked, Self::Unknown, Self::Refused, Self::Unlinked];

    /// Constant code: in records, and in message keys (`vouching-lapsed-CODE`).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Unlinked => "unlinked",
        }
    }

    /// The key of its words.
    #[must_use]
    pub fn key(self) -> String {
        format!("vouching-lapsed-{}", self.code())
    }

    /// Why a session of that very card ends; `None` while nobody knows of the certificate that it is over: a list
    /// that is late, or a file that does not read, takes the profession and gives it back.
    #[must_use]
    pub const fn ends_session(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some(CARD_EXPIRED),
            Self::Revoked => Some(CARD_REVOKED),
            Self::Unknown | Self::Refused | Self::Unlinked => None,
        }
    }

    fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::CertificateExpired => Self::Expired,
            Refusal::CertificateRevoked => Self::Revoked,
            Refusal::RevocationUnknown => Self::Unknown,
            _ => Self::Refused,
        }
    }
}

/// The roles for which an HPKI certificate vouches at `now`, verbatim.
///
/// # Errors
/// [`Lapse`].
pub fn judge(
    trust: &CardTrust,
    certificate_der: &[u8],
    now: OffsetDateTime,
) -> Result<Vec<String>, Lapse> {
    trust.roles(certificate_der, now).map_err(Lapse::of)
}

/// Whether a login of this level can have a profession at all: a password names none, whoever may have one
/// beside it.
#[must_use]
pub fn names_profession(acr: &str) -> bool {
    !matches!(acr, acr::PASSWORD_AT_FACILITY | acr::PASSWORD_TOTP)
}

/// The roles of a session as they count now, and on what they rest.
///
/// # Errors
/// [`StoreError`].
pub async fn now(
    app: &App,
    queries: &mut impl Queries,
    session: &Session,
) -> Result<(Vec<String>, Profession), StoreError> {
    let none = || Ok((Vec::new(), Profession::None));
    let Some(at) = &session.at_terminal else { return none() };
    let trust = app.card_trust().at(&at.organisation_id);
    let voucher = match session.acr.as_str() {
        acr::HPKI_CARD => {
            let proving = card::certificate_of_evidence(queries, &at.evidence_id).await?;
            let judged = proving
                .ok_or(Lapse::Refused)
                .and_then(|proving| judge(&trust, &proving.der, app.now()));
            return Ok(match judged {
                Ok(roles) => (roles, Profession::OfCard),
                Err(lapse) => (Vec::new(), Profession::Lapsed(lapse)),
            });
        }
        acr::JPKI_CARD => {
            jpki_link::of_evidence(queries, &at.evidence_id).await?.map(|link| link.voucher)
        }
        acr::PASSKEY => {
            passkey::of_login(queries, &at.evidence_id).await?.map(|passkey| passkey.voucher)
        }
        acr::DAY_PASS => {
            let pass = day_pass::of_login(queries, &at.evidence_id).await?;
            pass.filter(|pass| pass.lives_at(app.now())).map(|pass| pass.voucher)
        }
        _ => return none(),
    };
    let Some(voucher) = voucher else {
        return Ok((Vec::new(), Profession::Lapsed(Lapse::Unlinked)));
    };
    Ok(match judge(&trust, &voucher.certificate_der, app.now()) {
        Ok(roles) => (roles, Profession::Vouched { until: voucher.not_after }),
        Err(lapse) => (Vec::new(), Profession::Lapsed(lapse)),
    })
}

/// Why a session is over whose profession rests on this: the HPKI card that opened it is.
#[must_use]
pub fn end_of(session: &Session, profession: Profession) -> Option<&'static str> {
    match profession {
        Profession::Lapsed(lapse) if session.acr == acr::HPKI_CARD => lapse.ends_session(),
        _ => None,
    }
}

/// Whether the HPKI card of a session may vouch for something new: it proved the person these minutes.
#[must_use]
pub fn may_vouch(session: &PortalSession, now: OffsetDateTime) -> bool {
    session.acr == acr::HPKI_CARD && now - session.auth_time <= FRESH
}

/// Whether a session is still as it was when it asked: live, unlocked, proved by the same card's answer.
/// What is looked at in between, such as the status of a certificate, takes some time.
///
/// # Errors
/// [`StoreError`].
pub async fn stands(
    tx: &mut Tx,
    session: &PortalSession,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let found = session::find(tx, Realm::Portal, &session.id_hash).await?;
    Ok(found.is_some_and(|found| {
        let proved = found.at_terminal.map(|at| at.evidence_id);
        found.ended.is_none()
            && found.locked_at.is_none()
            && now < found.expires_at
            && proved.as_deref() == Some(&session.evidence_id)
    }))
}

/// SHA-256 of the certificate that vouches for something new in a session of the HPKI card, which proved
/// the person just before. It still holds: nobody vouches with one that was revoked this minute.
///
/// # Errors
/// [`LoginError::Refused`]: another card's session or an older proof, or its certificate does not hold;
/// the database.
pub(super) async fn new_voucher(
    app: &App,
    session: &PortalSession,
) -> Result<[u8; 32], LoginError> {
    if !may_vouch(session, app.now()) {
        return Err(Refusal::CardLevelNeeded.into());
    }
    let mut reader = app.store().read();
    let proving = card::certificate_of_evidence(&mut reader, &session.evidence_id).await?;
    let proving = proving.ok_or(Refusal::CardLevelNeeded)?;
    let trust = app.card_trust().at(&session.organisation_id);
    trust.judge(&proving.der, app.now())?;
    Ok(proving.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    #[test]
    fn every_lapse_has_words_in_both_languages() {
        let catalogue = Catalogue::load().unwrap();
        for (lapse, lang) in Lapse::ALL.into_iter().flat_map(|l| Lang::ALL.map(|lang| (l, lang))) {
            assert!(catalogue.has(lang, &lapse.key()), "{} in {}", lapse.key(), lang.tag());
        }
    }
}
