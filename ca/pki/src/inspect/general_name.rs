//! GeneralName (RFC 5280 §4.2.1.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Context,
    field::Field,
    national, oid,
    report::{Object, Value},
    strings,
    term::Term,
};
use crate::encoding::tlv::{Class, Malformed, Reader, Tlv};

/// Several.
pub(super) fn names(context: &Context<'_>, reader: Reader<'_>) -> Result<Value, Malformed> {
    context.list(reader, |one| Ok(name(context, one)?.into()))
}

/// One.
pub(super) fn name(context: &Context<'_>, tlv: Tlv<'_>) -> Result<Object, Malformed> {
    general(context, tlv, false)
}

/// One as the base of a subtree (§4.2.1.10): an address has a mask.
pub(super) fn subtree(context: &Context<'_>, tlv: Tlv<'_>) -> Result<Object, Malformed> {
    general(context, tlv, true)
}

fn general(context: &Context<'_>, tlv: Tlv<'_>, masked: bool) -> Result<Object, Malformed> {
    if tlv.tag.class != Class::Context {
        return Err(tlv.expected("GeneralName"));
    }
    let typed = |term: Term| Object::new().with(Field::Type, term);
    let ascii = |term: Term| {
        let value = strings::decode_as(tlv.value, "IA5String")
            .map_or_else(|| Value::octets(tlv.value), |decoded| Value::Text(decoded.text));
        typed(term).with(Field::Value, value)
    };
    Ok(match tlv.tag.number {
        0 => national::other_name(typed(Term::NameOther), tlv)?,
        1 => ascii(Term::NameMail),
        2 => ascii(Term::NameDns),
        3 => typed(Term::NameX400).with(Field::Octets, Value::octets(tlv.value)),
        4 => typed(Term::NameDirectory).with(Field::Value, strings::name(context, tlv.only()?)?),
        5 => typed(Term::NameEdi).with(Field::Octets, Value::octets(tlv.value)),
        6 => ascii(Term::NameUri),
        7 => typed(Term::NameAddress).with(
            Field::Value,
            address(tlv.value, masked).map_or_else(|| Value::octets(tlv.value), Value::Text),
        ),
        8 => {
            let text = crate::encoding::tlv::oid_text(tlv.value)
                .ok_or_else(|| tlv.expected("registeredID"))?;
            typed(Term::NameRegistered).with(Field::Value, oid::of(text))
        }
        _ => return Err(tlv.expected("GeneralName")),
    })
}

fn address(octets: &[u8], masked: bool) -> Option<String> {
    match octets.len() {
        4 if !masked => <[u8; 4]>::try_from(octets).ok().map(|ip| Ipv4Addr::from(ip).to_string()),
        16 if !masked => <[u8; 16]>::try_from(octets).ok().map(|ip| Ipv6Addr::from(ip).to_string()),
        8 | 32 if masked => {
            let (base, mask) = octets.split_at(octets.len() / 2);
            let base = address(base, false)?;
            let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
            let set: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
            let first_gap = mask.iter().position(|octet| *octet != 0xff).unwrap_or(mask.len());
            let contiguous =
                ones == set && mask.iter().skip(first_gap + 1).all(|octet| *octet == 0);
            if contiguous {
                Some(format!("{base}/{ones}"))
            } else {
                Some(format!("{base}/{}", address(mask, false)?))
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_with_their_mask_where_they_have_one() {
        assert_eq!(address(&[192, 0, 2, 1], false).as_deref(), Some("192.0.2.1"));
        assert_eq!(address(&[10, 0, 0, 0, 255, 0, 0, 0], true).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(
            address(&[10, 0, 0, 0, 255, 0, 255, 0], true).as_deref(),
            Some("10.0.0.0/255.0.255.0")
        );
        assert_eq!(address(&[10, 0, 0, 0, 255, 0, 0, 0], false), None);
        assert_eq!(address(&[1, 2, 3], false), None);
    }
}
