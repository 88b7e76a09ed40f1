//! Makes the sandbox's people, so that it may be asked for as often as one likes.
//!
//! 1. What stands is looked at: if it lasts, 2 and 3 are left out.
//! 2. Authorities, lists and cards are made in memory. The authorities' private keys are forgotten with
//!    it: nobody can ever add a card to those that are handed out.
//! 3. One transaction keeps all of it, with the test facility and its people.
//! 4. Anchors and lists are laid into the folders of the configuration, from the register.
//! 5. The configuration names the test facility ([`configure`]).
//!
//! Until 4 and 5 are done none of the cards counts; whoever is interrupted asks again.

use std::path::{Path, PathBuf};

use sekisho_ca::lookalike::{CardHolder, LookalikeError, LookalikeHpki};
use sekisho_key::{Randomness, RandomnessError};
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_software_card::CardError;
use sekisho_store::{
    MayConflict, Store, StoreError, Tx,
    application::Particulars,
    audit::{Audited, Entry},
    card::{self, CardSubject, PersonNames},
    membership,
    organisation_kind::OrganisationKind,
    sandbox::{self, Hierarchy, NewCard},
    transaction,
    world::World,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_cert::{Certificate, der::Encode};

use super::{
    cast::{FACILITY, Invented, PEOPLE},
    facility, hand_out,
    states::{Issuers, REVOKED, SIGNING_REVOKED, State},
};
use crate::{
    config::{self, Config, ConfigError, Settings},
    instance::{self, Folder, FolderError},
};

/// How long cards and lists last. A list counts for 370 days at most (`HpkiRules::most_crl_age`).
const LIFETIME: Duration = Duration::days(365);
/// What ends so soon is made anew when somebody asks.
const SOON: Duration = Duration::days(30);
/// People, if nothing is said.
const USUAL: usize = 6;
/// Where the certificates say that lists lie: nowhere. The portal reads those of its folder only.
const LISTS: &str = "http://lists.sandbox.invalid";
/// In the history of what nobody but this command did.
const BY: &str = "sandbox";

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    /// How many people, 1 to [`PEOPLE`]`.len()`. Absent: as many as there are.
    pub people: Option<usize>,
    /// Whether everything is made anew, though it lasts: cards that were handed out stop counting.
    pub anew: bool,
}

/// What stands afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The test facility.
    pub facility_id: String,
    /// How many cards there are.
    pub people: usize,
    /// When they end.
    pub expires_at: OffsetDateTime,
    /// Whether they were made now.
    pub made: bool,
}

