//! The language of what a command says to a person.

use std::sync::Arc;

use sekisho_pki::inspect::Language;

use super::Failure;
use crate::catalogue::{self, Catalogue, Text};

/// `--lang`, for commands that speak both languages.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct LanguageChoice {
    /// Language of the text; without it LC_ALL, LC_MESSAGES or LANG decides, Japanese unless English
    #[arg(long, value_name = "LANG")]
    lang: Option<Lang>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Lang {
    Ja,
    En,
}

impl LanguageChoice {
    /// The language that was asked for, or else the locale's.
    pub(super) fn language(self) -> Language {
        match self.lang {
            Some(Lang::Ja) => Language::Japanese,
            Some(Lang::En) => Language::English,
            None => Language::of_locale(|name| std::env::var(name).ok()),
        }
    }

    /// Messages in that language.
    pub(super) fn text(self) -> Result<Text, Failure> {
        let lang = match self.language() {
            Language::Japanese => catalogue::Lang::Ja,
            Language::English => catalogue::Lang::En,
        };
        Ok(Text::new(Arc::new(Catalogue::load()?), lang))
    }
}
