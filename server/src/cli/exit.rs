//! Exit codes, and which failure has which: one table for every sub-command.

use std::{error::Error, fmt, process::ExitCode};

use crate::{
    ceremony::{EndRootError, ListPlanError, RequestProblem},
    error::page::Chain,
    instance::CreateError,
    oidc::{client::ApprovalError, registration::initial::InitialTokenError},
    people::administrator::AdministratorError,
    revocation::RevocationError,
};

/// Exit codes that scripts can rely on; `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed; standard error says why and what would help.
    Failed = 1,
    /// The command line was not understood, or names what is not there.
    Usage = 2,
    /// What was checked does not hold: an audit trail, a backup, the results of a ceremony.
    DoesNotHold = 3,
}

/// The table as every `--help` has it, but for commands with codes of their own.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; standard error says why and what would help
  2  the command line was not understood, or names what is not there; nothing was changed
  3  what was checked does not hold; verify-path and verify-signature: not supported";

/// The `verify-…` commands have codes of their own, fixed by what outside judges expect of such
/// programs; their `--help` lists them.
impl Exit {
    /// A certificate or signature that does not hold.
    pub(super) const INVALID: Self = Self::Failed;
    /// An input that we do not support, so that nothing is said about it.
    pub(super) const UNSUPPORTED: Self = Self::DoesNotHold;
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Any error, on its way to standard error.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// A failure with its exit code. Any error becomes one by `?`.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) cause: Cause,
}

impl<E: Into<Cause>> From<E> for Failure {
    fn from(error: E) -> Self {
        let cause = error.into();
        let exit = if is_of_the_command_line(&*cause) { Exit::Usage } else { Exit::Failed };
        Self { exit, cause }
    }
}

impl Failure {
    /// The command line asks for what cannot be, or names what is not there.
    pub(super) fn usage(error: impl Into<Cause>) -> Self {
        Self { exit: Exit::Usage, cause: error.into() }
    }

    /// What was checked does not hold.
    pub(super) fn does_not_hold(error: impl Into<Cause>) -> Self {
        Self { exit: Exit::DoesNotHold, cause: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Chain(&*self.cause).fmt(f)
    }
}

/// Which failures of the rooms behind the commands are of what was typed: what is named only by the
/// database or by a rule of that room. Paths are looked at before, see `named`.
fn is_of_the_command_line(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<RevocationError>() {
        return error.is_of_the_order();
    }
    if let Some(error) = error.downcast_ref::<AdministratorError>() {
        return error.is_of_the_name();
    }
    if let Some(error) = error.downcast_ref::<ApprovalError>() {
        return error.is_of_the_name();
    }
    if let Some(error) = error.downcast_ref::<InitialTokenError>() {
        return error.is_of_the_order();
    }
    if let Some(error) = error.downcast_ref::<CreateError>() {
        return error.is_of_the_plan();
    }
    matches!(error.downcast_ref(), Some(RequestProblem::Name(_)))
        || matches!(error.downcast_ref(), Some(ListPlanError::Which(_)))
        || matches!(error.downcast_ref(), Some(EndRootError::Unknown(_)))
}
