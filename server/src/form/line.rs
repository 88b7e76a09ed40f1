//! Names, reasons, remarks: the one rule by which every form reads a line of text.

use unicode_normalization::UnicodeNormalization;

use super::holds_invisible;
use crate::catalogue::Text;

/// Why a text is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Nothing but white space.
    #[error("is empty")]
    Required,
    /// Longer than this many characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// Holds a character that nobody sees: it would make two names look alike.
    #[error("holds an invisible character")]
    Invisible,
}

impl LineError {
    /// In words.
    #[must_use]
    pub fn words(self, text: &Text) -> String {
        match self {
            Self::Required => text.t("register-error-required"),
            Self::TooLong(most) => text.t1("register-error-too-long", "most", most),
            Self::Invisible => text.t("register-error-invisible"),
        }
    }
}

/// One line of text: trimmed, composed (NFC), neither empty nor longer than `most` characters.
///
/// # Errors
/// [`LineError`].
pub fn line(typed: &str, most: usize) -> Result<String, LineError> {
    composed(typed, most, holds_invisible)
}

/// Several lines of text, by the same rules; line breaks are kept.
///
/// # Errors
/// [`LineError`].
pub fn lines(typed: &str, most: usize) -> Result<String, LineError> {
    composed(typed, most, |text| text.split('\n').any(holds_invisible))
}

/// A line that may be left empty.
///
/// # Errors
/// [`LineError`], never [`LineError::Required`].
pub fn line_if_any(typed: &str, most: usize) -> Result<String, LineError> {
    match line(typed, most) {
        Err(LineError::Required) => Ok(String::new()),
        read => read,
    }
}

/// Several lines that may be left empty.
///
/// # Errors
/// [`LineError`], never [`LineError::Required`].
pub fn lines_if_any(typed: &str, most: usize) -> Result<String, LineError> {
    match lines(typed, most) {
        Err(LineError::Required) => Ok(String::new()),
        read => read,
    }
}

fn composed(typed: &str, most: usize, refused: fn(&str) -> bool) -> Result<String, LineError> {
    let text: String = typed.trim().nfc().collect();
    if text.is_empty() {
        Err(LineError::Required)
    } else if text.chars().count() > most {
        Err(LineError::TooLong(most))
    } else if refused(&text) {
        Err(LineError::Invisible)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_composed_and_hidden_characters_refused() {
        assert_eq!(line("　青葉病院 ", 10).as_deref(), Ok("青葉病院"));
        assert_eq!(line("か\u{3099}", 10).as_deref(), Ok("が"));
        assert_eq!(line(" 　", 10), Err(LineError::Required));
        assert_eq!(line_if_any(" 　", 10).as_deref(), Ok(""));
        assert_eq!(line("12345678901", 10), Err(LineError::TooLong(10)));
        for hidden in ['\n', '\t', '\u{ad}', '\u{17b4}', '\u{202e}', '\u{1d173}', '\u{e0fff}'] {
            let typed = format!("青葉{hidden}病院");
            assert_eq!(line(&typed, 10), Err(LineError::Invisible), "{typed:?}");
            assert_eq!(line_if_any(&typed, 10), Err(LineError::Invisible), "{typed:?}");
        }
        assert_eq!(lines("一\n二", 10).as_deref(), Ok("一\n二"));
        assert_eq!(lines("一\n\u{200b}二", 10), Err(LineError::Invisible));
        assert_eq!(lines_if_any(" \n", 10).as_deref(), Ok(""));
        assert_eq!(lines_if_any("一\u{200b}", 10), Err(LineError::Invisible));
    }
}
