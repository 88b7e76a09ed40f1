//! Why a file of tests is refused: where, and what is wrong there.

use crate::{catalogue::Text, form::LineError};

/// What is wrong with a file, and in which line. Nothing of the file was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}")]
pub struct FileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

impl FileError {
    /// In the words of a page.
    #[must_use]
    pub fn words(&self, text: &Text) -> String {
        let said = [("line", self.line.to_string()), ("wrong", self.wrong.words(text))];
        text.with("models-file-error", &said)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Larger than [`super::MOST_OCTETS`].
    #[error("the file is larger than {0} octets; split it")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// Not TOML, or not of the file's shape: an unknown key, a missing one, another type.
    #[error("{0}")]
    Shape(String),
    /// Another kind of file.
    #[error("`format` is not \"sekisho-router-tests\"")]
    Format,
    /// Of a later program.
    #[error("`version` is {0}; this program reads version 1")]
    Version(i64),
    /// A text that is empty, too long, or holds what nobody sees.
    #[error("`{field}` {error}")]
    Line {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        error: LineError,
    },
    /// A word that is none of those known.
    #[error("`{field}` is \"{found}\"; it is one of: {known}")]
    Word {
        /// Which field.
        field: &'static str,
        /// What stands there, cut.
        found: String,
        /// What may stand there.
        known: String,
    },
    /// A time that is none, or has no offset.
    #[error("`tested_at` is no time such as \"2026-11-23T09:00:00+09:00\"")]
    Time,
    /// Nobody tests tomorrow.
    #[error("`tested_at` lies in the future")]
    Future,
    /// Two models of the file have one key.
    #[error("another model of this file has the key \"{0}\"")]
    KeyTwice(String),
    /// Two models of the file are one.
    #[error("this model with this firmware stands in the file already")]
    ModelTwice,
    /// A door named twice.
    #[error("`doors` names \"{0}\" twice")]
    DoorTwice(&'static str),
    /// A result of a model that the file does not have.
    #[error("`{field}` is \"{key}\", which is the key of no model of this file")]
    NoModel {
        /// `opens` or `awaits`.
        field: &'static str,
        /// What stands there, cut.
        key: String,
    },
    /// A failure without its reason.
    #[error("`reason` is missing: say why it did not succeed")]
    ReasonMissing,
    /// A success with one.
    #[error("`reason` is for what did not succeed")]
    ReasonOfSuccess,
    /// The same test twice in the file.
    #[error("a result of this test (pair, proof, judgement and time) stands in the file already")]
    ResultTwice,
    /// The register has a result of this test that says something else.
    #[error(
        "the register has a result of this test (pair, proof, judgement and time) that says otherwise; a \
         newer test has a newer `tested_at`"
    )]
    Contradicts,
    /// More models than a file, or the register, takes.
    #[error("there would be more than {0} models")]
    TooManyModels(usize),
    /// More results than a file takes.
    #[error("there are more than {0} results; split the file")]
    TooManyResults(usize),
    /// Nothing in it.
    #[error("the file has no model")]
    Empty,
}

impl Wrong {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::NotText => "not_text",
            Self::Shape(_) => "shape",
            Self::Format => "format",
            Self::Version(_) => "version",
            Self::Line { .. } => "line",
            Self::Word { .. } => "word",
            Self::Time => "time",
            Self::Future => "future",
            Self::KeyTwice(_) => "key_twice",
            Self::ModelTwice => "model_twice",
            Self::DoorTwice(_) => "door_twice",
            Self::NoModel { .. } => "no_model",
            Self::ReasonMissing => "reason_missing",
            Self::ReasonOfSuccess => "reason_of_success",
            Self::ResultTwice => "result_twice",
            Self::Contradicts => "contradicts",
            Self::TooManyModels(_) => "too_many_models",
            Self::TooManyResults(_) => "too_many_results",
            Self::Empty => "empty",
        }
    }

    fn words(&self, text: &Text) -> String {
        match self {
            Self::TooLarge(most) => text.t1("models-wrong-too-large", "most", most),
            Self::NotText => text.t("models-wrong-not-text"),
            Self::Shape(said) => text.t1("models-wrong-shape", "said", said),
            Self::Format => text.t("models-wrong-format"),
            Self::Version(found) => text.t1("models-wrong-version", "found", found),
            Self::Line { field, error } => {
                let said = [("field", (*field).to_owned()), ("error", error.words(text))];
                text.with("models-wrong-line", &said)
            }
            Self::Word { field, found, known } => {
                let field = (*field).to_owned();
                let said = [("field", field), ("found", found.clone()), ("known", known.clone())];
                text.with("models-wrong-word", &said)
            }
            Self::Time => text.t("models-wrong-time"),
            Self::Future => text.t("models-wrong-future"),
            Self::KeyTwice(key) => text.t1("models-wrong-key-twice", "key", key),
            Self::ModelTwice => text.t("models-wrong-model-twice"),
            Self::DoorTwice(door) => text.t1("models-wrong-door-twice", "door", door),
            Self::NoModel { field, key } => {
                let said = [("field", (*field).to_owned()), ("key", key.clone())];
                text.with("models-wrong-no-model", &said)
            }
            Self::ReasonMissing => text.t("models-wrong-reason-missing"),
            Self::ReasonOfSuccess => text.t("models-wrong-reason-of-success"),
            Self::ResultTwice => text.t("models-wrong-result-twice"),
            Self::Contradicts => text.t("models-wrong-contradicts"),
            Self::TooManyModels(most) => text.t1("models-wrong-too-many-models", "most", most),
            Self::TooManyResults(most) => text.t1("models-wrong-too-many-results", "most", most),
            Self::Empty => text.t("models-wrong-empty"),
        }
    }
}
