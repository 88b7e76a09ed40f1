//! What was found, in a form that is neither text nor JSON yet.
//!
//! One description gives both: a [`Field`] names a value in JSON and in two languages, a [`Term`] is
//! a value that we chose, everything else came from the file.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use time::OffsetDateTime;

use super::{field::Field, term::Term};

/// A value in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text from the file, unescaped.
    Text(String),
    /// A distinguished name: one line in the notation of RFC 4514, in the order of the file; then
    /// its attributes.
    Name {
        /// The line.
        line: String,
        /// Each attribute: type, value, string type.
        attributes: Vec<Value>,
    },
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Our word for it.
    Term(Term),
    /// A time in UTC.
    Time(OffsetDateTime),
    /// Octets.
    Octets {
        /// The first of them.
        shown: Vec<u8>,
        /// How many there are.
        length: usize,
    },
    /// An object identifier.
    Oid {
        /// In dots, or in hexadecimal where that is impossible.
        oid: String,
        /// The standard's name for it.
        name: Option<&'static str>,
    },
    /// Named values.
    Object(Object),
    /// Values of one kind.
    List {
        /// The first of them.
        items: Vec<Value>,
        /// How many were left out.
        omitted: usize,
    },
}

/// Named values, in order; no name twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object(pub Vec<(Field, Value)>);

impl Object {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl Into<Value>) -> Self {
        self.set(field, value);
        self
    }

    /// With one more, if it is there.
    #[must_use]
    pub fn with_some(mut self, field: Field, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.set(field, value);
        }
        self
    }

    /// Adds one.
    pub fn set(&mut self, field: Field, value: impl Into<Value>) {
        debug_assert!(self.get(field).is_none(), "{field:?} stands twice");
        self.0.push((field, value.into()));
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Value> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }
}

/// The longest run of octets that is shown.
const MOST_OCTETS: usize = 4096;

impl Value {
    /// Octets; long ones are cut, their length stays known.
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        let shown = octets[..octets.len().min(MOST_OCTETS)].to_vec();
        Self::Octets { shown, length: octets.len() }
    }

    /// A list that is whole.
    #[must_use]
    pub const fn list(items: Vec<Self>) -> Self {
        Self::List { items, omitted: 0 }
    }

    /// Whether it takes one line of text.
    #[must_use]
    pub const fn is_scalar(&self) -> bool {
        !matches!(self, Self::Object(_) | Self::List { .. })
    }
}

impl From<Term> for Value {
    fn from(term: Term) -> Self {
        Self::Term(term)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}
impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
impl From<OffsetDateTime> for Value {
    fn from(at: OffsetDateTime) -> Self {
        Self::Time(at)
    }
}
impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}
impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::list(items)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Term(term) => serializer.serialize_str(term.key()),
            Self::Time(at) => serializer.serialize_str(&rfc3339(*at)),
            Self::Octets { shown, length } if shown.len() == *length => {
                serializer.serialize_str(&hex::encode(shown))
            }
            Self::Octets { shown, length } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("first", &hex::encode(shown))?;
                map.serialize_entry("octets", length)?;
                map.end()
            }
            Self::Oid { oid, name } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("oid", oid)?;
                map.serialize_entry("name", name)?;
                map.end()
            }
            Self::Name { line, attributes } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("text", line)?;
                map.serialize_entry("attributes", attributes)?;
                map.end()
            }
            Self::Object(object) => object.serialize(serializer),
            Self::List { items, omitted } => {
                let mut list = serializer.serialize_seq(None)?;
                for item in items {
                    list.serialize_element(item)?;
                }
                if *omitted > 0 {
                    list.serialize_element(&Object::new().with(Field::Omitted, *omitted))?;
                }
                list.end()
            }
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, value)| (field.key(), value)))
    }
}

/// RFC 3339 with whole seconds, in UTC.
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}
