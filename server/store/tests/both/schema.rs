//! Both databases have the same tables, columns and uniqueness rules.

use std::collections::BTreeSet;

use sekisho_store::{Queries, Store, sql};

use crate::databases;

/// Table, column, type, whether it may be absent.
type Column = (String, String, String, bool);

async fn columns(store: &Store, statement: &'static str) -> BTreeSet<Column> {
    let rows: Vec<(String, String, String, i64)> =
        store.read().fetch_all(sql(statement)).await.unwrap();
    rows.into_iter()
        .filter(|(table, ..)| !table.starts_with('_'))
        .map(|(table, column, kind, nullable)| {
            let kind = match kind.to_ascii_lowercase().as_str() {
                "integer" | "bigint" => "integer",
                "text" => "text",
                "blob" | "bytea" => "octets",
                other => panic!("{table}.{column} is {other}"),
            };
            (table, column, kind.to_owned(), nullable == 1)
        })
        .collect()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = databases::sqlite().await;
    let postgres = databases::postgres().await;
    let of_sqlite = columns(
        &sqlite.one,
        "SELECT m.name, c.name, c.type, CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN 0 ELSE 1 END
         FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
    )
    .await;
    let of_postgres = columns(
        &postgres.one,
        "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT), CAST(c.data_type AS TEXT),
                CAST(CASE WHEN c.is_nullable = 'YES' THEN 1 ELSE 0 END AS BIGINT)
         FROM information_schema.columns c WHERE c.table_schema = 'public'",
    )
    .await;
    assert!(of_sqlite.len() > 150, "{}", of_sqlite.len());
    let differing: Vec<_> = of_sqlite.symmetric_difference(&of_postgres).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[tokio::test]
async fn both_databases_have_the_same_indexes_and_uniqueness_rules() {
    let sqlite = databases::sqlite().await;
    let postgres = databases::postgres().await;
    let indexes = async |store: &Store, statement| {
        let rows: Vec<(String, i64)> = store.read().fetch_all(sql(statement)).await.unwrap();
        rows.into_iter().collect::<BTreeSet<_>>()
    };
    let of_sqlite = indexes(
        &sqlite.one,
        "SELECT i.name, i.\"unique\" FROM sqlite_master m JOIN pragma_index_list(m.name) i
         WHERE m.type = 'table' AND i.origin = 'c'",
    )
    .await;
    let of_postgres = indexes(
        &postgres.one,
        "SELECT CAST(c.relname AS TEXT), CAST(CASE WHEN i.indisunique THEN 1 ELSE 0 END AS BIGINT)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public'
           AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)",
    )
    .await;
    assert!(of_sqlite.len() > 10);
    assert_eq!(of_sqlite, of_postgres);
    // Keys and UNIQUE constraints, which each database names in its own way: as many a table.
    let of_sqlite = indexes(
        &sqlite.one,
        "SELECT m.name, COUNT(*) FROM sqlite_master m JOIN pragma_index_list(m.name) i
         WHERE m.type = 'table' AND m.name NOT LIKE '!_%' ESCAPE '!' AND i.origin <> 'c'
         GROUP BY m.name",
    )
    .await;
    let of_postgres = indexes(
        &postgres.one,
        "SELECT CAST(t.relname AS TEXT), COUNT(*) FROM pg_constraint k
         JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE n.nspname = 'public' AND k.contype IN ('p', 'u')
           AND t.relname NOT LIKE '!_%' ESCAPE '!'
         GROUP BY t.relname",
    )
    .await;
    assert_eq!(of_sqlite, of_postgres);
}
