//! Everything that the database holds, but the trail.

use std::collections::BTreeMap;

use sekisho_store::{Queries, Store, sql};

/// Table by table: how many rows, and a digest or the text of them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, (i64, String)>);

/// One statement over all tables, written once for a database.
pub struct Camera(&'static str);

/// What a refusal may leave: its record, and the counter that bounds how often it is asked for.
const TRACES: [&str; 5] =
    ["audit_record", "audit_personal", "audit_link", "audit_checkpoint", "sign_in_failure"];

impl Camera {
    /// For a database of SQLite.
    pub async fn new(store: &Store) -> Self {
        let columns: Vec<(String, String)> = store
            .read()
            .fetch_all(sql("SELECT m.name, c.name FROM sqlite_master m
                             JOIN pragma_table_info(m.name) c
                             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
                               AND m.name NOT LIKE '\\_%' ESCAPE '\\'"))
            .await
            .unwrap();
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (table, column) in columns {
            tables.entry(table).or_default().push(format!("quote(\"{column}\")"));
        }
        Self::of(tables.into_iter().map(|(table, columns)| {
            let row = columns.join("||','||");
            let select = format!(
                "SELECT '{table}', COUNT(*), COALESCE(group_concat(r, ';'), '')
                 FROM (SELECT {row} AS r FROM \"{table}\" ORDER BY 1)"
            );
            (table, select)
        }))
    }

    /// For a database of PostgreSQL.
    pub async fn of_postgres(store: &Store) -> Self {
        let tables: Vec<(String,)> = store
            .read()
            .fetch_all(sql("SELECT CAST(table_name AS TEXT) FROM information_schema.tables
                             WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'"))
            .await
            .unwrap();
        Self::of(tables.into_iter().map(|(table,)| {
            let select = format!(
                "SELECT '{table}', COUNT(*), COALESCE(string_agg(CAST(t AS TEXT), ';'
                     ORDER BY CAST(t AS TEXT)), '') FROM \"{table}\" t"
            );
            (table, select)
        }))
    }

    fn of(selects: impl Iterator<Item = (String, String)>) -> Self {
        let selects: Vec<String> = selects
            .filter(|(table, _)| !TRACES.contains(&table.as_str()))
            .map(|(_, select)| select)
            .collect();
        assert!(selects.len() > 35, "{}", selects.len());
        Self(Box::leak(selects.join(" UNION ALL ").into_boxed_str()))
    }

    pub async fn take(&self, store: &Store) -> Snapshot {
        let rows: Vec<(String, i64, String)> = store.read().fetch_all(sql(self.0)).await.unwrap();
        Snapshot(rows.into_iter().map(|(table, count, all)| (table, (count, all))).collect())
    }
}

impl Snapshot {
    /// The tables that differ, with how many rows they had and have.
    pub fn differing<'s>(&'s self, later: &'s Self) -> Vec<(&'s str, i64, i64)> {
        self.0
            .iter()
            .filter_map(|(table, before)| {
                let after = &later.0[table];
                (before != after).then_some((table.as_str(), before.0, after.0))
            })
            .collect()
    }
}
