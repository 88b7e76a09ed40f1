//! `GET /console/service/{id}/rules/compare`: what one version of a service's rules says otherwise than
//! another. The same is shown of a draft and of a proposal.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use sekisho_authz::{Rule, Rules};
use sekisho_store::rules_version;
use serde::Deserialize;

use super::{super::seen, name_of, path_of, sentence};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{PathId, StrictQuery},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
};

/// What became of a rule or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Added,
    Removed,
    Changed,
}

/// A rule that is not the same in both.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) fate: Fate,
    /// Sentences that are said no longer.
    pub(super) before: Vec<String>,
    /// Sentences that are said from then on.
    pub(super) after: Vec<String>,
}

/// What two sets of rules say otherwise.
pub(super) struct Compared {
    pub(super) rules: Vec<Line>,
    pub(super) groups: Vec<Line>,
    /// The rules stand in another order: another one explains a refusal.
    pub(super) reordered: bool,
}

impl Compared {
    pub(super) fn is_same(&self) -> bool {
        self.rules.is_empty() && self.groups.is_empty() && !self.reordered
    }

    pub(super) fn between(before: &Rules, after: &Rules, text: &Text) -> Self {
        let by_id = |rules: &Rules| -> BTreeMap<String, Rule> {
            rules.rules.iter().map(|rule| (rule.id.clone(), rule.clone())).collect()
        };
        let (old, new) = (by_id(before), by_id(after));
        let ids: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let mut lines = Vec::new();
        for id in ids {
            let said = |rule: &Rule, rules: &Rules| sentence::sentences(rule, rules, text);
            let (fate, was, is) = match (old.get(id), new.get(id)) {
                (Some(was), Some(is)) if was == is => continue,
                (Some(was), Some(is)) => (Fate::Changed, said(was, before), said(is, after)),
                (Some(was), None) => (Fate::Removed, said(was, before), Vec::new()),
                (None, Some(is)) => (Fate::Added, Vec::new(), said(is, after)),
                (None, None) => continue,
            };
            let without = |all: &[String], other: &[String]| -> Vec<String> {
                all.iter().filter(|sentence| !other.contains(sentence)).cloned().collect()
            };
            let line = Line {
                id: id.clone(),
                fate,
                before: without(&was, &is),
                after: without(&is, &was),
            };
            lines.push(line);
        }
        let order = |rules: &Rules, other: &BTreeMap<String, Rule>| -> Vec<String> {
            let both = rules.rules.iter().filter(|rule| other.contains_key(&rule.id));
            both.map(|rule| rule.id.clone()).collect()
        };
        Self {
            rules: lines,
            groups: groups(before, after, text),
            reordered: order(before, &new) != order(after, &old),
        }
    }
}

fn groups(before: &Rules, after: &Rules, text: &Text) -> Vec<Line> {
    let names: BTreeSet<_> = before.groups.keys().chain(after.groups.keys()).collect();
    let nobody = BTreeSet::new();
    let mut lines = Vec::new();
    for name in names {
        let (was, is) = (before.groups.get(name), after.groups.get(name));
        if was == is {
            continue;
        }
        let fate = match (was, is) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            _ => Fate::Changed,
        };
        let (was, is) = (was.unwrap_or(&nobody), is.unwrap_or(&nobody));
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            let only: BTreeSet<String> = one.difference(other).cloned().collect();
            let shown = sentence::facilities(&only, text);
            if only.is_empty() { Vec::new() } else { vec![shown] }
        };
        let line = Line { id: name.clone(), fate, before: only(was, is), after: only(is, was) };
        lines.push(line);
    }
    lines
}

/// Which two versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    from: u32,
    to: u32,
}

#[derive(Template)]
#[template(path = "console/rules-compare.html")]
struct ComparePage {
    page: PageFrame,
    name: String,
    path: String,
    from: u32,
    to: u32,
    compared: Compared,
}

/// The page, for whoever sees the service.
///
/// # Errors
/// [`PageError`]: no such service or version, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let service = seen(&mut reader, &session, &id).await?;
    let mut sets = Vec::new();
    for version in [asked.from, asked.to] {
        let found = rules_version::find(&mut reader, &id, version.into()).await?;
        let found = found.ok_or_else(PageError::not_found)?;
        sets.push(Rules::from_json(&found.rules).unwrap_or_default());
    }
    let compared = match sets.as_slice() {
        [before, after] => Compared::between(before, after, &page.text),
        _ => return Err(PageError::not_found()),
    };
    Ok(Page(ComparePage {
        name: name_of(&service, &page.text),
        path: path_of(&id),
        from: asked.from,
        to: asked.to,
        compared,
        page: session.frame(page),
    }))
}
