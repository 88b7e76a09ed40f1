//! Bodies of messages (RFC 9810 §5.3): what is asked, and what is answered.

use const_oid::ObjectIdentifier;
use der::{
    Any, Decode, Encode, Sequence,
    asn1::{Null, OctetString},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;

use super::{BodyKind, InfoTypeAndValue, MessageFault, StatusInfo, crmf::CertTemplate, malformed};

/// Most questions of a genm.
const MOST_QUESTIONS: usize = 16;

/// A body to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What it is.
    pub kind: BodyKind,
    /// What lies in its tag, DER.
    pub content: Vec<u8>,
}

/// RevDetails (RFC 9810 §5.3.9).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct RevDetails {
    /// Which certificate.
    pub cert_details: CertTemplate,
    /// Why.
    #[asn1(optional = "true")]
    pub crl_entry_details: Option<Vec<Extension>>,
}

/// CertStatus of certConf (RFC 9810 §5.3.18).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct CertStatus {
    /// The certificate's hash.
    pub cert_hash: OctetString,
    /// The request's number.
    pub cert_req_id: i32,
    /// Whether it is taken; absent means so.
    #[asn1(optional = "true")]
    pub status_info: Option<StatusInfo>,
    /// By which hash, from version 3 on; absent means that of the certificate's signature.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub hash_alg: Option<AlgorithmIdentifierOwned>,
}

fn only<T: for<'b> Decode<'b, Error = der::Error>>(
    content: &[u8],
    what: &'static str,
) -> Result<T, MessageFault> {
    let mut all = Vec::<T>::from_der(content).map_err(malformed(what))?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(MessageFault::NotOne { what }),
    }
}

/// The one certificate that a rr names.
///
/// # Errors
/// [`MessageFault`].
pub fn revocation(content: &[u8]) -> Result<RevDetails, MessageFault> {
    only(content, "RevReqContent")
}

/// What certConf says of the one certificate; `None`: that it takes none at all.
///
/// # Errors
/// [`MessageFault`].
pub fn confirmation(content: &[u8]) -> Result<Option<CertStatus>, MessageFault> {
    const WHAT: &str = "CertConfirmContent";
    let mut all = Vec::<CertStatus>::from_der(content).map_err(malformed(WHAT))?;
    match (all.pop(), all.is_empty()) {
        (found, true) => Ok(found),
        _ => Err(MessageFault::NotOne { what: WHAT }),
    }
}

/// The one request that is asked after.
///
/// # Errors
/// [`MessageFault`].
pub fn poll_request(content: &[u8]) -> Result<i32, MessageFault> {
    #[derive(Sequence)]
    struct PollReq {
        cert_req_id: i32,
    }
    Ok(only::<PollReq>(content, "PollReqContent")?.cert_req_id)
}

/// The questions of a genm.
///
/// # Errors
/// [`MessageFault`].
pub fn questions(content: &[u8]) -> Result<Vec<InfoTypeAndValue>, MessageFault> {
    const WHAT: &str = "GenMsgContent";
    let all = Vec::<InfoTypeAndValue>::from_der(content).map_err(malformed(WHAT))?;
    if all.len() > MOST_QUESTIONS {
        return Err(MessageFault::TooMany { what: WHAT, most: MOST_QUESTIONS });
    }
    Ok(all)
}

#[derive(Sequence)]
struct CertifiedKeyPair {
    // CertOrEncCert ::= CHOICE { certificate [0] CMPCertificate, … }
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    certificate: Any,
}

#[derive(Sequence)]
struct CertResponse {
    cert_req_id: i32,
    status: StatusInfo,
    #[asn1(optional = "true")]
    certified: Option<CertifiedKeyPair>,
}

#[derive(Sequence)]
struct CertRepMessage {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    ca_pubs: Option<Vec<Any>>,
    response: Vec<CertResponse>,
}

#[derive(Sequence)]
struct RevRep {
    status: Vec<StatusInfo>,
}

#[derive(Sequence)]
struct ErrorMessage {
    status: StatusInfo,
}

