//! The certificate policy and the profiles say the same.
#![allow(clippy::unwrap_used, missing_docs)]

use sekisho_ca::profile::Profile;

const POLICY: &str = include_str!("../../docs/certificate-policy.md");

#[test]
fn lifetimes_and_lengths_are_those_of_the_certificate_policy() {
    let profiles = ["root", "issuing", "terminal", "router", "server", "ocsp_responder"];
    let lengths: Vec<&str> = POLICY
        .lines()
        .find(|line| line.starts_with("| most octets |"))
        .unwrap()
        .split('|')
        .skip(2)
        .map(|cell| cell.split_whitespace().next().unwrap_or_default())
        .collect();
    for (column, name) in profiles.into_iter().enumerate() {
        let profile = Profile::shipped(name).unwrap();
        let row = format!(
            "| {name} | {} | {} |",
            profile.lifetime().whole_days(),
            profile.backdate().whole_minutes()
        );
        assert!(POLICY.lines().any(|line| line == row), "{row}");
        assert_eq!(lengths[column], profile.most_octets().to_string(), "{name}");
    }
}

#[test]
fn each_section_that_a_profile_quotes_exists() {
    for (name, text) in [
        ("root", include_str!("../profiles/root.toml")),
        ("issuing", include_str!("../profiles/issuing.toml")),
        ("terminal", include_str!("../profiles/terminal.toml")),
        ("router", include_str!("../profiles/router.toml")),
        ("server", include_str!("../profiles/server.toml")),
        ("ocsp_responder", include_str!("../profiles/ocsp_responder.toml")),
    ] {
        let quoted = text.lines().next().unwrap().split('§').nth(1).unwrap();
        let section = quoted.trim_end_matches(['.', ',', ' ']);
        assert!(POLICY.contains(&format!("{name} {section} |")), "{name} §{section}");
    }
}
