//! Judging HPKI cards: the good one, and each hostile neighbour.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::OnceLock;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::{Decode, asn1::OctetString};
use sekisho_ca::lookalike::{
    CardHolder, CardUse, Forge, ForgedCrl, LookalikeCard, LookalikeHpki, extension,
};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::name::{Part, name},
    national::hpki::{AcceptedIssuer, HpkiError, HpkiRules, POLICY_AUTHENTICATION, POLICY_SIGNING},
    path::{
        self, Anchors, Budget, Crl, PathError, Purpose, Requirements, Revocation,
        RevocationProblem, TrustAnchor,
    },
    signature::{self, SignatureError},
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    Certificate,
    ext::{
        Extension,
        pkix::{
            BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage,
            IssuingDistributionPoint, KeyUsage, KeyUsages, NameConstraints, SubjectAltName,
            certpolicy::PolicyInformation, constraints::name::GeneralSubtree, name::GeneralName,
        },
    },
    name::Name,
};

const HOLDER: CardHolder<'_> = CardHolder {
    common_name: "Taro Yamada",
    kanji_name: "山田　太郎",
    serial_number: "DEMO00001",
    roles: &["Medical Doctor"],
    organisation: Some(("Example Hospital", "例示病院")),
};

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

struct World {
    hpki: LookalikeHpki,
    foreign: LookalikeHpki,
    card_key: SoftwareKey,
    anchors: Anchors,
    card_crl: Crl,
    root_crl: Crl,
}

/// RSA keys take a while: made once.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let hpki = LookalikeHpki::make(now(), 0, "http://repository.lookalike.example").unwrap();
        let foreign = LookalikeHpki::make(now(), 1, "http://repository.lookalike.example").unwrap();
        World {
            anchors: Anchors::from_pem(hpki.anchor_pem().unwrap().as_bytes()).unwrap(),
            card_crl: Crl::parse(&hpki.card_crl(&[66], now() - Duration::hours(2)).unwrap())
                .unwrap(),
            root_crl: Crl::parse(&hpki.root_crl(&[], now() - Duration::days(2)).unwrap()).unwrap(),
            card_key: SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap(),
            hpki,
            foreign,
        }
    })
}

fn validity() -> (OffsetDateTime, OffsetDateTime) {
    (now() - Duration::days(30), now() + Duration::days(1000))
}

fn card(serial: u32) -> Forge {
    let world = world();
    world
        .hpki
        .forge_card(&HOLDER, CardUse::Authentication, &world.card_key, serial, validity())
        .unwrap()
}

fn signed(forge: &Forge) -> Vec<u8> {
    forge.sign(&world().hpki.sub_ca.key).unwrap()
}

fn judge_with(
    certificate: &[u8],
    candidates: &[&[u8]],
    crls: &[Crl],
    at: OffsetDateTime,
) -> Result<(), HpkiError> {
    HpkiRules::default().judge(certificate, candidates, &world().anchors, crls, at).map(drop)
}

fn crls() -> Vec<Crl> {
    vec![world().card_crl.clone(), world().root_crl.clone()]
}

fn judge(certificate: &[u8]) -> Result<(), HpkiError> {
    judge_with(certificate, &[&world().hpki.sub_ca.certificate_der], &crls(), now())
}

