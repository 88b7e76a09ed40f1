//! How a request ended (RFC 9810 §5.2.3).

use der::{Sequence, asn1::BitString};

/// PKIStatus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkiStatus {
    /// Granted.
    Accepted,
    /// Refused.
    Rejection,
    /// Not decided: to be polled for.
    Waiting,
}

impl PkiStatus {
    const fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Rejection => 2,
            Self::Waiting => 3,
        }
    }
}

/// PKIFailureInfo: why a request was refused, those that are told here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailInfo {
    /// An algorithm that is not accepted.
    BadAlg,
    /// The message does not hold together: its protection or its sender.
    BadMessageCheck,
    /// The request is not permitted or not supported.
    BadRequest,
    /// No certificate fits what was named.
    BadCertId,
    /// The message cannot be read.
    BadDataFormat,
    /// No or no accepted proof of possession.
    BadPop,
    /// The certificate was revoked before.
    CertRevoked,
    /// The nonce that is to come back is another.
    BadRecipientNonce,
    /// The sender's nonce is missing or too short, or was used before.
    BadSenderNonce,
    /// The template asks for what is not certified.
    BadCertTemplate,
    /// The certificate that signed is none of ours in force.
    SignerNotTrusted,
    /// The transaction is over, or another request began it.
    TransactionIdInUse,
    /// Not version 2 or 3.
    UnsupportedVersion,
    /// Who asks may not.
    NotAuthorized,
}

impl FailInfo {
    /// As RFC 9810 §5.2.3 names it, and the number of its bit.
    const fn named(self) -> (&'static str, u8) {
        match self {
            Self::BadAlg => ("badAlg", 0),
            Self::BadMessageCheck => ("badMessageCheck", 1),
            Self::BadRequest => ("badRequest", 2),
            Self::BadCertId => ("badCertId", 4),
            Self::BadDataFormat => ("badDataFormat", 5),
            Self::BadPop => ("badPOP", 9),
            Self::CertRevoked => ("certRevoked", 10),
            Self::BadRecipientNonce => ("badRecipientNonce", 13),
            Self::BadSenderNonce => ("badSenderNonce", 18),
            Self::BadCertTemplate => ("badCertTemplate", 19),
            Self::SignerNotTrusted => ("signerNotTrusted", 20),
            Self::TransactionIdInUse => ("transactionIdInUse", 21),
            Self::UnsupportedVersion => ("unsupportedVersion", 22),
            Self::NotAuthorized => ("notAuthorized", 23),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.named().0
    }

    /// One bit, without the zeros behind it (X.690 §11.2.2).
    fn bits(self) -> der::Result<BitString> {
        let bit = self.named().1;
        let mut octets = vec![0; usize::from(bit / 8) + 1];
        if let Some(last) = octets.last_mut() {
            *last = 0x80 >> (bit % 8);
        }
        BitString::new(7 - bit % 8, octets)
    }
}

/// PKIStatusInfo.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct StatusInfo {
    /// PKIStatus by its number.
    pub status: u8,
    /// In words.
    #[asn1(optional = "true")]
    pub text: Option<Vec<String>>,
    /// PKIFailureInfo.
    #[asn1(optional = "true")]
    pub fail_info: Option<BitString>,
}

impl StatusInfo {
    /// Nothing but the status.
    #[must_use]
    pub fn plain(status: PkiStatus) -> Self {
        Self { status: status.code(), text: None, fail_info: None }
    }

    /// A refusal with its reason.
    ///
    /// # Errors
    /// [`der::Error`]: never, by construction of the bits.
    pub fn rejection(fail_info: FailInfo, text: &str) -> der::Result<Self> {
        Ok(Self {
            status: PkiStatus::Rejection.code(),
            text: Some(vec![text.to_owned()]),
            fail_info: Some(fail_info.bits()?),
        })
    }

    /// Whether it grants what was asked for (`accepted` or `grantedWithMods`).
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        self.status <= 1
    }

    /// Whether it tells this reason.
    #[must_use]
    pub fn tells(&self, fail_info: FailInfo) -> bool {
        self.fail_info.is_some() && self.fail_info == fail_info.bits().ok()
    }
}
