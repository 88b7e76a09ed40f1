//! SQL text and the values bound to it.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// A value bound to a placeholder.
#[derive(Clone, Debug)]
pub enum Value {
    /// 64-bit integer, also for times (Unix seconds).
    Integer(Option<i64>),
    /// Text.
    Text(Option<String>),
    /// Octets.
    Octets(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident($convert:expr)),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self { Self::$variant(Some($convert(value))) }
        }
        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self { Self::$variant(value.map($convert)) }
        }
    )*};
}

value_from! {
    i64 => Integer(|v| v),
    String => Text(|v| v),
    &String => Text(|v: &String| v.clone()),
    &str => Text(str::to_owned),
    Vec<u8> => Octets(|v| v),
    &Vec<u8> => Octets(|v: &Vec<u8>| v.clone()),
    &[u8] => Octets(<[u8]>::to_vec),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Octets(Some(value.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Octets(Some(value.to_vec()))
    }
}

impl From<time::OffsetDateTime> for Value {
    fn from(value: time::OffsetDateTime) -> Self {
        Self::Integer(Some(value.unix_timestamp()))
    }
}

impl From<Option<time::OffsetDateTime>> for Value {
    fn from(value: Option<time::OffsetDateTime>) -> Self {
        Self::Integer(value.map(time::OffsetDateTime::unix_timestamp))
    }
}

/// More rows than a few requests write together.
const MANY_ROWS: usize = 64;

/// SQL text with its bound values, not yet run.
#[derive(Clone, Debug)]
pub struct Statement {
    text: Text,
    values: Vec<Value>,
    extent: Extent,
}

/// How many rows a statement looks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Unsaid,
    Few,
    Many,
}

#[derive(Clone, Copy, Debug)]
enum Text {
    Fixed(&'static str),
    Rows { before: &'static str, rows: usize, width: usize, after: &'static str },
}

/// How a database wants the placeholders of many rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Placeholders {
    /// `?`: SQLite finds a named one, which `$1` is to it, by looking through all of them.
    InTurn,
    /// `$1`, `$2`: the only ones that PostgreSQL has.
    Numbered,
}

/// Starts a statement. The text is a constant: nothing a caller sends ever becomes SQL.
#[must_use]
pub fn sql(text: &'static str) -> Statement {
    Statement { text: Text::Fixed(text), values: Vec::new(), extent: Extent::Unsaid }
}

/// Starts a statement over several rows: `before`, then `rows` times a group of `width`
/// placeholders, then `after`, and no other placeholder; rows are bound one after the other.
pub(crate) fn sql_rows(
    before: &'static str,
    rows: usize,
    width: usize,
    after: &'static str,
) -> Statement {
    Statement {
        text: Text::Rows { before, rows, width, after },
        values: Vec::with_capacity(rows * width),
        extent: if rows > MANY_ROWS { Extent::Many } else { Extent::Unsaid },
    }
}

impl Statement {
    /// Binds the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Says that it looks through many rows, so that SQLite runs it where it holds up nobody.
    #[must_use]
    pub(crate) fn long(self) -> Self {
        Self { extent: Extent::Many, ..self }
    }

    /// Says that all rows it looks through are a handful, so that SQLite runs it at once also for a
    /// [`Reader`](super::Reader)'s `fetch_all`, which otherwise takes it for one over many.
    #[must_use]
    pub(crate) fn short(self) -> Self {
        Self { extent: Extent::Few, ..self }
    }

    pub(super) fn is_long(&self) -> bool {
        self.extent == Extent::Many
    }

    pub(super) fn is_short(&self) -> bool {
        self.extent == Extent::Few
    }

    /// Text and values for a database with these placeholders.
    pub(super) fn into_parts(self, placeholders: Placeholders) -> (SqlStr, Vec<Value>) {
        let text = match self.text {
            Text::Fixed(text) => text.into_sql_str(),
            Text::Rows { before, rows, width, after } => {
                let mut text = String::with_capacity(before.len() + after.len() + rows * width * 6);
                text.push_str(before);
                for row in 0..rows {
                    text.push_str(if row == 0 { "(" } else { ", (" });
                    push_row(&mut text, row * width, width, placeholders);
                    text.push(')');
                }
                text.push_str(after);
                // Constants and placeholders only.
                AssertSqlSafe(text).into_sql_str()
            }
        };
        (text, self.values)
    }
}

fn push_row(text: &mut String, bound: usize, width: usize, placeholders: Placeholders) {
    for column in 1..=width {
        if column > 1 {
            text.push_str(", ");
        }
        match placeholders {
            Placeholders::InTurn => text.push('?'),
            Placeholders::Numbered => {
                text.push('$');
                text.push_str(&(bound + column).to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_placeholders_of_their_database() {
        for (placeholders, expected) in [
            (Placeholders::InTurn, "VALUES (?, ?), (?, ?), (?, ?) RETURNING id"),
            (Placeholders::Numbered, "VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING id"),
        ] {
            let statement = sql_rows("VALUES ", 3, 2, " RETURNING id");
            assert_eq!(statement.into_parts(placeholders).0.as_str(), expected);
        }
        let one = sql("SELECT $1").bind(7_i64);
        let (text, values) = one.into_parts(Placeholders::InTurn);
        assert_eq!((text.as_str(), values.len()), ("SELECT $1", 1));
    }
}
