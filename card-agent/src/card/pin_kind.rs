//! The PINs of the cards' keys: what each may look like, and from when on one more wrong try is too many.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::driver::Entered;
use super::reader::CardError;

/// A PIN on its way to a card.
#[derive(Debug, Clone)]
pub enum Pin {
    /// As somebody typed it.
    Typed(SecretString),
    /// Somebody types it at the reader's own keys; true once they gave up.
    AtReader(Arc<AtomicBool>),
}

impl Pin {
    /// Hands it on in the form of its kind.
    ///
    /// # Errors
    /// [`CardError::PinMalformed`]; [`CardError::PinPad`] where no reader's keys could be used for it.
    pub(super) fn enter<T>(
        &self,
        kind: PinKind,
        use_it: impl FnOnce(Entered<'_>) -> Result<T, CardError>,
    ) -> Result<T, CardError> {
        match self {
            Self::Typed(typed) => {
                let octets = kind.octets(typed.expose_secret().as_bytes());
                use_it(Entered::Typed(&octets.ok_or(CardError::PinMalformed)?))
            }
            Self::AtReader(given_up) => {
                let letters = CardError::PinPad("the password may hold letters; type it here");
                use_it(Entered::AtReader(kind.digits().ok_or(letters)?, given_up))
            }
        }
    }
}

impl From<&str> for Pin {
    fn from(typed: &str) -> Self {
        Self::Typed(SecretString::from(typed))
    }
}

/// Which key's PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinKind {
    /// 認証用 of an HPKI card.
    HpkiAuthentication,
    /// 署名用 of an HPKI card.
    HpkiSignature,
    /// 利用者証明用暗証番号 of a My Number card.
    JpkiAuthentication,
    /// 署名用パスワード of a My Number card.
    JpkiSignature,
}

impl PinKind {
    /// How many digits a reader with keys shall ask for, least and most; `None` where letters may be part
    /// of it.
    pub fn digits(self) -> Option<(u8, u8)> {
        match self {
            Self::HpkiAuthentication | Self::HpkiSignature => Some((4, 16)),
            Self::JpkiAuthentication => Some((4, 4)),
            Self::JpkiSignature => None,
        }
    }

    /// Few tries are left from here on: nobody is asked for a PIN without a warning, nothing tries by
    /// itself. HPKI issuers let 15 pass and the JPKI 5 for signatures; for user authentication it lets 3,
    /// so that one has failed already.
    pub fn guarded_tries(self) -> u8 {
        match self {
            Self::HpkiAuthentication | Self::HpkiSignature | Self::JpkiSignature => 3,
            Self::JpkiAuthentication => 2,
        }
    }

    /// What goes to the card for what was typed; `None` where no PIN of this kind looks like it. An empty
    /// one would be the question for the tries left.
    ///
    /// HPKI: 4 to 16 ASCII characters (JAHIS guideline Ver. 3.1 annex B), none of them a control character;
    /// a space at either end comes of pasting. JPKI: 4 digits for user
    /// authentication; 6 to 16 capital letters and digits for signatures, whichever case was typed.
    pub fn octets(self, typed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut pin = Zeroizing::new(typed.to_vec());
        if self == Self::JpkiSignature {
            pin.make_ascii_uppercase();
        }
        let fits = match self {
            Self::HpkiAuthentication | Self::HpkiSignature => {
                (4..=16).contains(&pin.len())
                    && pin.iter().all(|octet| matches!(octet, b' '..=b'~'))
                    && pin.trim_ascii().len() == pin.len()
            }
            Self::JpkiAuthentication => pin.len() == 4 && pin.iter().all(u8::is_ascii_digit),
            Self::JpkiSignature => {
                (6..=16).contains(&pin.len()) && pin.iter().all(u8::is_ascii_alphanumeric)
            }
        };
        fits.then_some(pin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_for_signatures_is_typed_in_either_case() {
        let sent = |typed: &str| PinKind::JpkiSignature.octets(typed.as_bytes());
        assert_eq!(sent("abC123").unwrap().as_slice(), b"ABC123");
        for typed in ["abc12", "abc 123", "ABCDEFGH123456789", "", "パスワード"] {
            assert!(sent(typed).is_none(), "{typed:?}");
        }
    }

    #[test]
    fn what_slipped_in_with_an_hpki_pin_costs_no_try() {
        for kind in [PinKind::HpkiAuthentication, PinKind::HpkiSignature] {
            for typed in ["1234", "aB#4", "12 34", "1234567890123456"] {
                assert_eq!(kind.octets(typed.as_bytes()).unwrap().as_slice(), typed.as_bytes());
            }
            for typed in
                ["1234\t", "\t1234", "12\t34", "1234\0", "1234\n", "1234\u{7f}", "1234 ", " 1234"]
            {
                assert!(kind.octets(typed.as_bytes()).is_none(), "{typed:?}");
            }
        }
    }
}
