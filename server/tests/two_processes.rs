//! Two `sekisho serve` processes over one PostgreSQL database, as behind one name: they listen on
//! the same port of two loopback addresses, so that everything they say must be the same.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{net::SocketAddr, path::Path};

use sekisho::{
    demo::{
        process::{Program, run, run_to_end},
        stage::free_port,
    },
    people::totp::TotpSecret,
};
use sekisho_store::{Store, audit};
use sekisho_test_database::postgres_url;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

const HOST: &str = "login.sekisho.localhost";
const PASSWORD: &str = "kawa-no-nagare-wa";

fn sekisho(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.args(arguments);
    command
}

/// Lets the process over this folder listen on one loopback address.
fn listen_on(folder: &Path, address: &str, tls: u16, plain: u16) {
    let path = folder.join("sekisho.toml");
    let mut settings: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    settings["listen"]["tls"] = vec![format!("{address}:{tls}")].into();
    settings["listen"]["plain"] = vec![format!("{address}:{plain}")].into();
    std::fs::write(&path, settings.to_string()).unwrap();
}

/// Somebody whom the name's resolution leads to the process at this address.
fn client(address: SocketAddr, root_pem: &[u8]) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(root_pem).unwrap()])
        .no_proxy()
        .resolve(HOST, address)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn between<'t>(page: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap().0
}

/// The code of the authenticator app, `steps` time steps from now.
fn totp(secret: &str, steps: i64) -> String {
    let secret = TotpSecret::from_text(secret).unwrap();
    secret.code_at(OffsetDateTime::now_utc() + Duration::seconds(30 * steps)).unwrap()
}

/// The same form four times at each of the two, all at once; the answers.
async fn submit_at_once(
    clients: [&reqwest::Client; 2],
    url: &str,
    fields: &[(&str, &str)],
) -> Vec<reqwest::Response> {
    let origin = url::Url::parse(url).unwrap().origin().ascii_serialization();
    let requests: Vec<_> = (0..8)
        .map(|number| {
            let request = clients[number % 2].post(url).header("Origin", &origin).form(fields);
            tokio::spawn(request.send())
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap().unwrap());
    }
    answers
}

/// The one session that a race began; whoever came second was refused.
fn only_session(answers: &[reqwest::Response]) -> String {
    let begun: Vec<_> =
        answers.iter().filter(|a| a.status() == reqwest::StatusCode::SEE_OTHER).collect();
    let statuses: Vec<_> = answers.iter().map(reqwest::Response::status).collect();
    assert_eq!(begun.len(), 1, "{statuses:?}");
    assert_eq!(
        statuses.iter().filter(|status| status.is_client_error()).count(),
        7,
        "{statuses:?}"
    );
    let cookie = begun[0].headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-console="));
    cookie.split_once(';').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_over_one_database_speak_with_one_voice() {
    // A second test in this program would find it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = postgres_url();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    let second = folder.path().join("second");
    let (tls, plain) = (free_port().unwrap(), free_port().unwrap());
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
    // A database that holds an instance is not overwritten by another.
    let third = folder.path().join("third");
    let mut again = sekisho(&["init", third.to_str().unwrap(), "--database", &url]);
    let (status, _, stderr) = run_to_end(&mut again).await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("not overwritten"), "{stderr}");

    let mut copy = Command::new("cp");
    copy.arg("-a").args([&first, &second]);
    run(copy).await.unwrap();
    listen_on(&first, "127.0.0.1", tls, plain);
    listen_on(&second, "127.0.0.2", tls, plain);
    let serve = |dir: &Path, node: &str| sekisho(&["serve", dir.to_str().unwrap(), "--node", node]);
    // Both at once: they race for the leases of the first jobs.
    let (one, two) = tokio::join!(
        Program::start("one", serve(&first, "node-1"), folder.path()),
        Program::start("two", serve(&second, "node-2"), folder.path()),
    );
    let ((one, _), (two, _)) = (one.unwrap(), two.unwrap());

    let root_pem = std::fs::read(first.join("ca/root.crt")).unwrap();
    let at_one = client(([127, 0, 0, 1], tls).into(), &root_pem);
    let at_two = client(([127, 0, 0, 2], tls).into(), &root_pem);
    let origin = format!("https://{HOST}:{tls}");
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let mut said = Vec::new();
        for client in [&at_one, &at_two] {
            let answer = client.get(format!("{origin}{path}")).send().await.unwrap();
            said.push(answer.error_for_status().unwrap().text().await.unwrap());
        }
        assert!(said[0].contains(if path == "/jwks" { "\"kid\"" } else { &origin }), "{said:?}");
        assert_eq!(said[0], said[1], "{path}");
    }

    // The page of the one-time link comes from the second; its form is raced at both.
    let link = made["first_use_link"].as_str().unwrap();
    let page = at_two.get(link).send().await.unwrap().error_for_status().unwrap();
    let page = page.text().await.unwrap();
    let secret = between(&page, "id=\"totp-secret\">", "<");
    let mut fields = vec![
        ("token", link.split_once("token=").unwrap().1),
        ("setup", between(&page, "name=\"setup\" value=\"", "\"")),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    let code = totp(secret, 0);
    fields.push(("totp_code", &code));
    let both = [&at_one, &at_two];
    let answers = submit_at_once(both, &format!("{origin}/first-use"), &fields).await;
    let cookie = only_session(&answers);
    // Each of the two knows the session, whichever began it.
    for client in both {
        let request = client.get(format!("{origin}/console")).header("Cookie", &cookie);
        assert_eq!(request.send().await.unwrap().status(), reqwest::StatusCode::OK);
    }
    // The next code of the generator signs in once, wherever it is brought.
    let code = totp(secret, 1);
    let fields = [("login_name", "admin"), ("password", PASSWORD), ("totp_code", &code)];
    let answers = submit_at_once(both, &format!("{origin}/console/login"), &fields).await;
    assert_ne!(only_session(&answers), cookie);

    for program in [one, two] {
        assert_eq!(program.stop().await.unwrap().code(), Some(0));
    }

    let verdict = run(sekisho(&["audit", "verify", first.to_str().unwrap(), "--json"])).await;
    let verdict: serde_json::Value = serde_json::from_str(&verdict.unwrap()).unwrap();
    assert_eq!((&verdict["unchained"], &verdict["faults"]), (&0.into(), &serde_json::json!([])));
    // The verdict is about every record that the two and `init` wrote.
    let store = Store::open(&url.into(), "reader").await.unwrap();
    let records = audit::list(&mut store.read(), "", None, 1000).await.unwrap();
    assert_eq!(records.len() as u64, verdict["records"].as_u64().unwrap());
    store.close().await;
}
