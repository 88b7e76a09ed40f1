//! Reading DER member by member, over `der`'s strict reader, without copying.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Decode, Header, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned;
use time::{Date, Month, OffsetDateTime, Time};

use crate::signature::{self, SignatureError};

/// What could not be read. `Display` names the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad(pub(super) String);

impl Bad {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<der::Error> for Bad {
    fn from(error: der::Error) -> Self {
        Self(error.to_string())
    }
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;

/// `[number]` of a constructed value.
pub(super) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// `[number]` of a primitive value.
pub(super) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// One tag, length and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// Tag and length included.
    pub(super) whole: &'a [u8],
    /// The contents.
    pub(super) value: &'a [u8],
}

impl<'a> Item<'a> {
    /// The identifier octet; tags above 30 share one, which no structure here asks for.
    pub(super) fn tag(self) -> u8 {
        self.whole.first().copied().unwrap_or_default()
    }

    /// The one value that `octets` hold.
    pub(super) fn only(octets: &'a [u8]) -> Result<Self, Bad> {
        let mut members = Members::of(octets)?;
        let item = members.next()?;
        members.end()?;
        Ok(item)
    }

    /// The one value that `octets` hold, of this tag.
    pub(super) fn only_of(octets: &'a [u8], tag: u8) -> Result<Self, Bad> {
        let item = Self::only(octets)?;
        item.expect(tag)?;
        Ok(item)
    }

    pub(super) fn expect(self, tag: u8) -> Result<Self, Bad> {
        if self.tag() == tag {
            Ok(self)
        } else {
            Err(Bad(format!("tag {:02x} instead of {tag:02x}", self.tag())))
        }
    }

    pub(super) fn members(self) -> Result<Members<'a>, Bad> {
        Members::of(self.value)
    }
}

/// The members of a SEQUENCE or SET, in order.
#[derive(Debug)]
pub(super) struct Members<'a>(SliceReader<'a>);

impl<'a> Members<'a> {
    pub(super) fn of(octets: &'a [u8]) -> Result<Self, Bad> {
        Ok(Self(SliceReader::new(octets)?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_finished()
    }

    pub(super) fn next(&mut self) -> Result<Item<'a>, Bad> {
        let header = Header::peek(&self.0)?;
        let whole = self.0.tlv_bytes()?;
        let length = usize::try_from(header.length()).map_err(|_| Bad::new("a length"))?;
        // `tlv_bytes` gave header and contents, so the contents are its last `length` octets.
        let value = whole.get(whole.len() - length..).ok_or_else(|| Bad::new("a length"))?;
        Ok(Item { whole, value })
    }

    pub(super) fn take(&mut self, tag: u8) -> Result<Item<'a>, Bad> {
        self.next()?.expect(tag)
    }

    /// The next member if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Item<'a>>, Bad> {
        if self.0.peek_byte() == Some(tag) { self.next().map(Some) } else { Ok(None) }
    }

    pub(super) fn end(self) -> Result<(), Bad> {
        if self.0.is_finished() { Ok(()) } else { Err(Bad::new("something after the end")) }
    }
}

/// The frame of certificates, CRLs and OCSP responses, taken apart without touching the octets
/// under the signature.
#[derive(Debug, Clone)]
pub(super) struct Signed<'a> {
    /// Tag and length included.
    pub(super) to_be_signed: &'a [u8],
    pub(super) algorithm: AlgorithmIdentifierOwned,
    /// `None` for a BIT STRING that is no whole number of octets: then it cannot verify, but what
    /// it should sign can be named.
    signature: Option<&'a [u8]>,
}

