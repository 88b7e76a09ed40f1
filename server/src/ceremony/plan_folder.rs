//! The folder of a plan: the file that was reviewed, and beside it what it names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sekisho_ca::{
    ceremony::{Ceremony, KeyPlace, Material, Origin, Plan, PlanError, PrepareError},
    request::{RequestError, UnverifiedRequest},
};
use sekisho_key::{Randomness, RandomnessError};
use sekisho_pki::encoding::key_identifier::public_key_sha256;

use super::files::{self, FileError};

/// A plan that was read, and its folder.
#[derive(Debug)]
pub struct PlanFolder {
    path: PathBuf,
    plan: Plan,
}

/// Why a plan cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PlanFolderError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not text.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The plan.
    #[error("{}", path.display())]
    Plan {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<PlanError>,
    },
    /// The public half of a key is not there yet.
    #[error(
        "the public half of key `{name}` is not there: {}; `sekisho ceremony keys` makes it",
        path.display()
    )]
    NoPublicKey {
        /// The key.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A request proves nothing.
    #[error("the request of key `{name}` is refused")]
    Request {
        /// The key.
        name: String,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// A request of another key than was reviewed.
    #[error(
        "the request of key `{name}` is for another key: its SHA-256 is {found}, the plan says \
         {planned}; ask the host that made it"
    )]
    SwappedRequest {
        /// The key.
        name: String,
        /// Of the key in the request, hexadecimal.
        found: String,
        /// As the plan says, hexadecimal.
        planned: String,
    },
    /// The salt file was changed.
    #[error("{} does not hold 64 hexadecimal digits", .0.display())]
    Salt(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// It would break a rule.
    #[error("the plan cannot be carried out")]
    Prepare(#[from] PrepareError),
}

impl PlanFolder {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanFolderError::File`], [`PlanFolderError::NotText`], [`PlanFolderError::Plan`].
    pub fn open(plan_file: &Path) -> Result<Self, PlanFolderError> {
        let path = || plan_file.to_owned();
        let text = String::from_utf8(files::read(plan_file)?)
            .map_err(|_| PlanFolderError::NotText(path()))?;
        let plan = Plan::from_toml(&text)
            .map_err(|error| PlanFolderError::Plan { path: path(), source: Box::new(error) })?;
        Ok(Self { path: path(), plan })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A file beside the plan.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Where the public half of a key lies.
    #[must_use]
    pub fn public_key_file(&self, name: &str) -> PathBuf {
        self.beside(&format!("{name}.pub"))
    }

    /// Where the salt of the plan's serial numbers lies: it belongs to the plan, is drawn with the
    /// first dry run, and is carried with it. Not a secret.
    #[must_use]
    pub fn salt_file(&self) -> PathBuf {
        self.path.with_extension("salt")
    }

    /// Everything that the plan would have signed.
    ///
    /// # Errors
    /// [`PlanFolderError`]: the first thing that is missing or wrong.
    pub fn prepare(&self, random: &dyn Randomness) -> Result<Ceremony, PlanFolderError> {
        let material = self.material()?;
        Ok(Ceremony::prepare(&self.plan, &material, &self.salt(random)?)?)
    }

    fn material(&self) -> Result<Material, PlanFolderError> {
        let mut material = Material::default();
        for key in self.plan.keys() {
            let public_key_der = match &key.place {
                KeyPlace::Elsewhere { request, sha256 } => {
                    self.requested(&key.name, request, sha256)?
                }
                _ => self.public_key(&key.name)?,
            };
            material.public_keys.insert(key.name.clone(), public_key_der);
        }
        for authority in self.plan.authorities() {
            if let Origin::Existing { certificate } = &authority.origin {
                let der = files::one_der(&self.beside(certificate), "certificate")?;
                material.certificates.insert(authority.id.clone(), der);
            }
        }
        Ok(material)
    }

    fn public_key(&self, name: &str) -> Result<Vec<u8>, PlanFolderError> {
        let path = self.public_key_file(name);
        match files::one_der(&path, "public key") {
            Err(FileError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Err(PlanFolderError::NoPublicKey { name: name.to_owned(), path })
            }
            other => Ok(other?),
        }
    }

    /// The key of a request whose asker has it, if it is the key that was reviewed.
    fn requested(
        &self,
        name: &str,
        request: &str,
        planned: &[u8; 32],
    ) -> Result<Vec<u8>, PlanFolderError> {
        let der = files::one_der(&self.beside(request), "certification request")?;
        let verified = UnverifiedRequest::parse(&der)
            .and_then(UnverifiedRequest::verify)
            .map_err(|source| PlanFolderError::Request { name: name.to_owned(), source })?;
        let found = public_key_sha256(verified.public_key_der());
        if found != *planned {
            return Err(PlanFolderError::SwappedRequest {
                name: name.to_owned(),
                found: hex::encode(found),
                planned: hex::encode(planned),
            });
        }
        Ok(verified.public_key_der().to_vec())
    }

    fn salt(&self, random: &dyn Randomness) -> Result<[u8; 32], PlanFolderError> {
        let path = self.salt_file();
        let mut salt = [0; 32];
        if let Some(text) = files::read_if_there(&path)? {
            return match hex::decode_to_slice(text.trim_ascii(), &mut salt) {
                Ok(()) => Ok(salt),
                Err(_) => Err(PlanFolderError::Salt(path)),
            };
        }
        random.fill(&mut salt)?;
        files::write(&path, format!("{}\n", hex::encode(salt)).as_bytes())?;
        Ok(salt)
    }

    /// Whether a file beside the plan exists.
    pub(super) fn has(&self, name: &str) -> bool {
        fs::exists(self.beside(name)).unwrap_or(true)
    }
}
