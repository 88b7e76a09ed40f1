//! What a terminal is called: 外来1号機.

use crate::form::{self, LineError};

/// Most characters of a name.
pub(super) const MOST: usize = 40;

/// A terminal's name, by the rule of every name.
pub(super) fn parse(text: &str) -> Result<String, LineError> {
    form::line(text, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded() {
        assert_eq!(parse(" 外来1号機\u{3000}").as_deref(), Ok("外来1号機"));
        assert!(parse(&"機".repeat(MOST)).is_ok());
        assert_eq!(parse(&"機".repeat(MOST + 1)), Err(LineError::TooLong(MOST)));
    }
}
