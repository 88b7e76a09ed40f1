//! The end of every `sekisho init`, wherever its authorities come from: database, names, first
//! administrator, configuration, and the folder's own name.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sekisho_ca::authority::Authority;
use sekisho_key::Randomness;
use sekisho_output::OutputError;
use sekisho_store::{Store, audit_chain::Look, first_administrator};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    super::{Folder, new_folder::NewFolder, secrets, server_certificate},
    CreateError, Created, FIRST_USE_PATH, configuration_text, operator,
};
use crate::{
    audit::sequencer,
    config::{self, Config, Settings},
    names::NameRole,
};

/// A folder that has keys and certificates of its authorities, and nothing else yet.
pub(super) struct Unfinished<'a> {
    pub(super) making: NewFolder,
    /// Its name in the end.
    pub(super) wanted: &'a Path,
    pub(super) settings: &'a Settings,
    /// The same, of the folder in the making.
    pub(super) config: Config,
    pub(super) administrator: &'a str,
    pub(super) passphrase: SecretString,
    /// To be shown, if it was drawn here.
    pub(super) root_passphrase: Option<SecretString>,
    pub(super) root_fingerprint: [u8; 32],
    /// Who certifies the instance's own names.
    pub(super) servers: &'a Authority,
    pub(super) when: (OffsetDateTime, &'a dyn Randomness),
}

impl Unfinished<'_> {
    /// `fill_register` enters the authorities; then the rest is made, gets its name, and is shown.
    pub(super) async fn finish(
        self,
        fill_register: impl AsyncFnOnce(&Store) -> Result<(), CreateError>,
        show: impl FnOnce(&Created) -> Result<(), OutputError>,
    ) -> Result<Created, CreateError> {
        let folder = Folder::new(self.making.path());
        let (now, random) = self.when;
        secrets::make(&folder, &self.passphrase, random)?;
        let instance = self.config.instance();
        let store = Store::open(instance.database(), instance.node()).await?;
        let filled = match fill_register(&store).await {
            Ok(()) => self.fill(&store, &folder).await,
            Err(error) => Err(error),
        };
        // The processes that will serve may have other names: what this one recorded is chained here.
        let keys = secrets::open(&folder, &self.passphrase);
        let chained = match (&filled, &keys) {
            (Ok(_), Ok(keys)) => {
                sequencer::chain(&store, &folder, &keys.audit, now, Look::Thorough).await
            }
            _ => Ok(()),
        };
        store.close().await;
        let token = filled?;
        keys?;
        chained.map_err(|error| CreateError::Chain(error.into()))?;

        let text = configuration_text(self.settings);
        Folder::write_new(&self.making.path().join(config::FILE_NAME), text.as_bytes())?;
        let listen = self.config.listen();
        let names =
            self.config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port());
        let created = Created {
            folder: Folder::new(self.wanted),
            root_fingerprint: self.root_fingerprint,
            has_root_key: folder.root_key().exists(),
            root_passphrase: self.root_passphrase,
            first_use_link: format!("{}{FIRST_USE_PATH}?token={token}", names.public),
            first_use_token: SecretString::from(token),
            link_expires_at: now + self.config.people().one_time_link_lifetime(),
            names,
        };
        // First in its place, then told of: what is printed is there. Where it cannot be printed, nothing is.
        let placed = self.making.finish()?;
        show(&created)?;
        placed.keep();
        Ok(created)
    }

    /// Certificates of the names, and the first administrator; answers the one-time token.
    async fn fill(&self, store: &Store, folder: &Folder) -> Result<String, CreateError> {
        let (now, random) = self.when;
        for role in NameRole::TLS {
            server_certificate::make(
                folder,
                role,
                self.config.host_names().host(role),
                self.servers,
                self.config.authority().server_validity(),
                &self.passphrase,
                store,
                self.when,
            )
            .await?;
        }
        let mut octets = Zeroizing::new([0; 32]);
        random.fill(&mut *octets)?;
        let token = URL_SAFE_NO_PAD.encode(*octets);
        store
            .add_first_administrator(
                self.administrator,
                &first_administrator::token_hash(&token),
                operator(),
                now,
                now + self.config.people().one_time_link_lifetime(),
            )
            .await?;
        Ok(token)
    }
}
