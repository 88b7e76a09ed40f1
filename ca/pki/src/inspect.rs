//! Any PKI object in words: certificate, CRL, OCSP request and response, PKCS #10 request,
//! PKCS #7 bundle, PKCS #12 file, public key; alone, in base64, or several in PEM.
//!
//! Made for looking at other people's files: nothing is believed, everything unknown is shown as
//! octets, and where a file breaks the octet is named. It tells what stands there; whether it may
//! be trusted is for [`crate::path`] to say. Private keys are named and never shown.
//!
//! The result is a list of [`Object`]s that [`Inspection::text`] puts into Japanese or English and
//! [`Inspection::json`] into JSON (`docs/inspect.md` documents its shape).

mod certificate;
mod crl;
pub mod escape;
mod extension;
mod extension_parts;
pub mod field;
mod general_name;
mod input;
mod key;
mod national;
mod ocsp;
mod oid;
mod pkcs12;
mod pkcs7;
pub mod report;
mod request;
mod strings;
pub mod term;
mod text;
mod time_value;
mod words;

pub use oid::name as name_of;

use std::cell::Cell;

use time::OffsetDateTime;

use crate::encoding::tlv::{Fault, Malformed, Reader, Tlv};
use field::Field;
use report::{Object, Value};
use term::Term;

/// The longest input that is looked at: a CRL of 600,000 entries has about 25 MB.
pub const MOST_OCTETS: usize = 64 * 1024 * 1024;
/// The version of the JSON shape; it changes when a field is taken away or means something else.
pub const FORMAT: u64 = 1;

/// The most elements of a list that are shown, where nobody asked for a number.
const MOST_ITEMS: usize = 256;
/// The most list elements in a whole report: bounds memory whatever the input claims.
const MOST_ITEMS_IN_ALL: usize = 20_000;
/// The most certificates or CRLs in one object.
const MOST_OBJECTS: usize = 64;

/// A language of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// 日本語.
    #[default]
    Japanese,
    /// English.
    English,
}

impl Language {
    /// The language that a person's locale asks for (POSIX.1 §8.2: `LC_ALL`, then `LC_MESSAGES`, then
    /// `LANG`; the first that is set decides): English if it begins with `en`, otherwise Japanese.
    #[must_use]
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .filter(|value| value.starts_with("en"))
            .map_or(Self::Japanese, |_| Self::English)
    }
}

/// How to look.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What "expired" is measured by.
    pub now: OffsetDateTime,
    /// How many revoked certificates of a CRL are listed; all are counted.
    pub entries: usize,
    /// Opens a PKCS #12 file. UTF-8; `None` shows its outside.
    pub passphrase: Option<&'a str>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// One for each object of the input, in its order; at least one.
    pub objects: Vec<Object>,
}

impl Inspection {
    /// Those objects of the file that could not be read; each says where it broke.
    pub fn broken(&self) -> impl Iterator<Item = Broken<'_>> {
        let unreadable = Value::Term(Term::Unreadable);
        self.objects
            .iter()
            .filter(move |object| object.get(Field::Kind) == Some(&unreadable))
            .map(Broken)
    }

    /// For people; ends with a line feed. What came from the file cannot act on a terminal.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        text::render(&self.objects, language)
    }

    /// For programs, indented: `{"format": 1, "objects": […]}`; ends with a line feed.
    ///
    /// # Errors
    /// [`serde_json::Error`]: never for an inspection.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(serde::Serialize)]
        struct Document<'a> {
            format: u64,
            objects: &'a [Object],
        }
        let document = Document { format: FORMAT, objects: &self.objects };
        let json = serde_json::to_string_pretty(&document)?;
        Ok(escape::shown_json(&json) + "\n")
    }
}

/// One object that could not be read, for a line on standard error.
#[derive(Debug, Clone, Copy)]
pub struct Broken<'a>(&'a Object);

