//! `sekisho ceremony request DIR ID`.

use sekisho_ca::ceremony::KeyKind;
use sekisho_key::SystemRandomness;
use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure, Named, named};
use crate::{
    ceremony::{RequestedPlace, request},
    cli::{InstanceFolder, runtime},
    config::Config,
    instance::{CaToken, Folder, read_passphrase},
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

/// The configuration names no token.
#[derive(Debug, thiserror::Error)]
#[error(
    "--in-token wants a token: write its `module` and `label` into [authority.token] of sekisho.toml, \
     and its PIN into the first line of secrets/token.pin (beside a signing process, too: \
     `sekisho signer split` hands the token over)"
)]
struct NoToken;

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
        let kind = self.kind.into();
        let (made, messages, key) = if self.in_token {
            let place = config.token().ok_or_else(|| Failure::usage(NoToken))?;
            let token = CaToken::new(place.clone());
            let asking = request(&folder, &self.id, kind, RequestedPlace::Token(&token));
            let messages = ["ceremony-request-made-in-token", "ceremony-request-again-in-token"];
            (runtime()?.block_on(asking)?, messages, token.label().to_owned())
        } else {
            let passphrase = read_passphrase(&folder)?;
            let token = config.token().map(|place| CaToken::new(place.clone()));
            let place = RequestedPlace::Folder {
                passphrase: &passphrase,
                random: &SystemRandomness,
                token: token.as_ref(),
            };
            let asking = request(&folder, &self.id, kind, place);
            let messages = ["ceremony-request-made", "ceremony-request-again"];
            let key = folder.key(&self.id).display().to_string();
            (runtime()?.block_on(asking)?, messages, key)
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
