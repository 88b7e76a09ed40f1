//! A challenge for a passkey: remembered for one browser at one terminal, consumed once.

use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    challenge::Consumption,
    passkey_challenge::{self, PasskeyChallenge, Purpose},
    transaction,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use time::Duration;

use crate::login::{
    asking::MOST_UNANSWERED,
    call::Call,
    challenge::browser_hash,
    refusal::{LoginError, Refusal},
    session::PortalSession,
};

/// How long a question waits: long enough to fetch a telephone out of a pocket and point it at a code.
pub(super) const LIFETIME: Duration = Duration::minutes(3);

/// What is asked, and for what the answer counts.
pub(super) struct Question<'a, S> {
    pub(super) purpose: Purpose,
    /// The challenge within the options that the browser gets.
    pub(super) challenge: &'a [u8],
    /// With what the answer is verified.
    pub(super) state: &'a S,
    /// The living session for which alone the answer counts.
    pub(super) session: Option<&'a PortalSession>,
    pub(super) return_to: Option<String>,
}

impl<S: Serialize> Question<'_, S> {
    /// Checks the browser and how often this terminal asked, and remembers the challenge.
    ///
    /// # Errors
    /// [`LoginError::Refused`], or the database.
    pub(super) async fn remember(self, call: &Call) -> Result<(), LoginError> {
        let Call { app, peer, facility, headers, .. } = call;
        let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown)?;
        let (mut reader, now) = (app.store().read(), app.now());
        let since = now - Duration::minutes(1);
        let waiting =
            passkey_challenge::unanswered(&mut reader, &facility.fingerprint, since).await?;
        if waiting >= MOST_UNANSWERED {
            return Err(Refusal::TooManyChallenges.into());
        }
        let stored = PasskeyChallenge {
            challenge_hash: Sha256::digest(self.challenge).into(),
            browser_hash,
            terminal_fingerprint: facility.fingerprint,
            purpose: self.purpose,
            state: serde_json::to_string(self.state).map_err(|error| corrupt(&error))?,
            session_hash: self.session.map(|session| session.id_hash),
            session_evidence_id: self.session.map(|session| session.evidence_id.clone()),
            return_to: self.return_to,
            created_at: now,
            expires_at: now + LIFETIME,
        };
        let entry = Entry::done("passkey.challenge.issue", facility.actor(), now)
            .fact("purpose", self.purpose.as_str());
        let entry = facility.place(entry, peer);
        transaction!(app.store(), StoreError, |tx| {
            passkey_challenge::remember(tx, &stored).await?;
            Ok(Audited::new((), entry.clone()))
        })?;
        Ok(())
    }
}

/// The one member of the client data that is looked at before anything is verified (WebAuthn Level 2
/// §5.8.1): which challenge is to be consumed.
#[derive(Deserialize)]
struct ClientData {
    challenge: String,
}

/// Consumes the challenge that the client data name, in a commit of its own: whatever the verification
/// says afterwards, the same answer finds nothing a second time. Then judges purpose, time, browser and
/// terminal.
///
/// # Errors
/// [`LoginError::Refused`], not audited yet; the database.
pub(super) async fn consume(
    call: &Call,
    client_data: &[u8],
    purpose: Purpose,
) -> Result<Box<PasskeyChallenge>, LoginError> {
    let Call { app, peer, facility, headers, .. } = call;
    let named: ClientData = serde_json::from_slice(client_data).map_err(|_| Refusal::Malformed)?;
    let challenge = sekisho_protocol::octets::decode(&named.challenge);
    let challenge = challenge.map_err(|_| Refusal::Malformed)?;
    let (challenge_hash, now) = (Sha256::digest(challenge).into(), app.now());
    let consumed = transaction!(app.store(), LoginError, |tx| {
        match passkey_challenge::consume(tx, &challenge_hash, now).await? {
            Consumption::Consumed(challenge) => {
                let entry = Entry::done("passkey.challenge.consume", facility.actor(), now);
                Ok(Audited::new(challenge, facility.place(entry, peer)))
            }
            // Nothing was consumed: the caller records the refusal.
            Consumption::Replayed => Err(Refusal::ChallengeReplayed.into()),
            Consumption::Unknown => Err(Refusal::ChallengeUnknown.into()),
        }
    })?;
    let refusal = if now >= consumed.expires_at {
        Refusal::ChallengeExpired
    } else if browser_hash(headers) != Some(consumed.browser_hash) {
        Refusal::OtherBrowser
    } else if consumed.terminal_fingerprint != facility.fingerprint {
        Refusal::OtherTerminal
    } else if consumed.purpose != purpose {
        Refusal::OtherPurpose
    } else {
        return Ok(consumed);
    };
    Err(refusal.into())
}

/// What was remembered to verify the answer with.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub(super) fn state<S: DeserializeOwned>(challenge: &PasskeyChallenge) -> Result<S, StoreError> {
    serde_json::from_str(&challenge.state).map_err(|error| corrupt(&error))
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "passkey challenge", detail: error.to_string() }
}
