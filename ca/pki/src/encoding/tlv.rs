//! Tag, length, value as they lie in a file (X.690 §8.1), each with the octet where it begins.
//!
//! For reading what other people made, where one wants to know *where* it breaks: the `der` crate
//! reads our own structures, and drops the place. Nothing here allocates, recurses or looks at an
//! octet more than [`MOST_OPEN`] times.

use std::fmt;

/// How many indefinite lengths may stand in one another.
pub const MOST_OPEN: usize = 16;

/// Which lengths are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// X.690 §10.1: definite and as short as possible.
    Der,
    /// X.690 §8.1.3: any length form. PKCS #12 and CMS allow it (RFC 7292 §4, RFC 5652 §5.1), and
    /// browsers' exports use it.
    Ber,
}

/// Class of a tag (X.690 §8.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// ASN.1's own types.
    Universal,
    /// Application-wide.
    Application,
    /// Of the structure around it.
    Context,
    /// By agreement.
    Private,
}

/// What broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The length points past the end.
    #[error("the value is longer than what is left")]
    Truncated,
    /// A length in more than four octets, or a form that the rules don't take.
    #[error("the length is not in the form that DER asks for")]
    Length,
    /// A tag number in more than four octets, or padded.
    #[error("the tag is not in the form that DER asks for")]
    Tag,
    /// Indefinite lengths in one another, more than [`MOST_OPEN`].
    #[error("more than {MOST_OPEN} indefinite lengths in one another")]
    Depth,
    /// Octets after the end.
    #[error("octets follow where the object should end")]
    Trailing,
    /// Something else was to stand here.
    #[error("expected {what}")]
    Expected {
        /// What was to stand here.
        what: &'static str,
    },
}

/// Where and why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: {fault}")]
pub struct Malformed {
    /// Octets from the beginning of what was read.
    pub offset: usize,
    /// What broke.
    pub fault: Fault,
}

/// A tag; printed as ASN.1 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Its class.
    pub class: Class,
    /// Its number.
    pub number: u32,
}

/// Universal tags by name (X.680 §8.6).
impl Tag {
    /// BOOLEAN.
    pub const BOOLEAN: Self = Self::universal(1);
    /// INTEGER.
    pub const INTEGER: Self = Self::universal(2);
    /// BIT STRING.
    pub const BIT_STRING: Self = Self::universal(3);
    /// OCTET STRING.
    pub const OCTET_STRING: Self = Self::universal(4);
    /// NULL.
    pub const NULL: Self = Self::universal(5);
    /// OBJECT IDENTIFIER.
    pub const OID: Self = Self::universal(6);
    /// ENUMERATED.
    pub const ENUMERATED: Self = Self::universal(10);
    /// UTF8String.
    pub const UTF8: Self = Self::universal(12);
    /// SEQUENCE.
    pub const SEQUENCE: Self = Self::universal(16);
    /// SET.
    pub const SET: Self = Self::universal(17);
    /// UTCTime.
    pub const UTC_TIME: Self = Self::universal(23);
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: Self = Self::universal(24);

    /// A universal tag.
    #[must_use]
    pub const fn universal(number: u32) -> Self {
        Self { class: Class::Universal, number }
    }

    /// A context tag.
    #[must_use]
    pub const fn context(number: u32) -> Self {
        Self { class: Class::Context, number }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Class::Universal => write!(f, "[UNIVERSAL {}]", self.number),
            Class::Application => write!(f, "[APPLICATION {}]", self.number),
            Class::Context => write!(f, "[{}]", self.number),
            Class::Private => write!(f, "[PRIVATE {}]", self.number),
        }
    }
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Whether other elements are inside.
    pub constructed: bool,
    /// Where its tag stands.
    pub offset: usize,
    /// Tag, length and value.
    pub whole: &'a [u8],
    /// The value alone.
    pub value: &'a [u8],
    /// Where its value begins.
    pub value_offset: usize,
    rules: Rules,
}

