//! The check box that somebody ticks before an act that takes something from somebody else.

use serde::Deserialize;

use super::FormError;

/// Field `sure`, always `yes`: a browser insists on the tick (`required`), and a form that comes
/// without it is refused, so that no single click ends what others rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// Ticked.
    Yes,
}

impl Sure {
    /// Insists on the tick beside the text of the message `label`.
    ///
    /// # Errors
    /// [`FormError::Unticked`].
    pub fn insist(ticked: Option<Self>, label: &'static str) -> Result<(), FormError> {
        ticked.map(|Self::Yes| ()).ok_or(FormError::Unticked { label })
    }
}

/// A form that is nothing but the tick.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SureForm {
    /// The tick.
    pub sure: Option<Sure>,
}
