//! The groups by which routers of the matrix are peers: a mesh where they have RSA keys, so that those of one role
//! reach each other, too; elsewhere a group for each router that awaits, its hub, with all that open as spokes. Groups
//! that lead on have a hub and the spokes of the two other makes: each daemon gets the further networks of a tunnel.

use std::fs;

use super::node::{Daemon, Node, Proof, Role};
use crate::world::{World, text};

/// Whether all of a proof are in one mesh.
pub fn is_mesh(proof: Proof) -> bool {
    proof == Proof::Rsa3072
}

/// Whether the groups make two routers peers.
pub fn are_peers(one: &Node, other: &Node) -> bool {
    let of_one_group = is_mesh(one.proof) || one.role != other.role;
    one.id != other.id
        && one.proof == other.proof
        && of_one_group
        && (!one.led || one.daemon != other.daemon)
}

/// Whether a hub leads these two spokes on to each other: those of the two other makes, so that each make is a hub of
/// some and a spoke of two.
pub fn leads_between(hub: &Node, one: &Node, other: &Node) -> bool {
    let is_spoke = |node: &Node| node.role == Role::Opens && node.daemon != hub.daemon;
    hub.led && one.id != other.id && is_spoke(one) && is_spoke(other)
}

/// Makes the groups of one proof.
pub fn meet(world: &World, proof: Proof, nodes: &[&Node]) {
    let owner = nodes[0];
    if is_mesh(proof) {
        let group = make(world, owner, proof.as_str(), &["mesh"]);
        nodes.iter().for_each(|node| admit(world, &group, node, &[]));
        return;
    }
    for hub in nodes.iter().filter(|node| node.role == Role::Awaits) {
        let topology: &[&str] = if hub.led { &["hub", "--transit"] } else { &["hub"] };
        let group = make(world, owner, &format!("{} {}", proof.as_str(), hub.id), topology);
        admit(world, &group, hub, &["--hub"]);
        let spokes = nodes.iter().filter(|node| are_peers(node, hub));
        spokes.for_each(|spoke| admit(world, &group, spoke, &[]));
    }
}

fn make(world: &World, owner: &Node, name: &str, topology: &[&str]) -> String {
    let instance = text(&world.file("instance"));
    let of = ["group", "make", &instance, "--owner", &owner.facility, "--name", name];
    let with = ["--purpose", "regional_cooperation", "--topology"];
    world.sekisho(&[&of[..], &with, topology].concat()).trim().to_owned()
}

fn admit(world: &World, group: &str, node: &Node, more: &[&str]) {
    let instance = text(&world.file("instance"));
    let of = ["group", "admit", &instance, group, "--facility", &node.facility];
    let with = ["--router", &node.id, "--reason", "the matrix"];
    world.sekisho(&[&of[..], &with, more].concat());
}

/// What its text says of every router there is: a spoke of a hub knows no other spoke, and nobody a router of
/// another group.
pub fn lists_exactly_its_peers(node: &Node, nodes: &[Node]) {
    let written = configuration(node);
    for other in nodes.iter().filter(|other| other.id != node.id) {
        let listed = written.contains(&other.id) && written.contains(&other.id.to_lowercase());
        assert_eq!(listed, are_peers(node, other), "{} about {}: {written}", node.id, other.id);
        // The network behind a spoke is another spoke's matter where the groups lead on, and else nobody's but a
        // peer's.
        let number: u8 = other.address.rsplit('.').next().unwrap().parse().unwrap();
        let reaches = written.contains(&format!("10.78.{}.0/24", number - 10));
        let beyond = node.role == Role::Opens && other.role == Role::Opens;
        let led = node.led && beyond;
        assert_eq!(reaches, listed || led, "{} to {}: {written}", node.id, other.id);
    }
}

/// The text of its daemon, as the bundle has it.
fn configuration(node: &Node) -> String {
    let file = match node.daemon {
        Daemon::StrongSwan => "swanctl.conf",
        Daemon::Libreswan => "ipsec.conf",
        Daemon::OpenIked => "iked.conf",
    };
    fs::read_to_string(node.bundle.join(file)).unwrap()
}