impl<'a> Tlv<'a> {
    /// The elements inside.
    ///
    /// # Errors
    /// [`Fault::Expected`]: it is primitive.
    pub fn children(&self) -> Result<Reader<'a>, Malformed> {
        if !self.constructed {
            return Err(self.expected("a constructed element"));
        }
        Ok(Reader { data: self.value, at: 0, base: self.value_offset, rules: self.rules })
    }

    /// Itself, if this is its tag and it is constructed or not as that tag wants.
    ///
    /// # Errors
    /// [`Fault::Expected`].
    pub fn expect(self, tag: Tag, what: &'static str) -> Result<Self, Malformed> {
        let constructed = tag == Tag::SEQUENCE || tag == Tag::SET;
        let fits = tag.class != Class::Universal
            || self.constructed == constructed
            || self.rules == Rules::Ber && tag == Tag::OCTET_STRING;
        if self.tag == tag && fits { Ok(self) } else { Err(self.expected(what)) }
    }

    /// The elements of a SEQUENCE or SET.
    ///
    /// # Errors
    /// [`Fault::Expected`].
    pub fn members(self, tag: Tag, what: &'static str) -> Result<Reader<'a>, Malformed> {
        self.expect(tag, what)?.children()
    }

    /// The one element inside, as EXPLICIT tagging has it.
    ///
    /// # Errors
    /// [`Malformed`]: none or several.
    pub fn only(&self) -> Result<Self, Malformed> {
        let mut inside = self.children()?;
        let only = inside.next()?;
        inside.finish()?;
        Ok(only)
    }

    /// The same value under the tag that an IMPLICIT one replaced.
    #[must_use]
    pub const fn as_tag(self, tag: Tag) -> Self {
        Self { tag, ..self }
    }

    /// The octets of an OCTET STRING, put together if they lie in pieces (X.690 §8.7.3).
    ///
    /// # Errors
    /// [`Malformed`]: a piece is none, or pieces lie in pieces more than [`MOST_OPEN`] deep.
    pub fn octet_string(&self) -> Result<Vec<u8>, Malformed> {
        let mut octets = Vec::new();
        self.push_octets(&mut octets, 0)?;
        Ok(octets)
    }

    fn push_octets(&self, octets: &mut Vec<u8>, depth: usize) -> Result<(), Malformed> {
        if !self.constructed {
            octets.extend_from_slice(self.value);
            return Ok(());
        }
        if depth == MOST_OPEN {
            return Err(Malformed { offset: self.offset, fault: Fault::Depth });
        }
        let mut pieces = self.children()?;
        while !pieces.is_finished() {
            pieces.next_as(Tag::OCTET_STRING, "OCTET STRING")?.push_octets(octets, depth + 1)?;
        }
        Ok(())
    }

    /// "Expected …" at this place.
    #[must_use]
    pub const fn expected(&self, what: &'static str) -> Malformed {
        Malformed { offset: self.offset, fault: Fault::Expected { what } }
    }

    /// Reads the value as an element of its own, as in an extension's OCTET STRING; DER.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn inside(&self) -> Result<Self, Malformed> {
        let mut reader =
            Reader { data: self.value, at: 0, base: self.value_offset, rules: self.rules };
        let only = reader.next()?;
        reader.finish()?;
        Ok(only)
    }
}

/// Reads elements one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    base: usize,
    rules: Rules,
}

struct Header {
    tag: Tag,
    constructed: bool,
    /// `None`: indefinite.
    length: Option<usize>,
    octets: usize,
}

impl<'a> Reader<'a> {
    /// Over these octets, the first of which is octet 0.
    #[must_use]
    pub const fn new(data: &'a [u8], rules: Rules) -> Self {
        Self { data, at: 0, base: 0, rules }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.at >= self.data.len()
    }

