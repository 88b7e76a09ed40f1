//! How our words are written down: one line a word, its name in JSON, in Japanese, in English.

/// Makes an enum of words; a word without one of its three texts does not compile.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $key:literal $japanese:literal $english:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $english] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in JSON; never changes.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }

            /// Its text for people.
            #[must_use]
            pub const fn text(self, language: super::Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, super::Language::Japanese) => $japanese,)*
                    $((Self::$variant, super::Language::English) => $english,)*
                }
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Language, escape::is_hazard, field::Field, term::Term};

    fn check(words: impl Iterator<Item = (&'static str, &'static str, &'static str)>) {
        let mut keys = BTreeSet::new();
        for (key, japanese, english) in words {
            assert!(keys.insert(key), "{key} stands twice");
            assert!(
                !key.is_empty()
                    && key.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_'),
                "{key}"
            );
            assert!(!japanese.is_empty() && !english.is_empty(), "{key} has no text");
            assert!(english.is_ascii(), "{key} is not English: {english}");
            assert!(!japanese.is_ascii(), "{key} is not Japanese: {japanese}");
            assert!(!japanese.chars().chain(english.chars()).any(is_hazard), "{key}");
        }
    }

    #[test]
    fn every_word_has_a_key_of_its_own_and_a_text_in_both_languages() {
        check(
            Field::ALL.iter().map(|word| {
                (word.key(), word.text(Language::Japanese), word.text(Language::English))
            }),
        );
        check(
            Term::ALL.iter().map(|word| {
                (word.key(), word.text(Language::Japanese), word.text(Language::English))
            }),
        );
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/inspect.md");
        for field in Field::ALL {
            assert!(
                page.contains(&format!("`{}`", field.key())),
                "docs/inspect.md lacks {}",
                field.key()
            );
        }
    }
}
