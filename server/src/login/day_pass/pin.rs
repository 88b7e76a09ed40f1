//! The PIN that somebody chooses for their pass.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Fewest digits.
pub(super) const LEAST: usize = 6;
/// Most digits.
pub(super) const MOST: usize = 12;
/// The longest text that is looked at, in octets: twelve digits as a Japanese keyboard may write them.
const MOST_OCTETS: usize = 64;

/// Why a text is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinError {
    /// Not digits, too few or too many.
    Form,
    /// One digit again and again, or digits that count up or down: what is guessed first.
    Simple,
}

/// Digits as typed, full-width ones too.
pub(super) fn digits(typed: &str) -> Zeroizing<String> {
    if typed.len() > MOST_OCTETS {
        return Zeroizing::new(String::new());
    }
    // Room from the start: what grows is copied and left behind.
    let mut digits = Zeroizing::new(String::with_capacity(2 * MOST_OCTETS));
    digits.extend(typed.trim().nfkc());
    digits
}

/// A new PIN.
///
/// # Errors
/// [`PinError`].
pub(super) fn new(typed: &str) -> Result<Zeroizing<String>, PinError> {
    let pin = digits(typed);
    let octets = pin.as_bytes();
    if !(LEAST..=MOST).contains(&octets.len()) || !octets.iter().all(u8::is_ascii_digit) {
        return Err(PinError::Form);
    }
    let steps =
        |step: u8| octets.windows(2).all(|pair| (pair[0] - b'0' + step) % 10 == pair[1] - b'0');
    if [0, 1, 9].into_iter().any(steps) {
        return Err(PinError::Simple);
    }
    Ok(pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_six_to_twelve_digits_however_they_are_typed() {
        for typed in ["271828", "２７１８２８", " 271828 ", "27１82８"] {
            assert_eq!(new(typed).unwrap().as_str(), "271828", "{typed}");
        }
        assert_eq!(new("271828182845").unwrap().len(), MOST);
        for typed in ["", "27182", "2718281828459", "27182a", "二七一八二八", "27 1828", "-271828"]
        {
            assert_eq!(new(typed).unwrap_err(), PinError::Form, "{typed}");
        }
        assert_eq!(new(&"2718".repeat(1_000)).unwrap_err(), PinError::Form);
    }

    #[test]
    fn what_is_guessed_first_is_no_pin() {
        for typed in ["000000", "777777777777", "123456", "890123", "654321", "210987"] {
            assert_eq!(new(typed).unwrap_err(), PinError::Simple, "{typed}");
        }
        assert!(new("123457").is_ok());
    }
}
