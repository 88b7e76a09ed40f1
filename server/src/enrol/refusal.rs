//! What a refused enrolment says: status and one line of text (RFC 7030 §4.2.3).
//!
//! The text is shown by the agent on the PC, to whoever stands there: where, what, what next.

use http::StatusCode;
use sekisho_ca::{
    issuance::IssuanceError, record::RecordError, registration::RegistrationError,
    request::RequestError,
};
use sekisho_store::{enrolment_code::CodeRefusal, terminal::Device};

use crate::{
    enrol::registration::ApprovalError, error::est::EstError, instance::fingerprint_groups,
};

/// The one answer to a terminal or code that we do not know: the same for both, so that nobody
/// learns which terminals exist.
pub(super) fn unauthorized() -> EstError {
    EstError::unauthorized(
        "enrolment: terminal and code are not accepted. Check that the whole line was copied; \
         the facility's administrator can issue a new code at the terminal's page",
    )
}

/// More than one `Authorization`, whatever they say.
pub(super) fn repeated_credentials() -> EstError {
    EstError::new(
        StatusCode::BAD_REQUEST,
        "enrolment: Authorization is repeated; send it once (RFC 9110 section 5.3)",
    )
}

/// A good code at the door for the other kind of device. It was not used.
pub(super) fn other_door(holder: Device) -> EstError {
    let (device, path) = match holder {
        Device::Pc => ("a PC", "/.well-known/est"),
        Device::Router => ("a router", "/.well-known/est/routers"),
    };
    EstError::new(
        StatusCode::FORBIDDEN,
        format!(
            "enrolment: this code is for {device}, which enrols at {path}. The code was not used; \
             take the lines of the page that showed it, on the device that it was made for"
        ),
    )
}

/// After a code was found. Whoever knows its 95 random bits may hear why it opens nothing.
pub(super) fn code(refusal: CodeRefusal) -> EstError {
    let text = match refusal {
        CodeRefusal::UnknownTerminal | CodeRefusal::WrongCode => return unauthorized(),
        CodeRefusal::Exhausted => "the code was blocked after too many wrong attempts",
        CodeRefusal::Expired => "the code is no longer valid: its time is over",
        CodeRefusal::Withdrawn => {
            "the code is no longer valid: it was withdrawn, or a newer one took its place"
        }
        CodeRefusal::NotApproved => {
            return EstError::new(
                StatusCode::FORBIDDEN,
                "enrolment: the key of this request was shown to the facility's administrator, who did not \
                 approve it, and the code has ended. Ask why; a new code can be issued at the terminal's \
                 page",
            );
        }
        CodeRefusal::TerminalRevoked => {
            return EstError::new(
                StatusCode::FORBIDDEN,
                "enrolment: this terminal was revoked, for ever. The facility's administrator can \
                 create a new terminal for this PC",
            );
        }
        CodeRefusal::TerminalHeld => {
            return not_now(
                "enrolment: this terminal was stopped for the time being (it is on \
                 hold). The facility's administrator should ask the operating body; the code \
                 stays good, and the same line can be run again once the hold has ended",
            );
        }
        CodeRefusal::FacilityNotActive => {
            return not_now(
                "enrolment: the facility is not active. Its administrator should ask the \
                 operating body",
            );
        }
    };
    EstError::new(
        StatusCode::FORBIDDEN,
        format!(
            "enrolment: {text}. The facility's administrator can issue a new code at the \
             terminal's page"
        ),
    )
}

/// Somebody may lift what stands in the way. By `Retry-After` (RFC 9110 §10.2.3) the agent knows that
/// this is no end, and keeps the key that it made for the code.
fn not_now(text: &'static str) -> EstError {
    const LOOK_AGAIN_SECS: u32 = 3600;
    EstError {
        retry_after_secs: Some(LOOK_AGAIN_SECS),
        ..EstError::new(StatusCode::FORBIDDEN, text)
    }
}

/// No refusal: a person has to approve the key first (RFC 7030 §4.2.3).
pub(super) fn waits(spki_sha256: &[u8; 32], retry_after_secs: u32) -> EstError {
    EstError {
        retry_after_secs: Some(retry_after_secs),
        ..EstError::new(
            StatusCode::ACCEPTED,
            format!(
                "enrolment: the request waits until the facility's administrator has approved its key at \
                 the terminal's page. SHA-256 of the key: {}. Send the same request again then",
                fingerprint_groups(&hex::encode(spki_sha256))
            ),
        )
    }
}

/// Keys for these devices are not made here.
pub(super) fn no_keys_made_here(device: Device) -> EstError {
    let device = match device {
        Device::Pc => "PCs",
        Device::Router => "routers",
    };
    EstError::new(
        StatusCode::FORBIDDEN,
        format!(
            "enrolment: keys for {device} are not made here. Make one on the device and enrol by \
             simpleenroll; the operating body can allow it (enrolment.server_made_keys)"
        ),
    )
}

