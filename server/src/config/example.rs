//! `sekisho.example.toml`: every key with its meaning and its default.

use serde::Serialize;

/// The annotated example that ships with the program.
pub const EXAMPLE: &str = include_str!("../../../sekisho.example.toml");

/// An annotated example with these values in the place of its own.
pub(crate) fn annotated(example: &str, settings: &impl Serialize) -> String {
    let values = toml::Value::try_from(settings).ok();
    let mut section = values.as_ref();
    let mut text = String::with_capacity(example.len());
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name
                .split('.')
                .fold(values.as_ref(), |table, part| table.and_then(|t| t.get(part)));
        }
        let value = line.split_once(" = ").and_then(|(key, _)| {
            let value = section?.get(key)?;
            Some(format!("{key} = {value}"))
        });
        text.push_str(value.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Settings;

    fn paths(value: &toml::Value, prefix: &str, into: &mut Vec<String>) {
        if let toml::Value::Table(table) = value {
            for (key, value) in table {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                paths(value, &path, into);
            }
        } else {
            into.push(prefix.to_owned());
        }
    }

    #[test]
    fn the_example_is_valid_and_says_the_defaults() {
        let example: Settings = toml::from_str(EXAMPLE).unwrap();
        example.validate(Path::new("/srv/sekisho")).unwrap();
        assert_eq!(example, Settings::default());
    }

    #[test]
    fn the_example_documents_every_key_and_no_other() {
        let mut documented = Vec::new();
        paths(&toml::from_str(EXAMPLE).unwrap(), "", &mut documented);
        let mut existing = Vec::new();
        paths(&toml::Value::try_from(Settings::default()).unwrap(), "", &mut existing);
        documented.sort();
        existing.sort();
        assert_eq!(documented, existing);
        // Each key follows a comment.
        let mut previous = "";
        for line in EXAMPLE.lines() {
            if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(previous.starts_with('#'), "no comment above: {line}");
            }
            previous = line;
        }
    }
}
