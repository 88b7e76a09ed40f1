//! A model of the exchange: everything that honest people, one portal, one agent and one attacker can
//! do, in every order, and whether anybody is then logged in where they should not be.
//!
//! What the card signs is made by the code itself ([`SignedInput::to_bytes`]); a new field of it does not
//! compile here before the model knows it. Each thing that is bound, and each check beside it, can be
//! taken away. The tests say what that costs, and print the shortest way in.
//!
//! Of the seven things bound, two are the only ones of their kind: without the domain tag or the card's
//! certificate there is a way in at once. The others stand behind one another, for the request's digest
//! covers what the request names, and the fields cover the request. For each there are losses that are
//! survived only because it is there; every set below is least: with any one of its members back
//! nobody comes in.
//!
//! [`SignedInput::to_bytes`]: sekisho_protocol::signed_input::SignedInput::to_bytes
#![allow(clippy::print_stdout)] // the ways in, for whoever asks with --nocapture

mod layers;
mod search;
mod world;

use std::collections::BTreeSet;

use layers::Layer::{self, *};
use layers::Seat::{self, *};
use layers::Setting;
use search::explore;
use world::{Browser, Person, Session};

/// What is lost, and where Mallory sits.
type Losses = (Seat, &'static [Layer]);

/// The way in without these layers, step by step.
fn way_in(gone: &[Layer], seat: Seat) -> Option<Vec<String>> {
    explore(Setting::without(gone, seat)).counter_example
}

/// There is a way in without all of these, and none as soon as one of them is back.
fn assert_least(gone: &[Layer], seat: Seat) {
    let way = way_in(gone, seat).unwrap_or_else(|| panic!("nobody comes in without {gone:?}"));
    println!("without {gone:?}, Mallory {seat:?}:\n    {}", way.join("\n    "));
    for back in gone {
        let rest: Vec<Layer> = gone.iter().copied().filter(|layer| layer != back).collect();
        let way = way_in(&rest, seat);
        assert!(way.is_none(), "{back:?} is not needed: without {rest:?} {way:#?}");
    }
}

/// One test for each set of losses.
macro_rules! losses {
    ($($(#[$doc:meta])* $name:ident: $seat:ident, [$($gone:ident),+];)+) => {
        $($(#[$doc])* #[test] fn $name() { assert_least(&[$($gone),+], $seat); })+
        const LOSSES: &[Losses] = &[$(($seat, &[$($gone),+])),+];
    };
}

losses! {
    /// Another program has the card sign what the portal wants to see.
    without_the_domain_tag: Elsewhere, [Domain];
    /// The answer's certificate is exchanged for one in another's name on the same key.
    without_the_cards_certificate: Elsewhere, [CardCertificate];
    /// Mallory's own portal has the card sign the challenge that ours gave him.
    without_origin_and_request: BesideAlice, [Origin, Request];
    /// A page of Mallory's relays our genuine request.
    without_origin_and_the_agents_look_at_it: BesideAlice, [Origin, AgentOrigin];
    /// The same as by his own portal, and he submits at his own facility.
    without_facility_origin_and_request: Elsewhere, [Origin, FacilityX5t, Request];
    /// A signature of an earlier login is used again, with a page key of Mallory's.
    without_nonce_page_key_and_request: BesideAlice, [Nonce, PageKey, Request];
    /// The same with the public half of the earlier page's key.
    without_nonce_request_and_the_pages_proof: BesideAlice, [Nonce, Request, PageProof];
    /// Alice types her PIN into a window that another page opened.
    without_the_code: BesideAlice, [Code];
    /// Mallory's own card answers in place of Alice's, in her browser.
    without_membership: Elsewhere, [Membership];
    /// Alice's answer is submitted from Mallory's browser at the same PC.
    without_cookie_and_the_pages_proof: BesideAlice, [Browser, PageProof];
    /// The same with the proof that her page was about to send.
    without_cookie_and_secrecy: BesideAlice, [Browser, Secrecy];
}

#[test]
fn with_every_layer_people_are_logged_in_where_they_sit_and_nowhere_else() {
    for seat in [Elsewhere, BesideAlice] {
        let found = explore(Setting::without(&[], seat));
        assert_eq!(found.counter_example, None);
        let alice = Session { person: Person::Alice, browser: Browser::Alices };
        let mallory = Session { person: Person::Mallory, browser: Browser::MallorysAtB };
        assert_eq!(found.sessions, BTreeSet::from([alice, mallory]));
        // What is found above lies within the same bounds.
        assert!(found.worlds > 600, "{}", found.worlds);
    }
}

#[test]
fn everything_that_is_bound_is_needed_somewhere() {
    let needed: BTreeSet<Layer> =
        LOSSES.iter().flat_map(|(_, gone)| gone.iter().copied()).collect();
    for binding in Layer::bindings() {
        assert!(needed.contains(&binding), "{binding:?} protects from nothing");
    }
}

/// All sets of so many layers.
fn sets(size: usize) -> Vec<BTreeSet<Layer>> {
    (0..size).fold(vec![BTreeSet::new()], |sets, _| {
        let larger = |set: &BTreeSet<Layer>| {
            let last = set.last().copied();
            let next = Layer::ALL.into_iter().filter(move |layer| last.is_none_or(|l| l < *layer));
            let set = set.clone();
            next.map(move |layer| set.iter().copied().chain([layer]).collect()).collect::<Vec<_>>()
        };
        sets.iter().flat_map(larger).collect()
    })
}

/// The least losses of at most `most` layers that let somebody in: no others than those tried above.
fn assert_no_others(seat: Seat, most: usize) {
    let mut least: Vec<BTreeSet<Layer>> = Vec::new();
    for set in (1..=most).flat_map(sets) {
        let gone: Vec<Layer> = set.iter().copied().collect();
        let known = least.iter().any(|losses| losses.is_subset(&set));
        if !known && way_in(&gone, seat).is_some() {
            least.push(set);
        }
    }
    // Whoever sits beside Alice can do what is done from elsewhere.
    let tried: BTreeSet<BTreeSet<Layer>> = LOSSES
        .iter()
        .filter(|(from, gone)| (*from == seat || *from == Elsewhere) && gone.len() <= most)
        .map(|(_, gone)| gone.iter().copied().collect())
        .filter(|set: &BTreeSet<Layer>| {
            let smaller = |(from, gone): &Losses| {
                let gone: BTreeSet<Layer> = gone.iter().copied().collect();
                (*from == seat || *from == Elsewhere) && gone.is_subset(set) && gone != *set
            };
            !LOSSES.iter().any(smaller)
        })
        .collect();
    assert_eq!(least.into_iter().collect::<BTreeSet<_>>(), tried);
}

#[test]
fn from_elsewhere_there_is_no_other_way_through_two_losses() {
    assert_no_others(Elsewhere, 2);
}

#[test]
fn beside_alice_there_is_no_other_way_through_two_losses() {
    assert_no_others(BesideAlice, 2);
}

#[test]
#[ignore = "two minutes: all sets of three"]
fn there_is_no_other_way_through_three_losses() {
    for seat in [Elsewhere, BesideAlice] {
        assert_no_others(seat, 3);
    }
}
