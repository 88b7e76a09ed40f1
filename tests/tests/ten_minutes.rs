//! From nothing to a verified login: whoever answers for a service registers it, takes a card and a PC,
//! runs the configuration that is shown, sees the self-check turn good, and goes live. `docs/services.md`
//! is this walk in words. How long each part took is printed, for people to wait less, and is not judged.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sekisho::demo::{
    cards::Cards,
    cast::{CARD_HOLDERS, PIN},
    check::Scene,
    chromium::Profile,
    console::ConsoleUser,
    desk::Desk,
    namespace,
    process::{self, Program},
    report::Report,
    stage::{Stage, free_port},
};
use sekisho_output::say;
use sekisho_tests::{Chromium, become_user, hosts_file, installed, sandbox};
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::process::Command;

/// How long a page may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the operating body answers with.
const RULES: &str = "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\n\
                     release = [\"name\", \"hc_role\", \"facility_id\", \"facility_name\"]\n";

/// Prints how long each part took.
struct Clock {
    began: Instant,
    last: Instant,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { began: now, last: now }
    }

    fn part(&mut self, what: &str) -> anyhow::Result<()> {
        let (part, all) = (self.last.elapsed(), self.began.elapsed());
        let (part, all) = (part.as_secs_f64(), all.as_secs_f64());
        say(&format!(
            "{part:6.1} s  {all:6.1} s in all  {what}
"
        ))?;
        self.last = Instant::now();
        Ok(())
    }
}

/// An owner at a browser of their own, which is no terminal, and the service's page.
struct Owner {
    user: ConsoleUser,
    chromium: Chromium,
    downloads: PathBuf,
    public: String,
}

impl Owner {
    async fn appointed(scene: &Scene) -> anyhow::Result<Self> {
        let stage = &scene.stage;
        let appointment = [
            ("login_name", "owner1"),
            ("name", "責任　者"),
            ("name_kana", "セキニン　シャ"),
            ("email", "owner1@example.jp"),
            ("role", "service_owner"),
            ("organisation_id", scene.facilities[0].identifier.as_str()),
        ];
        let operator = &scene.operators.administrator;
        let page = operator.submit("/console/roles", &appointment).await?.expect_success()?;
        let (public, link) = (stage.origins.public.clone(), page.text_of("one-time-link")?);
        let user = ConsoleUser::first_use(stage.browser(None)?, &public, &link, "owner1").await?;
        let folder = stage.folder.join("owner");
        let downloads = folder.join("downloads");
        std::fs::create_dir_all(&downloads)?;
        let policy = json!({ "DownloadDirectory": downloads, "PromptForDownloadLocation": false });
        let profile = Profile::prepare(&folder, &policy.to_string())?;
        trust(&profile, &stage.instance.join("ca/root.crt")).await?;
        let chromium = Chromium::start(&profile, &[], &stage.logs()).await?;
        become_user(&chromium.driver, &user, &public).await?;
        Ok(Self { user, chromium, downloads, public })
    }

    fn driver(&self) -> &WebDriver {
        &self.chromium.driver
    }

