//! `GET /console/use-cases`: the 17 use cases, who takes part, and the rules to begin from, in words and as a
//! file's text. Nothing is changed here.

use askama::Template;

use super::service::{RuleCard, rule_card};
use crate::{
    catalogue::Text,
    error::page::PageError,
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
    use_case::{self, Stakeholder, UseCase},
};

struct Proposed {
    because: String,
    assumed: Option<String>,
    rule: RuleCard,
}

struct Case {
    number: u8,
    name: String,
    description: String,
    /// One a column of the table: whether they take part.
    cells: Vec<bool>,
    proposals: Vec<Proposed>,
    file: String,
}

#[derive(Template)]
#[template(path = "console/use-cases.html")]
struct CasesPage {
    page: PageFrame,
    columns: Vec<String>,
    cases: Vec<Case>,
}

/// The page, for whoever sees services there.
///
/// # Errors
/// [`PageError`]: neither role.
pub async fn get(
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    if !session.sees_services() {
        session.require(&Role::OperatingAdministrator)?;
    }
    let text = &page.text;
    let columns = Stakeholder::ALL.map(|stakeholder| stakeholder.name(text)).into();
    let cases: Result<_, _> = use_case::all().iter().map(|case| shown(case, text)).collect();
    let cases = cases.map_err(|error| PageError::internal(&error))?;
    Ok(Page(CasesPage { page: session.frame(page), columns, cases }))
}

fn shown(case: &UseCase, text: &Text) -> Result<Case, toml::ser::Error> {
    let rules = case.rules();
    let proposals = case.proposals.iter().map(|proposal| Proposed {
        because: proposal.because(text),
        assumed: proposal.assumed(text),
        rule: rule_card(&proposal.rule, &rules, text),
    });
    Ok(Case {
        number: case.number,
        name: case.name(text.lang()),
        description: case.description.of(text.lang()).to_owned(),
        cells: Stakeholder::ALL.map(|stakeholder| case.stakeholders.contains(&stakeholder)).into(),
        proposals: proposals.collect(),
        file: case.file(text)?,
    })
}
