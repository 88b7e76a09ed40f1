//! The keys, each behind the rules of its role.

use std::{collections::BTreeMap, sync::Arc};

use sekisho_ca::{
    authority::{Authority, AuthorityError, Publication},
    oversight::{AnswerKey, Overseen, OversightError},
    profile::{Profile, ProfileError},
};
use sekisho_key::signer_process::message::{Ask, Reply};
use sekisho_store::Store;

use super::{refusals::Refusals, settings::Config};
use crate::{
    authority::Line,
    clock::Clock,
    error::page::Chain,
    instance::{
        CaToken, Folder, FolderError, SecretsError, first_certificate, issuers_of_folder,
        open_ca_key, open_key, read_passphrase, responder_name,
    },
};

/// Every key that this process holds, and the record that it judges by.
#[derive(Debug)]
pub struct Desk {
    authorities: BTreeMap<String, Overseen>,
    responders: BTreeMap<String, AnswerKey>,
    store: Store,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// An authority.
    #[error("an authority cannot be used")]
    Authority(#[from] AuthorityError),
    /// A profile.
    #[error("a profile cannot be used")]
    Profile(#[from] ProfileError),
    /// A responder.
    #[error("the key of {name} does not belong to its certificate")]
    Responder {
        /// Which.
        name: String,
    },
    /// A folder without keys.
    #[error("there is no authority in the folder; fill it with `sekisho signer split`")]
    Empty,
}

impl Desk {
    /// Opens every key of the folder.
    ///
    /// # Errors
    /// [`DeskError`]: the first that is missing, damaged, or of another certificate.
    pub fn open(config: &Config, store: Store, clock: Arc<dyn Clock>) -> Result<Self, DeskError> {
        let folder = Folder::new(&config.folder);
        let passphrase = read_passphrase(&folder)?;
        let token = config.token.clone().map(CaToken::new);
        let (mut authorities, mut responders) = (BTreeMap::new(), BTreeMap::new());
        for issuer in issuers_of_folder(&folder)? {
            let id = issuer.id.as_str();
            let line = Line::of(id);
            let divided = if line == Some(Line::Terminals) { config.crl_partitions } else { None };
            let publication =
                Publication::under(&config.publication_base, id, true).divided(divided);
            let key =
                open_ca_key(&folder, id, &issuer.certificate_der, &passphrase, token.as_ref())?;
            let authority = Authority::new(id, &issuer.certificate_der, key, publication)?;
            let name = responder_name(id);
            let wrong = || DeskError::Responder { name: name.clone() };
            let answers = AnswerKey::new(&authority, open_key(&folder, &name, &passphrase)?)
                .map_err(|_| wrong())?;
            let certificate = first_certificate(&folder, &name)?;
            if crate::instance::public_key(&certificate).ok().as_deref()
                != Some(answers.public_key_der())
            {
                return Err(wrong());
            }
            let overseen = Overseen::new(authority, profiles(line)?, config.most_list_validity);
            authorities.insert(issuer.id, overseen);
            responders.insert(name, answers);
        }
        if authorities.is_empty() {
            return Err(DeskError::Empty);
        }
        Ok(Self { authorities, responders, store, clock, refusals: Refusals::default() })
    }

    /// Names and public keys.
    fn keys(&self) -> Vec<(String, Vec<u8>)> {
        let authorities = self
            .authorities
            .iter()
            .map(|(name, overseen)| (name.clone(), overseen.authority().public_key_der().to_vec()));
        let responders =
            self.responders.iter().map(|(name, key)| (name.clone(), key.public_key_der().to_vec()));
        authorities.chain(responders).collect()
    }

    /// Answers a request of this user.
    pub async fn answer(&self, ask: Ask, user: u32) -> Reply {
        let (name, messages) = match ask {
            Ask::Keys => return Reply::Keys(self.keys()),
            Ask::Sign { key, messages } => (key, messages),
        };
        let mut signatures = Vec::with_capacity(messages.len());
        for message in messages {
            match self.sign(&name, &message).await {
                Ok(signature) => signatures.push(signature),
                Err(Denied::Refused { code, why }) => {
                    tracing::warn!(key = name, user, code, "refused to sign: {why}");
                    self.refusals.record(&self.store, &name, user, code, self.clock.now()).await;
                    return Reply::Refused(why);
                }
                Err(Denied::Failed(why)) => {
                    tracing::error!(key = name, user, "could not sign: {why}");
                    return Reply::Failed(why);
                }
            }
        }
        Reply::Signatures(signatures)
    }

    async fn sign(&self, name: &str, message: &[u8]) -> Result<Vec<u8>, Denied> {
        let now = self.clock.now();
        let outcome = if let Some(overseen) = self.authorities.get(name) {
            overseen.sign(message, &self.store, now).await
        } else if let Some(responder) = self.responders.get(name) {
            responder.sign(message, now).await
        } else {
            let why = "no key of that name is held".to_owned();
            return Err(Denied::Refused { code: "unknown_key", why });
        };
        outcome.map_err(|error| match &error {
            OversightError::Refused(refusal) => {
                Denied::Refused { code: refusal.code(), why: Chain(&error).to_string() }
            }
            OversightError::Record(_) | OversightError::Key(_) => {
                Denied::Failed(Chain(&error).to_string())
            }
        })
    }
}

enum Denied {
    Refused { code: &'static str, why: String },
    Failed(String),
}

/// What an authority of this line certifies: its subscribers, what serves them, and its own OCSP responder; of no line, one
/// that was taken over, that alone.
fn profiles(line: Option<Line>) -> Result<Vec<Profile>, ProfileError> {
    let subscribers: Vec<&str> = match line {
        Some(Line::Terminals) => vec!["terminal"],
        Some(Line::Routers) => Profile::router_families().chain(["scep_ra", "cmp_ra"]).collect(),
        Some(Line::Servers) => vec!["server"],
        None => Vec::new(),
    };
    subscribers.into_iter().chain(["ocsp_responder"]).map(Profile::shipped).collect()
}
