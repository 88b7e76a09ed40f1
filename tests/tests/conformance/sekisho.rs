//! Our own provider, as it is built: an instance with three facilities, their PCs, agents and cards.

use std::{
    fmt::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use sekisho::demo::{
    browser::{Answer as Page, Browser, Resolution},
    cards::Cards,
    cast::{CARD_HOLDERS, CardHolder, PIN},
    check::Scene,
    desk::Desk,
    process::{self, Program},
    report::Report,
    services,
    stage::{Stage, free_port},
    walk::{self, EnrolledDesk},
};
use serde_json::Value;
use tokio::{
    process::Command,
    sync::{Mutex, OnceCell},
};
use url::Url;

use crate::{
    backchannel::Listener,
    client::{self, Binding, Client, Profile, Programs},
    flow::Answer,
    provider::{Person, Provider, Step, Whom, named},
};

/// How long codes and requests that were sent ahead live unless it is told otherwise.
const LIFETIME: Duration = Duration::from_secs(60);
/// The same where one mistake after the other is waited for. A busy machine needs most of it for a login.
const SHORT_LIFETIME: Duration = Duration::from_secs(15);
/// How long an idle connection is kept, in seconds.
const IDLE_SECS: u32 = 120;

/// The card holders, by index: two physicians at PCs of their own, and a pharmacist whose facility becomes one
/// for tests: only what registered itself is open there, and only to whom is invented.
const SEATS: [usize; 3] = [0, 2, 3];
/// The pharmacist's seat, and who sits there once the facility is for tests.
const SANDBOX: usize = 2;
const INVENTED: CardHolder = CardHolder {
    key: "pharmacist",
    name: "見本　花子",
    kana: "ミホン　ハナコ",
    romaji: "MIHON HANAKO",
    role: "Pharmacist",
    serial_number: "SANDBOX002",
    facility: 2,
};

/// The running instance.
pub struct Sekisho {
    server: Program,
    instance: PathBuf,
    logs: PathBuf,
    portal: String,
    root_pem: Vec<u8>,
    hosts: Vec<String>,
    desks: Vec<EnrolledDesk>,
    metadata: Value,
    clients: Vec<Client>,
    programs: Programs,
    lifetime: Duration,
    tokens: Listener,
    turn: AtomicUsize,
    /// One login at a PC at a time: it has one reader and one person.
    logins: [Mutex<()>; SEATS.len()],
    /// The browsers in which they are logged in.
    used: [Mutex<Option<Browser>>; SEATS.len()],
    initial_access_token: String,
    /// The keys before the rotation, once that has happened.
    before_rotation: OnceCell<Value>,
}

impl Sekisho {
    /// Makes the instance in `folder` and registers the clients.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (tls, loopback) = (free_port()?, [Ipv4Addr::LOCALHOST]);
        let scene = Scene::build_with(folder, &mut Report::new(true), |settings| {
            // The same port again for the build with faults.
            settings.listen.tls = loopback.map(|address| (address, tls).into()).to_vec();
            // Longer than a client keeps a connection, or one is closed at the moment of its next use.
            settings.listen.head_seconds = IDLE_SECS;
            // Many modules authenticate wrongly, all from one address.
            settings.people.network_factor = 1_000;
        })
        .await?;
        scene.admit_everybody().await?;
        let tokens = Listener::start().await?;
        let mut clients = client::all(folder).await?;
        for client in &mut clients {
            let file = folder.join(format!("{}.toml", client.id));
            std::fs::write(&file, registration(client, &tokens)?)?;
            if let Some(secret) = services::register(&scene.stage, &file).await? {
                client.secret = secret;
            }
        }
        let Scene { stage, mut desks, facilities, .. } = scene;
        let invitation = walk::invite(&facilities[INVENTED.facility], &INVENTED).await?;
        let cards = invented_cards(&stage, folder).await?;
        let desk = &mut desks[INVENTED.facility].desk;
        desk.stop_agent().await?;
        desk.start_agent(&stage, "sandbox", &cards).await?;
        let hosts = hosts(&stage)?;
        let logs = stage.logs();
        let initial_access_token = initial_access_token(&stage).await?;
        let Stage { server, instance, origins, root_pem, .. } = stage;
        // Only now is it known which facility that is.
        let place = &facilities[CARD_HOLDERS[SEATS[SANDBOX]].facility].identifier;
        server.stop().await?;
        let more = format!("\nfacilities = [\"{place}\", ");
        configure(&instance, &[("\nfacilities = [".to_owned(), more)])?;
        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&instance);
        let (server, _) = Program::start("serve-with-sandbox", serve, &logs).await?;
        let programs = Programs::make(&clients, |identity| {
            Ok(browser(&root_pem, &hosts, identity)?.client().clone())
        })?;
        let mut started = Self {
            server,
            instance,
            logs,
            portal: origins.terminal,
            root_pem,
            hosts,
            desks,
            metadata: Value::Null,
            clients,
            programs,
            lifetime: LIFETIME,
            tokens,
            turn: AtomicUsize::new(0),
            logins: Default::default(),
            used: Default::default(),
            initial_access_token,
            before_rotation: OnceCell::new(),
        };
        let at = format!("{}/.well-known/openid-configuration", origins.public);
        started.metadata = Answer::of(started.http(None)?.get(at)).await?.json()?;
        started.admit_invented(&invitation).await?;
        Ok(started)
    }

    /// The first login of whoever is invented, with the code of an invitation.
    async fn admit_invented(&self, invitation: &str) -> anyhow::Result<()> {
        let (browser, desk) = (self.browser_at(SANDBOX)?, self.desk(SANDBOX));
        let page = format!("{}/invitation", self.portal);
        browser.open(&page).await?.expect_success()?;
        browser.submit(&page, &[("code", invitation)]).await?.expect_success()?;
        // An agent just started may see the card come while it is asked for it.
        walk::log_in_with(&browser, &self.portal, desk, (INVENTED.key, PIN), true, None).await?;
        Ok(())
    }

    /// Lets another program serve the same instance, with codes and requests that end sooner.
    pub async fn served_by(
        self,
        program: &str,
        environment: (&str, &Path),
    ) -> anyhow::Result<Self> {
        let Self { server, instance, logs, .. } = self;
        server.stop().await?;
        let shorter = ["code_seconds", "pushed_request_seconds"].map(|key| {
            let line = |lifetime: Duration| format!("\n{key} = {}\n", lifetime.as_secs());
            (line(LIFETIME), line(SHORT_LIFETIME))
        });
        configure(&instance, &shorter)?;
        let mut serve = Command::new(process::sibling(program)?);
        serve.arg("serve").arg(&instance).env(environment.0, environment.1);
        let (server, _) = Program::start(program, serve, &logs).await?;
        Ok(Self { server, instance, logs, lifetime: SHORT_LIFETIME, ..self })
    }

    /// Stops the instance in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await.map(drop)
    }

    fn desk(&self, seat: usize) -> &Desk {
        &self.desks[CARD_HOLDERS[SEATS[seat]].facility].desk
    }

    /// A login with the card at a PC. Returns where the browser goes next.
    async fn log_in(
        &self,
        browser: &Browser,
        seat: usize,
        return_to: Option<&str>,
    ) -> anyhow::Result<String> {
        let _alone = self.logins[seat].lock().await;
        let desk = self.desk(seat);
        let card = if seat == SANDBOX { INVENTED.key } else { CARD_HOLDERS[SEATS[seat]].key };
        walk::log_in_with(browser, &self.portal, desk, (card, PIN), false, return_to).await
    }

    /// A browser at a PC, in which nobody is logged in.
    fn browser_at(&self, seat: usize) -> anyhow::Result<Browser> {
        browser(&self.root_pem, &self.hosts, Some(&self.desk(seat).identity_pem()?))
    }
}

