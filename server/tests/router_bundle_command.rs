//! `sekisho router bundle` for devices whose texts nobody tried: which files, and what is said of them. `sekisho router
//! setup`: a link for their technician, made and ended.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::Path,
    process::{Command, Output},
};

use sekisho::{config::Config, demo::crowd, network::bundle::Device, paper_code::PaperCode};
use sekisho_store::{Store, router_setup};
use time::OffsetDateTime;

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
}

/// What was printed by a command that succeeded.
fn said(arguments: &[&str]) -> String {
    let output = sekisho(arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Enters a router; its identifier.
fn entered(instance: &str, facility: &str, family: &str, network: &str) -> String {
    let name = ["--name", network, "--network", network, "--json"];
    let arguments = ["router", "add", instance, "--facility", facility, "--family", family];
    let made: serde_json::Value =
        serde_json::from_str(&said(&[&arguments[..], &name[..]].concat())).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_an_untried_device_says_so_and_has_no_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let instance = folder.path().join("instance");
    let dir = instance.to_str().unwrap();
    said(&["init", dir, "--tls-port", "0"]);
    let config = Config::read(&instance).unwrap();
    let store = Store::open(config.instance().database(), "test").await.unwrap();
    let facility = crowd::facility(&store, OffsetDateTime::now_utc()).await.unwrap();
    store.close().await;

    let peer = entered(dir, &facility, "router_libreswan", "10.1.0.0/24");
    for (number, device) in (2..).zip(Device::ALL) {
        let own = entered(dir, &facility, device.profile(), &format!("10.{number}.0.0/24"));
        let to = folder.path().join(device.profile());
        let bundle = ["router", "bundle", dir, &own, "--open", &peer, "--to", to.to_str().unwrap()];
        let told = said(&bundle);
        for part in ["実機では未確認", "NOT TRIED", device.file(), device.removal()] {
            assert!(told.contains(part), "{device:?}: {told}");
        }
        assert!(!told.contains("sh install.sh"), "{device:?}: {told}");
        assert_eq!(told.contains("psk add"), !device.knows_certificates(), "{device:?}: {told}");
        let amends = !matches!(device, Device::CiscoIosXe | Device::FortiGate);
        assert_eq!(told.contains("does not work as it is"), amends, "{device:?}: {told}");
        let mut expected = vec![device.file(), device.removal(), "root.pem", "routers.pem"];
        expected.sort_unstable();
        assert_eq!(names(&to), expected, "{device:?}");
        let text = std::fs::read_to_string(to.join(device.file())).unwrap();
        assert!(text.contains("実機では未確認") && text.contains(&own), "{device:?}: {text}");
        // Nothing is written over.
        assert_eq!(sekisho(&bundle).status.code(), Some(2));
        // The other end is told, too, and has its scripts.
        let back = folder.path().join(format!("{}-back", device.profile()));
        let told = said(&[
            "router",
            "bundle",
            dir,
            &peer,
            "--await",
            &own,
            "--to",
            back.to_str().unwrap(),
        ]);
        assert!(told.contains("sh install.sh") && !told.contains("NOT TRIED"), "{told}");
        assert_eq!(told.contains("does not work as it is"), amends, "{device:?}: {told}");
    }
    let generic = entered(dir, &facility, "router", "10.100.0.0/24");
    let to = folder.path().join("generic");
    let none = sekisho(&["router", "bundle", dir, &generic, "--to", to.to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no texts for the family"));
    assert!(!to.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_technicians_link_is_made_for_named_tunnels_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let instance = folder.path().join("instance");
    let dir = instance.to_str().unwrap();
    said(&["init", dir, "--tls-port", "0"]);
    let config = Config::read(&instance).unwrap();
    let store = Store::open(config.instance().database(), "test").await.unwrap();
    let facility = crowd::facility(&store, OffsetDateTime::now_utc()).await.unwrap();
    let own = entered(dir, &facility, "router_strongswan", "10.1.0.0/24");
    let peer = entered(dir, &facility, "router_nec_ix", "10.2.0.0/24");
    let overlaps = entered(dir, &facility, "router_libreswan", "10.1.0.0/16");

    let made = said(&["router", "setup", "make", dir, &own, "--await", &peer, "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(made["page"].as_str().unwrap().ends_with("/setup"), "{made}");
    let hash = PaperCode::parse(made["code"].as_str().unwrap()).unwrap().hash();
    let link =
        async || router_setup::find_by_code(&mut store.read(), &hash).await.unwrap().unwrap();
    let kept = link().await;
    assert_eq!((kept.id.as_str(), &kept.router_id), (made["id"].as_str().unwrap(), &own));
    let peers = router_setup::peers(&mut store.read(), &kept.id).await.unwrap();
    let [named] = &peers[..] else { panic!("{peers:?}") };
    assert_eq!((named.router_id.as_str(), named.opens), (peer.as_str(), false));

    // For people: a picture and a code, in place of the one before.
    let told = said(&["router", "setup", "make", dir, &own, "--open", &peer]);
    assert!(told.contains('█') && told.contains("\ncode  ") && !told.contains("?code="), "{told}");
    assert!(!link().await.lives_at(OffsetDateTime::now_utc()));
    let ended = said(&["router", "setup", "end", dir, &own]);
    assert_eq!(ended, format!("The link of {own} is ended.\n"));

    for (arguments, says) in [
        (&["end", dir, &own][..], "has no link to end"),
        (&["make", dir, &own], "--open or --await"),
        (&["make", dir, &own, "--open", "T0000000000"], "no router T0000000000 in force"),
        (&["make", dir, &own, "--open", &own], "this router itself"),
        (&["make", dir, &own, "--open", &peer, "--await", &peer], "named twice"),
        (&["make", dir, &own, "--open", &overlaps], "overlap"),
    ] {
        let refused = sekisho(&[&["router", "setup"], arguments].concat());
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(refused.stdout.is_empty() && told.contains(says), "{arguments:?}: {told}");
    }
    let latest = router_setup::latest_of(&mut store.read(), &own).await.unwrap().unwrap();
    assert!(latest.ended_at.is_some(), "a refusal makes none");
    store.close().await;
}
