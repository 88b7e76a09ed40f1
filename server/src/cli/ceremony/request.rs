//! `sekisho ceremony request DIR ID`.

use sekisho_ca::ceremony::KeyKind;
use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure, Named, key_place::KeyPlace, named};
use crate::{
    ceremony::request,
    cli::{InstanceFolder, runtime},
    config::Config,
    instance::Folder,
};

/// Make the key of a new authority in its instance, and the request to be carried to the root
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho ceremony request /srv/sekisho terminals-2 --out terminals-2.csr
  sekisho ceremony request /srv/sekisho terminals-2 --out terminals-2.csr --in-token
      the key is made in the token of `[authority.token]` in sekisho.toml and never leaves it

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
    /// Make the key in the token that `[authority.token]` of sekisho.toml names
    #[arg(long)]
    in_token: bool,
    /// File for the request, PEM
    #[arg(long, value_name = "FILE")]
    out: Named<named::NewFile>,
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
        let place = KeyPlace::of(&folder, &config, self.in_token)?;
        let asking = request(&folder, &self.id, self.kind.into(), place.requested());
        let made = runtime()?.block_on(asking)?;
        let (messages, key) = match &place {
            KeyPlace::Token(token) => {
                let messages =
                    ["ceremony-request-made-in-token", "ceremony-request-again-in-token"];
                (messages, token.label().to_owned())
            }
            KeyPlace::Folder { .. } => {
                let messages = ["ceremony-request-made", "ceremony-request-again"];
                (messages, folder.key(&self.id).display().to_string())
            }
        };
        std::fs::write(&self.out, &made.pem)
            .map_err(|error| format!("cannot write {}: {error}", self.out.display()))?;
        let told = messages[usize::from(made.was_there)];
        let arguments = [
            ("id", self.id.clone()),
            ("out", self.out.display().to_string()),
            ("sha256", hex::encode(made.sha256)),
            ("key", key),
        ];
        say(&format!("{}\n", text.with(told, &arguments)))?;
        Ok(Exit::Done)
    }
}
