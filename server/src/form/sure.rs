//! The check box that somebody ticks before an act that takes something from somebody else.

use serde::Deserialize;

/// Field `sure`, always `yes`: a browser insists on the tick (`required`), and a form that comes
/// without it is given back, so that no single click ends what others rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// Ticked.
    Yes,
}
