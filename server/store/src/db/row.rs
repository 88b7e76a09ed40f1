//! Rows of either database, read into the same types.

use std::fmt;

use serde::{
    Deserializer, de,
    de::{
        DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, Visitor,
    },
    forward_to_deserialize_any,
};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow};

/// A row type: derive `serde::Deserialize`, with a field for each column that is wanted, or use a
/// tuple for the columns in their order. Fields are `i64`, `String`, `Vec<u8>`, or an `Option` of these.
pub trait DbRow: Send + Unpin + DeserializeOwned {}

impl<T: Send + Unpin + DeserializeOwned> DbRow for T {}

/// What stands in a column: the kinds of [`super::Value`].
pub(super) enum Cell<'r> {
    Null,
    Integer(i64),
    Text(&'r str),
    Octets(&'r [u8]),
}

/// A row of one of the drivers.
pub(super) trait Cells {
    fn count(&self) -> usize;
    fn name(&self, column: usize) -> &str;
    fn cell(&self, column: usize) -> Result<Cell<'_>, Unread>;
}

/// Why a row does not read into its type.
#[derive(Debug)]
pub struct Unread(String);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the row does not read: {}", self.0)
    }
}

impl std::error::Error for Unread {}

impl de::Error for Unread {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// Says of which kind the value is and not what it is: errors end up in logs.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let kind = match found {
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => "an integer",
            Unexpected::Str(_) => "text",
            Unexpected::Bytes(_) => "octets",
            Unexpected::Option | Unexpected::Unit => "nothing",
            _ => "of another kind",
        };
        Self(format!("it is {kind}, expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("its value does not fit, expected {expected}"))
    }
}

/// Reads a row.
pub(super) fn read<T: DbRow>(cells: &impl Cells) -> Result<T, Unread> {
    T::deserialize(Row(cells))
}

impl Cells for PgRow {
    fn count(&self) -> usize {
        self.len()
    }

    fn name(&self, column: usize) -> &str {
        self.column(column).name()
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, Unread> {
        let unread = |error: sqlx::Error| Unread(error.to_string());
        let value = self.try_get_raw(column).map_err(unread)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        match value.type_info().name() {
            "INT8" => self.try_get(column).map(Cell::Integer),
            "INT4" => self.try_get::<i32, _>(column).map(|value| Cell::Integer(value.into())),
            "BOOL" => self.try_get::<bool, _>(column).map(|value| Cell::Integer(value.into())),
            "BYTEA" => self.try_get(column).map(Cell::Octets),
            _ => self.try_get(column).map(Cell::Text),
        }
        .map_err(unread)
    }
}

impl Cells for rusqlite::Row<'_> {
    fn count(&self) -> usize {
        self.as_ref().column_count()
    }

    fn name(&self, column: usize) -> &str {
        self.as_ref().column_name(column).unwrap_or_default()
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, Unread> {
        use rusqlite::types::ValueRef;
        match self.get_ref(column).map_err(|error| Unread(error.to_string()))? {
            ValueRef::Null => Ok(Cell::Null),
            ValueRef::Integer(value) => Ok(Cell::Integer(value)),
            ValueRef::Blob(octets) => Ok(Cell::Octets(octets)),
            ValueRef::Text(octets) => std::str::from_utf8(octets)
                .map(Cell::Text)
                .map_err(|_| Unread(format!("column {} is not UTF-8", self.name(column)))),
            ValueRef::Real(_) => Err(Unread(format!("column {} is a fraction", self.name(column)))),
        }
    }
}

struct Row<'r, C>(&'r C);

impl<'de, C: Cells> Deserializer<'de> for Row<'_, C> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_map(Columns { row: self.0, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        wanted: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        if wanted != self.0.count() {
            return Err(de::Error::invalid_length(self.0.count(), &visitor));
        }
        visitor.visit_seq(Columns { row: self.0, next: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple_struct map struct enum identifier ignored_any
    }
}

/// The columns from the next one on.
struct Columns<'r, C> {
    row: &'r C,
    next: usize,
}

impl<'de, C: Cells> SeqAccess<'de> for Columns<'_, C> {
    type Error = Unread;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unread> {
        if self.next == self.row.count() {
            return Ok(None);
        }
        self.next_value_seed(seed).map(Some)
    }
}

impl<'de, C: Cells> MapAccess<'de> for Columns<'_, C> {
    type Error = Unread;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unread> {
        if self.next == self.row.count() {
            return Ok(None);
        }
        seed.deserialize(self.row.name(self.next).into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unread> {
        let column = self.next;
        self.next += 1;
        seed.deserialize(self.row.cell(column)?)
            .map_err(|Unread(why)| Unread(format!("column {}: {why}", self.row.name(column))))
    }
}

impl<'de> Deserializer<'de> for Cell<'_> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Null => visitor.visit_none(),
            Self::Integer(value) => visitor.visit_i64(value),
            Self::Text(text) => visitor.visit_str(text),
            Self::Octets(octets) => visitor.visit_bytes(octets),
        }
    }

    /// `Vec<u8>` asks for a sequence.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Octets(octets) => {
                visitor.visit_seq(de::value::SeqDeserializer::new(octets.iter().copied()))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Everything {
        number: i64,
        name: String,
        octets: Vec<u8>,
        missing: Option<String>,
        present: Option<Vec<u8>>,
    }

    fn one<T: DbRow>(text: &str) -> Result<T, Unread> {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = database.prepare(text).unwrap();
        let mut rows = statement.query([]).unwrap();
        read(rows.next().unwrap().unwrap())
    }

    #[test]
    fn columns_go_into_the_fields_of_their_names() {
        let row = one::<Everything>(
            "SELECT 'left' AS beside, x'0102' AS octets, 7 AS number, 'n' AS name, NULL AS missing,
             x'' AS present",
        );
        let expected = Everything {
            number: 7,
            name: "n".to_owned(),
            octets: vec![1, 2],
            missing: None,
            present: Some(Vec::new()),
        };
        assert_eq!(row.unwrap(), expected);
    }

    #[test]
    fn columns_go_into_tuples_in_their_order_and_all_of_them() {
        let row = one::<(i64, Option<String>, Vec<u8>)>("SELECT 1, NULL, x'ff'");
        assert_eq!(row.unwrap(), (1, None, vec![255]));
        for columns in ["SELECT 1", "SELECT 1, 2, 3"] {
            let error = one::<(i64, i64)>(columns).unwrap_err().to_string();
            assert!(error.contains("a tuple of size 2"), "{error}");
        }
    }

    #[test]
    fn a_column_of_another_kind_or_none_at_all_is_named() {
        for (text, told) in [
            ("SELECT 'secret' AS n", "column n: it is text, expected i64"),
            ("SELECT NULL AS n", "column n: it is nothing, expected i64"),
            ("SELECT 1.5 AS n", "column n is a fraction"),
            ("SELECT x'00' AS n", "column n: it is octets, expected i64"),
        ] {
            let error = one::<(i64,)>(text).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{error}");
        }
        let error = one::<Everything>("SELECT 1 AS number").unwrap_err().to_string();
        assert!(error.contains("missing field `name`"), "{error}");
    }
}
