//! What `demo --check` sees refused, each for its own reason.

use anyhow::{Context, ensure};

use super::{
    browser::Browser,
    cards,
    cast::{CARD_HOLDERS, Facility, PIN},
    check::{Operators, contact_email},
    desk::Desk,
    login_page::LoginPage,
    report::Report,
    services::RunningService,
    stage::Stage,
    walk::{self, AccreditedFacility, EnrolledDesk},
};

/// From the sentence that the officer reads who applied: `register-refused-own`.
const OWN: &str = "連絡先になっているもの";

/// An officer applies while logged in; everything is in place for an approval but another person.
pub(super) async fn own_application(
    stage: &Stage,
    operators: &Operators,
    facility: &Facility,
) -> anyhow::Result<String> {
    let (own, other) = (&operators.applicant_officer, &operators.officer);
    let email = contact_email(facility);
    walk::apply(&own.browser, &stage.origins.public, facility, &email).await?;
    let application = walk::find_application(other, facility.name).await?;
    walk::check(own, &application).await?.expect_refusal_for(OWN)?;
    walk::check(other, &application).await?.expect_success()?;
    let refused = walk::approve(own, &application, facility).await?;
    Ok(refused.expect_refusal_for(OWN)?.summary())
}

/// The refusals at desks and services.
///
/// # Errors
/// The first that was let through, or refused for another reason.
pub(super) async fn at_desks(
    stage: &Stage,
    running: &[RunningService],
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    browser: &Browser,
    report: &mut Report,
) -> anyhow::Result<()> {
    report
        .step("R13", "service not allowed to the role, straight at the endpoint", async {
            let before = browser.open(&format!("{}/claims", running[2].origin)).await?;
            ensure!(before.status == reqwest::StatusCode::UNAUTHORIZED, "claims were there");
            let end = browser.open(&format!("{}/login", running[2].origin)).await?;
            end.expect_refusal_for("薬剤師の方だけ")?;
            let after = browser.open(&format!("{}/claims", running[2].origin)).await?;
            ensure!(
                after.status == reqwest::StatusCode::UNAUTHORIZED,
                "claims reached the service"
            );
            Ok(((), "no code, no token, no claims".into()))
        })
        .await?;
    let holder = walk::holder_of(0);
    let fresh = desks[0].desk.browser(stage)?;
    for (number, title, card, pin, mark) in [
        ("R1", "wrong PIN", holder.key, "9999", "pin_wrong"),
        ("R2", "revoked card", cards::REVOKED, PIN, "certificate-revoked"),
        ("R4", "expired certificate", cards::EXPIRED, PIN, "certificate_expired"),
    ] {
        report
            .step(number, title, async {
                let outcome = walk::log_in(stage, &desks[0].desk, &fresh, (card, pin), false).await;
                Ok(((), refusal_of(outcome, title, mark)?))
            })
            .await?;
    }
    report
        .step("R5", "replayed signature", async {
            let page = LoginPage::open(&fresh, &stage.origins.terminal).await?;
            let submission = walk::signed_answer(&page, &desks[0].desk, holder).await?;
            page.submit(&submission).await?.expect_success()?;
            let again = page.submit(&submission).await?.expect_refusal_for("challenge-replayed")?;
            Ok(((), again.summary()))
        })
        .await?;
    // After a card that the agent accepts, so that this refusal can only be of the foreign one.
    report
        .step("R3", "card of a foreign authority", async {
            let card = (cards::FOREIGN, PIN);
            let outcome = walk::log_in(stage, &desks[0].desk, &fresh, card, false).await;
            Ok(((), refusal_of(outcome, "a foreign card", "card_not_accepted")?))
        })
        .await?;
    report
        .step("R6", "another terminal's request", async {
            desks[0].desk.reader().insert(holder.key)?;
            let other = desks[1].desk.browser(stage)?;
            let page = LoginPage::open(&other, &stage.origins.terminal).await?;
            let challenge = page.challenge(false, None).await?;
            let outcome = page.ask_agent(&challenge, desks[0].desk.door).await;
            Ok(((), refusal_of(outcome, "another terminal's request", "another_terminal")?))
        })
        .await?;
    report
        .step("R7", "stolen cookie on another terminal", async {
            let cookie = stolen_session(stage, &desks[0].desk).await?;
            let thief = desks[1].desk.browser(stage)?;
            let answer = thief
                .client()
                .get(format!("{}/", stage.origins.terminal))
                .header(reqwest::header::COOKIE, cookie)
                .send()
                .await?;
            let status = answer.status();
            ensure!(status == reqwest::StatusCode::FORBIDDEN, "the thief was answered {status}");
            let told = answer.text().await?.contains("別の端末で始まったログイン");
            ensure!(told, "refused for another reason");
            Ok(((), format!("answered {status}, session ended")))
        })
        .await?;
    report
        .step("R8", "enrolment code used twice with another key", async {
            let other = Desk::new(stage, "thief", stage.door(9))?;
            let (status, _, stderr) = other.paste(&desks[0].line, other.folder()).await?;
            let told = stderr.contains("brought before, with another key");
            ensure!(!status.success() && told, "not refused for its use: {stderr}");
            Ok(((), first_line(&stderr)))
        })
        .await?;
    report
        .step("R9", "wrong root fingerprint", async {
            let (_, line) = walk::create_terminal(&facilities[0], "検査室1").await?;
            let root = line
                .split_whitespace()
                .skip_while(|word| *word != "--root")
                .nth(1)
                .context("the line does not carry the root's fingerprint")?;
            let wrong = line.replace(root, &"0".repeat(64));
            let other = Desk::new(stage, "deceived", stage.door(9))?;
            let (status, _, stderr) = other.paste(&wrong, other.folder()).await?;
            let told = stderr.contains("does not present the root with this fingerprint");
            ensure!(!status.success() && told, "not refused for the root: {stderr}");
            Ok(((), first_line(&stderr)))
        })
        .await?;
    of_invitations(stage, facilities, desks, report).await
}

