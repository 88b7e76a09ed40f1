//! A certificate for programs of others that answer on this machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sekisho::demo::process;
use serde_json::{Value, json};
use tokio::process::Command;

/// Key and certificate for `localhost`, which is its own root.
#[derive(Debug, Clone)]
pub struct LoopbackTls {
    /// File of the key, PKCS #8 in PEM.
    pub key: PathBuf,
    /// File of the certificate, PEM.
    pub certificate: PathBuf,
}

impl LoopbackTls {
    /// Makes both in `folder`.
    ///
    /// # Errors
    /// When Debian's openssl is missing.
    pub async fn make(folder: &Path) -> anyhow::Result<Self> {
        let (key, certificate) = (folder.join("tls.p8"), folder.join("tls.crt"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-noenc", "-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost"]);
        // An authority's certificate is taken for no server's.
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]);
        openssl.arg(&key).arg("-out").arg(&certificate);
        process::run(openssl).await.context("Debian's openssl is needed")?;
        Ok(Self { key, certificate })
    }

    /// Both as Node.js takes them: members `key` and `cert`.
    ///
    /// # Errors
    /// When a file does not read.
    pub fn told(&self) -> anyhow::Result<Value> {
        let read = |path| std::fs::read_to_string(path);
        Ok(json!({ "key": read(&self.key)?, "cert": read(&self.certificate)? }))
    }
}
