//! ASN.1 strings as text (X.680 §41), and distinguished names.

use encoding_rs::ISO_2022_JP;

use super::{
    Context,
    field::Field,
    oid,
    report::{Object, Value},
    term::Term,
};
use crate::encoding::tlv::{Class, Malformed, Tag, Tlv};

/// A string that was read.
pub(super) struct Decoded {
    pub(super) text: String,
    /// The string type.
    pub(super) kind: &'static str,
    /// How it was read, where that is a guess.
    pub(super) note: Option<Term>,
}

/// The longest text that is shown, in characters.
const MOST_CHARACTERS: usize = 4096;

/// The text of a string type; `None` for anything else, or octets that the type forbids.
pub(super) fn decode(tlv: &Tlv<'_>) -> Option<Decoded> {
    if tlv.tag.class != Class::Universal || tlv.constructed {
        return None;
    }
    let kind = match tlv.tag.number {
        12 => "UTF8String",
        18 => "NumericString",
        19 => "PrintableString",
        20 => "TeletexString",
        22 => "IA5String",
        26 => "VisibleString",
        28 => "UniversalString",
        30 => "BMPString",
        _ => return None,
    };
    decode_as(tlv.value, kind)
}

/// The text of these octets, which are a string of this type.
pub(super) fn decode_as(octets: &[u8], kind: &'static str) -> Option<Decoded> {
    let (text, note) = match kind {
        "UTF8String" => (std::str::from_utf8(octets).ok()?.to_owned(), None),
        "BMPString" => (utf16(octets)?, None),
        "UniversalString" => (utf32(octets)?, None),
        "TeletexString" => teletex(octets),
        _ if octets.is_ascii() => (octets.iter().copied().map(char::from).collect(), None),
        // Not what the type allows, but seen: UTF-8 in a PrintableString.
        _ => (std::str::from_utf8(octets).ok()?.to_owned(), Some(Term::ReadAsUtf8)),
    };
    Some(Decoded { text: cut(text), kind, note })
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn utf16(octets: &[u8]) -> Option<String> {
    let (pairs, []) = octets.as_chunks::<2>() else { return None };
    char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
        .collect::<Result<_, _>>()
        .ok()
}

fn utf32(octets: &[u8]) -> Option<String> {
    let (fours, []) = octets.as_chunks::<4>() else { return None };
    fours.iter().map(|four| char::from_u32(u32::from_be_bytes(*four))).collect()
}

/// TeletexString (T61String). What it really means few programs ever followed (RFC 5280 §4.1.2.4:
/// "do not use"): ASCII is clear, an escape to a Japanese set is ISO-2022-JP (ITU-T T.61 registers
/// the same sets), the rest is read as others do: UTF-8 if it is, else ISO 8859-1 like OpenSSL.
fn teletex(octets: &[u8]) -> (String, Option<Term>) {
    let escapes = octets.windows(2).any(|pair| matches!(pair, b"\x1b$" | b"\x1b("));
    if escapes
        && let Some(text) = ISO_2022_JP.decode_without_bom_handling_and_without_replacement(octets)
    {
        return (text.into_owned(), Some(Term::ReadAsIso2022Jp));
    }
    if octets.is_ascii() {
        return (octets.iter().copied().map(char::from).collect(), None);
    }
    match std::str::from_utf8(octets) {
        Ok(text) => (text.to_owned(), Some(Term::ReadAsUtf8)),
        Err(_) => (octets.iter().copied().map(char::from).collect(), Some(Term::ReadAsLatin1)),
    }
}

/// A value that may be a string; else its octets.
pub(super) fn value(tlv: &Tlv<'_>) -> Value {
    match decode(tlv) {
        Some(decoded) => Value::Text(decoded.text),
        None => Value::octets(tlv.whole),
    }
}

/// A `Name` (RFC 5280 §4.1.2.4).
pub(super) fn name(context: &Context<'_>, tlv: Tlv<'_>) -> Result<Value, Malformed> {
    let mut line = String::new();
    let mut attributes = Vec::new();
    let mut rdns = tlv.members(Tag::SEQUENCE, "Name")?;
    while !rdns.is_finished() {
        let rdn = rdns.next_as(Tag::SET, "RelativeDistinguishedName")?;
        let mut within = rdn.children()?;
        let mut first = true;
        while !within.is_finished() {
            let pair = within.next_as(Tag::SEQUENCE, "AttributeTypeAndValue")?;
            let mut pair = pair.children()?;
            let kind = pair.next_as(Tag::OID, "AttributeTypeAndValue.type")?;
            let value = pair.next()?;
            pair.finish()?;
            if !context.take() {
                continue;
            }
            if !line.is_empty() {
                line.push_str(if first { ", " } else { " + " });
            }
            first = false;
            push_attribute(&mut line, &mut attributes, &kind, &value);
        }
    }
    Ok(Value::Name { line, attributes })
}

fn push_attribute(line: &mut String, attributes: &mut Vec<Value>, kind: &Tlv<'_>, value: &Tlv<'_>) {
    let oid = oid::text(kind);
    line.push_str(oid::short(&oid).unwrap_or(&oid));
    line.push('=');
    let mut attribute = Object::new().with(Field::Type, oid::value(kind));
    match decode(value) {
        Some(decoded) => {
            escape(line, &decoded.text);
            attribute.set(Field::Value, decoded.text);
            attribute.set(Field::StringType, decoded.kind.to_owned());
            if let Some(note) = decoded.note {
                attribute.set(Field::Remark, note);
            }
        }
        None => {
            // RFC 4514 §2.4: a number sign and the octets.
            let shown = &value.whole[..value.whole.len().min(64)];
            line.push('#');
            line.push_str(&hex::encode(shown));
            attribute.set(Field::Value, Value::octets(value.whole));
        }
    }
    attributes.push(attribute.into());
}

/// RFC 4514 §2.4.
fn escape(line: &mut String, text: &str) {
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        let special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
            || index == 0 && matches!(character, ' ' | '#')
            || index == last && character == ' ';
        if special {
            line.push('\\');
        }
        line.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::tlv::{Reader, Rules};

    fn read(octets: &[u8]) -> Option<(String, Option<Term>)> {
        let tlv = Reader::new(octets, Rules::Der).next().unwrap();
        decode(&tlv).map(|decoded| (decoded.text, decoded.note))
    }

    fn string(tag: u8, octets: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(octets.len()).unwrap()][..], octets].concat()
    }

    #[test]
    fn japanese_is_read_from_every_string_type() {
        let text = "医療太郎".to_owned();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        let jis = b"\x1b$B0eNEB@O:\x1b(B";
        assert_eq!(read(&string(0x0c, text.as_bytes())), Some((text.clone(), None)));
        assert_eq!(read(&string(0x1e, &utf16)), Some((text.clone(), None)));
        assert_eq!(read(&string(0x1c, &utf32)), Some((text.clone(), None)));
        assert_eq!(read(&string(0x14, jis)), Some((text.clone(), Some(Term::ReadAsIso2022Jp))));
        assert_eq!(
            read(&string(0x14, text.as_bytes())),
            Some((text.clone(), Some(Term::ReadAsUtf8)))
        );
        assert_eq!(read(&string(0x14, b"ASCII")), Some(("ASCII".to_owned(), None)));
        assert_eq!(
            read(&string(0x14, b"M\xfcller")),
            Some(("Müller".to_owned(), Some(Term::ReadAsLatin1)))
        );
    }

    #[test]
    fn octets_that_the_type_forbids_are_no_text() {
        assert_eq!(read(&string(0x0c, &[0xff])), None);
        assert_eq!(read(&string(0x1e, &[0x30])), None);
        assert_eq!(read(&string(0x1e, &[0xd8, 0x00])), None);
        assert_eq!(read(&string(0x1c, &[0, 0x11, 0, 0])), None);
        assert_eq!(read(&string(0x13, &[0xff])), None);
        assert_eq!(read(&string(0x04, b"a")), None);
    }

    #[test]
    fn separators_inside_a_value_are_escaped() {
        let mut line = String::new();
        escape(&mut line, "#Ministry of Health, Labour and Welfare ");
        assert_eq!(line, "\\#Ministry of Health\\, Labour and Welfare\\ ");
    }
}
