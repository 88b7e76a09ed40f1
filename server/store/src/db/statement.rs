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

/// SQL text with its bound values, not yet run.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(super) text: SqlStr,
    pub(super) values: Vec<Value>,
}

/// Starts a statement. The text is a constant: nothing a caller sends ever becomes SQL.
#[must_use]
pub fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), values: Vec::new() }
}

/// Starts a statement over several rows: `before`, then `rows` times a group of `width`
/// placeholders, then `after`. The first placeholder is `$1`; rows are bound one after the other.
pub(crate) fn sql_rows(
    before: &'static str,
    rows: usize,
    width: usize,
    after: &'static str,
) -> Statement {
    let mut text = String::with_capacity(before.len() + after.len() + rows * width * 6);
    text.push_str(before);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=width {
            if column > 1 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&(row * width + column).to_string());
        }
        text.push(')');
    }
    text.push_str(after);
    // Constants and numbered placeholders only.
    Statement { text: AssertSqlSafe(text).into_sql_str(), values: Vec::with_capacity(rows * width) }
}

impl Statement {
    /// Binds the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}
