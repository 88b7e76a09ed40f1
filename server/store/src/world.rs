//! What is real and what is invented: two worlds that never meet.

use crate::StoreError;

/// The world of a facility, of a card, of whoever holds it.
///
/// A facility's follows from the configuration, a card's from the trust anchors that its certificate
/// leads to. The latter is kept with whom the card names, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Accredited facilities, licensed people.
    Real,
    /// Test facilities and their invented people, where services are tried out.
    Sandbox,
}

impl World {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Real, Self::Sandbox];

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Sandbox => "sandbox",
        }
    }

    /// From what is stored.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: it is neither.
    pub(crate) fn of(stored: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|world| world.as_str() == stored).ok_or_else(|| {
            StoreError::Corrupt { what: "card identity", detail: format!("its world is {stored}") }
        })
    }
}
