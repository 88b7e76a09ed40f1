//! What `doctor` finds of one subject. A fault cannot be told without what to do next.

/// What was found of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing keeps a login from working here.
    Well(String),
    /// Something does.
    Fault {
        /// What it is.
        what: String,
        /// What the person does about it.
        next: String,
    },
    /// Another fault kept us from looking.
    NotKnown {
        /// Which.
        why: String,
        /// What the person does about it.
        next: String,
    },
}

impl Finding {
    pub(super) fn fault(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Fault { what: what.into(), next: next.into() }
    }

    /// Where the fault of another line has to go first.
    pub(super) fn behind(why: &str, line: &str) -> Self {
        Self::NotKnown { why: why.to_owned(), next: format!("see the line `{line}`") }
    }

    pub(super) fn is_fault(&self) -> bool {
        matches!(self, Self::Fault { .. })
    }

    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::NotKnown { .. })
    }

    /// As it is printed.
    pub(super) fn line(&self, subject: &str) -> String {
        match self {
            Self::Well(text) => format!("ok     {subject}: {text}\n"),
            Self::Fault { what, next } => {
                format!("FAULT  {subject}: {}; {next}\n", without_stop(what))
            }
            Self::NotKnown { why, next } => {
                format!("?      {subject}: not known: {}; {next}\n", without_stop(why))
            }
        }
    }
}

/// What a server said may be a whole sentence, or several lines.
fn without_stop(text: &str) -> String {
    text.trim_end().trim_end_matches(['.', '。']).replace(['\r', '\n'], " ")
}

/// With its causes: of a file that is not there, the path alone says nothing.
pub(super) fn in_words(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}
