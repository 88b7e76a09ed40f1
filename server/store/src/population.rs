//! Who there is, as rules look at people: memberships in force at organisations in operation, grouped by what
//! is equal.

use sekisho_wire::acr;

use crate::{Queries, StoreError, moment::text_list, sql};

/// By what memberships are told apart; what nobody looks at makes no groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Kind of the facility.
    pub kind: bool,
    /// Prefecture of the facility.
    pub prefecture: bool,
    /// Professional roles of the person.
    pub roles: bool,
}

/// Memberships in force, at organisations in operation, that are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Kind of the facility, a token; empty where kinds are not told apart.
    pub kind: String,
    /// Number of the facility's prefecture (JIS X 0401); 0 where prefectures are not told apart.
    pub prefecture: i64,
    /// Roles that the HPKI card showed at the latest login by one at that facility, verbatim; none before
    /// the first, and where roles are not told apart.
    pub roles: Vec<String>,
    /// How many memberships.
    pub memberships: i64,
}

#[derive(serde::Deserialize)]
struct Row {
    kind: String,
    prefecture: i64,
    roles: String,
    memberships: i64,
}

/// One pass over the memberships that the condition selects, in the order in which they lie; then one over what these
/// come to at each organisation. Taken in one step, they were sorted by text, or read in the order of the
/// organisations, which takes four times as long on SQLite. `concat!` keeps the statements constants.
macro_rules! select_groups {
    ($condition:literal) => {
        concat!(
            "WITH member AS MATERIALIZED (
                 SELECT m.organisation_id, CASE WHEN $3 = 1 THEN COALESCE(
                            (SELECT s.hc_roles FROM session s
                             WHERE s.membership_id = m.id AND s.acr = $4
                             ORDER BY s.created_at DESC LIMIT 1), '[]') ELSE '[]' END AS roles
                 FROM membership m
                 WHERE ",
            $condition,
            "(SELECT e.kind FROM membership_event e WHERE e.membership_id = m.id
                   ORDER BY e.at DESC, e.id DESC LIMIT 1) = 'started'
             ), held AS MATERIALIZED (
                 SELECT organisation_id, roles, COUNT(*) AS memberships
                 FROM member GROUP BY organisation_id, roles
             )
             SELECT CASE WHEN $1 = 1 THEN o.kind ELSE '' END AS kind,
                    CASE WHEN $2 = 1 THEN o.prefecture ELSE 0 END AS prefecture,
                    h.roles, CAST(SUM(h.memberships) AS BIGINT) AS memberships
             FROM held h JOIN organisation o ON o.id = h.organisation_id
             WHERE (SELECT e.kind FROM organisation_event e WHERE e.organisation_id = o.id
                    ORDER BY e.at DESC, e.id DESC LIMIT 1) IN ('activated', 'resumed')
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
    };
}

/// All memberships in force.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn groups(queries: &mut impl Queries, by: By) -> Result<Vec<Group>, StoreError> {
    let statement = sql(select_groups!(""));
    let statement = bound(statement, by);
    read(queries.fetch_all(statement).await?)
}

/// Those at one organisation.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn groups_at(
    queries: &mut impl Queries,
    organisation_id: &str,
    by: By,
) -> Result<Vec<Group>, StoreError> {
    let statement = bound(sql(select_groups!("m.organisation_id = $5 AND ")), by);
    read(queries.fetch_all(statement.bind(organisation_id)).await?)
}

fn bound(statement: crate::Statement, by: By) -> crate::Statement {
    statement
        .bind(i64::from(by.kind))
        .bind(i64::from(by.prefecture))
        .bind(i64::from(by.roles))
        .bind(acr::HPKI_CARD)
}

fn read(rows: Vec<Row>) -> Result<Vec<Group>, StoreError> {
    let group = |row: Row| {
        Ok(Group {
            roles: text_list("hcRole list", &row.roles)?,
            kind: row.kind,
            prefecture: row.prefecture,
            memberships: row.memberships,
        })
    };
    rows.into_iter().map(group).collect()
}
