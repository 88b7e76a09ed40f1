//! Routers that prove themselves by pre-shared keys: one for each pair, fetched by codes, replaced, given up for
//! certificates, ended with a revoked router.

use std::fs;

use super::{
    bundle, missing,
    node::{self, Daemon, Node, Proof, Role, Running},
};
use crate::world::{World, text};

/// File with the codes that a router has not used, one a line.
const CODES: &str = "psk-codes";

/// A key for every pair that proves itself so; each end remembers its code.
pub fn share_all(world: &World, nodes: &[Node]) {
    for (one, other) in node::pairs(nodes).filter(|(one, _)| one.proof == Proof::Psk) {
        share(world, "add", one, other);
    }
}

fn share(world: &World, how: &str, one: &Node, other: &Node) {
    let instance = text(&world.file("instance"));
    let said = world.sekisho(&["router", "psk", how, &instance, &one.id, &other.id, "--json"]);
    let made: serde_json::Value = serde_json::from_str(&said).unwrap();
    for (end, node) in [one, other].into_iter().enumerate() {
        let end = &made["ends"][end];
        assert_eq!(end["router"], node.id);
        node.psk_codes.lock().unwrap().push(end["code"].as_str().unwrap().to_owned());
    }
}

/// Puts the codes to where the router is, and forgets them.
pub fn leave_codes(node: &Node) {
    let codes: String = node.psk_codes.lock().unwrap().drain(..).map(|code| code + "\n").collect();
    fs::write(node.bundle.join(CODES), codes).unwrap();
}

/// The key of one pair is replaced, and the strongSwan that opens goes over to certificates with whoever awaits
/// it, who keep their keys with the two others. Every tunnel is opened again.
pub fn go_over(world: &World, running: &Running, nodes: &[Node]) {
    for node in nodes {
        assert!(!node.bundle.join("router.pem").exists(), "{} needs no certificate", node.id);
    }
    let keys = |node: &Node| {
        let peers = nodes.iter().filter(|other| other.role != node.role);
        peers.map(|peer| secret(node, peer)).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = nodes.iter().flat_map(keys).collect();
    all.sort();
    let both_ends = all.chunks(2).all(|two| two[0] == two[1]);
    all.dedup();
    assert!(both_ends && all.len() == 9, "a key for each pair, and no other's: {}", all.len());

    let of = |daemon, role| {
        nodes.iter().find(|node| (node.daemon, node.role) == (daemon, role)).unwrap()
    };
    let ends = [of(Daemon::Libreswan, Role::Opens), of(Daemon::OpenIked, Role::Awaits)];
    let [one, other] = ends;
    let before = secret(one, other);
    share(world, "replace", one, other);
    for node in ends {
        // The old one counts until the new one is there.
        running.run(node, "revocation.sh");
        assert_eq!(secret(node, ends[usize::from(node.id == one.id)]), before);
        leave_codes(node);
        let fetch = format!("cd {} && sh psk.sh <{CODES}", text(&node.bundle));
        running.ask(node, "sh", &["-c", &fetch]);
        let again = running.ask(node, "sh", &["-c", &format!("({fetch}) 2>&1 || echo refused")]);
        assert!(again.contains("code was used") && again.ends_with("refused\n"), "{again}");
    }
    assert_eq!(
        (secret(one, other), secret(other, one)),
        (before.clone(), before.clone()),
        "in use"
    );

    // As docs/routers.md says: certificates first, then the end of the keys, then new bundles.
    let certified = of(Daemon::StrongSwan, Role::Opens);
    let instance = text(&world.file("instance"));
    let going = || nodes.iter().filter(|node| node.role == Role::Awaits || node.id == certified.id);
    for node in going() {
        let enrol = format!("cd {} && sh enrol.sh <code", text(&node.bundle));
        running.ask(node, "sh", &["-c", &enrol]);
    }
    for awaiting in nodes.iter().filter(|node| node.role == Role::Awaits) {
        world.sekisho(&["router", "psk", "end", &instance, &certified.id, &awaiting.id]);
    }
    for node in going() {
        let newer = world.file(&format!("{}-newer", node.id));
        bundle(world, node, nodes, &newer);
        for file in fs::read_dir(&newer).unwrap().map(|file| file.unwrap()) {
            fs::copy(file.path(), node.bundle.join(file.file_name())).unwrap();
        }
    }
    for node in nodes {
        running.run(node, "install.sh");
    }
    assert_eq!(secret(one, other), secret(other, one));
    assert_ne!(secret(one, other), before);
    for role in [Role::Awaits, Role::Opens] {
        running.restart(nodes.iter().filter(|node| node.role == role));
    }
    node::wait_for(running, "tunnels by keys and certificates", || missing(nodes, 1));
}

/// The key that a router has of a pair.
fn secret(node: &Node, peer: &Node) -> String {
    let file = fs::read_to_string(node.bundle.join(format!("psk-{}", peer.id))).unwrap();
    let secret = file.lines().find_map(|line| line.strip_prefix("secret ")).unwrap();
    assert_eq!(secret.len(), 64, "256 bits");
    secret.to_owned()
}

/// Two openers that have keys alone are revoked. Whoever awaits them asks, as cron would: their tunnels end at
/// once and no new one comes, though they go on trying with the key that they have.
pub fn revoke_openers(world: &World, running: &Running, nodes: &[Node]) {
    let instance = text(&world.file("instance"));
    let revoked = || {
        let opens = nodes.iter().filter(|node| node.role == Role::Opens);
        opens.filter(|node| node.daemon != Daemon::StrongSwan)
    };
    for node in revoked() {
        world.sekisho(&["revoke", "terminal", &instance, &node.id, "--reason", "key-compromise"]);
    }
    let awaiting = || nodes.iter().filter(|node| node.role == Role::Awaits);
    for node in awaiting() {
        // The second time there is nothing more to ask about.
        running.run(node, "revocation.sh");
        running.run(node, "revocation.sh");
    }
    node::wait_for(running, "the end of tunnels with routers whose keys were ended", || {
        let standing = |node: &&Node| revoked().any(|one| running.has_tunnel(node, one));
        awaiting().filter(standing).map(|node| node.id.clone()).collect()
    });
    running.restart(revoked());
    node::wait_for(running, "refusals", || node::those(revoked(), |node| node.refusals() < 3));
    for node in awaiting() {
        for one in revoked() {
            assert!(!running.has_tunnel(node, one), "{} took {}: {}", node.id, one.id, node.log());
            assert_eq!(one.established(node), 0, "{} took {}", node.id, one.id);
        }
    }
}
