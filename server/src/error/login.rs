//! Refusals of the card login, as problem details (RFC 9457) in the request's language.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{page::PageError, problem::Problem};
use crate::{
    catalogue::Text,
    login::refusal::{LoginError, Refusal},
    people::factors::FactorsError,
};

/// The HTTP status of a refusal.
#[must_use]
pub const fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Malformed
        | Refusal::PageKey
        | Refusal::BrowserUnknown
        | Refusal::NotACode
        | Refusal::PasskeyName => StatusCode::BAD_REQUEST,
        Refusal::PasswordWrong | Refusal::DayPassWrong => StatusCode::UNAUTHORIZED,
        Refusal::CodeNeeded => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooManyChallenges | Refusal::Resting => StatusCode::TOO_MANY_REQUESTS,
        Refusal::NotConfigured | Refusal::RevocationUnknown | Refusal::JpkiStatusUnknown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::ChallengeUnknown
        | Refusal::ChallengeReplayed
        | Refusal::ChallengeExpired
        | Refusal::OtherBrowser
        | Refusal::OtherTerminal
        | Refusal::TerminalProof
        | Refusal::PageProof
        | Refusal::CardSignature
        | Refusal::CertificateMalformed
        | Refusal::SigningCertificate
        | Refusal::CertificatePurpose
        | Refusal::ForeignIssuer
        | Refusal::SandboxCard
        | Refusal::RealCard
        | Refusal::OtherWorld
        | Refusal::CertificatePath
        | Refusal::CertificateNotYetValid
        | Refusal::CertificateExpired
        | Refusal::CertificateRevoked
        | Refusal::NoSerialNumber
        | Refusal::HcRoleUnreadable
        | Refusal::NavigationOff
        | Refusal::NotFromAgent
        | Refusal::AnotherPerson
        | Refusal::NotAMember
        | Refusal::NoMemberLicensed
        | Refusal::NoMemberUnlicensed
        | Refusal::ClaimWaiting
        | Refusal::InvitationMismatch
        | Refusal::InvitationClosed
        | Refusal::AlreadyMember
        | Refusal::CodeUnknown
        | Refusal::CodeOtherFacility
        | Refusal::CodeExpired
        | Refusal::CodeOverused
        | Refusal::CodeUsed
        | Refusal::CodeWithdrawn
        | Refusal::OtherPurpose
        | Refusal::OtherSession
        | Refusal::CardLevelNeeded
        | Refusal::HpkiCardNeeded
        | Refusal::MyNumberCardNeeded
        | Refusal::NotLinked
        | Refusal::LinkedToAnother
        | Refusal::PasskeysOff
        | Refusal::PasskeyUnknown
        | Refusal::PasskeyCopied
        | Refusal::CardOfSessionNeeded
        | Refusal::TooManyPasskeys
        | Refusal::PasskeyEnrolled
        | Refusal::PasskeyUnsound
        | Refusal::PasswordsOff
        | Refusal::PasswordTooWeak
        | Refusal::BothFactorsNeeded
        | Refusal::DayPassesOff
        | Refusal::DayPassOver
        | Refusal::DayPassTooWeak => StatusCode::FORBIDDEN,
    }
}

/// What a refusal says in the request's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalWords {
    /// What happened.
    pub text: String,
    /// What the person can do next.
    pub help: String,
}

/// The words of a refusal.
#[must_use]
pub fn words(refusal: Refusal, text: &Text) -> RefusalWords {
    let code = refusal.code();
    RefusalWords {
        text: text.t(&format!("login-refused-{code}")),
        help: text.t(&format!("login-help-{code}")),
    }
}

/// The answer to a program: `application/problem+json` with the members `code` and `help` beside
/// those of RFC 9457 §3.1.
#[must_use]
pub fn problem(error: LoginError, text: &Text) -> Response {
    let refusal = match error {
        LoginError::Refused(refusal) => refusal,
        LoginError::Store(error) => return Problem::from(error).into_response(),
        overtaken @ LoginError::Overtaken => return Problem::internal(&overtaken).into_response(),
        LoginError::OwnKeys(error) => return Problem::from(error).into_response(),
        LoginError::Randomness(error) => return Problem::internal(&error).into_response(),
        LoginError::Request(error) => return Problem::internal(&error).into_response(),
        LoginError::Passkey(error) => return Problem::internal(&error).into_response(),
        LoginError::Factors(error) => return Problem::internal(&error).into_response(),
        LoginError::StoreFactors(error) => return Problem::internal(&error).into_response(),
        LoginError::Hash(error) => return Problem::internal(&error).into_response(),
    };
    let status = status(refusal);
    let words = words(refusal, text);
    let body = json!({
        "type": format!("urn:problem:login:{}", refusal.code()),
        "title": text.t("login-refused-title"),
        "status": status.as_u16(),
        "detail": words.text,
        "code": refusal.code(),
        "help": words.help,
    });
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

impl From<LoginError> for PageError {
    /// For the pages of the login; a refusal that has its own place on a page does not come here.
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused(refusal) => {
                let mut page = Self::new(
                    status(refusal),
                    "login-refused-title",
                    "login-refused-page",
                    "login-refused-page-help",
                );
                page.args.push(("code", refusal.code().to_owned()));
                page
            }
            LoginError::Store(error) => error.into(),
            overtaken @ LoginError::Overtaken => Self::internal(&overtaken),
            LoginError::OwnKeys(error) => Self::from(error),
            LoginError::Randomness(error) => Self::internal(&error),
            LoginError::Request(error) => Self::internal(&error),
            LoginError::Passkey(error) => Self::internal(&error),
            LoginError::Factors(FactorsError::Store(error)) => error.into(),
            LoginError::Factors(FactorsError::BreachList(error)) => Self::unavailable(&error),
            LoginError::Factors(error) => Self::internal(&error),
            LoginError::StoreFactors(error) => Self::internal(&error),
            LoginError::Hash(error) => Self::internal(&error),
        }
    }
}
