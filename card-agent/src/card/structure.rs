//! Reading EF.OD, EF.AOD, EF.PrKD and EF.CD (ISO/IEC 7816-15 §8), as far as a login needs them.
//!
//! A card is a stranger: lengths are checked, depth is fixed, and what isn't understood is skipped.

/// One data object: tag, value.
pub type Object<'a> = (u8, &'a [u8]);

/// Splits octets into data objects; stops at padding and at the first malformed one.
pub fn objects(mut octets: &[u8]) -> Vec<Object<'_>> {
    let mut found = Vec::new();
    while let Some((tag, value, rest)) = next(octets) {
        found.push((tag, value));
        octets = rest;
        if found.len() == 64 {
            break;
        }
    }
    found
}

fn next(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    if matches!(tag, 0 | 0xff) || tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

fn child(octets: &[u8], tag: u8) -> Option<&[u8]> {
    objects(octets).into_iter().find(|object| object.0 == tag).map(|object| object.1)
}

/// Where a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePath {
    /// By short identifier, 1 to 30.
    Short(u8),
    /// By file identifier.
    Id(u16),
}

impl FilePath {
    /// `efidOrPath`: one octet is a short identifier in its upper five bits, longer is a path whose
    /// last two octets name the file.
    fn parse(octets: &[u8]) -> Option<Self> {
        match octets {
            [shifted] if shifted & 7 == 0 && *shifted != 0 => Some(Self::Short(shifted >> 3)),
            [.., high, low] => Some(Self::Id(u16::from_be_bytes([*high, *low]))),
            _ => None,
        }
    }

    /// The short identifier that such a file has where its card tells of no other: the lower five bits
    /// (ISO/IEC 7816-4, file control parameters 83 and 88). `None` where the identifier has more of them.
    pub fn implied_short(self) -> Option<Self> {
        match self {
            Self::Id(id @ 1..=30) => Some(Self::Short(id as u8)),
            Self::Id(_) | Self::Short(_) => None,
        }
    }

    /// The two octets that MSE names the key with.
    pub fn reference(self) -> [u8; 2] {
        match self {
            Self::Short(sfi) => [0, sfi],
            Self::Id(id) => id.to_be_bytes(),
        }
    }
}

/// EF.OD: where the directories lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directory {
    /// Private keys.
    pub private_keys: FilePath,
    /// Certificates.
    pub certificates: FilePath,
    /// Authentication objects.
    pub authentication: FilePath,
}

/// Reads EF.OD.
pub fn directory(octets: &[u8]) -> Option<Directory> {
    let at = |tag| FilePath::parse(child(child(child(octets, tag)?, 0x30)?, 0x04)?);
    Some(Directory { private_keys: at(0xa0)?, certificates: at(0xa4)?, authentication: at(0xa8)? })
}

/// The type attributes of an entry: `[1] { SEQUENCE { … } }`.
fn type_attributes(entry: &[u8]) -> Option<&[u8]> {
    child(child(entry, 0xa1)?, 0x30)
}

/// EF.AOD: P2 of VERIFY.
pub fn pin_reference(octets: &[u8]) -> Option<u8> {
    let (_, entry) = *objects(octets).first()?;
    match child(type_attributes(entry)?, 0x80)? {
        [reference] | [0, reference] => Some(*reference),
        _ => None,
    }
}

/// EF.PrKD: where the private key lies.
pub fn private_key(octets: &[u8]) -> Option<FilePath> {
    let (_, entry) = *objects(octets).first()?;
    FilePath::parse(child(child(type_attributes(entry)?, 0x30)?, 0x04)?)
}

/// EF.CD: where the end entity certificate lies; by its label, or the first.
pub fn end_entity_certificate(octets: &[u8]) -> Option<FilePath> {
    let entries = objects(octets);
    let labelled = entries.iter().find(|(_, entry)| {
        child(entry, 0x30)
            .and_then(|common| child(common, 0x0c))
            .is_some_and(|label| label.windows(10).any(|part| part == b"END ENTITY"))
    });
    let (_, entry) = labelled.or(entries.first())?;
    let attributes = type_attributes(entry)?;
    // value is a choice: a SEQUENCE with a path.
    FilePath::parse(child(child(attributes, 0x30)?, 0x04)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_directory_seen_on_a_real_card_is_read() {
        let octets = [
            0xa0, 6, 0x30, 4, 4, 2, 0, 2, 0xa1, 6, 0x30, 4, 4, 2, 0, 3, 0xa4, 6, 0x30, 4, 4, 2, 0,
            4, 0xa7, 6, 0x30, 4, 4, 2, 0, 5, 0xa8, 6, 0x30, 4, 4, 2, 0, 1, 0xff, 0xff,
        ];
        let expected = Directory {
            private_keys: FilePath::Id(2),
            certificates: FilePath::Id(4),
            authentication: FilePath::Id(1),
        };
        assert_eq!(directory(&octets), Some(expected));
    }

    #[test]
    fn a_shifted_short_identifier_is_told_from_a_file_identifier() {
        assert_eq!(FilePath::parse(&[0xc0]), Some(FilePath::Short(0x18)));
        assert_eq!(FilePath::parse(&[0x00, 0x16]), Some(FilePath::Id(0x16)));
        assert_eq!(FilePath::parse(&[0xc1]), None);
        assert_eq!(FilePath::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = directory(&octets);
            let _ = pin_reference(&octets);
            let _ = private_key(&octets);
            let _ = end_entity_certificate(&octets);
        }
    }
}
