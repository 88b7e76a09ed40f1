//! One transaction with a card: what is selected in it is selected once.

use super::apdu::{self, StatusWord};
use super::pin_pad::{self, Question};
use super::reader::{CardError, Readers, Transmit, exchange};
use super::structure::FilePath;

/// No certificate of a person is longer.
const MOST_CERTIFICATE: usize = 8 * 1024;
/// Asked for in one extended READ: most certificates whole, and within what readers can carry.
const EXTENDED_BLOCK: u16 = 2048;

/// An application by its full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationName {
    /// AID (ISO/IEC 7816-4 §8.2.1.2), 5 to 16 octets.
    pub aid: &'static [u8],
    /// Whether the card is asked for its control information: some answer only then.
    pub answers: bool,
}

/// Opens the card in a reader and works with it in one transaction; once more if other software
/// reset it meanwhile. Blocks for as long as other software holds the card.
///
/// # Errors
/// What the work returned, or why there was no transaction.
pub fn with_card<T>(
    readers: &dyn Readers,
    reader: &str,
    mut work: impl FnMut(&mut Session<'_>) -> Result<T, CardError>,
) -> Result<T, CardError> {
    let mut once = || {
        let mut done = Err(CardError::Removed);
        readers.connect(reader)?.transaction(&mut |card| {
            done = work(&mut Session::new(card));
            Ok(())
        })?;
        done
    };
    match once() {
        Err(CardError::Reset) => once(),
        other => other,
    }
}

/// A card inside a transaction. Nobody else can select meanwhile, so what was selected still is.
pub struct Session<'a> {
    card: &'a mut dyn Transmit,
    application: Option<ApplicationName>,
    file: Option<u16>,
}

impl<'a> Session<'a> {
    /// At the start of a transaction nothing is known to be selected: other software may have been
    /// at the card since.
    pub fn new(card: &'a mut dyn Transmit) -> Self {
        Self { card, application: None, file: None }
    }

