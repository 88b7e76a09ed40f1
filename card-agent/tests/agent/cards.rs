//! Software cards of invented people: their folders, written once they were issued.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use sekisho_ca::lookalike::{
    CardHolder, CardUse, Forge, LookalikeCard, LookalikeHpki, LookalikeJpki,
};
use sekisho_key::SoftwareKey;
use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::{ApplicationData, Family, Layout, Personalisation, Token};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::world::{PASSWORD, PIN};

/// What a card with this certificate is made to sign where no portal asks.
pub fn input(certificate_der: &[u8]) -> SignedInput {
    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    let occasion = Occasion {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
    };
    SignedInput::new(occasion, certificate_der)
}

/// Writes a card's folder; returns the authentication certificate.
pub fn write_card(folder: &std::path::Path, layout: Layout) -> Vec<u8> {
    write_card_of(folder, layout, 0)
}

/// The same by another issuer for each number.
pub fn write_card_of(folder: &std::path::Path, layout: Layout, issuer: u32) -> Vec<u8> {
    write_card_for(folder, layout, Whose { issuer, ..Whose::default() })
}

/// Whose card, and how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    pub issuer: u32,
    /// Of the other person, Jiro Kakuu: else of Hanako Kakuu.
    pub colleague: bool,
    /// Valid until [`ENDED`].
    pub ended: bool,
}

/// 10 October 2026 began in Japan with the next second.
pub const ENDED: OffsetDateTime = datetime!(2026-10-09 14:59:59 UTC);

/// The same for this person.
pub fn write_card_for(folder: &std::path::Path, layout: Layout, whose: Whose) -> Vec<u8> {
    let card = issued(whose);
    let certificate_der = card.certificate_der.clone();
    Personalisation {
        family: Family::Hpki { layout, pin: PIN.to_owned(), tries: 15 },
        authentication: ApplicationData {
            certificate_der: certificate_der.clone(),
            chain_der: vec![card.root_der.clone(), card.sub_ca_der.clone()],
            key_pkcs8_der: card.key_pkcs8.clone(),
        },
        signature: None,
    }
    .write(folder)
    .unwrap();
    certificate_der
}

/// The people of all worlds, each card once: RSA keys take longer to make than most tests to run.
fn issued(whose: Whose) -> Arc<LookalikeCard> {
    static ISSUED: Mutex<BTreeMap<Whose, Arc<LookalikeCard>>> = Mutex::new(BTreeMap::new());
    let issue = || {
        let now = OffsetDateTime::now_utc();
        let validity = match whose.ended {
            false => (now - Duration::DAY, now + Duration::DAY),
            true => (ENDED - Duration::days(365), ENDED),
        };
        let hpki = authority(whose.issuer);
        Arc::new(issue(&hpki, CardUse::Authentication, whose.colleague, validity))
    };
    ISSUED.lock().unwrap().entry(whose).or_insert_with(issue).clone()
}

fn authority(seed: u32) -> Arc<LookalikeHpki> {
    static MADE: Mutex<BTreeMap<u32, Arc<LookalikeHpki>>> = Mutex::new(BTreeMap::new());
    let make = || {
        let now = OffsetDateTime::now_utc();
        Arc::new(LookalikeHpki::make(now, seed, "http://plain.example/").unwrap())
    };
    MADE.lock().unwrap().entry(seed).or_insert_with(make).clone()
}

fn issue(
    hpki: &LookalikeHpki,
    used_for: CardUse,
    colleague: bool,
    validity: (OffsetDateTime, OffsetDateTime),
) -> LookalikeCard {
    let (common_name, kanji_name, serial_number) = match colleague {
        false => ("Hanako Kakuu", "架空　花子", "DEMO00001"),
        true => ("Jiro Kakuu", "架空　次郎", "DEMO00002"),
    };
    let roles = &["Medical Doctor"];
    let holder = CardHolder { common_name, kanji_name, serial_number, roles, organisation: None };
    hpki.issue_card(&holder, used_for, 7, validity).unwrap()
}

