//! Which list a certificate is found on, fixed by its serial number when that is drawn.
//!
//! The second octet of a serial number of ours is random. Entries are kept in 256 chunks by it, and
//! a partition is a range of chunks. So a certificate carries its partition in its serial number as
//! well as in its distribution point; and because a partition's name says of how many it is one,
//! another number of partitions for later certificates leaves the addresses in earlier ones good.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use sekisho_pki::encoding::serial::Serial;

/// The chunk that a serial number falls into.
#[must_use]
pub fn chunk_of(serial: &Serial) -> u8 {
    serial.as_octets().get(1).copied().unwrap_or(0)
}

/// Into how many partitions an authority's certificates fall: 2, 4, … 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlPartitions(u16);

impl CrlPartitions {
    /// `None` unless a power of two from 2 to 256, so that each has as many chunks.
    #[must_use]
    pub const fn new(count: u16) -> Option<Self> {
        if count >= 2 && count <= 256 && count.is_power_of_two() { Some(Self(count)) } else { None }
    }

    /// The partition of a serial number.
    #[must_use]
    pub fn of(self, serial: &Serial) -> CrlPartition {
        CrlPartition { number: u16::from(chunk_of(serial)) / self.chunks_each(), of: self }
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = CrlPartition> {
        (0..self.0).map(move |number| CrlPartition { number, of: self })
    }

    const fn chunks_each(self) -> u16 {
        256 / self.0
    }
}

/// One partition; as text `57of128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlPartition {
    number: u16,
    of: CrlPartitions,
}

impl CrlPartition {
    /// The chunks that it consists of.
    #[must_use]
    pub fn chunks(self) -> RangeInclusive<u8> {
        let each = self.of.chunks_each();
        let first = self.number * each;
        // 0 to 255, since `number` is less than the count.
        let octet = |chunk: u16| u8::try_from(chunk).unwrap_or(u8::MAX);
        octet(first)..=octet(first + each - 1)
    }
}

impl fmt::Display for CrlPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}of{}", self.number, self.of.0)
    }
}

/// Not the name of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a partition, such as 57of128")]
pub struct CrlPartitionError;

impl FromStr for CrlPartition {
    type Err = CrlPartitionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, of) = text.split_once("of").ok_or(CrlPartitionError)?;
        let read = |digits: &str| digits.parse::<u16>().map_err(|_| CrlPartitionError);
        let of = CrlPartitions::new(read(of)?).ok_or(CrlPartitionError)?;
        let partition = Self { number: read(number)?, of };
        // One name each: no sign, no leading zeros.
        if partition.number < of.0 && partition.to_string() == text {
            Ok(partition)
        } else {
            Err(CrlPartitionError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_serial_number_is_in_exactly_one_partition_and_that_has_its_chunk() {
        for count in [2, 4, 128, 256] {
            let partitions = CrlPartitions::new(count).unwrap();
            for octet in 0..=255 {
                let serial = Serial::from_octets(&[0x4b, octet, 1]).unwrap();
                let own = partitions.of(&serial);
                for partition in partitions.each() {
                    assert_eq!(partition.chunks().contains(&octet), partition == own);
                }
            }
            assert_eq!(partitions.each().count(), usize::from(count));
        }
        for count in [0, 1, 3, 127, 257, 512] {
            assert_eq!(CrlPartitions::new(count), None);
        }
    }

    #[test]
    fn a_partition_has_one_name() {
        for partition in CrlPartitions::new(128).unwrap().each() {
            assert_eq!(partition.to_string().parse(), Ok(partition));
        }
        for text in ["", "of", "128of128", "1of3", "+1of2", "01of2", "1of02", "-1of2", "1of2 "] {
            assert!(text.parse::<CrlPartition>().is_err(), "{text}");
        }
    }
}
