//! The signed attributes of a message (RFC 8894 §3.2.1), as they came and as they are written.

use const_oid::{ObjectIdentifier, db::rfc5911};
use der::{
    Any, Decode, Encode,
    asn1::{OctetString, PrintableString, SetOfVec, Utf8StringRef},
};
use x509_cert::attr::Attribute;

use super::MessageFault;
use crate::encoding::tlv::{self, Rules, Tlv};

/// id-messageType … id-transactionID: an arc of VeriSign's (RFC 8894 §3.2.1).
const MESSAGE_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.2");
const PKI_STATUS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.3");
const FAIL_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.4");
const SENDER_NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.5");
const RECIPIENT_NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.6");
const TRANSACTION_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113733.1.9.7");
/// id-scep-failInfoText (RFC 8894 §3.2.1.4).
const FAIL_INFO_TEXT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.24.1");

/// Real ones have 40 to 64 characters.
const MOST_TRANSACTION_ID: usize = 128;
/// RFC 8894 §3.2.1.5 has 16; longer ones were seen.
const MOST_NONCE: usize = 64;

/// What a message is for (RFC 8894 §3.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// An answer.
    CertRep,
    /// A request signed with the certificate that it is to follow.
    RenewalReq,
    /// A request.
    PkcsReq,
    /// What became of a request that was left undecided.
    CertPoll,
    /// A certificate by issuer and serial number.
    GetCert,
    /// The list of an authority.
    GetCrl,
}

const MESSAGE_TYPES: [(MessageType, &str); 6] = [
    (MessageType::CertRep, "3"),
    (MessageType::RenewalReq, "17"),
    (MessageType::PkcsReq, "19"),
    (MessageType::CertPoll, "20"),
    (MessageType::GetCert, "21"),
    (MessageType::GetCrl, "22"),
];

impl MessageType {
    /// As RFC 8894 §3.2.1.2 names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CertRep => "CertRep",
            Self::RenewalReq => "RenewalReq",
            Self::PkcsReq => "PKCSReq",
            Self::CertPoll => "CertPoll",
            Self::GetCert => "GetCert",
            Self::GetCrl => "GetCRL",
        }
    }
}

/// How a request ended (RFC 8894 §3.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkiStatus {
    /// Granted.
    Success,
    /// Refused.
    Failure,
    /// Not decided: to be polled for.
    Pending,
}

const STATUSES: [(PkiStatus, &str); 3] =
    [(PkiStatus::Success, "0"), (PkiStatus::Failure, "2"), (PkiStatus::Pending, "3")];

/// Why a request was refused (RFC 8894 §3.2.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailInfo {
    /// An algorithm that is not accepted.
    BadAlg,
    /// The message does not hold together: signature, digest or encryption.
    BadMessageCheck,
    /// The request is not permitted or not supported.
    BadRequest,
    /// The clock of the message is too far off.
    BadTime,
    /// No certificate fits what was asked for.
    BadCertId,
}

const FAIL_INFOS: [(FailInfo, &str); 5] = [
    (FailInfo::BadAlg, "0"),
    (FailInfo::BadMessageCheck, "1"),
    (FailInfo::BadRequest, "2"),
    (FailInfo::BadTime, "3"),
    (FailInfo::BadCertId, "4"),
];

impl FailInfo {
    /// As RFC 8894 §3.2.1.4 names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadMessageCheck => "badMessageCheck",
            Self::BadRequest => "badRequest",
            Self::BadTime => "badTime",
            Self::BadCertId => "badCertId",
        }
    }
}

fn by_code<T: Copy>(table: &[(T, &str)], code: &str) -> Option<T> {
    table.iter().find(|(_, known)| *known == code).map(|(value, _)| *value)
}

fn code_of<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(known, _)| known == value).map_or("", |(_, code)| *code)
}

/// SCEP's attributes of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// What it is for.
    pub message_type: MessageType,
    /// The transaction, in the client's words.
    pub transaction_id: String,
    /// Which message of the sender's.
    pub sender_nonce: Option<Vec<u8>>,
    /// Which message it answers.
    pub recipient_nonce: Option<Vec<u8>>,
    /// In an answer, how the request ended.
    pub status: Option<PkiStatus>,
    /// In a refusal, why.
    pub fail_info: Option<FailInfo>,
    /// In a refusal, why in words.
    pub fail_info_text: Option<String>,
}

