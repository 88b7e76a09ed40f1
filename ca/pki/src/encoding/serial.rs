//! Certificate serial numbers as the register keeps them.

use std::fmt;

use x509_cert::serial_number::SerialNumber;

/// A positive serial number: big-endian, without leading zeros, at most 20 octets
/// (RFC 5280 §4.1.2.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

/// Not a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a serial number is positive and has at most 20 octets")]
pub struct SerialError;

impl Serial {
    /// From big-endian octets; leading zeros are dropped.
    ///
    /// # Errors
    /// [`SerialError`]: zero, or longer than 20 octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, SerialError> {
        let start = octets.iter().position(|octet| *octet != 0).ok_or(SerialError)?;
        let octets = &octets[start..];
        if octets.len() > 20 {
            return Err(SerialError);
        }
        Ok(Self(octets.to_vec()))
    }

    /// From hexadecimal digits, as people copy them: in either case, octets apart by colons or
    /// spaces, without the zero in front (as OpenSSL, Windows and browsers print them).
    ///
    /// A zero may be missing in front of the whole number only: `4b:1:f` could be two numbers.
    ///
    /// # Errors
    /// [`SerialError`].
    pub fn from_hex(text: &str) -> Result<Self, SerialError> {
        let is_whole = |digits: &str| digits.len().is_multiple_of(2);
        let mut groups = text.trim().split([':', ' ']);
        let first = groups.next().unwrap_or_default();
        let mut digits = if is_whole(first) { String::new() } else { "0".to_owned() };
        digits.push_str(first);
        for group in groups {
            if group.is_empty() || !is_whole(group) {
                return Err(SerialError);
            }
            digits.push_str(group);
        }
        Self::from_octets(&hex::decode(digits).map_err(|_| SerialError)?)
    }

    /// From a certificate or a CRL entry.
    ///
    /// # Errors
    /// [`SerialError`]: zero or negative.
    pub fn from_x509(serial: &SerialNumber) -> Result<Self, SerialError> {
        let octets = serial.as_bytes();
        // `as_bytes` keeps the sign octet: a high first bit means negative.
        if octets.first().is_some_and(|octet| octet & 0x80 != 0) {
            return Err(SerialError);
        }
        Self::from_octets(octets)
    }

    /// For a certificate.
    ///
    /// # Errors
    /// [`der::Error`]: 20 octets with the high bit set do not fit.
    pub fn to_x509(&self) -> der::Result<SerialNumber> {
        SerialNumber::new(&self.0)
    }

    /// Big-endian octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use der::Decode;

    use super::*;

    #[test]
    fn one_number_has_one_form() {
        let high = Serial::from_octets(&[0x00, 0x80, 0x01]).unwrap();
        assert_eq!(high, Serial::from_hex("8001").unwrap());
        assert_eq!(Serial::from_x509(&high.to_x509().unwrap()).unwrap(), high);
        let read = SerialNumber::from_der(&[0x02, 0x03, 0x00, 0x80, 0x01]).unwrap();
        assert_eq!(Serial::from_x509(&read).unwrap(), high);
        assert_eq!(high.to_string(), "8001");
    }

    #[test]
    fn digits_are_taken_as_people_copy_them() {
        let number = Serial::from_octets(&[0x0b, 0x1f, 0xa0]).unwrap();
        for text in
            ["b1fa0", "0b1fa0", "B1FA0", "b:1f:a0", "0B:1f:A0", "0b 1f a0", " b1fa0\n", "00b1fa0"]
        {
            assert_eq!(Serial::from_hex(text), Ok(number.clone()), "{text}");
        }
        // A zero left out in the middle would name another certificate.
        for text in
            ["0b:1f:a", "b1:f:a0", "b1fa0:", ":b1fa0", "b::1fa0", "", "0", "0xb1", "b1g", "é"]
        {
            assert_eq!(Serial::from_hex(text), Err(SerialError), "{text}");
        }
        assert_eq!(Serial::from_hex(&"f".repeat(40)), Ok(Serial(vec![0xff; 20])));
        assert_eq!(Serial::from_hex(&"f".repeat(41)), Err(SerialError));
    }

    #[test]
    fn zero_negative_and_long_are_refused() {
        assert!(Serial::from_octets(&[0, 0]).is_err());
        assert!(Serial::from_octets(&[]).is_err());
        assert!(Serial::from_octets(&[1; 21]).is_err());
        let negative = SerialNumber::from_der(&[0x02, 0x01, 0x80]);
        if let Ok(negative) = negative {
            assert!(Serial::from_x509(&negative).is_err());
        }
    }
}
