//! `sekisho serve`: from a folder to a listening process, and to its orderly end.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use der::{Decode, Encode};
use sekisho_key::Randomness;
use sekisho_store::{ClaimError, StoreError, audit_chain::Look, issuer};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    CaKeys, DatabaseError, Folder, FolderError, OpenError, Opened, RootKeyState, SignerMismatch,
    create::user_and_host,
    find_root_key,
    in_use::{InUse, InUseError},
    open::root_certificates,
    open_database,
    secrets::former_login_request_key,
    server_certificate::{self, ServerCertificateError},
};
use crate::{
    app::{App, Parts},
    assets::Assets,
    authority::Line,
    catalogue::{Catalogue, CatalogueError},
    clock::Clock,
    config::Config,
    entitlement::Entitlements,
    jobs,
    listener::{self, BindError, Routers, Sockets, Tls, TlsError},
    login::{
        jpki::{self, status::StatusError},
        trust_sources::{SharedTrust, TrustSources},
    },
    names::{NameRole, Names},
    own_keys::{self, OwnKeyError},
    people::breach_list::{self, BreachListError},
    router, schedule,
};

/// A process that was killed loses its claim to the node's name when system and database have noticed.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);

/// A process that answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Process identifier.
    pub pid: u32,
    /// Name of the process among those that share the database.
    pub node: String,
    /// Every address that is listened on.
    pub listening: Vec<SocketAddr>,
    /// The TLS port.
    pub tls_port: u16,
    /// The plain port.
    pub plain_port: u16,
    /// Origin of each name, by role.
    pub origins: BTreeMap<&'static str, String>,
    /// From start to readiness, in milliseconds.
    pub ready_after_ms: u64,
}

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its keys are being moved.
    #[error(transparent)]
    InUse(#[from] InUseError),
    /// The root's key lies open.
    #[error(
        "the root's private key lies unwrapped in {}: anybody who reads it is the authority. \
         Wrap it, carry it away, delete this file; if others could read it, make a new root",
        path.display()
    )]
    RootKeyOpen {
        /// Where.
        path: PathBuf,
    },
    /// A key under the empty passphrase whose owner cannot be told.
    #[error(
        "{} holds a private key under the empty passphrase, encrypted by an old algorithm: it may be \
         the root's. Carry it away; if it is another key that belongs here, export it with AES",
        path.display()
    )]
    KeyUnreadable {
        /// Where.
        path: PathBuf,
    },
    /// The folder cannot be searched for the root's key.
    #[error("the folder cannot be searched for the root's key; make it readable for this user")]
    Search(#[source] std::io::Error),
    /// The root certificate cannot be read.
    #[error("a root's certificate in ca/ is not one")]
    Root(#[source] der::Error),
    /// A socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The list of breached passwords.
    #[error(transparent)]
    BreachList(#[from] BreachListError),
    /// The folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The signing process.
    #[error(transparent)]
    Signer(#[from] SignerMismatch),
    /// The keys for tokens and login requests.
    #[error(transparent)]
    OwnKeys(#[from] OwnKeyError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database does not open.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The node's name.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Trust anchors of cards.
    #[error(transparent)]
    SharedTrust(#[from] SharedTrust),
    /// The messages.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A server certificate.
    #[error(transparent)]
    ServerCertificate(#[from] ServerCertificateError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody could be asked about My Number cards.
    #[error(transparent)]
    JpkiStatus(#[from] StatusError),
}

/// Runs an instance until `stop` is cancelled. `ready` is called once the sockets answer.
///
/// # Errors
/// [`RunError`]: it did not start.
pub async fn run(
    config: Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Randomness>,
    stop: CancellationToken,
    ready: impl FnOnce(&Ready),
) -> Result<(), RunError> {
    let began = Instant::now();
    let folder = Folder::new(config.folder());
    let _in_use = InUse::by_server(&folder)?;
    refuse_open_root_key(&folder)?;
    if let Some(path) = config.people().breached_passwords_file() {
        breach_list::check(path)?;
    }
    let store = open_database(&config).await?;
    let claim = store.claim_node(&claimant(), CLAIM_PATIENCE).await?;
    // Early: the ports that are drawn go into names, certificates and tokens.
    let sockets = Sockets::bind(config.listen())?;
    let names = config.host_names().origins(sockets.tls_port(), sockets.plain_port());
    let issuers = issuer::list(&mut store.read()).await?;
    let ca_keys = CaKeys::of(&folder, &config).map_err(OpenError::from)?;
    let partitions = config.authority().crl_partitions();
    let opened = Opened::open(&folder, ca_keys, &names, partitions, &issuers)?;
    opened.ca_keys.check(&folder, &opened.authority).await?;
    let app = App::new(Parts {
        card_trust: TrustSources::load(&config)?,
        jpki_status: jpki::status::of(&config, Arc::clone(&random))?,
        entitlements: Arc::new(Entitlements::new().with_sandbox(config.sandbox().clone())),
        store: store.clone(),
        clock,
        random,
        authority: opened.authority,
        keys: opened.keys,
        catalogue: Arc::new(Catalogue::load()?),
        assets: Arc::new(Assets::load()),
        names: names.clone(),
        config,
    });
    app.token_keys().open(&app).await?;
    take_over_request_key(&app, &folder).await?;
    app.login_request_keys().open(&app).await?;
    let tls = Arc::new(tls(&app, &folder, opened.ca_keys.passphrase())?);
    let jobs = jobs::all(Arc::clone(&tls), opened.ca_keys);
    let scheduled = tokio::spawn(schedule::run(app.clone(), jobs, stop.clone()));
    let report = Ready {
        pid: std::process::id(),
        node: app.config().instance().node().to_owned(),
        listening: sockets.addresses(),
        tls_port: sockets.tls_port(),
        plain_port: sockets.plain_port(),
        origins: origins(&names),
        ready_after_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let json = serde_json::to_vec_pretty(&report).unwrap_or_default();
    // A copy that somebody put back may lack the folder: nothing of it is worth keeping.
    let run_folder = folder.path().join("run");
    std::fs::create_dir_all(&run_folder)
        .map_err(|source| FolderError::Write { path: run_folder, source })?;
    Folder::replace(&folder.addresses(), &json)?;
    ready(&report);
    listener::serve(sockets, tls, routers(&app), app.config().listen(), stop).await;
    // A job under way is finished; its error was logged where it happened.
    let _ = scheduled.await;
    // Whatever the last requests recorded is chained before the process ends.
    if let Err(error) = crate::audit::sequencer::run(app.clone(), Look::Thorough).await {
        tracing::error!(error = format!("{error:#}"), "the last audit records are not chained yet");
    }
    let _ = std::fs::remove_file(folder.addresses());
    claim.release().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes the key for login requests into the register, from the folder of an instance that was made
/// before such keys lay there. The file goes once the register has it, also where another process that
/// shares the register was first with its copy: a private key lies in one place.
async fn take_over_request_key(app: &App, folder: &Folder) -> Result<(), RunError> {
    let former = former_login_request_key(folder).map_err(OpenError::from)?;
    let Some((key, path)) = former else { return Ok(()) };
    if !own_keys::take_over(app, &key).await? {
        tracing::warn!(
            path = %path.display(),
            "the register has another key for login requests than this file, which nobody signs with: agents \
             that know this one alone learn the other when they are started, or within the hour"
        );
        return Ok(());
    }
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(path = %path.display(), %error, "this key lies in the register now: delete the file");
    }
    Ok(())
}

/// This process, for whoever starts a second one of the same name.
fn claimant() -> String {
    let (_, host) = user_and_host();
    format!("process {} on {host}", std::process::id())
}

/// Refuses while a root's key lies open in the folder, and warns while a wrapped one does.
fn refuse_open_root_key(folder: &Folder) -> Result<(), RunError> {
    let mut roots = Vec::new();
    for root_der in root_certificates(folder)? {
        let root = x509_cert::Certificate::from_der(&root_der).map_err(RunError::Root)?;
        let spki_der = root.tbs_certificate().subject_public_key_info().to_der();
        roots.push(spki_der.map_err(RunError::Root)?);
    }
    match find_root_key(folder.path(), &roots).map_err(RunError::Search)? {
        RootKeyState::Gone => Ok(()),
        RootKeyState::Wrapped(path) => {
            tracing::warn!(
                path = %path.display(),
                "a wrapped private key, probably the root's, still lies in the folder: carry it away"
            );
            Ok(())
        }
        RootKeyState::TooMuch => {
            tracing::warn!(
                folder = %folder.path().display(),
                "there is more in the folder than is searched for the root's key: keep foreign files elsewhere"
            );
            Ok(())
        }
        RootKeyState::Unreadable(path) => Err(RunError::KeyUnreadable { path }),
        RootKeyState::Open(path) => Err(RunError::RootKeyOpen { path }),
    }
}

fn tls(app: &App, folder: &Folder, passphrase: &secrecy::SecretString) -> Result<Tls, RunError> {
    let identities = NameRole::TLS
        .into_iter()
        .map(|role| server_certificate::shown(folder, role, passphrase, app.authority().roots()))
        .collect::<Result<Vec<_>, _>>()?;
    let hints = app
        .authority()
        .of(Line::Terminals)
        .map(|authority| authority.subject().to_der())
        .collect::<Result<_, _>>()
        .map_err(RunError::Root)?;
    let config = app.config();
    Ok(Tls::new(config.host_names(), config.listen(), identities, hints)?)
}

fn origins(names: &Names) -> BTreeMap<&'static str, String> {
    NameRole::TLS
        .into_iter()
        .chain([NameRole::Plain])
        .map(|role| (role.as_str(), names.origin(role).to_owned()))
        .collect()
}

fn routers(app: &App) -> Routers {
    Routers::from([
        (NameRole::Terminal, router::terminal(app)),
        (NameRole::Public, router::public(app)),
        (NameRole::Mtls, router::mtls(app)),
        (NameRole::Enrol, router::enrol(app)),
        (NameRole::Plain, router::plain(app)),
    ])
}
