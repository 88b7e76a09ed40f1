//! What somebody asked for in a form: a service for the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_store::service::AuthMethod;

use super::{
    GrantType, InLanguages, Metadata, Prepared, RegistrationError, Registry, ServiceFile,
    check_organisations, draw_identifier, secret,
};

/// A service by the usual protocol, without keys of its own.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who runs it.
    pub organisation_id: String,
    /// Its name.
    pub name: InLanguages,
    /// What it is for.
    pub description: InLanguages,
    /// Where the portal's entry leads.
    pub home_url: String,
    /// Where a login leads back to.
    pub redirect_uris: Vec<String>,
    /// Where a logout may lead back to.
    pub logout_uris: Vec<String>,
    /// Where it hears of ended sessions.
    pub backchannel_logout_uri: Option<String>,
    /// How it authenticates: by a secret, or not at all.
    pub authentication: AuthMethod,
    /// What it is told, `openid` among it.
    pub scopes: BTreeSet<String>,
    /// Whether a proxy before it does the login (`docs/forward-auth.md`).
    pub forward_auth: bool,
    /// Whether it gets refresh tokens.
    pub refreshes: bool,
}

/// Holds it against the rules for a service's file, and draws identifier and secret. It will be in
/// the sandbox.
///
/// # Errors
/// [`RegistrationError`].
pub async fn prepare_asked(
    registry: &Registry<'_>,
    asked: Asked,
) -> Result<Prepared, RegistrationError> {
    let mut protocol = Metadata { forward_auth: asked.forward_auth, ..Metadata::default() };
    if asked.refreshes {
        protocol.grant_types.insert(GrantType::RefreshToken);
    }
    let file = ServiceFile {
        id: draw_identifier(registry.random)?,
        operated_by: Some(asked.organisation_id),
        name: asked.name,
        description: asked.description,
        home_url: asked.home_url,
        sector: None,
        redirect_uris: asked.redirect_uris,
        logout_uris: asked.logout_uris,
        backchannel_logout_uri: asked.backchannel_logout_uri,
        authentication: asked.authentication.as_str().to_owned(),
        jwks: None,
        protocol,
        scopes: asked.scopes,
        personal_data: None,
        rules: Vec::new(),
        groups: BTreeMap::new(),
    };
    let (mut service, rules) = file.validate(registry.config, registry.now)?;
    let client_secret = secret::give(&mut service, registry.random)?;
    check_organisations(&mut registry.store.read(), &service, &rules).await?;
    Ok(Prepared { service, rules: None, client_secret })
}
