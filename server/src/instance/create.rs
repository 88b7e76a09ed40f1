//! `sekisho init`: an authority from nothing.
//!
//! Everything is made in a [`NewFolder`]: whoever stops in between leaves nothing that could be
//! mistaken for an instance.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sekisho_ca::{
    ceremony::{CeremonyError, CeremonyNames, MadeAuthorities, make_authority},
    record::{IssuedCertificate, Record, RecordError},
};
use sekisho_key::{KeyError, Randomness, RandomnessError, Stretch};
use sekisho_output::OutputError;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited},
    audit_chain::Look,
    crl::Crl,
    first_administrator, issuer, transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    Folder, FolderError,
    folder::certificates_pem,
    human_passphrase, machine_passphrase,
    new_folder::{NewFolder, NewFolderError},
    secrets::{self, SecretsError},
    server_certificate::{self, ServerCertificateError},
};
use crate::{
    audit::sequencer,
    clock::Clock,
    config::{self, Config, ConfigError, EXAMPLE, Settings},
    names::{NameRole, Names},
    people::administrator::LoginNameUnfit,
};

/// Path on the public name where a one-time link is used; the token is its query's `token`.
pub const FIRST_USE_PATH: &str = "/first-use";

/// What to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where. It must not exist, or be empty.
    pub folder: PathBuf,
    /// The configuration to write.
    pub settings: Settings,
    /// The operating body in ASCII, as organizationName of each authority.
    pub organisation: String,
    /// What distinguishes this network in the authorities' common names.
    pub network: String,
    /// Wraps the root's key; drawn and answered when absent.
    pub root_passphrase: Option<SecretString>,
    /// Login name of the first administrator.
    pub administrator: String,
}

/// What was made.
#[derive(Debug)]
pub struct Created {
    /// Where.
    pub folder: Folder,
    /// SHA-256 of the root certificate: what terminals are told to trust.
    pub root_fingerprint: [u8; 32],
    /// The root's passphrase, if it was drawn here. Nothing else remembers it.
    pub root_passphrase: Option<SecretString>,
    /// The first administrator's one-time link. Nothing else remembers it.
    pub first_use_link: String,
    /// The token within the link, for a caller that learns the port later.
    pub first_use_token: SecretString,
    /// Until when the link is good.
    pub link_expires_at: OffsetDateTime,
    /// The origins, as far as the configured ports tell.
    pub names: Names,
}

