//! The plan of a root's roll-over: a new root, the two certified by each other, an issuing authority of
//! each line under the new one, and the lists of both roots.

use std::path::{Path, PathBuf};

use sekisho_ca::ceremony::{ISSUING, KeyKind};
use sekisho_pki::encoding::instant;
use sekisho_store::{Queries, issuer};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use x509_cert::{Certificate, der::Decode};

use super::{
    files::{self, FileError},
    lists::{ListPlanError, ids_in_force, new_plan_file},
    plan_text,
    request::{RequestProblem, RequestedPlace, request},
};
use crate::{
    authority::{FIRST_ROOT, Line, root_number},
    instance::{Folder, first_certificate},
};

/// Certificate policy §6.3.2: the longest life of a cross-certificate.
const OVERLAP: Duration = Duration::days(3653);

/// What a roll-over of the root is planned with.
#[derive(Clone, Copy)]
pub struct NextRoot<'a> {
    /// The instance's folder.
    pub folder: &'a Folder,
    /// What distinguishes the new generation in common names, such as `Healthcare Network G2`.
    pub network: &'a str,
    /// Where the instance publishes.
    pub publication_base: &'a str,
    /// Where the new authorities' keys are made.
    pub place: RequestedPlace<'a>,
    /// Folder for plan, requests and the present root's certificate.
    pub out: &'a Path,
    /// Now.
    pub now: OffsetDateTime,
}

/// A plan that was written.
#[derive(Debug)]
pub struct PlannedRoot {
    /// The plan.
    pub plan: PathBuf,
    /// The new root's identifier.
    pub id: String,
    /// SHA-256 of each new authority's key, as it stands in the plan.
    pub keys: Vec<(String, [u8; 32])>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NextRootError {
    /// One too many.
    #[error(
        "roots in force: {0}; the next one comes when only one is (`sekisho ceremony end-root`)"
    )]
    NotOne(String),
    /// A key or request.
    #[error(transparent)]
    Request(#[from] RequestProblem),
    /// Anything else of a plan.
    #[error(transparent)]
    Plan(#[from] ListPlanError),
}

impl NextRoot<'_> {
    /// Makes the keys of the new issuing authorities, or takes those that were made before, and writes
    /// plan, requests and the present root's certificate.
    ///
    /// # Errors
    /// [`NextRootError`].
    pub async fn write(&self, queries: &mut impl Queries) -> Result<PlannedRoot, NextRootError> {
        let plan = new_plan_file(self.out)?;
        let registered = issuer::list(queries).await.map_err(ListPlanError::from)?;
        let in_force = ids_in_force(&registered);
        let [old] = &in_force[..] else {
            return Err(NextRootError::NotOne(in_force.join(", ")));
        };
        let newest = registered.iter().filter_map(|one| root_number(&one.id)).max();
        let id = format!("{FIRST_ROOT}-{}", newest.unwrap_or(1) + 1);
        let mut keys = Vec::new();
        let mut issuing = String::new();
        for (line, (_, title)) in Line::ALL.into_iter().zip(ISSUING) {
            let ids = registered.iter().map(|one| one.id.as_str());
            let next = format!("{}-{}", line.id(), newest_of(line, ids) + 1);
            let made = request(self.folder, &next, KeyKind::P256, self.place).await?;
            self.put(&format!("{next}.csr"), &made.pem)?;
            let common_name = format!("{} {title}", self.network);
            issuing += &plan_text::issuing(&next, &made.sha256, &common_name, &id);
            keys.push((next, made.sha256));
        }
        let root_der = first_certificate(self.folder, old).map_err(ListPlanError::from)?;
        self.put(&format!("{old}.crt"), &files::pem("CERTIFICATE", &root_der))?;
        let text = self.text(queries, (old, &root_der), &id, &issuing).await?;
        files::write(&plan, text.as_bytes()).map_err(ListPlanError::from)?;
        Ok(PlannedRoot { plan, id, keys })
    }

    fn put(&self, name: &str, content: &str) -> Result<(), ListPlanError> {
        let written: Result<(), FileError> = files::write(&self.out.join(name), content.as_bytes());
        Ok(written?)
    }

    async fn text(
        &self,
        queries: &mut impl Queries,
        (old, root_der): (&str, &[u8]),
        new: &str,
        issuing: &str,
    ) -> Result<String, ListPlanError> {
        let comment = "# The next root. Look through it, write where the roots' keys lie, then `sekisho ceremony keys`
# and `sekisho ceremony dry-run` on the roots' computer.";
        let title = format!("{}, roll-over from {old} to {new}", self.network);
        let organisation = plan_text::organisation_of(root_der)?;
        let (base, now) = (self.publication_base, self.now);
        let mut text = plan_text::head(comment, &title, now, &organisation, base)?;
        text += &plan_text::root(old, &format!("certificate = \"{old}.crt\""));
        let common_name = format!("{} Root CA", self.network);
        text += &plan_text::root(new, &format!("common_name = {common_name:?}"));
        text += &plan_text::own_certificate(new);
        let until = overlap_ends(root_der, now)?.format(&Rfc3339)?;
        for (subject, issuer) in [(new, old), (old, new)] {
            text += &format!(
                "
[[certificate]]
profile = \"cross\"
subject = \"{subject}\"
issuer = \"{issuer}\"
until = \"{until}\"
"
            );
        }
        text += issuing;
        text += &plan_text::next_list(queries, old, now).await?.0;
        text += &plan_text::list(new, 1);
        Ok(text)
    }
}

/// The number of the newest generation of a line.
fn newest_of<'i>(line: Line, ids: impl Iterator<Item = &'i str>) -> u32 {
    let numbers = ids.filter(|id| Line::of(id) == Some(line)).map(|id| {
        // A line's first generation has no number.
        id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
    });
    numbers.max().unwrap_or(1)
}

/// As long as the policy lets it, and not beyond the old root's own end.
fn overlap_ends(root_der: &[u8], now: OffsetDateTime) -> der::Result<OffsetDateTime> {
    let root = Certificate::from_der(root_der)?;
    let ends = instant::from_time(&root.tbs_certificate().validity().not_after);
    let now = now.replace_nanosecond(0).unwrap_or(now);
    Ok((now + OVERLAP - Duration::SECOND).min(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_generation_is_one_more_than_the_newest() {
        let newest = |ids: &[&str]| newest_of(Line::Routers, ids.iter().copied());
        assert_eq!(newest(&["terminals-7", "routers", "imported-9"]), 1);
        assert_eq!(newest(&["routers-2", "routers-11", "routers"]), 11);
    }
}
