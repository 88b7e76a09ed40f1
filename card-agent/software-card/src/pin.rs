//! A PIN and the tries that are left of it.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::card::OK;

/// Blocked: the word of the guideline and of the JPKI alike.
const BLOCKED: u16 = 0x6984;

/// One PIN of a card.
pub(crate) struct Pin {
    value: Vec<u8>,
    most: u8,
    left: u8,
}

impl Pin {
    pub(crate) fn new(value: &str, tries: u8) -> Self {
        Self { value: value.as_bytes().to_vec(), most: tries, left: tries }
    }

    /// The answer to a VERIFY without a PIN.
    pub(crate) fn status(&self, verified: bool) -> u16 {
        match self.left {
            0 => BLOCKED,
            _ if verified => OK,
            left => 0x63c0 | u16::from(left.min(15)),
        }
    }

    /// Tries a PIN.
    pub(crate) fn verify(&mut self, given: &[u8]) -> u16 {
        if self.left == 0 {
            return BLOCKED;
        }
        if verify_slices_are_equal(given, &self.value).is_ok() {
            self.left = self.most;
            return OK;
        }
        self.left -= 1;
        self.status(false)
    }

    /// Another one from now on.
    pub(crate) fn change(&mut self, value: &[u8]) {
        self.value = value.to_vec();
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}
