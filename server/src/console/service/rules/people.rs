//! Who gains and who loses by a proposal, as its page shows it.

use sekisho_authz::Rules;
use sekisho_store::{StoreError, offer, organisation};
use sekisho_wire::acr;

use crate::{
    app::App,
    catalogue::Text,
    entitlement::{
        self,
        difference::{self, Change, Difference, DifferenceError, Row, What},
    },
    error::page::PageError,
};

/// Groups a page.
const PAGE: usize = 50;
/// Facilities of a group that have their names beside them.
const MOST_NAMED: usize = 3;
/// Facilities of a group that are told by their identifiers; all of them stand with what changes.
const MOST_TOLD: usize = 50;

/// A level with its numbers.
pub(super) struct LevelLine {
    pub(super) name: String,
    pub(super) before: i64,
    pub(super) after: i64,
    pub(super) changed: Vec<i64>,
}

/// People who are equal.
pub(super) struct GroupLine {
    pub(super) who: String,
    pub(super) memberships: i64,
    pub(super) changes: Vec<String>,
}

/// What is shown.
pub(super) struct People {
    pub(super) memberships: i64,
    /// What the columns of the levels' table are called, after those of before and after.
    pub(super) columns: Vec<String>,
    pub(super) levels: Vec<LevelLine>,
    /// Nothing changes for anybody.
    pub(super) nobody: bool,
    /// The rules name hours.
    pub(super) by_hours: bool,
    /// How many groups there are.
    pub(super) groups: usize,
    /// Those of this page.
    pub(super) lines: Vec<GroupLine>,
    pub(super) back: Option<u16>,
    pub(super) on: Option<u16>,
}

/// What came of the comparison.
pub(super) enum Compared {
    People(People),
    /// The rules tell too many groups apart to be counted.
    TooMany,
}

/// Compares the rules in force with others, for whoever decides: who only proposes could learn from drafts
/// how many nurses a facility has.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub(super) async fn compared(
    app: &App,
    service_id: &str,
    rules: &Rules,
    page: u16,
    text: &Text,
) -> Result<Compared, PageError> {
    let offer = offer::find(&mut app.store().read(), service_id).await?;
    let offer = offer.ok_or_else(PageError::not_found)?;
    let difference = match difference::of(app.store(), app.entitlements(), &offer, rules).await {
        Ok(difference) => difference,
        Err(DifferenceError::TooMany(_)) => return Ok(Compared::TooMany),
        Err(DifferenceError::Store(error)) => return Err(error.into()),
        Err(error @ (DifferenceError::Rules(_) | DifferenceError::BrokenOff)) => {
            return Err(PageError::internal(&error));
        }
    };
    Ok(Compared::People(shown(app, &difference, page, text).await?))
}

async fn shown(
    app: &App,
    difference: &Difference,
    page: u16,
    text: &Text,
) -> Result<People, StoreError> {
    // Columns in which there is nothing are left out, but for who gains and who loses.
    let kept: Vec<usize> = What::ALL
        .into_iter()
        .enumerate()
        .filter(|(number, what)| {
            matches!(what, What::Gains | What::Loses)
                || difference.levels.iter().any(|level| level.changed.get(*number) > Some(&0))
        })
        .map(|(number, _)| number)
        .collect();
    let columns = kept.iter().filter_map(|number| What::ALL.get(*number));
    let columns = columns.map(|what| what_name(*what, text)).collect();
    let levels = difference.levels.iter().map(|level| LevelLine {
        name: level_short(level.acr, text),
        before: level.before,
        after: level.after,
        changed: kept.iter().filter_map(|number| level.changed.get(*number).copied()).collect(),
    });
    let from = PAGE * usize::from(page);
    let mut lines = Vec::new();
    for row in difference.rows.iter().skip(from).take(PAGE) {
        lines.push(line(app, difference, row, text).await?);
    }
    let more = difference.rows.len() > from + PAGE;
    Ok(People {
        memberships: difference.memberships,
        columns,
        levels: levels.collect(),
        nobody: difference.rows.is_empty(),
        by_hours: !difference.moments.iter().all(sekisho_authz::Moment::is_any_time),
        groups: difference.rows.len(),
        lines,
        back: page.checked_sub(1),
        on: more.then(|| page.saturating_add(1)),
    })
}

