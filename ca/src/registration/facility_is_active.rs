//! The facility is accredited now.

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    if register.facility_active {
        Ok(())
    } else {
        Err(RegistrationError::FacilityNotActive { facility: register.facility })
    }
}

#[cfg(test)]
mod tests {
    use crate::registration::{RegistrationError, examples::Example};

    #[test]
    fn a_suspended_facility_gets_no_certificate() {
        let mut example = Example::new();
        assert!(example.approve().is_ok());
        example.register.facility_active = false;
        assert!(matches!(example.approve(), Err(RegistrationError::FacilityNotActive { .. })));
    }
}
