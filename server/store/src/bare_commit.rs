//! What a durable commit costs on this storage, without anything around it: the measure that the
//! benchmark of issuance stands beside.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{Store, StoreError, db::sql_rows};

/// About what a certificate takes.
const OCTETS_OF_A_ROW: usize = 800;

impl Store {
    /// Commits of so many rows each, one after the other for this long; how many a second.
    ///
    /// For a database of its own: the rows are messages that nobody delivers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn bare_commits(&self, rows: usize, lasting: Duration) -> Result<f64, StoreError> {
        let payload = "x".repeat(OCTETS_OF_A_ROW);
        let began = Instant::now();
        let mut commits = 0_u32;
        while began.elapsed() < lasting {
            let mut insert = sql_rows(
                "INSERT INTO outbox (id, kind, payload, created_at, next_at) VALUES ",
                rows,
                5,
                "",
            );
            for _ in 0..rows {
                let id = Uuid::now_v7().to_string();
                insert = insert.bind(id).bind("bare").bind(&payload).bind(0_i64).bind(0_i64);
            }
            let mut tx = self.begin().await?;
            tx.execute(insert).await?;
            tx.finish().await?;
            commits += 1;
        }
        Ok(f64::from(commits) / began.elapsed().as_secs_f64())
    }
}
