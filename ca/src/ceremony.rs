//! Key ceremonies: roots, issuing authorities, cross-certificates, roll-overs, and the lists of
//! authorities whose keys are offline, from one reviewed file.
//!
//! 1. [`Plan`]: what people wrote, validated;
//! 2. [`Ceremony::prepare`]: every octet that would be signed, built and linted, from public keys
//!    alone; [`Statement::hash`] is what reviewers compare;
//! 3. [`Ceremony::run`]: signs exactly that, step by step, resumable after a loss of power;
//! 4. [`Transcript`]: what was done, signed by each key that took part.
//!
//! An authority that another system ran is taken over by [`Import`], in the same manner: judged, hashed,
//! reviewed, taken, and told in a transcript by its own key.
//!
//! Files, tokens and the register are the caller's: `sekisho ceremony` and `sekisho init`, which
//! makes a plan of its own ([`make_authority`]) and runs it by the same steps.

mod file;
mod first;
mod import;
mod judge;
mod judged_list;
mod jws;
mod plan;
mod prepare;
mod problem;
mod read;
mod run;
mod statement;
mod transcript;

#[cfg(test)]
mod tests;

pub use first::{
    CeremonyError, CeremonyNames, ISSUING, MadeAuthorities, MadeAuthority, issue_ocsp_certificate,
    issue_server_certificate, make_authority,
};
pub use import::{
    Import, ImportError, ImportTranscript, IssuedFault, Papers, verify_import_transcript,
};
pub use judge::{Candidate, JudgeError};
pub use judged_list::{JudgedEntry, JudgedList, ListFault};
pub use plan::{
    KeyKind, KeyPlace, Origin, Plan, PlannedAuthority, PlannedCertificate, PlannedCrl, PlannedKey,
};
pub use prepare::{Ceremony, Material, PrepareError};
pub use problem::{PlanError, Problem};
pub use run::{
    Journal, JournalError, Keys, Live, MOST_DISTANCE, Made, Outcome, Progress, RunError,
};
pub use statement::{Act, StatedKey, Statement, StatementError, Step};
pub use transcript::{Transcript, TranscriptError, TranscriptStep, verify as verify_transcript};
