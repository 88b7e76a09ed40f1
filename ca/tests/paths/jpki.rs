//! The JPKI's rules.

use const_oid::ObjectIdentifier;
use sekisho_ca::lookalike::{Forge, ForgedCrl, extension};
use sekisho_pki::{
    national::jpki::{
        CertificateStatus, JpkiError, JpkiRules, POLICY_AUTHENTICATION, POLICY_SIGNING,
        ProviderError, StatusAnswer, StatusProvider, StatusQuery, StoredEvidence,
    },
    path::{Anchors, Crl, PathError, TrustAnchor},
};
use time::{Duration, OffsetDateTime};
use x509_cert::ext::pkix::{CertificatePolicies, ExtendedKeyUsage, certpolicy::PolicyInformation};

use super::{
    ocsp::Answer,
    world::{Holder, now},
};

/// All generations have one name.
const NAME: &str = "JPKI for user authentication";

struct World {
    older: Holder,
    newer: Holder,
    anchors: Anchors,
}

fn world() -> World {
    let (older, newer) = (Holder::root(NAME), Holder::root(NAME));
    let anchors = Anchors::new(
        [&older, &newer].map(|root| TrustAnchor::from_der(&root.der).unwrap()).to_vec(),
    );
    World { older, newer, anchors }
}

fn policies(policies: &[ObjectIdentifier]) -> impl FnOnce(&mut Forge) {
    let policies = CertificatePolicies(
        policies
            .iter()
            .map(|policy| PolicyInformation { policy_identifier: *policy, policy_qualifiers: None })
            .collect(),
    );
    move |forge| {
        forge.drop_extension::<ExtendedKeyUsage>();
        forge.extensions.push(extension(true, &policies).unwrap());
    }
}

struct Says(Result<StatusAnswer, ProviderError>);

impl StatusProvider for Says {
    fn status(
        &self,
        _: &StatusQuery<'_>,
        _: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        self.0.clone()
    }
}

fn good(as_of: OffsetDateTime) -> Says {
    Says(Ok(StatusAnswer { status: CertificateStatus::Good, as_of }))
}

#[test]
fn anchors_of_one_name_are_told_apart_by_their_keys() {
    let world = world();
    for root in [&world.older, &world.newer] {
        let card = root.end_entity(policies(&[POLICY_AUTHENTICATION]));
        let judged = JpkiRules::default()
            .judge(&card.der, &[], &world.anchors, &good(now()), now())
            .unwrap();
        assert_eq!(judged.path().anchor_public_key_der(), root.key_der());
        assert_eq!(judged.serial().to_string(), "07");
    }
    let stranger = Holder::root(NAME).end_entity(policies(&[POLICY_AUTHENTICATION]));
    let refused =
        JpkiRules::default().judge(&stranger.der, &[], &world.anchors, &good(now()), now());
    assert!(matches!(refused, Err(JpkiError::Path(PathError::NotSignedByIssuer { .. }))));
}

#[test]
fn only_the_certificate_for_user_authentication_logs_in() {
    let world = world();
    let judge = |rules: &JpkiRules, listed: &[ObjectIdentifier]| {
        let card = world.newer.end_entity(policies(listed));
        rules.judge(&card.der, &[], &world.anchors, &good(now()), now()).map(drop)
    };
    let login = JpkiRules::default();
    assert_eq!(judge(&login, &[POLICY_AUTHENTICATION]), Ok(()));
    assert_eq!(judge(&login, &[POLICY_SIGNING]), Err(JpkiError::SigningCertificate));
    let both = [POLICY_AUTHENTICATION, POLICY_SIGNING];
    assert_eq!(judge(&login, &both), Err(JpkiError::SigningCertificate));
    let other = judge(&login, &[ObjectIdentifier::new_unwrap("1.2.3")]);
    assert!(matches!(other, Err(JpkiError::Path(PathError::PolicyNotAccepted { .. }))));
    assert_eq!(judge(&JpkiRules::any_use(), &[POLICY_SIGNING]), Ok(()));
}

#[test]
fn what_the_provider_says_decides_and_silence_refuses() {
    let world = world();
    let card = world.newer.end_entity(policies(&[POLICY_AUTHENTICATION]));
    let judge = |provider: &dyn StatusProvider| {
        JpkiRules::default().judge(&card.der, &[], &world.anchors, provider, now()).map(drop)
    };
    let says = |status| Says(Ok(StatusAnswer { status, as_of: now() }));
    assert_eq!(judge(&good(now() - Duration::DAY)), Ok(()));
    let at = now() - Duration::HOUR;
    let revoked = says(CertificateStatus::Revoked { at, reason: Some(1) });
    assert_eq!(judge(&revoked), Err(JpkiError::Revoked { at, reason: Some(1) }));
    for silent in [
        says(CertificateStatus::Unknown),
        good(now() - Duration::DAY - Duration::SECOND),
        good(now() + Duration::SECOND),
        Says(Err(ProviderError("unreachable".to_owned()))),
    ] {
        assert!(matches!(judge(&silent), Err(JpkiError::StatusUnknown { .. })));
    }
}

#[test]
fn evidence_that_lies_ready_is_a_provider() {
    let world = world();
    let card = world.newer.end_entity(policies(&[POLICY_AUTHENTICATION]));
    let judge = |evidence: StoredEvidence| {
        JpkiRules::default().judge(&card.der, &[], &world.anchors, &evidence, now()).map(drop)
    };
    let answers = vec![Answer::good(&world.newer).sign(&world.newer.key, None)];
    assert_eq!(judge(StoredEvidence { answers, ..Default::default() }), Ok(()));
    let list = |revoked: Vec<(u32, OffsetDateTime)>| {
        let mut list =
            ForgedCrl::new(&world.newer.name, now() - Duration::HOUR, now() + Duration::HOUR);
        list.revoked = revoked;
        let crls = vec![Crl::parse(&list.sign(&world.newer.key).unwrap()).unwrap()];
        StoredEvidence { crls, ..Default::default() }
    };
    assert_eq!(judge(list(vec![])), Ok(()));
    let refused = judge(list(vec![(7, now() - Duration::DAY)]));
    assert!(matches!(refused, Err(JpkiError::Revoked { .. })));
    let refused = judge(StoredEvidence::default());
    assert!(matches!(refused, Err(JpkiError::StatusUnknown { .. })));
    // The other generation's list is of the same name, and no evidence.
    let wrong = ForgedCrl::new(&world.older.name, now() - Duration::HOUR, now() + Duration::HOUR);
    let crls = vec![Crl::parse(&wrong.sign(&world.older.key).unwrap()).unwrap()];
    let refused = judge(StoredEvidence { crls, ..Default::default() });
    assert!(matches!(refused, Err(JpkiError::StatusUnknown { .. })));
}
