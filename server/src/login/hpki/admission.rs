//! May the holder of a verified HPKI card have a session here? Decided and opened in the transaction
//! of [`crate::login::admission`].

use sekisho_pki::national::hc_role::{HcRole, ID_JHPKI_CDATA};
use sekisho_protocol::{Sha256Digest, request::ExpectedSubject};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Entry},
    card::{self, CardCertificate, CardIdentity, CardSubject, FirstSeen, PersonNames},
    evidence,
    invitation::{self, Invitation, Kind, Mismatch, NewClaim},
    membership, person,
    session::{Ground, Session},
};
use sekisho_wire::acr;
use time::OffsetDateTime;

use super::VerifiedCardHolder;
use crate::{
    app::App,
    listener::FacilityConnection,
    login::{
        admission::{Arrival, Decided},
        name::same_name,
        opening::{self, Admitted, Opening},
        refusal::{LoginError, Refusal},
        visitor::{self, Stranger},
    },
    notice::{self, Notice, To},
};

/// Methods of a card login (RFC 8176 §2): smart card and PIN, so more than one factor.
pub(in crate::login) const AMR: [&str; 3] = ["mfa", "pin", "sc"];

/// Decides, and opens the session.
///
/// # Errors
/// The database, or a defect. A refusal is part of the decision.
pub(in crate::login) async fn decide(
    tx: &mut Tx,
    app: &App,
    holder: &VerifiedCardHolder,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    opening: Opening,
) -> Result<Decided, LoginError> {
    let (Arrival { peer, facility, .. }, now) = (arrival, opening.now);
    let organisation_id = facility.organisation_id.as_str();
    let subject = CardSubject {
        issuer_hash: &holder.issuer_hash,
        issuer: &holder.issuer,
        serial_number: &holder.serial_number,
    };
    let record = |who: Actor, refusal: Refusal| {
        Entry::refused("login.card", who, now, refusal.code())
            .personal("name", &holder.name)
            .personal("serial_number", &holder.serial_number)
            .on("card", hex::encode(holder.fingerprint))
    };
    let refused = |who: Actor, refusal: Refusal| {
        Decided::refused(arrival, record(who, refusal), refusal, None)
    };
    if !arrival.expected.is_none_or(|expected| is_expected(holder, expected.subject)) {
        // Whose session it is did not bring this card; the session stays as it was.
        let refusal = Refusal::AnotherPerson;
        let record = record(facility.actor(), refusal);
        return Ok(Decided::refused(arrival, record, refusal, previous));
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
    let roles: Vec<String> = holder.roles.iter().map(role_verbatim).collect();
    let (identity, ground) = match (known, membership, arrival.invitation_id) {
        (Some(identity), Some(membership), None) => (identity, Ground::Membership(membership.id)),
        (Some(_), Some(_), Some(_)) => return Ok(refused(actor, Refusal::AlreadyMember)),
        (known, _, None) => {
            let person_id = known.as_ref().map(|identity| identity.person_id.as_str());
            let stranger = Stranger { person_id, roles: &roles, acr: acr::HPKI_CARD };
            let ground = match visitor::ground(tx, app, arrival, previous, stranger, now).await? {
                Ok(ground) => ground,
                Err(refusal) => return Ok(refused(actor, refusal)),
            };
            let identity = match known {
                Some(identity) => identity,
                None => {
                    let (identity, record) = enter_visitor(tx, holder, subject, now).await?;
                    entries.push(facility.place(record, peer));
                    identity
                }
            };
            (identity, ground)
        }
        (known, _, Some(invitation_id)) => {
            let held = invitation::held(tx, arrival.browser_hash, organisation_id, now).await?;
            let Some(held) =
                held.filter(|held| held.id == invitation_id && held.kind == Kind::Card)
            else {
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
            // Of a visitor nobody told it; a card carries none.
            let kana = person::take_on_kana(tx, &identity.person_id, &held.name_kana).await?;
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
                .fact("name_kana", if kana { "taken_on" } else { "known" })
                .personal("name", &holder.name);
            entries.push(facility.place(record, peer));
            (identity, Ground::Membership(membership_id))
        }
    };
    let seen = note_certificate(tx, holder, &identity, now).await?;
    entries.extend(
        take_on_names(tx, holder, &identity, &ground, facility, now)
            .await?
            .map(|record| facility.place(record, peer)),
    );
    let admitted = Admitted {
        person_id: &identity.person_id,
        ground,
        act: "login.card",
        evidence_id: evidence::keep(tx, &holder.evidence).await?,
        presence_id: Some(&holder.presence_id),
        hc_roles: roles,
        acr: acr::HPKI_CARD,
        amr: &AMR,
    };
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let certificate = match seen {
        FirstSeen::No => "known",
        FirstSeen::FirstOfCard => "first",
        FirstSeen::Renewal => "renewed",
    };
    entries.extend(opened.records(|login| {
        login
            .on("card", hex::encode(holder.fingerprint))
            .fact("certificate", certificate)
            .personal("name", &holder.name)
    }));
    Ok(Decided { outcome: Ok(()), entries })
}

/// Whether this is the card that was asked for.
fn is_expected(holder: &VerifiedCardHolder, expected: &ExpectedSubject) -> bool {
    Sha256Digest::new(holder.issuer_hash) == expected.issuer_name_sha256
        && holder.serial_number == expected.serial_number
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
/// Whoever administers the facility is told, or of a visitor the facilities that know them as a member, so that
/// nobody becomes another person unseen.
async fn take_on_names(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    identity: &CardIdentity,
    ground: &Ground,
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
        let facilities = match ground {
            Ground::Membership(_) => vec![facility.organisation_id.clone()],
            Ground::Emergency => membership::facilities_of(tx, person_id).await?,
        };
        for facility in facilities {
            let (name, before) = (holder.name.clone(), before.name.clone());
            let told = Notice::MemberRenamed { name, before };
            notice::put(tx, To::FacilityAdministrators(facility), told, now).await?;
        }
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

/// Enters a visitor whom this card names for the first time, with the record of it.
async fn enter_visitor(
    tx: &mut Tx,
    holder: &VerifiedCardHolder,
    subject: CardSubject<'_>,
    now: OffsetDateTime,
) -> Result<(CardIdentity, Entry), LoginError> {
    let names = PersonNames { name: &holder.name, name_kana: "", name_romaji: &holder.name_romaji };
    let entered = card::enter_person(tx, subject, names, holder.world, now).await;
    let identity = entered.map_err(|error| match error {
        StoreError::AlreadyExists { .. } => LoginError::Overtaken,
        error => error.into(),
    })?;
    let record = Entry::done("person.enter", Actor::Person(identity.person_id.clone()), now)
        .on("person", &identity.person_id)
        .on("card", hex::encode(holder.fingerprint))
        .personal("name", &holder.name);
    Ok((identity, record))
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
pub(in crate::login) fn role_verbatim(role: &HcRole) -> String {
    if role.coding_scheme == ID_JHPKI_CDATA {
        role.name.clone()
    } else {
        format!("{} [{}]", role.name, role.coding_scheme)
    }
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
