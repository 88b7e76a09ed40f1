//! What a terminal is called: 外来1号機.

use unicode_normalization::UnicodeNormalization;

/// Most characters of a name.
pub(super) const MOST: usize = 40;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameError {
    /// Nothing but spaces.
    Empty,
    /// More than [`MOST`] characters.
    TooLong,
    /// A character that nobody sees or that reorders others.
    Invisible,
}

/// A terminal's name, composed (NFC) and trimmed.
pub(super) fn parse(text: &str) -> Result<String, NameError> {
    let name: String = text.trim().nfc().collect();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().count() > MOST {
        return Err(NameError::TooLong);
    }
    if name.chars().any(is_invisible) {
        return Err(NameError::Invisible);
    }
    Ok(name)
}

/// Controls, and the marks by which a name could be made to look like another one.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_composed_and_bounded() {
        assert_eq!(parse(" 外来1号機\u{3000}").as_deref(), Ok("外来1号機"));
        assert_eq!(parse("か\u{3099}").as_deref(), Ok("が"));
        assert_eq!(parse(" \u{3000}"), Err(NameError::Empty));
        assert!(parse(&"機".repeat(MOST)).is_ok());
        assert_eq!(parse(&"機".repeat(MOST + 1)), Err(NameError::TooLong));
        for text in ["a\nb", "a\tb", "a\u{202e}b", "a\u{200b}b"] {
            assert_eq!(parse(text), Err(NameError::Invisible), "{text:?}");
        }
    }
}
