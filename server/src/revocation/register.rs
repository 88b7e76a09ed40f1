//! What the register knows about a target: whose it is, and what holds it.

use std::collections::BTreeSet;

use sekisho_store::{
    Queries, StoreError, certificate,
    organisation::{self, OrganisationStatus},
    revocation::CertificateKey,
    terminal, terminal_hold,
};

use super::{MOST_CERTIFICATES_OF_A_KEY, Target};

/// The facility that a target belongs to: of a key the one whose devices had it, if it is one.
pub(super) async fn organisation_of(
    queries: &mut impl Queries,
    target: &Target,
) -> Result<Option<String>, StoreError> {
    Ok(match target {
        Target::Facility(id) => Some(id.clone()),
        Target::Terminal(id) => {
            terminal::find(queries, id).await?.map(|found| found.organisation_id)
        }
        Target::Certificate { issuer_id, serial } => certificate::find(queries, issuer_id, serial)
            .await?
            .and_then(|found| found.organisation_id),
        Target::Key(spki_sha256) => {
            let all = certificate::of_key(queries, spki_sha256, MOST_CERTIFICATES_OF_A_KEY).await?;
            let mut owners: BTreeSet<_> =
                all.into_iter().filter_map(|found| found.organisation_id).collect();
            let owner = owners.pop_first();
            owner.filter(|_| owners.is_empty())
        }
        Target::Issuer(_) => None,
    })
}

/// What holds a target besides its own hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBy {
    /// The quarantine of its facility.
    Facility(String),
    /// The hold of its terminal.
    Terminal(String),
    /// Holds of single certificates of the terminal.
    Certificates(Vec<CertificateKey>),
}

/// What still holds a target after a release of it: what is to be released first or besides.
pub(super) async fn held_by(
    queries: &mut impl Queries,
    target: &Target,
) -> Result<Option<HeldBy>, StoreError> {
    if matches!(target, Target::Facility(_)) {
        return Ok(None);
    }
    if let Some(id) = organisation_of(queries, target).await?
        && organisation::status(queries, &id).await? == Some(OrganisationStatus::Suspended)
    {
        return Ok(Some(HeldBy::Facility(id)));
    }
    Ok(match target {
        Target::Terminal(id) => {
            let all = certificate::of_terminal(queries, id).await?;
            let held: Vec<_> = all
                .into_iter()
                .filter(|found| found.status.is_hold())
                .map(|found| (found.issuer_id, found.serial))
                .collect();
            (!held.is_empty()).then_some(HeldBy::Certificates(held))
        }
        Target::Certificate { issuer_id, serial } => {
            let found = certificate::find(queries, issuer_id, serial).await?;
            match found.and_then(|found| found.terminal_id) {
                Some(id) if terminal_hold::stands(queries, &id).await? => {
                    Some(HeldBy::Terminal(id))
                }
                _ => None,
            }
        }
        Target::Facility(_) | Target::Key(_) | Target::Issuer(_) => None,
    })
}
