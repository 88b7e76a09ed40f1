//! What a refused message hears: PKIFailureInfo and one line of text (RFC 9810 §5.2.3).

use http::StatusCode;
use sekisho_ca::request::{RequestError, crmf::CrmfError};
use sekisho_pki::cmp::{FailInfo, MessageFault, ProtectionFault};

use crate::{
    enrol::{Fact, ra::RaError, refusal},
    error::est::EstError,
};
use sekisho_store::StoreError;

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

/// Why nothing is granted.
pub(super) enum Trouble {
    /// The device is refused, in CMP's form.
    Refused(Box<Refusal>),
    /// Not for the device to mend: HTTP says so.
    Failed(EstError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<EstError> for Trouble {
    fn from(error: EstError) -> Self {
        let fail_info = match error.status {
            status if status.is_server_error() => return Self::Failed(error),
            StatusCode::TOO_MANY_REQUESTS => return Self::Failed(error),
            StatusCode::UNAUTHORIZED => FailInfo::BadMessageCheck,
            StatusCode::FORBIDDEN => FailInfo::NotAuthorized,
            _ => FailInfo::BadCertTemplate,
        };
        Refusal { fail_info, text: error.text, reason: None, facts: Vec::new() }.into()
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RaError> for Trouble {
    fn from(error: RaError) -> Self {
        match error {
            RaError::Store(error) => error.into(),
            other => Self::Failed(EstError::internal(&other)),
        }
    }
}

impl From<der::Error> for Trouble {
    fn from(error: der::Error) -> Self {
        Self::Failed(EstError::internal(&error))
    }
}

impl From<MessageFault> for Trouble {
    fn from(fault: MessageFault) -> Self {
        Refusal::new(FailInfo::BadDataFormat, "cmp_malformed", format!("CMP: {fault}")).into()
    }
}

impl From<&ProtectionFault> for Refusal {
    fn from(fault: &ProtectionFault) -> Self {
        Self::new(FailInfo::BadAlg, "cmp_protection", format!("CMP: {fault}"))
    }
}

impl From<CrmfError> for Trouble {
    fn from(error: CrmfError) -> Self {
        let text = format!(
            "CMP: {error}. Make a new key and request on this device; the code was not used"
        );
        let (fail_info, reason) = match &error {
            CrmfError::NoKey => (FailInfo::BadCertTemplate, "cmp_no_key"),
            CrmfError::Proof | CrmfError::Request(RequestError::Signature(_)) => {
                (FailInfo::BadPop, "cmp_proof_of_possession")
            }
            CrmfError::Request(_) => (FailInfo::BadCertTemplate, "cmp_key"),
        };
        Refusal::new(fail_info, reason, text).into()
    }
}

/// The one answer to whatever was not proven, whether or not there is such a device.
pub(super) fn unproven(reason: &'static str) -> Refusal {
    let text = "CMP: sender and protection are not accepted. With a code: give the terminal's identifier as \
                reference (senderKID) and the code as it was shown as secret, with a MAC by HMAC-SHA-256 \
                (openssl cmp: -ref T... -secret pass:CODE -mac hmacWithSHA256); with a certificate: the \
                present one of this device, first in extraCerts. The facility's administrator can issue a \
                new code at the terminal's page";
    Refusal::new(FailInfo::BadMessageCheck, reason, text)
}

/// A right code by a MAC that is too weak. Told to who has the code alone.
pub(super) fn weak_mac() -> Refusal {
    Refusal::new(
        FailInfo::BadAlg,
        "cmp_weak_mac",
        "CMP: a MAC by HMAC-SHA-1 is not accepted here. Use HMAC-SHA-256 (openssl cmp: -mac \
         hmacWithSHA256); the code was not used. Where the device cannot, the operating body may allow it \
         (cmp.legacy_mac)",
    )
}

/// A certificate of ours that does not count, by the code of the reason.
pub(super) fn certificate(code: &'static str) -> Refusal {
    let told = refusal::renewal(code).text;
    let mut refusal = Refusal::new(FailInfo::SignerNotTrusted, "cmp_certificate", told);
    refusal.facts.push(("certificate", code.to_owned()));
    refusal
}

/// The identifier or nonce of a transaction that is over, or that another message began.
pub(super) fn transaction_in_use() -> Refusal {
    Refusal::new(
        FailInfo::TransactionIdInUse,
        "cmp_replayed",
        "CMP: this transaction identifier or nonce was used before, and the time to hear the same answer \
         again is over. Begin a new transaction",
    )
}

/// What is not served.
pub(super) fn unsupported(kind: &str) -> Refusal {
    Refusal::new(
        FailInfo::BadRequest,
        "cmp_message_type",
        format!(
            "CMP: a message of type {kind} is not served here, or not with this protection: with a code \
             ir, cr, p10cr and genm, with the device's certificate cr, p10cr, kur, rr and genm"
        ),
    )
}

/// What is confirmed is not awaited, or is another.
pub(super) fn not_awaited(fail_info: FailInfo, what: &str) -> Refusal {
    Refusal::new(
        fail_info,
        "cmp_confirmation",
        format!(
            "CMP: {what}. A certificate that is not confirmed in time is revoked; enrol anew then"
        ),
    )
}
