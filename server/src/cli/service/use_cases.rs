//! `sekisho service use-cases [NUMBER]`.

use sekisho_output::{list, say};

use crate::{
    catalogue::Text,
    cli::{Exit, Failure, language::LanguageChoice},
    use_case::{self, Chosen, UseCase},
};

/// List the 17 use cases, or print the rules from which those of a service can begin
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho service use-cases
      number, name, and who takes part, with tabs between
  sekisho service use-cases 7 > rules.toml
      rules with their reasons as comments, for `sekisho service approve` or the end of a service's file
  sekisho service use-cases --json | jq -r .title.en

Nothing is in force by them. docs/use-cases.md says whom they admit and what of them is assumed.")]
pub(super) struct UseCases {
    /// One of them, 1 to 17 or ① to ⑰
    #[arg(value_name = "NUMBER")]
    case: Option<Chosen>,
    /// One JSON object a line, in both languages
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl UseCases {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        match self.case {
            Some(Chosen(case)) if self.json => say(&json(case)?)?,
            Some(Chosen(case)) => {
                let file = case.file(&text);
                say(&file.map_err(|error| format!("the rules have no text: {error}"))?)?;
            }
            None => {
                for case in use_case::all() {
                    let line = if self.json { json(case)? } else { line(case, &text) };
                    if !list(&line)? {
                        break;
                    }
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn json(case: &UseCase) -> Result<String, Failure> {
    let json = serde_json::to_string(case);
    Ok(format!("{}\n", json.map_err(|error| format!("the use case has no JSON form: {error}"))?))
}

fn line(case: &UseCase, text: &Text) -> String {
    let who: Vec<String> =
        case.stakeholders.iter().map(|stakeholder| stakeholder.name(text)).collect();
    let who = who.join(&text.t("authz-list-joint"));
    format!("{}\t{}\t{who}\n", case.number, case.title.of(text.lang()))
}
