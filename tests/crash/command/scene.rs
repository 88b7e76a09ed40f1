//! Instances that a ceremony's command is given to, and what it has to come to.

#[path = "../../../server/src/ceremony/import/old_authority.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "written for tests, and run by them")]
mod old_authority;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sekisho::{
    config::Config,
    demo::{process, stage::Stage},
};
use sekisho_pki::encoding::serial::Serial;
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::process::Command;
use x509_cert::{Certificate, der::DecodePem};

use self::old_authority::OldAuthority;
use super::{super::acts::Standing, Killed, copy};

/// An instance, the papers that lie beside it, and the command.
pub(super) struct Scene {
    folder: TempDir,
    papers: PathBuf,
    arguments: Vec<String>,
    killed: Killed,
    /// The papers of an import go with it.
    _old: Option<OldAuthority>,
}

impl Scene {
    /// An authority of four certificates that OpenSSL ran.
    pub(super) async fn import() -> anyhow::Result<Self> {
        let folder = made().await?;
        let old = OldAuthority::p256();
        let papers = old.path("");
        let mut scene =
            Self { folder, papers, arguments: Vec::new(), killed: Killed::Import, _old: Some(old) };
        let words = "ceremony import DIR imported-1 --certificate ca.crt --above root.crt \
                     --issued newcerts --crl last.crl --key ca.p8 --secret passphrase";
        scene.arguments = scene.words(words);
        let hash = scene.said(&scene.arguments).await?;
        let hash = hash.split("--hash ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let hash = hash.context("the dry run tells no hash")?;
        let go = ["--hash", hash, "--out", "transcript.json"].map(str::to_owned);
        scene.arguments.extend(go);
        scene.keep()?;
        Ok(scene)
    }

    /// A new generation of the terminals' authority, and a list of the root.
    pub(super) async fn install() -> anyhow::Result<Self> {
        let folder = made().await?;
        let papers = folder.path().join("safe");
        let mut scene =
            Self { folder, papers, arguments: Vec::new(), killed: Killed::Install, _old: None };
        let instance = scene.instance();
        std::fs::copy(instance.join("ca/root.crt"), scene.papers.join("root.crt"))?;
        let ask = "ceremony request DIR terminals-2 --out terminals-2.csr";
        let sha256 = digits(&scene.said(&scene.words(ask)).await?)?;
        let config = Config::read(&instance)?;
        let listen = config.listen();
        let ports = (listen.tls()[0].port(), listen.plain()[0].port());
        let base = config.host_names().origins(ports.0, ports.1).plain;
        let at = OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?;
        let plan = format!(
            "title = 'roll-over'\nat = '{at}'\norganisation = 'Demonstration Operating Body'
publication = '{base}'
[[key]]\nname = 'root'\nkind = 'p384'\nfile = 'root-key.p8'
[[key]]\nname = 'terminals-2'\nrequest = 'terminals-2.csr'\nsha256 = '{sha256}'
[[authority]]\nid = 'root'\nkey = 'root'\ncertificate = 'root.crt'
[[authority]]\nid = 'terminals-2'\nkey = 'terminals-2'\ncommon_name = 'Demonstration G2 Terminal CA'
[[certificate]]\nprofile = 'issuing'\nsubject = 'terminals-2'\nissuer = 'root'\ndays = 3000
[[crl]]\nissuer = 'root'\nnumber = {ROOT_LIST}\ndays = 366\n"
        );
        std::fs::write(scene.papers.join("plan.toml"), plan)?;
        let keys = "ceremony keys plan.toml --secret root=passphrase";
        scene.said(&scene.words(keys)).await?;
        let hash = digits(&scene.said(&scene.words("ceremony dry-run plan.toml")).await?)?;
        let run =
            format!("ceremony run plan.toml --hash {hash} --out result --secret root=passphrase");
        scene.said(&scene.words(&run)).await?;
        scene.arguments = scene.words(&format!("ceremony install result DIR --hash {hash}"));
        scene.keep()?;
        Ok(scene)
    }

    /// From here on, what the instance was before the command.
    fn keep(&self) -> anyhow::Result<()> {
        copy(&self.instance(), &self.before())
    }

    fn words(&self, words: &str) -> Vec<String> {
        let instance = self.instance().display().to_string();
        let word = |word: &str| if word == "DIR" { instance.clone() } else { word.to_owned() };
        words.split_whitespace().map(word).collect()
    }

    async fn said(&self, arguments: &[String]) -> anyhow::Result<String> {
        let mut command = Command::new(process::sibling("sekisho")?);
        command.args(arguments).current_dir(&self.papers).env("LC_ALL", "C");
        process::run(command).await
    }

    /// Where the command finds the instance.
    pub(super) fn instance(&self) -> PathBuf {
        self.folder.path().join("instance")
    }

    /// The instance as it was before the command.
    pub(super) fn before(&self) -> PathBuf {
        self.folder.path().join("before")
    }

    /// Where the command is given.
    pub(super) fn papers(&self) -> &Path {
        &self.papers
    }

    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Files that the command makes in the instance, in this order.
    pub(super) fn marks(&self) -> &'static [&'static str] {
        match self.killed {
            Killed::Import => &[
                "keys/imported-1.p8",
                "ca/imported-1.crt",
                "keys/ocsp-imported-1.p8",
                "ca/ocsp-imported-1.crt",
            ],
            Killed::Install => {
                &["ca/terminals-2.crt", "keys/ocsp-terminals-2.p8", "ca/ocsp-terminals-2.crt"]
            }
        }
    }

