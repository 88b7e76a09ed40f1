//! Three IKE daemons, each with each, by certificates and keys of ours and our texts alone.
//!
//! strongSwan, libreswan and OpenIKED come from Debian, unpacked side by side. Each router is entered by
//! `sekisho router add`, meets its peers in groups (`sekisho group`), is configured by what `sekisho router bundle`
//! wrote and nothing else, enrolled by its
//! `enrol.sh` at a running instance, and lives in namespaces of its own at one bridge. IKE_AUTH is judged at
//! both ends, and of groups that lead on each further pair of networks; packets are not: the preloaded library of `tests/ike/no_esp.c` stands in for a kernel's ESP
//! everywhere, so that the judgement is the same whether a kernel has it.

mod children;
mod groups;
mod hpki_like;
mod life;
mod network;
mod node;
mod phone;
mod psk;
mod results;
mod sizes;

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use sekisho::{config::Settings, demo::crowd};
use sekisho_output::say;
use sekisho_tests::installed;
use time::OffsetDateTime;

use crate::{
    table,
    world::{World, text},
};
use network::Network;
use node::{Daemon, Node, Proof, Role};
use results::Results;

/// The matrix; then what comes later in a router's life, by the scripts of its bundle; then other certificates.
#[tokio::test(flavor = "multi_thread")]
async fn every_daemon_reaches_every_other_also_after_its_renewal_and_none_takes_a_revoked_one() {
    let mut settings = Settings::default();
    settings.routers.reauthentication_seconds = 40;
    let world = World::start_with(settings).await;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("ike");
    let into = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut trees = BTreeMap::new();
    for daemon in Daemon::ALL {
        let list = sources.join(format!("{}.packages", daemon.as_str()));
        trees.insert(daemon, installed::debian(&list, into).await.unwrap());
    }
    let shim = node::shim(&sources, &world.file("no_esp.so"));

    let nodes = enter_all(&world, 0, &[Proof::P256, Proof::Rsa3072, Proof::Psk], false).await;
    let links = phone::make(&world, &nodes);
    let network = Network::new();
    let running = node::start(&nodes, &trees, &sources, &shim, &network);
    node::wait_for(&running, "the openers' tunnels", || missing(&nodes, 1));
    phone::ticks(&world, &running, &links, &nodes);
    let versions = Daemon::ALL.map(|daemon| (daemon, daemon.version(&trees[&daemon])));
    let mut results = Results::of(&versions.into());
    let mut table = head(&trees);
    rows(&mut table, &mut results, &nodes, &trees, |one, other| {
        if established(one, other, 1) { "IKE_AUTH" } else { "**no**" }
    });

    let mut entered = nodes.len();
    let (with_psk, nodes): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|node| node.proof == Proof::Psk);
    let (mut with_p256, mut with_rsa): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|node| node.proof == Proof::P256);
    let leaf_alone = sizes::as_bundled(&with_p256);
    let with_intermediate = sizes::with_intermediate(&running, &with_p256);
    psk::go_over(&world, &running, &with_psk);
    life::renew(&running, &with_rsa);
    life::deny_silent(&running, &with_p256, |silent| {
        phone::gone(&world, &running, &links, &with_p256, silent);
    });
    life::revoke_openers(&world, &running, &mut with_p256).await;
    life::stay(&running, &with_rsa);
    life::suspend_one(&world, &running, &mut with_rsa).await;
    psk::revoke_openers(&world, &running, &with_psk);
    for nodes in [&with_p256, &with_psk] {
        life::remove(&running, nodes);
    }
    drop(running);

    let proofs = [Proof::HpkiLike, Proof::HpkiLikeNamed];
    let nodes = enter_all(&world, entered, &proofs, false).await;
    entered += nodes.len();
    nodes.iter().for_each(|node| hpki_like::certify(&world, node));
    let network = Network::new();
    let running = node::start(&nodes, &trees, &sources, &shim, &network);
    hpki_like::judge(&running, &nodes);
    rows(&mut table, &mut results, &nodes, &trees, |one, other| {
        hpki_like::verdict(&nodes, one, other)
    });
    drop(running);

    let nodes = enter_all(&world, entered, &[Proof::P256], true).await;
    let network = Network::new();
    let running = node::start(&nodes, &trees, &sources, &shim, &network);
    children::judge(&running, &nodes);
    drop(running);
    writeln!(
        table,
        "\nIKE_AUTH with a P-256 certificate: {leaf_alone} octets at most, {with_intermediate} with the issuing \
         authority's."
    )
    .unwrap();
    say(&table).unwrap();
    table::write("2-IKE", &table);
    results.keep();
    world.stop().await;
}

