//! How often somebody may guess.

use sekisho_store::attempt::{DelayPolicy, Subject};
use time::Duration;

use crate::config::Config;

/// Failures without delay.
const FREE: u32 = 3;
/// Behind one address may sit a whole hospital.
const ADDRESS_FACTOR: u32 = 10;

/// Guesses at the password or second factor of one login name, existing or not: nobody learns from
/// a delay whether it does.
#[must_use]
pub fn account(config: &Config, login_name: &str) -> Subject {
    subject(config, format!("account:{login_name}"), 1)
}

/// Guesses from one network address at any login name.
#[must_use]
pub fn address(config: &Config, address: &str) -> Subject {
    subject(config, format!("address:{address}"), ADDRESS_FACTOR)
}

/// Guesses from one network address at one-time links and activation codes. They have 80 bits and
/// more: this spares the database, not the codes.
#[must_use]
pub fn code(config: &Config, address: &str) -> Subject {
    subject(config, format!("code:{address}"), 2)
}

fn subject(config: &Config, key: String, factor: u32) -> Subject {
    let people = config.people();
    Subject {
        key,
        policy: DelayPolicy {
            free: FREE * factor,
            lock_after: people.lock_after_failures() * factor,
            longest: people.lock_duration(),
            forget_after: Duration::days(1),
        },
    }
}
