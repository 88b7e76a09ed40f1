//! `[signer]`: where the authorities' keys are, if not in the folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// As written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignerSettings {
    /// Socket of `sekisho signer`; empty while this process signs by itself.
    pub socket: String,
}

impl SignerSettings {
    pub(super) fn socket(&self, folder: &Path) -> Option<PathBuf> {
        (!self.socket.is_empty()).then(|| folder.join(&self.socket))
    }
}
