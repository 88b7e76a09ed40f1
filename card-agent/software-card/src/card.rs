//! A card in a slot: time, power and the manners that all families share.

use std::time::Duration;

use crate::apdu::CommandApdu;
use crate::hpki::HpkiChip;
use crate::jpki::JpkiChip;
use crate::personal::{CardError, Family, Personalisation};

pub(crate) const OK: u16 = 0x9000;

/// Assumed times of a card; not measured on one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    /// Each command.
    pub command: Duration,
    /// Each 50 octets in or out.
    pub fifty_octets: Duration,
    /// VERIFY.
    pub verify: Duration,
    /// A signature.
    pub signature: Duration,
}

impl Latency {
    /// 18 ms and 1 ms per 50 octets a command, 25 ms for VERIFY, 400 ms for a signature.
    pub fn contactless() -> Self {
        let ms = Duration::from_millis;
        Self { command: ms(18), fifty_octets: ms(1), verify: ms(25), signature: ms(400) }
    }

    /// 300 ms a command: a card at the edge of the reader's field.
    pub fn slow() -> Self {
        Self { command: Duration::from_millis(300), ..Self::contactless() }
    }
}

/// How the card behaves.
pub struct Options {
    /// Refuses extended lengths (6700).
    pub short_only: bool,
    /// HPKI: doesn't know MSE and PSO (6D00), only `80 2A`.
    pub jicsap_only: bool,
    /// JPKI: a key is named by selecting its file only; the form with a short identifier is refused.
    pub selected_key_only: bool,
    /// HPKI: has an EF.DIR, is selected by path and describes its files, as ISO/IEC 7816-4 allows and
    /// cards in the field do not (no EF.DIR: JAHIS guideline Ver. 3.1 B.2): general software finds nothing
    /// without.
    pub has_directory: bool,
    /// HPKI, layout observed: files that the lists name by two octets have no short identifiers. Whether
    /// cards in the field have any was not seen.
    pub no_short_ids: bool,
    /// Stays verified when another application is selected, as no card should.
    pub keeps_pin: bool,
    /// Falls silent after this many commands: pulled in the middle.
    pub pull_after: Option<u32>,
    /// Time model.
    pub latency: Latency,
    /// What waits; tests hand in one that only counts.
    pub sleep: Box<dyn Fn(Duration) + Send>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            short_only: false,
            jicsap_only: false,
            selected_key_only: false,
            has_directory: false,
            no_short_ids: false,
            keeps_pin: false,
            pull_after: None,
            latency: Latency::default(),
            sleep: Box::new(std::thread::sleep),
        }
    }
}

/// What takes a chip longer than the way there and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    None,
    Verify,
    Signature,
}

/// An answer before it is sent.
pub(crate) struct Answer {
    pub(crate) data: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) effort: Effort,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self { data: Vec::new(), status, effort: Effort::None }
    }
}

impl From<Vec<u8>> for Answer {
    fn from(data: Vec<u8>) -> Self {
        Self { data, status: OK, effort: Effort::None }
    }
}

impl From<Result<Vec<u8>, u16>> for Answer {
    /// A signature, or why there is none.
    fn from(signed: Result<Vec<u8>, u16>) -> Self {
        match signed {
            Ok(signature) => Self { effort: Effort::Signature, ..signature.into() },
            Err(status) => status.into(),
        }
    }
}

/// One family's answers.
pub(crate) trait Chip: Send {
    fn command(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer;

    /// Power off and on: what was selected and verified is forgotten, tries are not.
    fn reset(&mut self);
}

/// A card in a slot.
pub struct SoftwareCard {
    chip: Box<dyn Chip>,
    options: Options,
    commands: u32,
}

impl SoftwareCard {
    /// Answer to reset, free of historical bytes: nobody must recognise the card by it.
    pub const ATR: [u8; 4] = [0x3b, 0x80, 0x80, 0x01];

    /// Makes a card.
    ///
    /// # Errors
    /// [`CardError::Key`], [`CardError::Pin`].
    pub fn new(personal: Personalisation, options: Options) -> Result<Self, CardError> {
        let Personalisation { family, authentication, signature } = personal;
        let chip: Box<dyn Chip> = match family {
            Family::Hpki { layout, pin, tries } => {
                Box::new(HpkiChip::new(layout, &pin, tries, &authentication, signature.as_ref())?)
            }
            Family::Jpki { token, pin, password } => Box::new(JpkiChip::new(
                token,
                (&pin, &authentication),
                password.as_deref().zip(signature.as_ref()),
            )?),
        };
        Ok(Self { chip, options, commands: 0 })
    }

    /// Commands answered since power came.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Power off and on.
    pub fn reset(&mut self) {
        self.chip.reset();
        self.commands = 0;
    }

    /// Answers one command: data and status word. `None`: the card is gone.
    pub fn transmit(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        if self.options.pull_after.is_some_and(|most| self.commands >= most) {
            return None;
        }
        self.commands += 1;
        let answer = match CommandApdu::parse(octets) {
            Some(command) if command.extended && self.options.short_only => 0x6700.into(),
            Some(command) => self.chip.command(&command, &self.options),
            None => 0x6700.into(),
        };
        let Answer { mut data, status, effort } = answer;
        data.extend(status.to_be_bytes());
        let latency = self.options.latency;
        let fifties = u32::try_from((octets.len() + data.len()) / 50).unwrap_or(u32::MAX);
        let work = match effort {
            Effort::None => Duration::ZERO,
            Effort::Verify => latency.verify,
            Effort::Signature => latency.signature,
        };
        let time = latency.command + latency.fifty_octets.saturating_mul(fifties) + work;
        if !time.is_zero() {
            (self.options.sleep)(time);
        }
        Some(data)
    }
}

/// READ BINARY of a transparent file.
pub(crate) fn read_binary(content: &[u8], offset: usize, le: Option<usize>) -> Answer {
    let Some(rest) = content.get(offset..) else { return 0x6b00.into() };
    let wanted = le.unwrap_or(0);
    // Asking for all that there is never asks for too much.
    let ended = rest.len() < wanted && !matches!(wanted, 256 | 65_536);
    let data = rest[..rest.len().min(wanted)].to_vec();
    Answer { status: if ended { 0x6282 } else { OK }, ..data.into() }
}
