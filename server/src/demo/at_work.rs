//! People who are logged in at a terminal, entered without a login: what benchmark and crash tests of the
//! OpenID provider begin with. Their cards' certificates are real ones of a look-alike, since each use of a session
//! judges them.

use std::path::Path;

use anyhow::Context;
use der::Encode;
use sekisho_ca::lookalike::{CardHolder, CardUse, LookalikeHpki};
use sekisho_key::{Randomness, RsaSize, SoftwareKey, SystemRandomness};
use sekisho_protocol::octets::encode;
use sekisho_store::{
    Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    card::{self, CardCertificate, CardSubject, PersonNames},
    evidence::{self, Evidence},
    membership,
    session::{self, AtTerminal, Ground, Realm, Session},
    transaction,
    world::World,
};
use sekisho_wire::acr;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::{
    cards,
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

/// Physicians with cards that an instance trusts.
#[derive(Debug)]
pub struct Physicians {
    hpki: LookalikeHpki,
    /// Behind every card: nobody signs with it.
    key: SoftwareKey,
    issued: u32,
}

impl Physicians {
    /// Makes who issues their cards and lays anchors and lists into the instance, before it is served.
    ///
    /// # Errors
    /// When a key cannot be made or a file not be written.
    pub fn of(instance: &Path, now: OffsetDateTime) -> anyhow::Result<Self> {
        let hpki = LookalikeHpki::make(now, 0, "http://lists.lookalike.example")?;
        cards::trust(instance, &hpki, now - Duration::HOUR)?;
        Ok(Self { hpki, key: SoftwareKey::generate_rsa(RsaSize::Bits2048)?, issued: 0 })
    }

    fn next_card(&mut self, now: OffsetDateTime) -> anyhow::Result<NewCard> {
        self.issued += 1;
        let (name, serial_number) =
            (format!("計測　{}", self.issued), format!("MEASURE{}", self.issued));
        let not_after = now + Duration::days(365);
        let holder = CardHolder {
            common_name: "Measured",
            kanji_name: &name,
            serial_number: &serial_number,
            roles: &["Medical Doctor"],
            organisation: None,
        };
        let validity = (now - Duration::DAY, not_after);
        let forge = self.hpki.forge_card(
            &holder,
            CardUse::Authentication,
            &self.key,
            self.issued,
            validity,
        )?;
        let issuer_hash = Sha256::digest(self.hpki.sub_ca.subject.to_der()?).into();
        let der = forge.sign(&self.hpki.sub_ca.key)?;
        Ok(NewCard { der, not_after, issuer_hash, name, serial_number })
    }
}

struct NewCard {
    der: Vec<u8>,
    not_after: OffsetDateTime,
    issuer_hash: [u8; 32],
    name: String,
    serial_number: String,
}

/// What a login by card leaves behind, of one that did not take place: certificate and evidence of a known card;
/// answers the identifier of the latter.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn proof(
    tx: &mut Tx,
    card_identity_id: &str,
    (der, not_after): (&[u8], OffsetDateTime),
    terminal_fingerprint: [u8; 32],
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let fingerprint: [u8; 32] = Sha256::digest(der).into();
    let certificate = CardCertificate { fingerprint: &fingerprint, der, not_after };
    card::note_certificate(tx, card_identity_id, certificate, at).await?;
    let evidence = Evidence {
        at,
        card_fingerprint: fingerprint,
        terminal_fingerprint,
        request_jws: String::new(),
        signed_input: Vec::new(),
        algorithm: "none".to_owned(),
        signature: Vec::new(),
        page_proof: String::new(),
    };
    evidence::keep(tx, &evidence).await
}

/// Logs so many physicians in; answers what each one's browser sends as `Cookie`.
///
/// # Errors
/// The database.
pub async fn log_in(
    store: &Store,
    terminal: &Terminal,
    physicians: &mut Physicians,
    number: usize,
    now: OffsetDateTime,
) -> anyhow::Result<Vec<String>> {
    let mut drawn = Vec::with_capacity(number);
    for _ in 0..number {
        let mut identifier = [0; 32];
        SystemRandomness.fill(&mut identifier)?;
        drawn.push((identifier, physicians.next_card(now)?));
    }
    let fingerprint: [u8; 32] = Sha256::digest(&terminal.certificate).into();
    transaction!(store, StoreError, |tx| {
        for (identifier, new) in &drawn {
            let subject = CardSubject {
                issuer_hash: &new.issuer_hash,
                issuer: "計測",
                serial_number: &new.serial_number,
            };
            let names = PersonNames { name: &new.name, name_kana: "", name_romaji: "Measured" };
            let card = card::enter_person(tx, subject, names, World::Real, now).await?;
            let membership_id = membership::start(
                tx,
                &card.person_id,
                &terminal.organisation_id,
                None,
                "measure",
                now,
            )
            .await?;
            let evidence_id =
                proof(tx, &card.id, (&new.der, new.not_after), fingerprint, now).await?;
            let opened = Session {
                id_hash: Sha256::digest(identifier).into(),
                realm: Realm::Portal,
                person_id: card.person_id,
                at_terminal: Some(AtTerminal {
                    organisation_id: terminal.organisation_id.clone(),
                    terminal_id: terminal.id.clone(),
                    fingerprint,
                    ground: Ground::Membership(membership_id),
                    evidence_id,
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
    Ok(drawn.iter().map(|(identifier, _)| cookie(identifier)).collect())
}
