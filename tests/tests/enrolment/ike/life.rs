//! What comes after the first tunnel: renewal, proof anew, revocation while the daemons run, and the way back.

use std::{fs, time::Duration};

use super::{
    missing,
    node::{self, Daemon, Node, Role, Running},
};
use crate::world::{World, text};

/// Less than a tunnel stands until it ends by itself.
const AT_ONCE: Duration = Duration::from_secs(5);

/// New keys and certificates by the present ones, put in over the old: every tunnel is opened again.
pub fn renew(running: &Running, nodes: &[Node]) {
    for node in nodes {
        let certificate = || fs::read(node.bundle.join("router.pem")).unwrap();
        let before = certificate();
        running.run(node, "renew.sh");
        assert_ne!(certificate(), before, "{} has its old certificate", node.id);
        running.run(node, "install.sh");
    }
    for role in [Role::Awaits, Role::Opens] {
        running.restart(nodes.iter().filter(|node| node.role == role));
    }
    node::wait_for(running, "tunnels by renewed certificates", || missing(nodes, 1));
}

/// The openers are revoked. Whoever awaits them hears of it as cron would tell, and is not started anew.
pub async fn revoke_openers(world: &World, running: &Running, nodes: &mut [Node]) {
    let instance = text(&world.file("instance"));
    for node in nodes.iter().filter(|node| node.role == Role::Opens) {
        world.sekisho(&["revoke", "terminal", &instance, &node.id, "--reason", "key-compromise"]);
    }
    listed(world, nodes).await;
    for node in nodes.iter().filter(|node| node.role == Role::Awaits) {
        running.run(node, "revocation.sh");
    }
    // What was there before stays until an end asks for proof anew; libreswan takes a minute to look for the
    // list, and lets the other in again until then.
    let (asking, lasting): (Vec<_>, Vec<_>) =
        node::pairs(nodes).partition(|(one, other)| one.proves_anew(other));
    let standing = |(one, other): &(&Node, &Node)| {
        (running.has_tunnel(other, one) || !other.refused(one))
            .then(|| format!("{} with {}", other.id, one.id))
    };
    node::wait_for(running, "tunnels that end at the next authentication", || {
        asking.iter().filter_map(standing).collect()
    });
    for (one, other) in &lasting {
        assert!(running.has_tunnel(other, one), "nobody ended {} with {}", other.id, one.id);
        running.ask(other, "sh", &[&text(&other.bundle.join("deny.sh")), &one.id]);
    }
    node::wait_for(running, "the end of the other tunnels", || {
        lasting.iter().filter_map(standing).collect()
    });
    for node in nodes.iter_mut().filter(|node| node.role == Role::Awaits) {
        node.forget();
    }
    let openers = || nodes.iter().filter(|node| node.role == Role::Opens);
    running.restart(openers());
    node::wait_for(running, "refusals", || node::those(openers(), |node| node.refusals() < 3));
    for (one, other) in node::pairs(nodes) {
        assert_eq!(other.established(one), 0, "{} took {}: {}", other.id, one.id, other.log());
    }
}

/// A router that was taken away answers nobody. Whoever denies it is rid of it at once, and not after minutes, nor
/// only when the tunnel ends by itself; to deny it once more is no fault, and to deny a stranger is one.
pub fn deny_silent(running: &Running, nodes: &[Node], once_gone: impl Fn(&Node)) {
    // libreswan: the others that open end their tunnels from time to time.
    let opens = |node: &&Node| (node.role, node.daemon) == (Role::Opens, Daemon::Libreswan);
    let silent = nodes.iter().find(opens).unwrap();
    let awaiting = || nodes.iter().filter(|node| node.role == Role::Awaits);
    let standing = || node::those(awaiting(), |node| !running.has_tunnel(node, silent));
    loop {
        node::wait_for(running, "tunnels to deny", standing);
        running.ask(silent, "sh", &["-c", "kill -STOP -1"]);
        if standing().is_empty() {
            break;
        }
        // Just then one of those who await ended its own.
        running.ask(silent, "sh", &["-c", "kill -CONT -1"]);
    }
    for _ in 0..2 {
        for node in awaiting() {
            let deny = text(&node.bundle.join("deny.sh"));
            running.ask(node, "sh", &[&deny, &silent.id]);
            let stranger =
                running.ask(node, "sh", &["-c", &format!("sh {deny} T0 2>&1 || echo $?")]);
            assert!(stranger.ends_with("2\n"), "{}: {stranger}", node.id);
        }
        node::wait_within(running, AT_ONCE, "the end of tunnels with a silent router", || {
            node::those(awaiting(), |node| running.has_tunnel(node, silent))
        });
    }
    once_gone(silent);
    running.ask(silent, "sh", &["-c", "kill -CONT -1"]);
    node::wait_for(running, "tunnels after the silence", standing);
}

