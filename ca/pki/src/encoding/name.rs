//! Distinguished names: made from typed parts, never from text with separators.

use const_oid::{ObjectIdentifier, db::rfc4519};
use der::{
    Encode,
    asn1::{Any, PrintableStringRef, SetOfVec, Utf8StringRef},
};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

/// One part of a name that we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// countryName, two letters, PrintableString.
    Country(&'a str),
    /// organizationName.
    Organization(&'a str),
    /// organizationalUnitName.
    OrganizationalUnit(&'a str),
    /// commonName.
    CommonName(&'a str),
    /// serialNumber, PrintableString (X.520 §6.2.9).
    SerialNumber(&'a str),
}

/// X.520's upper bound for the names above, in characters (RFC 5280 appendix A.1).
pub const MOST_CHARACTERS: usize = 64;

/// Puts the parts together in this order, one attribute in each RDN.
///
/// PrintableString for country and serialNumber, UTF8String for the rest (RFC 5280 §4.1.2.4).
///
/// # Errors
/// [`der::Error`]: empty, longer than [`MOST_CHARACTERS`], or unprintable where PrintableString
/// is asked for.
pub fn name(parts: &[Part<'_>]) -> der::Result<Name> {
    let mut rdns = RdnSequence::default();
    for part in parts {
        let (oid, text, printable) = match part {
            Part::Country(text) => (rfc4519::COUNTRY_NAME, text, true),
            Part::Organization(text) => (rfc4519::ORGANIZATION_NAME, text, false),
            Part::OrganizationalUnit(text) => (rfc4519::ORGANIZATIONAL_UNIT_NAME, text, false),
            Part::CommonName(text) => (rfc4519::COMMON_NAME, text, false),
            Part::SerialNumber(text) => (rfc4519::SERIAL_NUMBER, text, true),
        };
        let characters = text.chars().count();
        if characters == 0 || characters > MOST_CHARACTERS || text.chars().any(char::is_control) {
            return Err(der::Tag::Utf8String.value_error().into());
        }
        let value = if printable {
            Any::encode_from(&PrintableStringRef::new(text)?)?
        } else {
            Any::encode_from(&Utf8StringRef::new(text)?)?
        };
        let mut set = SetOfVec::new();
        set.insert(AttributeTypeAndValue { oid, value })?;
        rdns.push(RelativeDistinguishedName::from(set));
    }
    Ok(Name::hazmat_from_rdn_sequence(rdns))
}

/// The text of the only attribute of this type; `None` if there is none, several, or it is no
/// UTF8String, PrintableString or IA5String.
#[must_use]
pub fn only_text(name: &Name, oid: ObjectIdentifier) -> Option<String> {
    let mut found = name.iter().filter(|attribute| attribute.oid == oid);
    let attribute = found.next()?;
    if found.next().is_some() {
        return None;
    }
    text(&attribute.value)
}

/// The text of a string value.
#[must_use]
pub fn text(value: &Any) -> Option<String> {
    use der::{Tag, Tagged};
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).ok()
        }
        Tag::BmpString if value.value().len().is_multiple_of(2) => {
            let units: Vec<u16> = value
                .value()
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// Whether two names are the same by RFC 5280 §7.1: octet by octet, or after folding case and
/// white space of PrintableString and UTF8String values.
///
/// UTF8String values are folded in ASCII only: a stricter comparison than stringprep's, so it
/// refuses some equal names and accepts no different ones.
#[must_use]
pub fn same(left: &Name, right: &Name) -> bool {
    if let (Ok(left), Ok(right)) = (left.to_der(), right.to_der())
        && left == right
    {
        return true;
    }
    let (mut lefts, mut rights) = (left.iter_rdn(), right.iter_rdn());
    loop {
        match (lefts.next(), rights.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if same_rdn(left, right) => {}
            _ => return false,
        }
    }
}

fn same_rdn(left: &RelativeDistinguishedName, right: &RelativeDistinguishedName) -> bool {
    // A set: each of the left has its like on the right, and none is left over.
    left.len() == right.len()
        && left.iter().all(|one| {
            right.iter().any(|other| one.oid == other.oid && same_value(&one.value, &other.value))
        })
}

fn same_value(left: &Any, right: &Any) -> bool {
    if left == right {
        return true;
    }
    match (text(left), text(right)) {
        (Some(left), Some(right)) => fold(&left) == fold(&right),
        _ => false,
    }
}

fn fold(text: &str) -> String {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn parts_keep_their_order_and_their_string_types() {
        let made = name(&[
            Part::Country("JP"),
            Part::CommonName("T0123456789"),
            Part::SerialNumber("179927398711"),
        ])
        .unwrap();
        assert_eq!(
            hex::encode(made.to_der().unwrap()),
            "303a310b3009060355040613024a503114301206035504030c0b54303132\
             33343536373839311530130603550405130c313739393237333938373131"
        );
        assert_eq!(only_text(&made, rfc4519::COMMON_NAME).as_deref(), Some("T0123456789"));
    }

    #[test]
    fn a_comma_in_an_organisation_is_one_value() {
        let made = name(&[Part::Organization("Ministry of Health, Labour and Welfare")]).unwrap();
        assert_eq!(made.len(), 1);
    }

    #[test]
    fn empty_long_and_unprintable_parts_are_refused() {
        assert!(name(&[Part::CommonName("")]).is_err());
        assert!(name(&[Part::CommonName(&"x".repeat(65))]).is_err());
        assert!(name(&[Part::CommonName("a\nb")]).is_err());
        assert!(name(&[Part::SerialNumber("日本")]).is_err());
        assert!(name(&[Part::CommonName("日本")]).is_ok());
    }

    #[test]
    fn case_and_spaces_do_not_matter_and_everything_else_does() {
        let base = Name::from_str("CN=Some  Authority,O=Example,C=JP").unwrap();
        let folded = Name::from_str("CN=some authority,O=EXAMPLE,C=JP").unwrap();
        let longer = Name::from_str("OU=x,CN=Some Authority,O=Example,C=JP").unwrap();
        let other = Name::from_str("CN=Some Authoritx,O=Example,C=JP").unwrap();
        assert!(same(&base, &folded));
        assert!(!same(&base, &longer));
        assert!(!same(&longer, &base));
        assert!(!same(&base, &other));
    }
}
