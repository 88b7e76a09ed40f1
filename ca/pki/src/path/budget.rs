//! How much work an asker may cause.

use super::PathError;

/// How much work one judgement may cause. Whatever is spent ends it with
/// [`PathError::BudgetSpent`]; nothing is accepted for lack of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most candidates and anchors that are looked at.
    pub certificates: usize,
    /// Longest certificate that is looked at, in octets.
    pub certificate_octets: usize,
    /// Most signatures that are verified, over certificates, CRLs and OCSP responses.
    pub signatures: u32,
    /// Most steps from a certificate to a possible issuer.
    pub edges: u32,
    /// Most comparisons of a name with a name constraint.
    pub name_comparisons: u32,
    /// Most nodes and edges of policy graphs.
    pub policy_nodes: u32,
}

impl Default for Budget {
    /// For a login or a connection: enough for every honest path, with key roll-over and CRL keys
    /// of their own. A signature takes up to a tenth of a millisecond.
    fn default() -> Self {
        Self {
            certificates: 512,
            certificate_octets: 16 * 1024,
            signatures: 64,
            edges: 1_000,
            name_comparisons: 20_000,
            policy_nodes: 4_000,
        }
    }
}

impl Budget {
    /// For a person at a command line, who asks about one path and waits a second or two.
    #[must_use]
    pub const fn generous() -> Self {
        Self {
            certificates: 20_000,
            certificate_octets: 1024 * 1024,
            signatures: 3_000,
            edges: 100_000,
            name_comparisons: 1_000_000,
            policy_nodes: 200_000,
        }
    }
}

/// What is left of a [`Budget`].
#[derive(Debug)]
pub(super) struct Meter(Budget);

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        Self(budget)
    }

    pub(super) fn signature(&mut self) -> Result<(), PathError> {
        spend(&mut self.0.signatures, 1, "signatures to verify")
    }

    pub(super) fn edge(&mut self) -> Result<(), PathError> {
        spend(&mut self.0.edges, 1, "candidates that claim to be an issuer")
    }

    pub(super) fn compare_name(&mut self) -> Result<(), PathError> {
        spend(&mut self.0.name_comparisons, 1, "names to compare with name constraints")
    }

    pub(super) fn policy_nodes(&mut self, count: usize) -> Result<(), PathError> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        spend(&mut self.0.policy_nodes, count, "certificate policies")
    }
}

fn spend(left: &mut u32, amount: u32, what: &'static str) -> Result<(), PathError> {
    *left = left.checked_sub(amount).ok_or(PathError::BudgetSpent { what })?;
    Ok(())
}
