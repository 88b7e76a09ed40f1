//! A line of a CRL (RFC 5280 §5.1.2.6), encoded by itself.

use der::Encode;
use sekisho_pki::encoding::{instant, serial::Serial};
use time::OffsetDateTime;

use super::{CrlError, SEQUENCE};
use crate::revocation::RevocationReason;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Which certificate.
    pub serial: Serial,
    /// Since when.
    pub at: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
}

/// What an entry says of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Taken back, or on hold.
    Revoked(RevocationReason),
    /// On hold no longer: removeFromCRL, in a delta only (RFC 5280 §5.3.1).
    Removed,
}

/// Appends a revokedCertificates entry (RFC 5280 §5.1.2.6): serial number, date, and reasonCode
/// unless it is unspecified, then invalidityDate where one is known.
///
/// # Errors
/// [`der::Error`]: a time before 1970 or after 9999.
pub fn encode_entry(
    serial: &Serial,
    at: OffsetDateTime,
    listed: Listed,
    invalidity_at: Option<OffsetDateTime>,
    out: &mut Vec<u8>,
) -> der::Result<()> {
    const REASON_CODE: [u8; 11] =
        [0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01];
    const INVALIDITY_DATE: [u8; 9] = [0x30, 0x18, 0x06, 0x03, 0x55, 0x1d, 0x18, 0x04, 0x11];
    const REMOVE_FROM_CRL: u8 = 8;
    let reason = match listed {
        Listed::Revoked(RevocationReason::Unspecified) => None,
        Listed::Revoked(reason) => Some(reason.code()),
        Listed::Removed => Some(REMOVE_FROM_CRL),
    };
    // At most 22 + 17 + 2 + 12 + 26 octets: each length fits into one octet.
    let start = out.len();
    out.extend([SEQUENCE, 0]);
    let serial = serial.as_octets();
    let sign = serial.first().is_some_and(|octet| octet & 0x80 != 0);
    out.extend([0x02, short(serial.len() + usize::from(sign))?]);
    if sign {
        out.push(0);
    }
    out.extend_from_slice(serial);
    instant::to_time(at)?.encode(out)?;
    let length = reason.map_or(0, |_| 12) + invalidity_at.map_or(0, |_| 26);
    if length > 0 {
        out.extend([SEQUENCE, short(length)?]);
        if let Some(reason) = reason {
            out.extend(REASON_CODE);
            out.push(reason);
        }
        if let Some(at) = invalidity_at {
            out.extend(INVALIDITY_DATE);
            instant::to_generalized(at)?.encode(out)?;
        }
    }
    out[start + 1] = short(out.len() - start - 2)?;
    Ok(())
}

/// A length of one octet.
fn short(length: usize) -> der::Result<u8> {
    u8::try_from(length)
        .ok()
        .filter(|length| *length < 0x80)
        .ok_or_else(|| der::ErrorKind::Overflow.into())
}

/// The entries of a list, sorted by serial number.
///
/// # Errors
/// [`CrlError::Repeated`], [`CrlError::Build`].
pub(crate) fn encode_entries(entries: &[RevokedEntry]) -> Result<Vec<u8>, CrlError> {
    let mut octets = Vec::new();
    for entry in sorted(entries)? {
        encode_entry(&entry.serial, entry.at, Listed::Revoked(entry.reason), None, &mut octets)
            .map_err(CrlError::Build)?;
    }
    Ok(octets)
}

fn sorted(entries: &[RevokedEntry]) -> Result<Vec<&RevokedEntry>, CrlError> {
    let mut sorted: Vec<_> = entries.iter().collect();
    // By number, so that the same status gives the same octets: a shorter one is smaller, since
    // no serial begins with zero.
    sorted.sort_by(|one, other| {
        let (one, other) = (one.serial.as_octets(), other.serial.as_octets());
        one.len().cmp(&other.len()).then_with(|| one.cmp(other))
    });
    match sorted.windows(2).find(|pair| pair[0].serial == pair[1].serial) {
        Some(pair) => Err(CrlError::Repeated { serial: pair[0].serial.clone() }),
        None => Ok(sorted),
    }
}

#[cfg(test)]
mod tests {
    use const_oid::AssociatedOid;
    use der::Decode;
    use proptest::prelude::*;
    use x509_cert::{crl::RevokedCert, ext::pkix::CrlReason};

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_what_another_encoder_reads_and_writes(
            octets in proptest::collection::vec(any::<u8>(), 1..20),
            secs in 0_i64..200_000_000_000,
            reason in 0_usize..RevocationReason::ALL.len(),
            since in proptest::option::of(0_i64..200_000_000_000),
            removed: bool,
        ) {
            let Ok(serial) = Serial::from_octets(&octets) else { return Ok(()) };
            let at = OffsetDateTime::from_unix_timestamp(secs).unwrap();
            let since = since.map(|secs| OffsetDateTime::from_unix_timestamp(secs).unwrap());
            let reason = RevocationReason::ALL[reason];
            let listed = if removed { Listed::Removed } else { Listed::Revoked(reason) };
            let mut encoded = Vec::new();
            encode_entry(&serial, at, listed, since, &mut encoded).unwrap();
            let read: RevokedCert = RevokedCert::from_der(&encoded).unwrap();
            prop_assert_eq!(Serial::from_x509(&read.serial_number).unwrap(), serial);
            prop_assert_eq!(instant::from_time(&read.revocation_date), at);
            prop_assert_eq!(read.to_der().unwrap(), encoded);
            let extensions = read.crl_entry_extensions.unwrap_or_default();
            let code = extensions.iter().find(|e| e.extn_id == CrlReason::OID);
            let code = code.map(|e| CrlReason::from_der(e.extn_value.as_bytes()).unwrap() as u8);
            let expected = if removed { 8 } else { reason.code() };
            prop_assert_eq!(code.unwrap_or(0), expected);
            prop_assert_eq!(
                extensions.len(),
                usize::from(expected != 0) + usize::from(since.is_some())
            );
        }
    }
}
