//! How long IKE_AUTH is, as strongSwan tells of what it sends and receives; before it is cut into fragments.

use std::collections::BTreeMap;

use super::node::{Daemon, Node, Role, Running};
use crate::world::text;

/// Octets that pass everywhere without fragments.
const LEAF_ALONE: usize = 1_200;
/// With the issuing authority's certificate.
const WITH_INTERMEDIATE: usize = 1_800;

/// The longest IKE_AUTH of which a log tells, of those with so many certificates.
fn longest(log: &str, certificates: usize) -> Option<usize> {
    let (mut received, mut sending) = (BTreeMap::new(), BTreeMap::new());
    let mut longest = None;
    for line in log.lines() {
        // "05[NET] sending packet: from 10.77.0.10[500] to 10.77.0.11[500] (1136 bytes)"
        // "05[ENC] parsed IKE_AUTH request 1 [ IDi CERT CERTREQ IDr AUTH SA TSi TSr ]"
        let Some((thread, said)) = line.split_once('[') else { continue };
        let octets = said.rsplit_once(" bytes)").and_then(|(before, _)| {
            before.rsplit_once('(').and_then(|(_, number)| number.parse::<usize>().ok())
        });
        let (carried, of_one) = if said.contains("parsed IKE_AUTH") {
            (carried_by(said), received.get(thread).copied())
        } else if said.contains("splitting IKE message") || said.contains("sending packet") {
            (sending.remove(thread).unwrap_or_default(), octets)
        } else {
            (0, None)
        };
        if carried == certificates {
            longest = longest.max(of_one);
        }
        if said.contains("generating IKE_AUTH") {
            sending.insert(thread, carried_by(said));
        }
        let whole = said.contains("received packet") || said.contains("reassembled");
        if let Some(octets) = octets.filter(|_| whole) {
            received.insert(thread, octets);
        }
    }
    longest
}

/// How many certificates are among the payloads.
fn carried_by(said: &str) -> usize {
    said.split_whitespace().filter(|payload| *payload == "CERT").count()
}

/// With each of the three makes, whichever end sends it, as the bundles are: the longest with a certificate alone. An
/// OpenIKED that opens sends the issuing authority's besides, although the other end has it.
pub fn as_bundled(nodes: &[Node]) -> usize {
    let told = || nodes.iter().filter(|node| node.daemon == Daemon::StrongSwan);
    let of = |certificates| told().filter_map(move |node| longest(&node.log(), certificates)).max();
    let (alone, of_openiked) = (of(1).unwrap(), of(2).unwrap());
    assert!(alone <= LEAF_ALONE, "{alone}");
    assert!(of_openiked <= WITH_INTERMEDIATE, "{of_openiked}");
    assert_eq!(of(3), None);
    alone
}

/// To a router that has the root alone, and is therefore sent the issuing authority's certificate, too. In the end that
/// router has again what its bundle says.
pub fn with_intermediate(running: &Running, nodes: &[Node]) -> usize {
    let at = |role| {
        let is_one = |node: &&Node| (node.role, node.daemon) == (role, Daemon::StrongSwan);
        nodes.iter().find(is_one).unwrap()
    };
    let (one, other) = (at(Role::Opens), at(Role::Awaits));
    let before = one.log().len();
    let has_other_authorities = |script: &str| {
        let load =
            "swanctl --flush-certs; swanctl --load-creds --clear --noprompt; swanctl --load-conns";
        running.ask(other, "sh", &["-ec", &format!("{script}\n{load}")]);
    };
    let root = text(&other.bundle.join("root.pem"));
    has_other_authorities(&format!(
        "cd /etc/swanctl; rm x509ca/sekisho-*; cp {root} x509ca/sekisho-root.pem
         sed -i 's/cacerts = .*/cacerts = sekisho-root.pem/' conf.d/sekisho.conf"
    ));
    running.ask(one, "swanctl", &["--terminate", "--ike", &other.id]);
    running.ask(one, "swanctl", &["--initiate", "--child", &other.id]);
    let octets = longest(&one.log()[before..], 2).unwrap();
    assert!(octets <= WITH_INTERMEDIATE, "{octets}");
    has_other_authorities(&format!("sh {}", text(&other.bundle.join("install.sh"))));
    octets
}
