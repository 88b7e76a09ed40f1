//! A card is a stranger too: whatever it answers, the agent does not panic, does not ask without
//! end, and takes no more memory than the answers justify. `card-agent/fuzz` runs the same.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use sekisho_hostile::{Counting, damaged, elements, grown, measure, towers};

#[path = "../fuzz/src/card.rs"]
mod parsers;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A parser's name and the parser.
type Parser = (&'static str, fn(&[u8]));

const PARSERS: &[Parser] = &[
    ("dialogue", parsers::dialogue),
    ("directories", parsers::directories),
    ("command", parsers::command),
];

/// A level of a directory file becomes a list of its objects, of at most 64; levels are fixed.
const OCTETS_PER_OCTET: u64 = 400;
/// Commands are vectors; a list of 64 objects takes 4 KiB while it grows.
const OCTETS_IN_ANY_CASE: u64 = 128 * 1024;

fn check(octets: &[u8]) {
    for (name, run) in PARSERS {
        let ((), cost) = measure(|| run(octets));
        let most = OCTETS_IN_ANY_CASE + OCTETS_PER_OCTET * octets.len() as u64;
        assert!(cost.octets <= most, "{name}: {cost:?} for {} octets", octets.len());
    }
}

/// A card's answer in the script of `parsers::dialogue`.
fn answer(data: &[u8], status: u16) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap();
    [&length.to_be_bytes(), data, &status.to_be_bytes()].concat()
}

/// EF.OD, EF.AOD, EF.PrKD, EF.CD of a card seen in the field (as `structure`'s unit test has it).
const DIRECTORY: [u8; 40] = [
    0xa0, 6, 0x30, 4, 4, 2, 0, 2, 0xa1, 6, 0x30, 4, 4, 2, 0, 3, 0xa4, 6, 0x30, 4, 4, 2, 0, 4, 0xa7,
    6, 0x30, 4, 4, 2, 0, 5, 0xa8, 6, 0x30, 4, 4, 2, 0, 1,
];

fn whole_dialogue() -> Vec<u8> {
    // Select, EF.OD; then selection and reading of three directory files and the certificate.
    let mut script = [answer(&[], 0x9000), answer(&DIRECTORY, 0x9000)].concat();
    for _ in 0..3 {
        script.extend(answer(&[], 0x9000));
        script.extend(answer(&DIRECTORY, 0x9000));
    }
    let mut certificate = vec![0x30, 0x82, 0x03, 0x00];
    certificate.extend([0; 252]);
    script.extend(answer(&[], 0x9000));
    script.extend(answer(&certificate, 0x9000));
    for _ in 0..4 {
        script.extend(answer(&[7; 256], 0x9000));
    }
    script.extend(answer(&[], 0x63c3));
    script
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        whole_dialogue(),
        DIRECTORY.to_vec(),
        vec![0, 0xa4, 4, 0, 2, 1, 2, 0],
        vec![0, 0x2a, 0x9e, 0x9a, 0, 0, 4, 1, 2, 3, 4, 0, 0],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_answers_end_in_a_card_or_a_reason(
        octets in prop::collection::vec(any::<u8>(), 0..1_000)
    ) {
        check(&octets);
    }

    #[test]
    fn damaged_dialogues_end_in_a_card_or_a_reason(octets in damaged(seeds())) {
        check(&octets);
    }

    #[test]
    fn statuses_that_promise_more_come_to_an_end(
        status in prop::sample::select(vec![0x6100_u16, 0x61ff, 0x6c00, 0x6cff, 0x9000, 0x6282, 0x63c0]),
        length in 0_usize..300,
    ) {
        check(&answer(&vec![0x30; length], status).repeat(200));
    }
}

#[test]
fn crowds_and_towers_of_objects_are_bounded() {
    for target in elements(&DIRECTORY) {
        check(&grown(&DIRECTORY, &target, 2_000));
    }
    for tower in towers(60_000) {
        check(&tower);
    }
}