impl Attributes {
    /// SCEP's own of the attributes of a signer, and the digest of the content (RFC 5652 §11.2).
    pub(super) fn parse(set: &[u8]) -> Result<(Self, Vec<u8>), MessageFault> {
        let mut found: Vec<(String, Tlv<'_>)> = Vec::new();
        let mut reader = tlv::Reader::new(set, Rules::Ber);
        while !reader.is_finished() {
            let mut members = reader.next_as(tlv::Tag::SEQUENCE, "Attribute")?.children()?;
            let name = members.next_as(tlv::Tag::OID, "Attribute.type")?;
            let name = tlv::oid_text(name.value).ok_or_else(|| name.expected("an OID"))?;
            let values = members.next_as(tlv::Tag::SET, "Attribute.values")?;
            members.finish()?;
            found.push((name, values));
        }
        let only = |oid: ObjectIdentifier, what| -> Result<Option<Tlv<'_>>, MessageFault> {
            let name = oid.to_string();
            let mut named = found.iter().filter(|(found, _)| *found == name);
            match (named.next(), named.next()) {
                (None, _) => Ok(None),
                (Some((_, values)), None) => {
                    Ok(Some(values.only().map_err(|_| MessageFault::Attribute(what))?))
                }
                _ => Err(MessageFault::Attribute(what)),
            }
        };
        let needed = |oid, what| only(oid, what)?.ok_or(MessageFault::Attribute(what));
        let nonce = |oid, what| {
            only(oid, what)?
                .map(|value| nonce(&value).ok_or(MessageFault::Attribute(what)))
                .transpose()
        };
        let content_type = needed(rfc5911::ID_CONTENT_TYPE, "contentType")?;
        if tlv::oid_text(content_type.value) != Some(rfc5911::ID_DATA.to_string()) {
            return Err(MessageFault::Attribute("contentType"));
        }
        let digest = needed(rfc5911::ID_MESSAGE_DIGEST, "messageDigest")?.octet_string()?;
        let message_type = needed(MESSAGE_TYPE, "messageType")?;
        let transaction_id = needed(TRANSACTION_ID, "transactionID")?;
        let code = |oid, what| Ok::<_, MessageFault>(only(oid, what)?.and_then(|v| text(&v)));
        let attributes = Self {
            message_type: text(&message_type)
                .and_then(|code| by_code(&MESSAGE_TYPES, &code))
                .ok_or(MessageFault::Attribute("messageType"))?,
            transaction_id: text(&transaction_id)
                .filter(|id| (1..=MOST_TRANSACTION_ID).contains(&id.len()))
                .ok_or(MessageFault::Attribute("transactionID"))?,
            sender_nonce: nonce(SENDER_NONCE, "senderNonce")?,
            recipient_nonce: nonce(RECIPIENT_NONCE, "recipientNonce")?,
            status: code(PKI_STATUS, "pkiStatus")?.and_then(|code| by_code(&STATUSES, &code)),
            fail_info: code(FAIL_INFO, "failInfo")?.and_then(|code| by_code(&FAIL_INFOS, &code)),
            fail_info_text: only(FAIL_INFO_TEXT, "failInfoText")?
                .and_then(|text| std::str::from_utf8(text.value).ok().map(str::to_owned)),
        };
        Ok((attributes, digest))
    }

    /// As they are signed, with type and digest of the content.
    pub(super) fn written(&self, digest: &[u8]) -> der::Result<x509_cert::attr::Attributes> {
        let mut all = vec![
            attribute(rfc5911::ID_CONTENT_TYPE, &rfc5911::ID_DATA)?,
            attribute(rfc5911::ID_MESSAGE_DIGEST, &OctetString::new(digest)?)?,
            attribute(MESSAGE_TYPE, &printable(code_of(&MESSAGE_TYPES, &self.message_type))?)?,
            // Whoever wrote it otherwise than as a PrintableString gets it back as UTF-8.
            match printable(&self.transaction_id) {
                Ok(id) => attribute(TRANSACTION_ID, &id)?,
                Err(_) => attribute(TRANSACTION_ID, &Utf8StringRef::new(&self.transaction_id)?)?,
            },
        ];
        for (oid, nonce) in
            [(SENDER_NONCE, &self.sender_nonce), (RECIPIENT_NONCE, &self.recipient_nonce)]
        {
            if let Some(nonce) = nonce {
                all.push(attribute(oid, &OctetString::new(nonce.as_slice())?)?);
            }
        }
        if let Some(status) = &self.status {
            all.push(attribute(PKI_STATUS, &printable(code_of(&STATUSES, status))?)?);
        }
        if let Some(fail_info) = &self.fail_info {
            all.push(attribute(FAIL_INFO, &printable(code_of(&FAIL_INFOS, fail_info))?)?);
        }
        if let Some(text) = &self.fail_info_text {
            all.push(attribute(FAIL_INFO_TEXT, &Utf8StringRef::new(text)?)?);
        }
        SetOfVec::try_from(all)
    }
}

/// Letters, digits and signs that cannot mislead who reads a log: the client chose them.
fn text(value: &Tlv<'_>) -> Option<String> {
    const STRINGS: [u32; 4] = [12, 19, 20, 22];
    let is_string = STRINGS.iter().any(|number| value.tag == tlv::Tag::universal(*number));
    let text = std::str::from_utf8(value.value).ok()?;
    let fit = is_string && text.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    fit.then(|| text.to_owned())
}

fn nonce(value: &Tlv<'_>) -> Option<Vec<u8>> {
    let octets = value.expect(tlv::Tag::OCTET_STRING, "a nonce").ok()?.octet_string().ok()?;
    (1..=MOST_NONCE).contains(&octets.len()).then_some(octets)
}

fn printable(text: &str) -> der::Result<PrintableString> {
    PrintableString::new(text)
}

fn attribute<T: Encode>(oid: ObjectIdentifier, value: &T) -> der::Result<Attribute> {
    let value = Any::from_der(&value.to_der()?)?;
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}
