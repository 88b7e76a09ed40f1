//! What the fuzz targets of this folder and the property tests in `ca/pki/tests/hostile_bytes.rs`
//! both run: each parser with what is done to its result.
#![allow(clippy::unwrap_used, missing_docs)]

use der::Decode;
use sekisho_pki::{
    cmp::{self, Message, Protection, crmf::CertReqMsg},
    encoding::{
        cades::VerifiedSignature,
        cms::parse_certs_only,
        name,
        ocsp::{BasicOcspResponse, OcspQuery, OcspResponse},
        permanent_identifier::{PermanentIdentifier, facility_of},
        pkcs12::{Content, Pfx, Work, bags, keys},
        serial::Serial,
        signed_object::SignedObject,
        tlv::{Reader, Rules},
    },
    inspect::{Language, Options, inspect},
    national::{
        facility_code::{MedicalInstitutionCode, Strictness},
        facility_identifier::FacilityIdentifier,
        hc_role,
    },
    path::{self, Anchors, Crl, OcspAnswer, Purpose, Requirements, Revocation, TrustAnchor},
    scep::{
        Envelope, UnverifiedMessage,
        request::{challenge_password, issuer_and_serial},
    },
    signature::{self, PublicKeyKind},
};
use time::macros::datetime;
use x509_cert::{Certificate, name::Name, request::CertReq};

/// The certificates of a path, one behind the other: the first is judged, the others are candidates;
/// `anchor_der` is believed.
pub fn path(octets: &[u8], anchor_der: &[u8]) {
    let mut reader = Reader::new(octets, Rules::Ber);
    let mut parts = Vec::new();
    while !reader.is_finished() && parts.len() < 20 {
        let Ok(part) = reader.next() else { break };
        parts.push(part.whole);
    }
    let Some((first, rest)) = parts.split_first() else { return };
    let anchors = Anchors::new(vec![TrustAnchor::from_der(anchor_der).unwrap()]);
    let requirements = Requirements::new(Purpose::Any, Revocation::JudgedByCaller);
    let _ = path::validate(first, rest, &anchors, &requirements, datetime!(2026-11-21 12:00 UTC));
}

/// Codes and identifiers as people type them.
pub fn codes(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let _ = MedicalInstitutionCode::parse(&text, Strictness::Warn);
    let _ = MedicalInstitutionCode::parse(&text, Strictness::Strict);
    let _ = FacilityIdentifier::parse(&text);
    let _ = Serial::from_hex(&text);
}

/// A certificate, and what is read from it: facility, profession, names.
pub fn certificate(octets: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(octets) {
        let _ = facility_of(&certificate);
        let _ = hc_role::of_certificate(&certificate);
        let tbs = certificate.tbs_certificate();
        let _ = Serial::from_x509(tbs.serial_number());
        let _ = name::same(tbs.issuer(), tbs.subject());
    }
    let _ = SignedObject::parse(octets, false);
}

/// A CRL, DER or PEM.
pub fn crl(octets: &[u8]) {
    if let Ok(crl) = Crl::parse_file(octets) {
        let _ = crl.this_update();
    }
}

/// An OCSP request by POST and by GET.
pub fn ocsp_request(octets: &[u8]) {
    let _ = OcspQuery::parse(octets);
    let _ = OcspQuery::parse_get(&String::from_utf8_lossy(octets));
}

/// An OCSP response and the basic response inside.
pub fn ocsp_response(octets: &[u8]) {
    let _ = OcspAnswer::parse(octets);
    if let Ok(response) = OcspResponse::from_der(octets)
        && let Some(bytes) = response.response_bytes
    {
        let _ = BasicOcspResponse::from_der(bytes.response.as_bytes());
        let _ = SignedObject::parse(bytes.response.as_bytes(), true);
    }
}

/// A certification request, as the authority reads it.
pub fn request(octets: &[u8]) {
    let _ = CertReq::from_der(octets);
    let _ = SignedObject::parse(octets, false);
}

