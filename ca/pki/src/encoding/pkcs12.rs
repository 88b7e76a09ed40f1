//! PKCS #12 files (PFX, RFC 7292): a key and its certificates under a passphrase.
//!
//! ```text
//! PFX ::= SEQUENCE { version INTEGER (3), authSafe ContentInfo, macData MacData OPTIONAL }
//! AuthenticatedSafe ::= SEQUENCE OF ContentInfo   -- data, encryptedData or envelopedData
//! SafeContents ::= SEQUENCE OF SafeBag
//! ```
//!
//! [`seal`] writes. What is read: [`bags`] never has a private key: a shrouded key stays shrouded. Who
//! must know whether one lies there for anybody to take asks [`keys`]. A file may ask for any number of
//! iterations; [`Work`] says how many it gets.

pub mod file_key;
pub mod keys;
pub mod scheme;
pub mod seal;

use zeroize::Zeroizing;

use super::tlv::{Malformed, Reader, Rules, Tag, Tlv, oid_text};
pub use scheme::{Digest, MacAlgorithm, Scheme, Work};

/// The longest file that is read.
pub const MOST_OCTETS: usize = 4 * 1024 * 1024;
/// ContentInfos in an AuthenticatedSafe.
const MOST_CONTENTS: usize = 16;
/// Bags in one SafeContents, nested ones included.
const MOST_BAGS: usize = 256;
/// SafeContents in SafeContents.
const MOST_DEPTH: usize = 4;

const DATA: &str = "1.2.840.113549.1.7.1";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const BAG: &str = "1.2.840.113549.1.12.10.1.";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const X509_CRL: &str = "1.2.840.113549.1.9.23.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";

/// Why a file or a part of it could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs12Error {
    /// Not the shape above.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Longer than four MiB, or more parts than a real file has.
    #[error("the PKCS #12 file is larger than any real one")]
    TooLarge,
    /// RC2, RC4 or 3DES, of RFC 7292 appendix C: named, and too weak to be carried out.
    #[error("it is encrypted with RC2, RC4 or 3DES, which are weak and not carried out here")]
    Legacy,
    /// Another algorithm that is named but not carried out here, such as scrypt.
    #[error("the PKCS #12 file uses an algorithm that is not supported; export it again with AES")]
    Unsupported,
    /// It asks for more iterations than [`Work`] has left.
    #[error("the PKCS #12 file asks for more key derivation work than is allowed")]
    TooMuchWork,
    /// The passphrase does not open it.
    #[error("the passphrase is wrong")]
    Passphrase,
}

/// A PFX, its outside read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pfx {
    /// What keeps it from being altered.
    pub integrity: Integrity,
    /// Its parts, in order.
    pub contents: Vec<Content>,
    /// What the MAC is over.
    authenticated_safe: Vec<u8>,
}

/// What keeps a PFX from being altered (RFC 7292 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// A MAC under the passphrase.
    Passphrase {
        /// How it is made.
        algorithm: MacAlgorithm,
        /// The MAC.
        mac: Vec<u8>,
    },
    /// A signature (not read).
    Signature,
    /// Nothing.
    Absent,
}

/// One part of a PFX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the clear: DER or BER of a SafeContents.
    Plain(Vec<u8>),
    /// Under the passphrase.
    Encrypted {
        /// How.
        scheme: Scheme,
        /// The octets.
        ciphertext: Vec<u8>,
    },
    /// For a recipient's key (not read).
    Enveloped,
    /// Something else, by its content type.
    Other(String),
}

/// One thing in a SafeContents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bag {
    /// What it is.
    pub kind: BagKind,
    /// The name that its owner gave it.
    pub friendly_name: Option<String>,
    /// What joins a certificate to its key.
    pub local_key_id: Option<Vec<u8>>,
}

/// What a bag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BagKind {
    /// An X.509 certificate, DER.
    Certificate(Vec<u8>),
    /// A CRL, DER.
    Crl(Vec<u8>),
    /// A private key, encrypted; only how.
    ShroudedKey(Scheme),
    /// A private key in the clear; only its algorithm.
    Key(String),
    /// A secret; nothing of it.
    Secret,
    /// Something else, by its type.
    Other(String),
}

