//! `/console/terminals/{id}/certify`: the certificate of a device that cannot fetch it itself. From the request
//! that it made, or with a key that is made here, in a PKCS #12 file (docs/decisions/0046).
//!
//! The administrator who acts here stands up for the key, as a one-time code does elsewhere; there is no further
//! approval.

mod file;
mod held;
mod page;
mod request;
mod typed;

#[cfg(test)]
mod tests;

use http::StatusCode;
use sekisho_ca::{issuance::IssuanceError, record::RecordError, registration::RegistrationError};

pub use file::{fetch as fetch_file, make as make_file};
pub use held::{chain, end_older};
pub use page::get;
pub use request::post;

use super::code::no_code;
use crate::{
    enrol::by_person::{Failed, NoCertificate},
    error::page::PageError,
};

/// Why there is no certificate, as a page.
fn refused(refusal: &NoCertificate) -> PageError {
    let conflict = |title, text, help| PageError::new(StatusCode::CONFLICT, title, text, help);
    match refusal {
        NoCertificate::Standing(standing) => no_code(*standing),
        NoCertificate::BeingReplaced => conflict(
            "terminals-certify-replacing-title",
            "terminals-certify-replacing-text",
            "terminals-certify-replacing-help",
        ),
        NoCertificate::TooManyInForce => conflict(
            "terminals-certify-many-title",
            "terminals-certify-many-text",
            "terminals-certify-many-help",
        ),
        NoCertificate::TooManyOfLate => conflict(
            "terminals-certify-late-title",
            "terminals-certify-late-text",
            "terminals-certify-late-help",
        ),
        NoCertificate::MadeBefore => conflict(
            "terminals-certify-made-title",
            "terminals-certify-made-text",
            "terminals-certify-made-help",
        ),
        NoCertificate::TakenBack => conflict(
            "terminals-certify-taken-title",
            "terminals-certify-taken-text",
            "terminals-certify-taken-help",
        ),
        NoCertificate::Registration(rule) => PageError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "terminals-certify-refused-title",
            rule_key(rule),
            "terminals-certify-refused-help",
        ),
    }
}

/// Message key of a rule that a request broke.
fn rule_key(rule: &RegistrationError) -> &'static str {
    match rule {
        RegistrationError::KeyKind { .. } | RegistrationError::KeyFlaw(_) => {
            "terminals-certify-key-kind"
        }
        RegistrationError::KeyCompromised => "terminals-certify-key-compromised",
        RegistrationError::KeyOfAnother { .. } => "terminals-certify-key-of-another",
        RegistrationError::OtherSubject { .. } => "terminals-certify-other-subject",
        RegistrationError::FacilityNotActive { .. }
        | RegistrationError::TerminalNotActive { .. }
        | RegistrationError::NotApproved { .. }
        | RegistrationError::DnsName { .. }
        | RegistrationError::NoNetworkName
        | RegistrationError::Encoding { .. } => "terminals-certify-rule",
    }
}

/// Why it is not known whether there is one, as a page.
fn failed(error: &Failed) -> PageError {
    match error {
        Failed::Issuance(IssuanceError::Record(RecordError::IssuerRevoked { .. })) => {
            PageError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "terminals-certify-issuer-title",
                "terminals-certify-issuer-text",
                "terminals-certify-issuer-help",
            )
        }
        Failed::Issuance(IssuanceError::Record(_) | IssuanceError::Sign(_)) | Failed::Store(_) => {
            PageError::unavailable(error)
        }
        Failed::Issuance(_) | Failed::Approval(_) | Failed::File(_) => PageError::internal(error),
    }
}
