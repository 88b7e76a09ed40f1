//! A router: its daemon, its bundle, and what its log says.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

use sekisho_tests::installed;

use super::network::Network;
use crate::world::{done, text};

/// For twelve daemons on two busy cores, one of which looks for a list once a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Seconds for a script or a program beside a daemon: less than an unanswered IKE message is repeated for.
const AT_ONCE: &str = "60";

/// Files in a router's folder: what its scripts and its daemon say, and how far it has come.
const SAID: &str = "said";
const LOG: &str = "log";
const STATES: [&str; 3] = ["ready", "go", "up"];
/// Lines of a file that are told when a router fails.
const TOLD: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Daemon {
    StrongSwan,
    Libreswan,
    OpenIked,
}

impl Daemon {
    pub const ALL: [Self; 3] = [Self::StrongSwan, Self::Libreswan, Self::OpenIked];

    /// As its family and its list of packages are called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StrongSwan => "strongswan",
            Self::Libreswan => "libreswan",
            Self::OpenIked => "openiked",
        }
    }

    /// Name and version of the package below `tree`.
    pub fn named(self, tree: &Path) -> String {
        format!("{} {}", self.as_str(), self.version(tree))
    }

    /// Version of the package below `tree`.
    pub fn version(self, tree: &Path) -> String {
        let package = match self {
            Self::StrongSwan => "strongswan-charon",
            Self::Libreswan | Self::OpenIked => self.as_str(),
        };
        installed::version(tree, package)
    }

    /// Whether a line of its log says that IKE_AUTH with this router succeeded.
    fn says_established(self, line: &str, other: &str) -> bool {
        match self {
            Self::StrongSwan => {
                line.contains(&format!("IKE_SA {other}[")) && line.contains("] established")
            }
            Self::Libreswan => {
                // A further pair of networks is a connection of its own, of the same IKE SA.
                let names = [format!("\"{other}\" #"), format!("\"{other}-")];
                names.iter().any(|name| line.contains(name)) && line.contains("established IKE SA")
            }
            Self::OpenIked => {
                line.contains("established peer") && line.contains(&format!("policy '{other}'"))
            }
        }
    }

    /// What its log says once it refused this router's certificate.
    fn says_refused(self, log: &str, other: &Node) -> bool {
        let dns_name = format!("{}.", other.id.to_lowercase());
        log.lines().any(|line| match self {
            Self::StrongSwan => {
                line.contains(" no trusted ")
                    && line.contains(&format!("public key found for '{dns_name}"))
            }
            Self::Libreswan => {
                line.contains(&format!("\"{}\" #", other.id))
                    && line.contains("authentication failed")
            }
            Self::OpenIked => line.contains(&format!("authentication failed for FQDN/{dns_name}")),
        })
    }

    /// The command that lists its tunnels.
    const fn lists(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::StrongSwan => ("swanctl", &["--list-sas"]),
            Self::Libreswan => ("ipsec", &["whack", "--showstates"]),
            Self::OpenIked => ("ikectl", &["show", "sa"]),
        }
    }

    /// What its log says when the other end refuses its certificate.
    const fn refused(self) -> &'static str {
        match self {
            Self::StrongSwan => "received AUTHENTICATION_FAILED notify",
            Self::Libreswan => "AUTHENTICATION_FAILED",
            Self::OpenIked => "authentication failed notification from peer",
        }
    }
}

/// By what a router proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    P256,
    Rsa3072,
    /// A pre-shared key of each pair.
    Psk,
    /// A certificate of the shape of HPKI's.
    HpkiLike,
    /// The same, with the router's DNS name.
    HpkiLikeNamed,
}

impl Proof {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa3072 => "rsa3072",
            Self::Psk => "psk",
            Self::HpkiLike => "hpki-like",
            Self::HpkiLikeNamed => "hpki-like-named",
        }
    }

    /// The kind of key for which the texts are written.
    pub const fn key(self) -> &'static str {
        match self {
            // The kind that it gets when it goes over to certificates.
            Self::P256 | Self::Psk => "p256",
            Self::Rsa3072 | Self::HpkiLike | Self::HpkiLikeNamed => "rsa3072",
        }
    }
}

