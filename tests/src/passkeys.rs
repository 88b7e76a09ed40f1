//! A physician who enrols a passkey on an authenticator of the browser's driver and logs in by it.

use http::Method;
use serde_json::json;
use thirtyfour::{RequestData, SessionId, common::command::FormatRequestData, prelude::*};

use crate::my_number::PhysiciansDesk;

/// Adds a virtual authenticator: a security key that verifies its user and keeps discoverable
/// credentials (WebAuthn Level 2 §11.3).
#[derive(Debug)]
struct AddVirtualAuthenticator;

impl FormatRequestData for AddVirtualAuthenticator {
    fn format_request(&self, session_id: &SessionId) -> RequestData {
        let path = format!("session/{session_id}/webauthn/authenticator");
        RequestData::new(Method::POST, path).add_body(json!({
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true,
        }))
    }
}

impl PhysiciansDesk<'_> {
    /// Plugs a security key into the PC.
    ///
    /// # Errors
    /// When the driver does not know such.
    pub async fn plug_in_security_key(&self) -> anyhow::Result<()> {
        self.driver().handle().cmd(AddVirtualAuthenticator).await?;
        Ok(())
    }

    /// Enrols a passkey under this name. The HPKI card logged in just before.
    ///
    /// # Errors
    /// When the page does not say so; the page is quoted.
    pub async fn enrol_passkey(&self, name: &str) -> anyhow::Result<()> {
        self.open("/passkeys").await?;
        self.driver().query(By::Id("name")).first().await?.send_keys(name).await?;
        self.driver().find(By::Css("#passkey button")).await?.click().await?;
        self.reads("パスキーを登録しました").await
    }

    /// Presses the button of the login page that is open.
    ///
    /// # Errors
    /// When there is none.
    pub async fn press_passkey(&self) -> anyhow::Result<()> {
        let button = By::Css("#passkey button:not([hidden])");
        self.driver().query(button).first().await?.click().await?;
        Ok(())
    }
}
