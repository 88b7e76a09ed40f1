//! The curve is named, and one of ours: explicit parameters let an attacker bring a generator of
//! their own (RFC 5480 §2.1.1: they MUST NOT be used; CVE-2020-0601).

use const_oid::{ObjectIdentifier, db::rfc5912};
use der::{Any, Tag, Tagged};

use super::{Key, KeyFlaw};

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    match key {
        Key::Elliptic { curve, .. }
            if ![rfc5912::SECP_256_R_1, rfc5912::SECP_384_R_1].contains(curve) =>
        {
            Err(KeyFlaw::Curve { oid: *curve })
        }
        _ => Ok(()),
    }
}

/// The name in `ECParameters`.
pub(super) fn of(parameters: &Any) -> Result<ObjectIdentifier, KeyFlaw> {
    match parameters.tag() {
        Tag::ObjectIdentifier => parameters.decode_as().map_err(|_| KeyFlaw::Malformed),
        Tag::Sequence => Err(KeyFlaw::ExplicitParameters),
        _ => Err(KeyFlaw::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{openssl_key, p256},
    };

    #[test]
    fn a_named_curve_passes_and_its_written_out_twin_does_not() {
        assert_eq!(check(&p256()), Ok(()));
        let explicit =
            openssl_key("EC", &["ec_paramgen_curve:P-256", "ec_param_enc:explicit"], &[]);
        assert_eq!(check(&explicit), Err(KeyFlaw::ExplicitParameters));
    }

    #[test]
    fn another_curve_is_refused() {
        for curve in ["secp256k1", "P-521", "brainpoolP256r1"] {
            let key = openssl_key("EC", &[&format!("ec_paramgen_curve:{curve}")], &[]);
            let flaw = check(&key).unwrap_err();
            assert!(matches!(flaw, KeyFlaw::Curve { .. }), "{curve}");
            assert!(flaw.to_string().starts_with(&format!("the curve {curve} is not")), "{flaw}");
        }
        let flaw = check(&openssl_key("ED25519", &[], &[])).unwrap_err();
        assert!(matches!(flaw, KeyFlaw::Kind { .. }));
        assert!(flaw.to_string().starts_with("keys of kind Ed25519 are not"), "{flaw}");
    }
}
