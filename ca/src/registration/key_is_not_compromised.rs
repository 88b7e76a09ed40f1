//! The key was never reported or found compromised.

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    if register.key_compromised { Err(RegistrationError::KeyCompromised) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::registration::{RegistrationError, examples::Example};

    #[test]
    fn a_burnt_key_is_not_certified_again() {
        let mut example = Example::new();
        example.register.key_compromised = true;
        assert_eq!(example.approve().unwrap_err(), RegistrationError::KeyCompromised);
    }
}
