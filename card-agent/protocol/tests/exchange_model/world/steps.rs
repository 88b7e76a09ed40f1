//! What may happen next, and to what it leads.

use std::collections::BTreeSet;

use super::{
    Answer, Browser, Certificate, Challenge, Gain, MALLORYS_LOGIN, PageKey, Portal, Purpose,
    Request, State, Terminal,
};
use crate::layers::{Layer, Seat, Setting};

/// How often each may happen: twice is enough for every replay.
const LOGINS_OF_ALICE: usize = 2;
const CHALLENGES_OF_MALLORY: usize = 1;
const PHISHED: u8 = 1;
const FORGED: u8 = 1;
/// The code of a challenge of Mallory's, unless it comes out as one that Alice saw before: there are a
/// hundred. That it comes out as the one before her eyes (one in a hundred) is not in the model.
const CODE_OF_MALLORY: u8 = 99;

impl State {
    /// Everything that may happen next: what, what comes of it, and the world afterwards.
    pub fn steps(&self, setting: Setting) -> Vec<(String, Option<Gain>, Self)> {
        let mut steps = Vec::new();
        self.steps_of_alice(setting, &mut steps);
        self.steps_of_mallory(setting, &mut steps);
        steps
    }

    /// Nonces and codes that our portal may draw for Mallory.
    fn drawn_for_mallory(&self, setting: Setting) -> BTreeSet<(u8, u8)> {
        let fresh = self.challenges.len() as u8;
        let over = self.challenges.iter().filter(|challenge| challenge.spent);
        let again = over.flat_map(|Challenge { request, .. }| {
            let repeated = (!setting.has(Layer::Fresh)).then_some((request.nonce, request.code));
            [Some((fresh, request.code)), repeated]
        });
        again.flatten().chain([(fresh, CODE_OF_MALLORY)]).collect()
    }

    /// What Mallory signs in our portal's name where he can: for Alice's PC, with the code that her page
    /// shows, for his page or hers.
    fn forged(&self, setting: Setting, genuine: Request) -> BTreeSet<Request> {
        let mut forged = BTreeSet::new();
        if setting.has(Layer::RequestSignature) || self.forged >= FORGED {
            return forged;
        }
        let waiting = self.waiting.map(|number| self.challenges[usize::from(number)].request.code);
        for code in [genuine.code].into_iter().chain(waiting) {
            for page_key in [genuine.page_key, PageKey::Mallorys] {
                forged.insert(Request { code, page_key, terminal: Terminal::A, ..genuine });
            }
        }
        forged.remove(&genuine);
        forged
    }

    /// Whether Alice types her PIN into a window that Mallory's browser opens for a challenge. Her own
    /// challenge there gains him nothing that he does not read at her own page's.
    fn is_believed(&self, setting: Setting, challenge: &Challenge, shown: Request) -> bool {
        let on_page = self.waiting.map(|number| self.challenges[usize::from(number)].request.code);
        let is_no_copy = challenge.request != shown || challenge.browser != Browser::Alices;
        (on_page == Some(shown.code) && is_no_copy) || !setting.has(Layer::Code)
    }

    fn steps_of_alice(&self, setting: Setting, steps: &mut Vec<(String, Option<Gain>, Self)>) {
        if self.left {
            return;
        }
        let begun = self.challenges_in(true);
        if begun < LOGINS_OF_ALICE && self.waiting.is_none() && self.answered.is_none() {
            let opened_by = self.sessions.get(&Browser::Alices).map(|(_, opened_by)| *opened_by);
            let purposes = match opened_by {
                None => vec![Purpose::Login],
                Some(vouching) => vec![Purpose::Stepup, Purpose::Link { vouching }],
            };
            let number = self.challenges.len() as u8;
            for purpose in purposes {
                let key = PageKey::Alices(number);
                let mut next = self.challenge(Browser::Alices, key, purpose, (number, number));
                next.waiting = Some(number);
                steps.push((
                    format!("Alice's page gets challenge {number} ({purpose:?})"),
                    None,
                    next,
                ));
            }
        }
        if setting.seat == Seat::AfterAlice && self.sessions.contains_key(&Browser::Alices) {
            let mut next = self.clone();
            (next.left, next.waiting, next.answered) = (true, None, None);
            next.sessions.remove(&Browser::Alices);
            for challenge in &mut next.challenges {
                challenge.spent = true;
            }
            steps.push((
                "Alice takes her card and goes, her page stays open".to_owned(),
                None,
                next,
            ));
        }
        if let Some(number) = self.waiting {
            let request = self.challenges[usize::from(number)].request;
            if let Some(mut next) = self.with_pin(setting, request, Portal::Ours) {
                (next.waiting, next.answered) = (None, Some(number));
                let what =
                    "Alice types her PIN; Mallory reads proof and answer at the agent's door";
                steps.push((format!("{what} for challenge {number}"), None, next));
            }
        }
        if let Some(number) = self.answered {
            // The answer that Alice's page takes may have been exchanged on the way.
            let of_mallory = self.of_mallorys_card(setting, usize::from(number), Terminal::A);
            let Request { purpose, .. } = self.challenges[usize::from(number)].request;
            let linking = matches!(purpose, Purpose::Link { .. });
            for answer in self.answers.iter().chain([&of_mallory]) {
                if linking
                    && setting.has(Layer::Door)
                    && *answer != self.of_alices_card(setting, number)
                {
                    continue;
                }
                for card in Certificate::of(answer.key) {
                    let submitted =
                        self.submit(setting, usize::from(number), Browser::Alices, answer, card);
                    if let Some((gain, mut next)) = submitted {
                        next.answered = None;
                        let what = format!("Alice's page submits challenge {number} with {card:?}");
                        steps.push((what, Some(gain), next));
                    }
                }
            }
        }
    }

