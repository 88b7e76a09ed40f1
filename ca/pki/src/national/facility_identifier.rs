//! The identifier that this network gives to an organisation, once and for ever.

use std::{fmt, str::FromStr};

use super::luhn;

/// A facility identifier (施設識別番号): twelve digits, the first not 0, the last a check digit.
///
/// Random and never reassigned: it survives changes of code, name, address and owner, and
/// tells nothing about any of them. It stands in each certificate of the facility, in tokens and
/// in audit records. The check digit is Luhn's over the first eleven, so that a clerk's slip on
/// the telephone is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FacilityIdentifier([u8; 12]);

/// Why a text is no facility identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FacilityIdentifierError {
    /// Not twelve ASCII digits.
    #[error("a facility identifier is twelve digits")]
    NotTwelveDigits,
    /// Begins with 0, which tables and spreadsheets would drop.
    #[error("a facility identifier does not begin with 0")]
    LeadingZero,
    /// A slip of the pen.
    #[error("the check digit does not match: one of the digits is wrong")]
    CheckDigit,
}

impl FacilityIdentifier {
    /// How many there are.
    const COUNT: u64 = 90_000_000_000;

    /// Reads twelve ASCII digits, without spaces or hyphens.
    ///
    /// # Errors
    /// [`FacilityIdentifierError`].
    pub fn parse(text: &str) -> Result<Self, FacilityIdentifierError> {
        let digits = luhn::digits::<12>(text).ok_or(FacilityIdentifierError::NotTwelveDigits)?;
        if digits[0] == 0 {
            return Err(FacilityIdentifierError::LeadingZero);
        }
        if luhn::check_digit(&digits[..11]) != digits[11] {
            return Err(FacilityIdentifierError::CheckDigit);
        }
        Ok(Self(digits))
    }

    /// The identifier that 64 random bits choose.
    ///
    /// The remainder favours some of the 9 × 10^10 by one part in 2 × 10^8: an identifier is no
    /// secret, only unlikely to meet another. The register's constraint makes it unique.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut rest = random % Self::COUNT + 10_000_000_000;
        let mut digits = [0_u8; 12];
        for place in (0..11).rev() {
            // Below 10 by the remainder.
            digits[place] = (rest % 10) as u8;
            rest /= 10;
        }
        digits[11] = luhn::check_digit(&digits[..11]);
        Self(digits)
    }
}

impl fmt::Display for FacilityIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in self.0 {
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for FacilityIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FacilityIdentifier({self})")
    }
}

impl FromStr for FacilityIdentifier {
    type Err = FacilityIdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for FacilityIdentifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for FacilityIdentifier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_known_one_is_read_and_shown_alike() {
        // 7992739871 is the textbook's payload, with check digit 3; a 1 before it stands in a
        // doubled place and adds two, which leaves 1.
        let identifier = FacilityIdentifier::parse("179927398711").unwrap();
        assert_eq!(identifier.to_string(), "179927398711");
    }

    #[test]
    fn a_wrong_digit_or_two_neighbours_swapped_are_noticed() {
        let good = FacilityIdentifier::from_random(123_456_789_012_345).to_string();
        for place in 0..12 {
            for digit in b'0'..=b'9' {
                let mut bytes = good.clone().into_bytes();
                if bytes[place] == digit {
                    continue;
                }
                bytes[place] = digit;
                assert!(FacilityIdentifier::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
            }
        }
        for place in 0..11 {
            let mut bytes = good.clone().into_bytes();
            bytes.swap(place, place + 1);
            let pair = [bytes[place], bytes[place + 1]];
            // Luhn's known gap: 09 and 90.
            if pair[0] == pair[1] || pair == *b"09" || pair == *b"90" {
                continue;
            }
            assert!(FacilityIdentifier::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for (text, error) in [
            ("", FacilityIdentifierError::NotTwelveDigits),
            ("17992739871", FacilityIdentifierError::NotTwelveDigits),
            ("1799273987122", FacilityIdentifierError::NotTwelveDigits),
            ("17992739871x", FacilityIdentifierError::NotTwelveDigits),
            ("1799-2739-871", FacilityIdentifierError::NotTwelveDigits),
            ("１７９９", FacilityIdentifierError::NotTwelveDigits),
            ("079927398713", FacilityIdentifierError::LeadingZero),
            ("179927398713", FacilityIdentifierError::CheckDigit),
        ] {
            assert_eq!(FacilityIdentifier::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_random_number_gives_one_that_reads_back(random: u64) {
            let identifier = FacilityIdentifier::from_random(random);
            prop_assert_eq!(FacilityIdentifier::parse(&identifier.to_string()), Ok(identifier));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = FacilityIdentifier::parse(&text);
        }
    }
}
