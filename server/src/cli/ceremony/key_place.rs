//! Where the keys of new authorities are made: in the instance's folder, or in its token.

use secrecy::SecretString;
use sekisho_key::SystemRandomness;

use super::Failure;
use crate::{
    ceremony::RequestedPlace,
    config::Config,
    instance::{CaToken, Folder, read_passphrase},
};

/// Chosen by `--in-token`.
pub(super) enum KeyPlace {
    /// In the folder, under its passphrase; the token must not have a key of that name.
    Folder { passphrase: SecretString, token: Option<CaToken> },
    /// In the token.
    Token(CaToken),
}

/// The configuration names no token.
#[derive(Debug, thiserror::Error)]
#[error(
    "--in-token wants a token: write its `module` and `label` into [authority.token] of sekisho.toml, \
     and its PIN into the first line of secrets/token.pin (beside a signing process, too: \
     `sekisho signer split` hands the token over)"
)]
struct NoToken;

impl KeyPlace {
    /// The folder's passphrase is read, the token not yet asked.
    pub(super) fn of(folder: &Folder, config: &Config, in_token: bool) -> Result<Self, Failure> {
        let token = config.token().map(|place| CaToken::new(place.clone()));
        if in_token {
            return token.map(Self::Token).ok_or_else(|| Failure::usage(NoToken));
        }
        Ok(Self::Folder { passphrase: read_passphrase(folder)?, token })
    }

    pub(super) fn requested(&self) -> RequestedPlace<'_> {
        match self {
            Self::Folder { passphrase, token } => RequestedPlace::Folder {
                passphrase,
                random: &SystemRandomness,
                token: token.as_ref(),
            },
            Self::Token(token) => RequestedPlace::Token(token),
        }
    }
}
