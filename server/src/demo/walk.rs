//! The walk: every step of a physician's way from an empty folder to a token, through the real doors.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use sekisho_protocol::answer::LoginSubmission;
use serde_json::Value as Json;
use tokio::process::Command;
use url::Url;

use super::{
    browser::{Answer, Browser},
    cast::{CARD_HOLDERS, CardHolder, Facility, PIN},
    console::ConsoleUser,
    desk::Desk,
    login_page::{self, LoginPage},
    process,
    services::RunningService,
    stage::Stage,
};

/// A facility that went through accreditation.
pub struct AccreditedFacility {
    /// What it applied with.
    pub facility: Facility,
    /// Its immutable identifier.
    pub identifier: String,
    /// Its administrator.
    pub administrator: ConsoleUser,
}

/// An enrolled PC.
pub struct EnrolledDesk {
    /// The PC.
    pub desk: Desk,
    /// Terminal identifier.
    pub terminal: String,
    /// The line that enrolled it.
    pub line: String,
}

/// Creates an account with a role and lets its owner use the link.
///
/// # Errors
/// When a door refuses.
pub async fn appoint(
    stage: &Stage,
    administrator: &ConsoleUser,
    login_name: &str,
    (name, name_kana): (&str, &str),
    role: &str,
) -> anyhow::Result<ConsoleUser> {
    let page = administrator
        .submit(
            "/console/roles",
            &[
                ("login_name", login_name),
                ("name", name),
                ("name_kana", name_kana),
                ("email", &format!("{login_name}@operator.example.jp")),
                ("role", role),
            ],
        )
        .await?
        .expect_success()?;
    let link = page.text_of("one-time-link")?;
    let browser = stage.browser(None)?;
    ConsoleUser::first_use(browser, &stage.origins.public, &link, login_name).await
}

/// Sends an application; returns the receipt number.
///
/// # Errors
/// When the form is refused.
pub async fn apply(
    browser: &Browser,
    public: &str,
    facility: &Facility,
    contact_email: &str,
) -> anyhow::Result<String> {
    let apply = format!("{public}/apply");
    let form = browser.open(&apply).await?.expect_success()?.value_of("form")?;
    let page = browser
        .submit(
            &apply,
            &[
                ("form", &form),
                ("kind", facility.kind),
                ("name", facility.name),
                ("name_kana", facility.kana),
                ("prefecture", facility.prefecture),
                ("postal_code", facility.postal_code),
                ("address", facility.address),
                ("medical_institution_code", facility.code),
                ("contact_name", facility.administrator_name),
                ("contact_phone", "03-0000-0000"),
                ("contact_email", contact_email),
            ],
        )
        .await?
        .expect_success()?;
    page.text_of("receipt-number")
}

/// Finds an application in the officer's list by the facility's name.
///
/// # Errors
/// When the list does not show it.
pub async fn find_application(officer: &ConsoleUser, name: &str) -> anyhow::Result<String> {
    let list = officer.open("/console/applications").await?.expect_success()?;
    let row = list
        .body
        .split("<tr")
        .find(|row| row.contains(name))
        .with_context(|| format!("the officer's list does not show {name}"))?;
    row.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .find(|href| href.starts_with("/console/applications/"))
        .map(str::to_owned)
        .context("the row has no link")
}

/// An officer records what was checked.
///
/// # Errors
/// When nothing can be sent.
pub async fn check(officer: &ConsoleUser, application: &str) -> anyhow::Result<Answer> {
    officer
        .submit(
            &format!("{application}/checks"),
            &[("source", "厚生局 保険医療機関一覧"), ("note", "名称・所在地・コードが一致")],
        )
        .await
}

/// An officer approves; the answer is the letter with identifier and activation code.
///
/// # Errors
/// When nothing can be sent.
pub async fn approve(
    officer: &ConsoleUser,
    application: &str,
    facility: &Facility,
) -> anyhow::Result<Answer> {
    // The address is the register's: the officer types it from there, not from the application.
    officer
        .submit(
            &format!("{application}/approve"),
            &[("letter_postal_code", facility.postal_code), ("letter_address", facility.address)],
        )
        .await
}

/// The administrator creates a terminal; returns its identifier and the line to paste.
///
/// # Errors
/// When a door refuses.
pub async fn create_terminal(
    facility: &AccreditedFacility,
    name: &str,
) -> anyhow::Result<(String, String)> {
    let page = facility
        .administrator
        .submit("/console/terminals", &[("facility", &facility.identifier), ("name", name)])
        .await?
        .expect_success()?;
    let line = page.text_of("line")?;
    let terminal = line
        .split_whitespace()
        .skip_while(|word| *word != "--terminal")
        .nth(1)
        .context("the line names no terminal")?
        .to_owned();
    Ok((terminal, line))
}

