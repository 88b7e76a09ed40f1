//! The key is none that Debian's OpenSSL of 2006 to 2008 makes (CVE-2008-0166): its generator knew only
//! 32,768 beginnings a platform, so everybody has all of its keys.
//!
//! What is listed, and how the list was made, says `ca/data/README.md`.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Key, KeyFlaw};

const LIST: &[u8] = include_bytes!("../../../data/debian_weak_keys.bin");
/// One offset for each value of a fingerprint's first two octets, and the end.
const OFFSETS: usize = 65_537;
/// Octets of an offset, and of what a fingerprint has after its first two.
const WIDTH: usize = 3;

pub(super) fn check(key: &Key<'_>) -> Result<(), KeyFlaw> {
    let octets = match key {
        // The x of an uncompressed point.
        Key::Elliptic { point, .. } => point.get(1..=point.len() / 2).unwrap_or_default().to_vec(),
        Key::Rsa { modulus, .. } => modulus.to_bytes_be(),
    };
    if is_listed(LIST, digest(&SHA256, &octets).as_ref()) {
        Err(KeyFlaw::DebianWeak)
    } else {
        Ok(())
    }
}

/// Whether the first five octets of this digest stand in the list.
fn is_listed(list: &[u8], digest: &[u8]) -> bool {
    let [first, second, rest @ ..] = digest else { return false };
    let bucket = usize::from(u16::from_be_bytes([*first, *second]));
    let (Some(begin), Some(end), Some(rest)) =
        (offset(list, bucket), offset(list, bucket + 1), rest.get(..WIDTH))
    else {
        return false;
    };
    let entries = list.get(OFFSETS * WIDTH..).unwrap_or_default();
    let entries = entries.get(begin * WIDTH..end * WIDTH).unwrap_or_default();
    entries.chunks_exact(WIDTH).any(|entry| entry == rest)
}

fn offset(list: &[u8], bucket: usize) -> Option<usize> {
    let octets = list.get(bucket * WIDTH..(bucket + 1) * WIDTH)?;
    Some(octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::key::{
        check,
        examples::{DEBIAN_P256, DEBIAN_P384, p256, public_key_of_request, rsa_parts},
    };

    #[test]
    fn keys_of_the_broken_generator_are_refused_and_an_honest_one_is_not() {
        assert_eq!(check(&p256()), Ok(()));
        for key in [DEBIAN_P256, DEBIAN_P384] {
            assert_eq!(check(&public_key_of_request(key)), Err(KeyFlaw::DebianWeak));
        }
    }

    #[test]
    fn the_list_is_whole_and_in_order() {
        let offsets: Vec<usize> =
            (0..OFFSETS).map(|bucket| offset(LIST, bucket).unwrap()).collect();
        assert!(offsets.is_sorted());
        // Two curves, three platforms, three states of the seed file; chance lets a few meet.
        let entries = offsets[OFFSETS - 1];
        assert!((589_500..=2 * 9 * 32_768).contains(&entries), "{entries}");
        assert_eq!(LIST.len(), (OFFSETS + entries) * WIDTH);
    }

    #[test]
    fn an_rsa_modulus_is_looked_up_too() {
        let (modulus, _) = rsa_parts();
        let digest = digest(&SHA256, &modulus.to_bytes_be());
        assert!(!is_listed(LIST, digest.as_ref()));
        // A list of one.
        let bucket = usize::from(u16::from_be_bytes([digest.as_ref()[0], digest.as_ref()[1]]));
        let mut list = vec![0; OFFSETS * WIDTH];
        for after in bucket + 1..OFFSETS {
            list[after * WIDTH + 2] = 1;
        }
        list.extend(&digest.as_ref()[2..5]);
        assert!(is_listed(&list, digest.as_ref()));
        *list.last_mut().unwrap() ^= 1;
        assert!(!is_listed(&list, digest.as_ref()));
    }
}
