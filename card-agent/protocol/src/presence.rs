//! The agent's reports that a card is still there, or gone.
//!
//! Sent to [`crate::trust::TerminalTrust::presence_url`] over the agent's own TLS connection, which
//! shows the terminal's key: the report needs no signature of its own, and a page cannot forge it.
//! Silence counts as removal once [`HEARTBEAT`] was missed three times.

use serde::{Deserialize, Serialize};
use time::Duration;

use crate::octets::PresenceId;

/// How often the agent reports a card that stays.
pub const HEARTBEAT: Duration = Duration::seconds(20);

/// How long the portal waits before it takes silence for removal.
pub const SILENCE: Duration = Duration::seconds(60);

/// What the agent saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceEvent {
    /// The card is in the reader.
    Present,
    /// The card left the reader, or the reader left the PC.
    Removed,
    /// The agent stops; it cannot watch any longer.
    AgentStopped,
}

/// `POST` to the presence address, JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceReport {
    /// Which card, as the answer at login named it.
    pub presence: PresenceId,
    /// What happened.
    pub event: PresenceEvent,
    /// Counts up per presence, so that a report that arrives late cannot undo a newer one.
    pub sequence: u64,
}

/// The portal's reply to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceReply {
    /// Whether any session still hangs on this card. When not, the agent stops reporting it.
    pub watched: bool,
}
