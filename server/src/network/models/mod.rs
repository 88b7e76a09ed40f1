//! The register of router models (機種), the tests of one against another, and what the operating body
//! certified (認定ルーター, docs/decisions/0047).

pub mod certifying;
pub mod file;
pub mod keeping;
mod refused;
#[cfg(test)]
mod tests;
pub mod writing;

pub use refused::{FileError, Wrong};

/// The last result of `./run matrix` with the three daemons, as a file to import.
pub const SHIPPED: &str = include_str!("../../../router-tests/matrix.toml");

/// Most models of the register: every page looks through all of them.
pub const MOST_MODELS: usize = 2_000;
/// More rows than the register has, for an export.
pub const MOST_ROWS: i64 = 1_000_000;
/// Most models of one file.
pub const MOST_MODELS_OF_A_FILE: usize = 500;
/// Most results of one file.
pub const MOST_RESULTS_OF_A_FILE: usize = 20_000;
/// The largest file, in octets.
pub const MOST_OCTETS: usize = 4 * 1024 * 1024;
