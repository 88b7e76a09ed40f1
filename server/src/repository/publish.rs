//! Makes new CRLs: by the clock, and at once after a revocation.

use sekisho_ca::{
    authority::Authority,
    revocation::crl::{CrlError, RevokedEntry},
};
use sekisho_pki::encoding::serial::{Serial, SerialError};
use sekisho_store::{
    StoreError,
    crl::{self, Crl},
    publication, revocation,
};
use time::OffsetDateTime;

use super::ocsp::known_reason;
use crate::app::App;

/// Why no CRL was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database.
    #[error("the CRL could not be stored")]
    Store(#[from] StoreError),
    /// The signature.
    #[error("the CRL could not be signed")]
    Crl(#[from] CrlError),
    /// A stored serial number.
    #[error("a stored serial number does not read back")]
    Serial(#[from] SerialError),
    /// No such authority.
    #[error("there is no authority `{issuer_id}` here")]
    UnknownIssuer {
        /// As asked for.
        issuer_id: String,
    },
}

/// Publishes a CRL for each authority whose newest one is old, or older than a revocation.
///
/// # Errors
/// [`PublishError`]: the first authority that failed.
pub async fn publish_due(app: &App) -> Result<(), PublishError> {
    for authority in app.authority().issuing() {
        if is_due(app, authority.id()).await? {
            publish(app, authority).await?;
        }
    }
    Ok(())
}

/// Publishes a CRL at once; for whoever has just revoked.
///
/// # Errors
/// [`PublishError`]. The job tries again within seconds.
pub async fn publish_now(app: &App, issuer_id: &str) -> Result<(), PublishError> {
    let authority = app
        .authority()
        .find(issuer_id)
        .ok_or_else(|| PublishError::UnknownIssuer { issuer_id: issuer_id.to_owned() })?;
    publish(app, authority).await
}

async fn is_due(app: &App, issuer_id: &str) -> Result<bool, PublishError> {
    let mut reader = app.store().read();
    let Some(newest) = crl::latest(&mut reader, issuer_id).await? else { return Ok(true) };
    if app.now() >= newest.this_update + app.config().authority().crl_every() {
        return Ok(true);
    }
    // Not only later ones: an event of the same second may have missed the list.
    let event = publication::latest_event_at(&mut reader, issuer_id).await?;
    Ok(event.is_some_and(|at| at >= newest.this_update))
}

async fn publish(app: &App, authority: &Authority) -> Result<(), PublishError> {
    let validity = app.config().authority().crl_validity();
    // Another process may publish at the same time; its number wins, and the list is built anew
    // from what is known then.
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let this_update = whole_seconds(app.now());
        let mut reader = app.store().read();
        // The number first: a list built after it knows at least what the number promises.
        let number = crl::next_number(&mut reader, authority.id()).await?;
        // RFC 5280 §3.3: an entry stays for one list beyond the certificate's end.
        let entries =
            revocation::crl_entries(&mut reader, authority.id(), this_update - validity).await?;
        let entries = entries
            .into_iter()
            .map(|entry| {
                Ok(RevokedEntry {
                    serial: Serial::from_octets(&entry.serial)?,
                    at: entry.revoked_at,
                    reason: known_reason(entry.reason),
                })
            })
            .collect::<Result<Vec<_>, SerialError>>()?;
        let next_update = this_update + validity;
        let unsigned = u64::try_from(number).unwrap_or_default();
        let der = authority.sign_crl(unsigned, &entries, this_update, next_update).await?;
        let crl = Crl { number, this_update, next_update, der };
        match app.store().publish_crl(authority.id(), &crl).await {
            Ok(true) => {
                tracing::info!(
                    issuer = authority.id(),
                    number,
                    entries = entries.len(),
                    "CRL published"
                );
                return Ok(());
            }
            Ok(false) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Five others were faster; the newest of theirs was built after this call began or the job
    // finds it due again.
    Ok(())
}

fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}
