//! What can be wrong with a plan.

use crate::profile::ProfileError;

/// Why a plan is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not TOML, a missing key or an unknown one. The message has line, column and table.
    #[error("the plan cannot be read:\n{0}")]
    Toml(String),
    /// A table says what cannot be.
    #[error("line {line}, [[{table}]] number {number}: {problem}")]
    Table {
        /// Line of the table's head.
        line: usize,
        /// `key`, `authority`, `certificate` or `crl`.
        table: &'static str,
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// The plan's head says what cannot be.
    #[error("{0}")]
    Head(Problem),
}

/// What is wrong with a part of a plan.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A name that cannot be one.
    #[error("`{0}` is no name: 1 to 40 lower-case letters, digits and `-`, a letter first")]
    Name(String),
    /// Two things of one name.
    #[error("`{0}` is there already")]
    Duplicate(String),
    /// A name that nothing has.
    #[error("there is no {what} `{name}` in the plan")]
    Unknown {
        /// Key or authority.
        what: &'static str,
        /// As written.
        name: String,
    },
    /// Text for a certificate.
    #[error("`{0}` cannot stand in a certificate: 1 to 64 ASCII characters")]
    Text(String),
    /// Where it is published.
    #[error("`{0}` is no address to publish at: http:// and a host, nothing after it")]
    Publication(String),
    /// One of several and no other.
    #[error("give exactly one of {0}")]
    OneOf(&'static str),
    /// Something goes with something else.
    #[error("{0}")]
    Together(&'static str),
    /// Not 64 hexadecimal digits.
    #[error("sha256 is the 64 hexadecimal digits that `sekisho ceremony request` printed")]
    Sha256,
    /// A path that leads away.
    #[error("`{0}` is no file beside the plan")]
    File(String),
    /// No lifetime.
    #[error("it would end before it begins")]
    Lifetime,
    /// A profile.
    #[error("the profile `{0}` is none of a ceremony: root, issuing, cross, ocsp_responder")]
    Profile(String),
    /// A shipped profile is not valid.
    #[error("the profile cannot be used")]
    Shipped(#[from] ProfileError),
    /// Nothing to do.
    #[error("the plan has neither [[certificate]] nor [[crl]]: nothing would be signed")]
    Empty,
    /// Before it exists.
    #[error("authority `{0}` signs before it has a certificate: put its own certificate first")]
    Order(String),
    /// A certificate of which nobody is the subject.
    #[error("authority `{0}` is new, but no [[certificate]] of the plan is its own")]
    NeverCertified(String),
}
