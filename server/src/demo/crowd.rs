//! A facility with many terminals whose enrolment codes wait to be used: what benchmark and crash
//! tests enrol.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_key::{Randomness, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        name::{Part, name},
        request::to_be_signed,
        signed_object::assemble,
    },
    national::facility_identifier::FacilityIdentifier,
};
use sekisho_store::{
    Store, StoreError,
    application::Particulars,
    audit::{Actor, Audited, Entry},
    enrolment_code::{self, NewCode},
    organisation_kind::OrganisationKind,
    terminal, transaction,
};
use time::{Duration, OffsetDateTime};

use crate::{paper_code::PaperCode, sandbox::facility};

/// Terminals entered by one transaction.
const AT_ONCE: usize = 500;

/// A terminal that may enrol once.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Its identifier.
    pub terminal_id: String,
    /// `Authorization` header with its code.
    pub authorization: String,
}

/// A facility in operation.
///
/// # Errors
/// The database, or an identifier that is taken.
pub async fn facility(store: &Store, now: OffsetDateTime) -> anyhow::Result<String> {
    let id = FacilityIdentifier::from_random(random_u64()?).to_string();
    let mut code_hash = [0; 32];
    SystemRandomness.fill(&mut code_hash)?;
    let particulars = Particulars {
        kind: OrganisationKind::Hospital,
        name: "計測病院".to_owned(),
        name_kana: "ケイソクビョウイン".to_owned(),
        prefecture: 13,
        postal_code: "100-0001".to_owned(),
        address: "東京都千代田区".to_owned(),
        contact_name: "計測係".to_owned(),
        contact_phone: "03-0000-0000".to_owned(),
        contact_email: "measure@example.jp".to_owned(),
        codes: Vec::new(),
    };
    transaction!(store, StoreError, |tx| {
        facility::enter(tx, &id, &particulars, "measure", &code_hash, now).await?;
        let entry = Entry::done("measure.facility", Actor::System, now).at_organisation(&id);
        Ok(Audited::new((), entry))
    })?;
    Ok(id)
}

/// Enters terminals of a facility, each with a code.
///
/// # Errors
/// The database.
pub async fn newcomers(
    store: &Store,
    organisation_id: &str,
    number: usize,
    now: OffsetDateTime,
) -> anyhow::Result<Vec<Newcomer>> {
    let mut newcomers = Vec::with_capacity(number);
    let mut drawn = Vec::with_capacity(number);
    for _ in 0..number {
        let terminal_id = TerminalIdentifier::from_random(random_u64()?).to_string();
        let code = PaperCode::generate(&SystemRandomness)?;
        drawn.push((terminal_id.clone(), code.hash()));
        let authorization = basic(&terminal_id, &code);
        newcomers.push(Newcomer { terminal_id, authorization });
    }
    for drawn in drawn.chunks(AT_ONCE) {
        transaction!(store, StoreError, |tx| {
            for (terminal_id, code_hash) in drawn {
                terminal::create(tx, terminal_id, organisation_id, terminal_id, "measure", now)
                    .await?;
                enrolment_code::issue(tx, new_code(terminal_id, code_hash, now)).await?;
            }
            let entry = Entry::done("measure.terminals", Actor::System, now)
                .at_organisation(organisation_id);
            Ok(Audited::new((), entry))
        })?;
    }
    Ok(newcomers)
}

/// Another code for a terminal that has enrolled.
///
/// # Errors
/// The database.
pub async fn another_code(
    store: &Store,
    terminal_id: &str,
    now: OffsetDateTime,
) -> anyhow::Result<Newcomer> {
    let code = PaperCode::generate(&SystemRandomness)?;
    let code_hash = code.hash();
    transaction!(store, StoreError, |tx| {
        enrolment_code::issue(tx, new_code(terminal_id, &code_hash, now)).await?;
        let entry = Entry::done("measure.code", Actor::System, now).on("terminal", terminal_id);
        Ok(Audited::new((), entry))
    })?;
    let authorization = basic(terminal_id, &code);
    Ok(Newcomer { terminal_id: terminal_id.to_owned(), authorization })
}

fn new_code<'a>(terminal_id: &'a str, code_hash: &'a [u8; 32], now: OffsetDateTime) -> NewCode<'a> {
    NewCode {
        code_hash,
        terminal_id,
        tries: 5,
        person_id: "measure",
        created_at: now,
        expires_at: now + Duration::DAY,
        needs_approval: false,
    }
}

fn basic(terminal_id: &str, code: &PaperCode) -> String {
    format!("Basic {}", STANDARD.encode(format!("{terminal_id}:{}", code.reveal().as_str())))
}

/// A certification request for a fresh P-256 key, in base64, and that key.
///
/// # Errors
/// The cryptographic library.
pub fn request(terminal_id: &str) -> anyhow::Result<(String, SoftwareKey)> {
    let key = SoftwareKey::generate_p256()?;
    let info = to_be_signed(&name(&[Part::CommonName(terminal_id)])?, key.public_key_der())?;
    let signature = key.sign_now(&info)?;
    let der = assemble(&info, key.algorithm().identifier(), &signature)
        .context("the request does not encode")?;
    Ok((STANDARD.encode(der), key))
}

fn random_u64() -> anyhow::Result<u64> {
    let mut octets = [0; 8];
    SystemRandomness.fill(&mut octets)?;
    Ok(u64::from_be_bytes(octets))
}