/// Tunnels of routers in force are there again after each proof.
pub fn stay(running: &Running, nodes: &[Node]) {
    node::wait_for(running, "tunnels opened anew", || {
        node::pairs(nodes)
            .filter(|(one, other)| {
                let proofs = if one.proves_anew(other) { 3 } else { 1 };
                other.established(one) < proofs || !running.has_tunnel(other, one)
            })
            .map(|(one, other)| format!("{} with {}", other.id, one.id))
            .collect()
    });
}

/// The facility of one opener is suspended. Its peers hear of it as cron would tell: its tunnels end at the next
/// authentication, and no new one comes, also after the others were judged by the newer list; their tunnels stand.
/// No text lists it any more.
pub async fn suspend_one(world: &World, running: &Running, nodes: &mut [Node]) {
    let is_one = |node: &Node| (node.role, node.daemon) == (Role::Opens, Daemon::StrongSwan);
    let at = nodes.iter().position(is_one).unwrap();
    let (id, facility) = (nodes[at].id.clone(), nodes[at].facility.clone());
    let instance = text(&world.file("instance"));
    world.sekisho(&["revoke", "facility", &instance, &facility, "--hold"]);
    listed(world, &nodes[at..=at]).await;
    let others = || nodes.iter().filter(|node| node.id != id);
    for node in others() {
        running.run(node, "revocation.sh");
    }
    let awaiting = || nodes.iter().filter(|node| node.role == Role::Awaits);
    node::wait_for(running, "the end of a suspended facility's tunnels", || {
        let takes = |node: &Node| running.has_tunnel(node, &nodes[at]) || !node.refused(&nodes[at]);
        node::those(awaiting(), takes)
    });
    // What a daemon said is forgotten by its start.
    nodes.iter_mut().filter(|node| node.id != id).for_each(Node::forget);
    let nodes = &*nodes;
    node::wait_for(running, "tunnels of the others, by the newer list", || {
        let pairs = node::pairs(nodes).filter(|(one, _)| one.id != id);
        let judged = |(one, other): &(&Node, &Node)| {
            running.has_tunnel(other, one)
                && (other.established(one) > 0 || !one.proves_anew(other))
        };
        pairs
            .filter(|pair| !judged(pair))
            .map(|(one, other)| format!("{} with {}", other.id, one.id))
            .collect()
    });
    let one = &nodes[at];
    running.restart(std::iter::once(one));
    node::wait_for(running, "refusals of a suspended facility", || {
        node::those(std::iter::once(one), |node| node.refusals() < 3)
    });
    for other in nodes.iter().filter(|node| node.role == Role::Awaits) {
        assert_eq!(other.established(one), 0, "{} took {id}: {}", other.id, other.log());
        assert!(!running.has_tunnel(other, one), "{} has {id}", other.id);
    }
    for node in nodes {
        let newer = world.file(&format!("{}-without", node.id));
        let key = node.proof.key();
        world.sekisho(&[
            "router",
            "bundle",
            &instance,
            &node.id,
            "--key",
            key,
            "--to",
            &text(&newer),
        ]);
        for file in fs::read_dir(&newer).unwrap() {
            let written = fs::read_to_string(file.unwrap().path()).unwrap();
            let strangers = nodes
                .iter()
                .filter(|other| other.id != node.id && (node.id == id || other.id == id));
            for stranger in strangers {
                assert!(!written.contains(&stranger.id), "{} has {}", node.id, stranger.id);
            }
        }
    }
}

/// Waits until the routers' list has each revoked certificate.
async fn listed(world: &World, nodes: &[Node]) {
    let mut reader = world.store.read();
    let mut revoked = Vec::new();
    for node in nodes.iter().filter(|node| node.role == Role::Opens) {
        revoked
            .extend(sekisho_store::certificate::of_terminal(&mut reader, &node.id).await.unwrap());
    }
    crate::listed_by(world, "routers", &revoked).await;
}

/// Nothing of ours is left where a daemon looks.
pub fn remove(running: &Running, nodes: &[Node]) {
    for node in nodes {
        running.run(node, "remove.sh");
        let left = running.ask(node, "find", &["/etc", "-name", "*sekisho*"]);
        assert_eq!(left, "", "{}", node.id);
        if node.daemon == Daemon::Libreswan {
            let nss = ["-L", "-d", "sql:/var/lib/ipsec/nss"];
            for tool in ["certutil", "crlutil"] {
                let listed = running.ask(node, tool, &nss);
                assert!(!listed.contains("sekisho"), "{tool}: {listed}");
            }
        }
    }
}
