//! The code of an invitation: five groups of four, printed on a slip, typed once.
//!
//! Crockford's base 32 (no I, L, O, U): twenty characters, the first four a selector of 20 bits, the
//! other sixteen a secret of 80 bits. The selector lets a mistyped code cost its own invitation a
//! try although only the hash of the whole is stored.

use sekisho_key::{Randomness, RandomnessError};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 20;
const GROUP: usize = 4;

/// A code, in its canonical form without hyphens. Shown once; wiped when dropped; never logged.
pub struct InvitationCode(Zeroizing<String>);

/// The text is no invitation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not five groups of four letters and digits")]
pub struct NotACode;

impl InvitationCode {
    /// Draws a code: 100 random bits, 80 of them secret.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn generate(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut octets = Zeroizing::new([0; LENGTH]);
        random.fill(&mut *octets)?;
        // 256 is a multiple of 32, so that each character is equally likely.
        let text = octets.iter().map(|octet| char::from(ALPHABET[usize::from(octet % 32)]));
        Ok(Self(Zeroizing::new(text.collect())))
    }

    /// Reads what a person typed: any case, hyphens and white space anywhere, full-width letters,
    /// and the letters that look like digits taken for them (Crockford).
    ///
    /// # Errors
    /// [`NotACode`].
    pub fn parse(typed: &str) -> Result<Self, NotACode> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        // A code with separators is at most a few dozen characters.
        if typed.chars().nth(200).is_some() {
            return Err(NotACode);
        }
        for c in typed.chars() {
            // Full-width forms lie 0xFEE0 above ASCII (Unicode, U+FF01 to U+FF5E).
            let c = match c {
                '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
                other => other,
            };
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' => continue,
                c if c.is_whitespace() => continue,
                c => c,
            };
            let known = u8::try_from(c).is_ok_and(|c| ALPHABET.contains(&c));
            if !known || text.len() == LENGTH {
                return Err(NotACode);
            }
            text.push(c);
        }
        if text.len() == LENGTH { Ok(Self(text)) } else { Err(NotACode) }
    }

    /// SHA-256 of the canonical form: what is stored. 80 secret random bits need no slow hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The first group.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.0[..GROUP]
    }

    /// For the slip: groups of four with hyphens.
    #[must_use]
    pub fn to_print(&self) -> Zeroizing<String> {
        let groups: Vec<_> = (0..LENGTH).step_by(GROUP).map(|at| &self.0[at..at + GROUP]).collect();
        Zeroizing::new(groups.join("-"))
    }
}

impl std::fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_key::SystemRandomness;

    use super::*;

    #[test]
    fn a_printed_code_is_read_back_however_it_is_typed() {
        let code = InvitationCode::generate(&SystemRandomness).unwrap();
        let printed = code.to_print();
        assert_eq!(printed.len(), 24);
        for typed in [
            printed.to_string(),
            printed.to_lowercase(),
            printed.replace('-', " "),
            printed.replace('-', ""),
            printed.replace('0', "o").replace('1', "l"),
            printed.chars().map(full_width).collect(),
        ] {
            assert_eq!(InvitationCode::parse(&typed).unwrap().hash(), code.hash(), "{typed}");
        }
    }

    fn full_width(c: char) -> char {
        char::from_u32(c as u32 + 0xfee0).unwrap()
    }

    #[test]
    fn two_codes_differ() {
        let one = InvitationCode::generate(&SystemRandomness).unwrap();
        let two = InvitationCode::generate(&SystemRandomness).unwrap();
        assert_ne!(one.hash(), two.hash());
    }

    #[test]
    fn shorter_longer_and_foreign_characters_are_refused() {
        for typed in ["", "ABCD", &"A".repeat(21), &"A".repeat(5000), "ABCD-ABCD-ABCD-ABCD-ABC!"] {
            assert!(InvitationCode::parse(typed).is_err());
        }
        assert!(InvitationCode::parse("UUUU-UUUU-UUUU-UUUU-UUUU").is_err());
    }

    #[test]
    fn a_code_never_shows_in_debug_output() {
        let code = InvitationCode::generate(&SystemRandomness).unwrap();
        assert_eq!(format!("{code:?}"), "InvitationCode(..)");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            let _ = InvitationCode::parse(&text);
        }
    }
}
