//! Codes that people copy: for enrolment, invitation and activation, and the receipt of an
//! application. Typed from paper, pasted, or read from a QR.
//!
//! Twenty characters of Crockford's base 32 in five groups: nineteen random (95 bits) and one that
//! checks the others, so that a slip of the keyboard is told at once and costs no attempt. The first
//! group can serve as a selector: it finds what a wrong code was meant for although only the hash of
//! the whole is stored.

use std::fmt;

use sekisho_key::{Randomness, RandomnessError};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 0–9 and A–Z without I, L, O and U, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Random characters.
const RANDOM: usize = 19;
/// All characters.
const LENGTH: usize = RANDOM + 1;
/// Characters a group.
const GROUP: usize = 4;
/// Longest text that is looked at: the code with generous spacing.
const MOST_CHARACTERS: usize = 64;

/// A code, in the clear. Never printed by accident; wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PaperCode([u8; LENGTH]);

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not twenty characters, apart from spaces and hyphens.
    #[error("a code has twenty characters in five groups")]
    Length,
    /// A character that no code has.
    #[error("a code has digits and letters only, and no U")]
    Character,
    /// A slip.
    #[error("the code is mistyped: one of its characters is wrong")]
    CheckCharacter,
}

impl PaperCode {
    /// A new code.
    ///
    /// # Errors
    /// [`RandomnessError`]: there is none.
    pub fn generate(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        let drawn = random_values::<RANDOM>(random)?;
        let mut values = Zeroizing::new([0_u8; LENGTH]);
        values[..RANDOM].copy_from_slice(&*drawn);
        values[RANDOM] = check_value(&values[..RANDOM]);
        Ok(Self(values.map(|value| ALPHABET[usize::from(value)])))
    }

    /// Reads a code however a person wrote it: any case, full-width letters, `O` for 0, `I` or `L`
    /// for 1, hyphens and spaces of any kind anywhere.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if text.chars().nth(MOST_CHARACTERS).is_some() {
            return Err(CodeError::Length);
        }
        let mut values = Zeroizing::new([0_u8; LENGTH]);
        let mut found = 0;
        for character in text.chars().map(half_width).filter(|&c| !separates(c)) {
            let plain = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET.iter().position(|&letter| char::from(letter) == plain);
            let value = value.ok_or(CodeError::Character)?;
            *values.get_mut(found).ok_or(CodeError::Length)? =
                u8::try_from(value).map_err(|_| CodeError::Character)?;
            found += 1;
        }
        if found != LENGTH {
            return Err(CodeError::Length);
        }
        if check_value(&values[..RANDOM]) != values[RANDOM] {
            return Err(CodeError::CheckCharacter);
        }
        Ok(Self(values.map(|value| ALPHABET[usize::from(value)])))
    }

    /// What the database keeps: SHA-256 of the characters without hyphens. 95 random bits need no
    /// salt and no slow hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The first group, 20 of the random bits: kept in the clear where a wrong code must cost what it
    /// was meant for a try.
    #[must_use]
    pub fn selector(&self) -> String {
        self.0[..GROUP].iter().map(|&character| char::from(character)).collect()
    }

    /// The code in groups, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
        for (place, &character) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(character));
        }
        text
    }
}

impl fmt::Debug for PaperCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaperCode(…)")
    }
}

fn random_values<const N: usize>(
    random: &dyn Randomness,
) -> Result<Zeroizing<[u8; N]>, RandomnessError> {
    let mut octets = Zeroizing::new([0; N]);
    random.fill(&mut *octets)?;
    for octet in octets.iter_mut() {
        // 256 is a multiple of 32, so each value is equally likely.
        *octet &= 0x1f;
    }
    Ok(octets)
}

/// So many random characters of the same alphabet, five bits each, for a secret that a device is told and
/// nobody here reads back.
///
/// # Errors
/// [`RandomnessError`]: there is none.
pub fn random_characters<const N: usize>(
    random: &dyn Randomness,
) -> Result<Zeroizing<String>, RandomnessError> {
    let values = random_values::<N>(random)?;
    let mut text = Zeroizing::new(String::with_capacity(N));
    for &value in values.iter() {
        text.push(char::from(ALPHABET[usize::from(value)]));
    }
    Ok(text)
}

/// Full-width forms lie 0xFEE0 above ASCII (Unicode, U+FF01 to U+FF5E).
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        other => other,
    }
}

/// Hyphens, dashes, the long-vowel mark that a Japanese keyboard gives for one, and white space.
fn separates(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}') || c.is_whitespace()
}

/// Σ vᵢ·αⁱ⁺¹ over GF(2⁵) with x⁵ + x² + 1.
///
/// α has order 31 and the code 20 places, so the weights differ and none is 0 or 1: one wrong
/// character changes the sum, and so does an exchange of any two different ones.
fn check_value(values: &[u8]) -> u8 {
    // Horner's rule, from the last place to the first.
    values.iter().rev().fold(0, |sum, &value| double(sum ^ value))
}

/// Multiplies by α.
fn double(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0x20 == 0 { shifted } else { shifted ^ 0x25 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_key::SystemRandomness;

    use super::*;

    fn code() -> PaperCode {
        PaperCode::generate(&SystemRandomness).unwrap()
    }

    #[test]
    fn a_code_reads_back_however_it_is_written() {
        for _ in 0..200 {
            let code = code();
            let text = code.reveal();
            assert_eq!(text.len(), 24);
            let written = [
                text.to_string(),
                text.to_lowercase(),
                text.replace('-', ""),
                text.replace('-', " "),
                text.replace('0', "o").replace('1', "l"),
                text.replace('0', "O").replace('1', "I"),
                text.chars().map(full_width).collect(),
                text.replace('-', "\u{3000}ー"),
            ];
            for text in written {
                assert_eq!(PaperCode::parse(&text).unwrap().hash(), code.hash(), "{text}");
            }
        }
    }

    fn full_width(c: char) -> char {
        char::from_u32(c as u32 + 0xfee0).unwrap()
    }

    #[test]
    fn the_selector_is_the_first_group() {
        let code = code();
        assert_eq!(code.selector(), code.reveal()[..GROUP]);
    }

    #[test]
    fn every_single_slip_and_every_exchange_is_noticed() {
        let code = code();
        let text: Vec<u8> = code.0.to_vec();
        let read = |text: &[u8]| PaperCode::parse(std::str::from_utf8(text).unwrap());
        for place in 0..LENGTH {
            for &letter in ALPHABET.iter().filter(|&&letter| letter != text[place]) {
                let mut wrong = text.clone();
                wrong[place] = letter;
                assert_eq!(read(&wrong).unwrap_err(), CodeError::CheckCharacter);
            }
            for other in (place + 1..LENGTH).filter(|&other| text[other] != text[place]) {
                let mut wrong = text.clone();
                wrong.swap(place, other);
                assert_eq!(read(&wrong).unwrap_err(), CodeError::CheckCharacter);
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "0", "0000-0000-0000-0000-000", "0000-0000-0000-0000-00000", "-"] {
            assert_eq!(PaperCode::parse(text).unwrap_err(), CodeError::Length, "{text}");
        }
        for text in ["U000-0000-0000-0000-0000", "0000-0000-0000-0000-000é", "\0"] {
            assert_eq!(PaperCode::parse(text).unwrap_err(), CodeError::Character, "{text}");
        }
    }

    #[test]
    fn a_code_is_never_printed_by_accident() {
        assert_eq!(format!("{:?}", code()), "PaperCode(…)");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = PaperCode::parse(&text);
        }
    }
}
