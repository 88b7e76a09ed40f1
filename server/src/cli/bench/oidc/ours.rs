//! Our own provider, served from an instance that was made for this, with people logged in.

use std::path::Path;

use anyhow::Context;
use sekisho_store::Store;

use super::target::Target;
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, Settings},
    demo::{at_work, connection::Door, services, stage::Stage},
};

const CLIENT: &str = "measured";
const REDIRECT: &str = "https://measured.example/callback";
const RESOURCE: &str = "https://measured.example/api";
/// A service as hospitals use them, with all that it may be told.
const SERVICE: &str = r#"
id = "measured"
name = { ja = "計測", en = "Measured" }
description = { ja = "計測のためのサービス。", en = "A service that is measured." }
home_url = "https://measured.example/"
redirect_uris = ["https://measured.example/callback"]
authentication = "client_secret_basic"
scopes = ["openid", "profile", "hc_role", "facility"]

[protocol]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
resources = ["https://measured.example/api"]

[[rules]]
id = "physicians"
roles = ["Medical Doctor"]
kinds = ["hospital"]
release = ["name", "hc_role", "facility_id", "facility_code", "facility_name", "facility_kind"]
"#;

/// An instance that is served, and how it is asked.
pub(super) async fn build(folder: &Path, people: usize) -> anyhow::Result<(Stage, Target)> {
    let quiet = |settings: &mut Settings| settings.instance.log_filter = "warn".to_owned();
    let mut physicians = None;
    let stage = Stage::build_with(folder, quiet, |instance| {
        physicians = Some(at_work::Physicians::of(instance, SystemClock.now())?);
        Ok(())
    })
    .await?;
    let mut physicians = physicians.context("nobody has a card")?;
    let file = folder.join("service.toml");
    std::fs::write(&file, SERVICE)?;
    let secret = services::register(&stage, &file).await?.context("the service has no secret")?;
    let config = Config::read(&stage.instance)?;
    let store = Store::open(config.instance().database(), "bench-seed").await?;
    let (door, now) = (Door::new(&stage.origins.enrol, &stage.root_pem)?, SystemClock.now());
    let terminal = at_work::enrol(&store, &door, now).await?;
    let cookies = at_work::log_in(&store, &terminal, &mut physicians, people, now).await?;
    store.close().await;
    let public = |path: &str| format!("{}{path}", stage.origins.public).parse();
    let target = Target {
        name: format!("sekisho {}", env!("CARGO_PKG_VERSION")),
        process: stage.server.id().context("the server has ended")?,
        root: stage.instance.join("ca/root.crt"),
        authorization_endpoint: format!("{}/authorize", stage.origins.terminal).parse()?,
        token_endpoint: public("/token")?,
        userinfo_endpoint: public("/userinfo")?,
        jwks_uri: public("/jwks")?,
        discovery: public(crate::oidc::discovery::PATH)?,
        client_id: CLIENT.to_owned(),
        client_secret: secret,
        redirect_uri: REDIRECT.to_owned(),
        scope: "openid profile hc_role facility".to_owned(),
        resource: Some(RESOURCE.to_owned()),
        cookies,
        identity: Some((terminal.certificate, terminal.key)),
    };
    Ok((stage, target))
}
