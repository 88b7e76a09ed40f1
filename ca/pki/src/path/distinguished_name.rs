//! Distinguished names in one comparable form (RFC 5280 §7.1, RFC 4518).

use std::sync::Arc;

use der::Decode;
use unicode_normalization::UnicodeNormalization;
use x509_cert::name::Name;

use super::reading::{Bad, Item, Members, OID, SEQUENCE, SET};

/// A distinguished name: as it came, and in a form whose octets are equal exactly when the names
/// are. A name is below another when its form begins with the other's.
#[derive(Debug, Clone)]
pub(super) struct DistinguishedName {
    pub(super) der: Vec<u8>,
    form: Arc<[u8]>,
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form
    }
}

/// emailAddress (PKCS #9), 1.2.840.113549.1.9.1.
const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];

impl DistinguishedName {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Bad> {
        let mut form = Vec::new();
        let mut rdns = item.expect(SEQUENCE)?.members()?;
        while !rdns.is_empty() {
            form.extend(relative(rdns.take(SET)?)?);
        }
        Ok(Self { der: item.whole.to_vec(), form: form.into() })
    }

    /// This name with one more RDN, of which `members` are the SET's contents: what
    /// nameRelativeToCRLIssuer means (RFC 5280 §4.2.1.13).
    pub(super) fn with(&self, members: &[u8]) -> Result<Vec<u8>, Bad> {
        let mut form = self.form.to_vec();
        form.extend(relative_members(Members::of(members)?)?);
        Ok(form)
    }

    pub(super) fn form(&self) -> &Arc<[u8]> {
        &self.form
    }

    pub(super) fn is_empty(&self) -> bool {
        self.form.is_empty()
    }

    /// Whether this name is `base` or stands below it.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.form.starts_with(&base.form)
    }

    /// Values of emailAddress attributes; `None` for one that is no text in ASCII.
    pub(super) fn email_addresses(&self) -> Result<Vec<Option<String>>, Bad> {
        let mut found = Vec::new();
        let mut rdns = Item::only(&self.der)?.members()?;
        while !rdns.is_empty() {
            let mut attributes = rdns.take(SET)?.members()?;
            while !attributes.is_empty() {
                let mut attribute = attributes.take(SEQUENCE)?.members()?;
                if attribute.take(OID)?.value == EMAIL_ADDRESS {
                    found.push(text(attribute.next()?).filter(|text| text.is_ascii()));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn to_name(&self) -> der::Result<Name> {
        Name::from_der(&self.der)
    }
}

impl std::fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to_name() {
            Ok(name) if !name.is_empty() => visible(&name.to_string(), f),
            Ok(_) => f.write_str("(empty name)"),
            Err(_) => write!(f, "hex {}", hex::encode(&self.der)),
        }
    }
}

/// Text for a terminal or a log: what would move the cursor or turn the writing is spelled out.
fn visible(text: &str, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    use std::fmt::Write;
    text.chars().try_for_each(|one| match one {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(f, "{}", one.escape_unicode()),
        one if one.is_control() => write!(f, "{}", one.escape_unicode()),
        one => f.write_char(one),
    })
}

fn framed(octets: &[u8]) -> Vec<u8> {
    // A name comes from a certificate or list of at most 64 MiB.
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), octets].concat()
}

/// A set: its attributes are sorted, so that their order on the wire does not matter.
fn relative(rdn: Item<'_>) -> Result<Vec<u8>, Bad> {
    relative_members(rdn.members()?)
}

fn relative_members(mut members: Members<'_>) -> Result<Vec<u8>, Bad> {
    let mut attributes = Vec::new();
    while !members.is_empty() {
        let mut attribute = members.take(SEQUENCE)?.members()?;
        let kind = attribute.take(OID)?;
        let value = attribute.next()?;
        attribute.end()?;
        let value = match text(value) {
            Some(text) => [&b"t"[..], prepared(&text).as_bytes()].concat(),
            None => [&b"b"[..], value.whole].concat(),
        };
        attributes.push([framed(kind.whole), framed(&value)].concat());
    }
    if attributes.is_empty() {
        return Err(Bad::new("an empty relative distinguished name"));
    }
    attributes.sort_unstable();
    Ok(framed(&attributes.concat()))
}

