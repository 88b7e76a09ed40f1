//! `sekisho ceremony dry-run PLAN`.

use sekisho_ca::ceremony::{Act, Statement, Step};
use sekisho_key::SystemRandomness;
use sekisho_output::say;
use sekisho_pki::inspect::{self, Inspection, Language, Options, field::Field};
use time::OffsetDateTime;

use super::{super::language::LanguageChoice, Exit, Failure, Named, grouped, named};
use crate::{catalogue::Text, ceremony::PlanFolder};

/// Print everything that a plan would have signed, and its hash. No private key is needed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho ceremony dry-run plan.toml
  sekisho ceremony dry-run plan.toml --json | jq -r .hash")]
pub(super) struct DryRun {
    /// The plan; public keys, requests and existing certificates lie beside it
    #[arg(value_name = "PLAN")]
    plan: Named<named::File>,
    /// For programs: the statement as JSON, with every octet, and its hash
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl DryRun {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let folder = PlanFolder::open(&self.plan)?;
        let ceremony = folder.prepare(&SystemRandomness)?;
        let statement = ceremony.statement();
        if self.json {
            let json = serde_json::json!({
                "hash": hex::encode(statement.hash()),
                "statement": statement,
            });
            say(&format!("{}\n", serde_json::to_string_pretty(&json)?))?;
            return Ok(Exit::Done);
        }
        let text = self.lang.text()?;
        let mut out = text.t1("ceremony-dry-run-title", "title", statement.title());
        out += "\n\n";
        for step in statement.steps() {
            out += &headline(&text, step, statement.steps().len());
            out += "\n\n";
            out += &in_words(statement, step, self.lang.language())?;
            out.push('\n');
        }
        let hash = statement.hash();
        out += &text.t1("ceremony-dry-run-hash", "hash", grouped(&hash));
        out += "\n\n";
        let next = [("plan", self.plan.display().to_string()), ("hash", hex::encode(hash))];
        out += &text.with("ceremony-dry-run-next", &next);
        out.push('\n');
        say(&out)?;
        Ok(Exit::Done)
    }
}

/// `[2/5] certificate terminals.crt, signed by root`.
pub(super) fn headline(text: &Text, step: &Step, all: usize) -> String {
    let mut arguments = vec![
        ("number", step.number.to_string()),
        ("all", all.to_string()),
        ("file", step.file.clone()),
        ("issuer", step.issuer.clone()),
    ];
    match &step.act {
        Act::Certificate { profile, subject } => {
            arguments.push(("profile", profile.clone()));
            arguments.push(("subject", subject.clone()));
            text.with("ceremony-step-certificate", &arguments)
        }
        Act::Crl { number } => {
            arguments.push(("crl", number.to_string()));
            text.with("ceremony-step-crl", &arguments)
        }
    }
}

/// What the signed object would say, as `sekisho inspect` tells it, without what only a signature
/// gives it.
fn in_words(statement: &Statement, step: &Step, language: Language) -> Result<String, Failure> {
    const OF_THE_SIGNATURE: [Field; 2] = [Field::SelfSignature, Field::Sha256];
    let options = Options { now: OffsetDateTime::now_utc(), entries: usize::MAX, passphrase: None };
    let mut found: Inspection = inspect::inspect(&statement.specimen(step)?, &options);
    if let Some(broken) = found.broken().next() {
        return Err(broken.text(language).into());
    }
    for object in &mut found.objects {
        object.0.retain(|(field, _)| !OF_THE_SIGNATURE.contains(field));
    }
    let text = found.text(language);
    Ok(text.lines().map(|line| format!("    {line}\n")).collect())
}