    /// Sends a command.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn exchange(&mut self, command: &[u8]) -> Result<(Vec<u8>, StatusWord), CardError> {
        exchange(self.card, command)
    }

    /// Sends a command that has to succeed.
    ///
    /// # Errors
    /// [`CardError::Refused`] at `step`.
    pub fn demand(&mut self, command: &[u8], step: &'static str) -> Result<Vec<u8>, CardError> {
        let (octets, status) = self.exchange(command)?;
        if status == StatusWord::OK { Ok(octets) } else { Err(CardError::Refused { step, status }) }
    }

    /// Makes an application the current one; costs nothing where it is.
    ///
    /// # Errors
    /// [`CardError::Refused`]: the card has none of this name.
    pub fn select(&mut self, application: ApplicationName) -> Result<(), CardError> {
        if self.application == Some(application) { Ok(()) } else { self.select_again(application) }
    }

    /// Selects an application even where it is the current one: that ends what was verified.
    ///
    /// # Errors
    /// [`CardError::Refused`].
    pub fn select_again(&mut self, application: ApplicationName) -> Result<(), CardError> {
        (self.application, self.file) = (None, None);
        self.demand(&apdu::select_application(application), "selection of the application")?;
        self.application = Some(application);
        Ok(())
    }

    /// Makes a file the current one; costs nothing where it is.
    ///
    /// # Errors
    /// [`CardError::Refused`].
    pub fn select_file(&mut self, id: u16) -> Result<(), CardError> {
        if self.file == Some(id) {
            return Ok(());
        }
        self.file = None;
        self.demand(&apdu::select_file(id), "selection of a file")?;
        self.file = Some(id);
        Ok(())
    }

    /// How many wrong PINs the card still takes; `None` where it doesn't tell. Costs no try.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn ask_tries(&mut self, reference: u8) -> Result<Option<u8>, CardError> {
        Ok(self.exchange(&apdu::ask_tries(reference))?.1.tries_left())
    }

    /// Hands a PIN to the card. Where that takes none of such a length it is asked how many tries are left
    /// now: no standard says whether this was one.
    ///
    /// # Errors
    /// [`CardError::PinWrong`], [`CardError::PinLength`], [`CardError::PinBlocked`], or why not.
    pub fn verify(&mut self, reference: u8, pin: &[u8]) -> Result<(), CardError> {
        let status = self.exchange(&apdu::verify(reference, pin))?.1;
        match CardError::of_verify(status) {
            Err(CardError::PinLength { .. }) => Err(match self.ask_tries(reference) {
                Ok(Some(0)) => CardError::PinBlocked,
                Ok(tries_left) => CardError::PinLength { tries_left },
                // Nobody is asked again on an old number; nor is a reset a reason to hand the PIN over twice.
                Err(_) => CardError::Refused { step: "the PIN", status },
            }),
            verified => verified,
        }
    }

    /// Whether the reader has keys of its own.
    pub fn has_pin_pad(&mut self) -> bool {
        self.card.pin_pad().is_some()
    }

    /// Has the reader ask for a PIN by its own keys and hand it to the card.
    ///
    /// # Errors
    /// As [`Self::verify`], and [`CardError::PinPad`].
    pub fn verify_at_reader(&mut self, question: &Question) -> Result<(), CardError> {
        let pad = self.card.pin_pad().ok_or(CardError::PinPad("the reader has no keys"))?;
        pin_pad::of_verify(pad.verify(question)?)
    }

    /// Has the card reset when the transaction ends: what selecting away does not clear, that does.
    pub fn reset_at_end(&mut self) {
        self.card.reset_at_end();
    }

    /// A directory file, at most 2 KiB of it.
    ///
    /// # Errors
    /// [`CardError::Refused`].
    pub fn read_file(&mut self, path: FilePath) -> Result<Vec<u8>, CardError> {
        let command = self.first_read(path)?;
        let mut octets = self.read(&command, "reading")?;
        while octets.len() % 256 == 0 && !octets.is_empty() && octets.len() < 2048 {
            // Below 2 KiB.
            let (more, status) = self.exchange(&apdu::read(octets.len() as u16))?;
            if !status.is_read() || more.is_empty() {
                break;
            }
            octets.extend(more);
        }
        Ok(octets)
    }

    /// A certificate: its own header tells the length. In large pieces where `extended` holds; where
    /// card or reader have none, it becomes false and the pieces are of 256 octets.
    ///
    /// # Errors
    /// [`CardError::Structure`], [`CardError::Refused`].
    pub fn read_certificate(
        &mut self,
        path: FilePath,
        extended: &mut bool,
    ) -> Result<Vec<u8>, CardError> {
        const MALFORMED: CardError = CardError::Structure("certificate");
        let command = self.first_read(path)?;
        let mut octets = self.read_piece(&command, EXTENDED_BLOCK, extended)?;
        let [0x30, 0x82, high, low, ..] = octets[..] else { return Err(MALFORMED) };
        let length = usize::from(u16::from_be_bytes([high, low])) + 4;
        if length > MOST_CERTIFICATE {
            return Err(MALFORMED);
        }
        while octets.len() < length {
            // Both below 32 KiB.
            let (offset, missing) = (octets.len() as u16, (length - octets.len()) as u16);
            let more = self.read_piece(&apdu::read(offset), missing, extended)?;
            if more.is_empty() {
                return Err(MALFORMED);
            }
            octets.extend(more);
        }
        octets.truncate(length);
        Ok(octets)
    }

    /// The command that reads a file's beginning; selects it where it has no short identifier.
    fn first_read(&mut self, path: FilePath) -> Result<Vec<u8>, CardError> {
        match path {
            FilePath::Short(sfi) => {
                self.file = None;
                Ok(apdu::read_short_identifier(sfi))
            }
            FilePath::Id(id) => self.select_file(id).map(|()| apdu::read(0)),
        }
    }

    fn read(&mut self, command: &[u8], step: &'static str) -> Result<Vec<u8>, CardError> {
        let (octets, status) = self.exchange(command)?;
        if status.is_read() { Ok(octets) } else { Err(CardError::Refused { step, status }) }
    }

    /// The next piece of a certificate, of `most` octets where `extended` holds. That card or reader have
    /// none is believed only once the short READ succeeds: a card that was pulled has nothing either.
    fn read_piece(
        &mut self,
        command: &[u8],
        most: u16,
        extended: &mut bool,
    ) -> Result<Vec<u8>, CardError> {
        const STEP: &str = "reading the certificate";
        if *extended {
            match self.exchange(&apdu::extend(command, most)) {
                Ok((octets, status)) if status.is_read() && !octets.is_empty() => {
                    return Ok(octets);
                }
                Ok((_, status)) if status.names_no_file() => {
                    return Err(CardError::Refused { step: STEP, status });
                }
                Ok(_) | Err(CardError::Reader(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let octets = self.read(command, STEP)?;
        *extended = false;
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A card that answers with these status words, and is reset then.
    struct Answers(VecDeque<u16>);

    impl Transmit for Answers {
        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, CardError> {
            let status = self.0.pop_front().ok_or(CardError::Reset)?;
            Ok(status.to_be_bytes().to_vec())
        }

        fn reset_at_end(&mut self) {}
    }

    #[test]
    fn after_a_pin_of_a_wrong_length_the_tries_are_those_that_the_card_tells_now() {
        let refused = CardError::Refused { step: "the PIN", status: StatusWord(0x6700) };
        for (answers, expected) in [
            (&[0x6700, 0x63c3][..], CardError::PinLength { tries_left: Some(3) }),
            (&[0x6700, 0x6a88], CardError::PinLength { tries_left: None }),
            (&[0x6700, 0x6984], CardError::PinBlocked),
            (&[0x6700], refused),
        ] {
            let mut card = Answers(answers.iter().copied().collect());
            let verified = Session::new(&mut card).verify(0x88, b"12345");
            assert_eq!(verified, Err(expected), "{answers:04x?}");
            assert!(card.0.is_empty(), "{answers:04x?}");
        }
    }
}
