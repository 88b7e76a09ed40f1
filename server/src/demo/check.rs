//! `demo --check`: the eight steps and the refusals, one after another, without a person.

use std::{path::Path, time::Instant};

use anyhow::{Context, ensure};
use time::OffsetDateTime;

use super::{
    browser::Browser,
    cards::{self, Cards},
    cast::{CARD_HOLDERS, FACILITIES, Facility},
    console::ConsoleUser,
    desk::Desk,
    login_page::LoginPage,
    report::Report,
    services::{self, RunningService, SERVICES},
    stage::{Stage, free_port},
    walk::{self, AccreditedFacility, EnrolledDesk},
};
use crate::config::Settings;

/// Acts that the trail must hold in this order when the walk is over.
const ORDER: [&str; 10] = [
    "application.submit",
    "application.check",
    "application.approve",
    "organisation.activate",
    "terminal.create",
    "certificate.issue",
    "invitation.enter",
    "login.card",
    "token.issue",
    "terminal.revoke",
];

/// The whole set with everybody on it: what a person clicks through and what the check walks.
pub struct Scene {
    /// Instance and its server.
    pub stage: Stage,
    /// Everybody's cards.
    pub cards: Cards,
    /// People of the operating body.
    pub operators: Operators,
    /// The accredited facilities.
    pub facilities: Vec<AccreditedFacility>,
    /// The first PC of each facility.
    pub desks: Vec<EnrolledDesk>,
}

impl Scene {
    /// Steps 0 to 2: from an empty folder to enrolled PCs with running agents.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn build(folder: &Path, report: &mut Report) -> anyhow::Result<Self> {
        Self::build_with(folder, report, |_| {}).await
    }

    /// The same with a configuration that `configure` has changed.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn build_with(
        folder: &Path,
        report: &mut Report,
        configure: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let cards_folder = folder.join("cards");
        let (stage, cards) = report
            .step("0", "init, look-alike cards, serve", async {
                let mut made = None;
                let stage = Stage::build_with(folder, configure, |instance| {
                    made = Some(Cards::make(instance, &cards_folder, OffsetDateTime::now_utc())?);
                    Ok(())
                })
                .await?;
                let seen = format!("root {}…", &stage.root_fingerprint[..16]);
                Ok(((stage, made.context("no cards were made")?), seen))
            })
            .await?;
        let operators = operators(&stage, report).await?;
        let facilities = accredit(&stage, &operators, report).await?;
        let mut desks = enrol(&stage, &facilities, report).await?;
        start_agents(&stage, &cards, &mut desks).await?;
        Ok(Self { stage, cards, operators, facilities, desks })
    }

    /// Invites the first card holder of each facility and lets them log in once.
    ///
    /// # Errors
    /// The first login that failed.
    pub async fn admit_everybody(&self) -> anyhow::Result<()> {
        for holder in CARD_HOLDERS {
            let desk = &self.desks[holder.facility].desk;
            let code = walk::invite(&self.facilities[holder.facility], &holder).await?;
            let browser = desk.browser(&self.stage)?;
            walk::enter_invitation(&browser, &self.stage, &code).await?.expect_success()?;
            let card = (holder.key, holder.pin);
            walk::log_in(&self.stage, desk, &browser, &self.cards, card, true).await?;
        }
        Ok(())
    }
}

/// Walks everything; the error has been reported already when it is returned.
///
/// # Errors
/// The first step that failed.
pub async fn run(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let begun = Instant::now();
    let Scene { stage, cards, facilities, desks, .. } = Scene::build(folder, report).await?;
    let browser = desks[0].desk.browser(&stage)?;
    invited_login(&stage, &cards, &facilities, &desks, &browser, report).await?;
    let running = start_services(&stage, report).await?;
    portal_and_services(&stage, &running, &facilities, &desks, &browser, report).await?;
    refusals(&stage, &cards, &running, &facilities, &desks, &browser, report).await?;
    revoke(&stage, &running, &facilities, &desks, &browser, report).await?;
    report
        .step("8", "audit list and verify", async {
            let (acts, verdict) = walk::audit(&stage).await?;
            walk::check_order(&acts, &ORDER)?;
            Ok(((), format!("{} records; {verdict}", acts.len())))
        })
        .await?;
    report
        .step("9", "serve stops in order", async {
            let status = stage.server.stop().await?;
            ensure!(status.success(), "serve ended with {status}");
            Ok(((), format!("walked in {:.1} s", begun.elapsed().as_secs_f64())))
        })
        .await
}

