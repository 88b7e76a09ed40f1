//! The point is on its curve, not at infinity, and in uncompressed form (RFC 5480 §2.2): a point of
//! another curve gives its holder's secret away bit by bit.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::db::rfc5912;

use super::{Key, KeyFlaw};

/// SEC 1 §2.3.3.
const UNCOMPRESSED: u8 = 4;

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    let Key::Elliptic { curve, point, .. } = key else { return Ok(()) };
    let (with, octets): (&'static dyn VerificationAlgorithm, _) = match *curve {
        rfc5912::SECP_256_R_1 => (&ECDSA_P256_SHA256_ASN1, 65),
        rfc5912::SECP_384_R_1 => (&ECDSA_P384_SHA384_ASN1, 97),
        oid => return Err(KeyFlaw::Curve { oid }),
    };
    if point.len() != octets || point.first() != Some(&UNCOMPRESSED) {
        return Err(KeyFlaw::Point);
    }
    UnparsedPublicKey::new(with, point).parse().map(drop).map_err(|_| KeyFlaw::Point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{openssl_key, p256, with_bits},
    };

    #[test]
    fn a_point_beside_the_curve_at_infinity_or_compressed_is_refused() {
        let good = p256();
        assert_eq!(check(&good), Ok(()));
        let beside = with_bits(&good, |bits| bits[64] ^= 1);
        let origin = with_bits(&good, |bits| bits[1..].fill(0));
        let infinity = with_bits(&good, |bits| *bits = vec![0]);
        let empty = with_bits(&good, |bits| bits.clear());
        let short = with_bits(&good, |bits| bits.truncate(64));
        let compressed =
            openssl_key("EC", &["ec_paramgen_curve:P-256"], &["-ec_conv_form", "compressed"]);
        for bad in [beside, origin, infinity, empty, short, compressed] {
            assert_eq!(check(&bad), Err(KeyFlaw::Point));
        }
    }
}
