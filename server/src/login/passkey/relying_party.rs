//! What browsers and authenticators know of us, and what they are asked for.

use sekisho_wire::domain;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticatorAttachment, CreationChallengeResponse, CredentialID, DiscoverableAuthentication,
    PasskeyRegistration, RequestChallengeResponse, Webauthn, WebauthnBuilder, WebauthnError,
};
use webauthn_rs_proto::ResidentKeyRequirement;

use super::question::LIFETIME;
use crate::{app::App, login::session::PortalSession, names::NameRole};

/// This portal as relying party. Its identifier is the terminal name, so that a passkey of it serves no
/// other page; the origin that an answer names is compared whole, with its port.
#[derive(Debug)]
pub struct RelyingParty(Webauthn);

impl RelyingParty {
    /// Of this instance.
    ///
    /// # Errors
    /// [`WebauthnError`]: the terminal name is none that a browser takes, which the configuration rules
    /// out.
    pub fn of(app: &App) -> Result<Self, WebauthnError> {
        let host = app.config().host_names().host(NameRole::Terminal);
        let origin = Url::parse(app.names().origin(NameRole::Terminal))
            .map_err(|_| WebauthnError::Configuration)?;
        let builder = WebauthnBuilder::new(host, &origin)?;
        Ok(Self(builder.rp_name(host).timeout(LIFETIME.unsigned_abs()).build()?))
    }

    /// Asks for a new passkey of this person, on none of the authenticators that hold one of theirs.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub(super) fn ask_to_enrol(
        &self,
        app: &App,
        (session, of): (&PortalSession, Of),
        enrolled: Vec<CredentialID>,
    ) -> Result<(CreationChallengeResponse, PasskeyRegistration), WebauthnError> {
        let user = user_handle(app, of, &session.person_id);
        let name = &session.names.name;
        let (mut options, state) =
            self.0.start_passkey_registration(user, name, name, Some(enrolled))?;
        let wanted = options.public_key.authenticator_selection.get_or_insert_default();
        // It names its person by itself (WebAuthn Level 2 §5.4.6), and goes away with them: whoever
        // knows the PIN of the PC's own account must not be several people by it.
        wanted.require_resident_key = true;
        wanted.resident_key = Some(ResidentKeyRequirement::Required);
        wanted.authenticator_attachment = Some(AuthenticatorAttachment::CrossPlatform);
        Ok((options, state))
    }

    /// Asks for whichever passkey of ours the person has.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub(super) fn ask_to_log_in(
        &self,
    ) -> Result<(RequestChallengeResponse, DiscoverableAuthentication), WebauthnError> {
        let (mut options, state) = self.0.start_discoverable_authentication()?;
        // By a button, not by suggestions in a field: there is none.
        options.mediation = None;
        Ok((options, state))
    }

    /// What verifies the answers.
    pub(super) const fn library(&self) -> &Webauthn {
        &self.0
    }
}

/// What a passkey is good for. An authenticator keeps one for each user handle, so that each has its own: one
/// kind does not take the other's place there, and answers for the other nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// It logs its person in.
    Login,
    /// It stands beside a password.
    SecondFactor,
}

/// By what authenticators know a person (WebAuthn Level 2 §5.4.3): keyed by the instance, so that it
/// leads to nobody elsewhere.
#[must_use]
pub fn user_handle(app: &App, of: Of, person_id: &str) -> Uuid {
    let label = match of {
        Of::Login => domain::PASSKEY_USER,
        Of::SecondFactor => domain::SECOND_FACTOR_USER,
    };
    let hash = app.keys().keyed_hash(&[label, person_id.as_bytes()]);
    let mut handle = [0; 16];
    handle.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_authenticator_keeps_one_of_each_kind_of_each_person() {
        let test = crate::testing::app().await;
        let handle = |of, person| user_handle(&test.app, of, person);
        let all = [
            handle(Of::Login, "a"),
            handle(Of::SecondFactor, "a"),
            handle(Of::Login, "b"),
            handle(Of::SecondFactor, "b"),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), 4);
        assert_eq!(handle(Of::Login, "a"), all[0]);
    }
}