fn path_error(result: Result<(), HpkiError>) -> PathError {
    match result {
        Err(HpkiError::Path(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Spoils a good card and judges it.
fn spoilt(spoil: impl FnOnce(&mut Forge)) -> Result<(), HpkiError> {
    let mut forge = card(7);
    spoil(&mut forge);
    judge(&signed(&forge))
}

#[test]
fn a_good_card_is_accepted_and_says_who_and_in_which_role() {
    let world = world();
    let der = signed(&card(7));
    // The root among the candidates and a stranger's sub-CA do no harm, in any order.
    for candidates in [
        vec![&world.hpki.sub_ca.certificate_der[..]],
        vec![
            &world.foreign.sub_ca.certificate_der[..],
            b"rubbish",
            &world.hpki.root.certificate_der,
            &world.hpki.sub_ca.certificate_der,
            &der,
        ],
    ] {
        let verified =
            HpkiRules::default().judge(&der, &candidates, &world.anchors, &crls(), now()).unwrap();
        assert_eq!(verified.common_name(), "Taro Yamada");
        assert_eq!(verified.kanji_name(), Some("山田　太郎"));
        assert_eq!(verified.serial_number(), "DEMO00001");
        assert_eq!(verified.organisation(), Some("Example Hospital"));
        assert_eq!(verified.kanji_organisation(), Some("例示病院"));
        assert_eq!(verified.roles().len(), 1);
        assert_eq!(verified.roles()[0].name, "Medical Doctor");
        assert_eq!(verified.issuer_der(), world.hpki.sub_ca.subject_der().unwrap());
        assert_eq!(verified.certificate_serial().to_string(), "07");
        assert_eq!(verified.not_after(), validity().1);
        assert_eq!(verified.path().certificates_der().len(), 2);
        assert_eq!(verified.path().evidence().len(), 2);
        assert_eq!(verified.path().anchor_public_key_der(), world.hpki.root.key.public_key_der());
        let message = b"signed input";
        let by_card = world.card_key.sign_now(message).unwrap();
        signature::verify(
            verified.public_key_der(),
            &world.card_key.algorithm().identifier(),
            message,
            &by_card,
        )
        .unwrap();
    }
}

#[test]
fn openssl_reads_the_look_alike_as_we_do() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str, octets: &[u8]| std::fs::write(folder.path().join(file), octets).unwrap();
    put("root.pem", world.hpki.anchor_pem().unwrap().as_bytes());
    put("sub.pem", world.hpki.sub_ca_pem().unwrap().as_bytes());
    put("leaf.der", &signed(&card(7)));
    let output = std::process::Command::new("openssl")
        .current_dir(folder.path())
        .args(["verify", "-x509_strict", "-attime", "1795000000", "-CAfile", "root.pem"])
        .args(["-untrusted", "sub.pem", "leaf.der"])
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_card_of_a_foreign_authority_is_refused() {
    let world = world();
    let foreign = &world.foreign;
    let der = foreign
        .forge_card(&HOLDER, CardUse::Authentication, &world.card_key, 7, validity())
        .unwrap()
        .sign(&foreign.sub_ca.key)
        .unwrap();
    let refused = judge_with(
        &der,
        &[&foreign.sub_ca.certificate_der, &foreign.root.certificate_der],
        &crls(),
        now(),
    );
    assert!(matches!(path_error(refused), PathError::NoTrustedIssuer { .. }));
    // The foreign sub-CA under the trusted sub-CA's name.
    let mut forged = card(7);
    forged.issuer = world.hpki.sub_ca.subject.clone();
    let refused = judge(&forged.sign(&foreign.sub_ca.key).unwrap());
    assert!(matches!(
        path_error(refused),
        PathError::NotSignedByIssuer { source: SignatureError::Invalid, .. }
    ));
}

#[test]
fn a_missing_sub_ca_is_named() {
    let refused = judge_with(&signed(&card(7)), &[], &crls(), now());
    match path_error(refused) {
        PathError::NoTrustedIssuer { issuer, .. } => assert!(issuer.contains("AuthCA"), "{issuer}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn time_is_judged_to_the_second_on_both_ends() {
    let world = world();
    let der = signed(&card(7));
    let rules = HpkiRules::default();
    let (begin, end) = validity();
    for (at, good) in [
        (begin - Duration::SECOND, false),
        (begin, true),
        (end, true),
        (end + Duration::milliseconds(999), true),
        (end + Duration::SECOND, false),
    ] {
        let fresh = |der: Vec<u8>| Crl::parse(&der).unwrap();
        let crls = [
            fresh(world.hpki.card_crl(&[], at - Duration::hours(1)).unwrap()),
            fresh(world.hpki.root_crl(&[], at - Duration::hours(1)).unwrap()),
        ];
        let judged =
            rules.judge(&der, &[&world.hpki.sub_ca.certificate_der], &world.anchors, &crls, at);
        assert_eq!(judged.is_ok(), good, "{at}");
    }
    let expired = spoilt(|card| card.not_after = now() - Duration::SECOND);
    assert!(matches!(path_error(expired), PathError::Expired { .. }));
    let early = spoilt(|card| card.not_before = now() + Duration::SECOND);
    assert!(matches!(path_error(early), PathError::NotYetValid { .. }));
}

#[test]
fn a_revoked_card_is_refused_even_by_an_outdated_list() {
    let der = signed(&card(66));
    let revoked = path_error(judge(&der));
    assert!(matches!(revoked, PathError::Revoked { .. }), "{revoked:?}");
    let long_after = now() + Duration::days(30);
    let refused = judge_with(&der, &[&world().hpki.sub_ca.certificate_der], &crls(), long_after);
    assert!(matches!(path_error(refused), PathError::Revoked { .. }));
}

#[test]
fn a_revoked_sub_ca_takes_its_cards_with_it() {
    let world = world();
    let root_crl = Crl::parse(&world.hpki.root_crl(&[5], now()).unwrap()).unwrap();
    let refused = judge_with(
        &signed(&card(7)),
        &[&world.hpki.sub_ca.certificate_der],
        &[world.card_crl.clone(), root_crl],
        now(),
    );
    match path_error(refused) {
        PathError::Revoked { which, .. } => assert!(which.subject.contains("AuthCA")),
        other => panic!("{other:?}"),
    }
}

fn unknown(crls: &[Crl]) -> RevocationProblem {
    let refused =
        judge_with(&signed(&card(7)), &[&world().hpki.sub_ca.certificate_der], crls, now());
    match path_error(refused) {
        PathError::RevocationUnknown { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_status_refuses_and_says_why() {
    let world = world();
    let with =
        |card_crl: Vec<u8>| unknown(&[Crl::parse(&card_crl).unwrap(), world.root_crl.clone()]);
    let sub_ca = &world.hpki.sub_ca;
    assert!(matches!(unknown(&[]), RevocationProblem::Missing { .. }));
    assert!(matches!(
        unknown(std::slice::from_ref(&world.root_crl)),
        RevocationProblem::Missing { .. }
    ));
    assert!(matches!(
        with(world.hpki.card_crl(&[], now() - Duration::days(4)).unwrap()),
        RevocationProblem::Outdated { .. }
    ));
    assert!(matches!(
        with(world.hpki.card_crl(&[], now() + Duration::SECOND).unwrap()),
        RevocationProblem::NotYetInForce { .. }
    ));
    let list = || ForgedCrl::new(&sub_ca.subject, now(), now() + Duration::days(1));
    // By another's key, and by the root under the sub-CA's name.
    for key in [&world.foreign.sub_ca.key, &world.hpki.root.key] {
        assert_eq!(with(list().sign(key).unwrap()), RevocationProblem::NotAuthentic);
    }
    let mut endless = list();
    endless.next_update = None;
    assert!(matches!(with(endless.sign(&sub_ca.key).unwrap()), RevocationProblem::Outdated { .. }));
    let stranger = Extension {
        extn_id: ObjectIdentifier::new_unwrap("1.2.3.4"),
        critical: true,
        extn_value: OctetString::new([5, 0]).unwrap(),
    };
    let mut critical = list();
    critical.extensions.push(stranger.clone());
    assert!(matches!(
        with(critical.sign(&sub_ca.key).unwrap()),
        RevocationProblem::Unsupported { .. }
    ));
    let mut in_entry = list();
    in_entry.revoked.push((1234, now()));
    in_entry.entry_extensions.push(stranger.clone());
    assert!(matches!(
        with(in_entry.sign(&sub_ca.key).unwrap()),
        RevocationProblem::Unsupported { .. }
    ));
    let mut delta = list();
    delta.extensions.push(Extension {
        extn_id: rfc5280::ID_CE_DELTA_CRL_INDICATOR,
        critical: true,
        extn_value: OctetString::new([2, 1, 1]).unwrap(),
    });
    assert_eq!(with(delta.sign(&sub_ca.key).unwrap()), RevocationProblem::DeltaWithoutBase);
}

#[test]
fn a_list_counts_for_its_scope_only() {
    let world = world();
    let sub_ca = &world.hpki.sub_ca;
    let scoped = |users: bool, authorities: bool, indirect: bool| {
        let point = IssuingDistributionPoint {
            distribution_point: None,
            only_contains_user_certs: users,
            only_contains_ca_certs: authorities,
            only_some_reasons: None,
            indirect_crl: indirect,
            only_contains_attribute_certs: false,
        };
        let mut list = ForgedCrl::new(&sub_ca.subject, now(), now() + Duration::days(1));
        list.extensions.push(Extension {
            extn_id: rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT,
            critical: true,
            extn_value: OctetString::new(der::Encode::to_der(&point).unwrap()).unwrap(),
        });
        Crl::parse(&list.sign(&sub_ca.key).unwrap()).unwrap()
    };
    let users = judge_with(
        &signed(&card(7)),
        &[&sub_ca.certificate_der],
        &[scoped(true, false, false), world.root_crl.clone()],
        now(),
    );
    assert!(users.is_ok(), "{users:?}");
    assert_eq!(
        unknown(&[scoped(false, true, false), world.root_crl.clone()]),
        RevocationProblem::OutOfScope
    );
    // An indirect list also holds the issuer's own certificates.
    let indirect = judge_with(
        &signed(&card(7)),
        &[&sub_ca.certificate_der],
        &[scoped(false, false, true), world.root_crl.clone()],
        now(),
    );
    assert!(indirect.is_ok(), "{indirect:?}");
}

#[test]
fn a_list_is_its_issuers_however_often_it_is_asked() {
    let own = world().hpki.sub_ca.key.public_key_der();
    let other = world().hpki.root.key.public_key_der();
    let list = &crls()[0];
    for _ in 0..2 {
        assert!(list.verify(other).is_err());
        assert!(list.verify(own).is_ok());
    }
    let copy = list.clone();
    assert!(copy.verify(own).is_ok() && copy.verify(other).is_err());
    let mut octets = world().hpki.card_crl(&[], now()).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    let spoilt = Crl::parse(&octets).unwrap();
    assert!(spoilt.verify(own).is_err() && spoilt.verify(own).is_err());
}

#[test]
fn a_list_for_another_distribution_point_is_not_evidence() {
    let world = world();
    let elsewhere = Forge::new(
        &world.hpki.root.subject,
        &world.hpki.sub_ca.subject,
        &world.hpki.sub_ca.key,
        now() - Duration::days(1),
        now() + Duration::days(1),
    );
    // The same sub-CA, but its certificate does not name the point that the root's list is for.
    let mut sub_ca = elsewhere;
    sub_ca.serial = 5;
    sub_ca.extensions = Certificate::from_der(&world.hpki.sub_ca.certificate_der)
        .unwrap()
        .tbs_certificate()
        .extensions()
        .unwrap()
        .clone();
    let whole = sub_ca.sign(&world.hpki.root.key).unwrap();
    assert_eq!(judge_with(&signed(&card(7)), &[&whole], &crls(), now()), Ok(()));
    sub_ca.drop_extension::<CrlDistributionPoints>();
    let without = sub_ca.sign(&world.hpki.root.key).unwrap();
    let refused = judge_with(&signed(&card(7)), &[&without], &crls(), now());
    assert!(matches!(
        path_error(refused),
        PathError::RevocationUnknown { problem: RevocationProblem::OutOfScope, .. }
    ));
}

#[test]
fn the_signing_certificate_is_refused_at_login_with_its_own_words() {
    let world = world();
    let signing =
        world.hpki.forge_card(&HOLDER, CardUse::Signing, &world.card_key, 8, validity()).unwrap();
    assert_eq!(judge(&signed(&signing)), Err(HpkiError::SigningCertificate));
    // A signing policy beside the accepted one, with digitalSignature.
    let both = spoilt(|card| {
        let policies = [POLICY_AUTHENTICATION, POLICY_SIGNING].map(|policy_identifier| {
            PolicyInformation { policy_identifier, policy_qualifiers: None }
        });
        card.put(true, &CertificatePolicies(policies.to_vec())).unwrap();
    });
    assert_eq!(both, Err(HpkiError::SigningCertificate));
}

#[test]
fn usage_purpose_and_policy_must_fit() {
    let no_usage = spoilt(|card| card.drop_extension::<KeyUsage>());
    assert!(matches!(path_error(no_usage), PathError::WrongPurpose { .. }));
    let agreement = spoilt(|card| {
        card.put(true, &KeyUsage(KeyUsages::KeyAgreement.into())).unwrap();
    });
    assert!(matches!(path_error(agreement), PathError::WrongPurpose { .. }));
    let server = spoilt(|card| {
        card.put(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_SERVER_AUTH])).unwrap();
    });
    assert!(matches!(path_error(server), PathError::WrongPurpose { .. }));
    let client = spoilt(|card| {
        card.put(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_CLIENT_AUTH])).unwrap();
    });
    assert!(client.is_ok());
    let no_policy = spoilt(|card| card.drop_extension::<CertificatePolicies>());
    assert!(matches!(path_error(no_policy), PathError::PolicyNotAccepted { .. }));
    let authority = spoilt(|card| {
        let constraints = BasicConstraints { ca: true, path_len_constraint: None };
        card.put(true, &constraints).unwrap();
    });
    assert!(matches!(path_error(authority), PathError::EndEntityIsAuthority { .. }));
}

#[test]
fn unknown_critical_and_repeated_extensions_are_refused() {
    let stranger = |critical| Extension {
        extn_id: ObjectIdentifier::new_unwrap("1.2.3.4"),
        critical,
        extn_value: OctetString::new([5, 0]).unwrap(),
    };
    let critical = spoilt(|card| card.extensions.push(stranger(true)));
    assert!(matches!(path_error(critical), PathError::UnsupportedExtension { .. }));
    assert!(spoilt(|card| card.extensions.push(stranger(false))).is_ok());
    let twice = spoilt(|card| {
        card.extensions.push(stranger(false));
        card.extensions.push(stranger(false));
    });
    assert!(matches!(path_error(twice), PathError::Malformed { .. }));
}

#[test]
fn what_names_nobody_or_says_an_unreadable_role_is_refused() {
    let nameless = spoilt(|card| {
        card.subject = name(&[Part::Country("JP"), Part::CommonName("Taro Yamada")]).unwrap();
    });
    assert_eq!(nameless, Err(HpkiError::NoSerialNumber));
    let role = spoilt(|card| {
        for extension in &mut card.extensions {
            if extension.extn_id == rfc5280::ID_CE_SUBJECT_DIRECTORY_ATTRIBUTES {
                extension.extn_value = OctetString::new([0x30, 0x02, 0x05, 0x00]).unwrap();
            }
        }
    });
    assert!(matches!(role, Err(HpkiError::Role(_))), "{role:?}");
    let plain = spoilt(|card| {
        card.extensions
            .retain(|extension| extension.extn_id != rfc5280::ID_CE_SUBJECT_DIRECTORY_ATTRIBUTES);
        card.drop_extension::<SubjectAltName>();
    });
    assert!(plain.is_ok());
}

#[test]
fn two_different_algorithms_in_one_certificate_are_refused() {
    let refused = spoilt(|card| {
        card.inner_algorithm = Some(sekisho_key::SignatureAlgorithm::EcdsaP256Sha256.identifier());
    });
    assert!(matches!(path_error(refused), PathError::Malformed { .. }));
}

#[test]
fn only_configured_issuers_may_log_in() {
    let world = world();
    let of = |authority: &sekisho_ca::lookalike::LookalikeAuthority| {
        AcceptedIssuer::from_certificate(&authority.certificate().unwrap()).unwrap()
    };
    for (accepted, good) in [
        (of(&world.hpki.sub_ca), true),
        (of(&world.foreign.sub_ca), false),
        (of(&world.hpki.root), false),
    ] {
        let rules = HpkiRules { accepted_issuers: vec![accepted], ..HpkiRules::default() };
        let judged = rules.judge(
            &signed(&card(7)),
            &[&world.hpki.sub_ca.certificate_der],
            &world.anchors,
            &crls(),
            now(),
        );
        assert_eq!(judged.is_ok(), good);
    }
}

/// An authority between, with an extension of one's choice.
fn between(spoil: impl FnOnce(&mut Forge)) -> (Vec<u8>, SoftwareKey, Name) {
    let world = world();
    let key = SoftwareKey::generate_p256().unwrap();
    let subject = name(&[Part::CommonName("Between")]).unwrap();
    let mut forge = Forge::new(
        &world.hpki.root.subject,
        &subject,
        &key,
        now() - Duration::days(1),
        now() + Duration::days(1),
    );
    forge.serial = 77;
    forge.extensions = vec![
        extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
        extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).unwrap(),
    ];
    spoil(&mut forge);
    (forge.sign(&world.hpki.root.key).unwrap(), key, subject)
}

/// As the rules for cards ask.
fn for_cards(purpose: Purpose) -> Requirements<'static> {
    Requirements { conforming: false, ..Requirements::new(purpose, Revocation::JudgedByCaller) }
}

fn judged_below(spoil: impl FnOnce(&mut Forge)) -> Result<(), PathError> {
    let world = world();
    let (authority, key, subject) = between(spoil);
    let mut leaf = card(9);
    leaf.issuer = subject;
    let leaf = leaf.sign(&key).unwrap();
    path::validate(
        &leaf,
        &[&authority],
        &world.anchors,
        &for_cards(Purpose::CardAuthentication),
        now(),
    )
    .map(drop)
}

/// Permits names elsewhere only.
fn elsewhere() -> NameConstraints {
    let base = GeneralName::DirectoryName(name(&[Part::Organization("Elsewhere")]).unwrap());
    let subtree = GeneralSubtree { base, minimum: 0, maximum: None };
    NameConstraints { permitted_subtrees: Some(vec![subtree]), excluded_subtrees: None }
}

#[test]
fn an_issuer_must_be_allowed_to_issue() {
    assert_eq!(judged_below(|_| ()), Ok(()));
    type Spoil = fn(&mut Forge);
    type Expected = fn(&PathError) -> bool;
    let cases: [(Spoil, Expected); 8] = [
        (
            |forge| forge.drop_extension::<BasicConstraints>(),
            |error| matches!(error, PathError::NotAnAuthority { .. }),
        ),
        (
            |forge| {
                let constraints = BasicConstraints { ca: false, path_len_constraint: None };
                forge.put(true, &constraints).unwrap();
            },
            |error| matches!(error, PathError::NotAnAuthority { .. }),
        ),
        (
            |forge| forge.put(true, &KeyUsage(KeyUsages::CRLSign.into())).unwrap(),
            |error| matches!(error, PathError::NotAnAuthority { .. }),
        ),
        (
            |forge| {
                forge.put(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_SERVER_AUTH])).unwrap();
            },
            |error| matches!(error, PathError::NotAnAuthority { .. }),
        ),
        (
            |forge| {
                forge.put(true, &elsewhere()).unwrap();
            },
            |error| matches!(error, PathError::NameNotPermitted { .. }),
        ),
        (
            // Not critical, which RFC 5280 forbids: still not passed over.
            |forge| {
                forge.put(false, &elsewhere()).unwrap();
            },
            |error| matches!(error, PathError::NameNotPermitted { .. }),
        ),
        (
            |forge| forge.not_after = now() - Duration::SECOND,
            |error| matches!(error, PathError::Expired { .. }),
        ),
        (
            |forge| forge.issuer = name(&[Part::CommonName("Nobody")]).unwrap(),
            |error| matches!(error, PathError::NoTrustedIssuer { .. }),
        ),
    ];
    for (spoil, expected) in cases {
        let error = judged_below(spoil).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
}

#[test]
fn a_path_length_is_kept() {
    // root → limited (0) → between → leaf: one authority too many.
    let world = world();
    let (limited, limited_key, limited_subject) = between(|forge| {
        let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
        forge.put(true, &constraints).unwrap();
    });
    let lower_key = SoftwareKey::generate_p256().unwrap();
    let lower_subject = name(&[Part::CommonName("Lower")]).unwrap();
    let mut lower = Forge::new(
        &limited_subject,
        &lower_subject,
        &lower_key,
        now() - Duration::days(1),
        now() + Duration::days(1),
    );
    lower.extensions =
        vec![extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap()];
    let lower = lower.sign(&limited_key).unwrap();
    let mut leaf = card(9);
    leaf.issuer = lower_subject;
    let leaf = leaf.sign(&lower_key).unwrap();
    let judged = path::validate(
        &leaf,
        &[&lower, &limited],
        &world.anchors,
        &for_cards(Purpose::CardAuthentication),
        now(),
    );
    assert!(matches!(judged, Err(PathError::PathTooLong { .. })));
}

#[test]
fn a_crowd_of_namesakes_ends_at_the_budget() {
    let world = world();
    // Twelve authorities of the right name and wrong keys; the work stops at the budget.
    let leaf = signed(&card(7));
    let namesakes: Vec<Vec<u8>> = (0..12)
        .map(|serial| {
            let key = SoftwareKey::generate_p256().unwrap();
            let mut forge = Forge::new(
                &world.hpki.root.subject,
                &world.hpki.sub_ca.subject,
                &key,
                now(),
                now() + Duration::days(1),
            );
            forge.serial = serial + 1;
            let constraints = BasicConstraints { ca: true, path_len_constraint: None };
            forge.put(true, &constraints).unwrap();
            forge.sign(&world.foreign.root.key).unwrap()
        })
        .collect();
    let candidates: Vec<&[u8]> = namesakes.iter().map(Vec::as_slice).collect();
    let judged = path::validate(
        &leaf,
        &candidates,
        &world.anchors,
        &Requirements {
            budget: Budget { signatures: 5, ..Budget::default() },
            ..for_cards(Purpose::CardAuthentication)
        },
        now(),
    );
    assert!(matches!(judged.unwrap_err(), PathError::BudgetSpent { .. }));
    let many = vec![&leaf[..]; Budget::default().certificates];
    let refused = path_error(judge_with(&leaf, &many, &crls(), now()));
    assert!(matches!(refused, PathError::TooLarge { .. }));
}

#[test]
fn an_expired_anchor_is_not_believed() {
    let refused = judge_with(
        &signed(&card(7)),
        &[&world().hpki.sub_ca.certificate_der],
        &crls(),
        now() + Duration::days(8000),
    );
    assert!(matches!(path_error(refused), PathError::Expired { .. }));
}

#[test]
fn a_terminal_is_judged_for_its_own_purpose() {
    let world = world();
    // A card is no terminal: its extendedKeyUsage is absent.
    let judged = path::validate(
        &signed(&card(7)),
        &[&world.hpki.sub_ca.certificate_der],
        &world.anchors,
        &for_cards(Purpose::ClientAuthentication),
        now(),
    );
    assert!(matches!(judged, Err(PathError::WrongPurpose { .. })));
}

#[test]
fn no_single_flipped_bit_is_accepted() {
    let good = signed(&card(7));
    for place in 0..good.len() {
        let mut flipped = good.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(judge(&flipped).is_err(), "octet {place}");
    }
}

#[test]
fn anchors_come_from_files_with_text_and_several_certificates() {
    let world = world();
    let pem = format!(
        "# trusted\n{}\nand\n{}",
        world.hpki.anchor_pem().unwrap(),
        world.foreign.anchor_pem().unwrap()
    );
    let anchors = Anchors::from_pem(pem.as_bytes()).unwrap();
    assert_eq!(anchors.iter().count(), 2);
    assert!(Anchors::from_pem(b"").is_err());
    assert!(Anchors::from_pem(&pem.as_bytes()[..200]).is_err());
    assert!(TrustAnchor::from_der(b"x").is_err());
}

#[test]
fn an_issued_card_holds_all_that_software_needs() {
    let world = world();
    let LookalikeCard { certificate_der, sub_ca_der, root_der, key_pkcs8, serial } =
        world.hpki.issue_card(&HOLDER, CardUse::Authentication, 12, validity()).unwrap();
    assert_eq!(serial, 12);
    let key = SoftwareKey::from_pkcs8_der(&key_pkcs8).unwrap();
    let certificate = Certificate::from_der(&certificate_der).unwrap();
    let spki = certificate.tbs_certificate().subject_public_key_info();
    assert_eq!(der::Encode::to_der(spki).unwrap(), key.public_key_der());
    assert!(judge_with(&certificate_der, &[&sub_ca_der, &root_der], &crls(), now()).is_ok());
}