impl Broken<'_> {
    /// Where and why.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let number = |field| match self.0.get(field) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        };
        let mut why = match self.0.get(Field::Fault) {
            Some(Value::Term(term)) => term.text(language).to_owned(),
            _ => String::new(),
        };
        if let Some(Value::Text(expected)) = self.0.get(Field::Expected) {
            why.push_str(&format!(" ({expected})"));
        }
        let (offset, block) = (number(Field::Offset), self.0.get(Field::PemOffset).is_some());
        let at = number(Field::PemOffset);
        match (language, block) {
            (Language::Japanese, false) => format!("{offset} オクテット目: {why}"),
            (Language::Japanese, true) => {
                format!("{at} オクテット目から始まる PEM の中身の {offset} オクテット目: {why}")
            }
            (Language::English, false) => format!("octet {offset}: {why}"),
            (Language::English, true) => {
                format!("octet {offset} of what the PEM block at octet {at} holds: {why}")
            }
        }
    }
}

/// Looks at a file.
#[must_use]
pub fn inspect(input: &[u8], options: &Options<'_>) -> Inspection {
    let context = Context { options, left: Cell::new(MOST_ITEMS_IN_ALL) };
    let objects = if input.len() > MOST_OCTETS {
        vec![unreadable(Term::FaultTooLong, MOST_OCTETS, None)]
    } else {
        input::objects(&context, input)
    };
    Inspection { objects }
}

/// What the readers of one inspection share.
struct Context<'a> {
    options: &'a Options<'a>,
    left: Cell<usize>,
}

impl Context<'_> {
    /// Takes a place in the report; `false` when none is left.
    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// Reads each element to the end, and shows as many as there is place for.
    fn list<'a>(
        &self,
        reader: Reader<'a>,
        one: impl FnMut(Tlv<'a>) -> Result<Value, Malformed>,
    ) -> Result<Value, Malformed> {
        self.list_of(reader, MOST_ITEMS, one)
    }

    fn list_of<'a>(
        &self,
        mut reader: Reader<'a>,
        most: usize,
        mut one: impl FnMut(Tlv<'a>) -> Result<Value, Malformed>,
    ) -> Result<Value, Malformed> {
        let mut items = Vec::new();
        let mut omitted = 0;
        while !reader.is_finished() {
            let element = reader.next()?;
            if items.len() < most && self.take() {
                items.push(one(element)?);
            } else {
                omitted += 1;
            }
        }
        Ok(Value::List { items, omitted })
    }
}

/// An object that could not be read.
fn unreadable(fault: Term, offset: usize, expected: Option<&str>) -> Object {
    Object::new()
        .with(Field::Kind, Term::Unreadable)
        .with(Field::Offset, offset)
        .with(Field::Fault, fault)
        .with_some(Field::Expected, expected.map(str::to_owned))
}

/// Where and why a part could not be read, beside its octets.
fn malformed(error: &Malformed) -> Object {
    let (fault, expected) = fault(error.fault);
    Object::new()
        .with(Field::Offset, error.offset)
        .with(Field::Fault, fault)
        .with_some(Field::Expected, expected.map(str::to_owned))
}

const fn fault(fault: Fault) -> (Term, Option<&'static str>) {
    match fault {
        Fault::Truncated => (Term::FaultTruncated, None),
        Fault::Length => (Term::FaultLength, None),
        Fault::Tag => (Term::FaultTag, None),
        Fault::Depth => (Term::FaultDepth, None),
        Fault::Trailing => (Term::FaultTrailing, None),
        Fault::Expected { what } => (Term::FaultExpected, Some(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let of = |set: &[(&str, &str)]| {
            Language::of_locale(|name| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Language::Japanese);
        assert_eq!(of(&[("LANG", "en_GB.UTF-8")]), Language::English);
        assert_eq!(of(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "ja_JP.UTF-8")]), Language::Japanese);
        assert_eq!(of(&[("LANG", "ja_JP.UTF-8"), ("LC_MESSAGES", "en_US")]), Language::English);
        assert_eq!(of(&[("LC_ALL", ""), ("LANG", "en_US")]), Language::English);
        assert_eq!(of(&[("LANG", "C.UTF-8")]), Language::Japanese);
    }
}