async fn line(
    app: &App,
    difference: &Difference,
    row: &Row,
    text: &Text,
) -> Result<GroupLine, StoreError> {
    let mut who = Vec::new();
    if !row.facilities.is_empty() {
        let mut named = Vec::new();
        for id in row.facilities.iter().take(MOST_NAMED) {
            let name = organisation::name(&mut app.store().read(), id).await?;
            named.push(format!("{} {id}", name.unwrap_or_default()).trim().to_owned());
        }
        named.extend(row.facilities.iter().take(MOST_TOLD).skip(MOST_NAMED).cloned());
        let shown = named.join(&text.t("authz-list-joint"));
        who.push(match row.facilities.len().checked_sub(MOST_TOLD) {
            None | Some(0) => shown,
            Some(others) => {
                let told = [("shown", shown), ("others", others.to_string())];
                text.with("rules-say-and-others", &told)
            }
        });
    }
    if !row.kind.is_empty() {
        who.push(entitlement::kind_name(&row.kind, text));
    }
    if !row.prefecture.is_empty() {
        who.push(entitlement::prefecture_name(&row.prefecture, text));
    }
    let roles: Vec<_> = row.roles.iter().map(|role| entitlement::role_name(role, text)).collect();
    who.push(if roles.is_empty() {
        text.t("rules-people-no-role")
    } else {
        roles.join(&text.t("authz-list-joint"))
    });
    Ok(GroupLine {
        who: who.join(" / "),
        memberships: row.memberships,
        changes: changes(difference, &row.changes, text),
    })
}

/// One line for what changes alike, with the levels for which it does.
fn changes(difference: &Difference, changes: &[Change], text: &Text) -> Vec<String> {
    let mut lines: Vec<(What, &[usize], Vec<String>)> = Vec::new();
    for change in changes {
        let level = level_short(change.acr, text);
        let same = |(what, moments, _): &&mut (What, &[usize], Vec<String>)| {
            *what == change.what && *moments == change.moments.as_slice()
        };
        match lines.iter_mut().find(same) {
            Some((_, _, levels)) => levels.push(level),
            None => lines.push((change.what, &change.moments, vec![level])),
        }
    }
    let line = |(what, moments, levels): (What, &[usize], Vec<String>)| {
        let told =
            [("what", what_name(what, text)), ("levels", levels.join(&text.t("authz-list-joint")))];
        let said = text.with("rules-people-change", &told);
        if moments.len() == difference.moments.len() {
            return said;
        }
        let hours: Vec<_> = moments
            .iter()
            .filter_map(|moment| difference.moments.get(*moment))
            .flat_map(|moment| moment.hours.clone())
            .collect();
        let hours = entitlement::hours_name(&hours, text);
        text.with("rules-people-within", &[("said", said), ("hours", hours)])
    };
    lines.into_iter().map(line).collect()
}

fn what_name(what: What, text: &Text) -> String {
    text.t(&format!("rules-people-{}", what.code()))
}

/// One level by itself: what is called a level elsewhere is it or any stronger one.
pub(in crate::console) fn level_short(level: &str, text: &Text) -> String {
    text.t(match level {
        acr::HPKI_CARD => "rules-level-hpki",
        acr::JPKI_CARD => "rules-level-jpki",
        acr::PASSKEY => "rules-level-passkey",
        acr::PASSWORD_TOTP => "rules-level-password",
        acr::DAY_PASS => "rules-level-day-pass",
        _ => "rules-level-password-alone",
    })
}
