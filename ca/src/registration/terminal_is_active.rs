//! The device was created by its facility and not revoked.

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    if register.terminal_active {
        Ok(())
    } else {
        Err(RegistrationError::TerminalNotActive { terminal: register.terminal })
    }
}

#[cfg(test)]
mod tests {
    use crate::registration::{RegistrationError, examples::Example};

    #[test]
    fn a_revoked_terminal_gets_no_certificate() {
        let mut example = Example::new();
        example.register.terminal_active = false;
        assert!(matches!(example.approve(), Err(RegistrationError::TerminalNotActive { .. })));
    }
}
