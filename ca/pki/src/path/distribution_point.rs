//! Where CRLs stand, by name: cRLDistributionPoints and issuingDistributionPoint (RFC 5280
//! §4.2.1.13, §5.2.5). Names only tell lists apart; nothing is fetched from them.

use super::{
    distinguished_name::DistinguishedName,
    extension::Reasons,
    general_name::point_key,
    reading::{self, Bad, Item, Members, SEQUENCE, constructed, primitive},
};

/// DistributionPointName, comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PointName {
    /// Keys of [`point_key`].
    Full(Vec<Vec<u8>>),
    /// Contents of the RDN, to be appended to the CRL issuer's name.
    Relative(Vec<u8>),
}

impl PointName {
    /// The contents of `[0] DistributionPointName`, which is a CHOICE.
    fn read(item: Item<'_>) -> Result<Self, Bad> {
        let choice = Item::only(item.value)?;
        match choice.tag() {
            0xa0 => point_keys(Members::of(choice.value)?).map(Self::Full),
            0xa1 => Ok(Self::Relative(choice.value.to_vec())),
            tag => Err(Bad(format!("a distribution point's name with tag {tag:02x}"))),
        }
    }

    /// Keys of all names that it stands for, if the CRL is `crl_issuer`'s.
    pub(super) fn keys(&self, crl_issuer: &DistinguishedName) -> Vec<Vec<u8>> {
        match self {
            Self::Full(keys) => keys.clone(),
            Self::Relative(rdn) => crl_issuer
                .with(rdn)
                .map(|form| vec![super::general_name::directory_key(&form)])
                .unwrap_or_default(),
        }
    }
}

fn point_keys(mut members: Members<'_>) -> Result<Vec<Vec<u8>>, Bad> {
    let mut keys = Vec::new();
    while !members.is_empty() {
        keys.push(point_key(members.next()?)?);
    }
    if keys.is_empty() { Err(Bad::new("an empty list of names")) } else { Ok(keys) }
}

/// Where the CRL about a certificate stands.
#[derive(Debug, Clone)]
pub(super) struct DistributionPoint {
    pub(super) name: Option<PointName>,
    pub(super) reasons: Option<Reasons>,
    /// Directory names among cRLIssuer, if that is there.
    pub(super) crl_issuers: Option<Vec<DistinguishedName>>,
}

impl DistributionPoint {
    pub(super) fn read_all(value: &[u8]) -> Result<Vec<Self>, Bad> {
        let mut points = Item::only_of(value, SEQUENCE)?.members()?;
        let mut found = Vec::new();
        while !points.is_empty() {
            let mut point = points.take(SEQUENCE)?.members()?;
            let name = point.optional(constructed(0))?.map(PointName::read).transpose()?;
            let reasons = point.optional(primitive(1))?.map(Reasons::read).transpose()?;
            let crl_issuers = match point.optional(constructed(2))? {
                None => None,
                Some(item) => Some(directory_names(Members::of(item.value)?)?),
            };
            point.end()?;
            // RFC 5280 §4.2.1.13: not only reasons.
            if name.is_none() && crl_issuers.is_none() {
                return Err(Bad::new("a distribution point without a name"));
            }
            found.push(Self { name, reasons, crl_issuers });
        }
        if found.is_empty() { Err(Bad::new("an empty list")) } else { Ok(found) }
    }
}

fn directory_names(mut members: Members<'_>) -> Result<Vec<DistinguishedName>, Bad> {
    let mut found = Vec::new();
    while !members.is_empty() {
        let item = members.next()?;
        if item.tag() == constructed(4) {
            found.push(DistinguishedName::read(Item::only(item.value)?)?);
        }
    }
    Ok(found)
}

/// certificateIssuer of a CRL entry (RFC 5280 §5.3.3): the directory names' comparable forms.
pub(super) fn certificate_issuer(value: &[u8]) -> Result<Vec<Vec<u8>>, Bad> {
    let names = directory_names(Item::only_of(value, SEQUENCE)?.members()?)?;
    Ok(names.iter().map(|name| name.form().to_vec()).collect())
}

/// Which certificates and reasons a CRL is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IssuingDistributionPoint {
    pub(super) name: Option<PointName>,
    pub(super) only_users: bool,
    pub(super) only_authorities: bool,
    pub(super) only_some_reasons: Option<Reasons>,
    pub(super) indirect: bool,
    pub(super) only_attributes: bool,
}

impl IssuingDistributionPoint {
    pub(super) fn read(value: &[u8]) -> Result<Self, Bad> {
        let mut members = Item::only_of(value, SEQUENCE)?.members()?;
        let name = members.optional(constructed(0))?.map(PointName::read).transpose()?;
        let mut flag = |tag| {
            members
                .optional(primitive(tag))
                .and_then(|item| item.map_or(Ok(false), reading::boolean))
        };
        let (only_users, only_authorities) = (flag(1)?, flag(2)?);
        let only_some_reasons = members.optional(primitive(3))?.map(Reasons::read).transpose()?;
        let mut flag = |tag| {
            members
                .optional(primitive(tag))
                .and_then(|item| item.map_or(Ok(false), reading::boolean))
        };
        let (indirect, only_attributes) = (flag(4)?, flag(5)?);
        members.end()?;
        Ok(Self {
            name,
            only_users,
            only_authorities,
            only_some_reasons,
            indirect,
            only_attributes,
        })
    }
}