/// The device wants its key encrypted (RFC 7030 §4.4.1.1, §4.4.1.2).
pub(super) fn key_not_encrypted_here() -> EstError {
    EstError::new(
        StatusCode::BAD_REQUEST,
        "enrolment: the request asks for an encrypted private key (RFC 7030 section 4.4.1.1 or \
         4.4.1.2), and keys go out under TLS alone here. Leave that attribute out, or make the key on \
         the device and enrol by simpleenroll; the code was not used",
    )
}

/// The request carries a key of a kind that is not made.
pub(super) fn kind_not_made_here() -> EstError {
    EstError::new(
        StatusCode::BAD_REQUEST,
        "enrolment: the key of the request says which kind is to be made: P-256, P-384, or RSA of \
         3072 or 4096 bits. It is none of these; the code was not used",
    )
}

/// Others wait for their keys already.
pub(super) fn keys_being_made() -> EstError {
    EstError {
        retry_after_secs: Some(5),
        ..EstError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "enrolment: too many keys are being made; ask again in a moment, the code was not used",
        )
    }
}

/// A person would have to compare a key that the device does not have.
pub(super) fn key_cannot_be_compared() -> EstError {
    EstError::new(
        StatusCode::FORBIDDEN,
        "enrolment: with this code the facility's administrator compares the device's key before it is \
         certified, and a key that is made here is none of the device's. Make one on the device and \
         enrol by simpleenroll, or ask for a code without approval; this one was not used",
    )
}

/// The code was used with another key.
pub(super) fn other_key() -> EstError {
    EstError::new(
        StatusCode::FORBIDDEN,
        "enrolment: this code was brought before, with another key. Nothing was issued and the \
         facility's administrator has been told: if you did not enrol this PC twice, somebody \
         else used your code and the terminal should be revoked at once",
    )
}

/// The code was used with this key, long ago.
pub(super) fn answered_before() -> EstError {
    EstError::new(
        StatusCode::FORBIDDEN,
        "enrolment: this code was used before with the same key, and the time to fetch the \
         certificate again is over. The facility's administrator can issue a new code at the \
         terminal's page",
    )
}

/// The code was used with this key, and the certificate was taken back since.
pub(super) fn taken_back() -> EstError {
    EstError::new(
        StatusCode::FORBIDDEN,
        "enrolment: this code was used before with the same key, and its certificate was revoked \
         since, by hand or because the terminal was enrolled anew. The facility's administrator \
         can issue a new code at the terminal's page",
    )
}

/// Another request is at it.
pub(super) fn under_way() -> EstError {
    EstError {
        retry_after_secs: Some(2),
        ..EstError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "enrolment: the certificate for this code is being issued; try again in a moment",
        )
    }
}

/// Our authority was taken back. Trying again helps only when there is another: no `Retry-After`.
pub(super) fn issuer_revoked() -> EstError {
    EstError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "enrolment: the authority that certifies terminals was revoked, and nothing is issued \
         under it any more. Nothing is wrong with this PC: wait for word from the operating body, \
         then ask the facility's administrator for a new code",
    )
}

/// The other end of a renewal has no certificate that counts.
pub(super) fn renewal(code: &'static str) -> EstError {
    const ANEW: &str = "Renew with the terminal's present certificate (RFC 7030 section 4.2.2), or \
                        enrol it again with a new code from the facility's administrator";
    // A stop that somebody may lift must not send anybody to enrol a terminal anew.
    let (text, next) = match code {
        "no_certificate" => ("no certificate was shown in the TLS handshake", ANEW),
        "foreign_certificate" => (
            "the certificate shown is not one that we issued for this door: a PC renews at \
             /.well-known/est, a router at /.well-known/est/routers",
            ANEW,
        ),
        "not_yet_valid" => ("the certificate shown is not valid yet; check the PC's clock", ANEW),
        "expired" => ("the certificate shown has expired", ANEW),
        "replaced" => (
            "the certificate shown was replaced by another one of this terminal",
            "Renew with that one; where this PC does not have it, enrol it again with a new code from \
             the facility's administrator",
        ),
        "pc_replaced" => (
            "another PC took the place of this one at its terminal, and this one's certificate was \
             revoked with that",
            "To use this PC again, have the facility's administrator add it as a terminal of its own",
        ),
        "awaits_login" => (
            "this PC is to take the place of another, and nobody has logged in at it yet",
            "Log in at it once; from then on it renews by itself",
        ),
        "revoked" => (
            "the certificate shown or its terminal was revoked",
            "Where only the certificate was, enrol it again with a new code from the facility's \
             administrator; where the terminal was, no code is given for it any more: enrol this \
             PC as a new terminal",
        ),
        "facility_not_active" => (
            "the facility is not active",
            "Ask its administrator or the operating body; where it is suspended, renew once it is \
             resumed, there is nothing to enrol anew",
        ),
        "on_hold" => (
            "the certificate shown is on hold",
            "Ask the facility's administrator or the operating body, and renew once it is \
             released; there is nothing to enrol anew",
        ),
        // Not knowing refuses, but is no fault of the terminal.
        _ => {
            return EstError {
                retry_after_secs: Some(5),
                ..EstError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "renewal: the certificate's status is not known at the moment; try again",
                )
            };
        }
    };
    EstError::new(StatusCode::FORBIDDEN, format!("renewal: {text}. {next}"))
}

