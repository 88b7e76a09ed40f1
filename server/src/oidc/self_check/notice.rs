//! The trial at the address that is told of logouts: one logout token as it should be, of a session
//! that nobody has, and one with a wrong signature, which must be refused.

use sekisho_store::{
    StoreError, Tx, outbox,
    outbox::Message,
    service::{self, Service},
    service_check::{Line, State},
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{clock_seen, note_alone, seen, with_wrong_signature};
use crate::{
    app::App,
    oidc::{
        client::Metadata,
        logout::backchannel::{self, Answered},
        subject,
    },
    outbox::Delivery,
};

/// Kind of message in the outbox.
pub const KIND: &str = "service_check";

/// No answer came.
pub const UNREACHABLE: &str = "unreachable";
/// The token with the wrong signature was taken.
pub const BELIEVES: &str = "believes";

#[derive(Deserialize)]
struct Payload {
    service_id: String,
}

/// Puts the trial into the outbox.
///
/// # Errors
/// [`StoreError`].
pub async fn put(tx: &mut Tx, service_id: &str, now: OffsetDateTime) -> Result<(), StoreError> {
    outbox::put(tx, KIND, &json!({ "service_id": service_id }), now).await?;
    Ok(())
}

/// Carries the trial out and notes what came of it, which counts as delivered whatever it was.
pub async fn deliver(app: App, message: Message) -> Delivery {
    let Ok(Payload { service_id }) = serde_json::from_str(&message.payload) else {
        return Delivery::Hopeless("the message is not one of ours".into());
    };
    match carry_out(&app, &service_id).await {
        Ok(()) => Delivery::Delivered,
        Err(error) => Delivery::Failed(error.to_string()),
    }
}

async fn carry_out(app: &App, service_id: &str) -> Result<(), StoreError> {
    let found = service::find(&mut app.store().read(), service_id).await?;
    // Withdrawn, approved or registered otherwise since.
    let Some(service) = found.filter(|service| service.live_at.is_none()) else { return Ok(()) };
    let Some(uri) = service.backchannel_logout_uri.clone() else { return Ok(()) };
    let (state, detail) = match token(app, &service).await? {
        // Our own keys: nothing is known of the service.
        None => return Ok(()),
        Some(token) => {
            let right = backchannel::send(app, &uri, &token).await;
            if let Ok(Answered { ahead: Some(ahead), .. }) = right {
                clock_seen(app, &service, ahead).await?;
            }
            let wrong = backchannel::send(app, &uri, &with_wrong_signature(&token)).await;
            let status = |answered: &Answered| answered.status;
            judged(right.ok().as_ref().map(status), wrong.ok().as_ref().map(status))
        }
    };
    note_alone(app, &service.id, Line::Notice, seen(state, detail, app.now())).await
}

/// A logout token for a session that nobody has; `None` where no key signs.
async fn token(app: &App, service: &Service) -> Result<Option<String>, StoreError> {
    let metadata = Metadata::of(service)?;
    let nobody: [u8; 32] = Sha256::digest(format!("nobody at {}", service.id)).into();
    let sub = subject::pairwise(app, &service.sector, "nobody");
    let sid = subject::session(app, &service.sector, &nobody);
    let signed = backchannel::token(app, service, &metadata, &sub, &sid).await;
    Ok(signed.map_err(|error| tracing::error!(%error, "no logout token was signed")).ok())
}

/// What two answers tell: to a token that is right, of a session unknown there, and to one that is
/// not. Services differ in whether an unknown session is worth a 400 (OIDC Back-Channel Logout §2.8).
fn judged(right: Option<u16>, wrong: Option<u16>) -> (State, String) {
    match (right, wrong) {
        (None, _) | (_, None) => (State::Bad, UNREACHABLE.into()),
        (Some(200..=299 | 400), Some(200..=299)) => (State::Bad, BELIEVES.into()),
        (Some(200..=299 | 400), Some(400..=499)) => (State::Good, String::new()),
        (Some(200..=299 | 400), Some(status)) | (Some(status), _) => {
            (State::Bad, status.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_good_that_answers_and_refuses_the_wrong_signature() {
        for (right, wrong, state, detail) in [
            (Some(200), Some(400), State::Good, ""),
            (Some(204), Some(401), State::Good, ""),
            // A session that it does not know.
            (Some(400), Some(400), State::Good, ""),
            (Some(200), Some(200), State::Bad, BELIEVES),
            (Some(400), Some(204), State::Bad, BELIEVES),
            (Some(404), Some(404), State::Bad, "404"),
            (Some(302), Some(400), State::Bad, "302"),
            (Some(200), Some(500), State::Bad, "500"),
            (None, Some(400), State::Bad, UNREACHABLE),
            (Some(200), None, State::Bad, UNREACHABLE),
        ] {
            let expected = (state, detail.to_owned());
            assert_eq!(judged(right, wrong), expected, "{right:?} {wrong:?}");
        }
    }
}
