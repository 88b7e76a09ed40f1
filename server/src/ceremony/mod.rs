//! Key ceremonies as people hold them: a plan beside its keys, a folder of results, and the way
//! into an instance. What is signed and why is `sekisho_ca::ceremony`'s.

mod files;
mod keys;
mod plan_folder;
mod result_folder;

pub use files::FileError;
pub use keys::{KeyProblem, MadeKey, Secrets, make_keys, open_keys};
pub use plan_folder::{PlanFolder, PlanFolderError};
pub use result_folder::{ResultError, ResultFolder, VerifiedResult};