/// Which end it is of each of its tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Opens,
    Awaits,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opens => "opens",
            Self::Awaits => "awaits",
        }
    }
}

pub struct Node {
    pub id: String,
    pub code: String,
    pub bundle: PathBuf,
    pub facility: String,
    pub address: String,
    pub daemon: Daemon,
    pub role: Role,
    pub proof: Proof,
    /// Whether its groups let spokes through.
    pub led: bool,
    /// Codes for keys of its pairs, which it has not used.
    pub psk_codes: Mutex<Vec<String>>,
    /// Octets of its log that count no more.
    pub forgotten: usize,
}

impl Node {
    pub fn log(&self) -> String {
        let log = self.whole_log();
        log.get(self.forgotten..).unwrap_or_default().to_owned()
    }

    fn whole_log(&self) -> String {
        fs::read_to_string(self.bundle.join(LOG)).unwrap_or_default()
    }

    /// From here on only what it says anew counts.
    pub fn forget(&mut self) {
        self.forgotten = self.whole_log().len();
    }

    /// How often a tunnel with the other was established.
    pub fn established(&self, other: &Self) -> usize {
        self.log().lines().filter(|line| self.daemon.says_established(line, &other.id)).count()
    }

    /// Whether it refused the other's certificate.
    pub fn refused(&self, other: &Self) -> bool {
        self.daemon.says_refused(&self.log(), other)
    }

    /// Whether a tunnel that this one opens to the other ends by itself, and is opened anew.
    pub fn proves_anew(&self, other: &Self) -> bool {
        self.daemon == Daemon::StrongSwan || other.daemon != Daemon::OpenIked
    }

    /// How often its certificate was refused.
    pub fn refusals(&self) -> usize {
        self.log().matches(self.daemon.refused()).count()
    }

    fn is(&self, state: &str) -> bool {
        self.bundle.join(state).exists()
    }
}

/// Every pair of one proof: who opens, who awaits.
pub fn pairs(nodes: &[Node]) -> impl Iterator<Item = (&Node, &Node)> {
    let opening = nodes.iter().filter(|node| node.role == Role::Opens);
    opening.flat_map(move |one| {
        let awaiting = nodes.iter().filter(|node| node.role == Role::Awaits);
        awaiting.filter(|other| other.proof == one.proof).map(move |other| (one, other))
    })
}

/// The library that stands in for a kernel's ESP.
pub fn shim(sources: &Path, to: &Path) -> PathBuf {
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
    done(compile.arg(to).arg(sources.join("no_esp.c")).arg("-ldl"));
    to.to_owned()
}

/// Routers that run, each with all that it started, and their folders; they end when this is dropped.
pub struct Running(Vec<(Child, PathBuf)>);

impl Running {
    /// Runs a script of a router's bundle there.
    pub fn run(&self, node: &Node, script: &str) {
        self.ask(node, "sh", &[&text(&node.bundle.join(script))]);
    }

    /// Runs a program there, with the machine's network; answers what it says. It must end in time.
    pub fn ask(&self, node: &Node, program: &str, arguments: &[&str]) -> String {
        let (child, _) = self.0.iter().find(|(_, bundle)| *bundle == node.bundle).unwrap();
        let process = first_within(child).to_string();
        let mut command = Command::new("timeout");
        command.args([AT_ONCE, "nsenter", "--mount", "--pid", "--target", &process, program]);
        command.args(arguments);
        String::from_utf8(done(&mut command).stdout).unwrap()
    }

    /// Whether a router's daemon lists an IKE SA with another that is established; the other may try for one.
    pub fn has_tunnel(&self, node: &Node, other: &Node) -> bool {
        let (program, arguments) = node.daemon.lists();
        let listed = self.ask(node, program, arguments).to_lowercase();
        let other = other.id.to_lowercase();
        listed.lines().any(|line| line.contains(&other) && line.contains("established"))
    }

