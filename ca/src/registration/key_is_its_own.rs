//! Each device has its own key: one that another device was certified for was copied.

use super::{KeyHolder, RegisterEntry, RegistrationError};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    _: &VerifiedRequest,
    register: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    match register.key_used_by {
        Some(owner) if owner != KeyHolder::Terminal(register.terminal) => {
            Err(RegistrationError::KeyOfAnother { owner })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::registration::{
        KeyHolder, RegistrationError, examples::Example, terminal_identifier::TerminalIdentifier,
    };

    #[test]
    fn a_key_of_another_terminal_is_refused_and_its_own_is_not() {
        let mut example = Example::new();
        example.register.key_used_by = Some(KeyHolder::Terminal(example.register.terminal));
        assert!(example.approve().is_ok());
        for owner in [KeyHolder::Terminal(TerminalIdentifier::from_random(77)), KeyHolder::Server] {
            example.register.key_used_by = Some(owner);
            assert_eq!(example.approve().unwrap_err(), RegistrationError::KeyOfAnother { owner });
        }
    }
}
