//! People who are logged in at a terminal, entered without a card: what benchmark and crash tests of the
//! OpenID provider begin with.

use anyhow::Context;
use sekisho_key::{Randomness, SystemRandomness};
use sekisho_protocol::octets::encode;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    membership, person,
    session::{self, AtTerminal, Ground, Realm, Session},
    transaction,
};
use sekisho_wire::acr;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{
    connection::Door,
    crowd,
    est_client::{self, EstClient},
};
use crate::login::session as portal_session;

/// A terminal that has its certificate.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// The facility.
    pub organisation_id: String,
    /// Its identifier.
    pub id: String,
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS #8.
    pub key: Vec<u8>,
}

/// A terminal of a new facility, enrolled by the real door.
///
/// # Errors
/// The database, or the enrolment is refused.
pub async fn enrol(store: &Store, door: &Door, now: OffsetDateTime) -> anyhow::Result<Terminal> {
    let organisation_id = crowd::facility(store, now).await?;
    let newcomers = crowd::newcomers(store, &organisation_id, 1, now).await?;
    let newcomer = newcomers.into_iter().next().context("no terminal was entered")?;
    let mut client = EstClient::over(door.connect(None).await?);
    let (request, key) = crowd::request(&newcomer.terminal_id)?;
    let (status, body) = client.ask(Some(&newcomer.authorization), &request).await?;
    let certificate = est_client::certificate(status, &body)?;
    let key = key.pkcs8_der()?.to_vec();
    Ok(Terminal { organisation_id, id: newcomer.terminal_id, certificate, key })
}

/// Logs so many physicians in; answers what each one's browser sends as `Cookie`.
///
/// # Errors
/// The database.
pub async fn log_in(
    store: &Store,
    terminal: &Terminal,
    number: usize,
    now: OffsetDateTime,
) -> anyhow::Result<Vec<String>> {
    let mut drawn = Vec::with_capacity(number);
    for _ in 0..number {
        let mut identifier = [0; 32];
        SystemRandomness.fill(&mut identifier)?;
        drawn.push(identifier);
    }
    transaction!(store, StoreError, |tx| {
        for (number, identifier) in drawn.iter().enumerate() {
            let name = format!("計測　{number}");
            let person_id = person::enter(tx, &name, "", now).await?;
            let membership_id =
                membership::start(tx, &person_id, &terminal.organisation_id, None, "measure", now)
                    .await?;
            let opened = Session {
                id_hash: Sha256::digest(identifier).into(),
                realm: Realm::Portal,
                person_id,
                at_terminal: Some(AtTerminal {
                    organisation_id: terminal.organisation_id.clone(),
                    terminal_id: terminal.id.clone(),
                    fingerprint: Sha256::digest(&terminal.certificate).into(),
                    ground: Ground::Membership(membership_id),
                    evidence_id: "measure".to_owned(),
                    presence_id: None,
                }),
                hc_roles: vec!["Medical Doctor".to_owned()],
                acr: acr::HPKI_CARD.to_owned(),
                amr: vec!["sc".to_owned(), "pin".to_owned()],
                auth_time: now,
                created_at: now,
                last_seen_at: now,
                expires_at: now + Duration::HOUR,
                locked_at: None,
                ended: None,
            };
            session::open(tx, &opened).await?;
        }
        let entry = Entry::done("measure.sessions", Actor::System, now)
            .at_organisation(&terminal.organisation_id);
        Ok(Audited::new((), entry))
    })?;
    let cookie = |identifier| format!("{}={}", portal_session::COOKIE, encode(identifier));
    Ok(drawn.iter().map(cookie).collect())
}
