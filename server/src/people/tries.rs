//! How often somebody may guess, and how often a network may be refused at a door.

use std::net::IpAddr;

use sekisho_store::{
    StoreError,
    attempt::{DelayPolicy, Subject},
};
use time::{Duration, OffsetDateTime};

use crate::{app::App, config::Config, listener::Network};

/// Failures without delay.
const FREE: u32 = 3;
/// The longest that a terminal waits for what others at its address did.
const SHORTLY: Duration = Duration::seconds(30);

/// Guesses at the password or second factor of one login name, existing or not: nobody learns from
/// a delay whether it does.
#[must_use]
pub fn account(config: &Config, login_name: &str) -> Subject {
    subject(config, format!("account:{login_name}"), 1)
}

/// The same at the terminals of one facility: whoever guesses on the public name, or at another facility's
/// terminals, keeps nobody from their work here.
#[must_use]
pub fn account_at(config: &Config, organisation_id: &str, login_name: &str) -> Subject {
    subject(config, format!("portal:{organisation_id}:{login_name}"), 1)
}

/// A place where strangers are refused, counted apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Password and second factor.
    SignIn,
    /// The same at terminals.
    Portal,
    /// One-time links and activation codes. They have 80 bits and more: this spares the database
    /// and the trail, not the codes.
    Code,
    /// Receipt numbers of applications. They have 75 bits and more.
    Receipt,
    /// Enrolment codes of terminals.
    Enrolment,
    /// Requests and binding keys of services' servers.
    Acme,
    /// Authentication of relying services.
    Client,
    /// Tokens by which services register and keep their registration. They have 256 bits.
    Registration,
}

impl Door {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "address",
            Self::Portal => "portal-address",
            Self::Code => "code",
            Self::Receipt => "receipt",
            Self::Enrolment => "enrolment",
            Self::Acme => "acme",
            Self::Client => "client",
            Self::Registration => "registration",
        }
    }
}

/// Refusals of one network at `door`. Behind one address may sit a whole hospital.
#[must_use]
pub fn network(config: &Config, door: Door, address: &str) -> Subject {
    let key = format!("{}:{}", door.as_str(), network_of(address));
    subject(config, key, config.people().network_factor())
}

/// Wrong passwords at the terminals of one network. Their certificates tell them apart ([`passwords_at`]), and a whole
/// hospital sits behind this address: nobody waits longer than [`SHORTLY`] for what another terminal did.
#[must_use]
pub fn portal_network(config: &Config, address: &str) -> Subject {
    let mut subject = network(config, Door::Portal, address);
    subject.policy.longest = subject.policy.longest.min(SHORTLY);
    easing(config, subject)
}

/// Wrong passwords at one terminal.
#[must_use]
pub fn passwords_at(config: &Config, terminal_id: &str) -> Subject {
    let key = format!("portal-terminal:{terminal_id}");
    easing(config, subject(config, key, config.people().network_factor()))
}

/// A counter that many share: the slips of a ward do not add up over days, and who only guesses rests all the same.
fn easing(config: &Config, mut subject: Subject) -> Subject {
    subject.policy.eases_every = Some(config.people().lock_duration());
    subject
}

/// What is tried with one-time links of this person. Apart from the tries at the login name: whoever guesses in
/// public is not to keep them from their link.
#[must_use]
pub fn links_of(config: &Config, person_id: &str) -> Subject {
    subject(config, format!("link:{person_id}"), 1)
}

/// Wrong codes of invitations at one terminal.
#[must_use]
pub fn terminal(config: &Config, terminal_id: &str) -> Subject {
    subject(config, format!("invitation:{terminal_id}"), config.people().network_factor())
}

/// Wrong slips and PINs of passes for a day at one terminal.
#[must_use]
pub fn day_passes_at(config: &Config, terminal_id: &str) -> Subject {
    let key = format!("day-pass:{terminal_id}");
    easing(config, subject(config, key, config.people().network_factor()))
}

/// Applications of one network.
#[must_use]
pub fn applications(config: &Config, address: &str) -> Subject {
    let free = config.register().applications_of_a_network();
    Subject {
        key: format!("apply:{}", network_of(address)),
        policy: DelayPolicy {
            free,
            lock_after: free.saturating_add(free.div_ceil(2)),
            longest: config.people().lock_duration(),
            forget_after: Duration::hours(1),
            eases_every: None,
        },
    }
}

/// A request that came over no connection of ours counts as one network with all like it.
fn network_of(address: &str) -> String {
    address
        .parse::<IpAddr>()
        .map_or_else(|_| address.to_owned(), |address| Network::of(address).to_string())
}

fn subject(config: &Config, key: String, factor: u32) -> Subject {
    let people = config.people();
    Subject {
        key,
        policy: DelayPolicy {
            free: FREE.saturating_mul(factor),
            lock_after: people.lock_after_failures().saturating_mul(factor),
            longest: people.lock_duration(),
            forget_after: Duration::days(1),
            eases_every: None,
        },
    }
}

/// Too many before: for so many seconds nothing is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many refusals; the next try is judged in {seconds} seconds")]
pub struct Resting {
    /// Whole seconds, at least one.
    pub seconds: i64,
}

impl Resting {
    /// Until `until`, seen from `now`.
    #[must_use]
    pub fn until(until: OffsetDateTime, now: OffsetDateTime) -> Self {
        Self { seconds: (until - now).whole_seconds().max(1) }
    }
}

/// Charges one try.
///
/// # Errors
/// [`StoreError`]: then nothing may be judged.
pub async fn charge(app: &App, subject: Subject) -> Result<Result<(), Resting>, StoreError> {
    let now = app.now();
    let charged = app.store().charge_attempt(&[subject], now).await?;
    Ok(charged.map_err(|until| Resting::until(until, now)))
}

/// Whether `subject` rests. For codes that nobody guesses: only refusals are charged, after.
///
/// # Errors
/// [`StoreError`]: then nothing may be judged.
pub async fn rested(app: &App, subject: &Subject) -> Result<Result<(), Resting>, StoreError> {
    let now = app.now();
    Ok(match app.store().resting(&subject.key, now).await? {
        None => Ok(()),
        Some(until) => Err(Resting::until(until, now)),
    })
}