fn browser(root_pem: &[u8], hosts: &[String], identity: Option<&[u8]>) -> anyhow::Result<Browser> {
    Browser::new(root_pem, identity, &Resolution { hosts: hosts.to_vec() })
}

/// Puts other lines in the place of lines of the instance's configuration.
fn configure(instance: &Path, changes: &[(String, String)]) -> anyhow::Result<()> {
    let file = instance.join("sekisho.toml");
    let mut settings = std::fs::read_to_string(&file)?;
    for (before, after) in changes {
        ensure!(settings.contains(before), "there is no {before:?}: {settings}");
        settings = settings.replacen(before, after, 1);
    }
    Ok(std::fs::write(&file, settings)?)
}

/// The cards of people whom the sandbox's command invents.
async fn invented_cards(stage: &Stage, folder: &Path) -> anyhow::Result<Cards> {
    let cards = folder.join("invented");
    let command = |name: &str| -> anyhow::Result<Command> {
        let mut command = Command::new(process::sibling("sekisho")?);
        command.args(["sandbox", name]).arg(&stage.instance);
        Ok(command)
    };
    process::run(command("make")?).await?;
    let mut hand_out = command("cards")?;
    hand_out.arg(&cards);
    process::run(hand_out).await?;
    Ok(Cards::of_reader(cards))
}

