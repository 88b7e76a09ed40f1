//! A PIN from a file, for demonstrations and tests without a person.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{PinEntry, PinError, Prompt};
use crate::platform;

/// Reads the file anew for each login.
pub struct PinFile(pub PathBuf);

impl PinFile {
    /// Refuses a file that others than its owner have a right to, or that is not there.
    ///
    /// # Errors
    /// [`PinError::Unavailable`].
    pub fn check(path: &Path) -> Result<(), PinError> {
        let found = std::fs::metadata(path).map_err(|e| unavailable(path, &e))?;
        if !found.is_file() {
            return Err(unavailable(path, &"this is no file"));
        }
        if platform::is_open_to_others(&found) {
            return Err(unavailable(path, &"others may read it; set its mode to 0600"));
        }
        Ok(())
    }
}

fn unavailable(path: &Path, why: &dyn std::fmt::Display) -> PinError {
    PinError::Unavailable(format!("{}: {why}", path.display()))
}

#[async_trait]
impl PinEntry for PinFile {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        self.confirm(prompt).await?;
        Self::check(&self.0)?;
        let text = std::fs::read_to_string(&self.0).map(Zeroizing::new);
        let text = text.map_err(|e| unavailable(&self.0, &e))?;
        Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }

    async fn confirm(&self, prompt: &Prompt) -> Result<(), PinError> {
        if prompt.is_guarded() { Err(PinError::Guarded) } else { Ok(()) }
    }

    /// There is nobody to tell, and nobody who would give up.
    async fn announce(&self, _: &Prompt) -> Result<(), PinError> {
        std::future::pending().await
    }

    fn is_interactive(&self) -> bool {
        false
    }
}