#[derive(Sequence)]
struct PollRep {
    cert_req_id: i32,
    check_after: u32,
    #[asn1(optional = "true")]
    reason: Option<Vec<String>>,
}

impl Body {
    fn of(kind: BodyKind, content: &impl Encode) -> der::Result<Self> {
        Ok(Self { kind, content: content.to_der()? })
    }

    /// ip, cp or kup: how a request ended, the certificate if there is one, and the roots (caPubs).
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn certificate(
        kind: BodyKind,
        cert_req_id: i32,
        status: StatusInfo,
        certificate_der: Option<&[u8]>,
        ca_pubs: &[&[u8]],
    ) -> der::Result<Self> {
        let certified = certificate_der
            .map(|der| Ok::<_, der::Error>(CertifiedKeyPair { certificate: Any::from_der(der)? }))
            .transpose()?;
        let roots: Vec<Any> =
            ca_pubs.iter().map(|der| Any::from_der(der)).collect::<der::Result<_>>()?;
        let ca_pubs = Some(roots).filter(|all| !all.is_empty());
        let response = vec![CertResponse { cert_req_id, status, certified }];
        Self::of(kind, &CertRepMessage { ca_pubs, response })
    }

    /// rp.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn revoked(status: StatusInfo) -> der::Result<Self> {
        Self::of(BodyKind::Rp, &RevRep { status: vec![status] })
    }

    /// pkiconf.
    ///
    /// # Errors
    /// [`der::Error`]: never.
    pub fn confirmed() -> der::Result<Self> {
        Self::of(BodyKind::PkiConf, &Null)
    }

    /// error.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn error(status: StatusInfo) -> der::Result<Self> {
        Self::of(BodyKind::Error, &ErrorMessage { status })
    }

    /// genp.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn answers(all: &Vec<InfoTypeAndValue>) -> der::Result<Self> {
        Self::of(BodyKind::Genp, all)
    }

    /// pollRep: when to ask again, and why not now.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn poll_again(cert_req_id: i32, check_after: u32, reason: &str) -> der::Result<Self> {
        let reason = Some(vec![reason.to_owned()]);
        Self::of(BodyKind::PollRep, &vec![PollRep { cert_req_id, check_after, reason }])
    }
}

/// What an answer says, the asking side: status, and a certificate if there is one.
///
/// # Errors
/// [`MessageFault`]: none of ip, cp, kup, rp and error, or not well formed.
pub fn outcome(
    kind: BodyKind,
    content: &[u8],
) -> Result<(StatusInfo, Option<Vec<u8>>), MessageFault> {
    let what = "the answer";
    match kind {
        BodyKind::Ip | BodyKind::Cp | BodyKind::Kup => {
            let mut read = CertRepMessage::from_der(content).map_err(malformed(what))?;
            let one = read.response.pop().ok_or(MessageFault::NotOne { what })?;
            let der = one.certified.map(|pair| pair.certificate.to_der()).transpose();
            Ok((one.status, der.map_err(malformed(what))?))
        }
        BodyKind::Rp => {
            let mut read = RevRep::from_der(content).map_err(malformed(what))?;
            Ok((read.status.pop().ok_or(MessageFault::NotOne { what })?, None))
        }
        _ => Ok((ErrorMessage::from_der(content).map_err(malformed(what))?.status, None)),
    }
}

/// id-it-caCerts (RFC 9810 §5.3.19.14): the authorities' certificates.
pub const CA_CERTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.17");
/// id-it-rootCaCert (§5.3.19.15): the next root, with what leads to it.
pub const ROOT_CA_CERT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.20");
/// id-it-rootCaKeyUpdate, its answer.
pub const ROOT_CA_KEY_UPDATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.18");
/// id-it-certReqTemplate (§5.3.19.16): what a request is to hold.
pub const CERT_REQ_TEMPLATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.19");
/// id-it-crlStatusList (§5.3.19.17): which list is wanted.
pub const CRL_STATUS_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.22");
/// id-it-crls, its answer.
pub const CRLS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.23");
