//! Who takes part, what they hold, and what each may do next.
//!
//! Alice works at the facilities A and B and is at A now; Bob works at A, Mallory at B. Mallory has a PC of B with its key, perhaps
//! a browser of his own at Alice's PC, a card of his own, a portal of his own that the agent at Alice's
//! PC honours as well, and a certificate in Bob's name on Alice's key, from an issuer that did not ask
//! for proof of possession. He reads and holds back whatever passes between page and agent, and puts
//! another answer in an answer's place (while a card is linked, only where [`Layer::Door`] fails). He has
//! no private key of another and no PIN.
//!
//! Alice and Mallory have a My Number card each, which each may link to who they are: Alice once she is
//! logged in, Mallory within a session at B that he has from the beginning. What a linked card opens later
//! is not followed: a card that is linked to another person is as bad as a wrong login.

mod cast;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};

use super::layers::{Binding, Layer, Setting};
use cast::Key;
pub use cast::{Browser, Certificate, PageKey, Person, Portal, Purpose, Terminal};

/// What a portal signs. Two of the same content are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    pub origin: Portal,
    pub nonce: u8,
    pub terminal: Terminal,
    pub page_key: PageKey,
    pub purpose: Purpose,
    /// Two digits: a page shows them, and the window.
    pub code: u8,
}

impl Request {
    fn page_key_octet(self) -> u8 {
        match self.page_key {
            PageKey::Mallorys => 1,
            PageKey::Alices(number) => 2 + number,
        }
    }

    /// Another digest for each content, of what is bound.
    fn digest(self, setting: Setting) -> Sha256Digest {
        let members = [
            (Binding::Origin, 1 + self.origin as u8),
            (Binding::Nonce, self.nonce),
            (Binding::Facility, self.terminal as u8),
            (Binding::PageKey, self.page_key_octet()),
            (Binding::RestOfRequest, self.purpose.octets()[0]),
            (Binding::RestOfRequest, self.purpose.octets()[1]),
            (Binding::RestOfRequest, self.code),
        ];
        let members =
            members.map(|(binding, octet)| if setting.binds(binding) { octet } else { 0 });
        let mut digest = [0; 32];
        digest[..members.len()].copy_from_slice(&members);
        Sha256Digest::new(digest)
    }

    /// What answers for it, where the one who makes the input sees this origin and this PC.
    fn input(
        self,
        setting: Setting,
        origin: Portal,
        terminal: Terminal,
        card: Certificate,
    ) -> SignedInput {
        let digest = |octet: u8| Sha256Digest::new([octet; 32]);
        let occasion = Occasion {
            origin: digest(1 + origin as u8),
            nonce: ChallengeNonce::new([1 + self.nonce; 32]),
            facility_x5t: digest(1 + terminal as u8),
            page_key: digest(self.page_key_octet()),
            request: self.digest(setting),
        };
        SignedInput { occasion, card_certificate: digest(1 + card as u8) }
    }
}

/// A challenge at our portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Challenge {
    pub request: Request,
    browser: Browser,
    spent: bool,
}

/// A signature that Mallory has seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer {
    key: Key,
    octets: Vec<u8>,
}

/// What comes of an answer at our portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gain {
    Session {
        person: Person,
        browser: Browser,
    },
    /// The card of this one logs that person in from now on.
    Link {
        of: Person,
        person: Person,
    },
}

impl Gain {
    /// Alice sits before her browser, Mallory before his; a card is linked to whose it is.
    pub fn is_wrong(self) -> bool {
        match self {
            Self::Session { person, browser: Browser::Alices } => person != Person::Alice,
            Self::Session { person, .. } => person != Person::Mallory,
            Self::Link { of, person } => of != person,
        }
    }
}

/// What opened the session that Mallory has at B from the beginning.
const MALLORYS_LOGIN: u8 = 200;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub challenges: Vec<Challenge>,
    seen_by_agent: BTreeSet<Request>,
    answers: BTreeSet<Answer>,
    /// By the key of the PC at A; for B, Mallory makes them himself.
    terminal_proofs: BTreeSet<Request>,
    /// By pages of Alice's, where Mallory can read them.
    page_proofs: BTreeSet<(Request, Answer)>,
    /// Whose, and the challenge that proved it last.
    sessions: BTreeMap<Browser, (Person, u8)>,
    /// Alice's page waits for the card's answer to this challenge.
    waiting: Option<u8>,
    /// Alice's page has it.
    answered: Option<u8>,
    phished: u8,
    forged: u8,
    used_elsewhere: bool,
    /// Alice is gone from her browser; what was asked there has run out.
    left: bool,
}

impl Default for State {
    fn default() -> Self {
        let at_b = (Browser::MallorysAtB, (Person::Mallory, MALLORYS_LOGIN));
        Self {
            challenges: Vec::new(),
            seen_by_agent: BTreeSet::new(),
            answers: BTreeSet::new(),
            terminal_proofs: BTreeSet::new(),
            page_proofs: BTreeSet::new(),
            sessions: BTreeMap::from([at_b]),
            waiting: None,
            answered: None,
            phished: 0,
            forged: 0,
            used_elsewhere: false,
            left: false,
        }
    }
}

