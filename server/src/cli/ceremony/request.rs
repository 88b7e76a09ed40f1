//! `sekisho ceremony request DIR ID`.

use std::path::PathBuf;

use sekisho_ca::ceremony::KeyKind;
use sekisho_key::SystemRandomness;
use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure};
use crate::{
    ceremony::request,
    cli::InstanceFolder,
    config::Config,
    instance::{Folder, read_passphrase},
};

/// Make the key of a new authority in its instance, and the request to be carried to the root
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho ceremony request /srv/sekisho terminals-2 --out terminals-2.csr

Done again, it writes a request for the same key, as long as the authority has no certificate.")]
pub(super) struct Request {
    #[command(flatten)]
    instance: InstanceFolder,
    /// The new authority: terminals, routers or servers with the next number, such as terminals-2
    #[arg(value_name = "ID")]
    id: String,
    /// Kind of its key
    #[arg(long, value_enum, default_value = "p256")]
    kind: Kind,
    /// File for the request, PEM
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    lang: LanguageChoice,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    P256,
    P384,
    Rsa3072,
    Rsa4096,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::P256 => Self::P256,
            Kind::P384 => Self::P384,
            Kind::Rsa3072 => Self::Rsa3072,
            Kind::Rsa4096 => Self::Rsa4096,
        }
    }
}

impl Request {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let config = Config::read(&self.instance.dir)?;
        let folder = Folder::new(config.folder());
        let passphrase = read_passphrase(&folder)?;
        let kind = self.kind.into();
        let made = request(&folder, &self.id, kind, &passphrase, &SystemRandomness)?;
        std::fs::write(&self.out, &made.pem)
            .map_err(|error| format!("cannot write {}: {error}", self.out.display()))?;
        let told = if made.was_there { "ceremony-request-again" } else { "ceremony-request-made" };
        let arguments = [
            ("id", self.id.clone()),
            ("out", self.out.display().to_string()),
            ("sha256", hex::encode(made.sha256)),
            ("key", made.key.display().to_string()),
        ];
        say(&format!("{}\n", text.with(told, &arguments)))?;
        Ok(Exit::Done)
    }
}
