//! Taking a file of tests into the register: all of it, in one transaction, or nothing.

use sekisho_store::{
    Queries, StoreError, Tx,
    audit::Entry,
    router_model::{self, Kept},
    router_test::{self, RouterTest},
};
use time::OffsetDateTime;

use super::{
    FileError, MOST_MODELS, Wrong,
    file::{Seen, TestFile},
};

/// In the audit trail.
pub const ACT: &str = "router_model.import";

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Were not there.
    pub entered: usize,
    /// Said something else.
    pub changed: usize,
    /// Say the same.
    pub same: usize,
}

impl Tally {
    fn count(&mut self, kept: Kept) {
        *match kept {
            Kept::Entered => &mut self.entered,
            Kept::Changed => &mut self.changed,
            Kept::Same => &mut self.same,
        } += 1;
    }
}

/// What a file brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Of its models.
    pub models: Tally,
    /// Of its results.
    pub results: Tally,
}

impl Imported {
    /// With these numbers in an audit record.
    #[must_use]
    pub fn recorded(&self, entry: Entry) -> Entry {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        entry
            .fact("models_entered", number(self.models.entered))
            .fact("models_changed", number(self.models.changed))
            .fact("results_entered", number(self.results.entered))
            .fact("rows_known", number(self.models.same + self.results.same))
    }
}

impl Seen {
    fn of_models(&self, opens_id: &str, awaits_id: &str) -> RouterTest {
        RouterTest {
            opens_id: opens_id.to_owned(),
            awaits_id: awaits_id.to_owned(),
            proof: self.proof,
            judged: self.judged,
            tested_at: self.tested_at,
            failure: self.failure.clone(),
            source: self.source,
            tested_by: self.tested_by.clone(),
            note: self.note.clone(),
        }
    }
}

/// What stands in the register against a file.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn refusal(
    queries: &mut impl Queries,
    file: &TestFile,
) -> Result<Option<FileError>, StoreError> {
    let mut known = Vec::with_capacity(file.models.len());
    for model in &file.models {
        known.push(router_model::named(queries, &model.is).await?.map(|model| model.id));
    }
    let there = usize::try_from(router_model::count(queries).await?).unwrap_or(usize::MAX);
    let mut room = MOST_MODELS.saturating_sub(there);
    for (model, known) in file.models.iter().zip(&known) {
        if known.is_none() {
            if room == 0 {
                let wrong = Wrong::TooManyModels(MOST_MODELS);
                return Ok(Some(FileError { line: model.line, wrong }));
            }
            room -= 1;
        }
    }
    for seen in &file.results {
        let (Some(opens), Some(awaits)) = (&known[seen.opens], &known[seen.awaits]) else {
            continue;
        };
        let test = seen.of_models(opens, awaits);
        if router_test::same(queries, &test).await?.is_some_and(|found| found != test) {
            return Ok(Some(FileError { line: seen.line, wrong: Wrong::Contradicts }));
        }
    }
    Ok(None)
}

/// Takes a file in, unless something stands against it; then nothing is written.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another import was quicker; try again.
pub async fn keep(
    tx: &mut Tx,
    file: &TestFile,
    entered_by: &str,
    at: OffsetDateTime,
) -> Result<Result<Imported, FileError>, StoreError> {
    if let Some(refused) = refusal(tx, file).await? {
        return Ok(Err(refused));
    }
    let (mut imported, mut ids) = (Imported::default(), Vec::with_capacity(file.models.len()));
    for model in &file.models {
        let (id, kept) = router_model::keep(tx, &model.is, entered_by, at).await?;
        imported.models.count(kept);
        ids.push(id);
    }
    for seen in &file.results {
        let test = seen.of_models(&ids[seen.opens], &ids[seen.awaits]);
        imported.results.count(router_test::keep(tx, &test, entered_by, at).await?);
    }
    Ok(Ok(imported))
}
