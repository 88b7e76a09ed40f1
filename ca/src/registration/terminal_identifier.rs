//! The identifier of a terminal or router: `T` and ten characters of Crockford's base 32.

use std::{fmt, str::FromStr};

/// 0–9 and A–Z without I, L, O and U, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A terminal's identifier (端末識別子), such as `T3W8K0M5XYZ`: random, unique by the register's
/// constraint, never reassigned; the commonName of its certificates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalIdentifier([u8; 10]);

/// Not a terminal identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a terminal identifier is T and ten digits or capital letters without I, L, O and U")]
pub struct TerminalIdentifierError;

impl TerminalIdentifier {
    /// Reads the canonical form.
    ///
    /// # Errors
    /// [`TerminalIdentifierError`].
    pub fn parse(text: &str) -> Result<Self, TerminalIdentifierError> {
        let rest = text.strip_prefix('T').ok_or(TerminalIdentifierError)?;
        let characters: [u8; 10] =
            rest.as_bytes().try_into().map_err(|_| TerminalIdentifierError)?;
        if characters.iter().all(|byte| ALPHABET.contains(byte)) {
            Ok(Self(characters))
        } else {
            Err(TerminalIdentifierError)
        }
    }

    /// The identifier that 50 of 64 random bits choose.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut characters = [0; 10];
        for (place, character) in characters.iter_mut().enumerate() {
            // Five bits: below 32.
            *character = ALPHABET[(random >> (place * 5) & 0x1f) as usize];
        }
        Self(characters)
    }
}

impl fmt::Display for TerminalIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("T")?;
        for character in self.0 {
            write!(f, "{}", character as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TerminalIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerminalIdentifier({self})")
    }
}

impl FromStr for TerminalIdentifier {
    type Err = TerminalIdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_that_people_misread_are_refused() {
        assert!(TerminalIdentifier::parse("T3W8K0M5XYZ").is_ok());
        for text in
            ["", "T", "T3W8K0M5XY", "T3W8K0M5XYZZ", "T3W8K0M5XYO", "t3W8K0M5XYZ", "T3w8k0m5xyz"]
        {
            assert!(TerminalIdentifier::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_random_number_gives_one_that_reads_back(random: u64) {
            let identifier = TerminalIdentifier::from_random(random);
            prop_assert_eq!(TerminalIdentifier::parse(&identifier.to_string()), Ok(identifier));
        }
    }
}
