//! One key after the other.

use sekisho_key::Randomness;
use sekisho_store::{
    Store,
    audit::{Actor, Audited, Entry},
    token_key::{self, Succeeded, TokenKey},
    transaction,
};
use time::{Duration, OffsetDateTime};

use super::{
    TokenKeyError,
    key::{generate, sealed},
};
use crate::{app::App, config::Config, jose::Algorithm, sealing::SealingKey};

/// How long a key is published before it signs: services keep our keys for five minutes (`max-age` of
/// the set), and clocks differ.
pub(super) const LEAD: Duration = Duration::minutes(10);
/// How long a private half is kept after its last signature, for clocks that differ.
const PRIVATE_KEPT: Duration = Duration::minutes(10);
/// Longer than any difference of clocks.
const MARGIN: Duration = Duration::HOUR;

/// How a key is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The new key is published now and signs in ten minutes; the old one is published until nothing
    /// that it signed counts.
    WithOverlap,
    /// The new key signs now, and nothing that an older one signed counts from now on.
    AtOnce,
}

/// What is rotated, by whom.
pub struct Rotation<'a> {
    /// The register.
    pub store: &'a Store,
    /// What keys are sealed with.
    pub sealing: &'a SealingKey,
    /// Randomness.
    pub random: &'a dyn Randomness,
    /// Now.
    pub now: OffsetDateTime,
    /// How long tokens and logins last.
    pub config: &'a Config,
    /// Who does it.
    pub actor: Actor,
}

/// Nothing that a key signed counts longer than this: tokens end with the login that they are of, and
/// an ID token that comes back as a hint is of a login that lives.
fn overlap(config: &Config) -> Duration {
    let tokens = config.oidc().id_token_lifetime().max(config.oidc().access_token_lifetime());
    config.session().portal_lifetime() + tokens + MARGIN
}

/// Makes the first key of an algorithm; another process may be faster.
pub(super) async fn make_first(app: &App, algorithm: Algorithm) -> Result<(), TokenKeyError> {
    let (made, now) = (generate(algorithm).await?, app.now());
    let key = sealed(&made, algorithm, &app.keys().sealing, app.random(), (now, now))?;
    let made = transaction!(app.store(), TokenKeyError, |tx| {
        if token_key::add(tx, &key).await? {
            Ok(Audited::new((), recorded("token_key.make", Actor::System, now, &key)))
        } else {
            Err(TokenKeyError::Overtaken)
        }
    });
    match made {
        Err(TokenKeyError::Overtaken) => Ok(()),
        other => other,
    }
}

fn recorded(act: &'static str, actor: Actor, now: OffsetDateTime, key: &TokenKey) -> Entry {
    Entry::done(act, actor, now)
        .on("token_key", &key.kid)
        .fact("algorithm", key.algorithm.clone())
        .fact("signs_from", key.signs_from.unix_timestamp())
}

impl Rotation<'_> {
    /// Follows the newest key of `algorithm` with another; its name.
    ///
    /// # Errors
    /// [`TokenKeyError`]: nothing has changed.
    pub async fn rotate(
        &self,
        algorithm: Algorithm,
        manner: Manner,
    ) -> Result<TokenKey, TokenKeyError> {
        let now = self.now;
        let published = token_key::published(&mut self.store.read(), now).await?;
        let newest = published
            .into_iter()
            .find(|key| key.algorithm == algorithm.as_str() && key.succeeded.is_none())
            .ok_or(TokenKeyError::NotInUse { algorithm: algorithm.as_str() })?;
        let (signs_from, leaves_at) = match manner {
            Manner::AtOnce => (now, now),
            Manner::WithOverlap if newest.signs_from > now => {
                return Err(TokenKeyError::NotYetSigning { signs_from: newest.signs_from });
            }
            Manner::WithOverlap => (now + LEAD, now + LEAD + overlap(self.config)),
        };
        let made = generate(algorithm).await?;
        let key = sealed(&made, algorithm, self.sealing, self.random, (now, signs_from))?;
        let end = Succeeded { signs_until: signs_from, leaves_at };
        let record = recorded("token_key.rotate", self.actor.clone(), now, &key)
            .fact("follows", newest.kid.clone())
            .fact("old_leaves_at", leaves_at.unix_timestamp());
        transaction!(self.store, TokenKeyError, |tx| {
            if !token_key::succeed(tx, &newest.kid, end).await? {
                return Err(TokenKeyError::Overtaken);
            }
            if manner == Manner::AtOnce {
                token_key::withdraw_succeeded(tx, algorithm.as_str(), now).await?;
            }
            if token_key::add(tx, &key).await? {
                Ok(Audited::new((), record.clone()))
            } else {
                Err(TokenKeyError::Overtaken)
            }
        })?;
        Ok(key)
    }
}

/// Scheduled: follows keys that have signed as long as the configuration lets them, and forgets the
/// private halves of those that sign no more.
///
/// # Errors
/// [`TokenKeyError`]: the next run tries again.
pub async fn keep_up(app: &App) -> Result<(), TokenKeyError> {
    let now = app.now();
    let rotation = Rotation {
        store: app.store(),
        sealing: &app.keys().sealing,
        random: app.random(),
        now,
        config: app.config(),
        actor: Actor::System,
    };
    let published = token_key::published(&mut app.store().read(), now).await?;
    let newest = published.iter().filter(|key| key.succeeded.is_none());
    for key in newest {
        let due = key.signs_from + app.config().oidc().token_key_period() - LEAD;
        if due > now {
            continue;
        }
        let Some(algorithm) = Algorithm::parse(&key.algorithm) else { continue };
        match rotation.rotate(algorithm, Manner::WithOverlap).await {
            Ok(_) | Err(TokenKeyError::Overtaken) => {}
            Err(error) => return Err(error),
        }
    }
    let over = |key: &&TokenKey| {
        let signed_until = key.succeeded.map(|end| end.signs_until + PRIVATE_KEPT);
        key.sealed_key.is_some() && signed_until.is_some_and(|until| until <= now)
    };
    for key in published.iter().filter(over) {
        let record = Entry::done("token_key.forget", Actor::System, now).on("token_key", &key.kid);
        transaction!(app.store(), TokenKeyError, |tx| {
            token_key::forget_private(tx, &key.kid).await?;
            Ok(Audited::new((), record.clone()))
        })?;
    }
    Ok(())
}
