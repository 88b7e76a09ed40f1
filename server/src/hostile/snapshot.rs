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
        tables.retain(|table, _| !TRACES.contains(&table.as_str()));
        assert!(tables.len() > 35, "{}", tables.len());
        let selects: Vec<String> = tables
            .iter()
            .map(|(table, columns)| {
                let row = columns.join("||','||");
                format!(
                    "SELECT '{table}', COUNT(*), COALESCE(group_concat(r, ';'), '')
                     FROM (SELECT {row} AS r FROM \"{table}\" ORDER BY 1)"
                )
            })
            .collect();
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
