//! Public keys and signature algorithms, with what CRYPTREC says about their strength.
//!
//! 暗号強度要件(アルゴリズム及び鍵長選択)に関する設定基準 (CRYPTREC LS-0003): 112 bits of strength until the
//! end of 2030, 128 bits until 2050.

use sha2::{Digest, Sha256};
use time::{Date, Month, OffsetDateTime};

use super::{
    field::Field,
    oid,
    report::{Object, Value},
    term::Term,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// The first moment at which 112 bits of strength no longer suffice.
const AFTER_2030: Option<Date> = match Date::from_calendar_date(2031, Month::January, 1) {
    Ok(date) => Some(date),
    Err(_) => None,
};

/// A `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7); `until` is when it is last relied upon.
pub(super) fn public_key(
    spki: Tlv<'_>,
    until: Option<OffsetDateTime>,
) -> Result<Object, Malformed> {
    let mut members = spki.members(Tag::SEQUENCE, "SubjectPublicKeyInfo")?;
    let algorithm = members.next_as(Tag::SEQUENCE, "AlgorithmIdentifier")?;
    let key = members.next_as(Tag::BIT_STRING, "subjectPublicKey")?;
    members.finish()?;
    let mut inside = algorithm.children()?;
    let kind = inside.next_as(Tag::OID, "AlgorithmIdentifier.algorithm")?;
    let parameters = if inside.is_finished() { None } else { Some(inside.next()?) };
    let name = oid::text(&kind);
    let mut object = Object::new().with(Field::Algorithm, oid::value(&kind));
    let mut remarks = Vec::new();
    match oid::name(&name) {
        Some("rsaEncryption" | "RSASSA-PSS") => match rsa(&key) {
            Some(rsa) => {
                object.set(Field::KeyBits, rsa.bits);
                object.set(Field::Exponent, rsa.exponent);
                remarks.push(rsa_strength(rsa.bits));
                if rsa.small {
                    remarks.push(Term::SmallExponent);
                }
            }
            None => remarks.push(Term::KeyMalformed),
        },
        Some("ecPublicKey") => match parameters.filter(|curve| curve.tag == Tag::OID) {
            Some(curve) => {
                object.set(Field::Curve, oid::value(&curve));
                let (bits, strength) = curve_strength(oid::name(&oid::text(&curve)));
                object = object.with_some(Field::KeyBits, bits);
                remarks.push(strength);
            }
            None => remarks.push(Term::CurveExplicit),
        },
        Some("Ed25519" | "X25519") => remarks.push(Term::Strength128),
        Some("Ed448" | "X448") => remarks.push(Term::Strength192),
        Some("DSA") => remarks.push(Term::DsaLegacy),
        Some("ML-DSA-44" | "ML-DSA-65" | "ML-DSA-87") => remarks.push(Term::PostQuantum),
        _ => remarks.push(Term::KeyUnknown),
    }
    let short_lived = remarks.contains(&Term::Strength112);
    if let (true, Some(until), Some(limit)) = (short_lived, until, AFTER_2030)
        && until.date() >= limit
    {
        remarks.push(Term::Outlives2030);
    }
    object.set(Field::Strength, remarks.into_iter().map(Value::Term).collect::<Vec<_>>());
    object.set(Field::SpkiSha256, Value::octets(&Sha256::digest(spki.whole)));
    Ok(object)
}

struct Rsa {
    bits: usize,
    exponent: Value,
    small: bool,
}

fn rsa(key: &Tlv<'_>) -> Option<Rsa> {
    let (unused, der) = key.value.split_first()?;
    if *unused != 0 {
        return None;
    }
    let mut reader = crate::encoding::tlv::Reader::new(der, crate::encoding::tlv::Rules::Der);
    let mut pair = reader.next_as(Tag::SEQUENCE, "RSAPublicKey").ok()?.children().ok()?;
    let modulus = unsigned(&pair.next_as(Tag::INTEGER, "modulus").ok()?)?;
    let exponent = unsigned(&pair.next_as(Tag::INTEGER, "publicExponent").ok()?)?;
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let small = exponent.len() < 3 && exponent != [1, 0, 1];
    let number = (exponent.len() <= 8)
        .then(|| exponent.iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet)));
    let exponent = number.map_or_else(|| Value::octets(exponent), Value::Number);
    Some(Rsa { bits, exponent, small })
}

/// A positive INTEGER without leading zeros.
fn unsigned<'a>(tlv: &Tlv<'a>) -> Option<&'a [u8]> {
    let octets = tlv.value;
    if octets.first()? & 0x80 != 0 {
        return None;
    }
    let start = octets.iter().position(|octet| *octet != 0)?;
    Some(&octets[start..])
}

const fn rsa_strength(bits: usize) -> Term {
    match bits {
        0..2048 => Term::StrengthTooLow,
        2048..3072 => Term::Strength112,
        3072..7680 => Term::Strength128,
        _ => Term::Strength192,
    }
}

fn curve_strength(curve: Option<&str>) -> (Option<usize>, Term) {
    match curve {
        Some("P-224") => (Some(224), Term::Strength112),
        Some("P-256") => (Some(256), Term::Strength128),
        Some("P-384") => (Some(384), Term::Strength192),
        Some("P-521") => (Some(521), Term::Strength256),
        Some("secp256k1" | "brainpoolP256r1") => (Some(256), Term::CurveNotListed),
        Some("brainpoolP384r1") => (Some(384), Term::CurveNotListed),
        Some("brainpoolP512r1") => (Some(512), Term::CurveNotListed),
        _ => (None, Term::CurveNotListed),
    }
}

/// An `AlgorithmIdentifier` of a signature or digest; a remark where it is broken.
pub(super) fn algorithm(tlv: &Tlv<'_>) -> Result<Object, Malformed> {
    let mut inside = tlv.members(Tag::SEQUENCE, "AlgorithmIdentifier")?;
    let kind = inside.next_as(Tag::OID, "AlgorithmIdentifier.algorithm")?;
    let object = Object::new().with(Field::Algorithm, oid::value(&kind));
    let weak = matches!(
        oid::name(&oid::text(&kind)),
        Some(
            "md5WithRSAEncryption"
                | "sha1WithRSAEncryption"
                | "ecdsa-with-SHA1"
                | "dsa-with-sha1"
                | "MD5"
                | "SHA-1"
        )
    );
    Ok(object.with_some(Field::Remark, weak.then_some(Term::WeakHash)))
}
