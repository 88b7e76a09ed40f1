//! Every parser of this crate under hostile bytes: no panic, and no more memory or work than the
//! input's length justifies, whatever the input claims.
//!
//! Seeds are the objects of `tests/vectors/objects/`, damaged and grown. Work is counted in what a
//! parser asks of the allocator, never by a clock; what reads without allocating is counted in
//! steps by the unit tests of `encoding::tlv`. The fuzz targets in `fuzz/` run the same functions.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use der::Decode;
use proptest::prelude::*;
use sekisho_hostile::{Cost, Counting, damaged, measure, pairs, towers};
use sekisho_pki::{
    encoding::{
        cms::parse_certs_only,
        ocsp::{OcspQuery, OcspResponse},
        permanent_identifier::PermanentIdentifier,
        pkcs12::Pfx,
    },
    inspect::{Options, inspect},
    national::hc_role,
    path::Crl,
    signature::PublicKeyKind,
};
use time::macros::datetime;
use x509_cert::{Certificate, name::Name, request::CertReq};

#[path = "../fuzz/src/lib.rs"]
mod parsers;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A parser and the seeds that it understands.
struct Parser {
    name: &'static str,
    run: fn(&[u8]),
    seeds: &'static [&'static str],
}

const CERTIFICATES: &[&str] =
    &["root.cer", "terminal.cer", "hpki.cer", "jpki.cer", "cross.cer", "hostile.cer"];
const FILES: &[&str] = &["aes256.p12", "aes128.p12", "rc2.p12", "plain.p12", "nss.p12", "java.p12"];
const SCEP: &[&str] =
    &["../scep/micromdm-2.1.0-pkcsreq.der", "../scep/strongswan-5.9.8-pkcsreq.der"];
const CMP: &[&str] = &[
    "../cmp/openssl-3.0-ir.der",
    "../cmp/openssl-3.0-p10cr.der",
    "../cmp/openssl-3.0-rr.der",
    "../cmp/openssl-3.0-genm.der",
];
const EVERYTHING: &[&str] = &[
    "terminal.cer",
    "hpki.cer",
    "jpki.cer",
    "cross.cer",
    "crl.crl",
    "delta.crl",
    "ocsp-request.der",
    "ocsp-response.der",
    "device.csr",
    "bundle.p7b",
    "terminal.spki",
    "plain.p12",
    "nss.p12",
    "bundle.pem",
    "terminal.b64",
];

const PARSERS: &[Parser] = &[
    Parser { name: "path", run: path, seeds: &["chain.der"] },
    Parser { name: "code", run: parsers::codes, seeds: &["terminal.b64"] },
    Parser { name: "certificate", run: parsers::certificate, seeds: CERTIFICATES },
    Parser { name: "CRL", run: parsers::crl, seeds: &["crl.crl", "delta.crl"] },
    Parser { name: "OCSP request", run: parsers::ocsp_request, seeds: &["ocsp-request.der"] },
    Parser { name: "OCSP response", run: parsers::ocsp_response, seeds: &["ocsp-response.der"] },
    Parser { name: "certification request", run: parsers::request, seeds: &["device.csr"] },
    Parser { name: "certs-only message", run: parsers::certs_only, seeds: &["bundle.p7b"] },
    Parser { name: "CMP message", run: parsers::cmp, seeds: CMP },
    Parser { name: "SCEP message", run: parsers::scep, seeds: SCEP },
    Parser { name: "PKCS #12", run: parsers::pkcs12, seeds: FILES },
    Parser { name: "hcRole", run: parsers::hc_role_parts, seeds: &["hc-role.der"] },
    Parser {
        name: "permanentIdentifier",
        run: parsers::identifier,
        seeds: &["permanent-identifier.der"],
    },
    Parser { name: "name", run: parsers::names, seeds: &["name.der"] },
    Parser { name: "public key", run: parsers::public_key, seeds: &["terminal.spki"] },
    Parser { name: "inspect", run: parsers::look, seeds: EVERYTHING },
];

fn seed(file: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/objects");
    fs::read(folder.join(file)).unwrap()
}

fn seeds(parser: &Parser) -> Vec<Vec<u8>> {
    parser.seeds.iter().map(|file| seed(file)).collect()
}

fn path(octets: &[u8]) {
    parsers::path(octets, &ANCHOR);
}

static ANCHOR: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| seed("root.cer"));

/// Memory asked for per octet of input, all in all, given back or not; about twice of what was
/// measured for the greediest. A report is the greediest: an element of two octets becomes a line
/// of text and one of JSON, which the test reads again.
fn octets_per_octet(parser: &Parser) -> u64 {
    if parser.name == "inspect" { 700 } else { 64 }
}

/// What reading anything costs besides: a table built on first use, a report's frame.
const OCTETS_IN_ANY_CASE: u64 = 32 * 1024;

fn justified(parser: &Parser, length: usize, cost: Cost) {
    let most = OCTETS_IN_ANY_CASE + octets_per_octet(parser) * length as u64;
    assert!(cost.octets <= most, "{}: {cost:?} for {length} octets", parser.name);
}

/// Whether twice the elements cost about twice. Vectors grow by doubling, so a step of one of them
/// is allowed for.
fn is_linear(small: Cost, large: Cost) -> bool {
    large.octets <= small.octets * 5 / 2 + 64 * 1024 && large.calls <= small.calls * 5 / 2 + 512
}

