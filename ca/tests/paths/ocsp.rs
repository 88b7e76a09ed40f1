//! OCSP responses as evidence.

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::{
    Decode, Encode,
    asn1::{BitString, Null, OctetString, Uint},
};
use sekisho_ca::lookalike::{Forge, ForgedCrl, extension};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::{
        instant,
        ocsp::{
            BasicOcspResponse, CertStatus, IssuerHashes, OcspGeneralizedTime, OcspQuery,
            OcspResponse, ResponderId, ResponseData, RevokedInfo, SingleResponse,
        },
        serial::Serial,
    },
    path::{
        self, Crl, EvidenceKind, OcspAnswer, PathError, Purpose, Requirements, Revocation,
        RevocationProblem,
    },
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    Certificate,
    ext::{
        Extension,
        pkix::{CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages},
    },
};

use super::world::{Holder, named, now};

/// An answer about the end entity (serial number 7) of `issuer`.
pub(crate) struct Answer<'a> {
    pub(crate) issuer: &'a Holder,
    pub(crate) status: CertStatus,
    pub(crate) this_update: OffsetDateTime,
    pub(crate) next_update: Option<OffsetDateTime>,
}

impl<'a> Answer<'a> {
    pub(crate) fn good(issuer: &'a Holder) -> Self {
        Self {
            issuer,
            status: CertStatus::good(),
            this_update: now() - Duration::MINUTE,
            next_update: Some(now() + Duration::HOUR),
        }
    }

    fn revoked(issuer: &'a Holder) -> Self {
        let revocation_time =
            OcspGeneralizedTime(instant::to_generalized(now() - Duration::DAY).unwrap());
        let info = RevokedInfo { revocation_time, revocation_reason: None };
        Self { status: CertStatus::revoked(info), ..Self::good(issuer) }
    }

    /// Signed by `key`, which names itself; `certificate` is sent along.
    pub(crate) fn sign(&self, key: &SoftwareKey, certificate: Option<&[u8]>) -> OcspAnswer {
        let serial = Serial::from_octets(&[7]).unwrap();
        let query =
            OcspQuery::request(&self.issuer.name, self.issuer.key_der(), &serial, None).unwrap();
        let cert_id = OcspQuery::parse(&query).unwrap().certificates.remove(0);
        let at = |at| OcspGeneralizedTime(instant::to_generalized(at).unwrap());
        let hash = IssuerHashes::of(&named("Responder"), key.public_key_der()).unwrap();
        let data = ResponseData {
            version: Default::default(),
            responder_id: ResponderId::ByKey(OctetString::new(&hash.key_sha1()[..]).unwrap()),
            produced_at: at(self.this_update),
            responses: vec![SingleResponse {
                cert_id,
                cert_status: self.status,
                this_update: at(self.this_update),
                next_update: self.next_update.map(at),
                single_extensions: None,
            }],
            response_extensions: None,
        };
        let signature = key.sign_now(&data.to_der().unwrap()).unwrap();
        let response = OcspResponse::successful(BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: key.algorithm().identifier(),
            signature: BitString::from_bytes(&signature).unwrap(),
            certs: certificate.map(|der| vec![Certificate::from_der(der).unwrap()]),
        });
        OcspAnswer::parse(&response.unwrap().to_der().unwrap()).unwrap()
    }
}

/// A delegated responder's certificate, by `issuer`.
fn responder(issuer: &Holder, change: impl FnOnce(&mut Forge)) -> Holder {
    let (name, key) = (named("Responder"), SoftwareKey::generate_p256().unwrap());
    let mut forge =
        Forge::new(&issuer.name, &name, &key, now() - Duration::DAY, now() + Duration::DAY);
    forge.serial = 8;
    forge.extensions = vec![
        extension(true, &KeyUsage(KeyUsages::DigitalSignature.into())).unwrap(),
        extension(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_OCSP_SIGNING])).unwrap(),
    ];
    forge.identify(&issuer.key).unwrap();
    change(&mut forge);
    let der = forge.sign(&issuer.key).unwrap();
    Holder { name, key, der }
}

fn no_check(forge: &mut Forge) {
    forge.extensions.push(Extension {
        extn_id: ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5"),
        critical: false,
        extn_value: OctetString::new(Null.to_der().unwrap()).unwrap(),
    });
}

fn judged(
    root: &Holder,
    end_entity: &Holder,
    answers: &[OcspAnswer],
    crls: &[Crl],
) -> Result<Vec<EvidenceKind>, PathError> {
    let revocation = Revocation::Ocsp { answers, crls, most_age: Duration::days(7) };
    let requirements = Requirements::new(Purpose::Any, revocation);
    path::validate(&end_entity.der, &[], &root.anchors(), &requirements, now())
        .map(|path| path.evidence().iter().map(|evidence| evidence.kind).collect())
}

