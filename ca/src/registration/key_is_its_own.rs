//! Each device has its own key: one that another device was certified for was copied.

use super::{RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    match register.key_used_by {
        Some(owner) if owner != register.terminal => Err(RegistrationError::KeyOfAnother { owner }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::registration::{
        RegistrationError, examples::Example, terminal_identifier::TerminalIdentifier,
    };

    #[test]
    fn a_key_of_another_terminal_is_refused_and_its_own_is_not() {
        let mut example = Example::new();
        example.register.key_used_by = Some(example.register.terminal);
        assert!(example.approve().is_ok());
        let owner = TerminalIdentifier::from_random(77);
        example.register.key_used_by = Some(owner);
        assert_eq!(example.approve().unwrap_err(), RegistrationError::KeyOfAnother { owner });
    }
}
