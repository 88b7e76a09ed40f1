//! When a judgement may turn out otherwise although nothing but the time has changed.

use time::{Duration, OffsetDateTime};

use super::{certificate::Parsed, crl::Crl};

/// Longest certificate that is looked at.
const MOST_OCTETS: usize = 1024 * 1024;

/// The first instants at which one of these begins or ceases to count, in order: certificates by their validity, CRLs
/// by theirs and by the age that is borne with. Before the next of them a path over these is judged as it was.
#[must_use]
pub fn turning_points<'a>(
    certificates_der: impl IntoIterator<Item = &'a [u8]>,
    crls: &[Crl],
    most_crl_age: Duration,
) -> Vec<OffsetDateTime> {
    let mut turns = Vec::new();
    // One that does not read never counts.
    for certificate in
        certificates_der.into_iter().filter_map(|der| Parsed::parse(der, MOST_OCTETS).ok())
    {
        turns.extend(certificate.turns());
    }
    turns.extend(crls.iter().flat_map(|crl| crl.turns(most_crl_age)));
    turns.sort_unstable();
    turns.dedup();
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_read_has_no_turns() {
        let broken: [&[u8]; 2] = [&[], &[0x30, 0x80]];
        assert!(turning_points(broken, &[], Duration::DAY).is_empty());
    }
}
