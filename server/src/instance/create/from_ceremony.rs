//! An instance whose root was never here: `sekisho init` makes the keys of its issuing authorities and
//! their requests, a ceremony elsewhere certifies them, and `sekisho init` goes on with its result.

use std::path::{Path, PathBuf};

use sekisho_ca::{
    authority::{Authority, Publication},
    ceremony::{ISSUING, KeyKind},
};
use sekisho_key::Randomness;
use sekisho_output::OutputError;
use sekisho_store::{
    Store,
    audit::{Audited, Entry},
    crl, issuer, issuing, transaction,
};

use super::{
    super::{
        CaKeys, Folder, FolderError, new_folder::NewFolder, responder::renew_ocsp_responder,
        secrets,
    },
    CreateError, Created, Unfinished, configuration_text, new_passphrase, operator, whole_second,
    write_certificate,
};
use crate::{
    ceremony::{FirstAuthorities, RequestedPlace, VerifiedResult, first_plan, first_request},
    clock::Clock,
    config::{self, Config, Settings},
    people::administrator::LoginNameUnfit,
};

/// What is carried to the root's computer, within the folder of requests.
const CARRY: &str = "carry";

/// What to ask a ceremony for.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The folder of requests, to be made.
    pub requests: &'a Path,
    /// The configuration of the instance to come.
    pub settings: &'a Settings,
    /// The operating body in ASCII.
    pub organisation: &'a str,
    /// What distinguishes this network in the authorities' common names.
    pub network: &'a str,
}

/// What was asked for.
#[derive(Debug)]
pub struct Asked {
    /// To be carried to the root's computer: plan and requests.
    pub carry: PathBuf,
    /// SHA-256 of each authority's key, as it stands in the plan.
    pub keys: Vec<(String, [u8; 32])>,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    /// The instance's folder, to be made.
    pub folder: &'a Path,
    /// The folder of requests.
    pub requests: &'a Path,
    /// What the ceremony made.
    pub result: &'a VerifiedResult,
    /// Login name of the first administrator.
    pub administrator: &'a str,
}

/// Makes the folder of requests: the keys of the issuing authorities, which stay there, the
/// configuration, and plan and requests to be carried to the root.
///
/// # Errors
/// [`CreateError`]; then nothing is left behind.
pub async fn ask(
    asking: &Asking<'_>,
    clock: &dyn Clock,
    random: &dyn Randomness,
) -> Result<Asked, CreateError> {
    asking.settings.validate(asking.requests)?;
    let making = NewFolder::begin(asking.requests)?;
    let folder = Folder::new(making.path());
    let passphrase = new_passphrase(&folder, random)?;
    let carry = making.path().join(CARRY);
    std::fs::create_dir(&carry)
        .map_err(|source| FolderError::Write { path: carry.clone(), source })?;
    let mut keys = Vec::new();
    for (id, _) in ISSUING {
        let place = RequestedPlace::Folder { passphrase: &passphrase, random, token: None };
        let made = first_request(&folder, id, KeyKind::P256, place).await?;
        Folder::write_new(&carry.join(format!("{id}.csr")), made.pem.as_bytes())?;
        keys.push((id.to_owned(), made.sha256));
    }
    let plan = plan_text(asking, &keys, clock)?;
    Folder::write_new(&carry.join("plan.toml"), plan.as_bytes())?;
    let text = configuration_text(asking.settings);
    Folder::write_new(&making.path().join(config::FILE_NAME), text.as_bytes())?;
    making.finish()?.keep();
    Ok(Asked { carry: asking.requests.join(CARRY), keys })
}

fn plan_text(
    asking: &Asking<'_>,
    keys: &[(String, [u8; 32])],
    clock: &dyn Clock,
) -> Result<String, CreateError> {
    let publication = publication_base(&asking.settings.validate(asking.requests)?);
    first_plan(asking.network, asking.organisation, &publication, keys, clock.now())
        .map_err(|_| CreateError::Time)
}

