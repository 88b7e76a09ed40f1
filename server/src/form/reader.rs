//! Urlencoded octets read strictly: nothing repeated, nothing unknown, nothing invisible.

use std::{collections::BTreeMap, fmt};

use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer};

use super::{FormError, MOST_OCTETS, error::printable};

/// The most fields in one form, repetitions counted.
const MOST_FIELDS: usize = 500;

/// Reads urlencoded octets into `T` by the rules of [`super::StrictForm`]; also for queries.
///
/// # Errors
/// [`FormError`]: the first rule that was broken.
pub fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, FormError> {
    // A browser writes the line breaks of a text area so (HTML, form submission).
    let refused = |c| c == '\r' || unborne(c);
    let fields = fields(octets, refused, |value| value.replace("\r\n", "\n"))?;
    T::deserialize(Form { fields }).map_err(|error| error.0)
}

/// The same of a protocol's parameters, where each value stays as it was sent, breaks and all.
///
/// # Errors
/// [`FormError`]: the first rule that was broken.
pub fn exact(octets: &[u8]) -> Result<BTreeMap<String, Vec<String>>, FormError> {
    fields(octets, unborne, |value| value)
}

/// Whether a character has no place in a form: a control character that breaks no line and is no tab.
#[must_use]
pub fn unborne(c: char) -> bool {
    c.is_control() && !matches!(c, '\r' | '\n' | '\t')
}

/// All values of each name as `read` makes them, none with a character that is `refused`.
fn fields(
    octets: &[u8],
    refused: fn(char) -> bool,
    read: fn(String) -> String,
) -> Result<BTreeMap<String, Vec<String>>, FormError> {
    if octets.len() > MOST_OCTETS {
        return Err(FormError::TooLarge);
    }
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for pair in octets.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        count += 1;
        if count > MOST_FIELDS {
            return Err(FormError::TooLarge);
        }
        let split = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let name = decode(&pair[..split])?;
        let value = read(decode(pair.get(split + 1..).unwrap_or_default())?);
        if name.contains(char::is_control) || value.contains(refused) {
            return Err(FormError::ControlCharacter { field: printable(&name) });
        }
        fields.entry(name).or_default().push(value);
    }
    Ok(fields)
}

/// Percent-decoding that refuses what a browser never sends: half escapes and broken UTF-8.
fn decode(octets: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (Some(high), Some(low)) = (digit(after.first()), digit(after.get(1))) else {
                    return Err(FormError::NotText);
                };
                decoded.push(high * 16 + low);
                rest = &after[2..];
            }
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).map_err(|_| FormError::NotText)
}

fn digit(octet: Option<&u8>) -> Option<u8> {
    let value = char::from(*octet?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[derive(Debug)]
struct Refusal(FormError);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self(FormError::Unfit { field: String::new(), detail: message.to_string() })
    }

    fn missing_field(field: &'static str) -> Self {
        Self(FormError::Missing { field })
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(FormError::unknown(field))
    }
}

struct Form {
    fields: BTreeMap<String, Vec<String>>,
}

impl<'de> de::Deserializer<'de> for Form {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(MapDeserializer::new(
            self.fields
                .into_iter()
                .map(|(name, values)| (name.clone(), Values { field: name, values })),
        ))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if let Some(unknown) = self.fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Refusal(FormError::unknown(unknown)));
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// All values of one field.
struct Values {
    field: String,
    values: Vec<String>,
}

impl<'de> IntoDeserializer<'de, Refusal> for Values {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Values {
    fn one(mut self) -> Result<(String, String), Refusal> {
        match (self.values.len(), self.values.pop()) {
            (1, Some(value)) => Ok((self.field, value)),
            _ => Err(Refusal(FormError::Repeated { field: printable(&self.field) })),
        }
    }
}

fn at_field<T>(field: String, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
    outcome.map_err(|refusal| match refusal.0 {
        FormError::Unfit { field: unnamed, detail } if unnamed.is_empty() => {
            Refusal(FormError::Unfit { field, detail })
        }
        other => Refusal(other),
    })
}

macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            let (field, value) = self.one()?;
            match value.trim().parse::<$type>() {
                Ok(number) => at_field(field, visitor.$visit(number)),
                Err(error) => Err(Refusal(FormError::Unfit { field, detail: error.to_string() })),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Values {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let (field, value) = self.one()?;
        at_field(field, visitor.visit_string(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.values.len() == 1 && self.values[0].is_empty() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    /// A check box sends `on`, or the value its form gave it.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let (field, value) = self.one()?;
        match value.as_str() {
            "on" | "true" | "1" | "yes" => visitor.visit_bool(true),
            "" | "off" | "false" | "0" | "no" => visitor.visit_bool(false),
            _ => Err(Refusal(FormError::Unfit { field, detail: "yes or no".to_owned() })),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let field = self.field;
        visitor.visit_seq(de::value::SeqDeserializer::new(
            self.values
                .into_iter()
                .map(|value| Values { field: field.clone(), values: vec![value] }),
        ))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let (field, value) = self.one()?;
        at_field(field, visitor.visit_enum(value.into_deserializer()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    parsed! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64,
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        name: String,
        count: u32,
        note: Option<String>,
        #[serde(default)]
        agreed: bool,
        #[serde(default)]
        roles: Vec<Role>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Role {
        Auditor,
        Officer,
    }

    fn sample(text: &str) -> Result<Sample, FormError> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_complete_form_is_read() {
        let read =
            sample("name=%E5%B1%B1+%E7%94%B0&count=3&note=&agreed=on&roles=auditor&roles=officer");
        assert_eq!(
            read,
            Ok(Sample {
                name: "山 田".into(),
                count: 3,
                note: None,
                agreed: true,
                roles: vec![Role::Auditor, Role::Officer],
            })
        );
    }

    #[test]
    fn what_is_repeated_unknown_missing_or_unfit_is_named() {
        let field = |f: &str| f.to_owned();
        assert_eq!(
            sample("name=a&name=b&count=1"),
            Err(FormError::Repeated { field: field("name") })
        );
        assert_eq!(
            sample("name=a&count=1&admin=1"),
            Err(FormError::Unknown { field: field("admin") })
        );
        assert_eq!(sample("name=a"), Err(FormError::Missing { field: "count" }));
        assert!(matches!(
            sample("name=a&count=x"),
            Err(FormError::Unfit { field, .. }) if field == "count"
        ));
        assert!(matches!(
            sample("name=a&count=1&roles=king"),
            Err(FormError::Unfit { field, .. }) if field == "roles"
        ));
    }

    #[test]
    fn broken_escapes_broken_text_and_control_characters_are_refused() {
        for text in ["name=%", "name=%4", "name=%zz", "name=%ff", "name=%c3%28"] {
            assert_eq!(sample(text), Err(FormError::NotText), "{text}");
        }
        assert!(matches!(sample("name=a%00&count=1"), Err(FormError::ControlCharacter { .. })));
        assert_eq!(sample("name=a%0D%0Ab&count=1").map(|s| s.name), Ok("a\nb".to_owned()));
    }

    #[test]
    fn a_form_of_too_many_octets_or_fields_is_refused() {
        assert_eq!(sample(&"a".repeat(MOST_OCTETS + 1)), Err(FormError::TooLarge));
        assert_eq!(sample(&"a=1&".repeat(MOST_FIELDS + 1)), Err(FormError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse::<Sample>(&octets);
        }
    }
}
