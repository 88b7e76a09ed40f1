//! Search keys: what people type and what was registered, folded to the same text.

use unicode_normalization::UnicodeNormalization;

/// A name folded for search: NFKC, hiragana to katakana, lower case, without white space.
#[must_use]
pub fn key(text: &str) -> String {
    text.nfkc()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            // Hiragana and katakana stand in the same order, 0x60 apart (Unicode, U+3041 to U+3096).
            '\u{3041}'..='\u{3096}' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// A `LIKE` pattern, with `!` as escape, for what holds this key.
#[must_use]
pub(crate) fn holding(key: &str) -> String {
    let mut pattern = String::from("%");
    for c in key.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kana_width_and_case_are_folded() {
        assert_eq!(key("やまだ　タロウ"), key("ﾔﾏﾀﾞ ﾀﾛｳ"));
        assert_eq!(key("Yamada TARO"), "yamadataro");
        assert_ne!(key("山田"), key("山本"));
    }

    #[test]
    fn what_a_person_types_is_no_pattern() {
        assert_eq!(holding("50%_!"), "%50!%!_!!%");
        assert_eq!(holding(""), "%%");
    }
}
