//! The RSA exponent is 65537: with a small one signatures and messages are forged by roots, an even
//! one has no inverse, and a strange one is the mark of a strange generator (certificate policy
//! §6.1.6; FIPS 186-5 §A.1.1 asks for an odd one above 2^16).

use num_bigint::BigUint;

use super::{Key, KeyFlaw};

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    match key {
        Key::Rsa { exponent, .. } if *exponent != BigUint::from(65_537_u32) => {
            Err(KeyFlaw::Exponent)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{EXPONENT_3, public_key_of_request, rsa, rsa_parts},
    };

    #[test]
    fn small_even_and_strange_exponents_are_refused() {
        let (modulus, exponent) = rsa_parts();
        assert_eq!(check(&rsa(&modulus, &exponent)), Ok(()));
        for exponent in [1_u32, 2, 3, 17, 257, 65_536, 65_539] {
            let key = rsa(&modulus, &BigUint::from(exponent));
            assert_eq!(check(&key), Err(KeyFlaw::Exponent), "{exponent}");
        }
        assert_eq!(check(&public_key_of_request(EXPONENT_3)), Err(KeyFlaw::Exponent));
        let long = rsa(&modulus, &(&modulus - 2_u32));
        assert_eq!(check(&long), Err(KeyFlaw::Exponent));
    }
}