/// Enters a router of each daemon for each end and each proof, each of a facility of its own; has them meet in
/// groups, which let spokes through or do not, and writes their bundles.
async fn enter_all(world: &World, from: usize, proofs: &[Proof], led: bool) -> Vec<Node> {
    let mut nodes = Vec::new();
    for &proof in proofs {
        for daemon in Daemon::ALL {
            for role in [Role::Opens, Role::Awaits] {
                let now = OffsetDateTime::now_utc();
                let facility = crowd::facility(&world.store, now).await.unwrap();
                let number = from + nodes.len();
                nodes.push(Node { led, ..enter(world, facility, number, daemon, role, proof) });
            }
        }
    }
    for &proof in proofs {
        let these: Vec<&Node> = nodes.iter().filter(|node| node.proof == proof).collect();
        groups::meet(world, proof, &these);
    }
    psk::share_all(world, &nodes);
    for node in &nodes {
        bundle(world, node, &nodes, &node.bundle);
        groups::lists_exactly_its_peers(node, &nodes);
        fs::write(node.bundle.join("code"), &node.code).unwrap();
        fs::write(node.bundle.join("key-kind"), node.proof.key()).unwrap();
        psk::leave_codes(node);
    }
    nodes
}

/// Enters a router; its address ends in its number.
fn enter(
    world: &World,
    facility: String,
    number: usize,
    daemon: Daemon,
    role: Role,
    proof: Proof,
) -> Node {
    let instance = text(&world.file("instance"));
    let address = format!("10.77.0.{}", number + 10);
    let network = format!("10.78.{number}.0/24");
    let name = format!("{number}-{}-{}-{}", daemon.as_str(), role.as_str(), proof.as_str());
    let said = world.sekisho(&[
        "router",
        "add",
        &instance,
        "--facility",
        &facility,
        "--name",
        &name,
        "--family",
        &format!("router_{}", daemon.as_str()),
        "--address",
        &address,
        "--network",
        &network,
        "--json",
    ]);
    let made: serde_json::Value = serde_json::from_str(&said).unwrap();
    Node {
        id: made["id"].as_str().unwrap().to_owned(),
        code: made["code"].as_str().unwrap().to_owned(),
        bundle: world.file(&name),
        facility,
        address,
        daemon,
        role,
        proof,
        led: false,
        psk_codes: Mutex::default(),
        forgotten: 0,
    }
}

/// Writes its bundle into a new folder: a tunnel with each router that its groups make a peer. All have fixed
/// addresses, so that spokes open; in a mesh it has to be said.
fn bundle(world: &World, node: &Node, nodes: &[Node], to: &Path) {
    let (instance, to) = (text(&world.file("instance")), text(to));
    let mut arguments =
        vec!["router", "bundle", &instance, &node.id, "--key", node.proof.key(), "--to", &to];
    let option = if node.role == Role::Opens { "--open" } else { "--await" };
    if groups::is_mesh(node.proof) {
        let others = nodes.iter().filter(|other| groups::are_peers(node, other));
        for other in others.filter(|other| other.role != node.role) {
            arguments.extend([option, &other.id]);
        }
    }
    world.sekisho(&arguments);
}

/// Pairs of which not both ends say that IKE_AUTH succeeded so often.
fn missing(nodes: &[Node], times: usize) -> Vec<String> {
    node::pairs(nodes)
        .filter(|(one, other)| !established(one, other, times))
        .map(|(one, other)| {
            let proof = one.proof.as_str();
            format!("{} -> {} {proof}", one.daemon.as_str(), other.daemon.as_str())
        })
        .collect()
}

/// Whether both ends say that IKE_AUTH succeeded so often.
fn established(one: &Node, other: &Node, times: usize) -> bool {
    one.established(other).min(other.established(one)) >= times
}

fn head(trees: &BTreeMap<Daemon, PathBuf>) -> String {
    let mut table = String::from("\n| opens \\ awaits | proof |");
    for daemon in Daemon::ALL {
        write!(table, " {} |", daemon.named(&trees[&daemon])).unwrap();
    }
    table.push_str("\n|---|---|---|---|---|\n");
    table
}

/// A row for each opener: what came of its tunnel with each router that awaits it.
fn rows(
    table: &mut String,
    results: &mut Results,
    nodes: &[Node],
    trees: &BTreeMap<Daemon, PathBuf>,
    verdict: impl Fn(&Node, &Node) -> &'static str,
) {
    for one in nodes.iter().filter(|node| node.role == Role::Opens) {
        let daemon = one.daemon.named(&trees[&one.daemon]);
        write!(table, "| {daemon} | {} |", one.proof.as_str()).unwrap();
        for (_, other) in node::pairs(nodes).filter(|(opener, _)| opener.id == one.id) {
            let verdict = verdict(one, other);
            results.saw(one, other, verdict);
            write!(table, " {verdict} |").unwrap();
        }
        table.push('\n');
    }
}
