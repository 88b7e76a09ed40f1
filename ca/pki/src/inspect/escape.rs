//! Other people's text on our terminal.
//!
//! A name may hold an escape sequence that clears the screen, or a character that turns the
//! reading direction and makes `gpj.exe` out of `exe.jpg` (Unicode UTR #36 §2.5). Whatever moves,
//! hides or reorders is spelled out; Japanese, its full-width space and its variation selectors stay.

use std::fmt::Write;

use crate::invisible::{is_form_selector, is_invisible, marked};

/// Whether a character, wherever it stands, could act on a terminal, hide, or change how its neighbours
/// read: one that nobody sees, or none that Unicode will ever assign.
#[must_use]
pub fn is_hazard(character: char) -> bool {
    (is_invisible(character) && !is_form_selector(character)) || is_noncharacter(character)
}

/// Unicode §23.7.
fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe
}

/// The characters of a text, each with whether it is spelled out.
fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    marked(text).map(|(character, unseen)| (character, unseen || is_noncharacter(character)))
}

/// Text with its hazards as `\u{…}`; a backslash is doubled, so that nobody can write one of these
/// by hand.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for judged in judged(text) {
        match judged.0 {
            '\\' => out.push_str("\\\\"),
            _ => push(&mut out, judged),
        }
    }
    out
}

/// The same for text whose backslashes are escaped already, as in a distinguished name.
#[must_use]
pub fn shown_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    judged(text).for_each(|judged| push(&mut out, judged));
    out
}

/// JSON with the hazards inside its strings as `\uXXXX`: the same value to a program.
#[must_use]
pub fn shown_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for (character, hazard) in judged(json) {
        // Outside strings JSON has no such character but the line feed of its layout.
        if hazard && character != '\n' {
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

fn push(out: &mut String, (character, hazard): (char, bool)) {
    if hazard {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
    } else {
        out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_and_direction_changes_are_spelled_out() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown("exe\u{202e}gpj"), "exe\\u{202e}gpj");
        assert_eq!(shown("a\u{200b}b\u{feff}"), "a\\u{200b}b\\u{feff}");
        assert_eq!(shown("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(shown(r"\u{1b}"), r"\\u{1b}");
    }

    #[test]
    fn japanese_stays_readable() {
        let text = "医療　花子・ﾊﾅｺ 葛\u{e0100}城 辻\u{fe00}";
        assert_eq!(shown(text), text);
        assert_eq!(shown_name(text), text);
        assert_eq!(shown("a\u{e0100}"), "a\\u{e0100}", "a selector that selects nothing hides");
    }

    #[test]
    fn json_keeps_its_value() {
        let value = "a\u{202e}\u{e0001}\u{1b}b";
        let json = shown_json(&serde_json::to_string(value).unwrap());
        assert_eq!(json, r#""a\u202e\udb40\udc01\u001bb""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }

    proptest! {
        #[test]
        fn no_text_brings_a_hazard_through(text: String) {
            prop_assert!(!shown(&text).chars().any(is_hazard));
            prop_assert!(!shown_name(&text).chars().any(is_hazard));
            let json = shown_json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!json.chars().any(is_hazard));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
