//! PKIMessage and PKIHeader (RFC 9810 §5.1), as they come and as they are written.

use const_oid::ObjectIdentifier;
use der::{
    Any, AnyRef, Decode, Encode, Reader, Sequence, SliceReader, Tag, TagMode, TagNumber,
    asn1::{BitString, BitStringRef, ContextSpecific, GeneralizedTime, OctetString},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::name::GeneralName;

use super::{MOST_OCTETS, MessageFault, body::Body, malformed};

/// Longest chain that is looked at.
const MOST_CERTIFICATES: usize = 16;
/// Most members of generalInfo and freeText.
const MOST_INFOS: usize = 32;

/// What a message is (RFC 9810 §5.1.2), by the number of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Initialization request.
    Ir,
    /// Its answer.
    Ip,
    /// Certification request.
    Cr,
    /// Its answer.
    Cp,
    /// PKCS #10 request.
    P10cr,
    /// Key update request.
    Kur,
    /// Its answer.
    Kup,
    /// Revocation request.
    Rr,
    /// Its answer.
    Rp,
    /// Confirmation by us.
    PkiConf,
    /// General question.
    Genm,
    /// Its answer.
    Genp,
    /// Refusal.
    Error,
    /// Confirmation of a certificate.
    CertConf,
    /// Question after a request that was left undecided.
    PollReq,
    /// Its answer.
    PollRep,
    /// One of the others, by its number.
    Other(u8),
}

const KINDS: [(BodyKind, u8, &str); 16] = [
    (BodyKind::Ir, 0, "ir"),
    (BodyKind::Ip, 1, "ip"),
    (BodyKind::Cr, 2, "cr"),
    (BodyKind::Cp, 3, "cp"),
    (BodyKind::P10cr, 4, "p10cr"),
    (BodyKind::Kur, 7, "kur"),
    (BodyKind::Kup, 8, "kup"),
    (BodyKind::Rr, 11, "rr"),
    (BodyKind::Rp, 12, "rp"),
    (BodyKind::PkiConf, 19, "pkiconf"),
    (BodyKind::Genm, 21, "genm"),
    (BodyKind::Genp, 22, "genp"),
    (BodyKind::Error, 23, "error"),
    (BodyKind::CertConf, 24, "certConf"),
    (BodyKind::PollReq, 25, "pollReq"),
    (BodyKind::PollRep, 26, "pollRep"),
];

impl BodyKind {
    fn of(number: u8) -> Self {
        let known = KINDS.iter().find(|(_, known, _)| *known == number);
        known.map_or(Self::Other(number), |(kind, ..)| *kind)
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Other(number) => number,
            known => KINDS.iter().find(|(kind, ..)| *kind == known).map_or(0, |found| found.1),
        }
    }

    /// As RFC 9810 §5.1.2 names it; `other` for what is not served here.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("other", |found| found.2)
    }
}

/// InfoTypeAndValue (RFC 9810 §5.1.1, §5.3.19).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct InfoTypeAndValue {
    /// Which.
    pub info_type: ObjectIdentifier,
    /// Its value.
    #[asn1(optional = "true")]
    pub value: Option<Any>,
}

/// PKIHeader (RFC 9810 §5.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct Header {
    /// 2 (RFC 4210) or 3 (RFC 9480).
    pub pvno: u8,
    /// Who sent it.
    pub sender: GeneralName,
    /// To whom.
    pub recipient: GeneralName,
    /// When.
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub message_time: Option<GeneralizedTime>,
    /// How the message is protected.
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub protection_alg: Option<AlgorithmIdentifierOwned>,
    /// By which key or secret.
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub sender_kid: Option<OctetString>,
    /// For which.
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    pub recip_kid: Option<OctetString>,
    /// The transaction.
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", optional = "true")]
    pub transaction_id: Option<OctetString>,
    /// Which message of the sender's.
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", optional = "true")]
    pub sender_nonce: Option<OctetString>,
    /// Which message it answers.
    #[asn1(context_specific = "6", tag_mode = "EXPLICIT", optional = "true")]
    pub recip_nonce: Option<OctetString>,
    /// For people.
    #[asn1(context_specific = "7", tag_mode = "EXPLICIT", optional = "true")]
    pub free_text: Option<Vec<String>>,
    /// Further facts.
    #[asn1(context_specific = "8", tag_mode = "EXPLICIT", optional = "true")]
    pub general_info: Option<Vec<InfoTypeAndValue>>,
}

/// id-it-implicitConfirm (RFC 9810 §5.1.1.1).
const IMPLICIT_CONFIRM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.4.13");

impl Header {
    /// Whether it asks for, or grants, a certificate that is not confirmed.
    #[must_use]
    pub fn is_confirmed_implicitly(&self) -> bool {
        self.general_info.iter().flatten().any(|info| info.info_type == IMPLICIT_CONFIRM)
    }

    /// Grants that the certificate is not confirmed.
    pub fn confirm_implicitly(&mut self) {
        self.general_info = Some(vec![InfoTypeAndValue {
            info_type: IMPLICIT_CONFIRM,
            value: Some(Any::from(der::asn1::Null)),
        }]);
    }
}

/// A message about which nothing is proven.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What it is.
    pub kind: BodyKind,
    /// What lies in the tag of its body: one element, DER.
    pub content: &'a [u8],
    /// What protects it.
    pub protection: Option<Vec<u8>>,
    /// Certificates that came along, DER; the first is the signer's (RFC 9483 §3.3).
    pub extra_certs: Vec<&'a [u8]>,
    protected: Vec<u8>,
}