/// A token by which all modules register their clients.
async fn initial_access_token(stage: &Stage) -> anyhow::Result<String> {
    let mut make = Command::new(process::sibling("sekisho")?);
    make.args(["service", "token"]).arg(&stage.instance).args(["--uses", "100", "--json"]);
    let printed: Value = serde_json::from_str(&process::run(make).await?)?;
    let token = printed["initial_access_token"].as_str().context("no token was printed")?;
    Ok(token.to_owned())
}

/// The names of the instance, which lead to this machine.
fn hosts(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let addresses = std::fs::read(stage.instance.join("run/addresses.json"))?;
    let addresses: Value = serde_json::from_slice(&addresses)?;
    let origins = addresses["origins"].as_object().context("run/addresses.json names nothing")?;
    let host = |origin: &Value| {
        let url = Url::parse(origin.as_str().context("an origin is no text")?)?;
        Ok(url.host_str().unwrap_or_default().to_owned())
    };
    origins.values().map(host).collect()
}

/// The file that registers a client (`docs/services.md`).
fn registration(client: &Client, tokens: &Listener) -> anyhow::Result<String> {
    let Client { id, redirect_uri, post_logout_redirect_uri, .. } = client;
    let mut file = format!(
        r#"
id = "{id}"
name = {{ ja = "{id}", en = "{id}" }}
description = {{ ja = "適合性試験のクライアント", en = "A client of the conformance modules" }}
home_url = "{redirect_uri}"
redirect_uris = ["{redirect_uri}"]
logout_uris = ["{post_logout_redirect_uri}"]
backchannel_logout_uri = "{}"
authentication = "{}"
scopes = ["openid", "profile", "hc_role", "facility"]
"#,
        tokens.address(id),
        client.authentication.method(),
    );
    if client.is_fapi() {
        let keys = client.jwks();
        writeln!(file, "[[jwks.keys]]")?;
        let tables: Vec<String> = keys["keys"]
            .as_array()
            .context("no keys")?
            .iter()
            .map(|key| Ok(toml(key)?.join("\n")))
            .collect::<anyhow::Result<_>>()?;
        writeln!(file, "{}", tables.join("\n[[jwks.keys]]\n"))?;
    }
    file.push_str("[protocol]\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n");
    match client.profile {
        Profile::Openid => file.push_str("require_pkce = false\n"),
        Profile::Fapi2Security => file.push_str("profile = \"fapi2_security\"\n"),
        Profile::Fapi2MessageSigning => file.push_str("profile = \"fapi2_message_signing\"\n"),
    }
    match client.binding {
        Binding::Nothing => {}
        Binding::Dpop => file.push_str("dpop_bound_access_tokens = true\n"),
        Binding::Certificate => {
            file.push_str("tls_client_certificate_bound_access_tokens = true\n");
        }
    }
    file.push_str(
        r#"
[[rules]]
id = "physicians"
roles = ["Medical Doctor"]
release = ["name", "hc_role", "facility_id", "facility_code", "facility_name", "facility_kind"]
"#,
    );
    Ok(file)
}