    /// Where the next element stands.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.base + self.at
    }

    /// The next element.
    ///
    /// # Errors
    /// [`Malformed`]; also when nothing is left.
    #[expect(clippy::should_implement_trait, reason = "an iterator would not stop at an error")]
    pub fn next(&mut self) -> Result<Tlv<'a>, Malformed> {
        let start = self.at;
        let header = header(self.data, start, self.rules).map_err(|fault| self.broke(fault))?;
        let value_at = start + header.octets;
        let (value_end, end) = match header.length {
            Some(length) => {
                let end = value_at
                    .checked_add(length)
                    .filter(|end| *end <= self.data.len())
                    .ok_or_else(|| self.broke(Fault::Truncated))?;
                (end, end)
            }
            None => indefinite_end(self.data, value_at)
                .map_err(|(at, fault)| Malformed { offset: self.base + at, fault })?,
        };
        self.at = end;
        Ok(Tlv {
            tag: header.tag,
            constructed: header.constructed,
            offset: self.base + start,
            whole: &self.data[start..end],
            value: &self.data[value_at..value_end],
            value_offset: self.base + value_at,
            rules: self.rules,
        })
    }

    /// The next element, if it has this tag.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn next_if(&mut self, tag: Tag) -> Result<Option<Tlv<'a>>, Malformed> {
        let mut ahead = self.clone();
        if ahead.is_finished() {
            return Ok(None);
        }
        let found = ahead.next()?;
        if found.tag != tag {
            return Ok(None);
        }
        *self = ahead;
        Ok(Some(found))
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn next_as(&mut self, tag: Tag, what: &'static str) -> Result<Tlv<'a>, Malformed> {
        if self.is_finished() {
            return Err(self.broke(Fault::Expected { what }));
        }
        self.next()?.expect(tag, what)
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// [`Fault::Trailing`].
    pub const fn finish(&self) -> Result<(), Malformed> {
        if self.is_finished() {
            Ok(())
        } else {
            Err(Malformed { offset: self.offset(), fault: Fault::Trailing })
        }
    }

    const fn broke(&self, fault: Fault) -> Malformed {
        Malformed { offset: self.offset(), fault }
    }
}

fn header(data: &[u8], at: usize, rules: Rules) -> Result<Header, Fault> {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
    let octet = |index: usize| data.get(at + index).copied().ok_or(Fault::Truncated);
    let first = octet(0)?;
    let class = match first >> 6 {
        0 => Class::Universal,
        1 => Class::Application,
        2 => Class::Context,
        _ => Class::Private,
    };
    let constructed = first & 0x20 != 0;
    let mut octets = 1;
    let number = if first & 0x1f < 0x1f {
        u32::from(first & 0x1f)
    } else {
        let mut number = 0_u32;
        loop {
            let next = octet(octets)?;
            octets += 1;
            // X.690 §8.1.2.4.2 (c): no leading zero group; four groups are 28 bits.
            if octets == 2 && next == 0x80 || octets > 5 {
                return Err(Fault::Tag);
            }
            number = number << 7 | u32::from(next & 0x7f);
            if next & 0x80 == 0 {
                break number;
            }
        }
    };
    let first = octet(octets)?;
    octets += 1;
    let length = match first {
        0..0x80 => Some(usize::from(first)),
        0x80 if rules == Rules::Ber && constructed => None,
        0x81..=0x84 => {
            let mut length = 0_usize;
            for _ in 0..first & 0x7f {
                length = length << 8 | usize::from(octet(octets)?);
                octets += 1;
            }
            let shortest = match length {
                0..0x80 => 0,
                0x80..0x100 => 1,
                0x100..0x1_0000 => 2,
                0x1_0000..0x100_0000 => 3,
                _ => 4,
            };
            if rules == Rules::Der && usize::from(first & 0x7f) != shortest {
                return Err(Fault::Length);
            }
            Some(length)
        }
        _ => return Err(Fault::Length),
    };
    Ok(Header { tag: Tag { class, number }, constructed, length, octets })
}

/// Where the value of an indefinite length ends, and where its end-of-contents octets end.
fn indefinite_end(data: &[u8], value_at: usize) -> Result<(usize, usize), (usize, Fault)> {
    let mut at = value_at;
    let mut open = 1;
    loop {
        if data.get(at..at + 2) == Some(&[0, 0]) {
            open -= 1;
            if open == 0 {
                return Ok((at, at + 2));
            }
            at += 2;
            continue;
        }
        let header = header(data, at, Rules::Ber).map_err(|fault| (at, fault))?;
        let value_at = at + header.octets;
        match header.length {
            Some(length) => {
                at = value_at
                    .checked_add(length)
                    .filter(|end| *end <= data.len())
                    .ok_or((at, Fault::Truncated))?;
            }
            None if open == MOST_OPEN => return Err((at, Fault::Depth)),
            None => {
                open += 1;
                at = value_at;
            }
        }
    }
}

/// An OBJECT IDENTIFIER in dots; `None` if it isn't one, or longer than 128 octets.
///
/// Arcs have up to 128 bits, so that those made of a UUID (X.667) can be shown.
#[must_use]
pub fn oid_text(value: &[u8]) -> Option<String> {
    use std::fmt::Write;
    if value.is_empty() || value.len() > 128 {
        return None;
    }
    let mut text = String::new();
    let mut arc = 0_u128;
    let mut begins = true;
    for octet in value {
        if begins && *octet == 0x80 || arc >> 121 != 0 {
            return None;
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        begins = octet & 0x80 == 0;
        if begins {
            if text.is_empty() {
                // X.690 §8.19.4: 40 × first + second.
                let first = (arc / 40).min(2);
                let _ = write!(text, "{first}.{}", arc - first * 40);
            } else {
                let _ = write!(text, ".{arc}");
            }
            arc = 0;
        }
    }
    begins.then_some(text)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Headers read by this thread: what reading costs where nothing is allocated.
        pub(super) static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    fn steps(work: impl FnOnce()) -> u64 {
        let before = STEPS.get();
        work();
        STEPS.get() - before
    }

    #[test]
    fn steps_grow_with_the_input_and_not_faster() {
        use crate::inspect::{Options, inspect};
        let look = |octets: &[u8]| {
            let now = time::macros::datetime!(2026-11-21 12:00 UTC);
            let _ = inspect(octets, &Options { now, entries: 20, passphrase: None });
        };
        let seed = |file: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/objects/");
            std::fs::read(format!("{folder}{file}")).unwrap()
        };
        for file in
            ["cross.cer", "crl.crl", "ocsp-response.der", "device.csr", "bundle.p7b", "nss.p12"]
        {
            for (once, twice) in sekisho_hostile::pairs(&seed(file), 100) {
                let (small, large) = (steps(|| look(&once)), steps(|| look(&twice)));
                assert!(large <= small * 5 / 2 + 64, "{file}: {small} steps, then {large}");
                // No octet is looked at more often than lengths may be open, twice over for finding
                // out what it is.
                assert!(large <= twice.len() as u64 * 2 * MOST_OPEN as u64, "{file}: {large}");
            }
        }
        for tower in sekisho_hostile::towers(60_000) {
            let taken = steps(|| look(&tower));
            assert!(taken <= tower.len() as u64 * 2 * MOST_OPEN as u64, "{taken}");
        }
    }

    fn whole(data: &[u8], rules: Rules) -> Result<Tlv<'_>, Malformed> {
        let mut reader = Reader::new(data, rules);
        let tlv = reader.next()?;
        reader.finish()?;
        Ok(tlv)
    }

    #[test]
    fn the_place_of_a_fault_is_told() {
        // SEQUENCE { INTEGER 5, OCTET STRING that is too long }
        let data = [0x30, 0x05, 0x02, 0x01, 0x05, 0x04, 0x09];
        let mut inside = whole(&data, Rules::Der).unwrap().children().unwrap();
        assert_eq!(inside.next().unwrap().value, [5]);
        assert_eq!(inside.next(), Err(Malformed { offset: 5, fault: Fault::Truncated }));
    }

    #[test]
    fn only_the_shortest_length_is_der() {
        for data in [&[0x04, 0x81, 0x01, 0xaa][..], &[0x04, 0x82, 0, 0x01, 0xaa]] {
            assert_eq!(whole(data, Rules::Der), Err(Malformed { offset: 0, fault: Fault::Length }));
            assert_eq!(whole(data, Rules::Ber).unwrap().value, [0xaa]);
        }
        assert!(whole(&[0x30, 0x80, 0, 0], Rules::Der).is_err());
        assert!(whole(&[0x30, 0x85, 0, 0, 0, 0, 0], Rules::Ber).is_err());
    }

    #[test]
    fn an_indefinite_length_ends_at_its_own_end() {
        let data = [0x30, 0x80, 0x24, 0x80, 0x04, 0x02, 0, 0, 0, 0, 0x05, 0, 0, 0];
        let outer = whole(&data, Rules::Ber).unwrap();
        assert_eq!(outer.value, &data[2..12]);
        let mut inside = outer.children().unwrap();
        assert_eq!(inside.next().unwrap().value, &data[4..8]);
        assert_eq!(inside.next().unwrap().tag, Tag::NULL);
        inside.finish().unwrap();
    }

    #[test]
    fn a_tower_of_indefinite_lengths_is_refused() {
        let tower = [0x30, 0x80].repeat(MOST_OPEN + 1);
        assert_eq!(whole(&tower, Rules::Ber).unwrap_err().fault, Fault::Depth);
    }

    #[test]
    fn identifiers_are_shown_in_dots() {
        for (octets, text) in [
            (&[0x55, 0x1d, 0x13][..], Some("2.5.29.19")),
            (&[0x2a, 0x83, 0x08], Some("1.2.392")),
            (&[0x88, 0x37, 0x03], Some("2.999.3")),
            (&[0x28, 0x81, 0x85, 0x42, 0, 1], Some("1.0.17090.0.1")),
            (&[0x55, 0x80, 0x01], None),
            (&[0x55, 0x83], None),
            (&[], None),
        ] {
            assert_eq!(oid_text(octets).as_deref(), text);
        }
        assert_eq!(oid_text(&[0xff; 40]), None);
    }

    #[test]
    fn long_tags_are_read_and_padded_ones_refused() {
        let tlv = whole(&[0x9f, 0x87, 0x68, 0x00], Rules::Der).unwrap();
        assert_eq!(tlv.tag.to_string(), "[1000]");
        assert!(whole(&[0x9f, 0x80, 0x68, 0x00], Rules::Der).is_err());
        assert!(whole(&[0x9f, 0x81, 0x81, 0x81, 0x81, 0x01, 0x00], Rules::Der).is_err());
    }
}
