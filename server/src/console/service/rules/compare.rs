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
            let said =
                |rule: &Rule, rules: &Rules, other: Option<&Rule>| said(rule, rules, other, text);
            let (fate, was, is) = match (old.get(id), new.get(id)) {
                (Some(was), Some(is)) if was == is => continue,
                (Some(was), Some(is)) => {
                    (Fate::Changed, said(was, before, Some(is)), said(is, after, Some(was)))
                }
                (Some(was), None) => (Fate::Removed, said(was, before, None), Vec::new()),
                (None, Some(is)) => (Fate::Added, Vec::new(), said(is, after, None)),
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

/// A rule in sentences with every facility that the other one does not name: however long the list, nothing
/// that changes is left out.
fn said(rule: &Rule, rules: &Rules, other: Option<&Rule>, text: &Text) -> Vec<String> {
    let without = Rule { facilities: None, ..rule.clone() };
    let mut said = sentence::sentences(&without, rules, text);
    let theirs = other.and_then(|other| other.facilities.as_ref());
    if let Some(own) = &rule.facilities {
        let only: BTreeSet<String> = match theirs {
            Some(theirs) => own.difference(theirs).cloned().collect(),
            None => own.clone(),
        };
        if !only.is_empty() {
            let ids = sentence::every_facility(&only, text);
            said.push(text.t1("rules-say-facilities", "facilities", ids));
        }
    }
    said
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
            let shown = sentence::every_facility(&only, text);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    fn rules(facilities: &[u64]) -> Rules {
        let ids: Vec<_> = facilities.iter().map(|number| format!("{number:012}")).collect();
        let json = serde_json::json!({
            "rules": [{ "id": "named", "facilities": ids }],
            "groups": { "east": ids },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_facility_that_comes_or_goes_is_told_however_many_there_are() {
        let text = Text::new(Arc::new(Catalogue::load().unwrap()), Lang::En);
        let before: Vec<u64> = (0..5_000).collect();
        let mut after = before.clone();
        after[4_999] = 7_777;
        let compared = Compared::between(&rules(&before), &rules(&after), &text);
        for line in compared.rules.iter().chain(&compared.groups) {
            assert_eq!((line.fate, line.before.len(), line.after.len()), (Fate::Changed, 1, 1));
            assert!(line.before[0].contains("000000004999"), "{}", line.before[0]);
            assert!(line.after[0].contains("000000007777"), "{}", line.after[0]);
            assert!(!line.after[0].contains("000000000001"), "{}", line.after[0]);
        }
        assert_eq!((compared.rules.len(), compared.groups.len()), (1, 1));
        let new = Compared::between(&Rules::default(), &rules(&after), &text);
        assert!(new.rules[0].after.iter().any(|said| said.contains("000000007777")));
        assert!(new.groups[0].after[0].contains("000000007777"));
    }
}
