//! The sandbox, made as `docs/services.md` has the operating body make it.

use anyhow::ensure;
use sekisho::demo::{
    process::{self, Program},
    stage::Stage,
};
use tokio::process::Command;

/// Makes the sandbox and serves the instance again. It comes back at the same address where that is
/// configured.
///
/// # Errors
/// When a program does not do its part.
pub async fn make(stage: Stage) -> anyhow::Result<Stage> {
    let mut make = Command::new(process::sibling("sekisho")?);
    make.args(["sandbox", "make"]).arg(&stage.instance);
    let told = process::run(make).await?;
    ensure!(told.contains("start it again"), "{told}");
    let logs = stage.logs();
    let Stage { folder, instance, origins, root_fingerprint, root_pem, first_use_link, .. } = stage;
    stage.server.stop().await?;
    let mut serve = Command::new(process::sibling("sekisho")?);
    serve.arg("serve").arg(&instance);
    let (server, _) = Program::start("serve-with-sandbox", serve, &logs).await?;
    let agent_port = stage.agent_port;
    Ok(Stage {
        folder,
        instance,
        origins,
        root_fingerprint,
        root_pem,
        first_use_link,
        agent_port,
        server,
    })
}
