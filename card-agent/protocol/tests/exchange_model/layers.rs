//! What stands between an attacker and a login: each can be taken away.

use sekisho_protocol::occasion::Occasion;
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
    /// Agent: a request in our portal's name is signed by our portal.
    RequestSignature,
    /// Agent: the request's origin is the caller's.
    AgentOrigin,
    /// Agent: the request names this PC's certificate.
    AgentTerminal,
    /// Agent: a request is served once.
    AgentReplay,
    /// Person: types the PIN only where page and window show the same code.
    Code,
    /// Page: hands the agent the challenge that it asked for itself.
    OwnChallenge,
    /// Page: takes the answer of the agent that proved itself, and no other, while a card is linked. At a
    /// login another one in its place is borne with.
    Door,
    /// Portal: no challenge is drawn twice.
    Fresh,
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
    pub const ALL: [Self; 22] = [
        Self::Domain,
        Self::Origin,
        Self::Nonce,
        Self::FacilityX5t,
        Self::PageKey,
        Self::Request,
        Self::CardCertificate,
        Self::RequestSignature,
        Self::AgentOrigin,
        Self::AgentTerminal,
        Self::AgentReplay,
        Self::Code,
        Self::OwnChallenge,
        Self::Door,
        Self::Fresh,
        Self::SingleUse,
        Self::Browser,
        Self::Terminal,
        Self::TerminalProof,
        Self::PageProof,
        Self::Membership,
        Self::Secrecy,
    ];

    /// What the signature itself holds.
    pub fn signed() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| *layer <= Self::CardCertificate)
    }

    /// What stands beside the signature.
    pub fn beside() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| *layer > Self::CardCertificate)
    }
}

/// One thing that the card's signature is bound to, wherever it stands in the signed octets: most have a
/// field of their own and are in the request too, whose digest is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    DomainTag,
    Origin,
    Nonce,
    Facility,
    PageKey,
    /// What only the request says: the purpose, the code on both screens.
    RestOfRequest,
    CardCertificate,
}

/// Where Mallory sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// At a PC of his own facility.
    Elsewhere,
    /// There, and before Alice's PC with a browser of his own: a PC is shared.
    BesideAlice,
    /// At his own, after he left a page of ours open in Alice's browser, which carries the challenge that he
    /// has it carry.
    LeftAPage,
    /// Before Alice's own browser, once she has left it without closing her page.
    AfterAlice,
    /// As beside Alice, with a key that our portal signed requests by and that the agent still pins.
    WithAFormerKey,
}

impl Seat {
    pub const ALL: [Self; 5] = [
        Self::Elsewhere,
        Self::BesideAlice,
        Self::LeftAPage,
        Self::AfterAlice,
        Self::WithAFormerKey,
    ];

    /// With a browser of his own at Alice's PC.
    pub fn is_beside(self) -> bool {
        matches!(self, Self::BesideAlice | Self::WithAFormerKey)
    }
}

/// What stands between whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    there: u32,
    pub seat: Seat,
    /// In none of the signed octets: neither in a field nor in the request. A bit a [`Binding`].
    unbound: u8,
}

impl Setting {
    pub fn without(gone: &[Layer], seat: Seat) -> Self {
        let all = (1 << Layer::ALL.len()) - 1;
        let there = gone.iter().fold(all, |there, layer| there & !(1 << *layer as u32));
        Self { there, seat, unbound: 0 }
    }

    /// The same, and this is bound nowhere.
    pub fn unbind(self, binding: Binding) -> Self {
        Self { unbound: self.unbound | 1 << binding as u8, ..self }
    }

    pub fn binds(self, binding: Binding) -> bool {
        self.unbound & (1 << binding as u8) == 0
    }

    pub fn has(self, layer: Layer) -> bool {
        // What the seat itself takes away.
        let gone = match self.seat {
            Seat::LeftAPage => Some(Layer::OwnChallenge),
            Seat::WithAFormerKey => Some(Layer::RequestSignature),
            Seat::Elsewhere | Seat::BesideAlice | Seat::AfterAlice => None,
        };
        gone != Some(layer) && self.there & (1 << layer as u32) != 0
    }

    /// What the card signs: the octets that agent and portal make of these fields, without those
    /// that are not bound.
    pub fn signed(self, input: &SignedInput) -> Vec<u8> {
        // Taken apart whole: a new field of the signed input does not compile here before it is a
        // layer of the model.
        let SignedInput { occasion, card_certificate } = input;
        let Occasion { origin, nonce, facility_x5t, page_key, request } = occasion;
        let zero = Sha256Digest::new([0; 32]);
        let holds = |layer, binding| self.has(layer) && self.binds(binding);
        let digest = |layer, binding, value: &Sha256Digest| {
            if holds(layer, binding) { *value } else { zero }
        };
        let occasion = Occasion {
            origin: digest(Layer::Origin, Binding::Origin, origin),
            nonce: if holds(Layer::Nonce, Binding::Nonce) {
                *nonce
            } else {
                ChallengeNonce::new([0; 32])
            },
            facility_x5t: digest(Layer::FacilityX5t, Binding::Facility, facility_x5t),
            page_key: digest(Layer::PageKey, Binding::PageKey, page_key),
            // What is bound nowhere is not in the request either, whose digest this is.
            request: if self.has(Layer::Request) { *request } else { zero },
        };
        let card_certificate =
            digest(Layer::CardCertificate, Binding::CardCertificate, card_certificate);
        let octets = SignedInput { occasion, card_certificate }.to_bytes();
        if holds(Layer::Domain, Binding::DomainTag) { octets } else { untagged(&octets).to_vec() }
    }

    /// What another program has the same key sign, of the same fields: its own tag before them.
    pub fn signed_elsewhere(self, input: &SignedInput) -> Vec<u8> {
        let octets = self.signed(input);
        if self.has(Layer::Domain) && self.binds(Binding::DomainTag) {
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
