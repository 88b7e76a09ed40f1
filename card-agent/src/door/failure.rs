//! Why an exchange fails: what went wrong at card, reader or window, as the page is told.

use sekisho_protocol::door::ErrorCode;
use time::Date;

use crate::card::reader::CardError;
use crate::pin::PinError;

/// Why an exchange failed, with what makes it concrete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// For the page's script.
    pub code: ErrorCode,
    /// How often a PIN may still be wrong.
    pub tries_left: Option<u8>,
    /// First or last day of a certificate that is not in force, in Japan.
    pub day: Option<Date>,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self { code, tries_left: None, day: None }
    }
}

impl Failure {
    /// With the tries that are left.
    pub fn with_tries(code: ErrorCode, tries_left: Option<u8>) -> Self {
        Self { tries_left, ..code.into() }
    }
}

pub(super) fn card_failure(error: CardError) -> Failure {
    tracing::info!(%error, "card");
    match error {
        CardError::PinWrong { tries_left } | CardError::PinLength { tries_left } => {
            Failure::with_tries(ErrorCode::PinWrong, tries_left)
        }
        CardError::NotYetValid { from: day } | CardError::Expired { since: day } => {
            Failure { day: Some(day), ..card_code(&error).into() }
        }
        error => card_code(&error).into(),
    }
}

fn card_code(error: &CardError) -> ErrorCode {
    match error {
        CardError::PinWrong { .. } | CardError::PinMalformed | CardError::PinLength { .. } => {
            ErrorCode::PinWrong
        }
        CardError::PinBlocked => ErrorCode::PinBlocked,
        CardError::PinPad(_) | CardError::GivenUp => ErrorCode::Cancelled,
        CardError::Removed => ErrorCode::CardRemoved,
        CardError::UnknownCard | CardError::UnknownCertificate { .. } => ErrorCode::CardUnknown,
        CardError::NoSignatureKey
        | CardError::UnsupportedKey { .. }
        | CardError::NotForLogin(_)
        | CardError::NotForDocuments(_)
        | CardError::AnotherUse(_) => ErrorCode::CardNotSupported,
        CardError::NotAccepted => ErrorCode::CardNotAccepted,
        CardError::AnotherPerson => ErrorCode::AnotherPerson,
        CardError::NotYetValid { .. } => ErrorCode::CertificateNotYetValid,
        CardError::Expired { .. } => ErrorCode::CertificateExpired,
        CardError::NoService(_) => ErrorCode::NoReader,
        CardError::Held => ErrorCode::CardHeld,
        CardError::Reader(_) => ErrorCode::ReaderFailed,
        CardError::Refused { .. } => ErrorCode::CardRefused,
        CardError::Reset
        | CardError::Malformed
        | CardError::Structure(_)
        | CardError::Signature(_) => ErrorCode::CardFailed,
    }
}

pub(super) fn pin_failure(error: &PinError, tries_left: Option<u8>) -> Failure {
    match error {
        PinError::Cancelled => ErrorCode::Cancelled.into(),
        PinError::Guarded => Failure::with_tries(ErrorCode::PinGuarded, tries_left),
        PinError::Unavailable(why) => {
            tracing::error!(why, "PIN entry");
            ErrorCode::NoWindow.into()
        }
    }
}
