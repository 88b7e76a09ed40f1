//! One key after the other.

use sekisho_key::{Randomness, SigningKey as _, SoftwareKey};
use sekisho_store::{
    Store,
    audit::{Actor, Audited, Entry},
    own_key::{self, OwnKey, Purpose, Succeeded},
    transaction,
};
use time::{Duration, OffsetDateTime};

use super::{
    OwnKeyError,
    key::{generate, sealed},
};
use crate::{app::App, config::Config, jose::Algorithm, keys, sealing::SealingKey};

/// How long a key is published before it signs. Services keep our keys for five minutes (`max-age` of
/// the set), and clocks differ; agents ask each hour, and a PC that wakes up asks within a minute.
pub(super) const fn lead(purpose: Purpose) -> Duration {
    match purpose {
        Purpose::Token => Duration::minutes(10),
        Purpose::LoginRequest => Duration::DAY,
    }
}
/// How long a private half is kept after its last signature, for clocks that differ.
const PRIVATE_KEPT: Duration = Duration::minutes(10);
/// Longer than any difference of clocks.
const MARGIN: Duration = Duration::HOUR;

/// How a key is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The new key is published now and signs later: tokens in ten minutes, login requests in a day; the
    /// old one is published until nothing that it signed counts.
    WithOverlap,
    /// The new key signs now, and nothing that an older one signed counts from now on.
    AtOnce,
}

/// What is rotated, by whom.
pub struct Rotation<'a> {
    /// Keys for what.
    pub purpose: Purpose,
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
/// an ID token that comes back as a hint is of a login that lives. A login request lives for minutes.
fn overlap(purpose: Purpose, config: &Config) -> Duration {
    match purpose {
        Purpose::Token => {
            let tokens =
                config.oidc().id_token_lifetime().max(config.oidc().access_token_lifetime());
            config.session().portal_lifetime() + tokens + MARGIN
        }
        Purpose::LoginRequest => MARGIN,
    }
}

/// For how long a key signs before the clock follows it with another.
fn period(purpose: Purpose, config: &Config) -> Duration {
    match purpose {
        Purpose::Token => config.oidc().token_key_period(),
        Purpose::LoginRequest => config.card_login().request_key_period(),
    }
}

/// Makes the first key of an algorithm; another process may be faster.
pub(super) async fn make_first(
    app: &App,
    purpose: Purpose,
    algorithm: Algorithm,
) -> Result<(), OwnKeyError> {
    enter_first(app, (purpose, algorithm), &generate(algorithm).await?).await
}

/// Enters the key for login requests that an instance kept in its folder, where the register has none
/// yet; answers whether the register has this one.
///
/// # Errors
/// [`OwnKeyError`]: it must stay where it is.
pub async fn take_over(app: &App, key: &SoftwareKey) -> Result<bool, OwnKeyError> {
    let purpose = Purpose::LoginRequest;
    let known = own_key::published(&mut app.store().read(), purpose, app.now()).await?;
    if known.is_empty() {
        enter_first(app, (purpose, Algorithm::Es256), key).await?;
    }
    let kid = keys::thumbprint(&keys::bare_jwk(key.public_key_der())?);
    Ok(own_key::is_known(&mut app.store().read(), purpose, &kid).await?)
}

async fn enter_first(
    app: &App,
    what: (Purpose, Algorithm),
    key: &SoftwareKey,
) -> Result<(), OwnKeyError> {
    let now = app.now();
    let key = sealed(key, what, &app.keys().sealing, app.random(), (now, now))?;
    let made = transaction!(app.store(), OwnKeyError, |tx| {
        if own_key::add(tx, &key).await? {
            let [made, ..] = acts(key.purpose);
            Ok(Audited::new((), recorded(made, Actor::System, now, &key)))
        } else {
            Err(OwnKeyError::Overtaken)
        }
    });
    match made {
        Err(OwnKeyError::Overtaken) => Ok(()),
        other => other,
    }
}

/// What the trail calls it when one is made, followed and forgotten.
const fn acts(purpose: Purpose) -> [&'static str; 3] {
    match purpose {
        Purpose::Token => ["token_key.make", "token_key.rotate", "token_key.forget"],
        Purpose::LoginRequest => {
            ["login_request_key.make", "login_request_key.rotate", "login_request_key.forget"]
        }
    }
}

