//! Readers as the agent sees them; PC/SC and software cards stand behind.

use std::time::Duration;

use super::apdu::StatusWord;
use super::pin_pad::PinPad;

/// What may go wrong with a reader or a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The PC/SC service doesn't answer.
    #[error("the smart card service does not run: {0}")]
    NoService(String),
    /// The card or the reader is gone.
    #[error("the card was removed")]
    Removed,
    /// Other software reset the card; the work may be tried again once.
    #[error("other software reset the card")]
    Reset,
    /// Another program opened the card for itself alone, and kept it.
    #[error("another program keeps the card to itself")]
    Held,
    /// The reader failed otherwise.
    #[error("the card reader failed: {0}")]
    Reader(String),
    /// An answer without a status word, or longer than allowed.
    #[error("the card answered with something that is no answer")]
    Malformed,
    /// No application of ours on this card.
    #[error("the card is neither an HPKI card nor a My Number card")]
    UnknownCard,
    /// Neither family's application for documents on this card.
    #[error(
        "the card has no key for signing documents, neither an HPKI card's nor a My Number card's"
    )]
    NoSignatureKey,
    /// An application of ours, but somebody else's certificate in it.
    #[error("the card's certificate is of no known family; its issuer is {issuer}")]
    UnknownCertificate {
        /// The issuer's name.
        issuer: String,
    },
    /// The JPKI's application, and nothing in it to log in with.
    #[error("this is {0}; it cannot be used to log in here")]
    NotForLogin(super::jpki::Token),
    /// The JPKI's application, and nothing in it to sign documents with.
    #[error("this is {0}; it cannot be used to sign documents here")]
    NotForDocuments(super::jpki::Token),
    /// The certificate's key is for something else: signing documents where somebody logs in, or
    /// logging in where a document is signed.
    #[error("the card's certificate is not for {0}")]
    AnotherUse(&'static str),
    /// A certificate of another issuer or policy than those that are accepted.
    #[error("the card's certificate is not one of those that are accepted here")]
    NotAccepted,
    /// Somebody else's certificate.
    #[error("the card is another person's")]
    AnotherPerson,
    /// Not in force yet.
    #[error("the card's certificate is not in force before {from}; check this PC's clock")]
    NotYetValid {
        /// From this day on, in Japan.
        from: time::Date,
    },
    /// No longer in force.
    #[error("the card's certificate expired on {since}; whoever issued the card renews it")]
    Expired {
        /// Its last day, in Japan.
        since: time::Date,
    },
    /// What the card signed does not verify under its certificate, or could not be laid out.
    #[error("the card's signature is of no use: {0}")]
    Signature(String),
    /// The certificate's key is of a kind that no driver here can have sign: the next My Number card
    /// has ECDSA P-384, and what it wants to be told is not published.
    #[error("the card's key is of a kind ({algorithm}) that this program does not support")]
    UnsupportedKey {
        /// The key's algorithm: a name, or an object identifier.
        algorithm: String,
    },
    /// A file or structure is not as ISO/IEC 7816-15 has it.
    #[error("the card's {0} is not readable")]
    Structure(&'static str),
    /// The card refused a step.
    #[error("the card refused {step}: {status}")]
    Refused {
        /// Which step.
        step: &'static str,
        /// Its reason.
        status: StatusWord,
    },
    /// Wrong PIN.
    #[error("the PIN is wrong")]
    PinWrong {
        /// Tries left, where the card tells.
        tries_left: Option<u8>,
    },
    /// No PIN of this family of cards has this form. The card was not asked: it cost no try.
    #[error("no PIN of this card looks like this")]
    PinMalformed,
    /// The card takes no PIN of this length: what an answer of 6700 to VERIFY says.
    #[error("the card takes no PIN of this length")]
    PinLength {
        /// Tries left, asked for anew: whether it cost one is the card's affair.
        tries_left: Option<u8>,
    },
    /// The reader's own keys brought no PIN: the card was not asked, and it cost no try.
    #[error("{0}")]
    PinPad(&'static str),
    /// Nobody waits for the signature any more; it was not made.
    #[error("the person gave up")]
    GivenUp,
    /// No tries left.
    #[error("the PIN is blocked")]
    PinBlocked,
}

impl CardError {
    /// Whether the same card, left where it is, may be read another time: nothing was wrong with itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Reader(_) | Self::Reset | Self::Held | Self::Malformed)
    }

    /// What the answer to a VERIFY with a PIN means.
    ///
    /// # Errors
    /// [`CardError::PinWrong`], [`CardError::PinLength`], [`CardError::PinBlocked`],
    /// [`CardError::Refused`].
    pub fn of_verify(status: StatusWord) -> Result<(), Self> {
        match (status, status.tries_left()) {
            (StatusWord::OK, _) => Ok(()),
            (_, Some(0)) => Err(Self::PinBlocked),
            (_, Some(tries)) => Err(Self::PinWrong { tries_left: Some(tries) }),
            (StatusWord(0x6300), None) => Err(Self::PinWrong { tries_left: None }),
            (StatusWord(0x6700), None) => Err(Self::PinLength { tries_left: None }),
            (_, None) => Err(Self::Refused { step: "the PIN", status }),
        }
    }
}

/// A reader, and the card in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The reader's name.
    pub reader: String,
    /// Present while a card is in; another number after each insertion.
    pub insertion: Option<u64>,
    /// The card's answer to reset; empty without a card.
    pub atr: Vec<u8>,
}

