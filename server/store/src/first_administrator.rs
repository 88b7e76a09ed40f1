//! The first person of an instance: an administrator of the operating body, who has a one-time
//! link and nothing else.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    Store, StoreError, account,
    audit::{Actor, Audited, Entry},
    person, role_grant, transaction,
};

const ROLE: &str = "operating_administrator";

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
        operator: Actor,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<String, StoreError> {
        transaction!(self, StoreError, |tx| {
            let person_id = person::enter(tx, login_name, "", now).await?;
            account::open(tx, &person_id, login_name, "").await?;
            role_grant::grant(tx, &person_id, ROLE, None, None, now).await?;
            account::issue_link(tx, token_hash, &person_id, None, now, expires_at).await?;
            let actor = operator.clone();
            let entry = Entry::done("person.add_first_administrator", actor, now)
                .on("person", &person_id)
                .fact("role", ROLE)
                .fact("link_expires_at", expires_at.unix_timestamp())
                .personal("login_name", login_name);
            Ok(Audited::new(person_id, entry))
        })
    }
}
