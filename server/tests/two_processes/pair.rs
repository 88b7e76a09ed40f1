//! The two processes, and how one browser reaches either.

use std::{net::Ipv4Addr, path::Path};

use reqwest::{RequestBuilder, StatusCode};
use sekisho::demo::{
    browser::{Answer, Browser},
    cards::Cards,
    process::{Program, run, run_to_end},
    stage::{Origins, Stage, free_port},
};
use sekisho_store::{Store, audit};
use sekisho_test_database::postgres_url;
use time::OffsetDateTime;
use tokio::process::Command;

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Requests in a race.
pub const RACERS: usize = 8;

/// Two processes behind one name.
pub struct Pair {
    /// The first of them, with everything that a walk through the demonstration needs.
    pub stage: Stage,
    /// Look-alike cards that the instance trusts.
    pub cards: Cards,
    /// The database itself, to count what there is.
    pub store: Store,
    url: String,
    two: Program,
    folder: tempfile::TempDir,
}

/// One browser profile as the name's resolution may lead it: to the first process or the second.
/// Both share their cookies.
pub struct Both {
    pub one: Browser,
    pub two: Browser,
}

impl Both {
    pub fn of(one: Browser) -> Self {
        let two = one.led_to(TWO).unwrap();
        Self { one, two }
    }

    /// Even requests go to the first process, odd ones to the second.
    pub fn nth(&self, number: usize) -> &Browser {
        if number.is_multiple_of(2) { &self.one } else { &self.two }
    }
}

pub fn sekisho(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.args(arguments);
    command
}

/// Lets the process over this folder listen on one loopback address.
fn settle(folder: &Path, address: Ipv4Addr, tls: u16, plain: u16, agent_port: u16) {
    let path = folder.join("sekisho.toml");
    let mut settings: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    settings["listen"]["tls"] = vec![format!("{address}:{tls}")].into();
    settings["listen"]["plain"] = vec![format!("{address}:{plain}")].into();
    settings["card_login"]["agent_port"] = i64::from(agent_port).into();
    std::fs::write(&path, settings.to_string()).unwrap();
}

