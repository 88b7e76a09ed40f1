//! A facility puts another PC where one stands, with the built programs: server, two agents, console.

use anyhow::ensure;
use sekisho::demo::{
    cast::{CARD_HOLDERS, PIN},
    check::Scene,
    desk::Desk,
    process,
    report::Report,
    walk,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_pc_works_until_somebody_logs_in_at_the_new_one_and_then_says_why_it_does_not()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::build(folder.path(), &mut Report::new(true)).await?;
    scene.admit_everybody().await?;
    let Scene { stage, facilities, desks, .. } = &scene;
    let (old, terminal) = (&desks[0].desk, &desks[0].terminal);
    let administrator = &facilities[0].administrator;
    let card = (CARD_HOLDERS[0].key, PIN);
    let portal = format!("{}/?lang=en", stage.origins.terminal);
    let at_old = old.browser(stage)?;
    walk::log_in(stage, old, &at_old, card, false).await?;

    let page = format!("/console/terminals/{terminal}");
    let shown = administrator.submit(&format!("{page}/replace"), &[]).await?.expect_success()?;
    let mut new = Desk::new(stage, "new-pc", stage.door(desks.len()))?;
    let (status, _, stderr) = new.paste(&shown.text_of("line")?, new.folder()).await?;
    ensure!(status.success(), "the new PC was not enrolled: {stderr}");
    new.start_agent(stage, "new-pc", &old.reader()).await?;
    let at_new = new.browser(stage)?;
    at_new.open(&format!("{}/login", stage.origins.terminal)).await?.expect_success()?;

    // Both are here, and the console shows both.
    at_old.open(&portal).await?.expect_success()?;
    let both = administrator.open(&format!("{page}?lang=en")).await?.expect_success()?;
    for shown in ["Old PC</span>", "New PC</span>", "waits for the first login there"] {
        ensure!(both.body.contains(shown), "the console does not show {shown}");
    }
    ensure!(doctor(old).await?.contains("ok     server: answers"), "the old PC is refused");

    walk::log_in(stage, &new, &at_new, card, false).await?;
    at_new.open(&portal).await?.expect_success()?;
    at_old.open(&portal).await?.expect_refusal_for("This PC was replaced by another one")?;
    let said = doctor(old).await?;
    ensure!(
        said.contains("another PC took the place of this one") && said.contains("FAULT  server"),
        "the old PC's doctor does not say why: {said}"
    );
    let (acts, _) = walk::audit(stage).await?;
    walk::check_order(&acts, &["terminal.begin_replacement", "login.card", "terminal.replace"])?;
    new.stop_agent().await?;
    scene.stage.server.stop().await?;
    Ok(())
}

/// What the doctor of this PC says, whatever else is wrong with it.
async fn doctor(desk: &Desk) -> anyhow::Result<String> {
    let mut command = tokio::process::Command::new(process::sibling("sekisho-agent")?);
    command.arg("doctor").arg("--dir").arg(desk.agent_folder());
    Ok(process::run_to_end(&mut command).await?.1)
}
