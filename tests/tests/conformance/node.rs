//! Node.js, and what is tried with it, fetched once for all that need it.

use std::path::{Path, PathBuf};

use sekisho_tests::installed;
use tokio::sync::OnceCell;

/// The program, and the folder with `tests/conformance` beside its libraries.
pub async fn node() -> anyhow::Result<&'static (PathBuf, PathBuf)> {
    static FETCHED: OnceCell<(PathBuf, PathBuf)> = OnceCell::const_new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let into = Path::new(env!("CARGO_TARGET_TMPDIR"));
    FETCHED.get_or_try_init(|| async { installed::node(&sources, into).await }).await
}
