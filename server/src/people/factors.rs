//! Setting both factors at once: the part that first use and activation share.

use sekisho_store::{
    StoreError, Tx,
    account::{self, Factors},
    account_passkey, chosen_password, recovery_code,
};
use zeroize::Zeroizing;

use super::{
    breach_list::BreachListError,
    field::FieldErrors,
    password::{self, HashError, PasswordRefusal},
    proof::Second,
    totp::{TotpError, TotpSecret, typed_code},
};
use crate::{app::App, catalogue::Text, sealing::SealingError};

/// Why both factors could not be set for a reason of our own.
#[derive(Debug, thiserror::Error)]
pub enum FactorsError {
    /// The password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The second factor was not prepared.
    #[error(transparent)]
    Totp(#[from] TotpError),
    /// Nobody knows whether the password is known from a breach.
    #[error(transparent)]
    BreachList(#[from] BreachListError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SealingError> for FactorsError {
    fn from(error: SealingError) -> Self {
        Self::Totp(error.into())
    }
}

/// What a page needs to ask for both factors.
#[derive(Debug)]
pub struct Setup {
    /// Hidden field `setup`.
    pub setup: String,
    /// The picture, an `<svg>` element of our own making.
    pub qr: String,
    /// The secret as text.
    pub secret: String,
}

impl Setup {
    /// With the secret of `previous`, the form's hidden field, if it opens; else with a fresh one.
    ///
    /// # Errors
    /// [`FactorsError`].
    pub fn prepare(
        app: &App,
        bound_to: &[u8; 32],
        previous: Option<&str>,
        issuer: &str,
        account: &str,
    ) -> Result<Self, FactorsError> {
        let sealing = &app.keys().sealing;
        let kept =
            previous.and_then(|setup| TotpSecret::open_of_setup(sealing, bound_to, setup).ok());
        let secret = match kept {
            Some(secret) => secret,
            None => TotpSecret::draw(app.random()).map_err(TotpError::from)?,
        };
        Ok(Self {
            setup: secret.seal_for_setup(sealing, app.random(), bound_to)?,
            qr: secret.as_qr(issuer, account)?,
            secret: secret.as_text()?,
        })
    }
}

/// What was typed.
pub struct Typed<'a> {
    /// Field `password`.
    pub password: &'a str,
    /// Field `password_again`.
    pub password_again: &'a str,
    /// Field `totp_code`.
    pub totp_code: &'a str,
    /// Hidden field `setup`.
    pub setup: &'a str,
    /// The account's login name.
    pub login_name: &'a str,
}

/// A password that somebody may have from now on.
pub struct NewPassword(Zeroizing<String>);

impl NewPassword {
    /// Holds what was typed into `password` and `password_again` against all rules; what is wrong goes to
    /// `errors`.
    ///
    /// # Errors
    /// [`FactorsError`]: a list that is to be asked does not answer.
    pub async fn check(
        app: &App,
        typed: &Typed<'_>,
        text: &Text,
        errors: &mut FieldErrors,
    ) -> Result<Option<Self>, FactorsError> {
        let people = app.config().people();
        let least = people.password_least_characters();
        if let Err(refusal) = password::check(typed.password, typed.login_name, least) {
            errors.add("password", refusal_text(refusal, text));
            return Ok(None);
        }
        if typed.password != typed.password_again {
            errors.add("password_again", text.t("people-error-password-again"));
            return Ok(None);
        }
        let password = Zeroizing::new(typed.password.to_owned());
        if password::is_breached(&password, people.breached_passwords_file()).await? {
            errors.add("password", refusal_text(PasswordRefusal::Breached, text));
            return Ok(None);
        }
        Ok(Some(Self(password)))
    }

    /// Whether it is one of a person's last ones: then `errors` says so. Asked last, of a form that is right
    /// otherwise and paid for, and recorded: the answer tells of a password that is in force.
    ///
    /// # Errors
    /// [`FactorsError`]: hashing, or the database.
    pub async fn is_reused(
        &self,
        app: &App,
        person_id: &str,
        text: &Text,
        errors: &mut FieldErrors,
    ) -> Result<bool, FactorsError> {
        let mut reader = app.store().read();
        let mut last = chosen_password::of_person(&mut reader, person_id).await?;
        let account = account::of_person(&mut reader, person_id).await?;
        // One that was chosen before passwords were remembered.
        let present = account.and_then(|account| account.password_phc);
        last.extend(present.filter(|present| !last.contains(present)));
        let reused = password::is_among(&self.0, last).await?;
        if reused {
            errors.add("password", refusal_text(PasswordRefusal::Reused, text));
        }
        Ok(reused)
    }

