//! A passkey's answer at a login, verified against what was enrolled.

use sekisho_store::{
    StoreError,
    passkey::{self, Login, Passkey},
};
use time::OffsetDateTime;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Credential, PublicKeyCredential, WebauthnError,
};

use super::relying_party::{Of, RelyingParty, user_handle};
use crate::{app::App, login::refusal::LoginError};

/// An answer to a challenge that nobody can use again; nothing of it is proven.
#[derive(Debug)]
pub struct Assertion {
    pub(super) answer: PublicKeyCredential,
    pub(super) state: DiscoverableAuthentication,
}

/// A credential and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Enrolled<'a> {
    pub(super) of: Of,
    pub(super) person_id: &'a str,
    /// Public key, counter and flags, JSON.
    pub(super) credential: &'a str,
}

impl<'a> From<&'a Passkey> for Enrolled<'a> {
    fn from(passkey: &'a Passkey) -> Self {
        Self { of: Of::Login, person_id: &passkey.person_id, credential: &passkey.credential }
    }
}

/// What an answer is worth.
pub(super) enum Worth {
    /// The passkey signed it; with its credential as it is to be kept now, JSON.
    Sound(String),
    /// The passkey's key signed it, and its counter went back: there are two of it (WebAuthn Level 2
    /// §6.1.1).
    Copied,
    /// Nothing; with a code for the trail. Who sends it is told as little as of an unknown passkey.
    Nothing(&'static str),
}

impl Assertion {
    /// The passkey that the answer names.
    pub(super) fn credential_id(&self) -> &[u8] {
        self.answer.get_credential_id()
    }

    /// Why the answer is worth nothing, before any transaction is begun for it.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn worth_nothing(
        &self,
        app: &App,
    ) -> Result<Option<&'static str>, LoginError> {
        let mut reader = app.store().read();
        let Some(passkey) = passkey::of_credential(&mut reader, self.credential_id()).await? else {
            return Ok(Some("unknown"));
        };
        let worth = self.verify(app, &RelyingParty::of(app)?, Enrolled::from(&passkey))?;
        Ok(match worth {
            Worth::Nothing(why) => Some(why),
            Worth::Sound(_) | Worth::Copied => None,
        })
    }

    /// Verifies challenge, origin, relying party, user verification, signature and counter (WebAuthn
    /// Level 2 §7.2).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: the credential cannot be read.
    pub(super) fn verify(
        &self,
        app: &App,
        relying_party: &RelyingParty,
        enrolled: Enrolled<'_>,
    ) -> Result<Worth, StoreError> {
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            what: "passkey",
            detail: error.to_string(),
        };
        let mut credential: Credential =
            serde_json::from_str(enrolled.credential).map_err(corrupt)?;
        let user = user_handle(app, enrolled.of, enrolled.person_id);
        if self.answer.get_user_unique_id() != Some(user.as_bytes().as_slice()) {
            return Ok(Worth::Nothing("user-handle"));
        }
        let verified = relying_party.library().finish_discoverable_authentication_v2(
            &self.answer,
            self.state.clone(),
            &credential,
        );
        Ok(match verified {
            Ok(result) => {
                credential.update_credential(&result);
                Worth::Sound(serde_json::to_string(&credential).map_err(corrupt)?)
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Worth::Copied,
            Err(error) => Worth::Nothing(code(&error)),
        })
    }

    /// What is kept of it.
    pub(super) fn login<'a>(
        &'a self,
        passkey: &'a Passkey,
        terminal_fingerprint: &'a [u8; 32],
        at: OffsetDateTime,
    ) -> Login<'a> {
        let response = &self.answer.response;
        Login {
            passkey_id: &passkey.id,
            at,
            terminal_fingerprint,
            client_data: &response.client_data_json,
            authenticator_data: &response.authenticator_data,
            signature: &response.signature,
        }
    }
}

/// Why an answer is worth nothing, for the trail.
fn code(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::MismatchedChallenge => "challenge",
        WebauthnError::InvalidRPOrigin => "origin",
        WebauthnError::InvalidRPIDHash => "relying-party",
        WebauthnError::UserNotPresent | WebauthnError::UserNotVerified => "user-verification",
        WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => "signature",
        WebauthnError::InvalidClientDataType => "type",
        WebauthnError::CredentialBackupEligibilityInconsistent
        | WebauthnError::CredentialMayNotBeHardwareBound => "backup",
        _ => "malformed",
    }
}
