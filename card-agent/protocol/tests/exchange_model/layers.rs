//! What stands between an attacker and a login: each can be taken away.

use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};

/// One layer. The first seven are what the card's signature binds, the others are checks beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Signed: the tag that sets a login apart from whatever else the card's key signs.
    Domain,
    /// Signed: the page's origin, as the agent was called from.
    Origin,
    /// Signed: the portal's challenge.
    Nonce,
    /// Signed: the certificate of the PC at which the card is.
    FacilityX5t,
    /// Signed: the page's own key.
    PageKey,
    /// Signed: everything that was asked.
    Request,
    /// Signed: the card's certificate.
    CardCertificate,
    /// Agent: the request's origin is the caller's.
    AgentOrigin,
    /// Agent: the request names this PC's certificate.
    AgentTerminal,
    /// Agent: a request is served once.
    AgentReplay,
    /// Person: types the PIN only where page and window show the same code.
    Code,
    /// Portal: a challenge is answered once.
    SingleUse,
    /// Portal: the browser that answers is the one that asked, by its cookie.
    Browser,
    /// Portal: the PC that answers is the one that asked, by its TLS certificate.
    Terminal,
    /// Portal: that PC's agent had this very request.
    TerminalProof,
    /// Portal: the page that asked brings this very answer.
    PageProof,
    /// Portal: who logs in at a facility works there.
    Membership,
    /// TLS: nobody reads what page and portal say to each other.
    Secrecy,
}

impl Layer {
    pub const ALL: [Self; 18] = [
        Self::Domain,
        Self::Origin,
        Self::Nonce,
        Self::FacilityX5t,
        Self::PageKey,
        Self::Request,
        Self::CardCertificate,
        Self::AgentOrigin,
        Self::AgentTerminal,
        Self::AgentReplay,
        Self::Code,
        Self::SingleUse,
        Self::Browser,
        Self::Terminal,
        Self::TerminalProof,
        Self::PageProof,
        Self::Membership,
        Self::Secrecy,
    ];

    /// What is signed.
    pub fn bindings() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| *layer <= Self::CardCertificate)
    }
}

/// Where Mallory sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// At a PC of his own facility.
    Elsewhere,
    /// There, and before Alice's PC with a browser of his own: a PC is shared.
    BesideAlice,
}

/// What stands between whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    there: u32,
    pub seat: Seat,
}

impl Setting {
    pub fn without(gone: &[Layer], seat: Seat) -> Self {
        let all = (1 << Layer::ALL.len()) - 1;
        let there = gone.iter().fold(all, |there, layer| there & !(1 << *layer as u32));
        Self { there, seat }
    }

    pub fn has(self, layer: Layer) -> bool {
        self.there & (1 << layer as u32) != 0
    }

    /// What the card signs: the octets that agent and portal make of these fields, without those
    /// that are not bound.
    pub fn signed(self, input: &SignedInput) -> Vec<u8> {
        // Taken apart whole: a new field of the signed input does not compile here before it is a
        // layer of the model.
        let SignedInput { origin, nonce, facility_x5t, page_key, request, card_certificate } =
            input;
        let zero = Sha256Digest::new([0; 32]);
        let digest = |layer, value: &Sha256Digest| if self.has(layer) { *value } else { zero };
        let bound = SignedInput {
            origin: digest(Layer::Origin, origin),
            nonce: if self.has(Layer::Nonce) { *nonce } else { ChallengeNonce::new([0; 32]) },
            facility_x5t: digest(Layer::FacilityX5t, facility_x5t),
            page_key: digest(Layer::PageKey, page_key),
            request: digest(Layer::Request, request),
            card_certificate: digest(Layer::CardCertificate, card_certificate),
        };
        let octets = bound.to_bytes();
        if self.has(Layer::Domain) { octets } else { untagged(&octets).to_vec() }
    }

    /// What another program has the same key sign, of the same fields: its own tag before them.
    pub fn signed_elsewhere(self, input: &SignedInput) -> Vec<u8> {
        let octets = self.signed(input);
        if self.has(Layer::Domain) {
            [b"another program".as_slice(), untagged(&octets)].concat()
        } else {
            octets
        }
    }
}

/// The fields behind the tag.
fn untagged(octets: &[u8]) -> &[u8] {
    let tag = sekisho_wire::domain::CARD_LOGIN;
    let framed = [&(tag.len() as u32).to_be_bytes(), tag].concat();
    octets.strip_prefix(framed.as_slice()).expect("what is signed begins with its tag")
}
