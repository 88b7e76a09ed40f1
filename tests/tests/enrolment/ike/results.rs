//! What the matrix found, as the file that `sekisho router models import` takes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use sekisho::network::models::writing;
use sekisho_store::{
    router_model::{Description, Door, RouterModel},
    router_test::{self, Judged, RouterTest, Source},
};
use time::OffsetDateTime;

use super::node::{Daemon, Node, Proof};
use crate::table;

/// The daemons and what came of each pair.
pub struct Results {
    models: Vec<RouterModel>,
    tests: Vec<RouterTest>,
    tested_at: OffsetDateTime,
    tested_by: String,
}

impl Results {
    /// None yet, of daemons of these versions.
    pub fn of(versions: &BTreeMap<Daemon, String>) -> Self {
        let models = Daemon::ALL.map(|daemon| {
            let firmware = &versions[&daemon];
            RouterModel { id: daemon.as_str().to_owned(), is: described(daemon, firmware) }
        });
        let commit = git(&["rev-parse", "--short=12", "HEAD"]);
        let commit = commit.map_or(String::new(), |commit| format!(", commit {commit}"));
        // Docs and results change without changing what was tried.
        let changed =
            git(&["status", "--porcelain", "--untracked-files=no", "--", "*.rs", "*.toml"]);
        let changed =
            if changed.is_none_or(|files| files.is_empty()) { "" } else { " with changes" };
        Self {
            models: models.into(),
            tests: Vec::new(),
            tested_at: OffsetDateTime::now_utc().replace_nanosecond(0).unwrap(),
            tested_by: format!("Sekisho {}{commit}{changed}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// What came of a pair, in the words of the table.
    pub fn saw(&mut self, one: &Node, other: &Node, verdict: &str) {
        let failure = (verdict != "IKE_AUTH")
            .then(|| verdict.strip_prefix("no: ").unwrap_or("no IKE_AUTH").to_owned());
        self.tests.push(RouterTest {
            opens_id: one.daemon.as_str().to_owned(),
            awaits_id: other.daemon.as_str().to_owned(),
            proof: match one.proof {
                Proof::P256 => router_test::Proof::P256,
                Proof::Rsa3072 => router_test::Proof::Rsa3072,
                Proof::Psk => router_test::Proof::Psk,
                Proof::HpkiLike => router_test::Proof::HpkiLike,
                Proof::HpkiLikeNamed => router_test::Proof::HpkiLikeNamed,
            },
            judged: Judged::IkeAuth,
            tested_at: self.tested_at,
            failure,
            source: Source::Matrix,
            tested_by: self.tested_by.clone(),
            note: String::new(),
        });
    }

    /// Writes them beside the table.
    pub fn keep(&self) {
        assert_eq!(self.tests.len(), 45, "nine pairs by five proofs");
        let file = table::folder().join("router-tests.toml");
        fs::write(file, writing::write(&self.models, &self.tests)).unwrap();
    }
}

/// The doors are those that the tests of this binary saw it use.
fn described(daemon: Daemon, firmware: &str) -> Description {
    let (maker, model, doors) = match daemon {
        Daemon::StrongSwan => {
            ("strongSwan Project", "strongSwan", vec![Door::Est, Door::Scep, Door::Psk])
        }
        Daemon::Libreswan => ("The Libreswan Project", "Libreswan", vec![Door::Est, Door::Psk]),
        Daemon::OpenIked => ("OpenBSD Project", "OpenIKED", vec![Door::Est, Door::Psk]),
    };
    Description {
        maker: maker.to_owned(),
        model: model.to_owned(),
        firmware: firmware.to_owned(),
        firmware_to: String::new(),
        family: format!("router_{}", daemon.as_str()),
        doors,
        note: "Debian 12".to_owned(),
    }
}

/// What git says of this source, where there is one.
fn git(arguments: &[&str]) -> Option<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let said = Command::new("git").arg("-C").arg(top).args(arguments).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    said.status.success().then(|| text.trim().to_owned())
}
