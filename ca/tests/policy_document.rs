//! The certificate policy and the profiles say the same.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeSet, path::Path};

use sekisho_ca::profile::{Basis, Profile};
use sekisho_pki::signature::PublicKeyKind;

const POLICY: &str = include_str!("../../docs/certificate-policy.md");

/// The cells of the row that begins with this name in the first table of a section.
fn row(section: &str, name: &str) -> Option<Vec<&'static str>> {
    let text = &POLICY[POLICY.find(section).unwrap()..];
    let line = text
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .find(|line| line.starts_with(&format!("| {name} |")))?;
    Some(line.trim_matches('|').split('|').map(str::trim).collect())
}

#[test]
fn lifetimes_are_those_of_the_certificate_policy() {
    for name in Profile::shipped_names() {
        let profile = Profile::shipped(name).unwrap();
        let said = if name.starts_with("router") { "router and its families" } else { name };
        let days = profile.lifetime().whole_days().to_string();
        let minutes = profile.backdate().whole_minutes().to_string();
        assert_eq!(row("- 6.3.2", said).unwrap(), [said, &days, &minutes]);
    }
}

#[test]
fn lengths_are_those_of_the_certificate_policy() {
    let rsa = |modulus_bits| PublicKeyKind::Rsa { modulus_bits, usual_exponent: true };
    for name in Profile::shipped_names() {
        let profile = Profile::shipped(name).unwrap();
        let limits = profile.most_octets();
        let cells: Vec<String> = [PublicKeyKind::P256, PublicKeyKind::P384, rsa(3072), rsa(4096)]
            .map(|kind| limits.for_key(kind).map_or("–".to_owned(), |most| most.to_string()))
            .to_vec();
        // A family without a row of its own has the generic one's.
        let family = row("- 7.1.16", name).is_none() && name.starts_with("router_");
        let said = if family { "router" } else { name };
        assert_eq!(row("- 7.1.16", said).unwrap()[1..], cells, "{name}");
        if ["terminal", "router"].contains(&said) || name.starts_with("router_") {
            assert!(limits.for_key(PublicKeyKind::P256).unwrap() <= 800, "{name}");
            assert_eq!((limits.access(), limits.rsa_issuer()), (100, 450), "{name}");
        }
    }
}

#[test]
fn the_basis_of_each_family_is_that_of_the_certificate_policy() {
    for name in Profile::router_families() {
        let basis = match Profile::shipped(name).unwrap().target().unwrap().basis() {
            Basis::Standard => "standard (RFC 4945)",
            Basis::Bench => "bench",
            Basis::Manual => "manual",
            Basis::Unknown => "unknown",
        };
        assert_eq!(row("- 7.1.17", name).unwrap()[1], basis, "{name}");
    }
}

/// The numbers with which the policy's sections begin, wherever they stand.
fn sections() -> BTreeSet<String> {
    let is_number =
        |word: &str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    POLICY
        .lines()
        .filter(|line| line.starts_with('#') || line.starts_with("- ") || line.starts_with("| |"))
        .flat_map(|line| line.split([' ', '|']))
        .map(|word| word.trim_end_matches([',', ':']))
        .filter(|word| is_number(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn sections_are_found_and_others_are_not() {
    let sections = sections();
    for section in ["6.1.5", "6.3.2", "4.9", "4.9.9", "7.1.13", "7.1.16"] {
        assert!(sections.contains(section), "{section}");
    }
    assert!(!sections.contains("7.1.99"));
}

#[test]
fn each_section_that_a_profile_quotes_exists() {
    let sections = sections();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().next().unwrap().contains("Certificate policy §"), "{path:?}");
        files += 1;
        for line in text.lines() {
            // What another document's name precedes is that document's.
            let ours = !line.contains("RFC ");
            for quoted in line.split('§').skip(1).filter(|_| ours) {
                let end = quoted
                    .find(|character: char| !character.is_ascii_digit() && character != '.')
                    .unwrap_or(quoted.len());
                let section = quoted[..end].trim_end_matches('.');
                assert!(sections.contains(section), "{path:?} §{section}");
            }
        }
    }
    assert_eq!(files, Profile::shipped_names().count() + 1, "and strength.toml");
}
