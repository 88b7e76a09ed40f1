//! Notices of revocations, holds and releases.
//!
//! A facility's administrators are told what was decided, not why: the operator's note is for the
//! audit trail, and may be about something that the facility is not to know yet.

use std::collections::BTreeSet;

use sekisho_store::{
    StoreError, Tx, certificate,
    terminal::{self, Terminal, TerminalStatus},
};

use super::{Measure, Order, Outcome, Standing};
use crate::notice::{self, Notice, To};

/// Tells a facility's administrators what was decided about all of it.
pub(super) async fn of_facility(tx: &mut Tx, order: &Order, id: &str) -> Result<(), StoreError> {
    let notice = match order.measure {
        Measure::Revoke(_) => Notice::FacilityRevoked,
        Measure::Hold => Notice::FacilityHeld,
        Measure::Release => Notice::FacilityReleased,
    };
    notice::put(tx, To::FacilityAdministrators(id.to_owned()), notice, order.at).await
}

/// Tells a terminal's administrators what was decided about it, and carried out.
pub(super) async fn of_terminal(
    tx: &mut Tx,
    order: &Order,
    terminal: Terminal,
) -> Result<(), StoreError> {
    let standing = Standing::find(tx, &terminal.id, order.at).await?;
    let Terminal { id: terminal_id, name: terminal_name, organisation_id, .. } = terminal;
    let notice = match order.measure {
        Measure::Revoke(_) => Notice::TerminalRevoked { terminal_id, terminal_name },
        Measure::Hold => Notice::TerminalHeld { terminal_id, terminal_name, standing },
        Measure::Release => {
            // A hold of its certificate alone is not ended with the terminal's.
            let now = terminal::find(tx, &terminal_id).await?;
            let still_held = now.is_some_and(|now| now.status == TerminalStatus::Held);
            Notice::TerminalReleased { terminal_id, terminal_name, standing, still_held }
        }
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