fn check(parser: &Parser, octets: &[u8]) {
    let ((), cost) = measure(|| (parser.run)(octets));
    justified(parser, octets.len(), cost);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_bytes_cost_what_their_length_justifies(
        octets in prop::collection::vec(any::<u8>(), 0..600)
    ) {
        for parser in PARSERS {
            check(parser, &octets);
        }
    }

    #[test]
    fn bytes_that_begin_like_an_object_cost_no_more(
        octets in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(vec![0x30_u8, 0x31, 0xa0, 0x02, 0x04, 0x06, 0x03, 0x0c, 0x80]),
            2 => 0_u8..6,
            1 => any::<u8>(),
        ], 0..300)
    ) {
        for parser in PARSERS {
            check(parser, &octets);
        }
    }

    #[test]
    fn a_damaged_object_costs_what_its_length_justifies(
        (index, octets) in (0..PARSERS.len())
            .prop_flat_map(|index| (Just(index), damaged(seeds(&PARSERS[index]))))
    ) {
        check(&PARSERS[index], &octets);
    }

    #[test]
    fn no_text_stops_the_readers_of_codes(text in "\\PC*|[0-9]{8,14}") {
        parsers::codes(text.as_bytes());
    }
}

#[test]
fn twice_the_elements_cost_at_most_twice() {
    for parser in PARSERS {
        for seed in seeds(parser) {
            for (once, twice) in pairs(&seed, 48) {
                let ((), small) = measure(|| (parser.run)(&once));
                let ((), large) = measure(|| (parser.run)(&twice));
                assert!(
                    is_linear(small, large),
                    "{}: {small:?} for {} octets, {large:?} for {}",
                    parser.name,
                    once.len(),
                    twice.len()
                );
                justified(parser, twice.len(), large);
            }
        }
    }
}

#[test]
fn a_reader_that_compares_each_element_with_each_would_be_noticed() {
    fn quadratic(octets: &[u8]) {
        let all = sekisho_hostile::elements(octets);
        for _ in &all {
            drop(std::hint::black_box(all.clone()));
        }
    }
    let noticed = pairs(&seed("crl.crl"), 48).any(|(once, twice)| {
        let ((), small) = measure(|| quadratic(&once));
        let ((), large) = measure(|| quadratic(&twice));
        !is_linear(small, large)
    });
    assert!(noticed);
}

#[test]
fn the_entries_of_a_long_crl_are_counted_and_not_kept() {
    // The first entry is the first SEQUENCE in the SEQUENCE behind nextUpdate.
    let crl = seed("crl.crl");
    let entry = sekisho_hostile::elements(&crl)
        .into_iter()
        .find(|range| crl[range.clone()].starts_with(&[0x30, 0x21, 0x02, 0x02, 0x10, 0x02]))
        .unwrap();
    let long = sekisho_hostile::grown(&crl, &entry, 600_000);
    assert!(long.len() > 20_000_000);
    let options = Options { now: datetime!(2026-11-21 12:00 UTC), entries: 20, passphrase: None };
    let (found, cost) = measure(|| inspect(&long, &options));
    assert!(found.json().unwrap().contains("\"revoked_count\": 600002"));
    assert!(cost.peak < 64 * 1024, "{cost:?}");
}

#[test]
fn towers_of_elements_are_taken_down_without_a_deep_stack() {
    // On a stack of 256 KiB: recursion by depth of the input would not survive.
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(|| {
            for tower in towers(60_000) {
                for parser in PARSERS {
                    check(parser, &tower);
                }
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_length_that_promises_four_gigabytes_allocates_nothing_of_it() {
    for parser in PARSERS {
        for tag in [0x30, 0x31, 0x04, 0x0c, 0x02, 0xa0] {
            check(parser, &[tag, 0x84, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
            check(parser, &[0x30, 0x08, tag, 0x84, 0x7f, 0xff, 0xff, 0xff, 1, 2]);
        }
    }
}

#[test]
fn every_seed_is_understood_by_its_parser() {
    // A seed that its parser refuses at once would prove nothing about the parser's depths.
    for file in CERTIFICATES {
        assert!(Certificate::from_der(&seed(file)).is_ok(), "{file}");
    }
    let chain = seed("chain.der");
    assert!(chain.starts_with(&seed("terminal.cer")) && chain.ends_with(&seed("cross.cer")));
    for file in ["crl.crl", "delta.crl"] {
        assert!(Crl::parse(&seed(file)).is_ok(), "{file}");
    }
    assert!(OcspQuery::parse(&seed("ocsp-request.der")).is_ok());
    assert!(OcspResponse::from_der(&seed("ocsp-response.der")).is_ok());
    assert!(CertReq::from_der(&seed("device.csr")).is_ok());
    assert_eq!(parse_certs_only(&seed("bundle.p7b")).unwrap().len(), 2);
    for file in FILES {
        assert!(Pfx::parse(&seed(file)).is_ok(), "{file}");
    }
    assert_eq!(hc_role::parse_extension(&seed("hc-role.der")).unwrap()[0].name, "Medical Doctor");
    let found = PermanentIdentifier::from_der(&seed("permanent-identifier.der")).unwrap();
    assert_eq!(found.identifier_value.as_deref(), Some("179927398711"));
    assert!(Name::from_der(&seed("name.der")).is_ok());
    assert!(PublicKeyKind::of_der(&seed("terminal.spki")).is_some());
    for file in EVERYTHING {
        let options =
            Options { now: datetime!(2026-11-21 12:00 UTC), entries: 20, passphrase: None };
        assert_eq!(inspect(&seed(file), &options).broken().count(), 0, "{file}");
    }
}
