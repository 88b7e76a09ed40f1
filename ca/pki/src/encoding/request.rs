//! PKCS #10 certification requests (RFC 2986), the asking side.
//!
//! The private key is elsewhere: [`to_be_signed`] gives what it must sign, and
//! [`super::signed_object::assemble`] puts the request together.

use der::{Decode, Encode, asn1::SetOfVec};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::{
    name::Name,
    request::{CertReqInfo, Version},
};

/// DER `CertificationRequestInfo` for this subject and public key, without attributes: what the
/// certificate will say is decided by its profile, not by the asker.
///
/// # Errors
/// [`der::Error`]: `spki_der` is no `SubjectPublicKeyInfo`.
pub fn to_be_signed(subject: &Name, spki_der: &[u8]) -> der::Result<Vec<u8>> {
    CertReqInfo {
        version: Version::V1,
        subject: subject.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(spki_der)?,
        attributes: SetOfVec::new(),
    }
    .to_der()
}
