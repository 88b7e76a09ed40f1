//! Key ceremonies as people hold them: a plan beside its keys, a folder of results, and the way
//! into an instance. What is signed and why is `sekisho_ca::ceremony`'s.

mod end_root;
mod files;
mod first;
mod import;
mod install;
mod keys;
mod lists;
mod next_root;
mod plan_folder;
mod plan_text;
mod request;
mod result_folder;

#[cfg(test)]
mod root_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use end_root::{Dependent, EndRootError, end_root};
pub use files::{FileError, write_transcript};
pub use first::{FirstAuthorities, FirstAuthority, FirstError};
pub use import::{
    ImportPapers, KeyFileError, PapersError, TakeOver, TakeOverError, TakenOver, read_key,
};
pub use install::{InstallError, Installation, Installed, LEAST_NOTICE};
pub use keys::{KeyProblem, MadeKey, Secrets, make_keys, open_keys};
pub use lists::{ListError, ListPlanError, plan_root_list};
pub use next_root::{NextRoot, NextRootError, PlannedRoot};
pub use plan_folder::{PlanFolder, PlanFolderError};
pub(crate) use plan_text::first_plan;
pub use request::{AuthorityRequest, RequestProblem, RequestedPlace, first_request, request};
pub use result_folder::{ResultError, ResultFolder, VerifiedResult, read_import_transcript};