impl Pfx {
    /// Reads the outside; needs no passphrase.
    ///
    /// # Errors
    /// [`Pkcs12Error::Malformed`], [`Pkcs12Error::TooLarge`].
    pub fn parse(octets: &[u8]) -> Result<Self, Pkcs12Error> {
        if octets.len() > MOST_OCTETS {
            return Err(Pkcs12Error::TooLarge);
        }
        let mut reader = Reader::new(octets, Rules::Ber);
        let mut members = reader.next_as(Tag::SEQUENCE, "PFX")?.children()?;
        reader.finish()?;
        let version = members.next_as(Tag::INTEGER, "PFX.version")?;
        if version.value != [3] {
            return Err(version.expected("PFX.version").into());
        }
        let (kind, content) = content_info(&members.next()?)?;
        let mac = members.next_if(Tag::SEQUENCE)?;
        members.finish()?;
        let content = content.ok_or_else(|| version.expected("authSafe.content"))?;
        let (authenticated_safe, integrity) = match kind.as_str() {
            DATA => {
                let safe = content.expect(Tag::OCTET_STRING, "authSafe.content")?;
                let integrity = mac.map_or(Ok(Integrity::Absent), |mac| mac_data(&mac))?;
                (safe.octet_string()?, integrity)
            }
            SIGNED_DATA => (signed_content(&content)?, Integrity::Signature),
            _ => return Err(content.expected("authSafe.content").into()),
        };
        let contents = contents(&authenticated_safe).map_err(|error| match error {
            // Read from its place unless it lay in pieces.
            Pkcs12Error::Malformed(error) if !content.constructed => {
                let offset = content.value_offset + error.offset;
                Pkcs12Error::Malformed(Malformed { offset, ..error })
            }
            other => other,
        })?;
        Ok(Self { integrity, contents, authenticated_safe })
    }

    /// Whether this passphrase made the MAC. An empty one is tried in both encodings that are in
    /// use: with and without its terminating zeros.
    ///
    /// # Errors
    /// [`Pkcs12Error::Passphrase`]: it did not, or the file was altered. [`Pkcs12Error::Unsupported`]
    /// also where there is no MAC. [`Pkcs12Error::TooMuchWork`].
    pub fn verify(&self, passphrase: &str, work: &mut Work) -> Result<(), Pkcs12Error> {
        match &self.integrity {
            Integrity::Passphrase { algorithm, mac } => {
                algorithm.verify(passphrase, &self.authenticated_safe, mac, work)
            }
            Integrity::Signature | Integrity::Absent => Err(Pkcs12Error::Unsupported),
        }
    }
}

impl Content {
    /// The SafeContents inside. What comes out may hold private keys.
    ///
    /// # Errors
    /// [`Pkcs12Error`]; [`Pkcs12Error::Passphrase`] where the padding shows it.
    pub fn open(
        &self,
        passphrase: &str,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        match self {
            Self::Plain(octets) => Ok(Zeroizing::new(octets.clone())),
            Self::Encrypted { scheme, ciphertext } => scheme.open(passphrase, ciphertext, work),
            Self::Enveloped | Self::Other(_) => Err(Pkcs12Error::Unsupported),
        }
    }
}

/// The bags of a SafeContents, nested ones in their place.
///
/// # Errors
/// [`Pkcs12Error::Malformed`], [`Pkcs12Error::TooLarge`].
pub fn bags(safe_contents: &[u8]) -> Result<Vec<Bag>, Pkcs12Error> {
    let mut bags = Vec::new();
    visit_bags(safe_contents, |kind, value, attributes| {
        let kind = match kind.strip_prefix(BAG) {
            Some("1") => BagKind::Key(key_algorithm(value)?),
            Some("2") => BagKind::ShroudedKey(shrouded(value)?.0),
            Some("3") => typed(value, X509_CERTIFICATE, BagKind::Certificate)?,
            Some("4") => typed(value, X509_CRL, BagKind::Crl)?,
            Some("5") => BagKind::Secret,
            _ => BagKind::Other(kind.to_owned()),
        };
        let (friendly_name, local_key_id) = match attributes {
            Some(attributes) => bag_attributes(&attributes)?,
            None => (None, None),
        };
        bags.push(Bag { kind, friendly_name, local_key_id });
        Ok(())
    })?;
    Ok(bags)
}

