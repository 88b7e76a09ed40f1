//! The family can sign and verify with this kind of key (certificate policy §7.1.17).

use sekisho_pki::signature::PublicKeyKind;

use super::{Subject, Verdict, ensure, target};

pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some(target) = target(subject) else { return Ok(()) };
    let kind = PublicKeyKind::of_der(&subject.context.approved.public_key_der)
        .ok_or_else(|| format!("{} knows no such kind of key", target.family()))?;
    ensure(target.public_keys().iter().any(|key| key.allows(kind)), || {
        format!("{} cannot use a key of kind {kind:?}", target.family())
    })
}

#[cfg(test)]
mod tests {
    use sekisho_key::{SigningKey, SoftwareKey};

    use crate::{lint::examples::Example, profile::Profile};

    #[test]
    fn a_curve_that_the_family_does_not_know_is_refused() {
        // A family without P-384, as the profile of an operator would write it.
        let text = include_str!("../../profiles/router.toml")
            .replace(
                "\npublic_keys = [\"p256\", \"p384\", \"rsa2048\"",
                "\npublic_keys = [\"p256\", \"rsa2048\"",
            )
            .replace("\"p384\", \"rsa3072\", \"rsa4096\"]  # §6.1.5", "\"rsa3072\", \"rsa4096\"]")
            .replace("p384 = 832\n", "");
        let mut example = Example::of(Profile::from_toml(&text).unwrap(), Example::now());
        example.passes();
        let key = SoftwareKey::generate_p384().unwrap();
        example.approved.public_key_der = key.public_key_der().to_vec();
        let said = example.refuses("target_public_key", |_| ());
        assert!(said.contains("P384"), "{said}");
    }
}