    /// The authority that the register has to have.
    pub(super) fn authority(&self) -> &'static str {
        match self.killed {
            Killed::Import => "imported-1",
            Killed::Install => "terminals-2",
        }
    }

    /// Whose list was brought, and its number.
    pub(super) fn list(&self) -> (&'static str, i64) {
        match self.killed {
            Killed::Import => ("imported-1", 500),
            Killed::Install => ("root", ROOT_LIST),
        }
    }

    /// Certificates that the register has to have, and how they stand.
    pub(super) fn certificates(
        &self,
        instance: &Path,
    ) -> anyhow::Result<Vec<(&'static str, Serial, Standing)>> {
        use Standing::{Good, Held, Revoked};
        Ok(match self.killed {
            Killed::Import => [("1000", Good), ("1001", Revoked), ("1002", Held), ("1003", Good)]
                .into_iter()
                .map(|(hex, standing)| Ok(("imported-1", Serial::from_hex(hex)?, standing)))
                .collect::<anyhow::Result<_>>()?,
            Killed::Install => {
                let pem = std::fs::read(instance.join("ca/terminals-2.crt"))?;
                let certificate = Certificate::from_pem(pem)?;
                let serial = Serial::from_x509(certificate.tbs_certificate().serial_number())?;
                vec![("root", serial, Good)]
            }
        })
    }

    /// What the records of an act come to together: its name, a fact of theirs, the sum.
    pub(super) fn facts(&self) -> &'static [(&'static str, &'static str, u64)] {
        match self.killed {
            Killed::Import => &[
                ("authority.import", "certificates", 4),
                ("authority.import", "revoked", 2),
                ("authority.import", "crl_published", 1),
            ],
            Killed::Install => {
                &[("ceremony.install", "authorities", 1), ("ceremony.install", "lists", 1)]
            }
        }
    }
}

/// An instance has a list of its root from the beginning, number 1.
const ROOT_LIST: i64 = 2;

/// A folder with `instance`, and the root's key in `safe`.
async fn made() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("sekisho-crash-").tempdir()?;
    let stage = Stage::build_with(folder.path(), |_| (), |_| Ok(())).await?;
    stage.server.stop().await?;
    Ok(folder)
}

/// The last 64 hexadecimal digits that stand alone: each command ends with what to do next.
fn digits(text: &str) -> anyhow::Result<String> {
    let mut words = text.rsplit(|c: char| !c.is_ascii_hexdigit());
    let digits = words.find(|word| word.len() == 64);
    Ok(digits.context("there is no hash")?.to_owned())
}
