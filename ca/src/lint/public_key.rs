//! The key is the approved one, of a kind that the profile certifies, a real point or modulus,
//! and not the issuer's own (certificate policy §6.1.5, §6.1.6).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use der::Encode;
use sekisho_pki::signature::PublicKeyKind;
use spki::SubjectPublicKeyInfoRef;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let spki_der = subject
        .certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|error| error.to_string())?;
    let approved = &subject.context.approved;
    ensure(spki_der == approved.public_key_der, || "not the approved key".to_owned())?;
    let kind = PublicKeyKind::of_der(&spki_der).ok_or("a kind of key that we do not certify")?;
    ensure(approved.profile.allows_key(kind), || {
        format!("profile {} does not certify {kind:?}", approved.profile.name())
    })?;
    let issuers_own = spki_der == subject.context.issuer.public_key_der;
    ensure(issuers_own == subject.context.self_signed(), || {
        "the issuer's own key belongs in its own certificate only".to_owned()
    })?;
    let with: &'static dyn VerificationAlgorithm = match kind {
        PublicKeyKind::P256 => &ECDSA_P256_SHA256_ASN1,
        PublicKeyKind::P384 => &ECDSA_P384_SHA384_ASN1,
        PublicKeyKind::Rsa { .. } => &RSA_PKCS1_2048_8192_SHA256,
    };
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der.as_slice())
        .map_err(|error| error.to_string())?;
    UnparsedPublicKey::new(with, spki.subject_public_key.raw_bytes())
        .parse()
        .map(drop)
        .map_err(|rejected| format!("the key is not valid: {rejected}"))
}

#[cfg(test)]
mod tests {
    use der::{Decode, asn1::BitString};
    use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
    use spki::SubjectPublicKeyInfoOwned;

    use crate::lint::examples::Example;

    fn put(example: &mut Example, key: &SoftwareKey) {
        example.approved.public_key_der = key.public_key_der().to_vec();
    }

    #[test]
    fn a_key_that_was_not_approved_is_refused() {
        let other = SoftwareKey::generate_p256().unwrap();
        Example::new("terminal").refuses("public_key", |tbs| {
            tbs.subject_public_key_info =
                SubjectPublicKeyInfoOwned::from_der(other.public_key_der()).unwrap();
        });
    }

    #[test]
    fn a_short_rsa_key_is_refused() {
        let mut example = Example::new("terminal");
        put(&mut example, &SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap());
        example.refuses("public_key", |_| ());
    }

    #[test]
    fn a_kind_that_the_profile_does_not_know_is_refused() {
        let mut example = Example::new("server");
        put(&mut example, &SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap());
        example.refuses("public_key", |_| ());
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        let mut example = Example::new("terminal");
        let mut spki =
            SubjectPublicKeyInfoOwned::from_der(&example.approved.public_key_der).unwrap();
        let mut point = spki.subject_public_key.raw_bytes().to_vec();
        point[64] ^= 1;
        spki.subject_public_key = BitString::from_bytes(&point).unwrap();
        example.approved.public_key_der = der::Encode::to_der(&spki).unwrap();
        example.refuses("public_key", |_| ());
    }

    #[test]
    fn the_issuers_own_key_is_refused() {
        let mut example = Example::new("terminal");
        example.approved.public_key_der = example.issuer_key.public_key_der().to_vec();
        example.refuses("public_key", |_| ());
    }
}
