//! A TBSCertList (RFC 5280 §5.1.2): the authority's own, of now, of a number that was opened.
//!
//! A list may have 600,000 entries: it is read in one pass, and nothing of it is kept.

use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR,
    ID_CE_FRESHEST_CRL, ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use der::{Decode, Header, Reader, SliceReader, Tag, TagNumber, asn1::ContextSpecific};
use sekisho_pki::encoding::instant;
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::{
    certificate::{Rfc5280, Version},
    crl::RevokedCert,
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, BaseCrlNumber, CrlNumber},
    },
    name::Name,
    time::Time,
};

use super::{Ledger, Overseen, OversightError, Refusal, is_near};

/// Judges it.
pub(super) async fn check(
    overseen: &Overseen,
    tbs_der: &[u8],
    ledger: &dyn Ledger,
    now: OffsetDateTime,
) -> Result<(), OversightError> {
    let list = List::read(tbs_der).map_err(|_| Refusal::Unknown)?;
    let authority = &overseen.authority;
    let key_identifier = list.authority_key_identifier.key_identifier.as_ref();
    let of_our_key = key_identifier.is_some_and(|id| id.as_bytes() == authority.key_identifier())
        && list.authority_key_identifier.authority_cert_issuer.is_none()
        && list.authority_key_identifier.authority_cert_serial_number.is_none();
    if list.issuer != *authority.subject() || !of_our_key {
        return Err(overseen.other_issuer().into());
    }
    if list.algorithm != authority.algorithm().identifier() {
        return Err(Refusal::Unknown.into());
    }
    let valid_for = list.next_update - list.this_update;
    if !is_near(list.this_update, now)
        || !valid_for.is_positive()
        || valid_for > overseen.most_list_validity
    {
        return Err(Refusal::Times.into());
    }
    let number = list.number;
    let editions = ledger.editions(authority.id(), number).await?;
    let behind = editions.newest_published.is_some_and(|newest| number < newest);
    let ahead_of_its_base = list.base_number.is_none_or(|base| base < number);
    if !editions.is_open || behind || !ahead_of_its_base {
        return Err(Refusal::ListNumber { issuer_id: authority.id().to_owned(), number }.into());
    }
    Ok(())
}

/// What a list says around its entries.
struct List {
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: OffsetDateTime,
    next_update: OffsetDateTime,
    authority_key_identifier: AuthorityKeyIdentifier,
    number: u64,
    base_number: Option<u64>,
}

impl List {
    fn read(tbs_der: &[u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(tbs_der)?;
        let content = sequence(&mut outer)?;
        outer.finish()?;
        let mut reader = SliceReader::new(content)?;
        if Version::decode(&mut reader)? != Version::V2 {
            return Err(Tag::Integer.value_error().into());
        }
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
        let issuer = Name::decode(&mut reader)?;
        let this_update = instant::from_time(&Time::decode(&mut reader)?);
        let next_update = instant::from_time(&Time::decode(&mut reader)?);
        if Header::peek(&reader)?.tag() == Tag::Sequence {
            entries(sequence(&mut reader)?)?;
        }
        let extensions =
            ContextSpecific::<Vec<Extension>>::decode_explicit(&mut reader, TagNumber(0))?
                .ok_or_else(|| der::Error::from(Tag::Sequence.value_error()))?
                .value;
        reader.finish()?;
        let known = Extensions::read(&extensions)?;
        Ok(Self {
            algorithm,
            issuer,
            this_update,
            next_update,
            authority_key_identifier: known.authority_key_identifier,
            number: known.number,
            base_number: known.base_number,
        })
    }
}

/// The content of a SEQUENCE.
fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    let header = Header::peek(reader)?;
    if header.tag() != Tag::Sequence {
        return Err(Tag::Sequence.value_error().into());
    }
    let whole = reader.tlv_bytes()?;
    let length = usize::try_from(header.length()).map_err(|_| Tag::Sequence.length_error())?;
    Ok(&whole[whole.len() - length..])
}

/// At least one, each of them well formed.
fn entries(content: &[u8]) -> der::Result<()> {
    let mut reader = SliceReader::new(content)?;
    loop {
        RevokedCert::<Rfc5280>::decode(&mut reader)?;
        if reader.is_finished() {
            return Ok(());
        }
    }
}

/// The extensions that our lists have; any other, and any of them twice, is none of ours.
struct Extensions {
    authority_key_identifier: AuthorityKeyIdentifier,
    number: u64,
    base_number: Option<u64>,
}

impl Extensions {
    fn read(extensions: &[Extension]) -> der::Result<Self> {
        let unknown = || der::Error::from(Tag::Sequence.value_error());
        let (mut authority, mut number, mut base_number) = (None, None, None);
        let mut seen = Vec::new();
        for extension in extensions {
            let value = extension.extn_value.as_bytes();
            // RFC 5280 §5.2.1 to §5.2.6: which of them are critical.
            let critical = match extension.extn_id {
                ID_CE_AUTHORITY_KEY_IDENTIFIER => {
                    authority = Some(AuthorityKeyIdentifier::from_der(value)?);
                    false
                }
                ID_CE_CRL_NUMBER => {
                    number = Some(octets_to_number(CrlNumber::from_der(value)?.0.as_bytes())?);
                    false
                }
                ID_CE_DELTA_CRL_INDICATOR => {
                    let base = BaseCrlNumber::from_der(value)?;
                    base_number = Some(octets_to_number(base.0.as_bytes())?);
                    true
                }
                ID_CE_ISSUING_DISTRIBUTION_POINT => true,
                ID_CE_FRESHEST_CRL => false,
                _ => return Err(unknown()),
            };
            if extension.critical != critical || seen.contains(&extension.extn_id) {
                return Err(unknown());
            }
            seen.push(extension.extn_id);
        }
        Ok(Self {
            authority_key_identifier: authority.ok_or_else(unknown)?,
            number: number.ok_or_else(unknown)?,
            base_number,
        })
    }
}

fn octets_to_number(octets: &[u8]) -> der::Result<u64> {
    const OCTETS: usize = size_of::<u64>();
    let too_long = || der::Error::from(Tag::Integer.length_error());
    let mut number = [0; OCTETS];
    let at = OCTETS.checked_sub(octets.len()).ok_or_else(too_long)?;
    number[at..].copy_from_slice(octets);
    Ok(u64::from_be_bytes(number))
}
