//! The profile certifies keys of this kind and size.

use sekisho_pki::signature::PublicKeyKind;

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    request: &VerifiedRequest,
    _: &RegisterEntry,
    profile: &Profile,
) -> Result<(), RegistrationError> {
    check_key(request.public_key_der(), profile)
}

pub(super) fn check_key(public_key_der: &[u8], profile: &Profile) -> Result<(), RegistrationError> {
    let kind = PublicKeyKind::of_der(public_key_der);
    if kind.is_some_and(|kind| profile.allows_key(kind)) {
        Ok(())
    } else {
        Err(RegistrationError::KeyKind { profile: profile.name().to_owned(), kind })
    }
}

#[cfg(test)]
mod tests {
    use sekisho_key::{RsaSize, SoftwareKey};

    use super::*;
    use crate::registration::{approve_server, examples::Example};

    #[test]
    fn a_terminal_with_2048_bits_is_refused_and_with_3072_is_not() {
        let mut example = Example::new();
        example.key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        assert!(example.approve().is_ok());
        example.key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        match example.approve() {
            Err(RegistrationError::KeyKind { kind: Some(kind), .. }) => {
                assert_eq!(kind, PublicKeyKind::Rsa { modulus_bits: 2048, usual_exponent: true });
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_with_an_rsa_key_is_refused() {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
        let profile = Profile::shipped("server").unwrap();
        assert!(matches!(
            approve_server(&key, &["login.example"], &profile),
            Err(RegistrationError::KeyKind { .. })
        ));
    }
}