    fn steps_of_mallory(&self, setting: Setting, steps: &mut Vec<(String, Option<Gain>, Self)>) {
        if self.challenges_in(false) < CHALLENGES_OF_MALLORY {
            let known = self.challenges.iter().map(|challenge| challenge.request.page_key);
            let keys: BTreeSet<PageKey> = known.chain([PageKey::Mallorys]).collect();
            let drawn = self.drawn_for_mallory(setting);
            let number = self.challenges.len();
            for browser in self.browsers_of_mallory(setting) {
                let mut purposes = vec![Purpose::Login];
                // His session is at B.
                if browser == Browser::MallorysAtB {
                    purposes.push(Purpose::Link { vouching: MALLORYS_LOGIN });
                }
                for purpose in purposes {
                    for (key, (nonce, code)) in
                        keys.iter().flat_map(|key| drawn.iter().map(move |drawn| (key, *drawn)))
                    {
                        let next = self.challenge(browser, *key, purpose, (nonce, code));
                        let what = format!(
                            "{browser:?} gets challenge {number} ({purpose:?}, nonce {nonce}, code \
                             {code}) for {key:?} page key"
                        );
                        steps.push((what, None, next));
                    }
                }
            }
        }
        for (number, challenge) in self.challenges.iter().enumerate() {
            let ours = challenge.request;
            let beside = setting.seat.is_beside();
            if (beside || self.left)
                && let Some(next) = self.at_agent(setting, ours, Portal::Ours)
            {
                let what = format!("Mallory's browser at A fetches a proof for challenge {number}");
                steps.push((what, None, next));
            }
            let forged = self.forged(setting, ours);
            for shown in [ours].into_iter().chain(forged.iter().copied()) {
                if !(beside && self.is_believed(setting, challenge, shown)) {
                    continue;
                }
                let Some(mut next) = self.with_pin(setting, shown, Portal::Ours) else { continue };
                next.forged += u8::from(shown != ours);
                let what = format!("Alice types her PIN into Mallory's window of {shown:?}");
                steps.push((what, None, next));
            }
            if challenge.browser != Browser::Alices
                && !setting.has(Layer::OwnChallenge)
                && let Some(next) = self.with_pin(setting, ours, Portal::Ours)
            {
                let what = format!(
                    "a page of ours at Alice's carries challenge {number}, and she types her PIN"
                );
                steps.push((what, None, next));
            }
            if self.phished < PHISHED {
                let like = Request { origin: Portal::Mallorys, ..ours };
                let at_a = Request { terminal: Terminal::A, ..like };
                for relayed in [BTreeSet::from([ours, like, at_a]), forged].into_iter().flatten() {
                    if let Some(mut next) = self.with_pin(setting, relayed, Portal::Mallorys) {
                        next.phished += 1;
                        let what =
                            format!("Alice types her PIN at Mallory's portal for {relayed:?}");
                        steps.push((what, None, next));
                    }
                }
            }
            if !self.used_elsewhere && !self.left {
                let card = Certificate::of_alice(ours.purpose);
                let input = ours.input(setting, Portal::Ours, ours.terminal, card);
                let octets = setting.signed_elsewhere(&input);
                let mut next = self.clone();
                next.answers.insert(Answer { key: card.key(), octets });
                next.used_elsewhere = true;
                let what = format!(
                    "Alice's card signs for another program, or as a consent, what {number} wants"
                );
                steps.push((what, None, next));
            }
            for browser in self.browsers_of_mallory(setting) {
                let own = self.of_mallorys_card(setting, number, browser.terminal());
                for answer in self.answers.iter().chain([&own]) {
                    for card in Certificate::of(answer.key) {
                        let submitted = self.submit(setting, number, browser, answer, card);
                        if let Some((gain, next)) = submitted {
                            let what =
                                format!("{browser:?} submits challenge {number} with {card:?}");
                            steps.push((what, Some(gain), next));
                        }
                    }
                }
            }
        }
    }

    /// What Alice's own card signs for a challenge of hers.
    fn of_alices_card(&self, setting: Setting, number: u8) -> Answer {
        let request = self.challenges[usize::from(number)].request;
        let card = Certificate::of_alice(request.purpose);
        let input = request.input(setting, Portal::Ours, Terminal::A, card);
        Answer { key: card.key(), octets: setting.signed(&input) }
    }

    fn browsers_of_mallory(&self, setting: Setting) -> impl Iterator<Item = Browser> {
        let beside = setting.seat.is_beside().then_some(Browser::MallorysAtA);
        let hers = self.left.then_some(Browser::AlicesLeft);
        beside.into_iter().chain(hers).chain([Browser::MallorysAtB])
    }
}
