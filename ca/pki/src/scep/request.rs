//! What lies in a message once it is opened: a request with its challenge, or what a poll or a look-up
//! names (RFC 8894 §3.3.1, §3.3.3, §3.3.4).

use zeroize::Zeroizing;

use crate::encoding::tlv::{self, Malformed, Reader, Rules, Tag, Tlv};

/// challengePassword (RFC 2985 §5.4.1).
const CHALLENGE_PASSWORD: &str = "1.2.840.113549.1.9.7";
/// RFC 2985 appendix A has 255 characters at most.
const MOST_CHALLENGE: usize = 255;

/// The challenge password of a PKCS #10 request; `None` where it has none.
///
/// # Errors
/// [`Malformed`]: no request, or the attribute has another form or stands twice.
pub fn challenge_password(request: &[u8]) -> Result<Option<Zeroizing<String>>, Malformed> {
    let mut members = sequence(request)?;
    let mut info = members.next_as(Tag::SEQUENCE, "CertificationRequestInfo")?.children()?;
    info.next_as(Tag::INTEGER, "version")?;
    info.next_as(Tag::SEQUENCE, "subject")?;
    info.next_as(Tag::SEQUENCE, "subjectPKInfo")?;
    let Some(attributes) = info.next_if(Tag::context(0))? else { return Ok(None) };
    let mut attributes = attributes.children()?;
    let mut found = None;
    while !attributes.is_finished() {
        let attribute = attributes.next_as(Tag::SEQUENCE, "Attribute")?;
        let mut members = attribute.children()?;
        let name = members.next_as(Tag::OID, "Attribute.type")?;
        if tlv::oid_text(name.value).as_deref() != Some(CHALLENGE_PASSWORD) {
            continue;
        }
        let value = members.next_as(Tag::SET, "Attribute.values")?.only()?;
        let read = string(&value).ok_or_else(|| value.expected("a challenge password"))?;
        if found.replace(read).is_some() {
            return Err(attribute.expected("one challenge password"));
        }
    }
    Ok(found)
}

/// DirectoryString of ASCII, whatever its tag, or IA5String.
fn string(value: &Tlv<'_>) -> Option<Zeroizing<String>> {
    const OF_OCTETS: [u32; 4] = [12, 19, 20, 22];
    const BMP: u32 = 30;
    let number = value.tag.number;
    let octets: Zeroizing<Vec<u8>> = if OF_OCTETS.contains(&number) {
        Zeroizing::new(value.value.to_vec())
    } else if number == BMP {
        let (pairs, []) = value.value.as_chunks::<2>() else { return None };
        Zeroizing::new(
            pairs.iter().map(|[high, low]| (*high == 0).then_some(*low)).collect::<Option<_>>()?,
        )
    } else {
        return None;
    };
    let fit = octets.len() <= MOST_CHALLENGE && octets.iter().all(u8::is_ascii);
    let text = std::str::from_utf8(&octets).ok()?;
    fit.then(|| Zeroizing::new(text.to_owned()))
}

/// Issuer (DER `Name`) and serial number (the INTEGER's octets) of an IssuerAndSerialNumber
/// (RFC 8894 §3.3.4).
///
/// # Errors
/// [`Malformed`].
pub fn issuer_and_serial(content: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut members = sequence(content)?;
    let issuer = members.next_as(Tag::SEQUENCE, "issuer")?;
    let serial = members.next_as(Tag::INTEGER, "serialNumber")?;
    members.finish()?;
    Ok((issuer.whole, serial.value))
}

fn sequence(octets: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut reader = Reader::new(octets, Rules::Ber);
    let outer = reader.next()?;
    reader.finish()?;
    outer.members(Tag::SEQUENCE, "a SEQUENCE")
}
