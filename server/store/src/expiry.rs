//! What is over and of no further use is removed, in batches.
//!
//! Kept for ever: the register with the letters that it sent, certificates, the audit trail, sessions and login evidence. What is
//! removed here is told of by audit records, or was only there so that something counts once.

use time::OffsetDateTime;

use crate::{Store, StoreError, db::housekeeping, sql};

/// Rows that are over at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// Nonces of card logins, answered or not.
    LoginChallenges,
    /// Challenges for passkeys, answered or not.
    PasskeyChallenges,
    /// Authorization requests that waited for a login.
    ParkedRequests,
    /// Identifiers of client assertions, which count once.
    ClientAssertions,
    /// Proofs of possession, which count once.
    DpopProofs,
    /// Nonces of ACME that were used.
    AcmeNonces,
    /// Keys for ACME accounts that nobody used.
    AcmeBindings,
    /// Authorizations of ACME orders.
    AcmeAuthorizations,
    /// ACME orders that led to no certificate.
    AcmeOrders,
    /// Authorization requests that a client sent ahead.
    PushedRequests,
    /// Access tokens that were revoked one by one and would have ended.
    RevokedTokens,
    /// Refresh tokens.
    RefreshTokens,
    /// Authorization codes whose session has ended: until then a second use withdraws what the
    /// first produced.
    AuthorizationCodes,
    /// Grants whose refresh tokens are gone and whose session has ended: until then a logout reaches
    /// the service.
    TokenGrants,
    /// Tokens by which services are registered.
    InitialAccessTokens,
    /// One-time links.
    OneTimeLinks,
    /// Enrolment codes that nobody used; a used one still tells of a second key.
    EnrolmentCodes,
    /// Keys of the SCEP door's registration authority whose certificates have ended.
    ScepAuthorities,
    /// SCEP transactions whose certificates have ended.
    ScepTransactions,
    /// Messages that these certificates were answered to.
    ScepMessages,
    /// Codes by which CMP messages are protected, that were used or have ended.
    CmpSecrets,
    /// CMP transactions.
    CmpTransactions,
    /// Invitations that nobody redeemed, with the names and licence numbers that they hold.
    Invitations,
    /// Counters of failed attempts.
    SignInFailures,
    /// How long logins took.
    LoginTimes,
    /// Messages that were delivered or given up.
    Messages,
}

impl Expiring {
    /// All; refresh tokens stand before the grants that they refer to, authorizations before their orders.
    pub const ALL: [Self; 26] = [
        Self::LoginChallenges,
        Self::PasskeyChallenges,
        Self::ParkedRequests,
        Self::ClientAssertions,
        Self::DpopProofs,
        Self::AcmeNonces,
        Self::AcmeBindings,
        Self::AcmeAuthorizations,
        Self::AcmeOrders,
        Self::PushedRequests,
        Self::RevokedTokens,
        Self::RefreshTokens,
        Self::AuthorizationCodes,
        Self::TokenGrants,
        Self::InitialAccessTokens,
        Self::OneTimeLinks,
        Self::EnrolmentCodes,
        Self::ScepAuthorities,
        Self::ScepTransactions,
        Self::ScepMessages,
        Self::CmpSecrets,
        Self::CmpTransactions,
        Self::Invitations,
        Self::SignInFailures,
        Self::LoginTimes,
        Self::Messages,
    ];

