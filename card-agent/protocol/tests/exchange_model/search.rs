//! Everything that can happen, nearest first.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::layers::Setting;
use super::world::{Gain, State};

/// What was found: how many worlds there are, who gains what in any of them, and the shortest way to
/// something that is wrong.
pub struct Found {
    pub worlds: usize,
    pub gains: BTreeSet<Gain>,
    pub counter_example: Option<Vec<String>>,
}

/// Visits every world that can be reached in this setting, until something is wrong.
pub fn explore(setting: Setting) -> Found {
    let begin = State::default();
    let mut gains = BTreeSet::new();
    // Each world and how it came about.
    let mut came: Vec<(usize, String)> = vec![(0, String::new())];
    let mut known = HashMap::from([(begin.clone(), 0)]);
    let mut next = VecDeque::from([(begin, 0)]);
    while let Some((state, number)) = next.pop_front() {
        for (what, gain, after) in state.steps(setting) {
            gains.extend(gain);
            if let Some(wrong) = gain.filter(|gain| gain.is_wrong()) {
                let end = match wrong {
                    Gain::Session { person, .. } => {
                        format!("{what}: {person:?} is logged in there")
                    }
                    Gain::Link { of, person } => {
                        format!("{what}: {of:?}'s card is linked to {person:?}")
                    }
                };
                let counter_example = Some(way(&came, number, end));
                return Found { worlds: known.len(), gains, counter_example };
            }
            if !known.contains_key(&after) {
                known.insert(after.clone(), came.len());
                next.push_back((after, came.len()));
                came.push((number, what));
            }
        }
    }
    Found { worlds: known.len(), gains, counter_example: None }
}

/// From the beginning to here.
fn way(came: &[(usize, String)], mut number: usize, end: String) -> Vec<String> {
    let mut way = vec![end];
    while number != 0 {
        let (before, what) = &came[number];
        way.push(what.clone());
        number = *before;
    }
    way.reverse();
    way
}
