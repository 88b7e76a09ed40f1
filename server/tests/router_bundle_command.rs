//! `sekisho router bundle`: which files, for which peers, and what is said of devices whose texts nobody tried. `sekisho router
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

/// A group of these routers, all of one facility; its identifier.
fn met(instance: &str, facility: &str, name: &str, routers: &[&str]) -> String {
    let of = ["--name", name, "--purpose", "same_corporation", "--topology", "mesh"];
    let made = said(&[&["group", "make", instance, "--owner", facility][..], &of].concat());
    let group = made.trim().to_owned();
    for router in routers {
        let with = ["--facility", facility, "--router", router, "--reason", "test"];
        said(&[&["group", "admit", instance, &group][..], &with].concat());
    }
    group
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
        let group = met(dir, &facility, device.profile(), &[&own, &peer]);
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
        assert_eq!(told.contains("psk add"), !device.knows_certificates(), "{device:?}: {told}");
        assert_eq!(told.contains("does not work as it is"), amends, "{device:?}: {told}");
        let shown = said(&["group", "show", dir, &group]);
        assert_eq!(shown.matches("\tcurrent\n").count(), 2, "{shown}");
        said(&["group", "close", dir, &group, "--reason", "test"]);
    }
    let generic = entered(dir, &facility, "router", "10.100.0.0/24");
    let to = folder.path().join("generic");
    let none = sekisho(&["router", "bundle", dir, &generic, "--to", to.to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no texts for the family"));
    assert!(!to.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_lists_the_peers_of_its_groups_and_a_stranger_cannot_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let instance = folder.path().join("instance");
    let dir = instance.to_str().unwrap();
    said(&["init", dir, "--tls-port", "0"]);
    let config = Config::read(&instance).unwrap();
    let store = Store::open(config.instance().database(), "test").await.unwrap();
    let now = OffsetDateTime::now_utc();
    let facilities =
        [crowd::facility(&store, now).await.unwrap(), crowd::facility(&store, now).await.unwrap()];
    store.close().await;
    let [own, other, stranger] = [(0, 1), (0, 2), (1, 3)].map(|(facility, number): (usize, u8)| {
        entered(dir, &facilities[facility], "router_strongswan", &format!("10.{number}.0.0/16"))
    });
    let bundle = |name: &str, more: &[&str]| {
        let to = folder.path().join(name);
        let output = sekisho(
            &[&["router", "bundle", dir, &own, "--to", to.to_str().unwrap()][..], more].concat(),
        );
        (output, std::fs::read_to_string(to.join("swanctl.conf")).unwrap_or_default())
    };
    let (alone, text) = bundle("alone", &[]);
    assert!(alone.status.success() && !text.contains("remote_addrs"), "{text}");
    let group = met(dir, &facilities[0], "本館と別館", &[&own, &other]);
    let listed = said(&["group", "list", dir, "--facility", &facilities[0]]);
    assert!(listed.contains("\tsame_corporation\tmesh\t本館と別館\n"), "{listed}");
    assert_eq!(said(&["group", "list", dir, "--facility", &facilities[1]]), "");
    assert_eq!(said(&["group", "list", dir]), listed);
    let shown = said(&["group", "show", dir, &group]);
    assert!(shown.contains(&format!("\tmember\t-\t-\t{own}\tolder\n")), "{shown}");
    assert!(shown.contains(&format!("\t{other}\tunknown\n")), "{shown}");
    let (_, text) = bundle("two", &[]);
    assert!(text.contains(&other) && !text.contains(&stranger), "{text}");
    for (option, opens) in [("--open", true), ("--await", false)] {
        let (_, text) = bundle(option, &[option, &other]);
        assert_eq!(text.contains("start_action = start"), opens, "{option}: {text}");
        // Whichever of both the rule would have: it is the text that was taken.
        let shown = said(&["group", "show", dir, &group]);
        assert!(shown.contains(&format!("\t{own}\tcurrent\n")), "{option}: {shown}");
        let (refused, _) = bundle("stranger", &[option, &stranger]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is no peer of"));
        assert!(!folder.path().join("stranger").exists());
    }
    let (both, _) = bundle("both", &["--open", &other, "--await", &other]);
    assert_eq!(both.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&both.stderr).contains("with --open and with --await"));
    assert!(!folder.path().join("both").exists());
    let psk = sekisho(&["router", "psk", "add", dir, &own, &stranger]);
    assert_eq!(psk.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&psk.stderr).contains("are no peers"));
    // Whose router it is not, twice, and what a mesh has not.
    let admit = |facility: &str, router: &str, more: &[&str]| {
        let with = ["--facility", facility, "--router", router, "--reason", "test"];
        let output = sekisho(&[&["group", "admit", dir, &group][..], &with, more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (facility, router, more, says) in [
        (&facilities[1], &own, &[][..], "no router of this name"),
        (&facilities[0], &own, &[], "takes part in the group"),
        (&facilities[0], &own, &["--until", "2099-01-01"], "member on other terms"),
        (&facilities[1], &stranger, &["--hub"], "has no hubs"),
        (&facilities[1], &stranger, &["--until", "2020-01-01"], "is over"),
    ] {
        let (code, told) = admit(facility, router, more);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(admit(&facilities[1], &stranger, &[]).0, Some(0));
    let (_, text) = bundle("three", &[]);
    assert!(text.contains(&other) && text.contains(&stranger), "{text}");
    said(&["router", "psk", "add", dir, &own, &stranger]);
    let end = ["group", "end", dir, &group, "--facility", &facilities[1], "--reason", "test"];
    said(&end);
    let keys = said(&["router", "psk", "list", dir, &own]);
    assert!(keys.contains("\tnot_peers\t"), "{keys}");
    assert_eq!(sekisho(&end[..6]).status.code(), Some(2), "without a reason");
    let again = sekisho(&end);
    assert_eq!(again.status.code(), Some(2));
    let (_, text) = bundle("four", &[]);
    assert!(!text.contains(&stranger), "{text}");
    said(&["audit", "verify", dir]);
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
    let none = sekisho(&["router", "setup", "make", dir, &own]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("has no peers"));
    met(dir, &facility, "本館と分院", &[&own, &peer]);

    let made = said(&["router", "setup", "make", dir, &own, "--peer", &peer, "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(made["page"].as_str().unwrap().ends_with("/setup"), "{made}");
    let hash = PaperCode::parse(made["code"].as_str().unwrap()).unwrap().hash();
    let link =
        async || router_setup::find_by_code(&mut store.read(), &hash).await.unwrap().unwrap();
    let kept = link().await;
    assert_eq!((kept.id.as_str(), &kept.router_id), (made["id"].as_str().unwrap(), &own));
    let peers = router_setup::peers(&mut store.read(), &kept.id).await.unwrap();
    let [named] = &peers[..] else { panic!("{peers:?}") };
    assert_eq!(named.router_id, peer);

    // For people: a picture and a code, in place of the one before.
    let told = said(&["router", "setup", "make", dir, &own]);
    assert!(told.contains('█') && told.contains("\ncode  ") && !told.contains("?code="), "{told}");
    assert!(!link().await.lives_at(OffsetDateTime::now_utc()));
    let ended = said(&["router", "setup", "end", dir, &own]);
    assert_eq!(ended, format!("The link of {own} is ended.\n"));

    for (arguments, says) in [
        (&["end", dir, &own][..], "has no link to end"),
        (&["make", dir, "T0000000000"], "no router T0000000000 in force"),
        (&["make", dir, &own, "--peer", "T0000000000"], "is no peer of"),
        (&["make", dir, &own, "--peer", &own], "is no peer of"),
        (&["make", dir, &own, "--peer", &peer, "--peer", &peer], "named twice"),
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
