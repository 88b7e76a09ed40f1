//! The root's list: what its next one has to say, as a plan, and the list that comes back.

use std::path::{Path, PathBuf};

use der::{Decode, Encode};
use sekisho_ca::{
    ceremony::{JudgedList, ListFault},
    revocation::RevocationReason,
};
use sekisho_store::{Queries, StoreError, crl};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::Certificate;

use super::files::{self, FileError};
use crate::instance::{Folder, FolderError, root_certificate};

/// Why a list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not one of the root's.
    #[error(transparent)]
    Fault(#[from] ListFault),
    /// A number that was given before.
    #[error("its number {0} is not greater than that of the newest list")]
    Number(i64),
    /// A revocation would be forgotten.
    #[error("it does not name serial number {0}, which was taken back; make the plan anew")]
    Lacks(String),
}

/// A list as the register keeps it.
pub(super) fn as_published(list: &JudgedList) -> crl::Crl {
    crl::Crl {
        number: list.number,
        this_update: list.this_update,
        next_update: list.next_update,
        der: list.der.clone(),
    }
}

/// Why there is no plan for the root's list.
#[derive(Debug, thiserror::Error)]
pub enum ListPlanError {
    /// The instance's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of the plan.
    #[error(transparent)]
    File(#[from] FileError),
    /// One lies there.
    #[error("{} is there already; give another folder", .0.display())]
    Exists(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root's certificate.
    #[error("the root's certificate cannot be read")]
    Root(#[from] der::Error),
    /// A time.
    #[error("a time cannot be written")]
    Time(#[from] time::error::Format),
}

/// Writes a plan for the root's next list, with every certificate of its that was taken back, and the
/// root's certificate beside it. The key's place is the people's to write.
///
/// # Errors
/// [`ListPlanError`].
pub async fn plan_root_list(
    queries: &mut impl Queries,
    folder: &Folder,
    publication_base: &str,
    out: &Path,
    now: OffsetDateTime,
) -> Result<PathBuf, ListPlanError> {
    let file = out.join("plan.toml");
    if files::read_if_there(&file)?.is_some() {
        return Err(ListPlanError::Exists(file));
    }
    std::fs::create_dir_all(out)
        .map_err(|source| FileError::Write { path: out.to_owned(), source })?;
    let root_der = root_certificate(folder)?;
    let root = Certificate::from_der(&root_der)?;
    let organisation = sekisho_pki::encoding::name::only_text(
        root.tbs_certificate().subject(),
        const_oid::db::rfc4519::ORGANIZATION_NAME,
    )
    .unwrap_or_default();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    let number = crl::next_number(queries, "root").await?;
    let mut text = format!(
        "# The root's next list. Look at the entries, write where the key lies, then
# `sekisho ceremony keys` and `sekisho ceremony dry-run` on the root's computer.
title = \"List {number} of the root\"
at = \"{}\"
organisation = {organisation:?}
publication = {publication_base:?}

[[key]]
name = \"root\"
kind = \"p384\"
file = \"root-key.p8\" # or: token = {{ module = \"…\", token = \"…\", label = \"…\" }}

[[authority]]
id = \"root\"
key = \"root\"
certificate = \"root.crt\"

[[crl]]
issuer = \"root\"
number = {number}
days = 366 # at most, certificate policy §4.9.7
",
        now.format(&Rfc3339)?
    );
    for event in crl::taken_back(queries, "root", now - Duration::days(1)).await? {
        let reason =
            RevocationReason::from_code(event.reason).unwrap_or(RevocationReason::Unspecified);
        text += &format!(
            "\n[[crl.revoked]]\nserial = \"{}\"\nat = \"{}\"\nreason = \"{}\"\n",
            hex::encode(&event.serial),
            event.at.replace_nanosecond(0).unwrap_or(event.at).format(&Rfc3339)?,
            word(reason),
        );
    }
    files::write(&out.join("root.crt"), files::pem("CERTIFICATE", &root.to_der()?).as_bytes())?;
    files::write(&file, text.as_bytes())?;
    Ok(file)
}

/// As a plan writes a reason.
fn word(reason: RevocationReason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
