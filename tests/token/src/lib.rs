//! A fresh PKCS #11 token for tests: SoftHSM, Debian's package `softhsm2`, in a folder of its own.
//! If it is missing, the tests fail and say so. Nothing of the machine's own tokens is touched.
#![allow(clippy::unwrap_used, reason = "a test without its token has to fail loudly")]

use std::{path::PathBuf, process::Command};

/// Variable in which a process that loads [`module`] finds [`SoftToken::configuration`].
pub const CONFIGURATION: &str = "SOFTHSM2_CONF";
/// PIN of every token.
pub const PIN: &str = "12345678";

const SECURITY_OFFICER_PIN: &str = "87654321";

/// SoftHSM's library.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn module() -> PathBuf {
    [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
    .expect("SoftHSM is not installed: apt-get install softhsm2")
}

/// A token. It is gone when what made it is dropped.
#[derive(Debug)]
pub struct SoftToken {
    folder: PathBuf,
    _made: Option<tempfile::TempDir>,
}

impl SoftToken {
    /// Initialises a token of this label.
    ///
    /// # Panics
    /// When SoftHSM is not installed.
    #[must_use]
    pub fn new(label: &str) -> Self {
        let _ = module();
        let made = tempfile::tempdir().unwrap();
        let token = Self { folder: made.path().to_owned(), _made: Some(made) };
        std::fs::create_dir(token.store()).unwrap();
        let text =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", token.store().display());
        std::fs::write(token.configuration(), text).unwrap();
        let output = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label])
            .args(["--so-pin", SECURITY_OFFICER_PIN, "--pin", PIN])
            .env(CONFIGURATION, token.configuration())
            .output()
            .expect("softhsm2-util is not installed: apt-get install softhsm2");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        token
    }

    /// The token that [`CONFIGURATION`] names to this process.
    ///
    /// # Panics
    /// When it names none.
    #[must_use]
    pub fn of_environment() -> Self {
        let configuration = PathBuf::from(std::env::var_os(CONFIGURATION).unwrap());
        Self { folder: configuration.parent().unwrap().to_owned(), _made: None }
    }

    /// Path for [`CONFIGURATION`].
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    /// Pulls the token out of every process that uses it, until [`Self::put_back`].
    pub fn pull_out(&self) {
        std::fs::rename(self.store(), self.drawer()).unwrap();
        std::fs::create_dir(self.store()).unwrap();
    }

    /// Puts it back.
    pub fn put_back(&self) {
        std::fs::remove_dir(self.store()).unwrap();
        std::fs::rename(self.drawer(), self.store()).unwrap();
    }

    fn store(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    fn drawer(&self) -> PathBuf {
        self.folder.join("drawer")
    }
}