/// What the trail calls a key.
const fn object(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Token => "token_key",
        Purpose::LoginRequest => "login_request_key",
    }
}

fn recorded(act: &'static str, actor: Actor, now: OffsetDateTime, key: &OwnKey) -> Entry {
    Entry::done(act, actor, now)
        .on(object(key.purpose), &key.kid)
        .fact("algorithm", key.algorithm.clone())
        .fact("signs_from", key.signs_from.unix_timestamp())
}

impl Rotation<'_> {
    /// Follows the newest key of `algorithm` with another; its name.
    ///
    /// # Errors
    /// [`OwnKeyError`]: nothing has changed.
    pub async fn rotate(
        &self,
        algorithm: Algorithm,
        manner: Manner,
    ) -> Result<OwnKey, OwnKeyError> {
        let (now, purpose) = (self.now, self.purpose);
        let published = own_key::published(&mut self.store.read(), purpose, now).await?;
        let newest = published
            .into_iter()
            .find(|key| key.algorithm == algorithm.as_str() && key.succeeded.is_none())
            .ok_or(OwnKeyError::NotInUse { algorithm: algorithm.as_str() })?;
        let (signs_from, leaves_at) = match manner {
            Manner::AtOnce => (now, now),
            Manner::WithOverlap if newest.signs_from > now => {
                return Err(OwnKeyError::NotYetSigning { signs_from: newest.signs_from });
            }
            Manner::WithOverlap => {
                let signs_from = now + lead(purpose);
                (signs_from, signs_from + overlap(purpose, self.config))
            }
        };
        let made = generate(algorithm).await?;
        let times = (now, signs_from);
        let key = sealed(&made, (purpose, algorithm), self.sealing, self.random, times)?;
        let end = Succeeded { signs_until: signs_from, leaves_at };
        let [_, followed, _] = acts(purpose);
        let record = recorded(followed, self.actor.clone(), now, &key)
            .fact("follows", newest.kid.clone())
            .fact("old_leaves_at", leaves_at.unix_timestamp());
        transaction!(self.store, OwnKeyError, |tx| {
            if !own_key::succeed(tx, &newest.kid, end).await? {
                return Err(OwnKeyError::Overtaken);
            }
            if manner == Manner::AtOnce {
                own_key::withdraw_succeeded(tx, (purpose, algorithm.as_str()), now).await?;
            }
            if own_key::add(tx, &key).await? {
                Ok(Audited::new((), record.clone()))
            } else {
                Err(OwnKeyError::Overtaken)
            }
        })?;
        Ok(key)
    }
}

/// Scheduled: follows keys that have signed as long as the configuration lets them, and forgets the
/// private halves of those that sign no more.
///
/// # Errors
/// [`OwnKeyError`]: the next run tries again.
pub async fn keep_up(app: &App) -> Result<(), OwnKeyError> {
    // One kind's trouble must not hold up the other.
    let tokens = keep_up_with(app, Purpose::Token).await;
    keep_up_with(app, Purpose::LoginRequest).await?;
    tokens
}

async fn keep_up_with(app: &App, purpose: Purpose) -> Result<(), OwnKeyError> {
    let now = app.now();
    let rotation = Rotation {
        purpose,
        store: app.store(),
        sealing: &app.keys().sealing,
        random: app.random(),
        now,
        config: app.config(),
        actor: Actor::System,
    };
    let published = own_key::published(&mut app.store().read(), purpose, now).await?;
    let newest = published.iter().filter(|key| key.succeeded.is_none());
    for key in newest {
        let due = key.signs_from + period(purpose, app.config()) - lead(purpose);
        if due > now {
            continue;
        }
        let Some(algorithm) = Algorithm::parse(&key.algorithm) else { continue };
        match rotation.rotate(algorithm, Manner::WithOverlap).await {
            Ok(_) | Err(OwnKeyError::Overtaken) => {}
            Err(error) => return Err(error),
        }
    }
    // Also one that left at once, or while nothing ran.
    let over = own_key::signed_until(&mut app.store().read(), purpose, now - PRIVATE_KEPT).await?;
    for kid in over {
        let [.., forgotten] = acts(purpose);
        let record = Entry::done(forgotten, Actor::System, now).on(object(purpose), &kid);
        transaction!(app.store(), OwnKeyError, |tx| {
            own_key::forget_private(tx, &kid).await?;
            Ok(Audited::new((), record.clone()))
        })?;
    }
    Ok(())
}