    /// Its PHC string.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(self, app: &App) -> Result<String, HashError> {
        password::hash(self.0, app.random()).await
    }
}

/// Reason of the record where somebody chose one of their last passwords.
pub const REUSED: &str = "password_reused";

/// Remembers a password that was set for a person in the same transaction.
///
/// # Errors
/// [`StoreError`].
pub async fn remember(
    tx: &mut Tx,
    app: &App,
    person_id: &str,
    password_phc: &str,
) -> Result<(), StoreError> {
    let keep = app.config().people().passwords_remembered().into();
    chosen_password::remember(tx, person_id, password_phc, keep, app.now()).await
}

/// Both factors, proven.
pub struct Proven {
    password: NewPassword,
    secret: TotpSecret,
    step: i64,
}

impl Proven {
    /// Checks both; what is wrong goes to `errors`.
    ///
    /// # Errors
    /// [`FactorsError`]: a list that is to be asked does not answer.
    pub async fn check(
        app: &App,
        typed: &Typed<'_>,
        bound_to: &[u8; 32],
        text: &Text,
        errors: &mut FieldErrors,
    ) -> Result<Option<Self>, FactorsError> {
        let password = NewPassword::check(app, typed, text, errors).await?;
        let sealing = &app.keys().sealing;
        let Ok(secret) = TotpSecret::open_of_setup(sealing, bound_to, typed.setup) else {
            // Not a matter of the digits: the page shows another secret than the one they are of.
            errors.add("setup", text.t("people-error-setup"));
            return Ok(None);
        };
        let Some(step) = secret.step_of(&typed_code(typed.totp_code), app.now()) else {
            errors.add("totp_code", text.t("people-error-totp"));
            return Ok(None);
        };
        let password = password.filter(|_| errors.is_empty());
        Ok(password.map(|password| Self { password, secret, step }))
    }

    /// The password, for [`NewPassword::is_reused`].
    #[must_use]
    pub fn password(&self) -> &NewPassword {
        &self.password
    }

    /// The code by which the second factor was proven.
    #[must_use]
    pub fn second(&self) -> Second {
        Second::Totp(self.step)
    }

    /// Hashes and seals them, outside any transaction.
    ///
    /// # Errors
    /// [`FactorsError`].
    pub async fn prepare(self, app: &App) -> Result<Prepared, FactorsError> {
        let password_phc = self.password.hash(app).await?;
        Ok(Prepared { password_phc, secret: self.secret, step: self.step })
    }
}

/// Both factors, ready for an account.
pub struct Prepared {
    password_phc: String,
    secret: TotpSecret,
    step: i64,
}

impl Prepared {
    /// Stores them for a person.
    ///
    /// # Errors
    /// [`sekisho_store::StoreError`].
    pub async fn store(
        &self,
        tx: &mut Tx,
        app: &App,
        person_id: &str,
    ) -> Result<(), StoreFactorsError> {
        let sealed = self.secret.seal_for(&app.keys().sealing, app.random(), person_id)?;
        let factors = Factors {
            password_phc: &self.password_phc,
            totp_sealed: &sealed,
            totp_step: self.step,
        };
        account::set_factors(tx, person_id, factors, app.now()).await?;
        remember(tx, app, person_id, &self.password_phc).await?;
        // Codes and passkeys that stood for the old second factor stand for nothing.
        recovery_code::withdraw(tx, person_id).await?;
        account_passkey::void(tx, person_id, app.now()).await?;
        Ok(())
    }
}

/// Why both factors could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreFactorsError {
    /// The secret could not be sealed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The database.
    #[error(transparent)]
    Store(#[from] sekisho_store::StoreError),
}

fn refusal_text(refusal: PasswordRefusal, text: &Text) -> String {
    match refusal {
        PasswordRefusal::TooShort { least } => {
            text.t1("people-error-password-short", "least", least)
        }
        PasswordRefusal::TooLong => text.t("people-error-password-long"),
        PasswordRefusal::Invisible => text.t("people-error-password-invisible"),
        PasswordRefusal::Common => text.t("people-error-password-common"),
        PasswordRefusal::Breached => text.t("people-error-password-breached"),
        PasswordRefusal::Reused => text.t("people-error-password-reused"),
        PasswordRefusal::HoldsLoginName => text.t("people-error-password-name"),
    }
}