impl From<RequestError> for EstError {
    fn from(error: RequestError) -> Self {
        let status = match &error {
            RequestError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            RequestError::Malformed(_)
            | RequestError::KeyKind(_)
            | RequestError::RsaSize { .. }
            | RequestError::RsaExponent
            | RequestError::Signature(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(
            status,
            format!(
                "enrolment: {error}. Make a new key and request on this PC; the code was not used"
            ),
        )
    }
}

impl From<ApprovalError> for EstError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Refused(refused) => refused.into(),
            ApprovalError::Store(error) => error.into(),
            ApprovalError::Device(_)
            | ApprovalError::Terminal(_)
            | ApprovalError::Facility(_)
            | ApprovalError::Sealing(_) => Self::internal(&error),
        }
    }
}

impl From<RegistrationError> for EstError {
    fn from(error: RegistrationError) -> Self {
        let next = match &error {
            RegistrationError::FacilityNotActive { .. } => "ask the operating body",
            RegistrationError::TerminalNotActive { .. } => {
                "the facility's administrator can create a new terminal"
            }
            RegistrationError::NotApproved { .. } => {
                "the facility's administrator can issue a code"
            }
            RegistrationError::KeyCompromised => {
                "make a new P-256 key on this PC, as `sekisho-agent enroll` does for each new code"
            }
            // The request itself is unfit, whoever asks.
            RegistrationError::KeyKind { .. } | RegistrationError::KeyFlaw(_) => {
                return Self::new(
                    StatusCode::BAD_REQUEST,
                    format!(
                        "enrolment: {error}; make a new key of a kind that is certified on this \
                         device: P-256, or RSA of 3072 bits where it enrols by SCEP"
                    ),
                );
            }
            // Whose key it is goes to the log; the asker learns only that it is not theirs.
            RegistrationError::KeyOfAnother { .. } => {
                return Self::new(
                    StatusCode::FORBIDDEN,
                    "enrolment: the key belongs to another terminal; each device makes its own. \
                     Make a new key on this PC",
                );
            }
            RegistrationError::OtherSubject { .. } => {
                "leave the subject empty or write this terminal's identifier as commonName"
            }
            RegistrationError::DnsName { .. }
            | RegistrationError::NoNetworkName
            | RegistrationError::Encoding { .. } => return Self::internal(&error),
        };
        Self::new(StatusCode::FORBIDDEN, format!("enrolment: {error}; {next}"))
    }
}

impl From<IssuanceError> for EstError {
    /// Ours to mend, each of them. What was begun is in the record, and the same key may ask again.
    fn from(error: IssuanceError) -> Self {
        match &error {
            IssuanceError::Record(RecordError::IssuerRevoked { .. }) => issuer_revoked(),
            IssuanceError::Record(_) | IssuanceError::Sign(_) => {
                tracing::error!(
                    error = %crate::error::page::Chain(&error),
                    "certificate not issued"
                );
                Self {
                    retry_after_secs: Some(15),
                    ..Self::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "enrolment: the certificate could not be issued now; run the same line \
                         again in a quarter of a minute, the code stays yours",
                    )
                }
            }
            IssuanceError::IssuerNotValid { .. }
            | IssuanceError::Build(_)
            | IssuanceError::Lint(_)
            | IssuanceError::FaultySignature(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_on_hold_is_no_reason_to_make_another_one() {
        let text = code(CodeRefusal::TerminalHeld).text;
        assert!(text.contains("operating body") && text.contains("the code stays good"), "{text}");
        assert!(!text.contains("new terminal") && !text.contains("new code"), "{text}");
        assert!(code(CodeRefusal::TerminalRevoked).text.contains("new terminal"));
    }

    #[test]
    fn an_agent_can_tell_a_refusal_for_now_from_one_for_ever() {
        for (refusal, for_now) in [
            (CodeRefusal::TerminalHeld, true),
            (CodeRefusal::FacilityNotActive, true),
            (CodeRefusal::TerminalRevoked, false),
            (CodeRefusal::Expired, false),
            (CodeRefusal::Withdrawn, false),
            (CodeRefusal::NotApproved, false),
            (CodeRefusal::WrongCode, false),
        ] {
            assert_eq!(code(refusal).retry_after_secs.is_some(), for_now, "{refusal:?}");
        }
        assert_eq!(other_key().retry_after_secs, None);
    }

    #[test]
    fn a_stop_that_may_be_lifted_sends_nobody_to_enrol_anew() {
        for (code, anew) in [
            ("no_certificate", true),
            ("foreign_certificate", true),
            ("expired", true),
            ("revoked", true),
            ("replaced", true),
            ("on_hold", false),
            ("facility_not_active", false),
            ("pc_replaced", false),
            ("awaits_login", false),
            ("unknown_status", false),
        ] {
            let text = renewal(code).text;
            assert_eq!(text.contains("enrol it again with a new code"), anew, "{code}: {text}");
        }
    }
}