fn problem(outcome: Result<Vec<EvidenceKind>, PathError>) -> RevocationProblem {
    match outcome {
        Err(PathError::RevocationUnknown { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_counts_by_the_issuer_or_its_delegate_only() {
    let root = Holder::root("Root");
    let end_entity = root.end_entity(|_| ());
    let judge = |answer| judged(&root, &end_entity, &[answer], &[]);
    let good = Answer::good(&root);
    assert_eq!(judge(good.sign(&root.key, None)), Ok(vec![EvidenceKind::Ocsp]));
    let delegate = responder(&root, no_check);
    assert_eq!(judge(good.sign(&delegate.key, Some(&delegate.der))), Ok(vec![EvidenceKind::Ocsp]));

    // Not sent along; for another use; out of date; by another authority of the same name.
    let unfit = [
        good.sign(&delegate.key, None),
        {
            let wrong = responder(&root, |forge| forge.drop_extension::<ExtendedKeyUsage>());
            good.sign(&wrong.key, Some(&wrong.der))
        },
        {
            let old = responder(&root, |forge| forge.not_after = now() - Duration::SECOND);
            good.sign(&old.key, Some(&old.der))
        },
        {
            let stranger = responder(&Holder::root("Root"), no_check);
            good.sign(&stranger.key, Some(&stranger.der))
        },
        good.sign(&end_entity.key, Some(&end_entity.der)),
    ];
    for answer in unfit {
        assert_eq!(problem(judge(answer)), RevocationProblem::NotAuthentic);
    }
}

#[test]
fn revoked_unknown_old_and_early_answers_refuse() {
    let root = Holder::root("Root");
    let end_entity = root.end_entity(|_| ());
    let judge =
        |answer: &Answer<'_>| judged(&root, &end_entity, &[answer.sign(&root.key, None)], &[]);
    assert!(matches!(judge(&Answer::revoked(&root)), Err(PathError::Revoked { .. })));
    let unknown = Answer { status: CertStatus::unknown(), ..Answer::good(&root) };
    assert_eq!(problem(judge(&unknown)), RevocationProblem::Unknown);
    let old = Answer { next_update: Some(now()), ..Answer::good(&root) };
    assert!(matches!(problem(judge(&old)), RevocationProblem::Outdated { .. }));
    let aged = Answer { this_update: now() - Duration::days(8), ..Answer::good(&root) };
    assert!(matches!(problem(judge(&aged)), RevocationProblem::Outdated { .. }));
    let early = Answer { this_update: now() + Duration::SECOND, ..Answer::good(&root) };
    assert!(matches!(problem(judge(&early)), RevocationProblem::NotYetInForce { .. }));
    let mut open = Answer { next_update: None, ..Answer::good(&root) };
    assert!(judge(&open).is_ok(), "of this minute");
    open.this_update = now() - Duration::HOUR;
    assert!(matches!(problem(judge(&open)), RevocationProblem::Outdated { .. }));
    assert_eq!(problem(judged(&root, &end_entity, &[], &[])), RevocationProblem::NoAnswer);
    let elsewhere = Answer::good(&Holder::root("Elsewhere")).sign(&root.key, None);
    assert_eq!(problem(judged(&root, &end_entity, &[elsewhere], &[])), RevocationProblem::NoAnswer);
}

#[test]
fn the_newest_answer_counts() {
    let root = Holder::root("Root");
    let end_entity = root.end_entity(|_| ());
    let good = Answer::good(&root).sign(&root.key, None);
    let before = Answer { this_update: now() - Duration::HOUR, ..Answer::revoked(&root) }
        .sign(&root.key, None);
    let at_once = Answer::revoked(&root).sign(&root.key, None);
    // A hold that was released; and two of one moment, of which the revocation counts.
    assert!(judged(&root, &end_entity, &[before.clone(), good.clone()], &[]).is_ok());
    let refused = judged(&root, &end_entity, &[good, at_once], &[]);
    assert!(matches!(refused, Err(PathError::Revoked { .. })));
    // Somebody else's fresh lie does not hide it.
    let lie = Answer::good(&root).sign(&end_entity.key, None);
    let refused = judged(&root, &end_entity, &[lie, before], &[]);
    assert!(matches!(refused, Err(PathError::Revoked { .. })));
}

#[test]
fn a_crl_serves_where_no_answer_is_and_judges_the_responder() {
    let root = Holder::root("Root");
    let end_entity = root.end_entity(|_| ());
    let list = |revoked: &[u32]| {
        let mut list = ForgedCrl::new(&root.name, now() - Duration::HOUR, now() + Duration::HOUR);
        list.extensions.push(extension(false, &CrlNumber(Uint::new(&[1]).unwrap())).unwrap());
        list.revoked = revoked.iter().map(|serial| (*serial, now() - Duration::DAY)).collect();
        Crl::parse(&list.sign(&root.key).unwrap()).unwrap()
    };
    let judge = |answers: &[OcspAnswer], crl| judged(&root, &end_entity, answers, &[crl]);
    assert_eq!(judge(&[], list(&[])), Ok(vec![EvidenceKind::Crl]));
    assert!(matches!(judge(&[], list(&[7])), Err(PathError::Revoked { .. })));
    // RFC 5280 §5.2.3.
    let unnumbered = ForgedCrl::new(&root.name, now() - Duration::HOUR, now() + Duration::HOUR);
    let unnumbered = Crl::parse(&unnumbered.sign(&root.key).unwrap()).unwrap();
    assert_eq!(problem(judge(&[], unnumbered)), RevocationProblem::Unnumbered);
    // Without id-pkix-ocsp-nocheck the responder's own status is looked up where there are lists.
    let delegate = responder(&root, |_| ());
    let answer = Answer::good(&root).sign(&delegate.key, Some(&delegate.der));
    assert_eq!(judge(std::slice::from_ref(&answer), list(&[])), Ok(vec![EvidenceKind::Ocsp]));
    assert_eq!(problem(judge(&[answer], list(&[8]))), RevocationProblem::NotAuthentic);
}