/// All readers of this PC.
pub trait Readers: Send + Sync {
    /// The readers and their cards now.
    ///
    /// # Errors
    /// [`CardError::NoService`], [`CardError::Reader`].
    fn slots(&self) -> Result<Vec<Slot>, CardError>;

    /// Waits for a change, at most so long. Returns early where it can.
    fn wait(&self, most: Duration);

    /// Opens the card in a reader, shared with other software.
    ///
    /// # Errors
    /// [`CardError`].
    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError>;
}

/// What to do inside one transaction.
pub type Work<'a> = &'a mut dyn FnMut(&mut dyn Transmit) -> Result<(), CardError>;

/// An open card.
pub trait Channel {
    /// Does work while no other program can speak to the card.
    ///
    /// # Errors
    /// What the work returned, or why there was no transaction.
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError>;
}

/// Exchanges single commands.
pub trait Transmit {
    /// Sends octets, returns octets with the status word at the end.
    ///
    /// # Errors
    /// [`CardError`].
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError>;

    /// Has the card reset when the transaction ends.
    fn reset_at_end(&mut self);

    /// The reader's own keys, where it has some.
    fn pin_pad(&mut self) -> Option<&mut dyn PinPad> {
        None
    }
}

/// Sends a command, splits the status word off. Follows 61xx and 6Cxx (ISO/IEC 7816-4 §5.3.4).
///
/// # Errors
/// [`CardError`].
pub fn exchange(
    card: &mut dyn Transmit,
    command: &[u8],
) -> Result<(Vec<u8>, StatusWord), CardError> {
    let (mut data, mut status) = split(card.transmit(command)?)?;
    // At most 16 further pieces: nothing that we ask for is longer.
    for _ in 0..16 {
        let [more, octets] = status.0.to_be_bytes();
        let next = match more {
            0x61 => vec![0, 0xc0, 0, 0, octets],
            0x6c if command.len() == 5 => [&command[..4], &[octets]].concat(),
            _ => break,
        };
        let (piece, then) = split(card.transmit(&next)?)?;
        data.extend(piece);
        status = then;
    }
    Ok((data, status))
}

fn split(mut answer: Vec<u8>) -> Result<(Vec<u8>, StatusWord), CardError> {
    let status = *answer.last_chunk::<2>().ok_or(CardError::Malformed)?;
    answer.truncate(answer.len() - 2);
    Ok((answer, StatusWord(u16::from_be_bytes(status))))
}
