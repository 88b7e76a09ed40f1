//! Who takes part, what they hold, and what each may do next.
//!
//! Alice works at the facilities A and B and is at A now; Bob works at A, Mallory at B. Mallory has a PC of B with its key, perhaps
//! a browser of his own at Alice's PC, a card of his own, a portal of his own that the agent at Alice's
//! PC honours as well, and a certificate in Bob's name on Alice's key, from an issuer that did not ask
//! for proof of possession. He reads and holds back whatever passes between page and agent, and puts
//! another answer in an answer's place. He has no private key of another and no PIN.

mod steps;

use std::collections::BTreeSet;

use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};

use super::layers::{Binding, Layer, Setting};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Portal {
    Ours,
    Mallorys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Terminal {
    A,
    B,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Browser {
    /// At A.
    Alices,
    /// At A too: a PC is shared.
    MallorysAtA,
    /// At B.
    MallorysAtB,
}

impl Browser {
    fn terminal(self) -> Terminal {
        if self == Self::MallorysAtB { Terminal::B } else { Terminal::A }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    Alice,
    Bob,
    Mallory,
}

/// A card certificate: who it names, and whose key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certificate {
    Alices,
    Mallorys,
    /// Alice's key, Bob's name.
    InBobsNameOnAlicesKey,
}

impl Certificate {
    const ALL: [Self; 3] = [Self::Alices, Self::Mallorys, Self::InBobsNameOnAlicesKey];

    fn of(key: Person) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |card| card.key() == key)
    }

    fn names(self) -> Person {
        match self {
            Self::Alices => Person::Alice,
            Self::Mallorys => Person::Mallory,
            Self::InBobsNameOnAlicesKey => Person::Bob,
        }
    }

    fn key(self) -> Person {
        if self == Self::Mallorys { Person::Mallory } else { Person::Alice }
    }
}

/// Pages make a new key for each login; Mallory's pages need only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageKey {
    Alices(u8),
    Mallorys,
}

/// Why the card is asked, as far as it matters: who must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    Login,
    /// Alice's, within her session.
    Stepup,
}

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
            (Binding::RestOfRequest, self.purpose as u8),
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
    key: Person,
    octets: Vec<u8>,
}

/// A session at our portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    pub person: Person,
    pub browser: Browser,
}

impl Session {
    /// Alice sits before her browser, Mallory before his.
    pub fn is_wrong(self) -> bool {
        match self.browser {
            Browser::Alices => self.person != Person::Alice,
            Browser::MallorysAtA | Browser::MallorysAtB => self.person != Person::Mallory,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub challenges: Vec<Challenge>,
    seen_by_agent: BTreeSet<Request>,
    answers: BTreeSet<Answer>,
    /// By the key of the PC at A; for B, Mallory makes them himself.
    terminal_proofs: BTreeSet<Request>,
    /// By pages of Alice's, where Mallory can read them.
    page_proofs: BTreeSet<(Request, Answer)>,
    sessions: BTreeSet<Session>,
    /// Alice's page waits for the card's answer to this challenge.
    waiting: Option<u8>,
    /// Alice's page has it.
    answered: Option<u8>,
    phished: u8,
    forged: u8,
    used_elsewhere: bool,
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
        let mut next = self.at_agent(setting, request, caller)?;
        let input = request.input(setting, caller, Terminal::A, Certificate::Alices);
        let answer = Answer { key: Person::Alice, octets: setting.signed(&input) };
        if matches!(request.page_key, PageKey::Alices(_)) && !setting.has(Layer::Secrecy) {
            // Her page is about to send its proof.
            next.page_proofs.insert((request, answer.clone()));
        }
        next.answers.insert(answer);
        Some(next)
    }

    /// Our portal, over a connection from the browser's PC: the session, if it opens one.
    fn submit(
        &self,
        setting: Setting,
        number: usize,
        browser: Browser,
        answer: &Answer,
        card: Certificate,
    ) -> Option<(Session, Self)> {
        let challenge = self.challenges[number];
        let Request { terminal, page_key, purpose, .. } = challenge.request;
        let here = browser.terminal();
        let counts = |layer, held: bool| held || !setting.has(layer);
        let page_proof = match page_key {
            PageKey::Mallorys => browser != Browser::Alices,
            PageKey::Alices(of) => {
                (browser == Browser::Alices && usize::from(of) == number)
                    || self.page_proofs.contains(&(challenge.request, answer.clone()))
            }
        };
        let at_work = match card.names() {
            Person::Alice => true,
            Person::Bob => here == Terminal::A,
            Person::Mallory => here == Terminal::B,
        };
        let checked = counts(Layer::SingleUse, !challenge.spent)
            && counts(Layer::Browser, challenge.browser == browser)
            && counts(Layer::Terminal, terminal == here)
            && counts(
                Layer::TerminalProof,
                here == Terminal::B || self.terminal_proofs.contains(&challenge.request),
            )
            && counts(Layer::PageProof, page_proof)
            && counts(Layer::Membership, at_work)
            && (purpose == Purpose::Login || card.names() == Person::Alice);
        if !checked {
            return None;
        }
        let input = challenge.request.input(setting, Portal::Ours, here, card);
        (answer.octets == setting.signed(&input)).then(|| {
            let mut next = self.clone();
            next.challenges[number].spent = true;
            let session = Session { person: card.names(), browser };
            next.sessions.insert(session);
            (session, next)
        })
    }

    /// Mallory's own card signs whatever he likes; of use is what our portal wants for a challenge.
    fn of_mallorys_card(&self, setting: Setting, number: usize, here: Terminal) -> Answer {
        let request = self.challenges[number].request;
        let input = request.input(setting, Portal::Ours, here, Certificate::Mallorys);
        Answer { key: Person::Mallory, octets: setting.signed(&input) }
    }
}
