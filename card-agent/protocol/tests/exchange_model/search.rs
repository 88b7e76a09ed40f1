//! Everything that can happen, nearest first.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::layers::Setting;
use super::world::{Session, State};

/// What was found: how many worlds there are, who is logged in where in any of them, and the shortest
/// way to a session that is wrong.
pub struct Found {
    pub worlds: usize,
    pub sessions: BTreeSet<Session>,
    pub counter_example: Option<Vec<String>>,
}

/// Visits every world that can be reached in this setting, until a session is wrong.
pub fn explore(setting: Setting) -> Found {
    let begin = State::default();
    let mut sessions = BTreeSet::new();
    // Each world and how it came about.
    let mut came: Vec<(usize, String)> = vec![(0, String::new())];
    let mut known = HashMap::from([(begin.clone(), 0)]);
    let mut next = VecDeque::from([(begin, 0)]);
    while let Some((state, number)) = next.pop_front() {
        for (what, session, after) in state.steps(setting) {
            sessions.extend(session);
            if let Some(wrong) = session.filter(|session| session.is_wrong()) {
                let end = format!("{what}: {:?} is logged in there", wrong.person);
                let counter_example = Some(way(&came, number, end));
                return Found { worlds: known.len(), sessions, counter_example };
            }
            if !known.contains_key(&after) {
                known.insert(after.clone(), came.len());
                next.push_back((after, came.len()));
                came.push((number, what));
            }
        }
    }
    Found { worlds: known.len(), sessions, counter_example: None }
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
