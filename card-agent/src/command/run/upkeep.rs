//! What a running agent does by itself for the terminal's certificate: renews it, gives the browser
//! the new one, and answers as what it is enrolled from then on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sekisho_output::say;
use sekisho_protocol::Sha256Digest;
use time::OffsetDateTime;
use tokio::sync::watch;
use url::Url;

use super::super::{Failure, local, refused};
use crate::door::{Agent, Former, Identity};
use crate::presence::Portal;
use crate::terminal::place::{Place, read};
use crate::terminal::renewal::{self, Look, Validity};
use crate::terminal::{browser_store, enrol, key};

/// How often the folder is looked at for another certificate.
const LOOK: Duration = Duration::from_secs(2);
/// How often the certificate's age is looked at; the first time at the start.
const AGE: Duration = Duration::from_secs(60);

/// As what the folder is enrolled, with the newest trust, or the one pinned before where the server
/// can't be reached; also how far the server's clock is ahead, in seconds, where it was reached.
pub(super) async fn identity(place: &Place) -> Result<(Identity, Option<i64>), Failure> {
    let key = key::load(place)?;
    let certificate_sha256 = Sha256Digest::of(read(&place.certificate())?);
    let (trust, ahead) = match enrol::refresh_trust(place, key.as_ref()).await {
        Ok((fresh, ahead)) => (fresh, Some(ahead)),
        Err(error) => {
            tracing::warn!(%error, "trust not refreshed");
            (place.trust()?, None)
        }
    };
    trust.check().map_err(refused)?;
    let former = former(place, key.public());
    Ok((Identity { trust, key, certificate_sha256, former }, ahead))
}

/// The certificate before this one, where it is of the same key.
fn former(place: &Place, key: &sekisho_protocol::Jwk) -> Option<Former> {
    let path = place.former_certificate();
    let der = read(&path).ok()?;
    let until = Validity::of_certificate(&path).ok()?.until;
    let certificate_sha256 = Sha256Digest::of(&der);
    (enrol::public_key_of(&der).as_ref() == Some(key))
        .then_some(Former { certificate_sha256, until })
}

/// Where the card's leaving is reported, and as whom.
pub(super) fn portal(place: &Place, identity: &Identity) -> Result<Portal, Failure> {
    let url = Url::parse(&identity.trust.presence_url).map_err(refused)?;
    let http = enrol::terminal_client(place, identity.key.as_ref(), &url).map_err(local)?;
    Ok(Portal { http, url })
}

/// Takes up each certificate that renewal or enrolment puts into the folder, without a restart:
/// the browser shows the new one from then on, and a login is refused where it shows one that is
/// neither this one nor the one before.
pub(super) async fn follow(
    place: Place,
    agent: Arc<Agent>,
    portals: watch::Sender<Portal>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let held = read(&place.certificate()).map(Sha256Digest::of);
        if held.is_err() || held.is_ok_and(|held| held == agent.identity().certificate_sha256) {
            continue;
        }
        let taken = async {
            let (identity, ahead) = identity(&place).await?;
            portals.send_replace(portal(&place, &identity)?);
            if let Some(ahead) = ahead {
                agent.clock_ahead.store(ahead, Ordering::Relaxed);
            }
            agent.become_another(identity);
            Ok::<_, Failure>(())
        };
        match taken.await {
            Ok(()) => {
                let _ = say("took up the new certificate\n");
            }
            Err(error) => tracing::warn!(?error, "the new certificate was not taken up"),
        }
    }
}

/// Renews the certificate when it is due, for as long as the agent runs.
pub(super) async fn renew(
    place: Place,
    agent: Arc<Agent>,
    mut reached: Option<i64>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let ahead = reached.map(time::Duration::seconds);
        match renewal::look(&place, OffsetDateTime::now_utc(), ahead).await {
            Ok(Look::Nothing) => {}
            Ok(Look::NotDue { ahead }) => {
                reached = Some(ahead.whole_seconds());
                agent.clock_ahead.store(ahead.whole_seconds(), Ordering::Relaxed);
            }
            Ok(Look::Renewed) => {
                let _ = say("renewed the certificate\n");
            }
            Ok(Look::Failed(error)) => {
                tracing::warn!(%error, "the certificate was not renewed; it is tried again");
            }
            Err(error) => tracing::warn!(%error, "the certificate's age is not known"),
        }
        // Also what an earlier run left undone.
        let store = place.clone();
        let supplied = tokio::task::spawn_blocking(move || browser_store::catch_up(&store)).await;
        if let Ok(Err(error)) = supplied {
            tracing::warn!(%error, "the browser's store does not have the new certificate");
        }
        tokio::select! {
            () = tokio::time::sleep(AGE) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
