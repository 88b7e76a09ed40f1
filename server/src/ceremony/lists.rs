//! A root's list: what its next one has to say, as a plan, and the list that comes back.

use std::path::{Path, PathBuf};

use sekisho_ca::ceremony::{JudgedList, ListFault};
use sekisho_store::{Queries, StoreError, crl, issuer};
use time::OffsetDateTime;

use super::{
    files::{self, FileError},
    plan_text,
};
use crate::{
    authority::{is_root, root_number},
    instance::{Folder, FolderError, first_certificate},
};

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

/// Why there is no plan for a root's list, or for the next root.
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
    /// None or several.
    #[error("roots in force: {0}; say by --of ID whose list it is to be")]
    Which(String),
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

/// Writes a plan for a root's next list, with every certificate of its that was taken back, and the
/// root's certificate beside it. The key's place is the people's to write. `root_id` has to be given
/// where two roots are in force.
///
/// # Errors
/// [`ListPlanError`].
pub async fn plan_root_list(
    queries: &mut impl Queries,
    folder: &Folder,
    root_id: Option<&str>,
    publication_base: &str,
    out: &Path,
    now: OffsetDateTime,
) -> Result<PathBuf, ListPlanError> {
    let file = new_plan_file(out)?;
    let roots = roots_in_force(queries).await?;
    let id = match (root_id, &roots[..]) {
        (Some(id), _) if roots.iter().any(|there| there == id) => id,
        (None, [only]) => only.as_str(),
        _ => return Err(ListPlanError::Which(roots.join(", "))),
    };
    let root_der = first_certificate(folder, id)?;
    let (list, number) = plan_text::next_list(queries, id, now).await?;
    let comment = "# The root's next list. Look at the entries, write where the key lies, then
# `sekisho ceremony keys` and `sekisho ceremony dry-run` on the root's computer.";
    let organisation = plan_text::organisation_of(&root_der)?;
    let title = format!("List {number} of {id}");
    let mut text = plan_text::head(comment, &title, now, &organisation, publication_base)?;
    text += &plan_text::root(id, &format!("certificate = \"{id}.crt\""));
    text += &list;
    let certificate = files::pem("CERTIFICATE", &root_der);
    files::write(&out.join(format!("{id}.crt")), certificate.as_bytes())?;
    files::write(&file, text.as_bytes())?;
    Ok(file)
}

/// The file of a plan that is not there yet, in a folder that is.
pub(super) fn new_plan_file(out: &Path) -> Result<PathBuf, ListPlanError> {
    let file = out.join("plan.toml");
    if files::read_if_there(&file)?.is_some() {
        return Err(ListPlanError::Exists(file));
    }
    std::fs::create_dir_all(out)
        .map_err(|source| FileError::Write { path: out.to_owned(), source })?;
    Ok(file)
}

/// Identifiers of the roots that are trust anchors of the instance, oldest first.
pub(super) async fn roots_in_force(queries: &mut impl Queries) -> Result<Vec<String>, StoreError> {
    Ok(ids_in_force(&issuer::list(queries).await?))
}

/// The same from the register's authorities.
pub(super) fn ids_in_force(registered: &[issuer::Issuer]) -> Vec<String> {
    let roots = registered.iter().filter(|one| is_root(&one.id) && one.ended_at.is_none());
    let mut ids: Vec<String> = roots.map(|one| one.id.clone()).collect();
    ids.sort_by_key(|id| root_number(id));
    ids
}
