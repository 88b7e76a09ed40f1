//! What a stranger may send to page, agent and portal: no panic, no memory beyond what the length
//! justifies, and nothing accepted that the portal did not sign. `card-agent/fuzz` runs the same.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sekisho_hostile::{Cost, Counting, damaged, measure};
use serde_json::json;

#[path = "../../fuzz/src/protocol.rs"]
mod parsers;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A parser's name and the parser.
type Parser = (&'static str, fn(&[u8]));

const PARSERS: &[Parser] = &[
    ("token", parsers::token),
    ("login request", parsers::login_request),
    ("answer", parsers::answer),
    ("documents", parsers::documents),
];

/// JSON in memory takes several times its text, and each text is read as several types.
const OCTETS_PER_OCTET: u64 = 500;
/// A key set, a signature, error texts.
const OCTETS_IN_ANY_CASE: u64 = 64 * 1024;

fn check(name: &str, run: fn(&[u8]), octets: &[u8]) -> Cost {
    // The portal's key is made once, at some first use, which is not the parser's doing.
    let ((), cost) = measure(|| run(octets));
    let most = OCTETS_IN_ANY_CASE + OCTETS_PER_OCTET * octets.len() as u64;
    assert!(cost.octets <= most, "{name}: {cost:?} for {} octets", octets.len());
    cost
}

fn claims() -> serde_json::Value {
    let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    json!({
        "iss": parsers::ISSUER,
        "aud": "card-agent",
        "origin": parsers::ORIGIN,
        "jti": "0199-1",
        "iat": parsers::NOW,
        "exp": parsers::NOW + 60,
        "nonce": digest,
        "facility": { "id": "123456789015", "name": "架空クリニック", "x5t#S256": digest },
        "page_key": digest,
        "purpose": "login",
        "acr": sekisho_wire::acr::HPKI_CARD,
        "card_issuers": [{ "subject_der_b64": "MAA", "spki_sha256": digest }],
        "accepted_policies": ["1.2.392.100495.1.5.1.2.1"],
        "confirmation_code": "07",
        "minimum_agent_version": "0.1.0",
        "removal": "lock",
        "language": "ja",
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let claims = claims();
    vec![
        claims.to_string().into_bytes(),
        parsers::signed(&claims).unwrap().into_bytes(),
        json!({ "request": parsers::signed(&claims).unwrap() }).to_string().into_bytes(),
        b"eyJhbGciOiJSUzI1NiIsImNlcnRpZmljYXRlIjoiTUFBIiwic2lnbmF0dXJlIjoiQUEifQ".to_vec(),
    ]
}

#[test]
fn the_seed_is_a_request_that_is_accepted() {
    assert!(parsers::is_accepted(claims().to_string().as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_cost_what_their_length_justifies(
        octets in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        for (name, run) in PARSERS {
            check(name, *run, &octets);
        }
    }

    #[test]
    fn damaged_texts_cost_what_their_length_justifies(octets in damaged(seeds())) {
        for (name, run) in PARSERS {
            // A damaged token is refused whatever was damaged: `token` asserts it.
            if *name != "token" || octets.iter().filter(|octet| **octet == b'.').count() != 2 {
                check(name, *run, &octets);
            }
        }
    }

    #[test]
    fn a_claim_of_another_kind_is_refused_or_read(
        name in prop::sample::select(claims().as_object().unwrap().keys().cloned().collect::<Vec<_>>()),
        value in prop_oneof![
            Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!(-1)),
            Just(json!(i64::MAX)), Just(json!(i64::MIN)), Just(json!(1e300)), Just(json!("")),
            "\\PC{0,40}".prop_map(|text| json!(text)),
        ]
    ) {
        let mut claims = claims();
        claims[&name] = value;
        parsers::login_request(claims.to_string().as_bytes());
    }
}

#[test]
fn brackets_in_brackets_do_not_exhaust_the_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        for (name, run) in PARSERS {
            check(name, *run, text.as_bytes());
        }
    }
}

#[test]
fn twice_the_text_costs_at_most_twice() {
    // Long lists, long names, many unknown members: inside the limits and beyond.
    let long = |times: usize| {
        let mut claims = claims();
        let issuer = claims["card_issuers"][0].clone();
        claims["card_issuers"] = json!(vec![issuer; times]);
        claims["accepted_policies"] = json!(vec!["1.2.3"; times]);
        claims["facility"]["name"] = json!("名".repeat(times));
        claims.to_string().into_bytes()
    };
    for times in [8, 64, 512, 4_096] {
        for (name, run) in PARSERS {
            let (small, large) =
                (check(name, *run, &long(times)), check(name, *run, &long(times * 2)));
            assert!(
                large.octets <= small.octets * 5 / 2 + 64 * 1024,
                "{name}: {small:?}, then {large:?}"
            );
        }
    }
}
