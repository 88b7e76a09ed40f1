//! What a running agent does by itself: renews the terminal's certificate, gives the browser the new
//! one, answers as what it is enrolled from then on, and asks the server whom it is to obey.

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
/// How often the server is asked whom we are to obey; a quarter of an hour earlier at some PCs than at
/// others, for most of them begin at the same time in the morning.
const TRUST: time::Duration = time::Duration::HOUR;
const TRUST_SPREAD_SECONDS: u16 = 15 * 60;
/// When it is asked again after it did not answer.
const TRUST_AFTER_FAILURE: time::Duration = time::Duration::minutes(5);
/// However often requests name keys that we don't know: no more often than this for their sake.
const TRUST_BETWEEN: time::Duration = time::Duration::minutes(1);
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

/// When the server was asked last whom we are to obey, by this PC's clock: it goes on while the PC
/// sleeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at: OffsetDateTime,
    answered: bool,
    /// When because a request named a key that we don't know.
    for_a_key: Option<OffsetDateTime>,
}

impl Asked {
    /// Now, at the start; `answered` where the server was reached.
    pub(super) fn at_start(answered: bool) -> Self {
        Self { at: OffsetDateTime::now_utc(), answered, for_a_key: None }
    }

    /// Whether it is time to ask again: `wanted` where a request named a key that we don't know.
    fn is_past(self, now: OffsetDateTime, wanted: bool, spread: time::Duration) -> bool {
        // A clock that was set back must not hold it up.
        let over = |at, pause| now < at || now - at >= pause;
        let pause = if self.answered { TRUST - spread } else { TRUST_AFTER_FAILURE };
        over(self.at, pause) || wanted && self.for_a_key.is_none_or(|at| over(at, TRUST_BETWEEN))
    }
}

/// How much earlier than others the PC with this certificate asks.
fn spread(certificate: &Sha256Digest) -> time::Duration {
    let octets = certificate.as_bytes();
    let number = u16::from_be_bytes([octets[0], octets[1]]);
    time::Duration::seconds((number % TRUST_SPREAD_SECONDS).into())
}

/// Takes up, without a restart, each certificate that renewal or enrolment puts into the folder, and
/// what the server says of whom we are to obey: keys that follow others, issuers of cards, policies.
///
/// The browser shows a new certificate from then on, and a login is refused where it shows one that is
/// neither this one nor the one before.
pub(super) async fn follow(
    place: Place,
    agent: Arc<Agent>,
    portals: watch::Sender<Portal>,
    mut asked: Asked,
    mut stop: watch::Receiver<bool>,
) {
    let mut wanted = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = agent.trust_wanted.notified() => wanted = true,
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let before = agent.identity();
        let held = read(&place.certificate()).map(Sha256Digest::of);
        let Ok(held) = held else { continue };
        let changed = held != before.certificate_sha256;
        if !changed && !asked.is_past(OffsetDateTime::now_utc(), wanted, spread(&held)) {
            continue;
        }
        let now = OffsetDateTime::now_utc();
        let for_a_key = if wanted { Some(now) } else { asked.for_a_key };
        wanted = false;
        let taken = async {
            let (identity, ahead) = identity(&place).await?;
            // Of what was read now: it may have been renewed since the look.
            let replaced = identity.certificate_sha256 != before.certificate_sha256;
            if replaced || identity.trust.presence_url != before.trust.presence_url {
                portals.send_replace(portal(&place, &identity)?);
            }
            if let Some(ahead) = ahead {
                agent.clock_ahead.store(ahead, Ordering::Relaxed);
            }
            if identity.trust != before.trust {
                tracing::info!("the server says anew whom this PC is to obey");
            }
            agent.become_another(identity);
            if replaced {
                let _ = say("took up the new certificate\n");
            }
            Ok::<_, Failure>(ahead.is_some())
        };
        let answered = taken.await.unwrap_or_else(|error| {
            tracing::warn!(?error, "certificate and trust stay as they were");
            false
        });
        // An ask that reached nobody does not keep the next login's from being made.
        let for_a_key = if answered { for_a_key } else { asked.for_a_key };
        asked = Asked { at: now, answered, for_a_key };
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

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn whom_to_obey_is_asked_each_hour_and_sooner_for_a_key_that_is_not_known() {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::days(1000);
        let past = |answered, wanted, for_a_key: Option<i64>, seconds| {
            let for_a_key = for_a_key.map(|seconds| at + Duration::seconds(seconds));
            let now = at + Duration::seconds(seconds);
            Asked { at, answered, for_a_key }.is_past(now, wanted, Duration::ZERO)
        };
        assert!(!past(true, false, None, 3599) && past(true, false, None, 3600));
        assert!(!past(false, false, None, 299) && past(false, false, None, 300));
        assert!(past(true, true, None, 0) && past(false, true, None, 0), "the first one at once");
        assert!(!past(true, true, Some(0), 59) && past(true, true, Some(0), 60));
        assert!(past(true, false, None, -1), "a clock that was set back");
    }

    #[test]
    fn each_pc_asks_at_a_time_of_its_own_within_the_hour() {
        let spreads: std::collections::BTreeSet<_> =
            (0..100).map(|number| spread(&Sha256Digest::of([number]))).collect();
        assert!(spreads.len() > 80, "{}", spreads.len());
        let most = Duration::seconds(TRUST_SPREAD_SECONDS.into());
        assert!(spreads.iter().all(|spread| *spread >= Duration::ZERO && *spread < most));
    }
}
