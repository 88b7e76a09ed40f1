//! Files of tests, version 1: TOML, as docs/routers.md describes it.
//!
//! A file speaks for itself: each model that a result names stands in it, so that no result is of
//! something else because two registers differ.

use std::collections::{BTreeMap, BTreeSet};

use sekisho_store::{
    router_model::{Description, Door},
    router_test::{Judged, Proof, Source},
};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use toml::Spanned;

use super::{
    FileError, MOST_MODELS_OF_A_FILE, MOST_OCTETS, MOST_RESULTS_OF_A_FILE, refused::Wrong,
};
use crate::{form, network::family};

/// What `format` says.
pub(super) const FORMAT: &str = "sekisho-router-tests";
/// The version that is read and written.
pub(super) const VERSION: i64 = 1;

/// Most characters of a maker, a model and a version.
const MOST_NAME: usize = 80;
/// Most characters of why it failed, and of who tested it.
const MOST_LINE: usize = 200;
/// Most characters of a note.
const MOST_NOTE: usize = 500;
/// Characters of a wrong word that are told.
const TOLD: usize = 40;

/// A file whose every line was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// Its models.
    pub models: Vec<Described>,
    /// Its results.
    pub results: Vec<Seen>,
}

/// A model, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Line of the file.
    pub line: usize,
    /// What results call it.
    pub key: String,
    /// What it is.
    pub is: Description,
}

/// A result, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Line of the file.
    pub line: usize,
    /// Place among the models of the file.
    pub opens: usize,
    /// The same.
    pub awaits: usize,
    /// By what they proved themselves.
    pub proof: Proof,
    /// Why it failed.
    pub failure: Option<String>,
    /// What was looked at.
    pub judged: Judged,
    /// When.
    pub tested_at: OffsetDateTime,
    /// Where it comes from.
    pub source: Source,
    /// By whom and with what.
    pub tested_by: String,
    /// What else there is to know.
    pub note: String,
}

/// What is looked at first: a file of another kind or version is told so, and not of its first unknown key.
#[derive(Deserialize)]
struct Head {
    format: Option<Spanned<toml::Value>>,
    version: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    model: Vec<Model>,
    #[serde(default)]
    run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    key: Spanned<String>,
    maker: Spanned<String>,
    model: Spanned<String>,
    firmware: Spanned<String>,
    firmware_to: Option<Spanned<String>>,
    family: Spanned<String>,
    doors: Vec<Spanned<String>>,
    note: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    source: Spanned<String>,
    tested_by: Spanned<String>,
    tested_at: Spanned<String>,
    judged: Spanned<String>,
    note: Option<Spanned<String>>,
    results: Vec<Spanned<Outcome>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    opens: Spanned<String>,
    awaits: Spanned<String>,
    proof: Spanned<String>,
    succeeded: bool,
    reason: Option<Spanned<String>>,
}

/// Reads a file; `now` bounds the times in it.
///
/// # Errors
/// [`FileError`]: the first thing that is wrong, and its line.
pub fn read(octets: &[u8], now: OffsetDateTime) -> Result<TestFile, FileError> {
    let at_the_start = |wrong| FileError { line: 1, wrong };
    if octets.len() > MOST_OCTETS {
        return Err(at_the_start(Wrong::TooLarge(MOST_OCTETS)));
    }
    let text = std::str::from_utf8(octets).map_err(|error| FileError {
        line: octets[..error.valid_up_to()].iter().filter(|octet| **octet == b'\n').count() + 1,
        wrong: Wrong::NotText,
    })?;
    let lines = Lines::of(text);
    let shape = |error: toml::de::Error| {
        let line = lines.at(error.span().map_or(text.len(), |span| span.start));
        FileError { line, wrong: Wrong::Shape(error.message().to_owned()) }
    };
    let head: Head = toml::from_str(text).map_err(shape)?;
    judge_head(&head, &lines)?;
    let file: Shape = toml::from_str(text).map_err(shape)?;
    Reading { lines: &lines, now }.file(&file)
}

