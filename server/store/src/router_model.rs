//! Models of routers with their firmware (機種): what tests and certification name, and what a facility says
//! that a router is.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, sql};

/// By which way a router gets its certificate or its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// EST, RFC 7030.
    Est,
    /// SCEP, RFC 8894.
    Scep,
    /// CMP, RFC 9810.
    Cmp,
    /// A pre-shared key of each pair.
    Psk,
}

impl Door {
    /// All.
    pub const ALL: [Self; 4] = [Self::Est, Self::Scep, Self::Cmp, Self::Psk];

    /// As stored and in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Est => "est",
            Self::Scep => "scep",
            Self::Cmp => "cmp",
            Self::Psk => "psk",
        }
    }

    /// From a stored or typed word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.as_str() == text)
    }
}

/// A model with its firmware, as its maker calls both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Description {
    /// メーカー.
    pub maker: String,
    /// 機種名.
    pub model: String,
    /// Version of its firmware, or the first of a range.
    pub firmware: String,
    /// The last of the range; empty for the one version. Versions are not compared: each maker counts in
    /// its own way.
    pub firmware_to: String,
    /// Name of the certificate profile of its family.
    pub family: String,
    /// Which doors it can use.
    pub doors: Vec<Door>,
    /// What else there is to know.
    pub note: String,
}

impl Description {
    /// Its version, or both ends of the range.
    #[must_use]
    pub fn versions(&self) -> String {
        match self.firmware_to.as_str() {
            "" => self.firmware.clone(),
            to => format!("{} – {to}", self.firmware),
        }
    }

    /// Maker, model and versions, as people say them.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {} {}", self.maker, self.model, self.versions())
    }
}

/// A model of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterModel {
    /// UUIDv7.
    pub id: String,
    /// What it is.
    pub is: Description,
}

/// What became of a row that may have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was not there.
    Entered,
    /// It said something else.
    Changed,
    /// It says the same.
    Same,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    maker: String,
    model: String,
    firmware: String,
    firmware_to: String,
    family: String,
    doors: String,
    note: String,
}

impl Row {
    fn into_model(self) -> Result<RouterModel, StoreError> {
        let doors = self.doors.split_whitespace().map(|word| {
            Door::parse(word).ok_or_else(|| StoreError::Corrupt {
                what: "router model",
                detail: format!("`{word}` is no door"),
            })
        });
        Ok(RouterModel {
            is: Description {
                doors: doors.collect::<Result<_, _>>()?,
                maker: self.maker,
                model: self.model,
                firmware: self.firmware,
                firmware_to: self.firmware_to,
                family: self.family,
                note: self.note,
            },
            id: self.id,
        })
    }
}

macro_rules! select_model {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.maker, m.model, m.firmware, m.firmware_to, m.family, m.doors, m.note
             FROM router_model m ",
            $rest
        )
    };
}

/// Every model, by maker, model and firmware; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn all(queries: &mut impl Queries, limit: i64) -> Result<Vec<RouterModel>, StoreError> {
    let rows: Vec<Row> =
        queries.fetch_all(sql(select_model!("ORDER BY m.id LIMIT $1")).bind(limit)).await?;
    let mut all = rows.into_iter().map(Row::into_model).collect::<Result<Vec<_>, _>>()?;
    // Databases order text in ways of their own.
    all.sort_by(|one, other| one.is.cmp(&other.is));
    Ok(all)
}

/// How many models there are.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count(queries: &mut impl Queries) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries.fetch_one(sql("SELECT COUNT(*) FROM router_model")).await?;
    Ok(count)
}

/// The model of this identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<RouterModel>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_model!("WHERE m.id = $1")).bind(id)).await?;
    row.map(Row::into_model).transpose()
}

/// The model that its maker calls so, with this firmware.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn named(
    queries: &mut impl Queries,
    is: &Description,
) -> Result<Option<RouterModel>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_model!(
                "WHERE m.maker = $1 AND m.model = $2 AND m.firmware = $3 AND m.firmware_to = $4"
            ))
            .bind(is.maker.as_str())
            .bind(is.model.as_str())
            .bind(is.firmware.as_str())
            .bind(is.firmware_to.as_str()),
        )
        .await?;
    row.map(Row::into_model).transpose()
}

/// Enters a model, or corrects family, doors and note of the one that is called so; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one entered it at this moment.
pub async fn keep(
    tx: &mut Tx,
    is: &Description,
    entered_by: &str,
    at: OffsetDateTime,
) -> Result<(String, Kept), StoreError> {
    let doors: Vec<&str> = is.doors.iter().map(|door| door.as_str()).collect();
    let doors = doors.join(" ");
    if let Some(found) = named(tx, is).await? {
        if found.is == *is {
            return Ok((found.id, Kept::Same));
        }
        tx.execute(
            sql("UPDATE router_model SET family = $2, doors = $3, note = $4 WHERE id = $1")
                .bind(found.id.as_str())
                .bind(is.family.as_str())
                .bind(doors)
                .bind(is.note.as_str()),
        )
        .await?;
        return Ok((found.id, Kept::Changed));
    }
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO router_model
                 (id, maker, model, firmware, firmware_to, family, doors, note, entered_at, entered_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(id.as_str())
        .bind(is.maker.as_str())
        .bind(is.model.as_str())
        .bind(is.firmware.as_str())
        .bind(is.firmware_to.as_str())
        .bind(is.family.as_str())
        .bind(doors)
        .bind(is.note.as_str())
        .bind(at)
        .bind(entered_by),
    )
    .await?;
    Ok((id, Kept::Entered))
}

/// Notes which model a router is, or that it is none of the register.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one noted it at this moment.
pub async fn choose(
    tx: &mut Tx,
    terminal_id: &str,
    model_id: Option<&str>,
    chosen_by: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql(
            "INSERT INTO router_model_choice (terminal_id, ordinal, model_id, chosen_at, chosen_by)
             SELECT $1, COALESCE(MAX(c.ordinal), 0) + 1, $2, $3, $4
             FROM router_model_choice c WHERE c.terminal_id = $1",
        )
        .bind(terminal_id)
        .bind(model_id)
        .bind(at)
        .bind(chosen_by),
    )
    .await?;
    Ok(())
}

/// Which model a router is, as its facility says.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_router(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Option<RouterModel>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_model!(
                "JOIN router_model_choice c ON c.model_id = m.id
                 WHERE c.terminal_id = $1 AND c.ordinal = (SELECT MAX(n.ordinal)
                     FROM router_model_choice n WHERE n.terminal_id = c.terminal_id)"
            ))
            .bind(terminal_id),
        )
        .await?;
    row.map(Row::into_model).transpose()
}