/// Registers and starts the sample services.
///
/// # Errors
/// When a registration is refused or a program does not become ready.
pub async fn start_services(
    stage: &Stage,
    report: &mut Report,
) -> anyhow::Result<Vec<RunningService>> {
    report
        .step("5a", "three services registered and started", async {
            let mut running = Vec::new();
            for script in &SERVICES {
                running.push(services::start(stage, script).await?);
            }
            let seen = running.iter().map(|s| s.id).collect::<Vec<_>>().join(", ");
            Ok((running, seen))
        })
        .await
}

/// People of the operating body.
pub struct Operators {
    /// The first administrator.
    pub administrator: ConsoleUser,
    /// The officer who approves.
    pub officer: ConsoleUser,
    /// An officer who also sends an application.
    pub applicant_officer: ConsoleUser,
}

async fn operators(stage: &Stage, report: &mut Report) -> anyhow::Result<Operators> {
    report
        .step("1a", "first administrator and two officers set up", async {
            let administrator = ConsoleUser::first_use(
                stage.browser(None)?,
                &stage.origins.public,
                &stage.first_use_link,
                "admin",
            )
            .await?;
            let role = "accreditation_officer";
            let officer = walk::appoint(
                stage,
                &administrator,
                "officer1",
                ("高橋　誠", "タカハシ　マコト"),
                role,
            )
            .await?;
            let applicant_officer = walk::appoint(
                stage,
                &administrator,
                "officer2",
                ("伊藤　葵", "イトウ　アオイ"),
                role,
            )
            .await?;
            let seen = "password and one-time password set through one-time links".to_owned();
            Ok((Operators { administrator, officer, applicant_officer }, seen))
        })
        .await
}

async fn accredit(
    stage: &Stage,
    operators: &Operators,
    report: &mut Report,
) -> anyhow::Result<Vec<AccreditedFacility>> {
    let mut accredited = Vec::new();
    report
        .step("R14", "officer approving their own application", async {
            Ok(((), refuse_own_application(stage, operators, &FACILITIES[0]).await?))
        })
        .await?;
    for (index, facility) in FACILITIES.into_iter().enumerate() {
        let title = format!("{} applies, is checked, approved, activated", facility.key);
        let one = report
            .step("1", &title, async {
                let one = accredit_one(stage, operators, facility, index == 0).await?;
                let seen = format!("identifier {}", one.identifier);
                Ok((one, seen))
            })
            .await?;
        accredited.push(one);
    }
    Ok(accredited)
}

/// From the sentence that the officer reads who applied: `register-refused-own`.
const OWN: &str = "連絡先になっているもの";

