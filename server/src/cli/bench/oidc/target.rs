//! A provider that is asked.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use url::Url;

/// Where it answers, as whom it is asked, and who is logged in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) name: String,
    /// Its process, whose time and memory are told.
    pub(super) process: u32,
    /// File with the certificate that its own chain ends in, PEM.
    pub(super) root: PathBuf,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) discovery: Url,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) redirect_uri: String,
    pub(super) scope: String,
    /// What the service's own tokens are for (RFC 8707), where that has to be said.
    #[serde(default)]
    pub(super) resource: Option<String>,
    /// Fields `Cookie` of people who are logged in, one for each connection.
    pub(super) cookies: Vec<String>,
    /// What a browser shows at the authorization endpoint: certificate and PKCS #8 key.
    #[serde(skip)]
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Target {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} does not describe a provider", file.display()))
    }
}
