//! What groups that lead on add to a tunnel: the network of another spoke, a CHILD_SA of its own beside the first one
//! or, of OpenIKED, a flow of the same. Judged is that both ends have it, by their own lists.

use std::fs;

use super::{
    groups,
    node::{self, Daemon, Node, Running},
};

/// A spoke, a hub of another make, and the spoke of the third make whose network lies beyond.
fn ways(nodes: &[Node]) -> impl Iterator<Item = (&Node, &Node, &Node)> {
    node::pairs(nodes).flat_map(move |(one, hub)| {
        let spokes = nodes.iter().filter(move |node| groups::are_peers(node, hub));
        spokes
            .filter(move |third| groups::leads_between(hub, one, third))
            .map(move |third| (one, hub, third))
    })
}

fn network(node: &Node) -> String {
    let number: u8 = node.address.rsplit('.').next().unwrap().parse().unwrap();
    format!("10.78.{}.0/24", number - 10)
}

/// Whether this end has these networks in a tunnel that stands.
fn has(running: &Running, node: &Node, ours: &str, theirs: &str) -> bool {
    match node.daemon {
        Daemon::StrongSwan => {
            let listed = running.ask(node, "swanctl", &["--list-sas"]);
            let words: Vec<_> = listed.split_whitespace().collect();
            words.windows(4).any(|found| found == ["local", ours, "remote", theirs])
        }
        Daemon::Libreswan => {
            let name = connection(node, ours, theirs);
            let standing = running.ask(node, "ipsec", &["whack", "--trafficstatus"]);
            standing.contains(&format!("\"{name}\""))
        }
        Daemon::OpenIked => {
            let listed = running.ask(node, "ikectl", &["show", "sa"]);
            listed.contains(&format!("ESP out {ours} -> {theirs} "))
        }
    }
}

/// The connection of a libreswan's text that has these networks.
fn connection(node: &Node, ours: &str, theirs: &str) -> String {
    let written = fs::read_to_string(node.bundle.join("ipsec.conf")).unwrap();
    let has = |part: &&str| {
        part.contains(&format!("leftsubnet={ours}\n"))
            && part.contains(&format!("rightsubnet={theirs}\n"))
    };
    let part = written.split("\nconn ").find(has).unwrap();
    part.lines().next().unwrap().to_owned()
}

/// Each further network of each tunnel at both of its ends: those that lack it, by name.
fn missing(running: &Running, nodes: &[Node]) -> Vec<String> {
    let mut missing = Vec::new();
    for (one, hub, third) in ways(nodes) {
        let (near, far) = (network(one), network(third));
        let named = format!("{} -> {}", one.daemon.as_str(), hub.daemon.as_str());
        if !has(running, one, &near, &far) {
            missing.push(format!("{named}, at the spoke"));
        }
        if !has(running, hub, &far, &near) {
            missing.push(format!("{named}, at the hub"));
        }
    }
    missing
}

/// Waits until each of them stands. An OpenIKED that opens would ask for all networks in one CHILD_SA, of which the two
/// others take the first pair alone; so they open, as its text and theirs say.
pub fn judge(running: &Running, nodes: &[Node]) {
    assert_eq!(ways(nodes).count(), 6, "each make as a hub of the two others");
    node::wait_for(running, "further networks", || missing(running, nodes));
}