impl State {
    fn challenges_in(&self, alices: bool) -> usize {
        self.challenges.iter().filter(|c| (c.browser == Browser::Alices) == alices).count()
    }

    /// With this nonce and code.
    fn challenge(
        &self,
        browser: Browser,
        page_key: PageKey,
        purpose: Purpose,
        (nonce, code): (u8, u8),
    ) -> Self {
        let (origin, terminal) = (Portal::Ours, browser.terminal());
        let request = Request { origin, nonce, terminal, page_key, purpose, code };
        let mut next = self.clone();
        next.challenges.push(Challenge { request, browser, spent: false });
        next
    }

    /// The agent at A: what becomes of a request from a page of `caller`, if it is served.
    fn at_agent(&self, setting: Setting, request: Request, caller: Portal) -> Option<Self> {
        // What a request does not name is compared with nothing.
        let compares = |layer, binding| setting.has(layer) && setting.binds(binding);
        let own =
            request.terminal == Terminal::A || !compares(Layer::AgentTerminal, Binding::Facility);
        let same = request.origin == caller || !compares(Layer::AgentOrigin, Binding::Origin);
        let fresh = !self.seen_by_agent.contains(&request) || !setting.has(Layer::AgentReplay);
        (own && same && fresh).then(|| {
            let mut next = self.clone();
            next.seen_by_agent.insert(request);
            next.terminal_proofs.insert(request);
            next
        })
    }

    /// The same, and Alice types her PIN.
    fn with_pin(&self, setting: Setting, request: Request, caller: Portal) -> Option<Self> {
        if self.left {
            return None;
        }
        let card = Certificate::of_alice(request.purpose);
        let mut next = self.at_agent(setting, request, caller)?;
        let input = request.input(setting, caller, Terminal::A, card);
        let answer = Answer { key: card.key(), octets: setting.signed(&input) };
        if matches!(request.page_key, PageKey::Alices(_)) && !setting.has(Layer::Secrecy) {
            // Her page is about to send its proof.
            next.page_proofs.insert((request, answer.clone()));
        }
        next.answers.insert(answer);
        Some(next)
    }

    /// Our portal, over a connection from the browser's PC: what comes of it, if anything does.
    fn submit(
        &self,
        setting: Setting,
        number: usize,
        browser: Browser,
        answer: &Answer,
        card: Certificate,
    ) -> Option<(Gain, Self)> {
        let challenge = self.challenges[number];
        let Request { terminal, page_key, purpose, .. } = challenge.request;
        let here = browser.terminal();
        let counts = |layer, held: bool| held || !setting.has(layer);
        let page_proof = match page_key {
            PageKey::Mallorys => browser != Browser::Alices,
            PageKey::Alices(of) => {
                // Whoever sits before a page that stands open has it prove whatever they like.
                (browser == Browser::Alices && usize::from(of) == number)
                    || browser == Browser::AlicesLeft
                    || self.page_proofs.contains(&(challenge.request, answer.clone()))
            }
        };
        let at_work = match card.names() {
            Person::Alice => true,
            Person::Bob => here == Terminal::A,
            Person::Mallory => here == Terminal::B,
        };
        let gain = match purpose {
            Purpose::Login => at_portal(setting, at_work, card, browser),
            Purpose::Stepup if card.names() != Person::Alice => None,
            Purpose::Stepup => at_portal(setting, at_work, card, browser),
            // Whose session it is decides, and that it is the one in which the challenge was asked for.
            Purpose::Link { vouching } => self
                .sessions
                .get(&browser)
                .filter(|(_, opened_by)| *opened_by == vouching)
                .map(|(person, _)| Gain::Link { of: card.names(), person: *person }),
        };
        let checked = counts(Layer::SingleUse, !challenge.spent)
            && counts(Layer::Browser, challenge.browser.is(browser))
            && counts(Layer::Terminal, terminal == here)
            && counts(
                Layer::TerminalProof,
                here == Terminal::B || self.terminal_proofs.contains(&challenge.request),
            )
            && counts(Layer::PageProof, page_proof)
            && card.key().kind == purpose.kind();
        let gain = gain.filter(|_| checked)?;
        let input = challenge.request.input(setting, Portal::Ours, here, card);
        (answer.octets == setting.signed(&input)).then(|| {
            let mut next = self.clone();
            next.challenges[number].spent = true;
            if let Gain::Session { person, browser } = gain {
                next.sessions.insert(browser, (person, number as u8));
            }
            (gain, next)
        })
    }

    /// Mallory's own card signs whatever he likes; of use is what our portal wants for a challenge.
    fn of_mallorys_card(&self, setting: Setting, number: usize, here: Terminal) -> Answer {
        let request = self.challenges[number].request;
        let card = Certificate::of_mallory(request.purpose);
        let input = request.input(setting, Portal::Ours, here, card);
        Answer { key: card.key(), octets: setting.signed(&input) }
    }
}

/// The session of whom the card names, where they work.
fn at_portal(setting: Setting, at_work: bool, card: Certificate, browser: Browser) -> Option<Gain> {
    let admitted = at_work || !setting.has(Layer::Membership);
    admitted.then_some(Gain::Session { person: card.names(), browser })
}
