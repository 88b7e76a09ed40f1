//! Password and second factor of an account, judged alike at the console and at a terminal's portal.
//!
//! 1. [`Attempt::charge`]: every attempt is paid for before it is judged, also for names that nobody has.
//! 2. [`Verified::judge`]: both factors are looked at whatever the first one says, at the same cost for
//!    names that nobody has, so that neither answer nor time tells which of the three was wrong.
//! 3. [`Verified::consume`]: in the transaction that opens the session.

use sekisho_store::{
    StoreError, Tx,
    account::{self, Account},
    attempt::Subject,
    password_login::SecondFactor,
    recovery_code,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    password::{self, HashError},
    totp::{TotpSecret, typed_code},
    tries::Resting,
};
use crate::{
    app::App,
    notice::{self, Notice, To},
    paper_code::PaperCode,
};

/// An attempt that was paid for.
#[derive(Debug)]
pub struct Attempt {
    account: String,
    places: Vec<String>,
}

impl Attempt {
    /// Charges account and places, such as the network, or answers how long one of them rests.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be judged.
    pub async fn charge(
        app: &App,
        account: Subject,
        places: impl IntoIterator<Item = Subject>,
    ) -> Result<Result<Self, Resting>, StoreError> {
        let now = app.now();
        let mut subjects = vec![account];
        subjects.extend(places);
        let mut keys = subjects.iter().map(|subject| subject.key.clone());
        let account = keys.next().unwrap_or_default();
        let paid = Self { account, places: keys.collect() };
        let charged = app.store().charge_attempt(&subjects, now).await?;
        Ok(charged.map(|()| paid).map_err(|until| Resting::until(until, now)))
    }

    /// Takes the charge back, since both factors were right: all of the account, one of each place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn settle(self, app: &App) -> Result<(), StoreError> {
        let places: Vec<_> = self.places.iter().map(String::as_str).collect();
        app.store().settle_attempt(&[&self.account], &places).await
    }
}

/// What was typed beside the password, and fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// The one-time password of this time step.
    Totp(i64),
    /// A recovery code, by its SHA-256.
    RecoveryCode([u8; 32]),
}

impl Second {
    /// As stored and in audit records.
    #[must_use]
    pub const fn kept(self) -> SecondFactor {
        match self {
            Self::Totp(_) => SecondFactor::Totp,
            Self::RecoveryCode(_) => SecondFactor::RecoveryCode,
        }
    }
}

/// An account whose password fits, and its second factor if one was typed.
#[derive(Debug)]
pub struct Verified {
    account: Account,
    /// Not consumed yet.
    pub second: Option<Second>,
}

/// Why nobody was verified, for the trail: the person is told one thing for all of it.
pub type Why = &'static str;

impl Verified {
    /// Judges password and second factor. Without a `code` the password alone is judged: whether that does is
    /// for the caller to say. A code that was typed has to fit.
    ///
    /// # Errors
    /// [`ProofError`]: ours, not the person's.
    pub async fn judge(
        app: &App,
        login_name: &str,
        password: Zeroizing<String>,
        code: Option<&str>,
    ) -> Result<Result<Self, Why>, ProofError> {
        let found = account::find(&mut app.store().read(), login_name).await?;
        let complete = found.filter(Account::is_complete);
        let phc = complete.as_ref().and_then(|account| account.password_phc.clone());
        let fits = password::verify(password, phc).await?;
        let second = match code {
            Some(code) => second_of(app, complete.as_ref(), code).await?,
            None => None,
        };
        Ok(match complete {
            Some(account) if fits && (second.is_some() || code.is_none()) => {
                Ok(Self { account, second })
            }
            _ => Err("wrong_credentials"),
        })
    }

    /// Whose account.
    #[must_use]
    pub fn person_id(&self) -> &str {
        &self.account.person_id
    }

    /// Its login name.
    #[must_use]
    pub fn login_name(&self) -> &str {
        &self.account.login_name
    }

    /// What was typed beside the password, as in audit records.
    #[must_use]
    pub fn second_factor(&self) -> &'static str {
        self.second.map_or(SecondFactor::None, Second::kept).as_str()
    }

    /// Consumes the second factor; whoever used a recovery code finds a notice of it. Refused too where password or
    /// second factor were set anew since they were judged: hashing takes some time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn consume(
        &self,
        tx: &mut Tx,
        at: OffsetDateTime,
    ) -> Result<Result<(), Why>, StoreError> {
        let person_id = self.account.person_id.as_str();
        if account::of_person(tx, person_id).await?.as_ref() != Some(&self.account) {
            return Ok(Err("factors_changed"));
        }
        let consumed = match self.second {
            None => true,
            Some(Second::Totp(step)) => account::consume_totp_step(tx, person_id, step).await?,
            Some(Second::RecoveryCode(hash)) => {
                let consumed = recovery_code::consume(tx, person_id, &hash, at).await?;
                if consumed {
                    let left = recovery_code::left(tx, person_id).await?;
                    let to = To::Person(person_id.to_owned());
                    notice::put(tx, to, Notice::RecoveryCodeUsed { left }, at).await?;
                }
                consumed
            }
        };
        Ok(if consumed { Ok(()) } else { Err("code_used_before") })
    }
}

/// What was typed, as the one or the other: six digits are no recovery code, which has a check character. The same is
/// looked up, opened and computed where there is no account.
async fn second_of(
    app: &App,
    account: Option<&Account>,
    typed: &str,
) -> Result<Option<Second>, StoreError> {
    let person_id = account.map_or(NOBODY, |account| account.person_id.as_str());
    if let Ok(code) = PaperCode::parse(typed) {
        let hash = code.hash();
        let good = recovery_code::is_good(&mut app.store().read(), person_id, &hash).await?;
        return Ok(good.then_some(Second::RecoveryCode(hash)));
    }
    let sealed = account.and_then(|account| account.totp_sealed.as_deref());
    let sealed = sealed.unwrap_or(&[0; SEALED]);
    let secret = TotpSecret::open_of(&app.keys().sealing, person_id, sealed);
    let known = secret.is_ok();
    let step = secret.unwrap_or_else(|_| TotpSecret::nobodys());
    let step = step.step_of(&typed_code(typed), app.now()).filter(|_| known);
    Ok(step.map(Second::Totp))
}

/// As long as a person's identifier, and no one's.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Octets of a sealed secret: nonce, 160 bits, tag.
const SEALED: usize = 12 + 20 + 16;

/// The factors could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Hashing.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}