/// An officer applies while logged in; everything is in place for an approval but another person.
async fn refuse_own_application(
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

fn contact_email(facility: &Facility) -> String {
    format!("{}@example.jp", facility.administrator)
}

async fn accredit_one(
    stage: &Stage,
    operators: &Operators,
    facility: Facility,
    applied_by_officer: bool,
) -> anyhow::Result<AccreditedFacility> {
    let public = &stage.origins.public;
    if !applied_by_officer {
        let email = contact_email(&facility);
        walk::apply(&stage.browser(None)?, public, &facility, &email).await?;
    }
    let application = walk::find_application(&operators.officer, facility.name).await?;
    walk::check(&operators.officer, &application).await?.expect_success()?;
    let letter = walk::approve(&operators.officer, &application, &facility).await?;
    let letter = letter.expect_success()?;
    let (identifier, code) =
        (letter.text_of("facility-identifier")?, letter.text_of("activation-code")?);
    let administrator = ConsoleUser::activate(
        stage.browser(None)?,
        public,
        &code,
        facility.administrator,
        facility.administrator_name,
        facility.administrator_kana,
    )
    .await?;
    Ok(AccreditedFacility { facility, identifier, administrator })
}

async fn enrol(
    stage: &Stage,
    facilities: &[AccreditedFacility],
    report: &mut Report,
) -> anyhow::Result<Vec<EnrolledDesk>> {
    let mut desks = Vec::new();
    for facility in facilities {
        let port = if desks.is_empty() { stage.agent_port } else { free_port()? };
        let title = format!("{}: terminal created and enrolled by EST", facility.facility.key);
        let desk = report
            .step("2", &title, async {
                let desk = walk::enrol(stage, facility, port).await?;
                let seen = format!("terminal {}", desk.terminal);
                Ok((desk, seen))
            })
            .await?;
        desks.push(desk);
    }
    Ok(desks)
}

async fn start_agents(
    stage: &Stage,
    cards: &Cards,
    desks: &mut [EnrolledDesk],
) -> anyhow::Result<()> {
    let keys: Vec<&str> = CARD_HOLDERS
        .iter()
        .map(|holder| holder.key)
        .chain([cards::REVOKED, cards::EXPIRED, cards::FOREIGN])
        .collect();
    for (desk, facility) in desks.iter_mut().zip(FACILITIES) {
        desk.desk.type_pin("0000")?;
        desk.desk.start_agent(stage, facility.key, cards, &keys).await?;
    }
    Ok(())
}

async fn invited_login(
    stage: &Stage,
    cards: &Cards,
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    browser: &Browser,
    report: &mut Report,
) -> anyhow::Result<()> {
    let holder = walk::holder_of(0);
    let card = (holder.key, holder.pin);
    report
        .step("3", "physician invited; first login with code and card", async {
            let code = walk::invite(&facilities[0], holder).await?;
            let refused = walk::log_in(stage, &desks[0].desk, browser, cards, card, false).await;
            ensure!(refused.is_err(), "a card without membership was let in without a code");
            walk::enter_invitation(browser, stage, &code).await?.expect_success()?;
            walk::log_in(stage, &desks[0].desk, browser, cards, card, true).await?;
            Ok(((), format!("{} became a member", holder.romaji)))
        })
        .await?;
    report
        .step("4", "later login needs only the card and its PIN", async {
            let logout = format!("{}/logout", stage.origins.terminal);
            browser.submit(&logout, &[]).await?.expect_success()?;
            let next = walk::log_in(stage, &desks[0].desk, browser, cards, card, false).await?;
            Ok(((), format!("on to {next}")))
        })
        .await
}

async fn portal_and_services(
    stage: &Stage,
    running: &[RunningService],
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    browser: &Browser,
    report: &mut Report,
) -> anyhow::Result<()> {
    let portal = format!("{}/", stage.origins.terminal);
    report
        .step("5", "portal shows the services for this person here", async {
            let page = browser.open(&portal).await?.expect_success()?;
            ensure!(walk::offered(&page.body, &running[0])?, "the first service is not offered");
            ensure!(walk::offered(&page.body, &running[1])?, "the second service is not offered");
            ensure!(!walk::offered(&page.body, &running[2])?, "the third service is offered");
            let english = browser.open(&format!("{portal}?lang=en")).await?.expect_success()?;
            ensure!(english.body.contains("lang=\"en\""), "no English portal");
            browser.open(&format!("{portal}?lang=ja")).await?.expect_success()?;
            Ok(((), "two offered, one refused with its reason".into()))
        })
        .await?;
    report
        .step("6", "a service receives a token", async {
            let claims = walk::visit(browser, &running[0]).await?;
            walk::check_claims(&claims, walk::holder_of(0), &facilities[0], &desks[0].terminal)?;
            Ok((
                (),
                format!(
                    "sub {}…",
                    claims["sub"].as_str().unwrap_or_default().chars().take(12).collect::<String>()
                ),
            ))
        })
        .await?;
    report
        .step("6b", "a second service without any prompt", async {
            let first = walk::visit(browser, &running[0]).await?;
            let second = walk::visit(browser, &running[1]).await?;
            ensure!(first["sub"] != second["sub"], "two services were told the same sub");
            ensure!(second.get("name").is_none_or(serde_json::Value::is_null), "a name leaked");
            Ok(((), "pairwise sub differs; name withheld".into()))
        })
        .await?;
    report
        .step("6c", "a third service refuses this role", async {
            let login = format!("{}/login", running[2].origin);
            let end = browser.open(&login).await?.expect_refusal_for("薬剤師の方だけ")?;
            ensure!(end.url.as_str().starts_with(&stage.origins.terminal), "ended at {}", end.url);
            Ok(((), end.summary()))
        })
        .await
}

async fn refusals(
    stage: &Stage,
    cards: &Cards,
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
        ("R2", "revoked card", cards::REVOKED, holder.pin, "certificate-revoked"),
        ("R4", "expired certificate", cards::EXPIRED, holder.pin, "certificate-expired"),
    ] {
        report
            .step(number, title, async {
                let outcome =
                    walk::log_in(stage, &desks[0].desk, &fresh, cards, (card, pin), false).await;
                Ok(((), refusal_of(outcome, title, mark)?))
            })
            .await?;
    }
    report
        .step("R5", "replayed signature", async {
            let page = LoginPage::open(&fresh, &stage.origins.terminal).await?;
            let submission = walk::signed_answer(&page, &desks[0].desk, cards, holder).await?;
            page.submit(&submission).await?.expect_success()?;
            let again = page.submit(&submission).await?.expect_refusal_for("challenge-replayed")?;
            Ok(((), again.summary()))
        })
        .await?;
    // After a card that the agent accepts, so that this refusal can only be of the foreign one.
    report
        .step("R3", "card of a foreign authority", async {
            let card = (cards::FOREIGN, holder.pin);
            let outcome = walk::log_in(stage, &desks[0].desk, &fresh, cards, card, false).await;
            Ok(((), refusal_of(outcome, "a foreign card", "card_not_accepted")?))
        })
        .await?;
    report
        .step("R6", "another terminal's request", async {
            cards.insert(holder.key)?;
            let other = desks[1].desk.browser(stage)?;
            let page = LoginPage::open(&other, &stage.origins.terminal).await?;
            let challenge = page.challenge(false, None).await?;
            let outcome = page.ask_agent(&challenge, desks[0].desk.port).await;
            Ok(((), refusal_of(outcome, "another terminal's request", "another_terminal")?))
        })
        .await?;
    report
        .step("R7", "stolen cookie on another terminal", async {
            let cookie = stolen_session(stage, cards, &desks[0].desk).await?;
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
            let other = Desk::new(stage, "thief", free_port()?)?;
            let (status, _, stderr) = other.paste(&desks[0].line, other.folder()).await?;
            let told = stderr.contains("used before, with another key");
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
            let other = Desk::new(stage, "deceived", free_port()?)?;
            let (status, _, stderr) = other.paste(&wrong, other.folder()).await?;
            let told = stderr.contains("does not present the root with this fingerprint");
            ensure!(!status.success() && told, "not refused for the root: {stderr}");
            Ok(((), first_line(&stderr)))
        })
        .await?;
    invitation_refusals(stage, cards, facilities, desks, report).await
}

