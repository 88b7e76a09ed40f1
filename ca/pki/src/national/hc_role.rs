//! hcRole: the profession that an HPKI certificate asserts (ISO 17090-2).
//!
//! ```text
//! HCActorData ::= SET OF HCActor
//! HCActor     ::= SEQUENCE { codedData [0] EXPLICIT CodedData,
//!                            regionalHCActorData [1] SEQUENCE OF RegionalData OPTIONAL }
//! CodedData   ::= SET { codingSchemeReference [0] EXPLICIT OBJECT IDENTIFIER,
//!                       codeDataValue         [1] EXPLICIT NumericString OPTIONAL,
//!                       codeDataFreeText      [2] EXPLICIT DirectoryString }
//! ```
//!
//! It travels as an attribute in the subjectDirectoryAttributes extension (RFC 5280 §4.2.1.8). The
//! attribute's SET of values holds one `HCActorData`, itself a SET: two sets, one in the other.

use const_oid::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::Certificate;

/// Type of the hcRole attribute: id-hcpki-at-healthcareactor (ISO 17090-2).
pub const ID_HEALTHCARE_ACTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.0.17090.0.1");
/// Coding scheme of the HPKI's role names: id-jhpki-cdata.
pub const ID_JHPKI_CDATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.100495.1.6.1.1");
/// The subjectDirectoryAttributes extension (RFC 5280 §4.2.1.8).
pub const ID_SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.5.29.9");

/// One certificate carries one role in practice; a list is allowed for.
const MOST_ROLES: usize = 16;
/// The longest known name has 40 characters; X.520's general bound for names is 64.
const MOST_NAME_OCTETS: usize = 256;

/// One asserted role, verbatim.
///
/// The name is kept as the issuer wrote it, known or not: an unknown one is shown to people and
/// authorises nothing (see [`known`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HcRole {
    /// codeDataFreeText, e.g. `Medical Doctor`.
    pub name: String,
    /// codingSchemeReference; [`ID_JHPKI_CDATA`] in the HPKI.
    pub coding_scheme: ObjectIdentifier,
    /// codeDataValue, which the HPKI does not use.
    pub code: Option<String>,
}

impl HcRole {
    /// What we know about this role; `None` under a foreign coding scheme or an unknown name.
    #[must_use]
    pub fn known(&self) -> Option<&'static KnownRole> {
        (self.coding_scheme == ID_JHPKI_CDATA).then(|| known(&self.name)).flatten()
    }
}

/// Why an hcRole could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HcRoleError {
    /// The bytes do not have the shape above.
    #[error("hcRole is not well formed at {at}")]
    Malformed {
        /// Which part.
        at: &'static str,
    },
    /// More than sixteen roles.
    #[error("more than {MOST_ROLES} roles in one certificate")]
    TooMany,
    /// The extension or the attribute stands twice.
    #[error("{what} stands twice")]
    Repeated {
        /// Which part.
        what: &'static str,
    },
    /// A name that cannot be shown: empty, too long, or with control characters.
    #[error("a role name is empty, longer than {MOST_NAME_OCTETS} octets or unprintable")]
    UnfitName,
}

/// The roles of a certificate; empty if it has no hcRole.
///
/// # Errors
/// [`HcRoleError`]: an hcRole is there but unreadable, so nothing about the holder's profession
/// may be believed.
pub fn of_certificate(certificate: &Certificate) -> Result<Vec<HcRole>, HcRoleError> {
    let mut found = None;
    for extension in certificate.tbs_certificate().extensions().into_iter().flatten() {
        if extension.extn_id == ID_SUBJECT_DIRECTORY_ATTRIBUTES
            && found.replace(extension.extn_value.as_bytes()).is_some()
        {
            return Err(HcRoleError::Repeated { what: "the extension" });
        }
    }
    found.map_or_else(|| Ok(Vec::new()), parse_extension)
}

