//! HPKI certificates that vouch for a person's profession where what logs them in names none.

use time::OffsetDateTime;

use crate::{
    StoreError,
    moment::{digest, moment},
    world::World,
};

/// An HPKI certificate that vouches for a person's profession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The certificate, DER.
    pub certificate_der: Vec<u8>,
    /// End of its validity.
    pub not_after: OffsetDateTime,
    /// SHA-256 of its issuer's DER name.
    pub issuer_hash: [u8; 32],
    /// Its subject's serialNumber.
    pub serial_number: String,
    /// The world of whom it names.
    pub world: World,
}

impl Voucher {
    /// Of the columns of `card_certificate` and `card_identity`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub(crate) fn of_columns(
        der: Vec<u8>,
        not_after: i64,
        issuer_hash: Vec<u8>,
        serial_number: String,
        world: &str,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            certificate_der: der,
            not_after: moment("card certificate", not_after)?,
            issuer_hash: digest("card issuer", issuer_hash)?,
            serial_number,
            world: World::of(world)?,
        })
    }
}
