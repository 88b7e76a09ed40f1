//! Somebody allowed this device a certificate.

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    if register.approval.is_some() {
        Ok(())
    } else {
        Err(RegistrationError::NotApproved { terminal: register.terminal })
    }
}

#[cfg(test)]
mod tests {
    use crate::registration::{RegistrationError, examples::Example};

    #[test]
    fn without_an_approval_there_is_no_certificate() {
        let mut example = Example::new();
        example.register.approval = None;
        assert!(matches!(example.approve(), Err(RegistrationError::NotApproved { .. })));
    }
}
