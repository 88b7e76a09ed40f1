//! GeneralName (RFC 5280 §4.2.1.6), each of its nine forms.

use super::{
    distinguished_name::DistinguishedName,
    reading::{Bad, Item, Members, OID, constructed, oid_text},
};

#[derive(Debug, Clone)]
pub(super) enum GeneralName<'a> {
    Other { type_id: &'a [u8] },
    Rfc822(&'a str),
    Dns(&'a str),
    X400,
    Directory(Box<DistinguishedName>),
    EdiParty,
    Uri(&'a str),
    Ip(&'a [u8]),
    RegisteredId(&'a [u8]),
}

/// The forms, as name constraints tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Other,
    Rfc822,
    Dns,
    X400,
    Directory,
    EdiParty,
    Uri,
    Ip,
    RegisteredId,
}

impl<'a> GeneralName<'a> {
    pub(super) fn read(item: Item<'a>) -> Result<Self, Bad> {
        let value = item.value;
        Ok(match item.tag() {
            0xa0 => Self::Other { type_id: Members::of(value)?.take(OID)?.value },
            0x81 => Self::Rfc822(ascii(value)?),
            0x82 => Self::Dns(ascii(value)?),
            0xa3 => Self::X400,
            0xa4 => Self::Directory(Box::new(DistinguishedName::read(Item::only(value)?)?)),
            0xa5 => Self::EdiParty,
            0x86 => Self::Uri(ascii(value)?),
            0x87 => Self::Ip(value),
            0x88 if !value.is_empty() => Self::RegisteredId(value),
            tag => return Err(Bad(format!("a general name with tag {tag:02x}"))),
        })
    }

    /// GeneralNames: at least one.
    pub(super) fn read_all(mut members: Members<'a>) -> Result<Vec<Self>, Bad> {
        let mut names = Vec::new();
        while !members.is_empty() {
            names.push(Self::read(members.next()?)?);
        }
        if names.is_empty() { Err(Bad::new("an empty list of names")) } else { Ok(names) }
    }

    pub(super) fn form(&self) -> Form {
        match self {
            Self::Other { .. } => Form::Other,
            Self::Rfc822(_) => Form::Rfc822,
            Self::Dns(_) => Form::Dns,
            Self::X400 => Form::X400,
            Self::Directory(_) => Form::Directory,
            Self::EdiParty => Form::EdiParty,
            Self::Uri(_) => Form::Uri,
            Self::Ip(_) => Form::Ip,
            Self::RegisteredId(_) => Form::RegisteredId,
        }
    }
}

/// Octets that are equal exactly when two names of distribution points are. `item` is the name as
/// it stands; directory names are compared as such, all others as they stand.
pub(super) fn point_key(item: Item<'_>) -> Result<Vec<u8>, Bad> {
    if item.tag() == constructed(4) {
        let name = DistinguishedName::read(Item::only(item.value)?)?;
        Ok(directory_key(name.form()))
    } else {
        // Its form must still be known.
        GeneralName::read(item)?;
        Ok(item.whole.to_vec())
    }
}

/// [`point_key`] of a directory name in its comparable form.
pub(super) fn directory_key(form: &[u8]) -> Vec<u8> {
    [&[constructed(4)], form].concat()
}

/// IA5String.
fn ascii(octets: &[u8]) -> Result<&str, Bad> {
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or_else(|| Bad::new("a name that is not ASCII"))
}

impl std::fmt::Display for GeneralName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Other { type_id } => write!(f, "otherName {}", oid_text(type_id)),
            Self::Rfc822(text) => write!(f, "rfc822Name {}", text.escape_default()),
            Self::Dns(text) => write!(f, "dNSName {}", text.escape_default()),
            Self::X400 => f.write_str("x400Address"),
            Self::Directory(name) => write!(f, "directoryName {name}"),
            Self::EdiParty => f.write_str("ediPartyName"),
            Self::Uri(text) => write!(f, "uniformResourceIdentifier {}", text.escape_default()),
            Self::Ip(octets) => match ip(octets) {
                Some(address) => write!(f, "iPAddress {address}"),
                None => write!(f, "iPAddress hex {}", hex::encode(octets)),
            },
            Self::RegisteredId(oid) => write!(f, "registeredID {}", oid_text(oid)),
        }
    }
}

/// An address of four or sixteen octets.
pub(super) fn ip(octets: &[u8]) -> Option<std::net::IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(std::net::IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(std::net::IpAddr::from))
        .ok()
}
