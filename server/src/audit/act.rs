//! What an act is called, for people.

use crate::catalogue::Text;

/// The phrase for an act, as records name it; `None` for an act of another version.
#[must_use]
pub fn phrase(act: &str, text: &Text) -> Option<String> {
    let key = format!("audit-act-{}", act.replace(['.', '_'], "-"));
    text.t_if_any(&key)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path, sync::Arc};

    use super::*;
    use crate::catalogue::{Catalogue, Lang};

    /// Beginnings of names that look like an act and are none: settings, names of hosts.
    const OTHER_NAMES: [&str; 25] = [
        "authority.",
        "card_login.",
        "enrolment.",
        "instance.",
        "jpki.",
        "scep.",
        "cmp.",
        "listen.",
        "names.",
        "network.",
        "oidc.",
        "operator.",
        "people.",
        "register.",
        "routers.",
        "enrol.",
        "mtls.",
        "plain.",
        "protocol.",
        "personal_data.",
        "login.sekisho",
        "terminal.sekisho",
        "sekisho.",
        "c.",
        "t.",
    ];
    /// Such names, whole: settings of sessions, claims, a kind of credential, ways of answering.
    const NO_ACTS: [&str; 19] = [
        "emergency.a_day",
        "session.console_idle_minutes",
        "session.console_minutes",
        "session.portal_idle_minutes",
        "session.portal_minutes",
        "sandbox.anchors",
        "sandbox.crls",
        "sandbox.facilities",
        "terminal.id",
        "terminal.name",
        "acme.binding_hours",
        "acme.certificate_days",
        "acme.http_port",
        "acme.networks",
        "acme.tls_port",
        "client.assertion",
        "form_post.jwt",
        "fragment.jwt",
        "query.jwt",
    ];
    const FILES: &[&str] = &[
        "cnf", "conf", "crl", "crt", "csr", "db", "der", "example", "html", "json", "lock", "log",
        "mjs", "pem", "py", "rs", "sealed", "sh", "sock", "toml", "txt", "yaml",
    ];

    fn is_act(literal: &str) -> bool {
        let parts: Vec<&str> = literal.split('.').collect();
        let named = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        parts.len() >= 2
            && parts.iter().all(named)
            && !FILES.contains(&parts[parts.len() - 1])
            && !NO_ACTS.contains(&literal)
            && !OTHER_NAMES.iter().any(|other| literal.starts_with(other))
    }

    fn acts_under(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // What only tests, benchmarks and the demonstration write.
            if path.is_dir() && !["tests", "hostile", "bench", "demo"].contains(&name) {
                acts_under(&path, found);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "testing.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let literals = text.split('"').filter(|literal| is_act(literal));
                found.extend(literals.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_act_that_is_recorded_has_a_phrase_in_both_languages() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut acts = BTreeSet::new();
        for folder in ["src", "store/src"] {
            acts_under(&root.join(folder), &mut acts);
        }
        for known in ["login.challenge.issue", "person.add_first_administrator", "session.end"] {
            assert!(acts.contains(known), "the search does not find {known} any more");
        }
        let catalogue = Arc::new(Catalogue::load().unwrap());
        for lang in [Lang::Ja, Lang::En] {
            let text = Text::new(Arc::clone(&catalogue), lang);
            let without: Vec<_> = acts.iter().filter(|act| phrase(act, &text).is_none()).collect();
            assert!(without.is_empty(), "{lang:?} has no audit-act-… for {without:?}");
            assert_eq!(phrase("some.act_of_a_later_version", &text), None);
        }
    }
}
