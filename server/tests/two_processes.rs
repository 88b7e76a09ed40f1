//! Two `sekisho serve` processes over one PostgreSQL database, as behind one name: they listen on
//! the same port of two loopback addresses, so that everything they say must be the same.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../store/tests/login/database.rs"]
#[allow(dead_code, reason = "of the store's fixture only the empty database is needed here")]
mod database;

use std::{net::SocketAddr, path::Path};

use sekisho::demo::{
    process::{Program, run, run_to_end},
    stage::free_port,
};
use sekisho_store::{Store, audit};
use tokio::process::Command;

const HOST: &str = "login.sekisho.localhost";

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

/// As a relying service that the name's resolution leads to this process.
async fn read(address: SocketAddr, root_pem: &[u8], path: &str) -> serde_json::Value {
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(root_pem).unwrap()])
        .no_proxy()
        .resolve(HOST, address)
        .build()
        .unwrap();
    let url = format!("https://{HOST}:{}{path}", address.port());
    let answer = client.get(url).send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_over_one_database_speak_with_one_voice() {
    // A second test in this program would find it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = database::postgres_url();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    let second = folder.path().join("second");
    let (tls, plain) = (free_port().unwrap(), free_port().unwrap());
    run(sekisho(&[
        "init",
        first.to_str().unwrap(),
        "--database",
        &url,
        "--tls-port",
        &tls.to_string(),
        "--plain-port",
        &plain.to_string(),
    ]))
    .await
    .unwrap();
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
    let of_one = SocketAddr::from(([127, 0, 0, 1], tls));
    let of_two = SocketAddr::from(([127, 0, 0, 2], tls));
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let said = read(of_one, &root_pem, path).await;
        assert_eq!(said, read(of_two, &root_pem, path).await, "{path}");
        assert!(said.get("issuer").is_some() || !said["keys"].as_array().unwrap().is_empty());
    }
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
