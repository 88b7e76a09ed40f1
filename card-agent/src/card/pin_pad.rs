//! Readers with keys of their own: the PIN goes from them to the card, and never through this program.
//!
//! PC/SC part 10 (Ver. 2.02.09): a reader tells by `CM_IOCTL_GET_FEATURE_REQUEST` which control codes it
//! has; behind `FEATURE_VERIFY_PIN_DIRECT` it takes a `PIN_VERIFY_STRUCTURE` with a VERIFY without a PIN,
//! asks the person, puts the PIN into the command and sends that to the card.

use super::apdu::StatusWord;
use super::reader::CardError;

/// `CM_IOCTL_GET_FEATURE_REQUEST`, before it becomes a control code of the system.
pub const GET_FEATURES: u32 = 3400;
/// `FEATURE_VERIFY_PIN_DIRECT`.
const VERIFY_PIN_DIRECT: u8 = 0x06;
/// `FEATURE_IFD_PIN_PROPERTIES`.
const PIN_PROPERTIES: u8 = 0x0a;

/// How long a reader waits for the first key, and between keys, in seconds.
const SECONDS: u8 = 30;

/// A reader's own keys.
pub trait PinPad {
    /// Has the reader ask for the PIN and hand it to the card. Blocks until the person is done, gives up at
    /// the reader, or the reader's patience ends.
    ///
    /// # Errors
    /// [`CardError`] of the reader.
    fn verify(&mut self, question: &Question) -> Result<StatusWord, CardError>;
}

/// What a reader is to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// P2 of VERIFY.
    pub reference: u8,
    /// Least and most digits.
    pub digits: (u8, u8),
}

/// Control codes of a reader with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Of `FEATURE_VERIFY_PIN_DIRECT`.
    pub verify: u32,
    /// Of `FEATURE_IFD_PIN_PROPERTIES`, where the reader tells of itself.
    pub properties: Option<u32>,
}

impl Features {
    /// Reads the answer to [`GET_FEATURES`]: tag, length (4), control code (big-endian), again and again.
    /// `None` where the reader has no keys, or tells something else.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let code = |wanted: u8| {
            answer.chunks_exact(6).find_map(|feature| match *feature {
                [tag, 4, a, b, c, d] if tag == wanted => Some(u32::from_be_bytes([a, b, c, d])),
                _ => None,
            })
        };
        Some(Self { verify: code(VERIFY_PIN_DIRECT)?, properties: code(PIN_PROPERTIES) })
    }
}

/// Whether the reader has a display, by its answer to `FEATURE_IFD_PIN_PROPERTIES`
/// (`PIN_PROPERTIES_STRUCTURE`): the first two octets are the display's size.
pub fn has_display(properties: &[u8]) -> bool {
    matches!(properties, [a, b, ..] if (a | b) != 0)
}

impl Question {
    /// The command as the reader completes it: VERIFY with no PIN yet. The reader sets its length.
    pub fn command(&self) -> [u8; 5] {
        [0, 0x20, 0, self.reference, 0]
    }

    /// `PIN_VERIFY_STRUCTURE`, with the command behind it.
    pub fn structure(&self, display: bool) -> Vec<u8> {
        let command = self.command();
        let (least, most) = self.digits;
        let mut octets = vec![
            // bTimeOut, bTimeOut2
            SECONDS,
            SECONDS,
            // bmFormatString: ASCII, left justified, at offset 0 of the data, counted in octets
            0x82,
            // bmPINBlockString: as long as the PIN is; no length is inserted
            0,
            // bmPINLengthFormat
            0,
            // wPINMaxExtraDigit, little-endian: most in the low octet, least in the high one
            most,
            least,
            // bEntryValidationCondition: the person presses the key that ends the entry
            2,
            // bNumberMessage: the reader's own words where it has a display
            if display { 0xff } else { 0 },
            // wLangId, bMsgIndex, bTeoPrologue
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        // ulDataLength
        octets.extend((command.len() as u32).to_le_bytes());
        octets.extend(command);
        octets
    }
}

/// What the answer to a VERIFY at the reader means: besides the card's own status words there are those
/// that the reader makes (PC/SC part 10, `FEATURE_VERIFY_PIN_DIRECT`).
///
/// # Errors
/// [`CardError::PinPad`], [`CardError::PinMalformed`], [`CardError::Refused`]; else as
/// [`CardError::of_verify`].
pub fn of_verify(status: StatusWord) -> Result<(), CardError> {
    match status.0 {
        0x6400 => Err(CardError::PinPad("nobody entered a PIN at the reader in time")),
        0x6401 => Err(CardError::PinPad("the PIN entry was cancelled at the reader")),
        0x6403 => Err(CardError::PinMalformed),
        // How long the PIN was is the reader's affair: asked again, it would be refused again.
        0x6700 => Err(CardError::Refused { step: "the PIN", status }),
        0x6b80 => Err(CardError::Reader("it does not take the question for a PIN".into())),
        _ => CardError::of_verify(status),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_reader_is_asked_for_so_many_digits_and_handed_a_verify_without_a_pin() {
        let question = Question { reference: 0x88, digits: (4, 16) };
        let expected =
            [30, 30, 0x82, 0, 0, 16, 4, 2, 0xff, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0x20, 0, 0x88, 0];
        assert_eq!(question.structure(true), expected);
        assert_eq!(question.structure(false)[8], 0);
    }

    #[test]
    fn features_are_found_among_others_and_nonsense_is_none() {
        // As a reader with keys and a display answers: codes of pcsc-lite's range.
        let told =
            [0x06, 4, 0x42, 0x33, 0, 6, 0x07, 4, 0x42, 0x33, 0, 7, 0x0a, 4, 0x42, 0x33, 0, 10];
        let features = Features { verify: 0x4233_0006, properties: Some(0x4233_000a) };
        assert_eq!(Features::parse(&told), Some(features));
        assert_eq!(Features::parse(&told[6..]), None);
        for nonsense in [&[][..], &[6], &[6, 4, 1], &[6, 3, 1, 2, 3, 4], &told[1..]] {
            assert_eq!(Features::parse(nonsense), None);
        }
        assert!(has_display(&[0x10, 2, 7, 0]) && !has_display(&[0, 0, 7, 0]) && !has_display(&[]));
    }

    #[test]
    fn what_the_reader_itself_says_is_told_from_what_the_card_says() {
        assert_eq!(of_verify(StatusWord::OK), Ok(()));
        let tries = Some(14);
        assert_eq!(of_verify(StatusWord(0x63ce)), Err(CardError::PinWrong { tries_left: tries }));
        assert!(matches!(of_verify(StatusWord(0x6400)), Err(CardError::PinPad(_))));
        assert!(matches!(of_verify(StatusWord(0x6401)), Err(CardError::PinPad(_))));
        assert_eq!(of_verify(StatusWord(0x6403)), Err(CardError::PinMalformed));
        let status = StatusWord(0x6700);
        assert_eq!(of_verify(status), Err(CardError::Refused { step: "the PIN", status }));
    }

    proptest! {
        #[test]
        fn no_answer_of_a_reader_panics(octets: Vec<u8>) {
            let _ = (Features::parse(&octets), has_display(&octets));
        }
    }
}