/// Why no instance was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder.
    #[error(transparent)]
    NewFolder(#[from] NewFolderError),
    /// The login name cannot be used.
    #[error(transparent)]
    LoginName(#[from] LoginNameUnfit),
    /// The root's passphrase is too easy.
    #[error(
        "the root passphrase has {characters} characters; give at least 20, or none to have one drawn"
    )]
    WeakPassphrase {
        /// Its length.
        characters: usize,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The ceremony.
    #[error("the authorities could not be made")]
    Ceremony(#[from] CeremonyError),
    /// The database holds an instance.
    #[error(
        "the database is in use by another instance, which is not overwritten; name another one"
    )]
    Occupied,
    /// The database.
    #[error("the database could not be filled")]
    Store(#[source] StoreError),
    /// The audit trail.
    #[error("the first audit records could not be chained")]
    Chain(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate of the ceremony does not read back: a defect of ours.
    #[error("a certificate that was just made cannot be read")]
    Unreadable(#[source] der::Error),
    /// The register.
    #[error("the register could not be filled")]
    Record(#[from] RecordError),
    /// A key.
    #[error("a key could not be wrapped")]
    Key(#[from] KeyError),
    /// Keys of the folder.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A server certificate.
    #[error(transparent)]
    ServerCertificate(#[from] ServerCertificateError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The secrets could not be shown.
    #[error("what was made was removed again, for its secrets could not be shown")]
    NotShown(#[from] OutputError),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } => Self::Occupied,
            error => Self::Store(error),
        }
    }
}

impl CreateError {
    /// Whether the [`Plan`] asks for what cannot be, whatever the machine.
    #[must_use]
    pub fn is_of_the_plan(&self) -> bool {
        matches!(
            self,
            Self::Config(ConfigError::Invalid { .. })
                | Self::LoginName(_)
                | Self::Ceremony(CeremonyError::Plan(_))
        )
    }
}

/// Makes an instance, for a caller who keeps what [`Created`] says.
///
/// # Errors
/// [`CreateError`]; then nothing is left behind, but for rows in an outside database.
pub async fn create(
    plan: &Plan,
    clock: &dyn Clock,
    random: &dyn Randomness,
) -> Result<Created, CreateError> {
    create_and_show(plan, clock, random, |_| Ok(())).await
}

/// Makes an instance. `show` hears what was made, secrets included, before the folder takes its name:
/// an instance whose secrets nobody saw does not come to be.
///
/// # Errors
/// As [`create`]; also what `show` answers.
pub async fn create_and_show(
    plan: &Plan,
    clock: &dyn Clock,
    random: &dyn Randomness,
    show: impl FnOnce(&Created) -> Result<(), OutputError>,
) -> Result<Created, CreateError> {
    check(plan)?;
    let making = NewFolder::begin(&plan.folder)?;
    let config = plan.settings.validate(making.path())?;
    let folder = Folder::new(making.path());
    let names = config
        .host_names()
        .origins(config.listen().tls()[0].port(), config.listen().plain()[0].port());
    let now = clock.now().replace_nanosecond(0).unwrap_or_else(|_| clock.now());

    let made = make_authority(
        now,
        random,
        &CeremonyNames {
            organisation: plan.organisation.clone(),
            network: plan.network.clone(),
            publication_base: names.plain.clone(),
        },
        config.authority().crl_validity(),
    )
    .await?;
    let passphrase = machine_passphrase(random)?;
    Folder::write_new(
        &folder.passphrase(),
        Zeroizing::new(format!("{}\n", secrecy::ExposeSecret::expose_secret(&passphrase)))
            .as_bytes(),
    )?;
    write_authorities(&folder, &made, &passphrase, random)?;
    secrets::make(&folder, &passphrase, random)?;
    let (wrapping, drawn) = match &plan.root_passphrase {
        Some(given) => (given.clone(), None),
        None => {
            let drawn = human_passphrase(random)?;
            (drawn.clone(), Some(drawn))
        }
    };
    let root_key = made.root.key.to_encrypted_pem(&wrapping, Stretch::HumanPassphrase, random)?;
    Folder::write_new(&folder.root_key(), root_key.as_bytes())?;

    let store = Store::open(config.instance().database(), config.instance().node()).await?;
    let filled = fill(&store, &folder, &config, &made, &passphrase, plan, (now, random)).await;
    // The processes that will serve may have other names: what this one recorded is chained here.
    let keys = secrets::open(&folder, &passphrase);
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

    let text = configuration_text(&plan.settings);
    Folder::write_new(&making.path().join(config::FILE_NAME), text.as_bytes())?;
    let created = Created {
        folder: Folder::new(&plan.folder),
        root_fingerprint: made.root.certificate.fingerprint,
        root_passphrase: drawn,
        first_use_link: format!("{}{FIRST_USE_PATH}?token={token}", names.public),
        first_use_token: SecretString::from(token),
        link_expires_at: now + config.people().one_time_link_lifetime(),
        names,
    };
    show(&created)?;
    making.finish()?;
    Ok(created)
}

fn check(plan: &Plan) -> Result<(), CreateError> {
    // Against the wanted folder, so that an error does not name the one beside it.
    plan.settings.validate(&plan.folder)?;
    LoginNameUnfit::check(&plan.administrator)?;
    if let Some(given) = &plan.root_passphrase {
        let characters = secrecy::ExposeSecret::expose_secret(given).chars().count();
        if characters < 20 {
            return Err(CreateError::WeakPassphrase { characters });
        }
    }
    Ok(())
}

fn write_authorities(
    folder: &Folder,
    made: &MadeAuthorities,
    passphrase: &SecretString,
    random: &dyn Randomness,
) -> Result<(), CreateError> {
    let certificate = |id: &str, der: &[u8]| {
        let path = folder.certificate(id);
        let pem = certificates_pem(&[der])
            .ok_or(FolderError::Content { path: path.clone(), what: "a certificate" })?;
        Folder::write_new(&path, pem.as_bytes())
    };
    certificate("root", &made.root.certificate.der)?;
    for authority in &made.issuing {
        certificate(&authority.id, &authority.certificate.der)?;
        secrets::write_key(folder, &authority.id, &authority.key, passphrase, random)?;
        if let Some((responder, key)) = &authority.ocsp_responder {
            let id = format!("ocsp-{}", authority.id);
            certificate(&id, &responder.der)?;
            secrets::write_key(folder, &id, key, passphrase, random)?;
        }
    }
    Ok(())
}

async fn fill(
    store: &Store,
    folder: &Folder,
    config: &Config,
    made: &MadeAuthorities,
    passphrase: &SecretString,
    plan: &Plan,
    (now, random): (OffsetDateTime, &dyn Randomness),
) -> Result<String, CreateError> {
    fill_register(store, made, now).await?;
    // The ceremony makes each authority that it lists.
    let servers = made.find("servers").map(|made| &made.authority);
    for role in NameRole::TLS {
        let Some(servers) = servers else { continue };
        server_certificate::make(
            folder,
            role,
            config.host_names().host(role),
            servers,
            config.authority().server_validity(),
            passphrase,
            store,
            (now, random),
        )
        .await?;
    }
    let mut octets = Zeroizing::new([0; 32]);
    random.fill(&mut *octets)?;
    let token = URL_SAFE_NO_PAD.encode(*octets);
    store
        .add_first_administrator(
            &plan.administrator,
            &first_administrator::token_hash(&token),
            operator(),
            now,
            now + config.people().one_time_link_lifetime(),
        )
        .await?;
    Ok(token)
}

/// Enters the authorities, everything that the ceremony signed, and the first CRLs.
pub(crate) async fn fill_register(
    store: &Store,
    made: &MadeAuthorities,
    now: OffsetDateTime,
) -> Result<(), CreateError> {
    let operator = operator();
    let all = || std::iter::once(&made.root).chain(&made.issuing);
    for authority in all() {
        transaction!(store, StoreError, |tx| {
            let der = &authority.certificate.der;
            let entry = issuer::add(tx, &authority.id, der, now, operator.clone(), now).await?;
            Ok(Audited::new((), entry))
        })?;
    }
    replay(&made.certificates, store).await?;
    for authority in all() {
        let crl = Crl {
            number: 1,
            this_update: authority.crl_this_update,
            next_update: authority.crl_next_update,
            der: authority.crl_der.clone(),
        };
        store.publish_crl(&authority.id, &crl).await?;
    }
    Ok(())
}

/// Writes what the ceremony signed in memory into the register, in the ceremony's order.
async fn replay(
    certificates: &[IssuedCertificate],
    register: &impl Record,
) -> Result<(), CreateError> {
    for issued in certificates {
        let (issuer_id, serial, at) = (&issued.issuer_id, &issued.serial, issued.issued_at);
        register.reserve_serial(issuer_id, serial, at).await?;
        let intention = issued.intention().map_err(CreateError::Unreadable)?;
        register.record_intention(&intention).await?;
        register.record_certificate(issued).await?;
    }
    Ok(())
}

/// Who sits at the command line, as far as the system tells.
///
/// User and machine of this very process as the kernel knows them: the environment says what
/// anybody writes there.
pub(crate) fn operator() -> Actor {
    let (user, host) = user_and_host();
    Actor::Operator { user, host }
}

/// The same, where it is told outside the audit trail.
pub(crate) fn user_and_host() -> (String, String) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    (user(), host.map_or_else(|_| "unknown".to_owned(), |host| host.trim().to_owned()))
}

fn user() -> String {
    let of_process = std::os::unix::fs::MetadataExt::uid;
    std::fs::metadata("/proc/self").map_or_else(
        |_| "unknown".to_owned(),
        |process| {
            let uid = of_process(&process);
            let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            let named = users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1)? == uid.to_string()).then(|| format!("{name}({uid})"))
            });
            named.unwrap_or_else(|| uid.to_string())
        },
    )
}

/// The annotated example with these values in place of the defaults.
pub(crate) fn configuration_text(settings: &Settings) -> String {
    config::annotated(EXAMPLE, settings)
}

/// SHA-256 of a certificate, as `--root` takes it.
#[must_use]
pub fn fingerprint_hex(certificate_der: &[u8]) -> String {
    hex::encode(Sha256::digest(certificate_der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_configuration_keeps_every_comment_and_reads_back() {
        let mut settings = Settings::default();
        settings.names.public = "login.example.jp".into();
        settings.operator.name_ja = "引用符\"と\\の試験".into();
        settings.listen.tls = vec!["[::1]:0".parse().unwrap()];
        let text = configuration_text(&settings);
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
        let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(comments(&text), comments(EXAMPLE));
    }
}
