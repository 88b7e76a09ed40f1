//! Signed heads of the trail, kept outside the database.
//!
//! Whoever has the database in hand can cut off the end of a chain together with its checkpoints, or
//! have the next run of the sequencer sign what they put in its place. The last signed head of each
//! node therefore also lies in the instance folder: the sequencer refuses to go on from anything else,
//! and an auditor who keeps heads elsewhere can hold the trail against them.

use std::path::{Path, PathBuf};

use sekisho_protocol::{
    jwk::JwkSet,
    jws::{self, JwsError},
};
use sekisho_store::{Queries, StoreError, audit};
use serde::Deserialize;

use crate::instance::{Folder, FolderError};

/// What a checkpoint signs.
#[derive(Debug, Deserialize)]
pub(crate) struct CheckpointClaims {
    pub(crate) node: String,
    pub(crate) seq: i64,
    /// Hexadecimal.
    pub(crate) link: String,
    /// When it was signed, Unix time.
    pub(crate) iat: i64,
}

/// Why a head does not speak for a trail.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Not signed by this instance, or not a checkpoint.
    #[error("a head kept outside the database does not verify")]
    Unsigned(#[source] JwsError),
    /// The trail has no such link.
    #[error(
        "node {node}: the head kept outside the database stands at {seq}, and the trail does not: records were \
         removed or written anew. Find out who did it; if an older backup was restored on purpose, move \
         the file audit/{node}.jws of the instance folder away and keep it"
    )]
    Disagrees {
        /// Whose chain.
        node: String,
        /// Position of the head.
        seq: i64,
    },
}

/// Reads a checkpoint that one of `keys` signed.
///
/// # Errors
/// [`JwsError`]: none of them did.
pub(crate) fn read(jws: &str, keys: &JwkSet) -> Result<CheckpointClaims, JwsError> {
    jws::verify(jws.trim_end(), sekisho_wire::typ::AUDIT_CHECKPOINT, keys)
}

/// Whether the trail still stands on this head.
///
/// # Errors
/// [`StoreError`]: the trail could not be read.
pub(super) async fn agrees(
    queries: &mut impl Queries,
    jws: &str,
    keys: &JwkSet,
) -> Result<Result<(), WitnessError>, StoreError> {
    let claims = match read(jws, keys) {
        Ok(claims) => claims,
        Err(error) => return Ok(Err(WitnessError::Unsigned(error))),
    };
    let link = audit::link_at(queries, &claims.node, claims.seq).await?;
    if link.map(hex::encode).as_deref() == Some(claims.link.as_str()) {
        Ok(Ok(()))
    } else {
        Ok(Err(WitnessError::Disagrees { node: claims.node, seq: claims.seq }))
    }
}

/// The heads of a text that an auditor kept: one a line, between notes that begin with `#`.
pub fn heads_of(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

/// The last head of one node, in its file.
#[derive(Clone, Debug)]
pub struct HeadFile(PathBuf);

/// A head is a few hundred octets.
const MOST_OCTETS: u64 = 8 * 1024;

impl HeadFile {
    /// The file of `node` in `folder`.
    #[must_use]
    pub fn new(folder: &Path, node: &str) -> Self {
        Self(folder.join(format!("{node}.jws")))
    }

    /// What it holds; `None` before the first head.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(&self) -> std::io::Result<Option<String>> {
        match std::fs::metadata(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(metadata) if metadata.len() > MOST_OCTETS => {
                Err(std::io::Error::other("it is no signed head: too large"))
            }
            Ok(_) => std::fs::read_to_string(&self.0).map(Some),
        }
    }

    /// Puts this head in the place of the last one.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn write(&self, jws: &str) -> Result<(), FolderError> {
        if let Some(folder) = self.0.parent() {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|source| FolderError::Write { path: folder.to_owned(), source })?;
        }
        Folder::replace(&self.0, jws.as_bytes())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Every head in `folder`; none where there is no such folder.
///
/// # Errors
/// A file that cannot be read.
pub fn heads_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut heads = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jws") {
            heads.extend(HeadFile(path).read()?);
        }
    }
    Ok(heads)
}
