//! The groups by which routers of the matrix are peers: a mesh where they have RSA keys, so that those of one role
//! reach each other, too; elsewhere a group for each router that awaits, its hub, with all that open as spokes. Of the
//! last proof each hub has another group, which lets the spokes of the two other makes through: each daemon gets the
//! further networks of a tunnel.

use std::fs;

use super::node::{Daemon, Node, Proof, Role};
use crate::world::{World, text};

/// Whether all of a proof are in one mesh.
pub fn is_mesh(proof: Proof) -> bool {
    proof == Proof::Rsa3072
}

/// Whether the groups make two routers peers.
pub fn are_peers(one: &Node, other: &Node) -> bool {
    one.id != other.id && one.proof == other.proof && (is_mesh(one.proof) || one.role != other.role)
}

/// Whether spokes reach each other through a hub.
fn leads_on(proof: Proof) -> bool {
    proof == Proof::HpkiLikeNamed
}

/// Whether a hub leads these two spokes on to each other: of the last proof those of the two other makes, so that each
/// make is a hub of some and a spoke of two.
pub fn leads_between(hub: &Node, one: &Node, other: &Node) -> bool {
    let is_spoke = |node: &Node| node.role == Role::Opens && node.daemon != hub.daemon;
    leads_on(hub.proof) && one.id != other.id && is_spoke(one) && is_spoke(other)
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
        let spokes = || nodes.iter().filter(|node| node.role == Role::Opens);
        let group = make(world, owner, &format!("{} {}", proof.as_str(), hub.id), &["hub"]);
        admit(world, &group, hub, &["--hub"]);
        spokes().for_each(|spoke| admit(world, &group, spoke, &[]));
        if leads_on(proof) {
            let name = format!("{} through {}", proof.as_str(), hub.id);
            let group = make(world, owner, &name, &["hub", "--transit"]);
            admit(world, &group, hub, &["--hub"]);
            let led = |spoke: &&&Node| spokes().any(|other| leads_between(hub, spoke, other));
            spokes().filter(led).for_each(|spoke| admit(world, &group, spoke, &[]));
        }
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
        let led = leads_on(node.proof) && other.proof == node.proof && beyond;
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
