//! Who tells whether a My Number card's certificate was revoked.
//!
//! The JPKI's revocation data is open to accredited operators only (署名検証者, プラットフォーム事業者), each
//! with an interface of its own: whoever runs this service brings a [`JpkiStatus`]. Two are here, for
//! pilots and tests: files that somebody keeps fresh, and an OCSP responder of the configuration.
//! Whatever goes wrong is no answer, and no answer refuses.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use sekisho_key::Randomness;
use sekisho_pki::national::jpki::{
    ProviderError, StatusAnswer, StatusProvider, StatusQuery, StoredEvidence,
};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::responder::Responder;
use crate::{
    config::{Config, JpkiSource},
    login::trust_folder::{Folders, Stamps},
};

/// Who is asked for the status of one certificate, and may need the network for it.
#[async_trait]
pub trait JpkiStatus: Send + Sync {
    /// The status of one certificate, within a bounded time.
    ///
    /// # Errors
    /// [`ProviderError`]: nobody answered, which is no answer of good. Its text is for the log and
    /// names nobody.
    async fn status(
        &self,
        query: StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError>;
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
#[error("the responder of [jpki] cannot be asked")]
pub struct StatusError(#[from] reqwest::Error);

/// Who is asked by the configuration.
///
/// # Errors
/// [`StatusError`].
pub fn of(
    config: &Config,
    random: Arc<dyn Randomness>,
) -> Result<Box<dyn JpkiStatus>, StatusError> {
    Ok(match config.jpki().source() {
        JpkiSource::Nobody => Box::new(Nobody),
        JpkiSource::Files(folder) => Box::new(StatusFiles::new(folder.clone())),
        JpkiSource::Responder { address, patience, nonce } => {
            Box::new(Responder::new(address.clone(), *patience, *nonce, random)?)
        }
    })
}

/// Nobody is configured.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait]
impl JpkiStatus for Nobody {
    async fn status(
        &self,
        _: StatusQuery<'_>,
        _: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        Err(ProviderError("jpki.status names nobody who could be asked".to_owned()))
    }
}

/// OCSP answers and revocation lists in a folder, read again when one of them changed.
#[derive(Debug)]
pub struct StatusFiles {
    folders: Folders,
    held: Mutex<(Stamps, Arc<StoredEvidence>)>,
}

impl StatusFiles {
    /// Of this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        let folders = Folders { anchors: None, evidence: Some(folder) };
        Self { folders, held: Mutex::default() }
    }

    /// What lies in the folder now. A file that cannot be read counts as absent.
    async fn evidence(&self) -> Result<Arc<StoredEvidence>, ProviderError> {
        let mut held = self.held.lock().await;
        let (folders, known) = (self.folders.clone(), held.0.clone());
        let fresh = tokio::task::spawn_blocking(move || {
            let stamps = folders.stamps();
            (stamps != known).then(|| {
                let evidence = folders.read(&stamps).into_evidence();
                (stamps, Arc::new(evidence))
            })
        });
        let fresh = fresh.await.map_err(|error| ProviderError(error.to_string()))?;
        if let Some(fresh) = fresh {
            *held = fresh;
        }
        Ok(Arc::clone(&held.1))
    }
}

#[async_trait]
impl JpkiStatus for StatusFiles {
    async fn status(
        &self,
        query: StatusQuery<'_>,
        now: OffsetDateTime,
    ) -> Result<StatusAnswer, ProviderError> {
        self.evidence().await?.status(&query, now)
    }
}
