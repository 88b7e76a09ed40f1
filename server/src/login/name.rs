//! Comparing a name that an administrator typed with the one on a card.

use unicode_normalization::UnicodeNormalization;

/// Whether two names in kanji are the same for starting a membership without asking anybody.
///
/// Both are brought to NFKC, which makes the full-width space of certificates (姓　名) a plain one
/// and half-width kana full. Where both separate family and given name, the separation must agree;
/// where one does not, it is left out of account, since people type names without a space. Variant
/// forms (髙 and 高) stay different: the administrator sees both side by side and decides.
#[must_use]
pub fn same_name(expected: &str, on_card: &str) -> bool {
    let (expected, on_card) = (normalised(expected), normalised(on_card));
    if expected.is_empty() {
        return false;
    }
    if expected.contains(' ') && on_card.contains(' ') {
        return expected == on_card;
    }
    expected.replace(' ', "") == on_card.replace(' ', "")
}

/// NFKC, white space collapsed to single plain spaces, none at the ends.
#[must_use]
pub fn normalised(name: &str) -> String {
    let nfkc: String = name.nfkc().collect();
    nfkc.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_width_space_of_a_card_equals_a_plain_one_and_none() {
        assert!(same_name("山田 太郎", "山田　太郎"));
        assert!(same_name("山田太郎", "山田　太郎"));
        assert!(same_name(" 山田　　太郎 ", "山田 太郎"));
        assert!(same_name("ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ　タロウ"));
    }

    #[test]
    fn another_name_another_split_and_a_variant_form_are_different() {
        assert!(!same_name("山田 太郎", "山田 次郎"));
        assert!(!same_name("山 田太郎", "山田 太郎"));
        assert!(!same_name("高橋 一", "髙橋 一"));
        assert!(!same_name("山田 太郎", "Yamada Taro"));
    }

    #[test]
    fn an_empty_expectation_matches_nobody() {
        assert!(!same_name("", ""));
        assert!(!same_name("　", " "));
    }
}
