//! `sekisho init`: an authority from nothing.
//!
//! Everything is made in a [`NewFolder`]: whoever stops in between leaves nothing that could be
//! mistaken for an instance.

mod error;
mod finish;
mod from_ceremony;

use std::path::PathBuf;

use secrecy::SecretString;
use sekisho_ca::{
    ceremony::{CeremonyNames, MadeAuthorities, make_authority},
    record::{IssuedCertificate, Record},
};
use sekisho_key::{Randomness, Stretch};
use sekisho_output::OutputError;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited},
    crl::Crl,
    issuer, transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    Folder, FolderError, folder::certificates_pem, human_passphrase, machine_passphrase,
    new_folder::NewFolder, secrets,
};
use crate::{
    clock::Clock,
    config::{self, EXAMPLE, Settings},
    names::Names,
    people::administrator::LoginNameUnfit,
};

pub use error::CreateError;
use finish::Unfinished;
pub use from_ceremony::{Asked, Asking, Completion, ask, complete};

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
    /// Whether the root's key lies in the folder, to be carried away.
    pub has_root_key: bool,
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

/// Makes an instance. `show` hears what was made, secrets included, once the folder has its name; where it
/// fails, the folder is removed again: no instance stays whose secrets nobody saw.
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
    let now = whole_second(clock);
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
    let passphrase = new_passphrase(&folder, random)?;
    write_authorities(&folder, &made, &passphrase, random)?;
    let (wrapping, drawn) = match &plan.root_passphrase {
        Some(given) => (given.clone(), None),
        None => {
            let drawn = human_passphrase(random)?;
            (drawn.clone(), Some(drawn))
        }
    };
    let root_key = made.root.key.to_encrypted_pem(&wrapping, Stretch::HumanPassphrase, random)?;
    Folder::write_new(&folder.root_key(), root_key.as_bytes())?;

    let servers = made.find("servers").map(|made| &made.authority);
    let servers = servers.ok_or_else(|| CreateError::Lacks("servers".to_owned()))?;
    let unfinished = Unfinished {
        making,
        wanted: &plan.folder,
        settings: &plan.settings,
        config,
        administrator: &plan.administrator,
        passphrase,
        root_passphrase: drawn,
        root_fingerprint: made.root.certificate.fingerprint,
        servers,
        when: (now, random),
    };
    unfinished.finish(async |store| fill_register(store, &made, now).await, show).await
}

/// Draws the passphrase of a new folder's keys and writes it there.
pub(super) fn new_passphrase(
    folder: &Folder,
    random: &dyn Randomness,
) -> Result<SecretString, CreateError> {
    let passphrase = machine_passphrase(random)?;
    let line = format!("{}\n", secrecy::ExposeSecret::expose_secret(&passphrase));
    Folder::write_new(&folder.passphrase(), Zeroizing::new(line).as_bytes())?;
    Ok(passphrase)
}

/// Now, as certificates can say it.
pub(super) fn whole_second(clock: &dyn Clock) -> OffsetDateTime {
    clock.now().replace_nanosecond(0).unwrap_or_else(|_| clock.now())
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

fn write_certificate(folder: &Folder, id: &str, der: &[u8]) -> Result<(), FolderError> {
    let path = folder.certificate(id);
    let pem = certificates_pem(&[der])
        .ok_or(FolderError::Content { path: path.clone(), what: "a certificate" })?;
    Folder::write_new(&path, pem.as_bytes())
}

fn write_authorities(
    folder: &Folder,
    made: &MadeAuthorities,
    passphrase: &SecretString,
    random: &dyn Randomness,
) -> Result<(), CreateError> {
    write_certificate(folder, "root", &made.root.certificate.der)?;
    for authority in &made.issuing {
        write_certificate(folder, &authority.id, &authority.certificate.der)?;
        secrets::write_key(folder, &authority.id, &authority.key, passphrase, random)?;
        if let Some((responder, key)) = &authority.ocsp_responder {
            let id = format!("ocsp-{}", authority.id);
            write_certificate(folder, &id, &responder.der)?;
            secrets::write_key(folder, &id, key, passphrase, random)?;
        }
    }
    Ok(())
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

/// A fingerprint in groups of eight, wherever people compare one by eye.
#[must_use]
pub fn fingerprint_groups(hex: &str) -> String {
    let mut grouped = String::with_capacity(hex.len() + hex.len() / 8);
    for (place, digit) in hex.chars().enumerate() {
        if place > 0 && place % 8 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_shown_in_groups_of_eight() {
        assert_eq!(fingerprint_groups("0123456789abcdef01"), "01234567 89abcdef 01");
    }

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
