//! What makes a card somebody's: certificates, keys, PIN; kept in a folder.

use std::fs;
use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files::Layout;
use crate::jpki::Token;

/// While a file of this name lies in the card's folder, the card is in its reader.
pub const INSERTED: &str = "inserted";
const CARD: &str = "card.toml";
const AUTHENTICATION: &str = "authentication";
const SIGNATURE: &str = "signature";

/// A card cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// A file of the folder.
    #[error("{path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `card.toml` is not what it should be.
    #[error("card.toml is malformed: {0}")]
    Config(String),
    /// A key is not a PKCS #8 RSA key of 2048 bits or more.
    #[error("the private key is not a usable RSA key")]
    Key,
    /// The family's PINs have another form.
    #[error("the PIN has to be {0}")]
    Pin(&'static str),
}

/// A file of a card's folder: its name and what it holds.
pub type CardFile = (String, Zeroizing<Vec<u8>>);

/// One application of a card.
#[derive(Clone)]
pub struct ApplicationData {
    /// End entity certificate.
    pub certificate_der: Vec<u8>,
    /// Certificates above it, at most three.
    pub chain_der: Vec<Vec<u8>>,
    /// RSA private key, PKCS #8 DER.
    pub key_pkcs8_der: Zeroizing<Vec<u8>>,
}

/// What `card.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "lowercase", deny_unknown_fields)]
pub enum Family {
    /// A healthcare professional's card.
    Hpki {
        /// Structure of the files.
        layout: Layout,
        /// PIN of both applications, 4 to 16 ASCII characters.
        pin: String,
        /// Wrong PINs until it is blocked.
        tries: u8,
    },
    /// マイナンバーカード: 3 tries for the PIN, 5 for the password.
    Jpki {
        /// What carries the application.
        token: Token,
        /// 利用者証明用: 4 digits.
        pin: String,
        /// 署名用: 6 to 16 capital letters and digits, where the card has that key.
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
}

/// Everything on a card.
#[derive(Clone)]
pub struct Personalisation {
    /// What kind of card, with its PINs.
    pub family: Family,
    /// 認証用 or 利用者証明用: for authentication.
    pub authentication: ApplicationData,
    /// 署名用: for signatures, where the card has it.
    pub signature: Option<ApplicationData>,
}

impl Personalisation {
    /// Reads a card's folder: `card.toml`, `authentication.{crt,p8}`, `authentication-N.crt` for the
    /// path above, and the same for `signature`. DER or PEM.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn load(folder: &Path) -> Result<Self, CardError> {
        let text = read(&folder.join(CARD))?;
        let text = String::from_utf8(text).map_err(|e| CardError::Config(e.to_string()))?;
        let family =
            toml::from_str(&text).map_err(|e| CardError::Config(e.message().to_owned()))?;
        let signature = folder.join(format!("{SIGNATURE}.crt")).exists();
        Ok(Self {
            family,
            authentication: load_application(folder, AUTHENTICATION)?,
            signature: signature.then(|| load_application(folder, SIGNATURE)).transpose()?,
        })
    }

    /// Writes a card's folder that [`Self::load`] reads. The card is not inserted.
    ///
    /// # Errors
    /// [`CardError::File`].
    pub fn write(&self, folder: &Path) -> Result<(), CardError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        for (name, octets) in self.files()? {
            write(&folder.join(name), &octets)?;
        }
        Ok(())
    }

    /// The files of a card's folder, each with its name.
    ///
    /// # Errors
    /// [`CardError::Config`].
    pub fn files(&self) -> Result<Vec<CardFile>, CardError> {
        let text = toml::to_string(&self.family).map_err(|e| CardError::Config(e.to_string()))?;
        let mut files = vec![(CARD.to_owned(), Zeroizing::new(text.into_bytes()))];
        let both =
            [(AUTHENTICATION, Some(&self.authentication)), (SIGNATURE, self.signature.as_ref())];
        for (name, data) in both {
            let Some(data) = data else { continue };
            let mut add = |name: String, octets: &[u8]| {
                files.push((name, Zeroizing::new(octets.to_vec())));
            };
            add(format!("{name}.crt"), &data.certificate_der);
            add(format!("{name}.p8"), &data.key_pkcs8_der);
            for (index, der) in data.chain_der.iter().enumerate() {
                add(format!("{name}-{}.crt", index + 1), der);
            }
        }
        Ok(files)
    }
}

fn load_application(folder: &Path, name: &str) -> Result<ApplicationData, CardError> {
    let mut chain_der = Vec::new();
    for index in 1..=3 {
        let path = folder.join(format!("{name}-{index}.crt"));
        if path.exists() {
            chain_der.push(der(read(&path)?)?);
        }
    }
    Ok(ApplicationData {
        certificate_der: der(read(&folder.join(format!("{name}.crt")))?)?,
        chain_der,
        key_pkcs8_der: Zeroizing::new(der(read(&folder.join(format!("{name}.p8")))?)?),
    })
}

/// DER from DER or the first PEM block.
fn der(octets: Vec<u8>) -> Result<Vec<u8>, CardError> {
    if !octets.starts_with(b"-----") {
        return Ok(octets);
    }
    let text = String::from_utf8_lossy(&octets);
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).map_err(|e| CardError::Config(e.to_string()))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> CardError {
    let path = path.display().to_string();
    move |source| CardError::File { path, source }
}

fn read(path: &Path) -> Result<Vec<u8>, CardError> {
    fs::read(path).map_err(at(path))
}

fn write(path: &Path, octets: &[u8]) -> Result<(), CardError> {
    fs::write(path, octets).map_err(at(path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(at(path))?;
    }
    Ok(())
}
