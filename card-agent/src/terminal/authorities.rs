//! The authorities above the terminal's certificate: what leads to the root that is believed, and which
//! root follows it.

use der::Decode;
use sekisho_pki::encoding::{instant, signed_object::SignedObject};
use sekisho_pki::path::{Anchors, Purpose, Requirements, Revocation, TrustAnchor, validate};
use sekisho_pki::signature::{self, object::public_key_of};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

/// What `cacerts` told, DER. Nothing of it is proved: the first root by its hash, everything else by
/// signatures that lead to a root that is believed.
pub(super) struct Told(pub(super) Vec<Vec<u8>>);

impl Told {
    /// The certificate with this SHA-256.
    pub(super) fn of_sha256(&self, expected: &[u8; 32]) -> Option<&[u8]> {
        self.iter().find(|der| Sha256::digest(der)[..] == expected[..])
    }

    /// Whether this very certificate is told.
    pub(super) fn holds(&self, der: &[u8]) -> bool {
        self.iter().any(|told| told == der)
    }

    /// Who issued a certificate of ours, if signatures lead from it to the root: over an authority of the
    /// root's own, or of another root that it has certified. `answer` came with our certificate.
    ///
    /// RFC 7030 §4.2.3 sends the certificate alone and §4.1.3 the authorities above it.
    pub(super) fn issuer_of<'a>(
        &'a self,
        ours: &[u8],
        answer: &'a [Vec<u8>],
        root: &'a [u8],
    ) -> Option<&'a [u8]> {
        if is_issued(ours, root) {
            return Some(root);
        }
        let all = || {
            let all = answer.iter().map(Vec::as_slice).chain(self.iter());
            all.filter(|der| Certificate::from_der(der).is_ok_and(|one| is_authority(&one)))
        };
        let under_root: Vec<&[u8]> = all().filter(|der| is_issued(der, root)).collect();
        let leads =
            |issuer: &[u8]| under_root.iter().any(|one| *one == issuer || is_issued(issuer, one));
        all().find(|issuer| is_issued(ours, issuer) && leads(issuer))
    }

    /// The newest root that follows the known one: signed by itself, begun after it, and vouched for
    /// by it. `None`: the known one is the newest.
    ///
    /// An older one is never gone back to, though the newer vouches for it, too.
    pub(super) fn next_root(&self, known: &[u8], now: OffsetDateTime) -> Option<&[u8]> {
        let begins = |der: &[u8]| {
            let certificate = Certificate::from_der(der).ok()?;
            Some(instant::from_time(&certificate.tbs_certificate().validity().not_before))
        };
        let after = begins(known)?;
        let later = self.iter().filter_map(|der| Some((begins(der)?, der)));
        let later = later.filter(|(begun, der)| *begun > after && self.vouches(known, der, now));
        later.max_by_key(|(begun, _)| *begun).map(|(_, der)| der)
    }

    /// Whether one root has certified the other's name and key (RFC 9810 §4.4), in force now, and the
    /// other is a root.
    pub(super) fn vouches(&self, known: &[u8], other: &[u8], now: OffsetDateTime) -> bool {
        let Ok(root) = Certificate::from_der(other) else { return false };
        let root = root.tbs_certificate();
        let is_cross = |der: &[u8]| {
            Certificate::from_der(der).is_ok_and(|cross| {
                is_authority(&cross)
                    && cross.tbs_certificate().subject() == root.subject()
                    && cross.tbs_certificate().subject_public_key_info()
                        == root.subject_public_key_info()
            })
        };
        leads(other, other, now) && self.iter().any(|der| is_cross(der) && leads(der, known, now))
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// Whether the path validator accepts a certificate under this root alone (RFC 5280 §6).
fn leads(der: &[u8], root: &[u8], now: OffsetDateTime) -> bool {
    let Ok(anchor) = TrustAnchor::from_der(root) else { return false };
    // A root says by what it tells which of its certificates count: over a connection under it.
    let requirements = Requirements::new(Purpose::Any, Revocation::JudgedByCaller);
    validate(der, &[], &Anchors::new(vec![anchor]), &requirements, now).is_ok()
}

/// basicConstraints with cA (RFC 5280 §4.2.1.9).
fn is_authority(certificate: &Certificate) -> bool {
    let constraints = certificate.tbs_certificate().get_extension::<BasicConstraints>();
    matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
}

fn is_issued(der: &[u8], issuer: &[u8]) -> bool {
    let signed = SignedObject::parse(der, false).ok().zip(public_key_of(issuer));
    signed.is_some_and(|(signed, spki)| {
        signature::verify(&spki, &signed.algorithm, signed.to_be_signed, &signed.signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sekisho_ca::lookalike::Forge;
    use sekisho_key::{SigningKey, SoftwareKey};
    use sekisho_pki::encoding::key_identifier::key_identifier;
    use sekisho_pki::encoding::name::{Part, name};
    use time::Duration;
    use x509_cert::der::asn1::OctetString;
    use x509_cert::ext::pkix::{AuthorityKeyIdentifier, KeyUsage, KeyUsages, SubjectKeyIdentifier};
    use x509_cert::name::Name;

    use super::*;

    /// A key and its name; what it signs is valid for so many days around now.
    struct Party {
        name: Name,
        key: Arc<SoftwareKey>,
    }

    impl Party {
        fn new(common_name: &str) -> Self {
            let name = name(&[Part::CommonName(common_name)]).unwrap();
            Self { name, key: Arc::new(SoftwareKey::generate_p256().unwrap()) }
        }

        fn forge(&self, subject: &Self, is_authority: bool, days: (i64, i64)) -> Forge {
            let (from, until) = (now() + Duration::days(days.0), now() + Duration::days(days.1));
            let mut forge = Forge::new(&self.name, &subject.name, &subject.key, from, until);
            let identifier = |party: &Self| {
                OctetString::new(key_identifier(party.key.public_key_der()).unwrap()).unwrap()
            };
            forge.put(false, &SubjectKeyIdentifier(identifier(subject))).unwrap();
            let issuer = AuthorityKeyIdentifier {
                key_identifier: Some(identifier(self)),
                ..AuthorityKeyIdentifier::default()
            };
            forge.put(false, &issuer).unwrap();
            if is_authority {
                let constraints = BasicConstraints { ca: true, path_len_constraint: None };
                forge.put(true, &constraints).unwrap();
                let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
                forge.put(true, &usage).unwrap();
            }
            forge
        }

        fn certify(&self, subject: &Self, days: (i64, i64)) -> Vec<u8> {
            self.forge(subject, true, days).sign(&self.key).unwrap()
        }
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
    }

    const OLD: (i64, i64) = (-900, 900);
    const NEW: (i64, i64) = (-1, 1800);

    #[test]
    fn the_next_root_is_the_one_that_the_known_one_vouches_for_and_no_other() {
        let (old, new, stranger) =
            (Party::new("Root 1"), Party::new("Root 2"), Party::new("Stranger"));
        let (known, next) = (old.certify(&old, OLD), new.certify(&new, NEW));
        let (by_old, by_new) = (old.certify(&new, NEW), new.certify(&old, NEW));
        let told = |more: &[&Vec<u8>]| {
            Told([&known, &next].iter().chain(more).map(|der| der.to_vec()).collect())
        };
        let whole = told(&[&by_old, &by_new]);
        assert_eq!(whole.next_root(&known, now()), Some(&next[..]));
        // Never back, though the new one vouches for the old.
        assert!(whole.vouches(&next, &known, now()));
        assert_eq!(whole.next_root(&next, now()), None);

        let of_other_key = Party { name: new.name.clone(), key: stranger.key.clone() };
        let of_other_name = Party { name: stranger.name.clone(), key: new.key.clone() };
        let as_old = Party { name: old.name.clone(), key: stranger.key.clone() };
        for (what, cross) in [
            ("the other way round", by_new.clone()),
            ("by a stranger", stranger.certify(&new, NEW)),
            ("by another key of the name", as_old.certify(&new, NEW)),
            ("for another key", old.certify(&of_other_key, NEW)),
            ("for another name", old.certify(&of_other_name, NEW)),
            ("no authority", old.forge(&new, false, NEW).sign(&old.key).unwrap()),
            ("over", old.certify(&new, (-9, -1))),
            ("not begun", old.certify(&new, (1, 9))),
        ] {
            assert_eq!(told(&[&cross]).next_root(&known, now()), None, "{what}");
        }
        // What is certified has to be a root, in force and younger.
        for (what, other) in [
            ("an issuing authority", old.certify(&new, NEW)),
            ("over", new.certify(&new, (-9, -1))),
            ("not begun", new.certify(&new, (1, 9))),
            ("older", new.certify(&new, (-901, 1800))),
        ] {
            let told = Told(vec![known.clone(), other, by_old.clone()]);
            assert_eq!(told.next_root(&known, now()), None, "{what}");
        }
    }

    #[test]
    fn an_issuer_is_found_beneath_the_root_and_beneath_what_the_root_has_certified() {
        let (old, new, stranger) =
            (Party::new("Root 1"), Party::new("Root 2"), Party::new("Stranger"));
        let (known, issuing, terminal) =
            (old.certify(&old, OLD), Party::new("Terminals"), Party::new("T"));
        let of_terminal =
            |issuer: &Party| issuer.forge(&terminal, false, NEW).sign(&issuer.key).unwrap();
        let ours = of_terminal(&issuing);
        let by = |root: &Party| root.certify(&issuing, NEW);
        let cross = old.certify(&new, NEW);
        for (told, expected) in [
            (vec![by(&old)], Some(0)),
            (vec![by(&new), cross.clone()], Some(0)),
            (vec![cross, by(&new)], Some(1)),
            (vec![by(&new)], None),
            (vec![by(&new), new.certify(&old, NEW)], None),
            (vec![by(&stranger), stranger.certify(&stranger, NEW)], None),
            (vec![old.forge(&issuing, false, NEW).sign(&old.key).unwrap()], None),
        ] {
            let told = Told(told);
            let expected = expected.map(|index: usize| &told.0[index][..]);
            assert_eq!(told.issuer_of(&ours, &[], &known), expected);
        }
        let by_root = of_terminal(&old);
        assert_eq!(Told(Vec::new()).issuer_of(&by_root, &[], &known), Some(&known[..]));
    }
}