    const fn delete(self) -> &'static str {
        match self {
            Self::LoginChallenges => {
                "DELETE FROM login_challenge WHERE nonce_hash IN (
                     SELECT nonce_hash FROM login_challenge WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::PasskeyChallenges => {
                "DELETE FROM passkey_challenge WHERE challenge_hash IN (
                     SELECT challenge_hash FROM passkey_challenge WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::ParkedRequests => {
                "DELETE FROM parked_request WHERE id_hash IN (
                     SELECT id_hash FROM parked_request WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::ClientAssertions => {
                "DELETE FROM client_assertion WHERE (service_id, jti_hash) IN (
                     SELECT service_id, jti_hash FROM client_assertion WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::DpopProofs => {
                "DELETE FROM dpop_proof WHERE proof_hash IN (
                     SELECT proof_hash FROM dpop_proof WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::AcmeNonces => {
                "DELETE FROM acme_nonce WHERE nonce IN (
                     SELECT nonce FROM acme_nonce WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::AcmeBindings => {
                "DELETE FROM acme_binding WHERE id IN (
                     SELECT id FROM acme_binding WHERE expires_at < $1 AND account_id IS NULL
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::AcmeAuthorizations => {
                "DELETE FROM acme_authorization WHERE id IN (
                     SELECT a.id FROM acme_authorization a JOIN acme_order o ON o.id = a.order_id
                     WHERE o.expires_at < $1 ORDER BY o.expires_at LIMIT $2)"
            }
            Self::AcmeOrders => {
                "DELETE FROM acme_order WHERE id IN (
                     SELECT o.id FROM acme_order o
                     WHERE o.expires_at < $1 AND o.serial IS NULL
                       AND NOT EXISTS (SELECT 1 FROM acme_authorization a WHERE a.order_id = o.id)
                     ORDER BY o.expires_at LIMIT $2)"
            }
            Self::PushedRequests => {
                "DELETE FROM pushed_request WHERE id_hash IN (
                     SELECT id_hash FROM pushed_request WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::RevokedTokens => {
                "DELETE FROM revoked_token WHERE id IN (
                     SELECT id FROM revoked_token WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::RefreshTokens => {
                "DELETE FROM refresh_token WHERE token_hash IN (
                     SELECT token_hash FROM refresh_token WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::AuthorizationCodes => {
                "DELETE FROM authorization_code WHERE code_hash IN (
                     SELECT c.code_hash FROM authorization_code c
                     JOIN session s ON s.id_hash = c.session_hash
                     WHERE c.expires_at < $1 AND s.ended_at < $1
                     ORDER BY c.expires_at LIMIT $2)"
            }
            Self::TokenGrants => {
                "DELETE FROM token_grant WHERE id IN (
                     SELECT g.id FROM token_grant g
                     JOIN session s ON s.id_hash = g.session_hash
                     WHERE s.ended_at < $1
                       AND NOT EXISTS (SELECT 1 FROM refresh_token r WHERE r.grant_id = g.id)
                     ORDER BY g.created_at LIMIT $2)"
            }
            Self::InitialAccessTokens => {
                "DELETE FROM initial_access_token WHERE id IN (
                     SELECT id FROM initial_access_token WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::OneTimeLinks => {
                "DELETE FROM one_time_link WHERE token_hash IN (
                     SELECT token_hash FROM one_time_link WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::EnrolmentCodes => {
                "DELETE FROM enrolment_code WHERE code_hash IN (
                     SELECT code_hash FROM enrolment_code
                     WHERE expires_at < $1 AND used_at IS NULL ORDER BY expires_at LIMIT $2)"
            }
            Self::ScepAuthorities => {
                "DELETE FROM scep_ra WHERE certificate_sha256 IN (
                     SELECT certificate_sha256 FROM scep_ra WHERE not_after < $1
                     ORDER BY not_after LIMIT $2)"
            }
            Self::ScepTransactions => {
                "DELETE FROM scep_transaction WHERE certificate_sha256 IN (
                     SELECT certificate_sha256 FROM scep_transaction WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::ScepMessages => {
                "DELETE FROM scep_message WHERE content_sha256 IN (
                     SELECT content_sha256 FROM scep_message WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::CmpSecrets => {
                "DELETE FROM cmp_secret WHERE code_hash IN (
                     SELECT s.code_hash FROM cmp_secret s
                     LEFT JOIN enrolment_code c ON c.code_hash = s.code_hash
                     WHERE COALESCE(c.used_at, c.expires_at, s.expires_at) < $1
                     ORDER BY s.expires_at LIMIT $2)"
            }
            Self::CmpTransactions => {
                "DELETE FROM cmp_transaction WHERE (terminal_id, transaction_id) IN (
                     SELECT terminal_id, transaction_id FROM cmp_transaction WHERE expires_at < $1
                     ORDER BY expires_at LIMIT $2)"
            }
            Self::Invitations => {
                "DELETE FROM invitation WHERE id IN (
                     SELECT id FROM invitation
                     WHERE expires_at < $1 AND redeemed_at IS NULL ORDER BY expires_at LIMIT $2)"
            }
            Self::SignInFailures => {
                "DELETE FROM sign_in_failure WHERE subject IN (
                     SELECT subject FROM sign_in_failure
                     WHERE last_at < $1 AND locked_until < $1 ORDER BY last_at LIMIT $2)"
            }
            Self::LoginTimes => {
                "DELETE FROM login_time WHERE session_hash IN (
                     SELECT session_hash FROM login_time WHERE at < $1 ORDER BY at LIMIT $2)"
            }
            Self::Messages => {
                "DELETE FROM outbox WHERE id IN (
                     SELECT id FROM outbox WHERE done_at < $1 ORDER BY done_at LIMIT $2)"
            }
        }
    }
}

impl Store {
    /// Removes at most `limit` rows that were over before `before`; answers how many.
    ///
    /// `before` lies so far back that nobody's clock still takes such a row for good, so that a
    /// replay is told from a stranger for as long as anybody could try.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_expired(
        &self,
        what: Expiring,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<u64, StoreError> {
        housekeeping!(self, |tx| tx
            .execute(sql(what.delete()).bind(before).bind(limit).long())
            .await?)
    }
}
