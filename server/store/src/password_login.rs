//! Logins by password at a facility's terminals.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, moment::moment_opt, sql};

/// What proved the person beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactor {
    /// Nothing.
    None,
    /// A time-based one-time password.
    Totp,
    /// One of the codes for the day on which the app is not at hand.
    RecoveryCode,
    /// A passkey of [`crate::account_passkey`].
    Passkey,
}

impl SecondFactor {
    /// As stored and in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
        }
    }
}

/// A login to be kept. Nothing of it can be verified by others, a password leaves no signature, but for what a
/// passkey signed beside it.
#[derive(Clone, Copy, Debug)]
pub struct NewLogin<'a> {
    /// Whose.
    pub person_id: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// SHA-256 of the facility certificate of the connection.
    pub terminal_fingerprint: &'a [u8; 32],
    /// Beside the password.
    pub second_factor: SecondFactor,
}

/// Keeps a login; answers the identifier by which its session names it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn keep(tx: &mut Tx, login: NewLogin<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO password_login (id, person_id, at, terminal_fingerprint, second_factor)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(&id)
        .bind(login.person_id)
        .bind(login.at)
        .bind(login.terminal_fingerprint)
        .bind(login.second_factor.as_str()),
    )
    .await?;
    Ok(id)
}

/// When a recovery code of the person was last used, at the console or at a terminal, between their login before this
/// one and this one, itself among them.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn recovery_code_since_last(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let (used_at,): (Option<i64>,) = queries
        .fetch_one(
            sql("SELECT MAX(c.used_at) FROM password_login l
                 JOIN recovery_code c ON c.person_id = l.person_id
                 WHERE l.id = $1 AND c.used_at <= l.at AND c.used_at >=
                     COALESCE((SELECT MAX(p.at) FROM password_login p
                               WHERE p.person_id = l.person_id AND p.id < l.id), 0)")
            .bind(id),
        )
        .await?;
    moment_opt("recovery code", used_at)
}
