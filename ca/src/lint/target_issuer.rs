//! The family can verify what the issuer signs with (certificate policy §7.1.17).

use sekisho_pki::signature::PublicKeyKind;

use super::{Subject, Verdict, ensure, target};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    let kind = PublicKeyKind::of_der(subject.context.issuer.public_key_der)
        .ok_or_else(|| format!("{} knows no such kind of issuer", target.family()))?;
    ensure(target.issuer_keys().iter().any(|key| key.allows(kind)), || {
        format!(
            "{} cannot verify an issuer of kind {kind:?}: issue by another authority",
            target.family()
        )
    })
}

#[cfg(test)]
mod tests {
    use sekisho_key::{RsaSize, SoftwareKey};

    use crate::{lint::examples::Example, profile::Profile};

    #[test]
    fn a_device_that_verifies_rsa_only_is_not_certified_by_an_ecdsa_issuer() {
        let text = include_str!("../../profiles/router.toml")
            .replace("issuer_keys = [\"p256\", \"p384\", ", "issuer_keys = [");
        let mut example = Example::of(Profile::from_toml(&text).unwrap(), Example::now());
        example.refuses("target_issuer", |_| ());
        example.issuer_key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        example.passes();
    }
}