impl Pair {
    pub async fn start() -> Self {
        // Another test in this program would find it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let url = postgres_url();
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let (tls, plain) = (free_port().unwrap(), free_port().unwrap());
        let agent_port = free_port().unwrap();
        let made = run(sekisho(&[
            "init",
            first.to_str().unwrap(),
            "--database",
            &url,
            "--tls-port",
            &tls.to_string(),
            "--plain-port",
            &plain.to_string(),
            "--json",
        ]))
        .await
        .unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let now = OffsetDateTime::now_utc();
        let cards = Cards::make(&first, &folder.path().join("cards"), now).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").args([&first, &second]);
        run(copy).await.unwrap();
        settle(&first, ONE, tls, plain, agent_port);
        settle(&second, TWO, tls, plain, agent_port);
        let logs = folder.path().join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        let serve =
            |dir: &Path, node: &str| sekisho(&["serve", dir.to_str().unwrap(), "--node", node]);
        // Both at once: they race for the leases of the first jobs.
        let (one, two) = tokio::join!(
            Program::start("one", serve(&first, "node-1"), &logs),
            Program::start("two", serve(&second, "node-2"), &logs),
        );
        let ((server, _), (two, _)) = (one.unwrap(), two.unwrap());
        let addresses = std::fs::read(first.join("run/addresses.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_slice(&addresses).unwrap();
        let origin = |role: &str| addresses["origins"][role].as_str().unwrap().to_owned();
        let stage = Stage {
            folder: folder.path().to_owned(),
            origins: Origins {
                terminal: origin("terminal"),
                public: origin("public"),
                enrol: origin("enrol"),
                plain: origin("plain"),
            },
            root_fingerprint: made["root_fingerprint"].as_str().unwrap_or_default().to_owned(),
            root_pem: std::fs::read(first.join("ca/root.crt")).unwrap(),
            first_use_link: made["first_use_link"].as_str().unwrap().to_owned(),
            instance: first,
            agent_port,
            server,
        };
        let store = Store::open(&url.clone().into(), "reader").await.unwrap();
        Self { stage, cards, store, url, two, folder }
    }

    /// The instance's folder on each of the two hosts.
    pub fn folders(&self) -> [String; 2] {
        ["first", "second"].map(|name| self.folder.path().join(name).to_str().unwrap().to_owned())
    }

    /// A fresh profile without a certificate.
    pub fn browser(&self) -> Both {
        Both::of(self.stage.browser(None).unwrap())
    }

    /// A database that holds an instance is not overwritten by another.
    pub async fn refuses_a_second_instance(&self) {
        let third = self.folder.path().join("third");
        let mut again = sekisho(&["init", third.to_str().unwrap(), "--database", &self.url]);
        let (status, _, stderr) = run_to_end(&mut again).await.unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("not overwritten"), "{stderr}");
    }

    /// Two of one name would run every job twice and meet in one audit chain.
    pub async fn refuses_a_second_process_of_a_name(&self) {
        let second = self.folder.path().join("second");
        let mut again = sekisho(&["serve", second.to_str().unwrap(), "--node", "node-1"]);
        let (status, stdout, stderr) = run_to_end(&mut again).await.unwrap();
        assert_eq!(status.code(), Some(1));
        assert_eq!(stdout, "", "it never answered");
        assert!(stderr.contains("another process serves as node node-1"), "{stderr}");
        let holder = format!("process {} on ", self.stage.server.id().unwrap());
        assert!(stderr.contains(&holder) && stderr.contains("--node NAME"), "{stderr}");
    }

    pub async fn speaks_with_one_voice(&self) {
        let both = self.browser();
        let public = &self.stage.origins.public;
        for (path, holds) in
            [("/.well-known/openid-configuration", public.as_str()), ("/jwks", "\"kid\"")]
        {
            let url = format!("{public}{path}");
            let one = both.one.open_once(&url).await.unwrap().expect_success().unwrap();
            let two = both.two.open_once(&url).await.unwrap().expect_success().unwrap();
            assert!(one.body.contains(holds), "{}", one.body);
            assert_eq!(one.body, two.body, "{path}");
        }
    }

    /// Both stop in order, and the trail that the two wrote is whole.
    pub async fn ends_with_a_whole_trail(self) {
        for program in [self.stage.server, self.two] {
            assert_eq!(program.stop().await.unwrap().code(), Some(0));
        }
        let folder = self.stage.instance.to_str().unwrap();
        let verdict = run(sekisho(&["audit", "verify", folder, "--json"])).await.unwrap();
        let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
        let faults = (&verdict["unchained"], &verdict["faults"]);
        assert_eq!(faults, (&0.into(), &serde_json::json!([])));
        // The verdict is about every record that the two and the tool wrote.
        let records = audit::list(&mut self.store.read(), "", None, 10_000).await.unwrap();
        assert_eq!(records.len() as u64, verdict["records"].as_u64().unwrap());
        self.store.close().await;
    }
}

/// Sends all requests at once; the answers in their order, each read to its end.
pub async fn at_once(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<Answer> {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            tokio::spawn(async move {
                let response = request.send().await.unwrap();
                let location = response.headers().get(reqwest::header::LOCATION);
                Answer {
                    url: response.url().clone(),
                    status: response.status(),
                    location: location.map(|l| l.to_str().unwrap().to_owned()),
                    body: response.text().await.unwrap(),
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// The same form several times at each of the two, all at once.
pub async fn submit_at_once(both: &Both, url: &str, fields: &[(&str, &str)]) -> Vec<Answer> {
    let origin = url::Url::parse(url).unwrap().origin().ascii_serialization();
    at_once((0..RACERS).map(|number| {
        let client = both.nth(number).client();
        client.post(url).header("Origin", &origin).header("Accept-Language", "ja").form(fields)
    }))
    .await
}

/// The one that won a race: it has this status, and everybody else was refused as a caller.
pub fn only(answers: Vec<Answer>, won: StatusCode) -> Answer {
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let refused = statuses.iter().filter(|status| status.is_client_error()).count();
    assert_eq!(refused, statuses.len() - 1, "{statuses:?}");
    let winner = answers.into_iter().find(|answer| answer.status == won);
    winner.unwrap_or_else(|| panic!("nobody got {won}: {statuses:?}"))
}