async fn of_invitations(
    stage: &Stage,
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    report: &mut Report,
) -> anyhow::Result<()> {
    let nurse = &CARD_HOLDERS[1];
    report
        .step("R10", "first login without the invitation's code", async {
            let browser = desks[0].desk.browser(stage)?;
            let card = (nurse.key, PIN);
            let outcome = walk::log_in(stage, &desks[0].desk, &browser, card, false).await;
            Ok(((), refusal_of(outcome, "a person who is not a member", "not-a-member")?))
        })
        .await?;
    report
        .step("R11", "invitation with another person's card", async {
            let code = walk::invite(&facilities[0], nurse).await?;
            let browser = desks[0].desk.browser(stage)?;
            walk::enter_invitation(&browser, stage, &code).await?.expect_success()?;
            let other = &CARD_HOLDERS[2];
            let card = (other.key, PIN);
            let outcome = walk::log_in(stage, &desks[0].desk, &browser, card, true).await;
            Ok(((), refusal_of(outcome, "another person's card", "invitation-mismatch")?))
        })
        .await?;
    report
        .step("R12", "invitation at another facility's terminal", async {
            let code = walk::invite(&facilities[0], nurse).await?;
            let browser = desks[1].desk.browser(stage)?;
            let answer = walk::enter_invitation(&browser, stage, &code).await?;
            let answer = answer.expect_refusal_for("別の施設のもの")?;
            Ok(((), answer.summary()))
        })
        .await
}

/// A session's cookie, as a thief who reads the browser's memory would have it.
async fn stolen_session(stage: &Stage, desk: &Desk) -> anyhow::Result<String> {
    let holder = walk::holder_of(0);
    let browser = desk.browser(stage)?;
    let page = LoginPage::open(&browser, &stage.origins.terminal).await?;
    let submission = walk::signed_answer(&page, desk, holder).await?;
    page.submit_for_cookie(&submission).await
}

/// The refusal of `what`, which must name `mark` as its reason.
fn refusal_of<T>(outcome: anyhow::Result<T>, what: &str, mark: &str) -> anyhow::Result<String> {
    match outcome {
        Ok(_) => anyhow::bail!("{what} was let through"),
        Err(refusal) => {
            let refusal = first_line(&format!("{refusal:#}"));
            ensure!(refusal.contains(mark), "{what}: refused for another reason: {refusal}");
            Ok(refusal)
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}
