//! The first person of an instance: an administrator of the operating body, who has a one-time
//! link and nothing else.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};

/// How a one-time link's token is stored: SHA-256 of its text. The token has 256 random bits, so
/// nobody finds it by trying.
#[must_use]
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

impl Store {
    /// Enters the first administrator with a link that is good until `expires_at`.
    ///
    /// `login_name` must be in lower case. Answers the person's identifier.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: the login name or the token is taken.
    pub async fn add_first_administrator(
        &self,
        login_name: &str,
        token_hash: &[u8; 32],
        operator: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<String, StoreError> {
        let person_id = Uuid::now_v7().to_string();
        transaction!(self, StoreError, |tx| {
            tx.execute(
                sql("INSERT INTO person (id, created_at) VALUES ($1, $2)")
                    .bind(&person_id)
                    .bind(now),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO person_name (person_id, name, name_kana, name_romaji, search_key)
                     VALUES ($1, $2, '', '', $2)")
                .bind(&person_id)
                .bind(login_name),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO account (person_id, login_name, email) VALUES ($1, $2, '')")
                    .bind(&person_id)
                    .bind(login_name),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO role_grant (id, person_id, role, granted_at)
                     VALUES ($1, $2, 'operating_administrator', $3)")
                .bind(Uuid::now_v7().to_string())
                .bind(&person_id)
                .bind(now),
            )
            .await?;
            tx.execute(
                sql("INSERT INTO one_time_link
                         (token_hash, person_id, purpose, created_at, expires_at)
                     VALUES ($1, $2, 'first_use', $3, $4)")
                .bind(token_hash)
                .bind(&person_id)
                .bind(now)
                .bind(expires_at),
            )
            .await?;
            let entry = Entry::done(
                "person.add_first_administrator",
                Actor::Operator(operator.to_owned()),
                now,
            )
            .on("person", &person_id)
            .fact("role", "operating_administrator")
            .fact("link_expires_at", expires_at.unix_timestamp())
            .personal("login_name", login_name);
            Ok(Audited::new((), entry))
        })?;
        Ok(person_id)
    }
}