/// Enrols a PC with the console's line.
///
/// # Errors
/// When the agent refuses.
pub async fn enrol(
    stage: &Stage,
    facility: &AccreditedFacility,
    door: SocketAddr,
) -> anyhow::Result<EnrolledDesk> {
    let (terminal, line) = create_terminal(facility, facility.facility.terminal).await?;
    let desk = Desk::new(stage, facility.facility.key, door)?;
    let (status, _, stderr) = desk.paste(&line, desk.folder()).await?;
    ensure!(status.success(), "the agent could not enrol: {}", stderr.trim());
    Ok(EnrolledDesk { desk, terminal, line })
}

/// The administrator invites a card holder; returns the code on the slip.
///
/// # Errors
/// When a door refuses.
pub async fn invite(facility: &AccreditedFacility, holder: &CardHolder) -> anyhow::Result<String> {
    let slip = facility
        .administrator
        .submit(
            "/console/members/invitations",
            &[
                ("organisation", &facility.identifier),
                ("name", holder.name),
                ("name_kana", holder.kana),
                ("role", holder.role),
                ("licence_number", ""),
            ],
        )
        .await?
        .expect_success()?;
    slip.text_of("invitation-code")
}

/// Types an invitation's code at a terminal; the answer is the login page or a refusal.
///
/// # Errors
/// When nothing answers.
pub async fn enter_invitation(
    browser: &Browser,
    stage: &Stage,
    code: &str,
) -> anyhow::Result<Answer> {
    let url = format!("{}/invitation", stage.origins.terminal);
    browser.open(&url).await?.expect_success()?;
    browser.submit(&url, &[("code", code)]).await
}

/// One card in the reader, its PIN typed, one login. The card stays in: taking it out would lock the
/// session.
///
/// # Errors
/// With the refusal of agent or portal.
pub async fn log_in(
    stage: &Stage,
    desk: &Desk,
    browser: &Browser,
    (card, pin): (&str, &str),
    invitation: bool,
) -> anyhow::Result<String> {
    let portal = &stage.origins.terminal;
    log_in_with(browser, portal, desk, (card, pin), invitation, None).await
}

