//! The key is none that others can compute: every rule of [`super::key`].

use super::{RegisterEntry, RegistrationError, key};
use crate::{profile::Profile, request::VerifiedRequest};

pub(super) fn check(
    request: &VerifiedRequest,
    _: &RegisterEntry,
    _: &Profile,
) -> Result<(), RegistrationError> {
    Ok(key::check(request.public_key_der())?)
}
