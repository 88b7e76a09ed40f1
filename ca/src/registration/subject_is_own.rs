//! A request that names somebody names this device.
//!
//! What the certificate says comes from the register, whatever the request asks; but a request
//! with another device's name is a mix-up that people should hear of.

use const_oid::db::rfc4519;
use sekisho_pki::encoding::name::text;

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    request: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    for attribute in request.subject().iter() {
        if attribute.oid != rfc4519::COMMON_NAME {
            continue;
        }
        let asked = text(&attribute.value).unwrap_or_default();
        if asked != register.terminal.to_string() {
            return Err(RegistrationError::OtherSubject {
                asked: asked.chars().take(64).collect(),
                terminal: register.terminal,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sekisho_pki::encoding::name::{Part, name};
    use x509_cert::name::Name;

    use crate::registration::{RegistrationError, examples::Example};

    #[test]
    fn an_empty_subject_is_fine_and_another_name_is_not() {
        let mut example = Example::new();
        example.subject = Name::default();
        assert!(example.approve().is_ok());
        example.subject = name(&[Part::CommonName("T0000000000")]).unwrap();
        assert!(matches!(example.approve(), Err(RegistrationError::OtherSubject { .. })));
    }
}