/// Calls `visit` with type, value and attributes of each bag; nested SafeContents in their place.
fn visit_bags(
    safe_contents: &[u8],
    mut visit: impl FnMut(&str, &Tlv<'_>, Option<Tlv<'_>>) -> Result<(), Malformed>,
) -> Result<(), Pkcs12Error> {
    let mut reader = Reader::new(safe_contents, Rules::Ber);
    let outer = reader.next_as(Tag::SEQUENCE, "SafeContents")?;
    reader.finish()?;
    let mut open = vec![outer.children()?];
    let mut visited = 0;
    while let Some(reader) = open.last_mut() {
        if reader.is_finished() {
            open.pop();
            continue;
        }
        let mut parts = reader.next_as(Tag::SEQUENCE, "SafeBag")?.children()?;
        let kind = oid(&parts.next_as(Tag::OID, "bagId")?)?;
        let value = parts.next_as(Tag::context(0), "bagValue")?.only()?;
        let attributes = parts.next_if(Tag::SET)?;
        parts.finish()?;
        if kind.strip_prefix(BAG) == Some("6") {
            if open.len() == MOST_DEPTH {
                return Err(Pkcs12Error::TooLarge);
            }
            open.push(value.members(Tag::SEQUENCE, "SafeContents")?);
            continue;
        }
        visited += 1;
        if visited > MOST_BAGS {
            return Err(Pkcs12Error::TooLarge);
        }
        visit(&kind, &value, attributes)?;
    }
    Ok(())
}

/// CertBag and CRLBag: a type, and `[0]` an OCTET STRING.
fn typed(
    value: &Tlv<'_>,
    x509: &str,
    kind: impl FnOnce(Vec<u8>) -> BagKind,
) -> Result<BagKind, Malformed> {
    let mut parts = (*value).members(Tag::SEQUENCE, "CertBag")?;
    let name = oid(&parts.next_as(Tag::OID, "certId")?)?;
    let inside = parts.next_as(Tag::context(0), "certValue")?.only()?;
    parts.finish()?;
    if name == x509 {
        Ok(kind(inside.expect(Tag::OCTET_STRING, "OCTET STRING")?.octet_string()?))
    } else {
        Ok(BagKind::Other(name))
    }
}

/// PrivateKeyInfo (RFC 5958 §2): its algorithm's name.
fn key_algorithm(value: &Tlv<'_>) -> Result<String, Malformed> {
    let mut parts = (*value).members(Tag::SEQUENCE, "PrivateKeyInfo")?;
    parts.next_as(Tag::INTEGER, "PrivateKeyInfo.version")?;
    let algorithm = parts.next_as(Tag::SEQUENCE, "privateKeyAlgorithm")?;
    oid(&algorithm.children()?.next_as(Tag::OID, "privateKeyAlgorithm")?)
}

/// EncryptedPrivateKeyInfo (RFC 5958 §3): how, and the octets.
fn shrouded(value: &Tlv<'_>) -> Result<(Scheme, Vec<u8>), Malformed> {
    let mut parts = (*value).members(Tag::SEQUENCE, "EncryptedPrivateKeyInfo")?;
    let scheme = Scheme::parse(&parts.next()?)?;
    let ciphertext = parts.next_as(Tag::OCTET_STRING, "encryptedData")?.octet_string()?;
    parts.finish()?;
    Ok((scheme, ciphertext))
}

type Attributes = (Option<String>, Option<Vec<u8>>);

fn bag_attributes(set: &Tlv<'_>) -> Result<Attributes, Malformed> {
    let (mut name, mut id) = (None, None);
    let mut reader = set.children()?;
    while !reader.is_finished() {
        let mut parts = reader.next_as(Tag::SEQUENCE, "PKCS12Attribute")?.children()?;
        let kind = oid(&parts.next_as(Tag::OID, "attrId")?)?;
        let mut values = parts.next_as(Tag::SET, "attrValues")?.children()?;
        if values.is_finished() {
            continue;
        }
        let value = values.next()?;
        match kind.as_str() {
            FRIENDLY_NAME => {
                let (pairs, _) = value.value.as_chunks::<2>();
                let units: Vec<u16> =
                    pairs.iter().take(256).map(|pair| u16::from_be_bytes(*pair)).collect();
                name = Some(String::from_utf16_lossy(&units));
            }
            LOCAL_KEY_ID => id = Some(value.value.iter().copied().take(64).collect()),
            _ => {}
        }
    }
    Ok((name, id))
}

