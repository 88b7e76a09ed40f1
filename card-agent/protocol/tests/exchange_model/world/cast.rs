//! Who takes part, with which cards and keys, and what for.

use sekisho_protocol::request::Purpose as ProtocolPurpose;

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
    /// Alice's, and Mallory before it: she has left, her page stands open.
    AlicesLeft,
}

impl Browser {
    pub fn terminal(self) -> Terminal {
        if self == Self::MallorysAtB { Terminal::B } else { Terminal::A }
    }

    /// Of one cookie.
    pub fn is(self, other: Self) -> bool {
        let whose = |browser| if browser == Self::AlicesLeft { Self::Alices } else { browser };
        whose(self) == whose(other)
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
    /// Of her My Number card: it names nobody.
    AlicesNumber,
    MallorysNumber,
}

/// Which cards answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Hpki,
    MyNumber,
}

/// A card's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub of: Person,
    pub kind: Kind,
}

impl Certificate {
    pub const ALL: [Self; 5] = [
        Self::Alices,
        Self::Mallorys,
        Self::InBobsNameOnAlicesKey,
        Self::AlicesNumber,
        Self::MallorysNumber,
    ];

    pub fn of(key: Key) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |card| card.key() == key)
    }

    /// That of Alice's that answers for a purpose.
    pub fn of_alice(purpose: Purpose) -> Self {
        match purpose.kind() {
            Kind::Hpki => Self::Alices,
            Kind::MyNumber => Self::AlicesNumber,
        }
    }

    pub fn of_mallory(purpose: Purpose) -> Self {
        match purpose.kind() {
            Kind::Hpki => Self::Mallorys,
            Kind::MyNumber => Self::MallorysNumber,
        }
    }

    /// Whom it names, or whose it is where it names nobody.
    pub fn names(self) -> Person {
        match self {
            Self::Alices | Self::AlicesNumber => Person::Alice,
            Self::Mallorys | Self::MallorysNumber => Person::Mallory,
            Self::InBobsNameOnAlicesKey => Person::Bob,
        }
    }

    pub fn key(self) -> Key {
        let of = if self.names() == Person::Mallory { Person::Mallory } else { Person::Alice };
        let numbers = matches!(self, Self::AlicesNumber | Self::MallorysNumber);
        Key { of, kind: if numbers { Kind::MyNumber } else { Kind::Hpki } }
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
    /// A My Number card is linked to the person of a session, which this challenge opened.
    Link {
        vouching: u8,
    },
}

impl Purpose {
    pub fn kind(self) -> Kind {
        if matches!(self, Self::Link { .. }) { Kind::MyNumber } else { Kind::Hpki }
    }

    pub fn octets(self) -> [u8; 2] {
        match self {
            Self::Login => [0, 0],
            Self::Stepup => [1, 0],
            Self::Link { vouching } => [2, vouching],
        }
    }
}

/// Where each purpose of the protocol stands in the model; a new one does not compile here before it does.
#[allow(dead_code)]
fn is_modelled(purpose: ProtocolPurpose) -> &'static str {
    match purpose {
        ProtocolPurpose::Login => "Purpose::Login",
        ProtocolPurpose::Stepup => "Purpose::Stepup",
        ProtocolPurpose::Link => "Purpose::Link",
        // Another key, other octets from the first on: to a login it is another program's signature.
        ProtocolPurpose::Consent => "State::used_elsewhere",
        // No portal asks for it, and neither door takes an answer to it (`login/card.rs`, `jpki/linking.rs`).
        ProtocolPurpose::Presence => "nowhere",
    }
}
