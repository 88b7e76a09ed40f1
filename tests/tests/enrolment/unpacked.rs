//! Programs of Debian packages that are unpacked and not installed, each run in a mount namespace of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sekisho_tests::installed;

/// The clients of SCEP and EST, and where names lead.
pub struct Unpacked {
    tree: PathBuf,
    hosts: PathBuf,
}

impl Unpacked {
    /// Fetched once into the target folder. `hosts` is their `/etc/hosts`.
    pub async fn fetch(hosts: PathBuf) -> Self {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("scep/scep-clients.packages");
        let into = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self { tree: installed::debian(&list, into).await.unwrap(), hosts }
    }

    pub fn run(&self, program: &str, folder: &Path, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scep/client.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(script).args([&self.tree, &self.hosts]);
        command.arg(program).args(arguments);
        for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            command.env_remove(proxy);
        }
        command.current_dir(folder).env("LC_ALL", "C").output().unwrap()
    }

    /// Name and version of a package among them.
    pub fn version(&self, package: &str) -> String {
        installed::version(&self.tree, package)
    }
}

/// What a program said, to whichever end.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}
