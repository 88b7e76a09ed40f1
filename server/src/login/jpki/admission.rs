//! May the holder of a verified My Number card have a session here? Decided and opened in the
//! transaction of [`crate::login::admission`].

use sekisho_protocol::Sha256Digest;
use sekisho_store::{
    Tx,
    audit::{Actor, Entry},
    evidence, jpki_link, membership,
    session::{Ground, Session},
};
use sekisho_wire::{acr, amr};

use super::holder::VerifiedJpkiHolder;
use crate::{
    app::App,
    login::{
        admission::{Arrival, Decided, Expected},
        opening::{self, Admitted, Opening},
        refusal::{LoginError, Refusal},
        trust_sources::CardTrust,
        visitor::{self, Stranger},
        vouching::{self, Lapse},
    },
};

/// Methods of a login by My Number card (RFC 8176 §2): smart card and PIN, and which card.
pub(in crate::login) const AMR: [&str; 4] = [amr::JPKI, "mfa", "pin", "sc"];

/// Decides, and opens the session.
///
/// # Errors
/// The database, or a defect. A refusal is part of the decision.
pub(in crate::login) async fn decide(
    tx: &mut Tx,
    app: &App,
    trust: &CardTrust,
    holder: &VerifiedJpkiHolder,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    opening: Opening,
) -> Result<Decided, LoginError> {
    let (facility, now) = (arrival.facility, opening.now);
    let organisation_id = facility.organisation_id.as_str();
    let refused = |who: Actor, refusal: Refusal, stays: Option<&Session>| {
        // Whose card nobody linked is told of to nobody, in the trail neither.
        let record = Entry::refused("login.card", who, now, refusal.code()).fact("family", "jpki");
        Ok(Decided::refused(arrival, record, refusal, stays))
    };
    if arrival.invitation_id.is_some() {
        return refused(facility.actor(), Refusal::HpkiCardNeeded, None);
    }
    match arrival.expected {
        Some(Expected { certificate: None, .. }) => {
            return refused(facility.actor(), Refusal::HpkiCardNeeded, previous);
        }
        Some(Expected { certificate: Some(expected), .. })
            if expected != Sha256Digest::new(holder.fingerprint) =>
        {
            return refused(facility.actor(), Refusal::AnotherPerson, previous);
        }
        _ => {}
    }
    let link = jpki_link::of_serial(tx, &holder.serial_hash).await?;
    // A serial number names one certificate; another one under it was linked by nobody.
    let Some(link) = link.filter(|link| link.fingerprint == holder.fingerprint) else {
        return refused(facility.actor(), Refusal::NotLinked, None);
    };
    let person = || Actor::Person(link.person_id.clone());
    let vouched = vouching::judge(trust, &link.voucher.certificate_der, now);
    let standing = vouched.as_ref().err().map_or("vouched", |lapse: &Lapse| lapse.code());
    let hc_roles = vouched.unwrap_or_default();
    let ground = match membership::in_force(tx, &link.person_id, organisation_id).await? {
        Some(membership) => Ground::Membership(membership.id),
        None => {
            let person_id = Some(link.person_id.as_str());
            let stranger = Stranger { person_id, roles: &hc_roles, acr: acr::JPKI_CARD };
            match visitor::ground(tx, app, arrival, previous, stranger, now).await? {
                Ok(ground) => ground,
                Err(refusal) => return refused(person(), refusal, None),
            }
        }
    };
    let admitted = Admitted {
        person_id: &link.person_id,
        ground,
        act: "login.card",
        evidence_id: evidence::keep(tx, &holder.evidence).await?,
        presence_id: Some(&holder.presence_id),
        hc_roles,
        acr: acr::JPKI_CARD,
        amr: &AMR,
    };
    let opened = opening::open(tx, arrival, previous, admitted, opening).await?;
    let said = |login: Entry| login.on("jpki_link", &link.id).fact("profession", standing);
    let entries = opened.records(said).collect();
    Ok(Decided { outcome: Ok(()), entries })
}