async fn invitation_refusals(
    stage: &Stage,
    cards: &Cards,
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    report: &mut Report,
) -> anyhow::Result<()> {
    let nurse = &CARD_HOLDERS[1];
    report
        .step("R10", "first login without the invitation's code", async {
            let browser = desks[0].desk.browser(stage)?;
            let card = (nurse.key, nurse.pin);
            let outcome = walk::log_in(stage, &desks[0].desk, &browser, cards, card, false).await;
            Ok(((), refusal_of(outcome, "a person who is not a member", "not-a-member")?))
        })
        .await?;
    report
        .step("R11", "invitation with another person's card", async {
            let code = walk::invite(&facilities[0], nurse).await?;
            let browser = desks[0].desk.browser(stage)?;
            walk::enter_invitation(&browser, stage, &code).await?.expect_success()?;
            let other = &CARD_HOLDERS[2];
            let card = (other.key, other.pin);
            let outcome = walk::log_in(stage, &desks[0].desk, &browser, cards, card, true).await;
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

async fn revoke(
    stage: &Stage,
    running: &[RunningService],
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    browser: &Browser,
    report: &mut Report,
) -> anyhow::Result<()> {
    report
        .step("7", "terminal revoked: next request refused, sessions gone", async {
            let before = walk::revoked_serials(stage, browser).await?;
            facilities[0]
                .administrator
                .submit(
                    &format!("/console/terminals/{}/revoke", desks[0].terminal),
                    &[("reason", "lost"), ("note", "デモ")],
                )
                .await?
                .expect_success()?;
            let answer = browser.open(&format!("{}/", stage.origins.terminal)).await?;
            let refused = answer.expect_refusal()?.summary();
            let end = browser.open(&format!("{}/login", running[1].origin)).await?;
            end.expect_refusal()?;
            let after = wait_for_list(stage, browser, before).await?;
            Ok(((), format!("{refused}; list grew from {before} to {after}")))
        })
        .await
}

/// The list follows at once, but in a job of its own.
async fn wait_for_list(stage: &Stage, browser: &Browser, before: usize) -> anyhow::Result<usize> {
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let now = walk::revoked_serials(stage, browser).await?;
        if now > before {
            return Ok(now);
        }
        ensure!(Instant::now() < deadline, "the revocation list did not follow in 10 seconds");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A session's cookie, as a thief who reads the browser's memory would have it.
async fn stolen_session(stage: &Stage, cards: &Cards, desk: &Desk) -> anyhow::Result<String> {
    let holder = walk::holder_of(0);
    let browser = desk.browser(stage)?;
    let page = LoginPage::open(&browser, &stage.origins.terminal).await?;
    let submission = walk::signed_answer(&page, desk, cards, holder).await?;
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
