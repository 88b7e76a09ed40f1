//! Passwords: which are accepted, and how they are kept.
//!
//! argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet). At most two are
//! computed at once, off the threads that answer requests.

use std::path::Path;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use sekisho_key::Randomness;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::breach_list::{self, BreachListError};
use crate::form;

/// More would let a burst of logins take the memory of the whole machine.
static SLOTS: Semaphore = Semaphore::const_new(2);

/// The longest password, in octets; argon2 takes any, a request should not.
const MOST_OCTETS: usize = 512;

/// Passwords that are tried first everywhere, in lower case, of eight characters and more.
const COMMON: &str = include_str!("common_passwords.txt");

/// Why a new password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefusal {
    /// Fewer characters than configured.
    #[error("the password has fewer than {least} characters")]
    TooShort {
        /// Least number of characters.
        least: usize,
    },
    /// More than 512 octets.
    #[error("the password is too long")]
    TooLong,
    /// Holds a character that nobody sees, and could type again: no keyboard has it, and it would make a
    /// common password pass for another one.
    #[error("the password holds an invisible character")]
    Invisible,
    /// On the list of the commonest, or one character over and over.
    #[error("the password is one of the commonest")]
    Common,
    /// Holds the login name.
    #[error("the password holds the login name")]
    HoldsLoginName,
    /// Known from a breach.
    #[error("the password is known from a breach")]
    Breached,
    /// One of the person's last ones.
    #[error("the password is one of the person's last ones")]
    Reused,
}

/// Checks a new password. No rule about kinds of characters and none about age
/// (NIST SP 800-63B §5.1.1.2).
///
/// # Errors
/// [`PasswordRefusal`]: the first rule that is broken.
pub fn check(password: &str, login_name: &str, least: usize) -> Result<(), PasswordRefusal> {
    if password.len() > MOST_OCTETS {
        return Err(PasswordRefusal::TooLong);
    }
    if password.chars().count() < least {
        return Err(PasswordRefusal::TooShort { least });
    }
    if form::holds_invisible(password) {
        return Err(PasswordRefusal::Invisible);
    }
    let lower = password.nfkc().collect::<String>().to_lowercase();
    let mut characters = lower.chars();
    let first = characters.next();
    if COMMON.lines().any(|common| common == lower) || characters.all(|c| Some(c) == first) {
        return Err(PasswordRefusal::Common);
    }
    if !login_name.is_empty() && lower.contains(&login_name.to_lowercase()) {
        return Err(PasswordRefusal::HoldsLoginName);
    }
    Ok(())
}

/// A password could not be hashed: our fault, not the person's.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// No salt.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The library refused its parameters.
    #[error("argon2 did not hash the password")]
    Argon2(#[source] argon2::password_hash::Error),
    /// The thread that computed it is gone.
    #[error("the computation of the password's hash broke off")]
    Stopped,
}

/// The PHC string of a password with a fresh salt.
///
/// # Errors
/// [`HashError`].
pub async fn hash(
    password: Zeroizing<String>,
    random: &dyn Randomness,
) -> Result<String, HashError> {
    let mut salt = [0; 16];
    random.fill(&mut salt)?;
    computed(move || {
        argon2().hash_password_with_salt(password.as_bytes(), &salt).map(|hash| hash.to_string())
    })
    .await?
    .map_err(HashError::Argon2)
}

/// Whether `password` is the one of `phc`. Without a `phc` the same work is done for nothing, so
/// that an answer takes as long for a login name that nobody has.
///
/// # Errors
/// [`HashError`].
pub async fn verify(password: Zeroizing<String>, phc: Option<String>) -> Result<bool, HashError> {
    if password.len() > MOST_OCTETS {
        return Ok(false);
    }
    computed(move || {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| NOBODYS.to_owned());
        let fits = PasswordHash::new(&phc)
            .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
        known && fits
    })
    .await
}

/// Of a random password that nobody wrote down, with the parameters of [`argon2`].
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRmb3Jub2JvZHk$Y3uOqSQ0ykH9OS3ryHcSZ9W0lA8S9lOn2ZLQ5tBYzqk";

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Whether `password` is one of these.
///
/// # Errors
/// [`HashError`].
pub async fn is_among(password: &Zeroizing<String>, phcs: Vec<String>) -> Result<bool, HashError> {
    for phc in phcs {
        if verify(password.clone(), Some(phc)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a password is known from a breach, if a list of such is configured.
///
/// # Errors
/// [`BreachListError`]: nobody knows.
pub async fn is_breached(
    password: &Zeroizing<String>,
    list: Option<&Path>,
) -> Result<bool, BreachListError> {
    let Some(list) = list.map(Path::to_owned) else { return Ok(false) };
    let password = password.clone();
    let search = tokio::task::spawn_blocking(move || breach_list::holds(&list, &password));
    search.await.map_err(|_| BreachListError::Stopped)?
}

async fn computed<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HashError> {
    let _slot = SLOTS.acquire().await.map_err(|_| HashError::Stopped)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| HashError::Stopped)
}

#[cfg(test)]
mod tests {
    use sekisho_key::SystemRandomness;

    use super::*;

    #[test]
    fn short_common_and_telling_passwords_are_refused() {
        let judged = |password| check(password, "sato", 8);
        assert_eq!(judged("abcdefg"), Err(PasswordRefusal::TooShort { least: 8 }));
        assert_eq!(judged("Password1"), Err(PasswordRefusal::Common));
        assert_eq!(judged("Ｐａｓｓｗｏｒｄ１"), Err(PasswordRefusal::Common));
        for hidden in
            ["password\u{200b}\u{200b}\u{200b}\u{200b}", "kawa-no\tnagare", "kawa\u{17b4}nagare"]
        {
            assert_eq!(judged(hidden), Err(PasswordRefusal::Invisible), "{hidden:?}");
        }
        assert_eq!(judged("aaaaaaaaaaaa"), Err(PasswordRefusal::Common));
        assert_eq!(judged("xx-SATO-xx-77"), Err(PasswordRefusal::HoldsLoginName));
        let long = "あ".repeat(300);
        assert_eq!(check(&long, "sato", 8), Err(PasswordRefusal::TooLong));
        assert_eq!(judged("正しい馬の電池の釘"), Ok(()));
        assert_eq!(judged("kawa-no-nagare-wa"), Ok(()));
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let own = |text: &str| Zeroizing::new(text.to_owned());
        let phc = hash(own("kawa-no-nagare"), &SystemRandomness).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify(own("kawa-no-nagare"), Some(phc.clone())).await.unwrap());
        assert!(!verify(own("kawa-no-nagarf"), Some(phc)).await.unwrap());
        assert!(!verify(own("kawa-no-nagare"), None).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_costs() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(
            Params::try_from(&nobodys).unwrap(),
            Params::try_from(&argon2().hash_password_with_salt(b"x", &[1; 16]).unwrap()).unwrap()
        );
    }
}
