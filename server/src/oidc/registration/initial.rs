//! Initial access tokens (RFC 7591 §1.2): who may register services.

use secrecy::SecretString;
use sekisho_key::RandomnessError;
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Audited, Entry},
    client_registration::{self, NewInitialToken},
    organisation, transaction,
};
use time::{Duration, OffsetDateTime};

use crate::oidc::client::{Drawn, Registry};

/// The most services that one token registers.
pub const MOST_USES: u32 = 100;
/// The longest time, in days, that a token can be used.
pub const MOST_DAYS: u32 = 30;

/// What a token is to be good for.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who runs what is registered by it.
    pub organisation_id: Option<String>,
    /// How many services it registers, 1 to [`MOST_USES`].
    pub uses: u32,
    /// For how many days it can be used, 1 to [`MOST_DAYS`].
    pub days: u32,
}

/// A token that was drawn and opens nothing before it is [kept](Prepared::keep).
#[derive(Debug)]
pub struct Prepared {
    order: Order,
    drawn: Drawn,
    expires_at: OffsetDateTime,
}

/// Why there is no token. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InitialTokenError {
    /// An organisation that is not in operation.
    #[error(
        "there is no organisation {0} in operation; give the identifier of one, or leave it out"
    )]
    Organisation(String),
    /// No randomness.
    #[error("no token could be made")]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error("the token was not stored")]
    Store(#[from] StoreError),
}

impl InitialTokenError {
    /// Whether another organisation would help.
    #[must_use]
    pub const fn is_of_the_order(&self) -> bool {
        matches!(self, Self::Organisation(_))
    }
}

impl MayConflict for InitialTokenError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Draws a token.
///
/// # Errors
/// [`InitialTokenError`].
pub async fn prepare(registry: &Registry<'_>, order: Order) -> Result<Prepared, InitialTokenError> {
    if let Some(id) = &order.organisation_id
        && !organisation::is_active(&mut registry.store.read(), id).await?
    {
        return Err(InitialTokenError::Organisation(id.clone()));
    }
    let drawn = Drawn::draw(registry.random)?;
    let expires_at = registry.now + Duration::days(order.days.into());
    Ok(Prepared { order, drawn, expires_at })
}

impl Prepared {
    /// The token, to be shown once.
    #[must_use]
    pub fn token(&self) -> &SecretString {
        &self.drawn.text
    }

    /// Until when it can be used.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at
    }

    /// Keeps its hash: from now on it registers. `entry` is of who made it, `person` unless it was the
    /// operator of the host.
    ///
    /// # Errors
    /// [`InitialTokenError`].
    pub async fn keep(
        self,
        registry: &Registry<'_>,
        entry: Entry,
        person: Option<&str>,
    ) -> Result<(), InitialTokenError> {
        let new = NewInitialToken {
            token_hash: &self.drawn.hash,
            organisation_id: self.order.organisation_id.as_deref(),
            uses: self.order.uses,
            created_by: person,
            created_at: registry.now,
            expires_at: self.expires_at,
        };
        transaction!(registry.store, InitialTokenError, |tx| {
            let id = client_registration::add_initial(tx, new).await?;
            let entry = entry
                .clone()
                .on("initial_access_token", id)
                .fact("uses", self.order.uses)
                .fact("expires_at", self.expires_at.unix_timestamp());
            let entry = match &self.order.organisation_id {
                Some(id) => entry.on("organisation", id),
                None => entry,
            };
            Ok(Audited::new((), entry))
        })
    }
}