/// ContentInfo: its type, and what stands in `[0]`.
fn content_info<'a>(tlv: &Tlv<'a>) -> Result<(String, Option<Tlv<'a>>), Malformed> {
    let mut parts = (*tlv).members(Tag::SEQUENCE, "ContentInfo")?;
    let kind = oid(&parts.next_as(Tag::OID, "contentType")?)?;
    let content = parts.next_if(Tag::context(0))?.map(|content| content.only()).transpose()?;
    parts.finish()?;
    Ok((kind, content))
}

/// The content of a SignedData, whose signatures are not looked at.
fn signed_content(signed: &Tlv<'_>) -> Result<Vec<u8>, Malformed> {
    let mut members = (*signed).members(Tag::SEQUENCE, "SignedData")?;
    members.next_as(Tag::INTEGER, "SignedData.version")?;
    members.next_as(Tag::SET, "digestAlgorithms")?;
    let inner = members.next()?;
    let (_, content) = content_info(&inner)?;
    content
        .ok_or_else(|| inner.expected("eContent"))?
        .expect(Tag::OCTET_STRING, "eContent")?
        .octet_string()
}

fn contents(authenticated_safe: &[u8]) -> Result<Vec<Content>, Pkcs12Error> {
    let mut reader = Reader::new(authenticated_safe, Rules::Ber);
    let mut all = reader.next_as(Tag::SEQUENCE, "AuthenticatedSafe")?.children()?;
    reader.finish()?;
    let mut contents = Vec::new();
    while !all.is_finished() {
        if contents.len() == MOST_CONTENTS {
            return Err(Pkcs12Error::TooLarge);
        }
        let one = all.next()?;
        let (kind, content) = content_info(&one)?;
        contents.push(match (kind.as_str(), content) {
            (DATA, Some(content)) => {
                let octets = content.expect(Tag::OCTET_STRING, "SafeContents")?;
                Content::Plain(octets.octet_string()?)
            }
            (ENCRYPTED_DATA, Some(content)) => encrypted_data(&content)?,
            (ENVELOPED_DATA, _) => Content::Enveloped,
            _ => Content::Other(kind),
        });
    }
    Ok(contents)
}

/// EncryptedData (RFC 5652 §8).
fn encrypted_data(tlv: &Tlv<'_>) -> Result<Content, Malformed> {
    let mut members = (*tlv).members(Tag::SEQUENCE, "EncryptedData")?;
    members.next_as(Tag::INTEGER, "EncryptedData.version")?;
    let mut info = members.next_as(Tag::SEQUENCE, "EncryptedContentInfo")?.children()?;
    info.next_as(Tag::OID, "contentType")?;
    let scheme = Scheme::parse(&info.next()?)?;
    let ciphertext = info.next_as(Tag::context(0), "encryptedContent")?.octet_string()?;
    Ok(Content::Encrypted { scheme, ciphertext })
}

/// MacData (RFC 7292 §4): DigestInfo, salt, iterations.
fn mac_data(tlv: &Tlv<'_>) -> Result<Integrity, Malformed> {
    let mut members = tlv.children()?;
    let mut digest_info = members.next_as(Tag::SEQUENCE, "MacData.mac")?.children()?;
    let algorithm = digest_info.next_as(Tag::SEQUENCE, "digestAlgorithm")?;
    let mac = digest_info.next_as(Tag::OCTET_STRING, "digest")?.octet_string()?;
    let salt = members.next_as(Tag::OCTET_STRING, "macSalt")?.octet_string()?;
    let iterations = match members.next_if(Tag::INTEGER)? {
        Some(iterations) => scheme::count(&iterations)?,
        None => 1,
    };
    members.finish()?;
    let algorithm = MacAlgorithm::parse(&algorithm, salt, iterations)?;
    Ok(Integrity::Passphrase { algorithm, mac })
}

/// An OBJECT IDENTIFIER in dots.
fn oid(tlv: &Tlv<'_>) -> Result<String, Malformed> {
    oid_text(tlv.value).ok_or_else(|| tlv.expected("OBJECT IDENTIFIER"))
}

#[cfg(test)]
#[path = "pkcs12/tests.rs"]
mod tests;
