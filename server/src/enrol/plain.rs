//! The plain course of an issuance: a right that nobody has used, a key that nobody has seen,
//! nothing to take back. Two commits, shared with other requests.

use sekisho_ca::{
    issuance::{ApprovedRequest, IssuanceError},
    record::{IssuedCertificate, RecordError},
};
use sekisho_store::{
    audit::Entry,
    issuing::{Enrolment, Right},
};
use time::OffsetDateTime;

use crate::{app::App, authority::Line, error::est::EstError};

/// Where the plain course led.
pub(super) enum Course {
    /// To the end.
    Issued(Vec<u8>),
    /// To a certificate that is kept; what it means for code and terminal is to be decided.
    ToConclude(Box<IssuedCertificate>),
    /// Nowhere: the right was gone, or the key has a certificate. Nothing was written.
    Unusual,
    /// Nowhere: the authority was taken back. Only that is recorded, and the right is unused.
    IssuerRevoked,
}

/// Issues by a right, under the present authority of `line`. `used` is recorded with its use, `concludes` with the certificate.
///
/// # Errors
/// The issuance failed; the right may be used up, for this key.
pub(super) async fn issue(
    app: &App,
    line: Line,
    right: Right,
    approved: ApprovedRequest,
    (used, concludes): (Entry, Entry),
    at: OffsetDateTime,
) -> Result<Course, EstError> {
    let enrolment = Enrolment::new(app.store(), right, used, concludes);
    match app.authority().current(line, at).issue(&enrolment, approved, at, app.random()).await {
        Ok(issued) if enrolment.is_concluded() => Ok(Course::Issued(issued.der)),
        Ok(issued) => Ok(Course::ToConclude(Box::new(issued))),
        Err(IssuanceError::Record(RecordError::NoLongerApproved)) => Ok(Course::Unusual),
        Err(IssuanceError::Record(RecordError::IssuerRevoked { .. })) => Ok(Course::IssuerRevoked),
        Err(error) => Err(error.into()),
    }
}