/// The element at which the reader stands, and what lies in it.
pub(super) fn element<'a>(reader: &mut SliceReader<'a>) -> der::Result<(Tag, &'a [u8], &'a [u8])> {
    let header = der::Header::peek(reader)?;
    let whole = reader.tlv_bytes()?;
    let length = usize::try_from(header.length()).map_err(|_| der::ErrorKind::Overflow)?;
    Ok((header.tag(), whole, &whole[whole.len() - length..]))
}

/// The members of one SEQUENCE, behind which nothing stands.
pub(super) fn members(octets: &[u8]) -> der::Result<SliceReader<'_>> {
    let mut reader = SliceReader::new(octets)?;
    let (tag, _, inside) = element(&mut reader)?;
    reader.finish()?;
    tag.assert_eq(Tag::Sequence)?;
    SliceReader::new(inside)
}

fn context(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number.into()) }
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageFault`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, MessageFault> {
        if octets.len() > MOST_OCTETS {
            return Err(MessageFault::TooLong);
        }
        let frame = malformed("the PKIMessage");
        let mut reader = members(octets).map_err(frame)?;
        let (_, header_der, _) = element(&mut reader).map_err(malformed("the PKIHeader"))?;
        let header = Header::from_der(header_der).map_err(malformed("the PKIHeader"))?;
        let infos = header.general_info.as_ref().map_or(0, Vec::len);
        if infos.max(header.free_text.as_ref().map_or(0, Vec::len)) > MOST_INFOS {
            return Err(MessageFault::TooMany { what: "the PKIHeader", most: MOST_INFOS });
        }
        let (tag, body_der, content) = element(&mut reader).map_err(malformed("the PKIBody"))?;
        let Tag::ContextSpecific { constructed: true, number } = tag else {
            return Err(malformed("the PKIBody")(tag.unexpected_error(None).into()));
        };
        let number = u8::try_from(number.0).unwrap_or(u8::MAX);
        let (mut protection, mut extra_certs) = (None, Vec::new());
        let what = "the protection";
        if !reader.is_finished() && Tag::peek(&reader).map_err(malformed(what))? == context(0) {
            let (_, _, inside) = element(&mut reader).map_err(malformed(what))?;
            let bits = BitStringRef::from_der(inside).map_err(malformed(what))?;
            let whole = bits.as_bytes().ok_or_else(|| Tag::BitString.value_error().into());
            protection = Some(whole.map_err(malformed(what))?.to_vec());
        }
        let what = "extraCerts";
        if !reader.is_finished() && Tag::peek(&reader).map_err(malformed(what))? == context(1) {
            let (_, _, inside) = element(&mut reader).map_err(malformed(what))?;
            let mut certificates = members(inside).map_err(malformed(what))?;
            while !certificates.is_finished() {
                if extra_certs.len() == MOST_CERTIFICATES {
                    return Err(MessageFault::TooMany { what, most: MOST_CERTIFICATES });
                }
                extra_certs.push(element(&mut certificates).map_err(malformed(what))?.1);
            }
        }
        reader.finish().map_err(malformed("the PKIMessage"))?;
        let protected = protected_part(header_der, body_der).map_err(malformed("the PKIBody"))?;
        let kind = BodyKind::of(number);
        Ok(Self { header, kind, content, protection, extra_certs, protected })
    }

    /// The octets that are protected: ProtectedPart (RFC 9810 §5.1.3).
    #[must_use]
    pub fn protected(&self) -> &[u8] {
        &self.protected
    }
}

fn protected_part(header_der: &[u8], body_der: &[u8]) -> der::Result<Vec<u8>> {
    #[derive(Sequence)]
    struct ProtectedPart<'b> {
        header: AnyRef<'b>,
        body: AnyRef<'b>,
    }
    ProtectedPart { header: AnyRef::from_der(header_der)?, body: AnyRef::from_der(body_der)? }
        .to_der()
}

/// An answer before it is protected.
#[derive(Debug, Clone)]
pub struct Reply {
    header_der: Vec<u8>,
    body_der: Vec<u8>,
    protected: Vec<u8>,
}

impl Reply {
    /// Header and body as they will be sent.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn new(header: &Header, body: &Body) -> der::Result<Self> {
        let header_der = header.to_der()?;
        let body_der = ContextSpecific {
            tag_number: TagNumber(body.kind.number().into()),
            tag_mode: TagMode::Explicit,
            value: AnyRef::from_der(&body.content)?,
        }
        .to_der()?;
        let protected = protected_part(&header_der, &body_der)?;
        Ok(Self { header_der, body_der, protected })
    }

    /// What is to be protected.
    #[must_use]
    pub fn protected(&self) -> &[u8] {
        &self.protected
    }

    /// The message, protected so or not at all, with certificates for whoever verifies it.
    ///
    /// # Errors
    /// [`der::Error`]: too long.
    pub fn finish(self, protection: Option<&[u8]>, extra_certs: &[&[u8]]) -> der::Result<Vec<u8>> {
        #[derive(Sequence)]
        struct PkiMessage<'b> {
            header: AnyRef<'b>,
            body: AnyRef<'b>,
            #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
            protection: Option<BitString>,
            #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
            extra_certs: Option<Vec<Any>>,
        }
        let certificates: Vec<Any> =
            extra_certs.iter().map(|der| Any::from_der(der)).collect::<der::Result<_>>()?;
        PkiMessage {
            header: AnyRef::from_der(&self.header_der)?,
            body: AnyRef::from_der(&self.body_der)?,
            protection: protection.map(BitString::from_bytes).transpose()?,
            extra_certs: Some(certificates).filter(|all| !all.is_empty()),
        }
        .to_der()
    }
}
