//! `bench-oidc [ARGUMENTS]`: `sekisho bench oidc` with node-oidc-provider beside it, as it comes from npm,
//! its store in memory. The arguments are those of `sekisho bench oidc`.
//!
//! `cargo build --release --workspace && target/release/bench-oidc`.

use std::path::Path;

use anyhow::{Context, ensure};
use sekisho::demo::{
    browser::{Browser, Resolution},
    process::{self, Program},
    stage::free_port,
};
use sekisho_output::say;
use sekisho_tests::{installed, loopback_tls::LoopbackTls};
use serde_json::{Value, json};
use tokio::process::Command;
use url::Url;

/// People who are logged in: as many as `sekisho bench oidc` opens connections if it is told nothing else.
const PEOPLE: usize = 16;
const REDIRECT: &str = "https://measured.example/callback";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (provider, described) = start(folder.path()).await?;
    let file = folder.path().join("beside.json");
    std::fs::write(&file, described.to_string())?;
    let mut bench = Command::new(process::sibling("sekisho")?);
    bench.args(["bench", "oidc", "--beside"]).arg(&file).args(std::env::args_os().skip(1));
    let figures = process::run(bench).await;
    provider.stop().await?;
    Ok(say(&figures?)?)
}

/// The running provider, and what `sekisho bench oidc` wants to know of it.
async fn start(folder: &Path) -> anyhow::Result<(Program, Value)> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let target = process::sibling("sekisho")?;
    let into = target.parent().context("the program lies in no folder")?;
    let (node, libraries) = installed::node(&sources, into).await?;
    let tls = LoopbackTls::make(folder).await?;
    let port = free_port()?;
    let issuer = format!("https://localhost:{port}");
    let told = json!({
        "issuer": issuer,
        "port": port,
        "tls": tls.told()?,
        "cookieKey": "only measured",
        "client": {
            "client_id": "measured",
            "client_secret": "measured-secret",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
        },
    });
    let file = folder.join("told.json");
    std::fs::write(&file, told.to_string())?;
    let mut command = Command::new(node);
    command.arg("measured.mjs").arg(&file).current_dir(&libraries);
    command.env("NODE_NO_WARNINGS", "1").env("NODE_ENV", "production");
    let (program, _) = Program::start("oidc-provider", command, folder).await?;
    let root_pem = std::fs::read(&tls.certificate)?;
    let mut cookies = Vec::new();
    for _ in 0..PEOPLE {
        cookies.push(log_in(&issuer, &root_pem).await?);
    }
    let package = std::fs::read(libraries.join("node_modules/oidc-provider/package.json"))?;
    let package: Value = serde_json::from_slice(&package)?;
    let version = package["version"].as_str().context("the package says no version")?;
    let described = json!({
        "name": format!("node-oidc-provider {version}, its store in memory,"),
        "process": program.id().context("the provider has ended")?,
        "root": tls.certificate,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "jwks_uri": format!("{issuer}/jwks"),
        "discovery": format!("{issuer}/.well-known/openid-configuration"),
        "client_id": "measured",
        "client_secret": "measured-secret",
        "redirect_uri": REDIRECT,
        "scope": "openid profile",
        "cookies": cookies,
    });
    Ok((program, described))
}

/// The browser of somebody new; answers its `Cookie`.
async fn log_in(issuer: &str, root_pem: &[u8]) -> anyhow::Result<String> {
    let hosts = vec!["localhost".to_owned()];
    let browser = Browser::new(root_pem, None, &Resolution { hosts })?;
    let mut at = Url::parse(&format!("{issuer}/auth"))?;
    at.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", "measured")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", "openid profile")
        .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        .append_pair("code_challenge_method", "S256");
    while at.as_str().starts_with(issuer) {
        let answer = browser.open_once(at.as_str()).await?;
        let location = answer.location.as_deref();
        at = at.join(location.with_context(|| format!("the login ends at {at}"))?)?;
    }
    ensure!(at.query_pairs().any(|(name, _)| name == "code"), "the login led to {at}");
    let cookies = browser.cookies(issuer)?;
    let pairs: Vec<String> =
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(pairs.join("; "))
}