/// A CMS message: certs-only, or the signature of a document.
pub fn certs_only(octets: &[u8]) {
    let _ = parse_certs_only(octets);
    let _ = VerifiedSignature::verify(octets, octets);
}

/// A CMP message: its frame and protection, and what may lie in its body.
pub fn cmp(octets: &[u8]) {
    let Ok(message) = Message::parse(octets) else { return };
    let _ = message.header.protection_alg.as_ref().map(Protection::of);
    if let Ok(request) = CertReqMsg::parse(message.content) {
        let _ = request.old_certificate();
    }
    let _ = cmp::body::revocation(message.content);
    let _ = cmp::body::confirmation(message.content);
    let _ = cmp::body::poll_request(message.content);
    let _ = cmp::body::questions(message.content);
    let _ = cmp::body::outcome(message.kind, message.content);
}

/// A SCEP message: its frame and signature, its envelope, and what may lie in that.
pub fn scep(octets: &[u8]) {
    if let Ok(message) = UnverifiedMessage::parse(octets).and_then(UnverifiedMessage::verify) {
        let _ = Envelope::parse(&message.content);
    }
    let _ = Envelope::parse(octets);
    let _ = challenge_password(octets);
    let _ = issuer_and_serial(octets);
}

/// A PKCS #12 file, its MAC and its parts.
pub fn pkcs12(octets: &[u8]) {
    let _ = bags(octets);
    let _ = keys::of_encrypted_key(octets, "vector-passphrase", &mut Work::new(10_000));
    let Ok(file) = Pfx::parse(octets) else { return };
    // A small budget: what costs more is refused, which a unit test shows.
    let mut work = Work::new(10_000);
    let _ = file.verify("vector-passphrase", &mut work);
    let _ = keys::of_pfx(&file, "vector-passphrase", &mut work);
    for content in &file.contents {
        if matches!(content, Content::Plain(_) | Content::Encrypted { .. })
            && let Ok(inside) = content.open("vector-passphrase", &mut work)
        {
            let _ = bags(&inside);
        }
    }
}

/// hcRole: the extension and a single actor.
pub fn hc_role_parts(octets: &[u8]) {
    let _ = hc_role::parse_extension(octets);
    let _ = hc_role::parse_actor(octets);
}

/// permanentIdentifier and what its value may be.
pub fn identifier(octets: &[u8]) {
    if let Ok(found) = PermanentIdentifier::from_der(octets)
        && let Some(value) = found.identifier_value
    {
        let _ = FacilityIdentifier::parse(&value);
        let _ = MedicalInstitutionCode::parse(&value, Strictness::Warn);
    }
}

/// A distinguished name.
pub fn names(octets: &[u8]) {
    if let Ok(name) = Name::from_der(octets) {
        let _ = name::same(&name, &name);
        let _ = name::only_text(&name, const_oid::db::rfc4519::COMMON_NAME);
    }
}

/// A public key, and a signature by it.
pub fn public_key(octets: &[u8]) {
    let algorithm = spki::AlgorithmIdentifierOwned {
        oid: const_oid::db::rfc5912::ECDSA_WITH_SHA_256,
        parameters: None,
    };
    let _ = PublicKeyKind::of_der(octets);
    let _ = signature::verify(octets, &algorithm, b"message", b"signature");
}

/// Any file in words: nothing of it may reach a terminal, and the JSON is JSON.
pub fn look(octets: &[u8]) {
    let options = Options { now: datetime!(2026-11-21 12:00 UTC), entries: 20, passphrase: None };
    let found = inspect(octets, &options);
    let text = found.text(Language::Japanese);
    assert!(!text.chars().any(|c| c != '\n' && sekisho_pki::inspect::escape::is_hazard(c)));
    assert!(!found.objects.is_empty());
    assert!(found.broken().all(|broken| !broken.text(Language::English).is_empty()));
    serde_json::from_str::<serde_json::Value>(&found.json().unwrap()).unwrap();
}
