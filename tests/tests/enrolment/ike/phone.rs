//! The technician's page: a tick for each tunnel once a daemon's `report.sh` told of it, and none once it is gone.

use super::node::{self, Node, Role, Running};
use crate::world::{World, text};

/// The code of an opener's link.
pub struct Link {
    router: String,
    code: String,
}

/// A link for each opener of these, for its tunnels with whoever awaits it, made at the host.
pub fn make(world: &World, nodes: &[Node]) -> Vec<Link> {
    let instance = text(&world.file("instance"));
    let openers = nodes.iter().filter(|node| node.role == Role::Opens);
    let link = |node: &Node| {
        let mut arguments = vec!["router", "setup", "make", &instance, &node.id, "--json"];
        arguments.extend(["--key", node.proof.key()]);
        for (_, other) in node::pairs(nodes).filter(|(one, _)| one.id == node.id) {
            arguments.extend(["--peer", &other.id]);
        }
        let said = world.sekisho(&arguments);
        let made: serde_json::Value = serde_json::from_str(&said).unwrap();
        Link { router: node.id.clone(), code: made["code"].as_str().unwrap().to_owned() }
    };
    openers.map(link).collect()
}

/// What a telephone shows that scanned the picture: it takes the cookie and is led to the page.
fn page(world: &World, link: &Link) -> String {
    let jar = text(&world.file(&format!("{}-cookies", link.router)));
    let address = format!("/setup?code={}", link.code);
    let follow = ["--location", "--cookie", &jar, "--cookie-jar", &jar];
    let (status, page) = world.curl_by(("public", "root"), &address, &follow);
    assert_eq!(status, 200, "{page}");
    page
}

/// Runs the script of these. A tunnel that came and went within seconds is told the next time.
fn report<'n>(running: &Running, nodes: impl Iterator<Item = &'n Node>) {
    for node in nodes {
        let script = text(&node.bundle.join("report.sh"));
        running.ask(node, "sh", &["-c", &format!("sh {script} >&2 || true")]);
    }
}

/// Before anybody reports there is no tick; then each page has one for each tunnel, told by both ends.
pub fn ticks(world: &World, running: &Running, links: &[Link], nodes: &[Node]) {
    let tunnels = |link: &Link| node::pairs(nodes).filter(|(one, _)| one.id == link.router).count();
    for link in links {
        let page = page(world, link);
        assert!(tunnels(link) > 0 && !page.contains('✓'), "{page}");
        assert_eq!(page.matches("まだです").count(), tunnels(link), "{page}");
    }
    node::wait_for(running, "ticks on the technicians' pages", || {
        report(running, nodes.iter());
        let without = links.iter().filter(|link| {
            let page = page(world, link);
            let both = page.matches("両方のルーター").count();
            page.matches('✓').count() != tunnels(link) || both != tunnels(link)
        });
        without.map(|link| link.router.clone()).collect()
    });
}

/// The tunnels of an opener that answers no more were ended at the other ends: their word takes its ticks.
pub fn gone(world: &World, running: &Running, links: &[Link], nodes: &[Node], silent: &Node) {
    let link = links.iter().find(|link| link.router == silent.id).unwrap();
    let others: Vec<_> =
        node::pairs(nodes).filter(|(one, _)| one.id == silent.id).map(|(_, other)| other).collect();
    node::wait_for(running, "the end of ticks", || {
        report(running, others.iter().copied());
        let page = page(world, link);
        let down = page.matches("つながっていません</span>").count();
        if page.contains('✓') || down != others.len() { vec![page] } else { Vec::new() }
    });
}