/// Makes the instance of a folder of requests and of what the ceremony made of them. Power may fail at
/// any moment: the folder of requests stays as it is, and the same command begins anew.
///
/// # Errors
/// [`CreateError`]; then nothing is left behind, but for rows in an outside database.
pub async fn complete(
    completion: &Completion<'_>,
    clock: &dyn Clock,
    random: &dyn Randomness,
    show: impl FnOnce(&Created) -> Result<(), OutputError>,
) -> Result<Created, CreateError> {
    LoginNameUnfit::check(completion.administrator)?;
    let asked = Folder::new(completion.requests);
    let text = Folder::read(&completion.requests.join(config::FILE_NAME))?;
    let settings = std::str::from_utf8(&text).ok().and_then(|text| toml::from_str(text).ok());
    let no_requests = || CreateError::NoRequests(completion.requests.to_owned());
    let settings: Settings = settings.ok_or_else(no_requests)?;
    settings.validate(completion.folder)?;
    let making = NewFolder::begin(completion.folder)?;
    let config = settings.validate(making.path())?;
    let base = publication_base(&config);
    let now = whole_second(clock);
    let first = FirstAuthorities::judge(completion.result, &base, now)?;

    let folder = Folder::new(making.path());
    let passphrase = secrets::read_passphrase(&asked)?;
    Folder::write_new(&folder.passphrase(), &Folder::read(&asked.passphrase())?)?;
    write_certificate(&folder, "root", &first.root.der)?;
    let mut authorities = Vec::new();
    for issued in &first.issuing {
        let id = issued.id.as_str();
        let key = secrets::open_key(&asked, id, &passphrase)?;
        let publication = Publication::under(&base, id, true);
        authorities.push(Authority::new(id, &issued.certificate.der, key, publication)?);
        Folder::write_new(&folder.key(id), &Folder::read(&asked.key(id))?)?;
        write_certificate(&folder, id, &issued.certificate.der)?;
    }
    let servers = authorities.iter().find(|authority| authority.id() == "servers");
    let servers = servers.ok_or_else(|| CreateError::Lacks("servers".to_owned()))?;
    let ca_keys = CaKeys::of(&folder, &config)?;
    let validity = config.authority().crl_validity();
    let fill = async |store: &Store| {
        enter(store, &first, now).await?;
        for authority in &authorities {
            renew_ocsp_responder(&folder, authority, &ca_keys, store, (now, random)).await?;
            let next_update = now + validity;
            let der = authority.sign_crl(1, &[], now, next_update).await?;
            let list = crl::Crl { number: 1, this_update: now, next_update, der };
            store.publish_crl(authority.id(), &list).await?;
        }
        Ok(())
    };
    let unfinished = Unfinished {
        making,
        wanted: completion.folder,
        settings: &settings,
        config,
        administrator: completion.administrator,
        passphrase,
        root_passphrase: None,
        root_fingerprint: first.root.fingerprint,
        servers,
        when: (now, random),
    };
    unfinished.finish(fill, show).await
}

/// Everything that the ceremony signed, in one transaction with the records of it.
async fn enter(
    store: &Store,
    first: &FirstAuthorities,
    now: time::OffsetDateTime,
) -> Result<(), CreateError> {
    let certificates =
        || std::iter::once(&first.root).chain(first.issuing.iter().map(|one| &one.certificate));
    let mut intentions = Vec::new();
    for certificate in certificates() {
        intentions.push(certificate.intention().map_err(CreateError::Unreadable)?);
    }
    let entered: Result<(), sekisho_store::StoreError> =
        transaction!(store, sekisho_store::StoreError, |tx| {
            let mut entries = Vec::new();
            let root = ("root", &first.root);
            let issuing = first.issuing.iter().map(|one| (one.id.as_str(), &one.certificate));
            for (id, certificate) in std::iter::once(root).chain(issuing) {
                let der = &certificate.der;
                entries.push(issuer::add(tx, id, der, now, operator(), now).await?);
            }
            for (certificate, intention) in certificates().zip(&intentions) {
                entries.extend(issuing::enter(tx, intention, certificate).await?);
            }
            crl::publish(tx, "root", &first.list).await?;
            let entry = Entry::done("ceremony.install", operator(), now)
                .on("ceremony", hex::encode(first.hash))
                .fact("title", first.title.as_str())
                .fact("authorities", first.issuing.len() + 1)
                .fact("lists", 1);
            Ok(entries.into_iter().fold(Audited::new((), entry), Audited::and))
        });
    Ok(entered?)
}

/// Where the instance will publish: it stands in every certificate.
fn publication_base(config: &Config) -> String {
    let listen = config.listen();
    config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port()).plain
}
