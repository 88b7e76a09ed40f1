//! Messages that OpenSSL 3.0 made, and what may be done to them.

use der::{Decode, Encode};
use spki::AlgorithmIdentifierOwned;

use super::{
    body::{self, Body},
    crmf::{CertReqMsg, ProofOfPossession},
    *,
};
use crate::signature;

/// Made by `openssl cmp` (tests/vectors/cmp/README.md).
const IR: &[u8] = include_bytes!("../../../../tests/vectors/cmp/openssl-3.0-ir.der");
const P10CR: &[u8] = include_bytes!("../../../../tests/vectors/cmp/openssl-3.0-p10cr.der");
const RR: &[u8] = include_bytes!("../../../../tests/vectors/cmp/openssl-3.0-rr.der");
const GENM: &[u8] = include_bytes!("../../../../tests/vectors/cmp/openssl-3.0-genm.der");
const SECRET: &[u8] = b"0000-1111-2222-3333-4444";

fn mac(message: &Message<'_>) -> MacParameters {
    match Protection::of(message.header.protection_alg.as_ref().unwrap()).unwrap() {
        Protection::Mac(parameters) => parameters,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_of_openssl_is_read_and_its_mac_counts_under_its_secret_alone() {
    for (octets, kind) in
        [(IR, BodyKind::Ir), (P10CR, BodyKind::P10cr), (RR, BodyKind::Rr), (GENM, BodyKind::Genm)]
    {
        let message = Message::parse(octets).unwrap();
        assert_eq!(message.kind, kind);
        assert_eq!(message.header.sender_kid.as_ref().unwrap().as_bytes(), b"T0123456789");
        assert_eq!(message.header.transaction_id.as_ref().unwrap().as_bytes().len(), 16);
        let (parameters, given) = (mac(&message), message.protection.clone().unwrap());
        assert!(!parameters.is_weak());
        assert!(parameters.is_mac(SECRET, message.protected(), &given));
        assert!(!parameters.is_mac(b"0000-1111-2222-3333-4445", message.protected(), &given));
        assert!(!parameters.is_mac(SECRET, message.protected(), &given[..31]));
        assert!(!parameters.is_mac(SECRET, &message.protected()[1..], &given));
    }
}

#[test]
fn the_proof_of_possession_is_over_the_request_as_it_came() {
    let message = Message::parse(IR).unwrap();
    assert!(message.header.is_confirmed_implicitly());
    let request = CertReqMsg::parse(message.content).unwrap();
    let ProofOfPossession::Signature { algorithm, signature: octets } = &request.proof else {
        panic!("{:?}", request.proof)
    };
    let spki = request.request.template.public_key.as_ref().unwrap().to_der().unwrap();
    signature::verify(&spki, algorithm, request.request_der, octets).unwrap();
    let again = crmf::cert_req_messages(request.request_der, algorithm.clone(), octets).unwrap();
    assert_eq!(again, message.content);
}

#[test]
fn what_is_cut_off_or_stands_behind_is_refused_and_each_octet_counts() {
    for octets in [IR, P10CR, RR, GENM] {
        for end in 0..octets.len() {
            assert!(Message::parse(&octets[..end]).is_err(), "{end}");
        }
        assert!(Message::parse(&[octets, &[0]].concat()).is_err());
        let good = Message::parse(octets).unwrap();
        for place in 0..octets.len() {
            let mut damaged = octets.to_vec();
            damaged[place] ^= 1;
            let Ok(read) = Message::parse(&damaged) else { continue };
            let Some(algorithm) = &read.header.protection_alg else { continue };
            let Ok(Protection::Mac(parameters)) = Protection::of(algorithm) else { continue };
            let Some(given) = &read.protection else { continue };
            let same =
                read.protected() == good.protected() && *given == good.protection.clone().unwrap();
            assert!(same || !parameters.is_mac(SECRET, read.protected(), given), "octet {place}");
        }
    }
    let long = vec![0x30; MOST_OCTETS + 1];
    assert_eq!(Message::parse(&long).unwrap_err(), MessageFault::TooLong);
}

#[test]
fn a_revocation_names_one_certificate_and_its_reason() {
    let message = Message::parse(RR).unwrap();
    let details = body::revocation(message.content).unwrap();
    assert!(details.cert_details.serial_number.is_some() && details.cert_details.issuer.is_some());
    assert_eq!(details.crl_entry_details.unwrap().len(), 1);
    assert!(body::questions(Message::parse(GENM).unwrap().content).unwrap().len() <= 1);
}

#[test]
fn two_requests_in_one_message_are_refused() {
    let one = Message::parse(IR).unwrap().content;
    let inside = &members_of(one);
    let twice = wrap(0x30, &[inside.as_slice(), inside].concat());
    let refused = CertReqMsg::parse(&twice).unwrap_err();
    assert!(matches!(refused, MessageFault::NotOne { .. }), "{refused:?}");
    assert!(matches!(CertReqMsg::parse(&[0x30, 0]), Err(MessageFault::NotOne { .. })));
}

fn members_of(octets: &[u8]) -> Vec<u8> {
    der::AnyRef::from_der(octets).unwrap().value().to_vec()
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let tag = der::Tag::from_der(&[tag]).unwrap();
    der::Any::new(tag, content).unwrap().to_der().unwrap()
}

#[test]
fn other_proofs_than_a_signature_over_the_request_are_told_apart() {
    let request = CertReqMsg::parse(Message::parse(IR).unwrap().content).unwrap().request_der;
    let of = |proof: &[u8]| {
        let one = wrap(0x30, &[request, proof].concat());
        CertReqMsg::parse(&wrap(0x30, &one)).unwrap().proof
    };
    assert_eq!(of(&[0x80, 0]), ProofOfPossession::RaVerified);
    assert_eq!(of(&[]), ProofOfPossession::Other);
    assert_eq!(of(&[0xa2, 3, 0x81, 1, 0]), ProofOfPossession::Other);
    assert_eq!(of(&[0xa1, 2, 0xa0, 0]), ProofOfPossession::SignatureOfInput);
}

/// A protectionAlg of PasswordBasedMac.
fn pbm(salt: usize, owf: &str, iterations: u32, hmac: &str) -> AlgorithmIdentifierOwned {
    let oid =
        |text: &str| wrap(0x30, &const_oid::ObjectIdentifier::new_unwrap(text).to_der().unwrap());
    let parameters =
        [wrap(0x04, &vec![7; salt]), oid(owf), iterations.to_der().unwrap(), oid(hmac)].concat();
    AlgorithmIdentifierOwned {
        oid: const_oid::ObjectIdentifier::new_unwrap("1.2.840.113533.7.66.13"),
        parameters: Some(der::Any::from_der(&wrap(0x30, &parameters)).unwrap()),
    }
}

#[test]
fn a_mac_that_costs_too_much_or_is_too_weak_is_refused() {
    let (sha256, hmac) = ("2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9");
    assert!(Protection::of(&pbm(16, sha256, 500, hmac)).is_ok());
    for (salt, iterations) in [(129, 500), (16, 0), (16, 10_001), (16, u32::MAX)] {
        let refused = Protection::of(&pbm(salt, sha256, iterations, hmac));
        assert_eq!(refused, Err(ProtectionFault::Work), "{salt} {iterations}");
    }
    // SHA-1 and MD5 as the one-way function, HMAC with MD5.
    for (owf, hmac) in
        [("1.3.14.3.2.26", hmac), ("1.2.840.113549.2.5", hmac), (sha256, "1.3.6.1.5.5.8.1.1")]
    {
        let refused = Protection::of(&pbm(16, owf, 500, hmac));
        assert!(matches!(refused, Err(ProtectionFault::Algorithm(_))), "{owf} {hmac}");
    }
    let Ok(Protection::Mac(weak)) = Protection::of(&pbm(16, sha256, 500, "1.3.6.1.5.5.8.1.2"))
    else {
        panic!("it is read, to be refused in words")
    };
    assert!(weak.is_weak());
    let missing = AlgorithmIdentifierOwned { parameters: None, ..pbm(1, sha256, 1, hmac) };
    assert_eq!(Protection::of(&missing), Err(ProtectionFault::Parameters));
}

#[test]
fn pbmac1_counts_as_rfc_9481_wants_it() {
    let plain =
        |text: &str| wrap(0x30, &const_oid::ObjectIdentifier::new_unwrap(text).to_der().unwrap());
    let hmac = plain("1.2.840.113549.2.9");
    let of = |iterations: u32, prf: &[u8]| {
        let pbkdf2 = wrap(
            0x30,
            &[&wrap(0x04, b"salt of sixteen!")[..], &iterations.to_der().unwrap(), prf].concat(),
        );
        let oid = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
        let derivation = wrap(0x30, &[oid.to_der().unwrap(), pbkdf2].concat());
        Protection::of(&AlgorithmIdentifierOwned {
            oid: const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14"),
            parameters: Some(
                der::Any::from_der(&wrap(0x30, &[derivation, hmac.clone()].concat())).unwrap(),
            ),
        })
    };
    let Ok(Protection::Mac(parameters)) = of(1000, &hmac) else { panic!() };
    // Python: hmac.new(pbkdf2_hmac("sha256", SECRET, b"salt of sixteen!", 1000, 32), b"octets", "sha256").
    let expected = "1e751a563087fe9b9c14212673a4dd511a22f08007cc540b77356b95406e0fba";
    let mac = parameters.mac(SECRET, b"octets");
    assert_eq!(hex::encode(&mac), expected);
    assert_eq!(of(20_001, &hmac), Err(ProtectionFault::Work));
    // Without a function PBKDF2 means SHA-1.
    assert!(matches!(of(1000, &[]), Err(ProtectionFault::Algorithm(_))));
}

#[test]
fn what_we_write_reads_back() {
    let asked = Message::parse(IR).unwrap();
    let parameters = MacParameters::usual(vec![5; 16]);
    let mut header = asked.header.clone();
    header.protection_alg = Some(parameters.identifier().unwrap());
    let refused = StatusInfo::rejection(FailInfo::NotAuthorized, "CMP: 理由 why").unwrap();
    let granted = StatusInfo::plain(PkiStatus::Accepted);
    let certificate = asked.content;
    for (body, status, der) in [
        (Body::error(refused.clone()).unwrap(), &refused, None),
        (Body::revoked(granted.clone()).unwrap(), &granted, None),
        (
            Body::certificate(BodyKind::Ip, 0, granted.clone(), Some(certificate), &[certificate])
                .unwrap(),
            &granted,
            Some(certificate.to_vec()),
        ),
    ] {
        let reply = Reply::new(&header, &body).unwrap();
        let mac = parameters.mac(SECRET, reply.protected());
        let octets = reply.finish(Some(&mac), &[certificate]).unwrap();
        let read = Message::parse(&octets).unwrap();
        assert_eq!((&read.header, read.kind), (&header, body.kind));
        assert!(parameters.is_mac(SECRET, read.protected(), read.protection.as_ref().unwrap()));
        assert_eq!(read.extra_certs, [certificate]);
        assert_eq!(body::outcome(read.kind, read.content).unwrap(), (status.clone(), der));
    }
    assert!(refused.tells(FailInfo::NotAuthorized) && !refused.tells(FailInfo::BadAlg));
    assert!(granted.is_granted() && !refused.is_granted());
}