impl<'a> Signed<'a> {
    /// The frame, and what stands behind the signature.
    pub(super) fn read(der: &'a [u8]) -> Result<(Self, Members<'a>), Bad> {
        let mut members = Item::only_of(der, SEQUENCE)?.members()?;
        let to_be_signed = members.take(SEQUENCE)?.whole;
        let algorithm = AlgorithmIdentifierOwned::from_der(members.take(SEQUENCE)?.whole)?;
        let signature = match members.take(BIT_STRING)?.value {
            [] => return Err(Bad::new("a signature")),
            [0, octets @ ..] => Some(octets),
            _ => None,
        };
        Ok((Self { to_be_signed, algorithm, signature }, members))
    }

    /// The signature's octets.
    pub(super) fn octets(&self) -> Option<&'a [u8]> {
        self.signature
    }

    /// Verifies it by a key.
    pub(super) fn verify(&self, public_key_der: &[u8]) -> Result<(), SignatureError> {
        let signature = self.signature.ok_or(SignatureError::Invalid)?;
        signature::verify(public_key_der, &self.algorithm, self.to_be_signed, signature)
    }

    /// RFC 5280 §4.1.1.2: the algorithm under the signature must be the same; else the signed one
    /// is not the one used.
    pub(super) fn agrees(&self, inner: Item<'_>) -> Result<(), Bad> {
        if AlgorithmIdentifierOwned::from_der(inner.expect(SEQUENCE)?.whole)? == self.algorithm {
            Ok(())
        } else {
            Err(Bad::new("two different signature algorithms"))
        }
    }
}

/// A BOOLEAN; only 00 and FF are DER (X.690 §11.1).
pub(super) fn boolean(item: Item<'_>) -> Result<bool, Bad> {
    match item.value {
        [0x00] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(Bad::new("a BOOLEAN")),
    }
}

/// The contents of an INTEGER in its only shortest form (X.690 §8.3.2).
pub(super) fn integer<'a>(item: Item<'a>) -> Result<&'a [u8], Bad> {
    match item.value {
        [] | [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Bad::new("an INTEGER")),
        octets => Ok(octets),
    }
}

/// A count: not negative; what exceeds `u32` counts as `u32::MAX`, more than any path has.
pub(super) fn count(item: Item<'_>) -> Result<u32, Bad> {
    let octets = integer(item)?;
    if octets.first().is_some_and(|octet| octet & 0x80 != 0) {
        return Err(Bad::new("a negative count"));
    }
    Ok(octets
        .iter()
        .try_fold(0_u32, |sum, octet| sum.checked_mul(256)?.checked_add(u32::from(*octet)))
        .unwrap_or(u32::MAX))
}

/// Named bits, bit 0 as the lowest of the answer; those beyond the sixteenth are dropped.
pub(super) fn named_bits(item: Item<'_>) -> Result<u16, Bad> {
    let (unused, octets) = item.value.split_first().ok_or_else(|| Bad::new("a BIT STRING"))?;
    let last = octets.last().copied().unwrap_or_default();
    // Bits that do not count must be zero (X.690 §11.2.1), or two readers would read two values.
    let spare = match (unused, octets.is_empty()) {
        (0, _) => 0,
        (1..=7, false) => last & ((1 << unused) - 1),
        _ => return Err(Bad::new("a BIT STRING")),
    };
    if spare != 0 {
        return Err(Bad::new("a BIT STRING"));
    }
    Ok(octets
        .iter()
        .take(2)
        .enumerate()
        .fold(0, |bits, (place, octet)| bits | u16::from(octet.reverse_bits()) << (8 * place)))
}

/// An object identifier in dotted decimals; in hexadecimal if its arcs are too large to write so.
pub(super) fn oid_text(octets: &[u8]) -> String {
    ObjectIdentifier::from_bytes(octets)
        .map_or_else(|_| format!("hex {}", hex::encode(octets)), |oid| oid.to_string())
}

/// UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 wants them: seconds, `Z`, no fraction. Years of
/// two digits from 50 are those of the twentieth century; so 1950 is the earliest.
pub(super) fn time(item: Item<'_>) -> Result<OffsetDateTime, Bad> {
    let bad = || Bad::new("a time");
    let digits = |octets: &[u8]| {
        octets.iter().try_fold(0_u16, |sum, octet| {
            octet.is_ascii_digit().then(|| sum * 10 + u16::from(octet - b'0'))
        })
    };
    let (year, rest) = match (item.tag(), item.value) {
        (UTC_TIME, [y1, y2, rest @ ..]) => {
            let year = digits(&[*y1, *y2]).ok_or_else(bad)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, [y1, y2, y3, y4, rest @ ..]) => {
            (digits(&[*y1, *y2, *y3, *y4]).ok_or_else(bad)?, rest)
        }
        _ => return Err(bad()),
    };
    let [m1, m2, d1, d2, h1, h2, i1, i2, s1, s2, b'Z'] = rest else {
        return Err(bad());
    };
    let two = |tens: &u8, ones: &u8| {
        digits(&[*tens, *ones]).and_then(|value| u8::try_from(value).ok()).ok_or_else(bad)
    };
    let month = Month::try_from(two(m1, m2)?).map_err(|_| bad())?;
    let date = Date::from_calendar_date(i32::from(year), month, two(d1, d2)?).map_err(|_| bad())?;
    let clock = Time::from_hms(two(h1, h2)?, two(i1, i2)?, two(s1, s2)?).map_err(|_| bad())?;
    Ok(date.with_time(clock).assume_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(octets: &[u8]) -> Item<'_> {
        Item::only(octets).unwrap()
    }

    #[test]
    fn times_of_1950_are_read_and_fractions_and_offsets_are_not() {
        let at = |octets: &[u8]| time(item(octets)).map(|at| at.to_string());
        assert_eq!(at(b"\x17\x0d500101120100Z").unwrap(), "1950-01-01 12:01:00.0 +00:00:00");
        assert_eq!(at(b"\x17\x0d491231235959Z").unwrap(), "2049-12-31 23:59:59.0 +00:00:00");
        assert_eq!(at(b"\x18\x0f20500101000000Z").unwrap(), "2050-01-01 0:00:00.0 +00:00:00");
        for wrong in [
            &b"\x17\x0b5001011201Z"[..],
            b"\x17\x11500101120100+0900",
            b"\x18\x1120500101000000.5Z",
            b"\x17\x0d500230120100Z",
            b"\x17\x0d500101120160Z",
            b"\x17\x0d5001011201 0Z",
        ] {
            assert!(at(wrong).is_err());
        }
    }

    #[test]
    fn only_one_form_of_each_value_is_read() {
        assert!(boolean(item(&[1, 1, 1])).is_err());
        assert!(integer(item(&[2, 2, 0, 1])).is_err());
        assert!(integer(item(&[2, 2, 0, 0x80])).is_ok());
        assert!(count(item(&[2, 1, 0xff])).is_err());
        assert_eq!(count(item(&[2, 6, 1, 0, 0, 0, 0, 0])), Ok(u32::MAX));
        assert_eq!(named_bits(item(&[3, 2, 1, 0x06])), Ok(0x60));
        assert!(named_bits(item(&[3, 2, 1, 0x07])).is_err());
        assert!(Item::only(&[5, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            if let Ok(item) = Item::only(&octets) {
                let _ = (boolean(item), integer(item), count(item), named_bits(item), time(item));
                let _ = oid_text(item.value);
            }
        }

        #[test]
        fn every_second_is_read_back(at in -631_152_000_i64..2_524_608_000) {
            let at = OffsetDateTime::from_unix_timestamp(at).unwrap();
            let text = format!(
                "{:02}{:02}{:02}{:02}{:02}{:02}Z",
                at.year() % 100, u8::from(at.month()), at.day(), at.hour(), at.minute(), at.second()
            );
            let octets = [&[UTC_TIME, 13][..], text.as_bytes()].concat();
            prop_assert_eq!(time(item(&octets)), Ok(at));
        }
    }
}
