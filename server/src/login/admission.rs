//! May the holder of a verified card have a session here? Decided and opened in one transaction.

use http::HeaderValue;
use sekisho_pki::national::hc_role::{HcRole, ID_JHPKI_CDATA};
use sekisho_protocol::{Sha256Digest, octets::encode, request::ExpectedSubject};
use sekisho_store::{
    Tx,
    audit::{Actor, Audited, Entry},
    card::{self, CardCertificate, CardIdentity, CardSubject, FirstSeen, PersonNames},
    evidence,
    invitation::{self, Invitation, Mismatch, NewClaim},
    membership, person,
    session::{self as sessions, AtTerminal, Realm, Session},
    transaction,
};
use sekisho_wire::acr;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    challenge::random_octets,
    hpki::VerifiedCardHolder,
    logout,
    name::same_name,
    new_pc,
    refusal::{LoginError, Refusal},
    session,
};
use crate::{
    app::App,
    listener::{FacilityConnection, Peer},
    notice::{self, Notice, To},
};

/// Methods of a card login (RFC 8176 §2): smart card and PIN, so more than one factor.
const AMR: [&str; 3] = ["mfa", "pin", "sc"];

/// How and where the holder arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The connection.
    pub peer: &'a Peer,
    /// The facility, judged on this request.
    pub facility: &'a FacilityConnection,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: &'a [u8; 32],
    /// The invitation whose code was entered in this browser.
    pub invitation_id: Option<&'a str>,
    /// The person whose card was asked for, within a living session.
    pub expected: Option<&'a ExpectedSubject>,
    /// SHA-256 of the session cookie that this browser held until now.
    pub previous_cookie: Option<[u8; 32]>,
}

/// What the transaction decided, with the records that tell of it.
struct Decided {
    outcome: Result<(), Refusal>,
    entries: Vec<Entry>,
}

/// Admits the holder and opens a session under a new identifier, or renews under one the session
/// that the same person has here; answers its cookie.
///
/// # Errors
/// [`LoginError::Refused`] with the reason, already audited; else the database or randomness.
pub async fn admit(
    app: &App,
    holder: &VerifiedCardHolder,
    arrival: Arrival<'_>,
) -> Result<HeaderValue, LoginError> {
    let identifier: [u8; 32] = random_octets(app.random())?;
    let id_hash: [u8; 32] = Sha256::digest(identifier).into();
    let now = app.now();
    let expires_at = now + app.config().session().portal_lifetime();
    let outcome = transaction!(app.store(), LoginError, |tx| {
        let decided = decide(tx, holder, arrival, id_hash, now, expires_at).await?;
        let mut entries = decided.entries.into_iter();
        let Some(first) = entries.next() else {
            // Every branch of `decide` writes at least one record.
            return Err(Refusal::Malformed.into());
        };
        let audited = entries.fold(Audited::new(decided.outcome, first), Audited::and);
        Ok(audited)
    })?;
    outcome?;
    session::set_cookie(&identifier).ok_or(LoginError::Randomness(sekisho_key::RandomnessError))
}