/// The members of a key as lines of TOML: all of them are texts, but for the list of certificates.
fn toml(key: &Value) -> anyhow::Result<Vec<String>> {
    let members = key.as_object().context("a key is no object")?;
    // JSON's texts and lists of texts are TOML's.
    Ok(members.iter().map(|(name, value)| format!("{name:?} = {value}")).collect())
}

#[async_trait]
impl Provider for Sekisho {
    fn metadata(&self) -> &Value {
        &self.metadata
    }

    fn client(&self, id: &str) -> anyhow::Result<&Client> {
        let found = self.clients.iter().find(|client| client.id == id);
        found.with_context(|| format!("{id} is not registered"))
    }

    fn http(&self, certificate_of: Option<&Client>) -> anyhow::Result<reqwest::Client> {
        self.programs.of(certificate_of)
    }

    fn code_lifetime(&self) -> Duration {
        self.lifetime
    }

    fn initial_access_token(&self) -> &str {
        &self.initial_access_token
    }

    async fn keys_before_rotation(&self) -> anyhow::Result<&Value> {
        let rotated = || async {
            let published = self.http(None)?.get(named(self, "jwks_uri")?);
            let before = Answer::of(published).await?.json()?;
            let mut rotate = Command::new(process::sibling("sekisho")?);
            rotate.args(["token-keys", "rotate"]).arg(&self.instance);
            process::run(rotate).await?;
            Ok(before)
        };
        self.before_rotation.get_or_try_init(rotated).await
    }

    fn logout_tokens(&self) -> &Listener {
        &self.tokens
    }

    async fn browser(&self, of: Whom) -> anyhow::Result<(Browser, usize)> {
        let seat = match of {
            Whom::Refused | Whom::Tester | Whom::FreshTester => SANDBOX,
            Whom::Fresh | Whom::Anybody => self.turn.fetch_add(1, Ordering::Relaxed) % SANDBOX,
        };
        if !matches!(of, Whom::Anybody | Whom::Tester) {
            return Ok((self.browser_at(seat)?, seat));
        }
        let mut used = self.used[seat].lock().await;
        if used.is_none() {
            let browser = self.browser_at(seat)?;
            self.log_in(&browser, seat, None).await?;
            *used = Some(browser);
        }
        let used = used.as_ref().context("it was just logged in")?;
        Ok((used.led_to(Ipv4Addr::LOCALHOST)?, seat))
    }

    async fn obey(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Option<Step>> {
        if page.status.is_success() && page.url.path() == "/login" {
            let mut asked = page.url.query_pairs();
            let return_to = asked.find(|(name, _)| name == "return_to").map(|(_, value)| value);
            let Some(return_to) = return_to else { return Ok(None) };
            let next = self.log_in(&person.browser, person.seat, Some(&return_to)).await?;
            return Ok(Some(Step::LoggedIn(page.url.join(&next)?)));
        }
        if person.seat == SANDBOX && page.status == http::StatusCode::FORBIDDEN {
            // The page that says why not has the way back to the service.
            let back = page.address_beginning("https://")?;
            return Ok(Some(Step::Went(Url::parse(&back)?)));
        }
        Ok(None)
    }

    async fn agree_to_logout(&self, person: &Person<'_>, page: &Page) -> anyhow::Result<Page> {
        let mut form = vec![("agreed".to_owned(), page.value_of("agreed")?)];
        for name in ["client_id", "post_logout_redirect_uri", "state"] {
            form.extend(page.value_of(name).ok().map(|value| (name.to_owned(), value)));
        }
        let url = page.url.join("/end-session")?;
        person.submit(&url, &form, &self.portal).await
    }
}