/// Why there is no sandbox, or why it is not whole: asked again, it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// A certificate or list.
    #[error("the sandbox's certificates could not be made")]
    Lookalike(#[from] LookalikeError),
    /// A certificate that was made does not read.
    #[error("a certificate of the sandbox cannot be read")]
    Certificate(#[from] x509_cert::der::Error),
    /// A card.
    #[error("a card of the sandbox could not be made")]
    Card(#[from] CardError),
    /// The work in memory ended unexpectedly.
    #[error("the sandbox's keys could not be made: the work ended unexpectedly")]
    Interrupted,
    /// Another process made it meanwhile.
    #[error("the sandbox was made by another process at the same time; ask again")]
    Raced,
    /// A real card named that person.
    #[error(
        "a real card of an issuer of the sandbox's name is registered: {serial_number} of {issuer}. \
         Nobody invented may take its place; ask the issuer's name to be looked into"
    )]
    Taken {
        /// The issuer's name.
        issuer: String,
        /// subject serialNumber.
        serial_number: String,
    },
    /// A folder of the configuration.
    #[error("cannot make the folder {}", path.display())]
    MakeFolder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration cannot be read once more.
    #[error("cannot read {}", path.display())]
    ReadConfiguration {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration was changed meanwhile.
    #[error("cannot enter the test facility into {}; write it into sandbox.facilities", path.display())]
    EditConfiguration {
        /// Its file.
        path: PathBuf,
        /// Where it does not read.
        #[source]
        source: toml_edit::TomlError,
    },
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl MayConflict for MakeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Makes what is missing, 1 to 4.
///
/// # Errors
/// [`MakeError`].
pub async fn make(
    store: &Store,
    config: &Config,
    random: &dyn Randomness,
    now: OffsetDateTime,
    order: Order,
) -> Result<Standing, MakeError> {
    let standing = sandbox::hierarchy(&mut store.read()).await?;
    let people = sandbox::cards(&mut store.read()).await?.len();
    let wanted = order.people.unwrap_or(if people == 0 { USUAL } else { people });
    let lasts = standing.as_ref().is_some_and(|held| held.expires_at > now + SOON);
    let made = order.anew || !lasts || people != wanted;
    let hierarchy = match standing {
        Some(hierarchy) if !made => hierarchy,
        standing => {
            let new = tokio::task::spawn_blocking(move || New::make(now, wanted));
            let new = new.await.map_err(|_| MakeError::Interrupted)??;
            new.keep(store, random, standing).await?
        }
    };
    lay(config, &hierarchy)?;
    let people = sandbox::cards(&mut store.read()).await?.len();
    let Hierarchy { organisation_id, expires_at, .. } = hierarchy;
    Ok(Standing { facility_id: organisation_id, people, expires_at, made })
}

/// Has the configuration name the test facility, 5; answers whether it did not before. A process that
/// serves reads it at its start.
///
/// # Errors
/// [`MakeError::Config`], [`MakeError::Folder`].
pub fn configure(folder: &Path, facility_id: &str) -> Result<bool, MakeError> {
    let mut settings = Settings::read(folder)?;
    if settings.sandbox.facilities.iter().any(|named| named == facility_id) {
        return Ok(false);
    }
    settings.sandbox.facilities.push(facility_id.to_owned());
    settings.validate(folder)?;
    let path = folder.join(config::FILE_NAME);
    let text = std::fs::read_to_string(&path)
        .map_err(|source| MakeError::ReadConfiguration { path: path.clone(), source })?;
    let named = naming(&text, facility_id)
        .map_err(|source| MakeError::EditConfiguration { path: path.clone(), source })?;
    Folder::replace(&path, named.as_bytes())?;
    Ok(true)
}

/// The text of a configuration with the facility among `sandbox.facilities`, and otherwise as somebody
/// wrote it: comments, order and blank lines are theirs.
fn naming(text: &str, facility_id: &str) -> Result<String, toml_edit::TomlError> {
    let mut document: toml_edit::DocumentMut = text.parse()?;
    let sandbox = document.entry("sandbox").or_insert_with(toml_edit::table);
    let empty = || toml_edit::value(toml_edit::Array::new());
    // Both are of this kind, or the configuration would not have been read.
    if let Some(facilities) = sandbox
        .as_table_like_mut()
        .and_then(|sandbox| sandbox.entry("facilities").or_insert_with(empty).as_array_mut())
    {
        let mut named = toml_edit::Value::from(facility_id);
        let after = facilities.trailing().as_str().unwrap_or_default().trim_end_matches(' ');
        if facilities.trailing_comma() && after.ends_with('\n') {
            // One a line: what stands after the last one's comma is a comment on that.
            named.decor_mut().set_prefix(format!("{after}  "));
            facilities.set_trailing("\n");
        }
        facilities.push_formatted(named);
    }
    Ok(document.to_string())
}

/// What was made and is not kept yet.
struct New {
    issuer: Certificate,
    hierarchy: Hierarchy,
    cards: Vec<(Invented, Vec<u8>)>,
}

impl New {
    fn make(now: OffsetDateTime, people: usize) -> Result<Self, MakeError> {
        let (begins_at, expires_at) = (now - Duration::HOUR, now + LIFETIME);
        let signs = Issuers {
            hpki: LookalikeHpki::sandbox(now, LISTS)?,
            validity: (begins_at, expires_at),
        };
        let mut cards = Vec::new();
        for (serial, invented) in (1..).zip(PEOPLE).take(people) {
            let holder = CardHolder {
                common_name: invented.romaji,
                kanji_name: invented.name,
                serial_number: invented.serial_number,
                roles: &[invented.role],
                organisation: None,
            };
            let usual = signs.usual(&holder, serial)?;
            let first = cards.is_empty();
            let states = State::ALL.into_iter().filter(|state| first || *state == State::Usual);
            let folders = states
                .map(|state| {
                    let card = signs.in_state(&usual, &holder, state)?;
                    Ok((state.folder(invented.card), card))
                })
                .collect::<Result<Vec<_>, MakeError>>()?;
            cards.push((invented, hand_out::archive(&folders)?));
        }
        let (root_crl, authority_crl) =
            signs.hpki.crls(&[REVOKED, SIGNING_REVOKED], begins_at, expires_at)?;
        Ok(Self {
            issuer: signs.hpki.sub_ca.certificate()?,
            hierarchy: Hierarchy {
                organisation_id: String::new(),
                root_der: signs.hpki.root.certificate_der,
                root_crl,
                authority_der: signs.hpki.sub_ca.certificate_der,
                authority_crl,
                made_at: now,
                expires_at,
            },
            cards,
        })
    }

    /// Keeps all of it in one transaction, at the facility that is there or at a new one.
    async fn keep(
        mut self,
        store: &Store,
        random: &dyn Randomness,
        before: Option<Hierarchy>,
    ) -> Result<Hierarchy, MakeError> {
        let now = self.hierarchy.made_at;
        let (mut number, mut code_hash) = ([0; 8], [0; 32]);
        random.fill(&mut number)?;
        random.fill(&mut code_hash)?;
        let facility_id = match &before {
            Some(before) => before.organisation_id.clone(),
            None => FacilityIdentifier::from_random(u64::from_be_bytes(number)).to_string(),
        };
        self.hierarchy.organisation_id.clone_from(&facility_id);
        transaction!(store, MakeError, |tx| {
            if sandbox::hierarchy(tx).await? != before {
                return Err(MakeError::Raced);
            }
            if before.is_none() {
                facility::enter(tx, &facility_id, &particulars(), BY, &code_hash, now).await?;
            }
            sandbox::replace_hierarchy(tx, &self.hierarchy).await?;
            for (place, (invented, archive)) in (0..).zip(&self.cards) {
                let person_id = enter(tx, &self.issuer, invented, &facility_id, now).await?;
                let card = NewCard {
                    person_id: &person_id,
                    name: invented.card,
                    place,
                    role: invented.role,
                    archive,
                };
                sandbox::add_card(tx, card).await?;
            }
            let entry = Entry::done("sandbox.make", instance::operator(), now)
                .at_organisation(&facility_id)
                .fact("people", i64::try_from(self.cards.len()).unwrap_or(i64::MAX))
                .fact("root_sha256", instance::fingerprint_hex(&self.hierarchy.root_der));
            Ok(Audited::new((), entry))
        })?;
        Ok(self.hierarchy)
    }
}

/// Somebody invented, as the register has them or as they are entered now, and a member of the test
/// facility.
async fn enter(
    tx: &mut Tx,
    issuer: &Certificate,
    invented: &Invented,
    facility_id: &str,
    now: OffsetDateTime,
) -> Result<String, MakeError> {
    let issuer = issuer.tbs_certificate().subject();
    let subject = CardSubject {
        issuer_hash: &Sha256::digest(issuer.to_der()?).into(),
        issuer: &issuer.to_string(),
        serial_number: invented.serial_number,
    };
    let identity = match card::find(tx, subject).await? {
        Some(identity) if identity.world == World::Sandbox => identity,
        Some(_) => {
            let serial_number = subject.serial_number.to_owned();
            return Err(MakeError::Taken { issuer: subject.issuer.to_owned(), serial_number });
        }
        None => {
            let names = PersonNames {
                name: invented.name,
                name_kana: invented.kana,
                name_romaji: invented.romaji,
            };
            card::enter_person(tx, subject, names, World::Sandbox, now).await?
        }
    };
    membership::start(tx, &identity.person_id, facility_id, None, BY, now).await?;
    Ok(identity.person_id)
}

fn particulars() -> Particulars {
    let (name, name_kana) = FACILITY;
    Particulars {
        kind: OrganisationKind::Hospital,
        name: name.to_owned(),
        name_kana: name_kana.to_owned(),
        prefecture: 13,
        postal_code: "100-0000".to_owned(),
        address: "東京都（実在しません）".to_owned(),
        contact_name: "事業主体".to_owned(),
        contact_phone: "-".to_owned(),
        contact_email: "-".to_owned(),
        codes: Vec::new(),
    }
}

/// Lays anchors and lists into their folders, each file in one step.
fn lay(config: &Config, hierarchy: &Hierarchy) -> Result<(), MakeError> {
    let (anchors, crls) = (config.sandbox().anchors(), config.sandbox().crls());
    for (folder, name, octets) in [
        (crls, "invented-root.crl", &hierarchy.root_crl),
        (crls, "invented-cards.crl", &hierarchy.authority_crl),
        (anchors, "invented-cards.cer", &hierarchy.authority_der),
        (anchors, "invented-root.cer", &hierarchy.root_der),
    ] {
        let path = folder.join(name);
        if std::fs::read(&path).is_ok_and(|held| held == *octets) {
            continue;
        }
        std::fs::create_dir_all(folder)
            .map_err(|source| MakeError::MakeFolder { path: folder.to_owned(), source })?;
        Folder::replace(&path, octets)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
