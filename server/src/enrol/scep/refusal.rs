//! What a refused message hears: failInfo and one line of text (RFC 8894 §3.2.1.4).

use http::StatusCode;
use sekisho_ca::request::RequestError;
use sekisho_pki::scep::{FailInfo, MessageFault, Weakness};

use crate::{
    enrol::{Fact, refusal},
    error::est::EstError,
};

/// Why a message was refused, for who sent it and for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) fail_info: FailInfo,
    pub(super) text: String,
    /// For the record; `None` where it was recorded already.
    pub(super) reason: Option<&'static str>,
    /// For the record.
    pub(super) facts: Vec<Fact>,
}

impl Refusal {
    pub(super) fn new(fail_info: FailInfo, reason: &'static str, text: impl Into<String>) -> Self {
        Self { fail_info, text: text.into(), reason: Some(reason), facts: Vec::new() }
    }
}

/// What cannot be opened or read, whatever it is about it: who could tell a wrong key from wrong padding and
/// wrong padding from wrong content could open other people's messages with our help (RFC 3218).
pub(super) fn unreadable() -> Refusal {
    Refusal::new(
        FailInfo::BadMessageCheck,
        "scep_unreadable",
        "SCEP: the message's content cannot be opened or read. Fetch the CA certificates again \
         (GetCACert), make an RSA key of 3072 bits, and send a new request",
    )
}

/// Encrypted for a certificate that is none of ours in force. Whom it is for is in the clear.
pub(super) fn other_recipient() -> Refusal {
    Refusal::new(
        FailInfo::BadMessageCheck,
        "scep_other_recipient",
        "SCEP: the message is encrypted for another certificate than that of this registration \
         authority in force. Fetch the CA certificates again (GetCACert), encrypt for the RSA \
         certificate among them, and send a new request",
    )
}

/// Algorithms that are taken from old routers only. The same for a router that we do not know.
pub(super) fn weak(weaknesses: &[Weakness]) -> Refusal {
    let names: Vec<_> = weaknesses.iter().map(|weakness| weakness.name()).collect();
    let names = names.join(", ");
    let mut refusal = Refusal::new(
        FailInfo::BadAlg,
        "scep_weak_algorithm",
        format!(
            "SCEP: {names} is not accepted of this router. Have it use AES and SHA-256 (on Cisco IOS: \
             a newer release, or `hash sha256` at the trustpoint); where it cannot, the operating body \
             may excuse its family (scep.legacy_families)"
        ),
    );
    refusal.facts.push(("weak", names));
    refusal
}

/// Signed by a key that is neither the one to be certified nor that of a certificate of ours.
pub(super) fn other_signer() -> Refusal {
    Refusal::new(
        FailInfo::BadMessageCheck,
        "scep_other_signer",
        "SCEP: the message is signed by another key than the one that it asks to certify, and not by a \
         router's certificate of ours. Enrol with a self-signed certificate of the request's key, or \
         renew with the present certificate (RFC 8894 section 2.3)",
    )
}

/// Neither a code nor a certificate: nobody vouches for the request.
pub(super) fn no_challenge() -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "scep_no_challenge",
        "SCEP: the request has no challenge password. Use the router's one-time code as the challenge \
         password: the facility's administrator can issue one at the router's page",
    )
}

/// A code without the router that it is for.
pub(super) fn no_router() -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "scep_no_router",
        "SCEP: the request does not say which router it is for. Write the router's identifier as the \
         subject's commonName (CN=T...), or before the code in the challenge password (T...:code)",
    )
}

/// A certificate that was answered in another transaction, or to another signer.
pub(super) fn other_transaction() -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "scep_other_transaction",
        "SCEP: a certificate for this key was answered in another transaction. It is told again only \
         there; make a new key and begin anew with a new code",
    )
}

/// A message that was answered long ago.
pub(super) fn answered_before() -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "scep_replayed",
        "SCEP: this very message was answered before, and the time to ask for the answer again is over. \
         Send a new one",
    )
}

/// Nothing is known of what is polled for or looked up, or it is not theirs.
pub(super) fn not_found() -> Refusal {
    Refusal::new(
        FailInfo::BadCertId,
        "scep_not_found",
        "SCEP: nothing is known of this transaction and signer, or of this certificate. Send the request \
         anew",
    )
}

/// A message that asks for nothing.
pub(super) fn unsupported(name: &str) -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "scep_message_type",
        format!("SCEP: a message of type {name} asks for nothing here"),
    )
}

impl From<&MessageFault> for Refusal {
    fn from(fault: &MessageFault) -> Self {
        match fault {
            MessageFault::Algorithm(_) => {
                Self::new(FailInfo::BadAlg, "scep_algorithm", format!("SCEP: {fault}"))
            }
            MessageFault::TooLong
            | MessageFault::Malformed(_)
            | MessageFault::Attribute(_)
            | MessageFault::NoCertificate => {
                Self::new(FailInfo::BadMessageCheck, "scep_malformed", format!("SCEP: {fault}"))
            }
            MessageFault::Digest | MessageFault::Signature(_) => Self::new(
                FailInfo::BadMessageCheck,
                "scep_signature",
                format!("SCEP: {fault}: it was not made by the key of the certificate in it"),
            ),
        }
    }
}

/// A request that cannot be certified, told to who signed the message with the very key in it. Anybody else
/// may have changed octets of another's message, and must not learn what they were: what stands where the key
/// should be is a part of the content.
pub(super) fn own_request(error: &RequestError) -> Refusal {
    match error {
        RequestError::TooLong { .. } | RequestError::Malformed(_) | RequestError::Signature(_) => {
            unreadable()
        }
        RequestError::KeyKind(_) | RequestError::RsaSize { .. } | RequestError::RsaExponent => {
            Refusal::new(
                FailInfo::BadAlg,
                "scep_key",
                format!("SCEP: {error}. SCEP needs RSA: make a key of 3072 bits"),
            )
        }
    }
}

/// A certificate of ours that does not count, by the code of the reason.
pub(super) fn certificate(code: &'static str) -> Refusal {
    let told = refusal::renewal(code).text;
    let mut refusal = Refusal::new(FailInfo::BadRequest, "scep_certificate", told);
    refusal.facts.push(("certificate", code.to_owned()));
    refusal
}

/// What became of a request that the common road refused.
pub(super) enum Common {
    /// To be said in SCEP's form; it is recorded.
    Refused(Refusal),
    /// Not for the router to mend.
    Failed(EstError),
}

impl From<EstError> for Common {
    fn from(error: EstError) -> Self {
        if error.status.is_server_error() || error.status == StatusCode::TOO_MANY_REQUESTS {
            return Self::Failed(error);
        }
        Self::Refused(Refusal {
            fail_info: FailInfo::BadRequest,
            text: error.text,
            reason: None,
            facts: Vec::new(),
        })
    }
}
