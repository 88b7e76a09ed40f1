//! A member who left their card at home gets a pass for a day from two colleagues, at one PC in a real Chromium.

use anyhow::bail;
use sekisho::demo::{
    cast::{CARD_HOLDERS, CardHolder},
    walk,
};
use thirtyfour::prelude::*;

use crate::{Desktop, my_number::PhysiciansDesk};

/// What the person chooses.
const PIN: &str = "271828";
/// The form for slip and PIN.
const LOGIN: &str = "form[action='/login/day-pass']";

/// Who is at the PC, and what the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The first colleague looks for the person.
    Asking,
    /// The first colleague has asked.
    Asked,
    /// The portal of the second one.
    Told,
    /// What the second one confirms.
    Giving,
    /// A PIN that is guessed first came back.
    Refused,
    /// The slip.
    Slip,
    /// The page for slip and PIN.
    Login,
    /// The same after a wrong PIN.
    LoginRefused,
    /// The portal of the person.
    Portal,
}

/// The way from the first colleague's question to the person's portal; `seen` is called at each stop. At the end the
/// person is logged in by the pass, and the slip's code is answered.
///
/// # Errors
/// When a step does not lead where it should; the page is quoted.
pub async fn journey(
    desktop: &Desktop,
    mut seen: impl AsyncFnMut(Stop) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let desk = PhysiciansDesk(desktop);
    let [person, first, _, second] = &CARD_HOLDERS;
    join(desktop, second).await?;
    desk.log_out().await?;

    log_in(&desk, first).await?;
    desk.driver().find(By::Css("main a[href='/day-pass']")).await?.click().await?;
    let family_name = person.name.split('\u{3000}').next().unwrap_or(person.name);
    fill(&desk, &[("name", family_name)]).await?;
    send(&desk, "form[method='get'][action='/day-pass']", "#person").await?;
    seen(Stop::Asking).await?;
    desk.driver().find(By::Css("#person input")).await?.click().await?;
    tick(&desk).await?;
    send(&desk, "form[method='post'][action='/day-pass']", "main form[action='/logout']").await?;
    seen(Stop::Asked).await?;
    desk.log_out().await?;

    log_in(&desk, second).await?;
    desk.driver().query(By::Id("day-pass-waiting")).first().await?;
    seen(Stop::Told).await?;
    desk.driver().find(By::Css("#day-pass-waiting a")).await?.click().await?;
    desk.driver().query(By::Id("pin")).first().await?;
    seen(Stop::Giving).await?;
    let give = "form[action^='/day-pass/']";
    fill(&desk, &[("pin", "123456"), ("pin_again", "123456")]).await?;
    tick(&desk).await?;
    send(&desk, give, "#pin-error").await?;
    seen(Stop::Refused).await?;
    fill(&desk, &[("pin", PIN), ("pin_again", PIN)]).await?;
    tick(&desk).await?;
    send(&desk, give, "#day-pass-code").await?;
    seen(Stop::Slip).await?;
    let code = desk.driver().find(By::Id("day-pass-code")).await?.text().await?;
    desk.log_out().await?;

    // Neither card is the person's: both stay away.
    let reader = desktop.scene.desks[0].desk.reader();
    std::fs::remove_file(reader.of(second.key).join("inserted"))?;
    desk.driver().find(By::Css("main a[href^='/login/day-pass']")).await?.click().await?;
    desk.driver().query(By::Id("pin")).first().await?;
    seen(Stop::Login).await?;
    fill(&desk, &[("code", &code), ("pin", "314159")]).await?;
    send(&desk, LOGIN, "#day-pass-error").await?;
    seen(Stop::LoginRefused).await?;
    bring(desktop, &code).await?;
    desk.driver().query(By::Id("day-pass-until")).first().await?;
    seen(Stop::Portal).await?;
    Ok(code)
}

/// Types the slip's code and the right PIN into the page that is open, and sends them.
///
/// # Errors
/// When the page is another.
pub async fn bring(desktop: &Desktop, code: &str) -> anyhow::Result<()> {
    let desk = PhysiciansDesk(desktop);
    fill(&desk, &[("code", code), ("pin", PIN)]).await?;
    let button = format!("{LOGIN} button[type='submit']");
    Ok(desk.driver().find(By::Css(&button)).await?.click().await?)
}

/// Makes somebody of another facility a member here, too.
async fn join(desktop: &Desktop, holder: &CardHolder) -> anyhow::Result<()> {
    let desk = PhysiciansDesk(desktop);
    let code = walk::invite(&desktop.scene.facilities[0], holder).await?;
    desk.open("/invitation").await?;
    fill(&desk, &[("code", &code)]).await?;
    desk.insert(holder.key)?;
    send(&desk, "form[action='/invitation']", "#login-start").await?;
    desk.press_login(None).await
}

async fn log_in(desk: &PhysiciansDesk<'_>, holder: &CardHolder) -> anyhow::Result<()> {
    desk.insert(holder.key)?;
    desk.log_in(None).await
}

async fn fill(desk: &PhysiciansDesk<'_>, fields: &[(&str, &str)]) -> anyhow::Result<()> {
    for (id, text) in fields {
        let field = desk.driver().find(By::Id(*id)).await?;
        field.clear().await?;
        field.send_keys(*text).await?;
    }
    Ok(())
}

async fn tick(desk: &PhysiciansDesk<'_>) -> anyhow::Result<()> {
    Ok(desk.driver().find(By::Css("main input[name='sure']")).await?.click().await?)
}

/// Sends a form, and waits for what the answer must show.
async fn send(desk: &PhysiciansDesk<'_>, form: &str, shows: &str) -> anyhow::Result<()> {
    let button = format!("{form} button[type='submit']");
    desk.driver().find(By::Css(&button)).await?.click().await?;
    let shown = desk.driver().query(By::Css(shows)).first().await;
    if shown.is_err() {
        let (address, body) = (desk.driver().current_url().await?, desk.body().await?);
        bail!("{shows} is not shown at {address}: {body}");
    }
    Ok(())
}