    /// Starts the daemons of these anew, as `systemctl restart` does; what they said is forgotten.
    pub fn restart<'n>(&self, nodes: impl Iterator<Item = &'n Node> + Clone) {
        for node in nodes.clone() {
            fs::write(node.bundle.join("restart"), "").unwrap();
        }
        wait_for(self, "daemons that start anew", || {
            those(nodes.clone(), |node| !node.is("up") || node.is("restart"))
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Enrols, installs and starts them all; who awaits is there before who opens.
pub fn start(
    nodes: &[Node],
    trees: &BTreeMap<Daemon, PathBuf>,
    sources: &Path,
    shim: &Path,
    network: &Network,
) -> Running {
    let mut running = Running(Vec::new());
    for node in nodes {
        let output = File::create(node.bundle.join(SAID)).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"])
            .arg(sources.join("node.sh"))
            .arg(node.daemon.as_str())
            .args([&trees[&node.daemon], &node.bundle])
            .arg(shim)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        running.0.push((child, node.bundle.clone()));
    }
    wait_for(&running, "enrolment and installation", || {
        those(nodes.iter(), |node| !node.is("ready"))
    });
    for (node, (child, _)) in nodes.iter().zip(&running.0) {
        network.connect(first_within(child), &node.address);
    }
    for role in [Role::Awaits, Role::Opens] {
        let these = || nodes.iter().filter(|node| node.role == role);
        for node in these() {
            fs::write(node.bundle.join("go"), "").unwrap();
        }
        wait_for(&running, "daemons", || those(these(), |node| !node.is("up")));
    }
    running
}

/// The process that `unshare --fork` started. It has a network namespace of its own once it is ready.
fn first_within(child: &Child) -> u32 {
    let id = child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until nothing is missing any more. Gives up after a time, and at once when a router has ended;
/// then all logs are told.
pub fn wait_for(running: &Running, what: &str, missing: impl Fn() -> Vec<String>) {
    wait_within(running, PATIENCE, what, missing);
}

/// The same for so long.
pub fn wait_within(
    running: &Running,
    patience: Duration,
    what: &str,
    missing: impl Fn() -> Vec<String>,
) {
    let end = Instant::now() + patience;
    loop {
        let missing = missing();
        if missing.is_empty() {
            return;
        }
        let gone = running.0.iter().find(|(child, _)| {
            !Path::new(&format!("/proc/{}/task/{0}/children", child.id())).exists()
                || fs::read_to_string(format!("/proc/{}/stat", child.id()))
                    .is_ok_and(|stat| stat.contains(") Z "))
        });
        if gone.is_some() || Instant::now() > end {
            let told: String = running.0.iter().map(|(_, bundle)| told(bundle)).collect();
            let gone = gone.map(|(_, bundle)| bundle);
            panic!("waited for {what} in vain, of {missing:?} ({gone:?} ended)\n{told}");
        }
        sleep(Duration::from_millis(100));
    }
}

/// Those of which it does not hold, by name.
pub fn those<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    lack: impl Fn(&Node) -> bool,
) -> Vec<String> {
    nodes.filter(|node| lack(node)).map(|node| text(&node.bundle)).collect()
}

/// How far a router has come, and what it said last.
fn told(bundle: &Path) -> String {
    let come: Vec<_> = STATES.into_iter().filter(|state| bundle.join(state).exists()).collect();
    let mut told = format!("{}: {come:?}\n", text(bundle));
    for name in [SAID, LOG] {
        let file = fs::read_to_string(bundle.join(name)).unwrap_or_default();
        let lines: Vec<_> = file.lines().collect();
        let last = lines[lines.len().saturating_sub(TOLD)..].join("\n");
        told.push_str(&format!("-- {name}\n{last}\n"));
    }
    told
}
