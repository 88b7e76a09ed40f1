//! A PIN from a file, for demonstrations and tests without a person.

use std::path::PathBuf;

use async_trait::async_trait;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{PinEntry, PinError, Prompt};

/// Reads the file anew for each login.
pub struct PinFile(pub PathBuf);

#[async_trait]
impl PinEntry for PinFile {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        if prompt.is_guarded() {
            return Err(PinError::Guarded);
        }
        let unavailable =
            |text: String| PinError::Unavailable(format!("{}: {text}", self.0.display()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = std::fs::metadata(&self.0).map_err(|e| unavailable(e.to_string()))?.mode();
            if mode & 0o077 != 0 {
                return Err(unavailable("others may read it; set its mode to 0600".into()));
            }
        }
        let text = std::fs::read_to_string(&self.0).map(Zeroizing::new);
        let text = text.map_err(|e| unavailable(e.to_string()))?;
        Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }

    fn is_interactive(&self) -> bool {
        false
    }
}
