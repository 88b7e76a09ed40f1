//! Removes what is over, in bounded batches, so that no run holds the database for long.

use sekisho_store::{StoreError, expiry::Expiring};
use time::Duration;

use crate::app::App;

/// Rows a statement.
const BATCH: i64 = 500;
/// Statements a run for one kind of row; what is left waits for the next run.
const MOST_BATCHES: u32 = 20;

/// How long a row is kept after it is over.
///
/// Where a row makes something count once, that is long enough for the clocks of all processes and
/// for the agents, whose clocks may be off by five minutes: a replay must meet its row for as long
/// as anybody would still take what is replayed. Where a page tells of it, as long as people ask.
const fn kept(what: Expiring) -> Duration {
    match what {
        Expiring::LoginChallenges
        | Expiring::PasskeyChallenges
        | Expiring::ParkedRequests
        | Expiring::ClientAssertions
        | Expiring::DpopProofs
        | Expiring::AcmeNonces
        | Expiring::AcmeBindings
        | Expiring::PushedRequests
        | Expiring::RevokedTokens
        | Expiring::RefreshTokens
        | Expiring::TokenGrants
        | Expiring::ScepAuthorities
        | Expiring::ScepTransactions
        | Expiring::ScepMessages
        | Expiring::CmpSecrets
        | Expiring::CmpTransactions
        | Expiring::AuthorizationCodes => Duration::HOUR,
        // The longest memory of a counter is a day (`people::tries`).
        Expiring::SignInFailures => Duration::days(2),
        Expiring::OneTimeLinks
        | Expiring::EnrolmentCodes
        | Expiring::Invitations
        | Expiring::AcmeAuthorizations
        | Expiring::AcmeOrders
        | Expiring::InitialAccessTokens
        | Expiring::Messages => Duration::days(30),
        // Who waits too long calls the same day.
        Expiring::LoginTimes => Duration::WEEK,
    }
}

/// Scheduled: one run over everything that is over at some time.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next run.
pub async fn run(app: &App) -> Result<(), StoreError> {
    for what in Expiring::ALL {
        let before = app.now() - kept(what);
        let mut removed = 0;
        for _ in 0..MOST_BATCHES {
            let batch = app.store().forget_expired(what, before, BATCH).await?;
            removed += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        if removed > 0 {
            tracing::debug!(?what, removed, "removed what was over");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_store::{
        Queries,
        audit::{Actor, Audited, Entry},
        challenge::{self, Challenge},
        sql, transaction,
    };

    use super::*;

    #[tokio::test]
    async fn nonces_are_kept_past_their_end_and_removed_in_batches() {
        let test = crate::testing::app().await;
        let (app, now) = (&test.app, test.app.now());
        transaction!(app.store(), StoreError, |tx| {
            for number in 0..1_200_u32 {
                let mut nonce_hash = [0; 32];
                nonce_hash[..4].copy_from_slice(&number.to_be_bytes());
                let challenge = Challenge {
                    session_hash: None,
                    nonce_hash,
                    browser_hash: [1; 32],
                    terminal_fingerprint: [2; 32],
                    page_thumbprint: String::new(),
                    request_jws: String::new(),
                    purpose: "login".to_owned(),
                    invitation_id: None,
                    return_to: None,
                    created_at: now,
                    expires_at: now + Duration::MINUTE,
                };
                challenge::remember(tx, &challenge).await?;
            }
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
        let left = async || {
            let count = sql("SELECT COUNT(*) FROM login_challenge");
            let (count,): (i64,) = app.store().read().fetch_one(count).await.unwrap();
            count
        };
        test.clock.advance(Duration::HOUR);
        run(app).await.unwrap();
        assert_eq!(left().await, 1_200, "within the leeway nothing goes");
        test.clock.advance(Duration::MINUTE * 2);
        run(app).await.unwrap();
        assert_eq!(left().await, 0);
    }

    #[test]
    fn what_counts_once_is_kept_longer_than_any_clock_is_off() {
        for what in Expiring::ALL {
            assert!(kept(what) > Duration::minutes(10), "{what:?}");
        }
    }
}