/// The text of a string type; `None` for other types and for octets that are no such text.
/// TeletexString is compared as text in its ASCII part only, the rest of T.61 octet by octet.
fn text(value: Item<'_>) -> Option<String> {
    let octets = value.value;
    match value.tag() {
        // UTF8String; NumericString, PrintableString, TeletexString, IA5String, VisibleString.
        0x0c => String::from_utf8(octets.to_vec()).ok(),
        0x12 | 0x13 | 0x14 | 0x16 | 0x1a if octets.is_ascii() => {
            String::from_utf8(octets.to_vec()).ok()
        }
        // UniversalString.
        0x1c if octets.len().is_multiple_of(4) => octets
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect(),
        // BMPString.
        0x1e if octets.len().is_multiple_of(2) => {
            let units: Vec<u16> =
                octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// RFC 4518 §2: mapped, case folded, NFKC, and runs of spaces made one with none at the ends.
fn prepared(text: &str) -> String {
    let folded = if text.is_ascii() {
        text.chars().filter_map(mapped).map(|one| one.to_ascii_lowercase()).collect::<String>()
    } else {
        let compatible = text.nfkc().filter_map(mapped);
        // Upper, then lower: so that final sigma and sharp s meet their other forms.
        let lower: String =
            compatible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        lower.nfkc().collect()
    };
    let mut prepared = String::with_capacity(folded.len());
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        if !prepared.is_empty() {
            prepared.push(' ');
        }
        prepared.push_str(word);
    }
    prepared
}

/// RFC 4518 §2.2: `None` for what is mapped to nothing.
fn mapped(one: char) -> Option<char> {
    match one {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' => Some(' '),
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' => None,
        '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => None,
        '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' => None,
        '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => None,
        other if other.is_control() => None,
        other if other.is_whitespace() => Some(' '),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use der::Encode;
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> DistinguishedName {
        let der = Name::from_str(text).unwrap().to_der().unwrap();
        DistinguishedName::read(Item::only(&der).unwrap()).unwrap()
    }

    fn attribute(tag: u8, octets: &[u8]) -> DistinguishedName {
        let wrap = |tag: u8, inner: &[u8]| [&[tag, inner.len() as u8][..], inner].concat();
        let value = [&[6, 3, 0x55, 4, 3][..], &wrap(tag, octets)].concat();
        let der = wrap(0x30, &wrap(0x31, &wrap(0x30, &value)));
        DistinguishedName::read(Item::only(&der).unwrap()).unwrap()
    }

    #[test]
    fn case_and_spaces_and_the_string_type_do_not_matter() {
        assert_eq!(dn("CN=Some  Authority,O=x,C=JP"), dn("CN= some authority,O=X,C=JP"));
        assert_ne!(dn("CN=a,O=x,C=JP"), dn("O=x,CN=a,C=JP"));
        assert_ne!(dn("CN=a,O=x"), dn("CN=ab,O=x"));
        assert_eq!(attribute(0x13, b"abc"), attribute(0x0c, b"ABC"));
        assert_eq!(
            attribute(
                0x1e,
                "医師 A".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>().as_slice()
            ),
            attribute(0x0c, "医師　Ａ".as_bytes())
        );
        assert_eq!(attribute(0x0c, "ÉCOLE".as_bytes()), attribute(0x0c, "e\u{301}cole".as_bytes()));
        assert_eq!(attribute(0x14, b"abc"), attribute(0x0c, b"abc"));
        assert_ne!(attribute(0x14, b"\xe9"), attribute(0x0c, "é".as_bytes()));
        assert_ne!(attribute(0x04, b"abc"), attribute(0x04, b"ABC"));
    }

    #[test]
    fn a_name_is_shown_without_control_over_the_terminal() {
        let name = attribute(0x0c, "a\u{1b}[2J\u{202e}b".as_bytes());
        let shown = name.to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }

    #[test]
    fn a_name_below_another_begins_with_it() {
        // RFC 4514 text runs from the last RDN to the first.
        assert!(dn("CN=a,O=x,C=JP").is_within(&dn("O=X,C=jp")));
        assert!(dn("O=x,C=JP").is_within(&dn("O=x,C=JP")));
        assert!(!dn("O=x,C=JP").is_within(&dn("CN=a,O=x,C=JP")));
        assert!(!dn("O=xy,C=JP").is_within(&dn("O=x,C=JP")));
        let base = dn("O=x,C=JP");
        let rdn = [&[0x30, 0x08, 6, 3, 0x55, 4, 3, 0x13, 1][..], b"a"].concat();
        assert_eq!(base.with(&rdn).unwrap(), dn("CN=a,O=x,C=JP").form().to_vec());
    }

    proptest! {
        #[test]
        fn case_and_runs_of_spaces_never_matter(words in proptest::collection::vec("[a-z0-9]{1,8}", 0..5)) {
            let loose = format!(" {} ", words.join("  ").to_ascii_uppercase());
            prop_assert_eq!(prepared(&loose), words.join(" "));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = prepared(&text);
        }
    }
}
