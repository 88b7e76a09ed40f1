//! The register as a file that [`super::file::read`] reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use sekisho_store::{router_model::RouterModel, router_test::RouterTest};
use time::format_description::well_known::Rfc3339;

use super::file::{FORMAT, VERSION};

/// Most characters of a key that is made from names.
const MOST_KEY: usize = 60;

/// Writes models and results, as they are ordered; a result whose model is not among them is left out.
#[must_use]
pub fn write(models: &[RouterModel], tests: &[RouterTest]) -> String {
    let keys = keys(models);
    let mut text = format!("format = \"{FORMAT}\"\nversion = {VERSION}\n");
    for (model, key) in models.iter().zip(&keys) {
        let is = &model.is;
        let doors: Vec<String> = is.doors.iter().map(|door| quoted(door.as_str())).collect();
        let mut fields = vec![
            ("key", quoted(key)),
            ("maker", quoted(&is.maker)),
            ("model", quoted(&is.model)),
            ("firmware", quoted(&is.firmware)),
            ("firmware_to", quoted(&is.firmware_to)),
            ("family", quoted(&is.family)),
            ("doors", format!("[{}]", doors.join(", "))),
            ("note", quoted(&is.note)),
        ];
        fields.retain(|(_, value)| value != "\"\"");
        table(&mut text, "[[model]]", &fields);
    }
    let of: BTreeMap<&str, &String> =
        models.iter().map(|model| model.id.as_str()).zip(&keys).collect();
    // Results that were seen together stand together, oldest first.
    let mut runs: Vec<(&RouterTest, Vec<String>)> = Vec::new();
    for test in tests {
        let ends = (of.get(test.opens_id.as_str()), of.get(test.awaits_id.as_str()));
        let (Some(opens), Some(awaits)) = ends else { continue };
        let mut outcome = format!(
            "{{ opens = {}, awaits = {}, proof = \"{}\", succeeded = {}",
            quoted(opens),
            quoted(awaits),
            test.proof.as_str(),
            test.failure.is_none()
        );
        if let Some(reason) = &test.failure {
            let _ = write!(outcome, ", reason = {}", quoted(reason));
        }
        outcome.push_str(" }");
        match runs.iter_mut().find(|(first, _)| together(first, test)) {
            Some((_, outcomes)) => outcomes.push(outcome),
            None => runs.push((test, vec![outcome])),
        }
    }
    for (first, outcomes) in runs {
        let mut fields = vec![
            ("source", quoted(first.source.as_str())),
            ("tested_by", quoted(&first.tested_by)),
            ("tested_at", quoted(&first.tested_at.format(&Rfc3339).unwrap_or_default())),
            ("judged", quoted(first.judged.as_str())),
            ("note", quoted(&first.note)),
        ];
        fields.retain(|(_, value)| value != "\"\"");
        let outcomes: String = outcomes.iter().map(|outcome| format!("    {outcome},\n")).collect();
        fields.push(("results", format!("[\n{outcomes}]")));
        table(&mut text, "[[run]]", &fields);
    }
    text
}

fn table(text: &mut String, head: &str, fields: &[(&str, String)]) {
    let _ = write!(text, "\n{head}\n");
    for (name, value) in fields {
        let _ = writeln!(text, "{name} = {value}");
    }
}

fn together(one: &RouterTest, other: &RouterTest) -> bool {
    let of = |test: &RouterTest| (test.tested_at, test.source, test.judged);
    of(one) == of(other) && one.tested_by == other.tested_by && one.note == other.note
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Keys of models: from model and firmware where these have letters of ASCII, and numbered where that is not
/// enough.
fn keys(models: &[RouterModel]) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut key = |model: &RouterModel| {
        let mut slug = String::new();
        for c in format!("{} {}", model.is.model, model.is.firmware).chars() {
            if c.is_ascii_alphanumeric() || c == '.' {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(MOST_KEY);
        let slug = match slug.trim_end_matches('-') {
            "" => "model",
            slug => slug,
        };
        let numbered = (2..).map(|number| format!("{slug}-{number}"));
        let free = std::iter::once(slug.to_owned()).chain(numbered).find(|key| !used.contains(key));
        let free = free.unwrap_or_default();
        used.insert(free.clone());
        free
    };
    models.iter().map(&mut key).collect()
}