fn judge_head(head: &Head, lines: &Lines) -> Result<(), FileError> {
    let line =
        |found: Option<&Spanned<toml::Value>>| found.map_or(1, |found| lines.of_value(found));
    let format = head.format.as_ref();
    if format.and_then(|format| format.as_ref().as_str()) != Some(FORMAT) {
        return Err(FileError { line: line(format), wrong: Wrong::Format });
    }
    let version = head.version.as_ref();
    match version.and_then(|version| version.as_ref().as_integer()) {
        // What is missing or no number is told of with the shape.
        None | Some(VERSION) => Ok(()),
        Some(other) => Err(FileError { line: line(version), wrong: Wrong::Version(other) }),
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|begin| *begin <= offset) + 1
    }

    fn of_value<T>(&self, value: &Spanned<T>) -> usize {
        self.at(value.span().start)
    }
}

struct Reading<'a> {
    lines: &'a Lines,
    now: OffsetDateTime,
}

impl Reading<'_> {
    fn file(&self, file: &Shape) -> Result<TestFile, FileError> {
        let at_the_start = |wrong| FileError { line: 1, wrong };
        if file.model.is_empty() {
            return Err(at_the_start(Wrong::Empty));
        }
        if file.model.len() > MOST_MODELS_OF_A_FILE {
            return Err(at_the_start(Wrong::TooManyModels(MOST_MODELS_OF_A_FILE)));
        }
        if file.run.iter().map(|run| run.results.len()).sum::<usize>() > MOST_RESULTS_OF_A_FILE {
            return Err(at_the_start(Wrong::TooManyResults(MOST_RESULTS_OF_A_FILE)));
        }
        let (mut models, mut keys) = (Vec::new(), BTreeMap::new());
        let mut named = BTreeSet::new();
        for model in &file.model {
            let described = self.model(model)?;
            let is = &described.is;
            if keys.insert(described.key.clone(), models.len()).is_some() {
                return Err(self.wrong(&model.key, Wrong::KeyTwice(described.key)));
            }
            let name = [&is.maker, &is.model, &is.firmware, &is.firmware_to].map(Clone::clone);
            if !named.insert(name) {
                return Err(self.wrong(&model.maker, Wrong::ModelTwice));
            }
            models.push(described);
        }
        let (mut results, mut tests) = (Vec::new(), BTreeSet::new());
        for run in &file.run {
            for seen in self.run(run, &keys)? {
                let test = (seen.opens, seen.awaits, seen.proof, seen.judged, seen.tested_at);
                if !tests.insert(test) {
                    return Err(FileError { line: seen.line, wrong: Wrong::ResultTwice });
                }
                results.push(seen);
            }
        }
        Ok(TestFile { models, results })
    }

    fn model(&self, model: &Model) -> Result<Described, FileError> {
        let families = || family::all().iter().map(|family| family.profile).collect::<Vec<_>>();
        let mut doors = Vec::new();
        for word in &model.doors {
            let door =
                self.word("doors", word, Door::parse, || Door::ALL.map(Door::as_str).into())?;
            if doors.contains(&door) {
                return Err(self.wrong(word, Wrong::DoorTwice(door.as_str())));
            }
            doors.push(door);
        }
        doors.sort_unstable();
        Ok(Described {
            line: self.lines.of_value(&model.key),
            key: self.line("key", &model.key, MOST_NAME)?,
            is: Description {
                maker: self.line("maker", &model.maker, MOST_NAME)?,
                model: self.line("model", &model.model, MOST_NAME)?,
                firmware: self.line("firmware", &model.firmware, MOST_NAME)?,
                firmware_to: self.line_if_any("firmware_to", model.firmware_to.as_ref())?,
                family: self
                    .word("family", &model.family, family::find, families)?
                    .profile
                    .to_owned(),
                doors,
                note: self.note(model.note.as_ref())?,
            },
        })
    }

    fn run(&self, run: &Run, keys: &BTreeMap<String, usize>) -> Result<Vec<Seen>, FileError> {
        let source = || Source::ALL.map(Source::as_str).into();
        let source = self.word("source", &run.source, Source::parse, source)?;
        let judged = || Judged::ALL.map(Judged::as_str).into();
        let judged = self.word("judged", &run.judged, Judged::parse, judged)?;
        let tested_by = self.line("tested_by", &run.tested_by, MOST_LINE)?;
        let note = self.note(run.note.as_ref())?;
        let tested_at = self.time(&run.tested_at)?;
        let mut seen = Vec::new();
        for spanned in &run.results {
            let outcome = spanned.as_ref();
            let proofs = || Proof::ALL.map(Proof::as_str).into();
            let failure = match (outcome.succeeded, &outcome.reason) {
                (true, None) => None,
                (true, Some(reason)) => return Err(self.wrong(reason, Wrong::ReasonOfSuccess)),
                (false, None) => return Err(self.wrong(spanned, Wrong::ReasonMissing)),
                (false, Some(reason)) => Some(self.line("reason", reason, MOST_LINE)?),
            };
            seen.push(Seen {
                line: self.lines.of_value(spanned),
                opens: self.end("opens", &outcome.opens, keys)?,
                awaits: self.end("awaits", &outcome.awaits, keys)?,
                proof: self.word("proof", &outcome.proof, Proof::parse, proofs)?,
                failure,
                judged,
                tested_at,
                source,
                tested_by: tested_by.clone(),
                note: note.clone(),
            });
        }
        Ok(seen)
    }

    fn end(
        &self,
        field: &'static str,
        key: &Spanned<String>,
        keys: &BTreeMap<String, usize>,
    ) -> Result<usize, FileError> {
        let asked = self.line(field, key, MOST_NAME)?;
        let found = keys.get(&asked).copied();
        found.ok_or_else(|| self.wrong(key, Wrong::NoModel { field, key: told(&asked) }))
    }

    fn time(&self, typed: &Spanned<String>) -> Result<OffsetDateTime, FileError> {
        let read = OffsetDateTime::parse(typed.as_ref(), &Rfc3339);
        // Kept to the second, in which a result is told from another.
        let read =
            read.ok().and_then(|at| at.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).ok());
        match read {
            None => Err(self.wrong(typed, Wrong::Time)),
            Some(at) if at > self.now => Err(self.wrong(typed, Wrong::Future)),
            Some(at) => Ok(at),
        }
    }

    fn word<T>(
        &self,
        field: &'static str,
        typed: &Spanned<String>,
        read: impl Fn(&str) -> Option<T>,
        known: impl Fn() -> Vec<&'static str>,
    ) -> Result<T, FileError> {
        read(typed.as_ref()).ok_or_else(|| {
            let found = told(typed.as_ref());
            self.wrong(typed, Wrong::Word { field, found, known: known().join(", ") })
        })
    }

    fn line(
        &self,
        field: &'static str,
        typed: &Spanned<String>,
        most: usize,
    ) -> Result<String, FileError> {
        let read = form::line(typed.as_ref(), most);
        read.map_err(|error| self.wrong(typed, Wrong::Line { field, error }))
    }

    fn line_if_any(
        &self,
        field: &'static str,
        typed: Option<&Spanned<String>>,
    ) -> Result<String, FileError> {
        typed.map_or(Ok(String::new()), |typed| self.line(field, typed, MOST_NAME))
    }

    fn note(&self, typed: Option<&Spanned<String>>) -> Result<String, FileError> {
        let Some(typed) = typed else { return Ok(String::new()) };
        let read = form::line_if_any(typed.as_ref(), MOST_NOTE);
        read.map_err(|error| self.wrong(typed, Wrong::Line { field: "note", error }))
    }

    fn wrong<T>(&self, at: &Spanned<T>, wrong: Wrong) -> FileError {
        FileError { line: self.lines.of_value(at), wrong }
    }
}

/// A stranger's word, cut and cleaned for showing.
fn told(word: &str) -> String {
    word.chars().filter(|c| !c.is_control() && !form::is_invisible(*c)).take(TOLD).collect()
}
