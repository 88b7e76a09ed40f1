//! `demo --check`: the eight steps and the refusals, one after another, without a person.

use std::{path::Path, time::Instant};

use anyhow::{Context, ensure};
use time::OffsetDateTime;

use super::{
    browser::Browser,
    cards::Cards,
    cast::{CARD_HOLDERS, FACILITIES, Facility, PIN},
    console::ConsoleUser,
    refusals,
    report::Report,
    services::{self, RunningService, SERVICES},
    stage::Stage,
    walk::{self, AccreditedFacility, EnrolledDesk},
};
use crate::config::{Settings, StatusSource};

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
    /// People of the operating body.
    pub operators: Operators,
    /// The accredited facilities.
    pub facilities: Vec<AccreditedFacility>,
    /// The first PC of each facility.
    pub desks: Vec<EnrolledDesk>,
    /// The cards, of which each PC has copies.
    pub cards: Cards,
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
                let configure = |settings: &mut Settings| {
                    settings.jpki.status = StatusSource::Files;
                    settings.card_login.passkeys = true;
                    configure(settings);
                };
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
        Ok(Self { stage, operators, facilities, desks, cards })
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
            let card = (holder.key, PIN);
            walk::log_in(&self.stage, desk, &browser, card, true).await?;
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
    let Scene { stage, facilities, desks, .. } = Scene::build(folder, report).await?;
    let browser = desks[0].desk.browser(&stage)?;
    invited_login(&stage, &facilities, &desks, &browser, report).await?;
    let running = start_services(&stage, report).await?;
    portal_and_services(&stage, &running, &facilities, &desks, &browser, report).await?;
    refusals::at_desks(&stage, &running, &facilities, &desks, &browser, report).await?;
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
            Ok(((), refusals::own_application(stage, operators, &FACILITIES[0]).await?))
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

pub(super) fn contact_email(facility: &Facility) -> String {
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
        let door = stage.door(desks.len());
        let title = format!("{}: terminal created and enrolled by EST", facility.facility.key);
        let desk = report
            .step("2", &title, async {
                let desk = walk::enrol(stage, facility, door).await?;
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
    for (desk, facility) in desks.iter_mut().zip(FACILITIES) {
        desk.desk.type_pin("0000")?;
        desk.desk.start_agent(stage, facility.key, cards).await?;
    }
    Ok(())
}

async fn invited_login(
    stage: &Stage,
    facilities: &[AccreditedFacility],
    desks: &[EnrolledDesk],
    browser: &Browser,
    report: &mut Report,
) -> anyhow::Result<()> {
    let holder = walk::holder_of(0);
    let card = (holder.key, PIN);
    report
        .step("3", "physician invited; first login with code and card", async {
            let code = walk::invite(&facilities[0], holder).await?;
            let refused = walk::log_in(stage, &desks[0].desk, browser, card, false).await;
            ensure!(refused.is_err(), "a card without membership was let in without a code");
            walk::enter_invitation(browser, stage, &code).await?.expect_success()?;
            walk::log_in(stage, &desks[0].desk, browser, card, true).await?;
            Ok(((), format!("{} became a member", holder.romaji)))
        })
        .await?;
    report
        .step("4", "later login needs only the card and its PIN", async {
            let logout = format!("{}/logout", stage.origins.terminal);
            browser.submit(&logout, &[]).await?.expect_success()?;
            let next = walk::log_in(stage, &desks[0].desk, browser, card, false).await?;
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