/// Reads the value of a subjectDirectoryAttributes extension; other attributes are passed over.
///
/// # Errors
/// [`HcRoleError`].
pub fn parse_extension(extension_value: &[u8]) -> Result<Vec<HcRole>, HcRoleError> {
    let attributes = one(extension_value, Tag::Sequence, "the extension")?;
    let mut roles = None;
    for attribute in members(attributes, "the attributes")? {
        let attribute = expect(attribute, Tag::Sequence, "an attribute")?;
        let [kind, values] = members(attribute, "an attribute")?
            .try_into()
            .map_err(|_| HcRoleError::Malformed { at: "an attribute" })?;
        let kind = kind
            .decode_as::<ObjectIdentifier>()
            .map_err(|_| HcRoleError::Malformed { at: "an attribute's type" })?;
        let values = expect(values, Tag::Set, "an attribute's values")?;
        if kind != ID_HEALTHCARE_ACTOR {
            continue;
        }
        let mut actors = Vec::new();
        for data in members(values, "the attribute's values")? {
            let data = expect(data, Tag::Set, "HCActorData")?;
            for actor in members(data, "HCActorData")? {
                if actors.len() == MOST_ROLES {
                    return Err(HcRoleError::TooMany);
                }
                actors.push(actor_from(actor)?);
            }
        }
        if actors.is_empty() {
            return Err(HcRoleError::Malformed { at: "an empty hcRole" });
        }
        if roles.replace(actors).is_some() {
            return Err(HcRoleError::Repeated { what: "the hcRole attribute" });
        }
    }
    Ok(roles.unwrap_or_default())
}

/// Reads one DER `HCActor`.
///
/// # Errors
/// [`HcRoleError`].
pub fn parse_actor(der: &[u8]) -> Result<HcRole, HcRoleError> {
    let actor = AnyRef::from_der(der).map_err(|_| HcRoleError::Malformed { at: "HCActor" })?;
    actor_from(actor)
}

fn actor_from(actor: AnyRef<'_>) -> Result<HcRole, HcRoleError> {
    let parts = members(expect(actor, Tag::Sequence, "HCActor")?, "HCActor")?;
    let (coded, regional) = match parts.as_slice() {
        [coded] => (*coded, None),
        [coded, regional] => (*coded, Some(*regional)),
        _ => return Err(HcRoleError::Malformed { at: "HCActor" }),
    };
    if let Some(regional) = regional {
        // Not used by the HPKI, and ISO's field list could not be verified: its place is
        // checked, its inside is not read.
        expect(regional, context(1), "regionalHCActorData")?;
    }
    let coded = explicit(coded, 0, "codedData")?;
    let coded = expect(coded, Tag::Set, "CodedData")?;
    let (mut scheme, mut code, mut name) = (None, None, None);
    // A SET: issuers were seen to order it, but a reader need not care.
    for member in members(coded, "CodedData")? {
        let repeated = match tag_number(member) {
            Some(0) => scheme.replace(explicit(member, 0, "codingSchemeReference")?).is_some(),
            Some(1) => code.replace(explicit(member, 1, "codeDataValue")?).is_some(),
            Some(2) => name.replace(explicit(member, 2, "codeDataFreeText")?).is_some(),
            _ => return Err(HcRoleError::Malformed { at: "CodedData" }),
        };
        if repeated {
            return Err(HcRoleError::Repeated { what: "a member of CodedData" });
        }
    }
    let coding_scheme = scheme
        .ok_or(HcRoleError::Malformed { at: "a missing codingSchemeReference" })?
        .decode_as()
        .map_err(|_| HcRoleError::Malformed { at: "codingSchemeReference" })?;
    let code = code.map(numeric).transpose()?;
    let name =
        directory_string(name.ok_or(HcRoleError::Malformed { at: "a missing codeDataFreeText" })?)?;
    Ok(HcRole { name, coding_scheme, code })
}

fn numeric(value: AnyRef<'_>) -> Result<String, HcRoleError> {
    let bytes = expect(value, Tag::NumericString, "codeDataValue")?;
    let fits = bytes.len() <= MOST_NAME_OCTETS
        && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
    if !fits {
        return Err(HcRoleError::Malformed { at: "codeDataValue" });
    }
    // ASCII by the test above.
    Ok(bytes.iter().map(|byte| *byte as char).collect())
}

/// DirectoryString (RFC 5280 §4.1.2.4) without TeletexString and UniversalString, whose
/// reading differs between programs.
fn directory_string(value: AnyRef<'_>) -> Result<String, HcRoleError> {
    let bytes = value.value();
    if bytes.is_empty() || bytes.len() > MOST_NAME_OCTETS {
        return Err(HcRoleError::UnfitName);
    }
    let malformed = HcRoleError::Malformed { at: "codeDataFreeText" };
    let text = match value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).map_err(|_| malformed)?,
        Tag::PrintableString if bytes.is_ascii() => {
            bytes.iter().map(|byte| *byte as char).collect()
        }
        Tag::BmpString if bytes.len().is_multiple_of(2) => {
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).map_err(|_| malformed)?
        }
        _ => return Err(malformed),
    };
    if text.chars().any(char::is_control) {
        return Err(HcRoleError::UnfitName);
    }
    Ok(text)
}

fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn tag_number(value: AnyRef<'_>) -> Option<u32> {
    match value.tag() {
        Tag::ContextSpecific { constructed: true, number } => Some(number.value()),
        _ => None,
    }
}

fn explicit<'a>(
    value: AnyRef<'a>,
    number: u32,
    at: &'static str,
) -> Result<AnyRef<'a>, HcRoleError> {
    let inner = expect(value, context(number), at)?;
    AnyRef::from_der(inner).map_err(|_| HcRoleError::Malformed { at })
}

fn one<'a>(der: &'a [u8], tag: Tag, at: &'static str) -> Result<&'a [u8], HcRoleError> {
    let value = AnyRef::from_der(der).map_err(|_| HcRoleError::Malformed { at })?;
    expect(value, tag, at)
}

fn expect<'a>(value: AnyRef<'a>, tag: Tag, at: &'static str) -> Result<&'a [u8], HcRoleError> {
    if value.tag() == tag { Ok(value.value()) } else { Err(HcRoleError::Malformed { at }) }
}

fn members<'a>(content: &'a [u8], at: &'static str) -> Result<Vec<AnyRef<'a>>, HcRoleError> {
    let malformed = |_| HcRoleError::Malformed { at };
    let mut reader = SliceReader::new(content).map_err(malformed)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader).map_err(malformed)?);
    }
    Ok(found)
}

/// A role name that we know, with its Japanese word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRole {
    /// codeDataFreeText, compared octet by octet.
    pub name: &'static str,
    /// 資格名.
    pub japanese: &'static str,
    /// A licence of the person, or a manager's post.
    pub kind: RoleKind,
    /// How sure we are of the spelling.
    pub confidence: Confidence,
}

/// What a role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleKind {
    /// 国家資格: a national licence.
    Licence,
    /// 管理責任者: a post at an institution.
    Manager,
}

/// Where a spelling comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Decoded from a genuine certificate.
    Seen,
    /// Read in a document or in other software.
    Read,
    /// Not verified; compare with the certificate policy in force before relying on it.
    Remembered,
}

/// The roles that we know, in the order of the table `hc_roles.csv`.
pub fn known_roles() -> impl Iterator<Item = KnownRole> {
    table().iter().copied()
}

/// The known role of exactly this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static KnownRole> {
    table().iter().find(|role| role.name == name)
}

fn table() -> &'static [KnownRole] {
    static TABLE: std::sync::OnceLock<Vec<KnownRole>> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| include_str!("hc_roles.csv").lines().skip(1).filter_map(row).collect())
}

/// A test proves that each line of the table is a row.
fn row(line: &'static str) -> Option<KnownRole> {
    let mut fields = line.split(',');
    let role = KnownRole {
        name: fields.next()?,
        japanese: fields.next()?,
        kind: match fields.next()? {
            "licence" => RoleKind::Licence,
            "manager" => RoleKind::Manager,
            _ => return None,
        },
        confidence: match fields.next()? {
            "seen" => Confidence::Seen,
            "read" => Confidence::Read,
            "remembered" => Confidence::Remembered,
            _ => return None,
        },
    };
    fields.next().is_none().then_some(role)
}

/// Writes the value of a subjectDirectoryAttributes extension that asserts these role names
/// under the HPKI's coding scheme. For the look-alike hierarchy of demonstrations and tests.
///
/// # Errors
/// [`der::Error`]: a name too long to encode.
pub fn to_extension_value(names: &[&str]) -> der::Result<Vec<u8>> {
    use der::Encode;
    let wrap = |tag: Tag, content: &[u8]| AnyRef::new(tag, content)?.to_der();
    let mut actors = Vec::new();
    for name in names {
        let scheme = wrap(context(0), &ID_JHPKI_CDATA.to_der()?)?;
        let text = wrap(context(2), &wrap(Tag::Utf8String, name.as_bytes())?)?;
        let coded = wrap(Tag::Set, &[scheme, text].concat())?;
        actors.push(wrap(Tag::Sequence, &wrap(context(0), &coded)?)?);
    }
    // DER sorts the encodings of a SET OF (X.690 §11.6).
    actors.sort();
    let data = wrap(Tag::Set, &actors.concat())?;
    let values = wrap(Tag::Set, &data)?;
    let attribute = wrap(Tag::Sequence, &[ID_HEALTHCARE_ACTOR.to_der()?, values].concat())?;
    wrap(Tag::Sequence, &attribute)
}

#[cfg(test)]
#[path = "hc_role_tests.rs"]
mod tests;
