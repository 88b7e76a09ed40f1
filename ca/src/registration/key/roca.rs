//! The modulus has no ROCA fingerprint (CVE-2017-15361; Nemec et al., "The Return of Coppersmith's
//! Attack", CCS 2017, §2.4).
//!
//! The flawed library makes primes p = k·M + (65537^a mod M), where M is the product of the first
//! primes, 126 of them for keys of 1,984 to 3,936 bits and more for longer ones. So the modulus is a
//! power of 65537 modulo each of these primes, which a random one is for all of them only once in
//! 2^150 or so.

use std::sync::OnceLock;

use num_bigint::BigUint;

use super::{Key, KeyFlaw, odd_primes};

/// The 126th prime is 701; every key that we certify is long enough for all of them.
const END: u32 = 702;
const GENERATOR: u64 = 65_537;

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    match key {
        Key::Rsa { modulus, .. } if has_fingerprint(modulus) => Err(KeyFlaw::Roca),
        _ => Ok(()),
    }
}

/// Each prime with the order of the generator in its multiplicative group.
fn orders() -> &'static [(u32, u64)] {
    static ORDERS: OnceLock<Vec<(u32, u64)>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        odd_primes(END).into_iter().map(|prime| (prime, order(u64::from(prime)))).collect()
    })
}

fn order(prime: u64) -> u64 {
    let mut power = GENERATOR % prime;
    let mut order = 1;
    while power != 1 {
        power = power * GENERATOR % prime;
        order += 1;
    }
    order
}

fn has_fingerprint(modulus: &BigUint) -> bool {
    orders().iter().all(|(prime, order)| {
        let residue = modulus % *prime;
        let residue = residue.iter_u64_digits().next().unwrap_or(0);
        // The group is cyclic, so the generator's powers are just the elements whose order
        // divides its own.
        power(residue, *order, u64::from(*prime)) == 1
    })
}

fn power(base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let (mut result, mut base) = (1, base % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{ROCA, ROCA_4096, public_key_of_request, rsa, rsa_parts},
    };

    #[test]
    fn keys_of_the_flawed_form_are_refused_and_an_honest_one_is_not() {
        let (modulus, exponent) = rsa_parts();
        assert_eq!(check(&rsa(&modulus, &exponent)), Ok(()));
        for key in [ROCA, ROCA_4096] {
            assert_eq!(check(&public_key_of_request(key)), Err(KeyFlaw::Roca));
        }
    }

    #[test]
    fn chance_gives_an_honest_key_the_fingerprint_less_than_once_in_2_to_the_100() {
        let bits: f64 = orders()
            .iter()
            .map(|(prime, order)| (f64::from(prime - 1) / *order as f64).log2())
            .sum();
        assert!(bits > 100.0, "{bits}");
        assert_eq!(orders().len(), 125, "and two");
    }
}
