//! What one decision takes: of the rules of the 17 use cases, for a physician and for somebody without a
//! profession, who is refused by more and told why: as the portal asks, of all services together, and alone.
//! Elapsed time on one core, which is to be idle.
//!
//! `cargo bench --package sekisho-authz`
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{hint::black_box, path::Path, time::Instant};

use sekisho_authz::{CompiledRules, Decision, Question, Request, Rule, Rules, Vocabulary};
use time::OffsetDateTime;

/// How often all services are asked.
const ROUNDS: u32 = 2_000;

fn main() {
    let services = services();
    let vocabulary = vocabulary(&services);
    let compiled: Vec<CompiledRules> = services
        .into_iter()
        .map(|rules| CompiledRules::compile(rules, &vocabulary).expect("the use cases compile"))
        .collect();
    for (who, roles) in [("a physician", vec!["Medical Doctor"]), ("no profession", vec![])] {
        let request = request(roles);
        let open = compiled.iter().filter(|rules| rules.decide(&request).allowed).count();
        let alone = each(&compiled, |rules| rules.decide(&request));
        let question = Question::new(&request, &vocabulary);
        let together = each(&compiled, |rules| rules.answer(&question));
        println!(
            "{who}: {open} of {} open; {together:.2} µs a decision, {alone:.2} µs if nothing else is asked",
            compiled.len()
        );
    }
}

/// Microseconds a decision.
fn each(services: &[CompiledRules], decide: impl Fn(&CompiledRules) -> Decision) -> f64 {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        for rules in services {
            black_box(decide(black_box(rules)));
        }
    }
    let decisions = f64::from(ROUNDS) * services.len() as f64;
    began.elapsed().as_secs_f64() * 1e6 / decisions
}

fn request(roles: Vec<&str>) -> Request {
    Request {
        person_id: "01981d3c-0000-7000-8000-000000000001".to_owned(),
        roles: roles.into_iter().map(str::to_owned).collect(),
        facility_id: "123456789007".to_owned(),
        facility_kind: "hospital".to_owned(),
        facility_prefecture: "13".to_owned(),
        member: true,
        acr: "urn:oid:1.3.6.1.4.1.32473.3.3".to_owned(),
        at: OffsetDateTime::UNIX_EPOCH,
        emergency: false,
        visiting: false,
        patient: false,
    }
}

/// The rules of each use case, as a service of it begins.
fn services() -> Vec<Rules> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../use-cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the use cases are there")
        .map(|entry| entry.expect("the folder reads").path())
        .collect();
    files.sort();
    let rules = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a use case reads");
        let case: toml::Table = toml::from_str(&text).expect("a use case is TOML");
        let proposals = case["proposals"].as_array().expect("a use case has proposals").clone();
        let rule = |proposal: toml::Value| {
            proposal["rule"].clone().try_into::<Rule>().expect("a proposal has a rule")
        };
        Rules { rules: proposals.into_iter().map(rule).collect(), ..Rules::default() }
    };
    files.iter().map(rules).collect()
}

/// All words that these rules use; the weakest level first.
fn vocabulary(services: &[Rules]) -> Vocabulary {
    let rules = || services.iter().flat_map(|service| &service.rules);
    let mut acr_levels: Vec<String> = rules().filter_map(|rule| rule.minimum_acr.clone()).collect();
    acr_levels.sort();
    acr_levels.dedup();
    Vocabulary {
        roles: rules().flat_map(|rule| rule.roles.clone().unwrap_or_default()).collect(),
        kinds: rules().flat_map(|rule| rule.kinds.clone().unwrap_or_default()).collect(),
        acr_levels,
        claims: rules().flat_map(|rule| rule.release.clone()).collect(),
    }
}
