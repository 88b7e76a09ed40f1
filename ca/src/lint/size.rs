//! The certificate is no longer than the profile allows for its key: IKE_AUTH and card readers pay
//! by the octet (certificate policy §7.1.16).

use const_oid::db::rfc5280;
use der::Encode;
use sekisho_key::SignatureAlgorithm;
use sekisho_pki::signature::PublicKeyKind;

use super::{Subject, Verdict, ensure};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let profile = &subject.context.approved.profile;
    let limits = profile.most_octets();
    let kind = PublicKeyKind::of_der(&subject.context.approved.public_key_der)
        .ok_or("no kind of key that has a limit")?;
    let limit = limits.for_key(kind).ok_or("the profile has no limit for this kind of key")?;
    let issuer = match subject.context.issuer.algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => limits.rsa_issuer(),
        SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP384Sha384 => 0,
    };
    let access = access_octets(subject)?.min(limits.access());
    let most = limit + issuer + access;
    let octets = subject.certificate_der.len();
    let family = profile.target().map_or("the profile", |target| target.family());
    ensure(octets <= most, || {
        format!(
            "{octets} octets, at most {most} for {family}: shorten names and published addresses"
        )
    })
}

fn access_octets(subject: &Subject<'_>) -> Result<usize, String> {
    let mut octets = 0;
    for extension in subject.certificate.tbs_certificate().extensions().into_iter().flatten() {
        if extension.extn_id == rfc5280::ID_PE_AUTHORITY_INFO_ACCESS {
            octets = extension.to_der().map_err(|error| error.to_string())?.len();
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use sekisho_key::{RsaSize, SoftwareKey};

    use crate::lint::examples::Example;

    #[test]
    fn a_long_address_is_refused() {
        let mut example = Example::new("terminal");
        example.publication.crl_url = format!("http://plain.example/{}", "x".repeat(300));
        example.refuses("size", |_| ());
    }

    #[test]
    fn an_allowance_for_addresses_is_not_one_for_names() {
        // 780 octets of a certificate without access are fine, with a long access they are not.
        let mut example = Example::new("terminal");
        example.publication.ca_issuers_url = format!("http://plain.example/{}", "x".repeat(260));
        example.refuses("size", |_| ());
    }

    #[test]
    fn an_issuer_that_signs_by_rsa_has_its_own_allowance() {
        let mut example = Example::new("router");
        example.issuer_key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        example.passes();
        // The root never signs by RSA: no allowance.
        let mut example = Example::new("issuing");
        example.issuer_key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        example.refuses("size", |_| ());
    }
}