async fn decide(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    arrival: Arrival<'_>,
    id_hash: [u8; 32],
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<Decided, LoginError> {
    let Arrival { peer, facility, .. } = arrival;
    let organisation_id = facility.organisation_id.as_str();
    let subject = CardSubject {
        issuer_hash: &holder.issuer_hash,
        issuer: &holder.issuer,
        serial_number: &holder.serial_number,
    };
    let refused = |who: Actor, refusal: Refusal| {
        let record = Entry::refused("login.card", who, now, refusal.code())
            .personal("name", &holder.name)
            .personal("serial_number", &holder.serial_number)
            .on("card", hex::encode(holder.fingerprint));
        Decided { outcome: Err(refusal), entries: vec![facility.place(record, peer)] }
    };
    let previous = match arrival.previous_cookie {
        Some(cookie) => sessions::find_by_cookie(tx, Realm::Portal, &cookie).await?,
        None => None,
    };
    if !arrival.expected.is_none_or(|expected| is_expected(holder, expected)) {
        // Whose session it is did not bring this card; the session stays as it was.
        let mut decided = refused(facility.actor(), Refusal::AnotherPerson);
        if let Some(previous) = &previous {
            let of_session = |entry: Entry| entry.on("session", hex::encode(previous.id_hash));
            decided.entries = decided.entries.into_iter().map(of_session).collect();
        }
        return Ok(decided);
    }
    let known = card::find(tx, subject).await?;
    if known.as_ref().is_some_and(|identity| identity.world != holder.world) {
        // Two issuers of one name: nobody becomes somebody of the other world by it.
        return Ok(refused(facility.actor(), Refusal::OtherWorld));
    }
    let membership = match &known {
        Some(identity) => membership::in_force(tx, &identity.person_id, organisation_id).await?,
        None => None,
    };
    let actor = known
        .as_ref()
        .map_or_else(|| facility.actor(), |identity| Actor::Person(identity.person_id.clone()));
    let mut entries = Vec::new();
    let (identity, membership_id) = match (known, membership, arrival.invitation_id) {
        (Some(identity), Some(membership), None) => (identity, membership.id),
        (Some(_), Some(_), Some(_)) => return Ok(refused(actor, Refusal::AlreadyMember)),
        (Some(identity), None, None) => {
            let waiting =
                invitation::has_pending_claim(tx, &identity.person_id, organisation_id).await?;
            let refusal = if waiting { Refusal::ClaimWaiting } else { Refusal::NotAMember };
            return Ok(refused(actor, refusal));
        }
        (None, _, None) => return Ok(refused(actor, Refusal::NotAMember)),
        (known, _, Some(invitation_id)) => {
            let held = invitation::held(tx, arrival.browser_hash, organisation_id, now).await?;
            let Some(held) = held.filter(|held| held.id == invitation_id) else {
                return Ok(refused(actor, Refusal::InvitationClosed));
            };
            let mismatch = mismatch(&held, holder);
            let identity = match known {
                Some(identity) => identity,
                None => enter(tx, holder, subject, &held, mismatch, now).await?,
            };
            note_certificate(tx, holder, &identity, now).await?;
            let redeemed = invitation::redeem(
                tx,
                &held.id,
                organisation_id,
                arrival.browser_hash,
                &identity.person_id,
                now,
            )
            .await?;
            if redeemed.is_none() {
                // Unreachable in a serialisable transaction that has just read it as open; refusing
                // by error rolls back the person that was entered.
                return Err(Refusal::InvitationClosed.into());
            }
            let person = Actor::Person(identity.person_id.clone());
            if let Some(mismatch) = mismatch {
                claim(tx, holder, &identity, &held, mismatch, facility, now).await?;
                let mut decided = refused(person, Refusal::InvitationMismatch);
                decided.entries = decided
                    .entries
                    .into_iter()
                    .map(|entry| {
                        entry.on("invitation", &held.id).fact("mismatch", mismatch.as_str())
                    })
                    .collect();
                return Ok(decided);
            }
            let membership_id = membership::start(
                tx,
                &identity.person_id,
                organisation_id,
                Some(&identity.person_id),
                "invitation redeemed by code and card",
                now,
            )
            .await?;
            let record = Entry::done("membership.start", person, now)
                .on("membership", &membership_id)
                .on("invitation", &held.id)
                .personal("name", &holder.name);
            entries.push(facility.place(record, peer));
            (identity, membership_id)
        }
    };
    let seen = note_certificate(tx, holder, &identity, now).await?;
    entries.extend(
        take_on_names(tx, holder, &identity, facility, now)
            .await?
            .map(|record| facility.place(record, peer)),
    );
    let of_membership = membership_id.clone();
    let evidence_id = evidence::keep(tx, &holder.evidence).await?;
    let session = Session {
        id_hash,
        realm: Realm::Portal,
        person_id: identity.person_id.clone(),
        at_terminal: Some(AtTerminal {
            organisation_id: organisation_id.to_owned(),
            terminal_id: facility.terminal_id.clone(),
            fingerprint: facility.fingerprint,
            membership_id,
            evidence_id: evidence_id.clone(),
            presence_id: Some(holder.presence_id.clone()),
        }),
        hc_roles: holder.roles.iter().map(role_verbatim).collect(),
        acr: acr::HPKI_CARD.to_owned(),
        amr: AMR.map(str::to_owned).to_vec(),
        auth_time: now,
        created_at: now,
        last_seen_at: now,
        expires_at,
        locked_at: None,
        ended: None,
    };
    let renewed = match &previous {
        Some(previous) => sessions::renew(tx, &previous.id_hash, &session).await?,
        None => false,
    };
    let (named, becomes) = match &previous {
        Some(previous) if renewed => (previous.id_hash, "renewed"),
        _ => (id_hash, "opened"),
    };
    if !renewed {
        if let Some(previous) = previous {
            let person = Actor::Person(identity.person_id.clone());
            let ended = replace(tx, &previous, person, now).await?;
            entries.extend(ended.map(|record| facility.place(record, peer)));
        }
        sessions::open(tx, &session).await?;
    }
    let purpose = if arrival.expected.is_some() { "stepup" } else { "login" };
    let record = Entry::done("login.card", Actor::Person(identity.person_id), now)
        .on("session", hex::encode(named))
        .fact("session_is", becomes)
        .fact("purpose", purpose)
        .on("membership", of_membership)
        .on("evidence", evidence_id)
        .on("card", hex::encode(holder.fingerprint))
        .fact("acr", acr::HPKI_CARD)
        .fact("hc_roles", session.hc_roles)
        .fact(
            "certificate",
            match seen {
                FirstSeen::No => "known",
                FirstSeen::FirstOfCard => "first",
                FirstSeen::Renewal => "renewed",
            },
        )
        .personal("name", &holder.name);
    entries.push(facility.place(record, peer));
    if facility.of_new_pc {
        let replaced = new_pc::take_over(tx, facility, now).await?;
        entries.extend(replaced.map(|record| facility.place(record, peer)));
    }
    Ok(Decided { outcome: Ok(()), entries })
}

/// Whether this is the card that was asked for.
fn is_expected(holder: &VerifiedCardHolder, expected: &ExpectedSubject) -> bool {
    Sha256Digest::new(holder.issuer_hash) == expected.issuer_name_sha256
        && holder.serial_number == expected.serial_number
}

/// Ends the session that this browser held; the record of it, unless it had ended before.
async fn replace(
    tx: &mut Tx,
    previous: &Session,
    by: Actor,
    now: OffsetDateTime,
) -> Result<Option<Entry>, LoginError> {
    let ended = sessions::end(tx, &previous.id_hash, "replaced", now).await?;
    logout::fan_out(tx, ended.as_slice(), now).await?;
    Ok(ended.map(|ended| {
        Entry::done("session.end", by, now)
            .on("session", hex::encode(ended.id_hash))
            .on("person", ended.person_id)
            .fact("reason", "replaced")
    }))
}

async fn note_certificate(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    identity: &CardIdentity,
    now: OffsetDateTime,
) -> Result<FirstSeen, LoginError> {
    let certificate = CardCertificate {
        fingerprint: &holder.fingerprint,
        der: &holder.certificate_der,
        not_after: holder.not_after,
    };
    Ok(card::note_certificate(tx, &identity.id, certificate, now).await?)
}

/// A token says that the card vouches for the name: it is the one of the card that was used last.
/// Whoever administers the facility is told, so that nobody becomes another person unseen.
async fn take_on_names(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    identity: &CardIdentity,
    facility: &FacilityConnection,
    now: OffsetDateTime,
) -> Result<Option<Entry>, LoginError> {
    let person_id = &identity.person_id;
    let Some(before) =
        person::take_on_names(tx, person_id, &holder.name, &holder.name_romaji).await?
    else {
        return Ok(None);
    };
    // The name in Latin letters changes with its spelling; what people read is the other one.
    if before.name != holder.name {
        let to = To::FacilityAdministrators(facility.organisation_id.clone());
        let told = Notice::MemberRenamed { name: holder.name.clone(), before: before.name.clone() };
        notice::put(tx, to, told, now).await?;
    }
    let record = Entry::done("person.rename", Actor::Person(person_id.clone()), now)
        .on("person", person_id)
        .on("card", hex::encode(holder.fingerprint))
        .personal("name", &holder.name)
        .personal("name_before", before.name);
    Ok(Some(record))
}

/// Enters the person whom this card names for the first time. Kana come from the invitation, and
/// only where it names the same person: no card carries them.
async fn enter(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    subject: CardSubject<'_>,
    held: &Invitation,
    mismatch: Option<Mismatch>,
    now: OffsetDateTime,
) -> Result<CardIdentity, LoginError> {
    let same_person = !matches!(mismatch, Some(Mismatch::Name | Mismatch::Both));
    let name_kana = if same_person { held.name_kana.as_str() } else { "" };
    let names = PersonNames { name: &holder.name, name_kana, name_romaji: &holder.name_romaji };
    Ok(card::enter_person(tx, subject, names, holder.world, now).await?)
}

async fn claim(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    identity: &CardIdentity,
    held: &Invitation,
    mismatch: Mismatch,
    facility: &FacilityConnection,
    now: OffsetDateTime,
) -> Result<(), LoginError> {
    let seen_roles: Vec<_> = holder.roles.iter().map(role_verbatim).collect();
    let new = NewClaim {
        invitation_id: &held.id,
        person_id: &identity.person_id,
        terminal_id: &facility.terminal_id,
        seen_name: &holder.name,
        seen_roles: &seen_roles,
        mismatch,
        at: now,
    };
    invitation::claim(tx, new).await?;
    Ok(())
}

/// How the card differs from what the invitation expects; `None` when it does not.
fn mismatch(held: &Invitation, holder: &VerifiedCardHolder) -> Option<Mismatch> {
    let name = same_name(&held.name, &holder.name);
    let role = holder
        .roles
        .iter()
        .any(|role| role.known().is_some_and(|known| known.name == held.expected_role));
    match (name, role) {
        (true, true) => None,
        (false, true) => Some(Mismatch::Name),
        (true, false) => Some(Mismatch::Role),
        (false, false) => Some(Mismatch::Both),
    }
}

/// A role as the session keeps it: verbatim under the national coding scheme, known or not. Under
/// another scheme the scheme stands with it, so that no foreign name passes for a national one.
fn role_verbatim(role: &HcRole) -> String {
    if role.coding_scheme == ID_JHPKI_CDATA {
        role.name.clone()
    } else {
        format!("{} [{}]", role.name, role.coding_scheme)
    }
}

/// Text of a random identifier for a cookie.
pub(super) fn cookie_text(identifier: &[u8; 32]) -> String {
    encode(identifier)
}

#[cfg(test)]
mod tests {
    use const_oid::ObjectIdentifier;

    use super::*;

    #[test]
    fn a_role_of_a_foreign_scheme_never_equals_a_national_one() {
        let role = |scheme| HcRole {
            name: "Medical Doctor".to_owned(),
            coding_scheme: scheme,
            code: None,
        };
        assert_eq!(role_verbatim(&role(ID_JHPKI_CDATA)), "Medical Doctor");
        let foreign = role_verbatim(&role(ObjectIdentifier::new_unwrap("1.2.3.4")));
        assert_eq!(foreign, "Medical Doctor [1.2.3.4]");
    }
}
