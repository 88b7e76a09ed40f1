//! A report as lines for people.

use std::fmt::Write;

use time::UtcOffset;

use super::{
    Language,
    escape::{shown, shown_name},
    report::{Object, Value, rfc3339},
    term::Term,
};

/// Writes the objects of a file, a line a value.
pub(super) fn render(objects: &[Object], language: Language) -> String {
    let mut page = Page { text: String::new(), language };
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            page.text.push('\n');
        }
        page.object(object, 0);
    }
    page.text
}

struct Page {
    text: String,
    language: Language,
}

impl Page {
    fn object(&mut self, object: &Object, depth: usize) {
        for (index, (field, value)) in object.0.iter().enumerate() {
            // The first line of a list's item stands behind its dash.
            if index > 0 || !self.text.ends_with("- ") {
                self.indent(depth);
            }
            self.text.push_str(field.text(self.language));
            self.text.push(':');
            self.value(value, depth);
        }
        if object.0.is_empty() {
            self.text.push('\n');
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(object) => {
                self.text.push('\n');
                self.object(object, depth + 1);
            }
            Value::List { items, omitted } => {
                self.text.push('\n');
                for item in items {
                    self.indent(depth + 1);
                    self.text.push_str("- ");
                    match item {
                        Value::Object(object) => self.object(object, depth + 2),
                        Value::List { .. } => self.value(item, depth + 2),
                        _ => self.line(item),
                    }
                }
                if *omitted > 0 {
                    self.indent(depth + 1);
                    let _ = match self.language {
                        Language::Japanese => writeln!(self.text, "(ほか {omitted} 件は省略)"),
                        Language::English => writeln!(self.text, "({omitted} more not shown)"),
                    };
                }
            }
            _ => {
                self.text.push(' ');
                self.line(value);
            }
        }
    }

    fn line(&mut self, value: &Value) {
        let language = self.language;
        let line = match value {
            Value::Text(text) => shown(text),
            Value::Name { line, .. } if line.is_empty() => {
                Term::EmptyName.text(language).to_owned()
            }
            Value::Name { line, .. } => shown_name(line),
            Value::Number(number) => number.to_string(),
            Value::Flag(true) => Term::Yes.text(language).to_owned(),
            Value::Flag(false) => Term::No.text(language).to_owned(),
            Value::Term(term) => term.text(language).to_owned(),
            Value::Time(at) => time(*at, language),
            Value::Octets { shown, length } if shown.len() == *length => hex::encode(shown),
            Value::Octets { shown, length } => match language {
                Language::Japanese => format!("{}… (全 {length} オクテット)", hex::encode(shown)),
                Language::English => format!("{}… ({length} octets in all)", hex::encode(shown)),
            },
            Value::Oid { oid, name: Some(name) } => format!("{name} ({oid})"),
            Value::Oid { oid, name: None } => oid.clone(),
            Value::Object(_) | Value::List { .. } => String::new(),
        };
        self.text.push_str(&line);
        self.text.push('\n');
    }

    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

/// UTC as the file has it, and the clock on a Japanese wall.
fn time(at: time::OffsetDateTime, language: Language) -> String {
    let hours = UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC);
    let utc = rfc3339(at);
    let Some(local) = at.checked_to_offset(hours) else { return utc };
    let local = rfc3339(local).replace('T', " ");
    let local = local.trim_end_matches('Z');
    match language {
        Language::Japanese => format!("{utc} (日本時間 {local})"),
        Language::English => format!("{utc} (Japan: {local})"),
    }
}
