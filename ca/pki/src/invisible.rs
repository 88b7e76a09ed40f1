//! Characters that nobody sees: they have no place in what a person fills in, and none in what a person
//! is shown before signing it.

use icu_properties::{
    CodePointSetData,
    props::{DefaultIgnorableCodePoint, UnifiedIdeograph},
};

/// Controls, and the characters with which one text is made to look like another: what programs
/// that show a text leave out (`Default_Ignorable_Code_Point`, UAX #44), and what that property does not
/// name but shows nothing either: the separators of lines and paragraphs, the empty Braille cell, the
/// null notehead, the marks of interlinear annotations.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    // Most of what is looked at, and looked up unoptimised in every test.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{1d159}' | '\u{fff9}'..='\u{fffb}')
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether a character may choose the form of an ideograph before it.
pub(crate) fn is_form_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}')
}

/// The characters of a text, each with whether nobody sees it there. A variation selector behind an
/// ideograph is seen: it chooses the form of the character in which somebody's name is registered, as in
/// 辻󠄀 (UTS #37).
pub(crate) fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = None;
    text.chars().map(move |c| {
        let ideograph = |c| CodePointSetData::new::<UnifiedIdeograph>().contains(c);
        let behind = before.replace(c);
        (c, is_invisible(c) && !(is_form_selector(c) && behind.is_some_and(ideograph)))
    })
}

/// Whether a text holds one.
#[must_use]
pub fn holds_invisible(text: &str) -> bool {
    marked(text).any(|(_, unseen)| unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_programs_leave_out_is_invisible() {
        // Of each range of DerivedCoreProperties-16.0.0.txt (Default_Ignorable_Code_Point) the ends.
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{180b}',
            '\u{180f}',
            '\u{200b}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{206f}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff0}',
            '\u{fff8}',
            '\u{1bca0}',
            '\u{1bca3}',
            '\u{1d173}',
            '\u{1d17a}',
            '\u{e0000}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{e0fff}',
        ] {
            assert!(is_invisible(c) && holds_invisible(&format!("a{c}b")), "{c:?}");
        }
        for c in ['\0', '\n', '\u{85}', '\u{2028}', '\u{2800}', '\u{fff9}', '\u{fffb}', '\u{1d159}']
        {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in ['a', '　', '々', 'ゝ', '゛', '\u{3099}', '\u{17b6}', '\u{1d172}', '\u{fffd}']
        {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn the_form_of_an_ideograph_is_seen_and_a_selector_elsewhere_is_not() {
        assert!(!holds_invisible("辻\u{e0100}誠"));
        assert!(!holds_invisible("葛\u{e0101}飾 𠮷\u{fe00}"));
        for hidden in
            ["\u{e0100}辻", "か\u{e0100}", "a\u{fe0f}", "辻\u{fe0f}", "辻\u{e0100}\u{e0101}"]
        {
            assert!(holds_invisible(hidden), "{hidden:?}");
        }
    }
}