    async fn open(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.driver().goto(&format!("{}{path}", self.public)).await?)
    }

    async fn find(&self, css: &str) -> anyhow::Result<WebElement> {
        let found = self.driver().query(By::Css(css)).wait(PATIENCE, LOOK_EVERY).first().await;
        if let Ok(element) = found {
            return Ok(element);
        }
        let shown = self.driver().find(By::Tag("body")).await?.text().await?;
        anyhow::bail!("{css} is not on the page: {shown}")
    }

    async fn press(&self, css: &str) -> anyhow::Result<()> {
        let element = self.find(css).await?;
        element.scroll_into_view().await?;
        Ok(element.click().await?)
    }

    /// What an element holds, also one that is folded away.
    async fn text_of(&self, css: &str) -> anyhow::Result<String> {
        let element = self.find(css).await?;
        element.prop("textContent").await?.with_context(|| format!("{css} holds nothing"))
    }

    /// Registers a service at `origin` by the form; its identifier and secret.
    async fn register(&self, origin: &str) -> anyhow::Result<(String, String)> {
        self.open("/console/services/new").await?;
        for (id, typed) in [
            ("name_ja", "紹介状の控え"),
            ("name_en", "Copies of referral letters"),
            ("description_ja", "出した紹介状を読み返す。"),
            ("description_en", "Read the letters that were sent."),
            ("home_url", &format!("{origin}/")),
            ("redirect_uris", &format!("{origin}/callback")),
            ("logout_uris", &format!("{origin}/")),
            ("backchannel_logout_uri", &format!("{origin}/backchannel-logout")),
        ] {
            self.find(&format!("#{id}")).await?.send_keys(typed).await?;
        }
        self.press("input[name='authentication'][value='client_secret_post']").await?;
        self.press("input[name='refreshes']").await?;
        for scope in ["profile", "hc_role", "facility"] {
            let choice = self.find(&format!("input[name='scopes'][value='{scope}']")).await?;
            if !choice.is_selected().await? {
                choice.click().await?;
            }
        }
        self.press("form[action='/console/services/new'] button[type='submit']").await?;
        Ok((self.text_of("#client-id").await?, self.text_of("#client-secret").await?))
    }

    /// Saves a card and unpacks it; the folder in which it lies.
    async fn take_card(&self, page: &str) -> anyhow::Result<Cards> {
        self.open(page).await?;
        self.press("#card-physician").await?;
        let saved = self.downloads.join("physician.tar");
        let deadline = Instant::now() + PATIENCE;
        while !saved.exists() {
            ensure!(Instant::now() < deadline, "the browser saved no {}", saved.display());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let cards = self.downloads.join("cards");
        std::fs::create_dir(&cards)?;
        let mut tar = Command::new("tar");
        // Beside the usual card lie those in states that refuse a login.
        tar.arg("xf").arg(&saved).arg("-C").arg(&cards).arg("physician");
        process::run(tar).await?;
        Ok(Cards::of_reader(cards))
    }

    /// Waits until the self-check says of each line that it is good.
    async fn all_good(&self, page: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.open(page).await?;
            let good = self.driver().find_all(By::Css("[id^='check-'] .tag-good")).await?.len();
            if good == 4 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let said = self.text_of("section[aria-labelledby='check-title']").await?;
                anyhow::bail!("{good} of 4 lines are good: {said}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The root of the instance, as a person lets their browser trust it.
async fn trust(profile: &Profile, root: &Path) -> anyhow::Result<()> {
    let store = format!("sql:{}", profile.home().join(".pki/nssdb").display());
    let mut make = Command::new("certutil");
    make.args(["-N", "--empty-password", "-d", &store]);
    process::run(make).await?;
    let mut add = Command::new("certutil");
    add.args(["-A", "-d", &store, "-n", "root", "-t", "C,,", "-i"]).arg(root);
    process::run(add).await?;
    Ok(())
}

/// Runs openid-client, as it comes from npm, with the text of the console in `sso.mjs`.
async fn start_service(
    stage: &Stage,
    (id, secret): (&str, &str),
    origin: &str,
    configuration: &str,
) -> anyhow::Result<Program> {
    let folder = stage.folder.join("service");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("sso.mjs"), configuration)?;
    let root = folder.join("sso-root.crt");
    std::fs::write(&root, &stage.root_pem)?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("relying-parties/node");
    let (node, libraries) =
        installed::node(&sources, Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    for name in ["openid-client.mjs", "service.mjs"] {
        std::fs::copy(libraries.join(name), folder.join(name))?;
    }
    symlink(libraries.join("node_modules"), folder.join("node_modules"))?;
    let hosts = hosts_file(stage, &folder)?;
    let mut command = namespace::with_mount(&hosts, "/etc/hosts", &node);
    let port = url::Url::parse(origin)?.port().context("an origin without a port")?;
    command
        .arg("openid-client.mjs")
        .current_dir(&folder)
        .env("ISSUER", &stage.origins.public)
        .env("CLIENT_ID", id)
        .env("CLIENT_SECRET", secret)
        .env("ORIGIN", origin)
        .env("PORT", port.to_string())
        .env("NODE_EXTRA_CA_CERTS", &root);
    let ready = |line: &str| line.contains("ready");
    let (program, _) = Program::start_when("openid-client", command, &stage.logs(), ready).await?;
    Ok(program)
}

/// Begins a login at the service and reads who the service says it is. The card is in the reader, so the
/// portal asks for nothing but the PIN.
async fn log_in(driver: &WebDriver, origin: &str) -> anyhow::Result<Value> {
    driver.goto(&format!("{origin}/login")).await?;
    let reached = driver.query(By::Id("logout")).wait(PATIENCE, LOOK_EVERY).first().await;
    if reached.is_err() {
        let shown = driver.find(By::Tag("body")).await?.text().await?;
        anyhow::bail!("{} shows: {shown}", driver.current_url().await?);
    }
    Ok(serde_json::from_str(&driver.find(By::Tag("pre")).await?.text().await?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_comes_from_nothing_to_a_verified_login_and_to_a_live_service()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let tls = (std::net::Ipv4Addr::LOCALHOST, free_port()?).into();
    let mut scene = Scene::build_with(folder.path(), &mut Report::new(true), |settings| {
        // The same address after the second start.
        settings.listen.tls = vec![tls];
    })
    .await?;
    scene.admit_everybody().await?;
    scene.stage = sandbox::make(scene.stage).await?;
    let owner = Owner::appointed(&scene).await?;
    let stage = &scene.stage;

    let mut clock = Clock::start();
    let origin = format!("http://letters.localhost:{}", free_port()?);
    let (id, secret) = owner.register(&origin).await?;
    clock.part("the service is registered in the console")?;

    let page = format!("/console/service/{id}");
    let cards = owner.take_card(&page).await?;
    owner.press("#trial-pc").await?;
    let line = owner.find("#line").await?.prop("value").await?.context("no line")?;
    clock.part("a card is saved, a code for a PC shown")?;

    let mut desk = Desk::new(stage, "trial", stage.door(scene.desks.len()))?;
    let (status, _, stderr) = desk.paste(&line, desk.folder()).await?;
    ensure!(status.success(), "the PC was not enrolled: {stderr}");
    let profile = desk.chromium(&line, &desk.policy_json().await?).await?;
    desk.type_pin(PIN)?;
    desk.start_agent(stage, "trial", &cards).await?;
    let at_pc = Chromium::start(&profile, &[], &stage.logs()).await?;
    clock.part("the PC is enrolled, its agent runs with the card")?;

    owner.open(&page).await?;
    let configuration = owner.text_of("#ready-openid-client").await?;
    let program = start_service(stage, (&id, &secret), &origin, &configuration).await?;
    clock.part("openid-client runs with what the page shows")?;

    let claims = log_in(&at_pc.driver, &origin).await?;
    ensure!(claims["name"] == "見本　太郎", "{claims}");
    ensure!(claims["hc_role"] == json!(["Medical Doctor"]), "{claims}");
    clock.part("somebody invented is logged in, and the service has verified it")?;

    owner.press("form[action$='/check/notice'] button").await?;
    owner.find("#check-notice").await?;
    owner.press("form[action$='/check/signature'] button").await?;
    owner.find("#check-signature").await?;
    at_pc.driver.goto(&format!("{origin}/login")).await?;
    log_in(&at_pc.driver, &origin).await?;
    owner.all_good(&page).await?;
    clock.part("the self-check is good in every line")?;

    owner.find("#purpose").await?.send_keys("出した紹介状を、書いた医師が読み返すため。").await?;
    owner.press("form[action$='/ask'] button").await?;
    owner.find("#asked-purpose").await?;
    become_user(owner.driver(), &scene.operators.administrator, &owner.public).await?;
    owner.open(&page).await?;
    owner.find("#rules").await?.send_keys(RULES).await?;
    owner.press("form[action$='/approve'] button").await?;
    become_user(owner.driver(), &owner.user, &owner.public).await?;
    owner.open(&page).await?;
    let left = owner.driver().find_all(By::Id("check-title")).await?.len();
    ensure!(left == 0, "the service is not live");
    clock.part("asked for, and approved by somebody else")?;

    // Nobody invented is let in any more; a physician at a facility that is real is.
    at_pc.driver.goto(&format!("{origin}/login")).await?;
    let shown = at_pc.driver.find(By::Tag("body")).await?.text().await?;
    ensure!(shown.contains("ここは試験用の施設なので"), "a live service is open: {shown}");
    at_pc.quit().await?;
    let (real, physician) = (&scene.desks[0], &CARD_HOLDERS[0]);
    let profile = real.desk.chromium(&real.line, &real.desk.policy_json().await?).await?;
    real.desk.reader().insert(physician.key)?;
    real.desk.type_pin(PIN)?;
    let at_hospital = Chromium::start(&profile, &[], &stage.logs()).await?;
    let claims = log_in(&at_hospital.driver, &origin).await?;
    ensure!(claims["name"] == physician.name, "{claims}");
    ensure!(claims["facility_name"] == scene.facilities[0].facility.name, "{claims}");
    clock.part("a physician is logged in at a facility that is real")?;

    at_hospital.quit().await?;
    owner.chromium.quit().await?;
    desk.stop_agent().await?;
    program.stop().await?;
    scene.stage.server.stop().await?;
    Ok(())
}
