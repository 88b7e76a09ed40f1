//! Notices of revocations, holds and releases.
//!
//! A facility's administrators are told what was decided, not why: the operator's note is for the
//! audit trail, and may be about something that the facility is not to know yet.

use std::collections::BTreeSet;

use sekisho_store::{
    StoreError, Tx, certificate,
    terminal::{self, Terminal},
};

use super::{Measure, Order, Outcome};
use crate::notice::{self, Notice, To};

/// Tells a terminal's administrators what was decided about it.
pub(super) async fn of_terminal(
    tx: &mut Tx,
    order: &Order,
    terminal: Terminal,
) -> Result<(), StoreError> {
    let Terminal { id: terminal_id, name: terminal_name, organisation_id, .. } = terminal;
    let notice = match order.measure {
        Measure::Revoke(_) => Notice::TerminalRevoked { terminal_id, terminal_name },
        Measure::Hold => Notice::TerminalHeld { terminal_id, terminal_name },
        Measure::Release => Notice::TerminalReleased { terminal_id, terminal_name },
    };
    notice::put(tx, To::FacilityAdministrators(organisation_id), notice, order.at).await
}

/// Tells of the certificates that a decision about a certificate or a key was about: each terminal's
/// administrators once.
pub(super) async fn of_certificates(
    tx: &mut Tx,
    order: &Order,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let mut terminals = BTreeSet::new();
    for (issuer_id, serial) in &outcome.certificates {
        let found = certificate::find(tx, issuer_id, serial).await?;
        terminals.extend(found.and_then(|found| found.terminal_id));
    }
    for id in terminals {
        let Some(terminal) = terminal::find(tx, &id).await? else { continue };
        let Terminal { id: terminal_id, name: terminal_name, organisation_id, .. } = terminal;
        let notice = match order.measure {
            Measure::Revoke(_) => Notice::CertificateRevoked { terminal_id, terminal_name },
            Measure::Hold => Notice::CertificateHeld { terminal_id, terminal_name },
            Measure::Release => Notice::CertificateReleased { terminal_id, terminal_name },
        };
        notice::put(tx, To::FacilityAdministrators(organisation_id), notice, order.at).await?;
    }
    Ok(())
}
