//! The two forms of an ECDSA signature: DER for X.509, fixed length for JWS and cards.

use der::{Decode, Encode, Sequence, asn1::UintRef};

use crate::KeyError;

/// `ECDSA-Sig-Value` (RFC 5480 appendix A).
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// From DER to `R || S`, each `element_octets` long (RFC 7518 §3.4).
///
/// # Errors
/// [`KeyError::MalformedSignature`]: not DER, or a value longer than the field.
pub fn ecdsa_signature_to_fixed(der: &[u8], element_octets: usize) -> Result<Vec<u8>, KeyError> {
    let value = EcdsaSigValue::from_der(der).map_err(|_| KeyError::MalformedSignature)?;
    let mut fixed = Vec::with_capacity(element_octets * 2);
    for integer in [value.r, value.s] {
        let bytes = integer.as_bytes();
        let padding =
            element_octets.checked_sub(bytes.len()).ok_or(KeyError::MalformedSignature)?;
        fixed.resize(fixed.len() + padding, 0);
        fixed.extend_from_slice(bytes);
    }
    Ok(fixed)
}

/// From `R || S` to DER.
///
/// # Errors
/// [`KeyError::MalformedSignature`]: empty, of odd length, or longer than P-521 needs.
pub fn ecdsa_signature_to_der(fixed: &[u8]) -> Result<Vec<u8>, KeyError> {
    if fixed.is_empty() || !fixed.len().is_multiple_of(2) || fixed.len() > 132 {
        return Err(KeyError::MalformedSignature);
    }
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let value = EcdsaSigValue {
        r: UintRef::new(r).map_err(|_| KeyError::MalformedSignature)?,
        s: UintRef::new(s).map_err(|_| KeyError::MalformedSignature)?,
    };
    value.to_der().map_err(|_| KeyError::MalformedSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_padded_and_come_back() {
        let mut fixed = vec![0_u8; 64];
        fixed[31] = 0x01;
        fixed[32] = 0x80;
        let der = ecdsa_signature_to_der(&fixed).unwrap();
        assert_eq!(der[..5], [0x30, 38, 0x02, 0x01, 0x01]);
        assert_eq!(ecdsa_signature_to_fixed(&der, 32).unwrap(), fixed);
    }

    #[test]
    fn a_value_longer_than_the_field_is_refused() {
        let der = ecdsa_signature_to_der(&[0xff; 96]).unwrap();
        assert!(ecdsa_signature_to_fixed(&der, 32).is_err());
        assert!(ecdsa_signature_to_fixed(&der, 48).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&b""[..], &[0x30], &[0x30, 0x00], &[0x30, 0x03, 0x02, 0x01, 0x80]] {
            assert!(ecdsa_signature_to_fixed(bytes, 32).is_err());
        }
        for bytes in [&b""[..], &[1, 2, 3], &[0; 134]] {
            assert!(ecdsa_signature_to_der(bytes).is_err());
        }
    }
}