/// What an HPKI card has in its application for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signs {
    /// The certificate of the one person of all worlds.
    Documents,
    /// The same of somebody else.
    AsAnother,
    /// One that ended a minute ago.
    Expired,
    /// A certificate for authentication: no genuine card has it there.
    Logins,
}

/// Writes the folder of an HPKI card with both applications; returns the certificate for signatures.
pub fn write_signing_card(folder: &std::path::Path, layout: Layout, signs: Signs) -> Vec<u8> {
    static ISSUED: Mutex<BTreeMap<Signs, ApplicationData>> = Mutex::new(BTreeMap::new());
    write_card(folder, layout);
    let mut personal = Personalisation::load(folder).unwrap();
    let issue = || {
        let now = OffsetDateTime::now_utc();
        let end = if signs == Signs::Expired { -Duration::MINUTE } else { Duration::DAY };
        let used_for =
            if signs == Signs::Logins { CardUse::Authentication } else { CardUse::Signing };
        let validity = (now - Duration::DAY, now + end);
        let card = issue(&authority(0), used_for, signs == Signs::AsAnother, validity);
        ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.root_der, card.sub_ca_der],
            key_pkcs8_der: card.key_pkcs8,
        }
    };
    let signature = ISSUED.lock().unwrap().entry(signs).or_insert_with(issue).clone();
    let certificate_der = signature.certificate_der.clone();
    personal.signature = Some(signature);
    personal.write(folder).unwrap();
    certificate_der
}

/// Writes a My Number card's folder; returns the certificate for user authentication.
pub fn write_my_number_card(folder: &std::path::Path) -> Vec<u8> {
    static CARD: LazyLock<Personalisation> = LazyLock::new(my_number_card);
    CARD.write(folder).unwrap();
    CARD.authentication.certificate_der.clone()
}

/// The same with a certificate as the next My Number card will have one: for a key of ECDSA P-384, under an
/// authority of that kind (facts: the digital agency's report of 2024-03). Where such a card keeps it, and how
/// its key is used, is not published: the file is where the one for logins is today, and the key of the folder is
/// none of it.
pub fn write_card_of_the_next_generation(folder: &std::path::Path, used_for: CardUse) {
    write_my_number_card(folder);
    let today = match used_for {
        CardUse::Authentication => "authentication.crt",
        CardUse::Signing => "signature.crt",
    };
    let today = std::fs::read(folder.join(today)).unwrap();
    let today = Certificate::from_der(&today).unwrap();
    let tbs = today.tbs_certificate();
    let [authority, key] = [(), ()].map(|()| SoftwareKey::generate_p384().unwrap());
    let now = OffsetDateTime::now_utc();
    let until = now + Duration::days(3650);
    let mut forge = Forge::new(tbs.issuer(), tbs.subject(), &key, now - Duration::DAY, until);
    forge.extensions = tbs.extensions().unwrap().clone();
    let certificate_der = forge.sign(&authority).unwrap();
    std::fs::write(folder.join("authentication.crt"), certificate_der).unwrap();
}

/// The same; returns the certificate for signatures.
pub fn write_my_number_card_that_signs(folder: &std::path::Path) -> Vec<u8> {
    write_my_number_card(folder);
    Personalisation::load(folder).unwrap().signature.unwrap().certificate_der
}

fn my_number_card() -> Personalisation {
    let now = OffsetDateTime::now_utc();
    let jpki = LookalikeJpki::make(now).unwrap();
    let validity = (now - Duration::DAY, now + Duration::DAY);
    let [authentication, signature] = [CardUse::Authentication, CardUse::Signing].map(|used_for| {
        let card = jpki.issue_card(used_for, 7, validity).unwrap();
        ApplicationData {
            certificate_der: card.certificate_der,
            chain_der: vec![card.authority_der],
            key_pkcs8_der: card.key_pkcs8,
        }
    });
    let (pin, password) = (PIN.to_owned(), Some(PASSWORD.to_owned()));
    Personalisation {
        family: Family::Jpki { token: Token::MyNumberCard, pin, password },
        authentication,
        signature: Some(signature),
    }
}