/// The same where the portal is known by its origin alone, with where the browser goes afterwards.
///
/// # Errors
/// With the refusal of agent or portal.
pub async fn log_in_with(
    browser: &Browser,
    portal: &str,
    desk: &Desk,
    (card, pin): (&str, &str),
    invitation: bool,
    return_to: Option<&str>,
) -> anyhow::Result<String> {
    desk.reader().insert(card)?;
    desk.type_pin(pin)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let outcome = login_page::log_in(browser, portal, desk.door, invitation, return_to).await;
        match outcome {
            // The agent saw the card of before leave, or this one come; the person tries again, as it asks.
            Err(refusal)
                if Instant::now() < deadline && refusal.to_string().contains("(card_removed)") =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// A challenge and the signed answer to it, not yet handed in. After a change of cards the agent may
/// still see the one of before: it is asked again until it sees this one, for at most 10 seconds.
///
/// # Errors
/// With the agent's last refusal.
pub async fn signed_answer(
    page: &LoginPage<'_>,
    desk: &Desk,
    holder: &CardHolder,
) -> anyhow::Result<LoginSubmission> {
    desk.reader().insert(holder.key)?;
    desk.type_pin(PIN)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let challenge = page.challenge(false, None).await?;
        match page.ask_agent(&challenge, desk.door).await {
            Err(refusal)
                if Instant::now() < deadline
                    && ["(card_", "(certificate_"]
                        .iter()
                        .any(|of| refusal.to_string().contains(of)) =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Logs in to a sample service from a browser that may have a session at the portal; returns the
/// verified claims that the service shows.
///
/// # Errors
/// When the way ends anywhere but at the service with claims.
pub async fn visit(browser: &Browser, service: &RunningService) -> anyhow::Result<Json> {
    let end = browser.open(&format!("{}/login", service.origin)).await?;
    let host = end.url.host_str().unwrap_or_default().to_owned();
    ensure!(
        end.status.is_success() && host == service.host,
        "the way to {} ended at {} with {}: {}",
        service.id,
        end.url,
        end.status,
        end.summary()
    );
    let claims = browser.open(&format!("{}/claims", service.origin)).await?.expect_success()?;
    Ok(serde_json::from_str(&claims.body)?)
}

/// What the first service must have been told.
///
/// # Errors
/// With the first claim that is missing or different.
pub fn check_claims(
    claims: &Json,
    holder: &CardHolder,
    facility: &AccreditedFacility,
    terminal: &str,
) -> anyhow::Result<()> {
    let expected = [
        ("name", Json::from(holder.name)),
        ("hc_role", Json::from(vec![holder.role])),
        ("facility_id", Json::from(facility.identifier.as_str())),
        ("facility_code", Json::from(vec![facility.facility.code])),
        ("facility_name", Json::from(facility.facility.name)),
        ("facility_kind", Json::from(facility.facility.kind)),
        ("acr", Json::from(sekisho_wire::acr::HPKI_CARD)),
    ];
    for (claim, value) in expected {
        ensure!(claims[claim] == value, "{claim} is {} and not {value}", claims[claim]);
    }
    ensure!(claims["terminal"]["id"] == terminal, "terminal is {}", claims["terminal"]);
    ensure!(claims["auth_time"].is_number() && claims["amr"].is_array(), "no auth_time or amr");
    for (claim, source) in [
        ("sub", "card"),
        ("hc_role", "card"),
        ("auth_time", "login"),
        ("facility_id", "facility_certificate"),
        ("facility_name", "register"),
        ("terminal.id", "facility_certificate"),
        ("terminal.name", "register"),
    ] {
        let vouched = &claims["vouched_by"][claim];
        ensure!(vouched == source, "{claim} is vouched for by {vouched}");
    }
    Ok(())
}

/// Whether the portal's page offers this service or explains why not.
///
/// # Errors
/// When the page does not name the service at all.
pub fn offered(portal: &str, service: &RunningService) -> anyhow::Result<bool> {
    ensure!(portal.contains(service.name), "the portal does not show {}", service.name);
    let link = format!("href=\"{}/login\"", service.origin);
    Ok(portal.contains(&link))
}

/// Revocation as the outside sees it: OCSP by `openssl`-free means is in the tests; here the list.
///
/// # Errors
/// When the list is not served.
pub async fn revoked_serials(stage: &Stage, browser: &Browser) -> anyhow::Result<usize> {
    use der::Decode;
    let url = Url::parse(&stage.origins.plain)?.join("/crl/terminals.crl")?;
    let response = browser.client().get(url).send().await?.error_for_status()?;
    let list: x509_cert::crl::CertificateList =
        x509_cert::crl::CertificateList::from_der(&response.bytes().await?)?;
    Ok(list.tbs_cert_list.revoked_certificates.map_or(0, |entries| entries.len()))
}

/// `sekisho audit` as an operator runs it: acts in order, and whether the trail verifies.
///
/// # Errors
/// When the trail does not hold.
pub async fn audit(stage: &Stage) -> anyhow::Result<(Vec<String>, String)> {
    let mut list = Command::new(process::sibling("sekisho")?);
    list.args(["audit", "list"]).arg(&stage.instance).arg("--json");
    let acts = process::run(list)
        .await?
        .lines()
        .map(|line| {
            let record: Json = serde_json::from_str(line)?;
            ensure!(record["role"].is_string(), "a record without a role: {line}");
            let places = [&record["address"], &record["terminal"], &record["host"]];
            let placed =
                record["actor"]["kind"] == "system" || places.into_iter().any(Json::is_string);
            ensure!(placed, "a record without a place: {line}");
            record["act"].as_str().map(str::to_owned).context("a record without an act")
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut verify = Command::new(process::sibling("sekisho")?);
    verify.args(["audit", "verify"]).arg(&stage.instance);
    let verdict = process::run(verify).await?;
    Ok((acts, verdict.lines().next().unwrap_or_default().to_owned()))
}

/// The acts of the walk, in the order in which they must stand in the trail.
///
/// # Errors
/// With the first act that is missing or out of order.
pub fn check_order(acts: &[String], expected: &[&str]) -> anyhow::Result<()> {
    let mut rest = acts.iter();
    for act in expected {
        if !rest.any(|found| found == act) {
            bail!("the trail does not hold {act} after what stands before it");
        }
    }
    Ok(())
}

/// The card holder who is invited at this facility, first of several.
///
/// # Panics
/// Never: every facility of the cast invites somebody.
#[must_use]
pub fn holder_of(facility: usize) -> &'static CardHolder {
    CARD_HOLDERS.iter().find(|holder| holder.facility == facility).unwrap_or(&CARD_HOLDERS[0])
}
