//! A private key without any armour, somewhere within a file: its octets, or the digits that spell them.

use sekisho_key::public_key_of_unwrapped;
use zeroize::Zeroizing;

/// A key of RSA-8192, twice as large as any that we issue to, has under five thousand octets.
const MOST_OCTETS: usize = 8 * 1024;

/// More of what looks like a key is not tried in one file: each costs some arithmetic.
const MOST_KEYS: usize = 1_000;

/// Whether the private key of one of these `SubjectPublicKeyInfo`s stands in it: PKCS #8, SEC 1 or PKCS #1 in DER, in
/// base64 of both alphabets (RFC 4648 §4 and §5), or in hexadecimal digits.
pub(super) fn holds(content: &[u8], roots: &[Vec<u8>]) -> bool {
    // First of all by one octet: the search is on the way of every start.
    let first = [0x30, b'M', b'3'];
    let starts = content.iter().enumerate().filter(|(_, octet)| first.contains(octet));
    let starts = starts.map(|(at, _)| &content[at..]);
    let keys = starts.flat_map(|rest| SPELLINGS.iter().filter_map(|spelt| spelt.key_at(rest)));
    keys.take(MOST_KEYS)
        .any(|key| public_key_of_unwrapped(&key).is_some_and(|public| roots.contains(&public)))
}

/// What a character of a spelling is.
enum Digit {
    Value(u8),
    /// Layout within the digits.
    Between,
    End,
}

/// A way to write octets.
struct Spelling {
    /// Whether a SEQUENCE may begin here; cheap, for it is asked at every octet.
    begins: fn(&[u8]) -> bool,
    bits_of_digit: u32,
    digit: fn(u8) -> Digit,
}

const SPELLINGS: [Spelling; 3] = [
    Spelling { begins: |rest| rest.first() == Some(&0x30), bits_of_digit: 8, digit: Digit::Value },
    Spelling {
        // The tag, and lengths that a key may have.
        begins: |rest| matches!(rest, [b'M', b'C'..=b'I', ..]),
        bits_of_digit: 6,
        digit: of_base64,
    },
    Spelling { begins: |rest| rest.starts_with(b"30"), bits_of_digit: 4, digit: of_hexadecimal },
];

fn of_base64(character: u8) -> Digit {
    match character {
        b'A'..=b'Z' => Digit::Value(character - b'A'),
        b'a'..=b'z' => Digit::Value(character - b'a' + 26),
        b'0'..=b'9' => Digit::Value(character - b'0' + 52),
        b'+' | b'-' => Digit::Value(62),
        b'/' | b'_' => Digit::Value(63),
        _ if character.is_ascii_whitespace() => Digit::Between,
        _ => Digit::End,
    }
}

fn of_hexadecimal(character: u8) -> Digit {
    match character {
        b'0'..=b'9' => Digit::Value(character - b'0'),
        b'a'..=b'f' => Digit::Value(character - b'a' + 10),
        b'A'..=b'F' => Digit::Value(character - b'A' + 10),
        b':' => Digit::Between,
        _ if character.is_ascii_whitespace() => Digit::Between,
        _ => Digit::End,
    }
}

impl Spelling {
    /// What begins here, if it begins as a private key does and is there to its end.
    fn key_at(&self, rest: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if !(self.begins)(rest) {
            return None;
        }
        let length = length_of_key(&self.octets(rest, LONGEST_HEAD))?;
        let key = self.octets(rest, length);
        (key.len() == length).then_some(key)
    }

    /// At most so many octets from here on.
    fn octets(&self, rest: &[u8], most: usize) -> Zeroizing<Vec<u8>> {
        // Grown in place of reallocated: a copy left behind would not be wiped.
        let mut octets = Zeroizing::new(Vec::with_capacity(most));
        let (mut held, mut bits) = (0_u32, 0);
        for &character in rest {
            if octets.len() == most {
                break;
            }
            match (self.digit)(character) {
                Digit::Value(value) => {
                    held = held << self.bits_of_digit | u32::from(value);
                    bits += self.bits_of_digit;
                }
                Digit::Between => continue,
                Digit::End => break,
            }
            if bits >= 8 {
                bits -= 8;
                octets.push((held >> bits & 0xff) as u8);
            }
        }
        octets
    }
}

/// Tag, length in up to three octets, and the version.
const LONGEST_HEAD: usize = 7;

/// Length of the whole SEQUENCE whose first octets these are, if the version of a key comes first in
/// it: 0 or 1 (RFC 5958 §2, RFC 5915 §3, RFC 8017 A.1.2).
fn length_of_key(head: &[u8]) -> Option<usize> {
    let (length, content) = match *head {
        [0x30, length @ 0..=0x7f, ref content @ ..] => (2 + usize::from(length), content),
        [0x30, 0x81, length, ref content @ ..] => (3 + usize::from(length), content),
        [0x30, 0x82, high, low, ref content @ ..] => {
            (4 + usize::from(u16::from_be_bytes([high, low])), content)
        }
        _ => return None,
    };
    (matches!(content, [2, 1, 0 | 1, ..]) && length <= MOST_OCTETS).then_some(length)
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    use sekisho_key::{RsaSize, SigningKey, SoftwareKey};

    use super::*;

    /// The ways in which somebody may have kept it.
    fn forms(der: &[u8]) -> Vec<Vec<u8>> {
        let base64 = STANDARD.encode(der);
        let lines: Vec<_> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pairs: Vec<_> = der.iter().map(|octet| format!("{octet:02X}")).collect();
        vec![
            [b"\x30\x82garbage\x30".as_slice(), der, b"more"].concat(),
            base64.clone().into_bytes(),
            format!("root_key={base64};").into_bytes(),
            format!("backup of the root:\r\n  {}\r\nend", lines.join("\r\n  ")).into_bytes(),
            format!("{{\"k\":\"{}\"}}", URL_SAFE_NO_PAD.encode(der)).into_bytes(),
            hex::encode(der).into_bytes(),
            format!("key: {}", pairs.join(":")).into_bytes(),
        ]
    }

    #[test]
    fn a_key_is_found_in_every_spelling_and_another_is_not_taken_for_it() {
        for root in [
            SoftwareKey::generate_p384().unwrap(),
            SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap(),
        ] {
            let other = SoftwareKey::generate_p384().unwrap();
            let spki = [root.public_key_der().to_vec()];
            for content in forms(&root.pkcs8_der().unwrap()) {
                assert!(holds(&content, &spki), "{}", String::from_utf8_lossy(&content));
            }
            for content in forms(&other.pkcs8_der().unwrap()).iter().chain(&forms(&spki[0])) {
                assert!(!holds(content, &spki), "{}", String::from_utf8_lossy(content));
            }
        }
    }

    #[test]
    fn a_part_of_a_key_is_none_and_much_that_looks_like_one_is_not_tried() {
        let root = SoftwareKey::generate_p384().unwrap();
        let der = root.pkcs8_der().unwrap();
        for content in forms(&der[..der.len() - 1]) {
            assert!(!holds(&content, &[root.public_key_der().to_vec()]));
        }
        let mut crowd = b"\x30\x03\x02\x01\x00".repeat(MOST_KEYS - 1);
        crowd.extend_from_slice(&der);
        assert!(holds(&crowd, &[root.public_key_der().to_vec()]));
        let crowd = [b"\x30\x03\x02\x01\x00".as_slice(), &crowd].concat();
        assert!(!holds(&crowd, &[root.public_key_der().to_vec()]));
    }
}
