//! Real readers through PC/SC: shared mode, short transactions.

use std::ffi::CString;
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

use super::apdu::StatusWord;
use super::pin_pad::{self, Features, PinPad, Question};
use super::reader::{CardError, Channel, Readers, Slot, Transmit, Work};

/// The PC/SC service.
#[derive(Default)]
pub struct PcscReaders;

/// How other software uses the card in a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Nobody has it open.
    Free,
    /// Open, and so it is for us.
    Shared,
    /// One program keeps it to itself.
    Exclusive,
}

/// A reader as the service sees it, without a word to the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderStatus {
    /// Its name.
    pub reader: String,
    /// A card is in. It may be silent: upside down, or none that the reader understands.
    pub card: Option<CardStatus>,
}

/// A card that lies in a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardStatus {
    /// Answer to reset; empty where the card is silent.
    pub atr: Vec<u8>,
    /// Who else uses it.
    pub used: Use,
}

impl PcscReaders {
    /// What the service tells of each reader.
    ///
    /// # Errors
    /// [`CardError::NoService`], [`CardError::Reader`].
    pub fn statuses(&self) -> Result<Vec<ReaderStatus>, CardError> {
        let states = states(&context()?)?;
        Ok(states
            .iter()
            .map(|state| {
                let is = |flag| state.event_state().contains(flag);
                let used = match (is(State::EXCLUSIVE), is(State::INUSE)) {
                    (true, _) => Use::Exclusive,
                    (false, true) => Use::Shared,
                    (false, false) => Use::Free,
                };
                let card = CardStatus { atr: state.atr().to_vec(), used };
                ReaderStatus {
                    reader: state.name().to_string_lossy().into_owned(),
                    card: is(State::PRESENT).then_some(card),
                }
            })
            .collect())
    }
}

/// How long we wait for a program that keeps a card to itself, and how often we ask. Drivers of old
/// do so for the length of a signature.
const MOST_HELD: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Every call makes its own context: the service may be restarted at any time, and contexts of
/// before would stay dead.
fn context() -> Result<Context, CardError> {
    Context::establish(Scope::User).map_err(|error| CardError::NoService(error.to_string()))
}

fn failure(error: Error) -> CardError {
    match error {
        Error::RemovedCard
        | Error::NoSmartcard
        | Error::UnknownReader
        | Error::ReaderUnavailable => CardError::Removed,
        // The second: other software reset the card and opened it by another protocol than ours.
        Error::ResetCard | Error::ProtoMismatch => CardError::Reset,
        Error::SharingViolation => CardError::Held,
        Error::NoService | Error::ServiceStopped => CardError::NoService(error.to_string()),
        other => CardError::Reader(other.to_string()),
    }
}

fn states(context: &Context) -> Result<Vec<ReaderState>, CardError> {
    let names = match context.list_readers_owned() {
        Ok(names) => names,
        Err(Error::NoReadersAvailable) => return Ok(Vec::new()),
        Err(error) => return Err(failure(error)),
    };
    let mut states: Vec<ReaderState> =
        names.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
    if !states.is_empty() {
        context.get_status_change(Duration::ZERO, &mut states).map_err(failure)?;
    }
    Ok(states)
}

impl Readers for PcscReaders {
    fn slots(&self) -> Result<Vec<Slot>, CardError> {
        let states = states(&context()?)?;
        Ok(states
            .iter()
            .map(|state| {
                let usable = state.event_state().contains(State::PRESENT)
                    && !state.event_state().contains(State::MUTE);
                Slot {
                    reader: state.name().to_string_lossy().into_owned(),
                    insertion: usable.then(|| state.event_count().into()),
                    atr: state.atr().to_vec(),
                }
            })
            .collect())
    }

    fn wait(&self, most: Duration) {
        let waited = context().and_then(|context| {
            let mut states = states(&context)?;
            // A reader plugged in or out is a change as well.
            if let Ok(name) = CString::new("\\\\?PnP?\\Notification") {
                states.push(ReaderState::new(name, State::UNAWARE));
            }
            states.iter_mut().for_each(ReaderState::sync_current_state);
            match context.get_status_change(most, &mut states) {
                Ok(()) | Err(Error::Timeout) => Ok(()),
                Err(error) => Err(failure(error)),
            }
        });
        if waited.is_err() {
            std::thread::sleep(most.min(Duration::from_secs(1)));
        }
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, CardError> {
        let name = CString::new(reader).map_err(|_| CardError::Removed)?;
        let context = context()?;
        let connect = || context.connect(&name, ShareMode::Shared, Protocols::ANY).map_err(failure);
        let until = Instant::now() + MOST_HELD;
        let card = loop {
            match connect() {
                Err(CardError::Held) if Instant::now() < until => std::thread::sleep(ASK_AGAIN),
                connected => break connected?,
            }
        };
        Ok(Box::new(PcscChannel { card: Some(card), reader: reader.to_owned() }))
    }
}

struct PcscChannel {
    /// There until it is dropped.
    card: Option<pcsc::Card>,
    reader: String,
}

impl Drop for PcscChannel {
    /// By itself the library resets the card: that would break other software's open session.
    fn drop(&mut self) {
        if let Some(card) = self.card.take() {
            // What is left behind was decided at the end of each transaction.
            let _ = card.disconnect(Disposition::LeaveCard);
        }
    }
}

impl Channel for PcscChannel {
    fn transaction(&mut self, work: Work<'_>) -> Result<(), CardError> {
        let card = self.card.as_mut().ok_or(CardError::Removed)?;
        let transaction = match card.transaction2() {
            Ok(transaction) => transaction,
            Err((card, Error::ResetCard)) => {
                card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard)
                    .map_err(failure)?;
                card.transaction().map_err(failure)?
            }
            Err((_, error)) => return Err(failure(error)),
        };
        let mut transmit = PcscTransmit {
            transaction: &transaction,
            reader: &self.reader,
            end: Disposition::LeaveCard,
            pad: None,
        };
        let done = work(&mut transmit);
        let end = transmit.end;
        let _ = transaction.end(end);
        done
    }
}

struct PcscTransmit<'a, 'tx> {
    transaction: &'a pcsc::Transaction<'tx>,
    reader: &'a str,
    /// Left as it is where possible: a reset would break other software.
    end: Disposition,
    /// Once it was asked for.
    pad: Option<PcscPad<'a, 'tx>>,
}

/// The reader's own keys.
struct PcscPad<'a, 'tx> {
    transaction: &'a pcsc::Transaction<'tx>,
    features: Features,
}

impl<'a, 'tx> PcscPad<'a, 'tx> {
    /// Of a reader that has some; one that has not refuses the question.
    fn of(transaction: &'a pcsc::Transaction<'tx>) -> Option<Self> {
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        let code = pcsc::ctl_code(pin_pad::GET_FEATURES.into());
        let answer = transaction.control(code, &[], &mut buffer).ok()?;
        Some(Self { transaction, features: Features::parse(answer)? })
    }
}

impl PinPad for PcscPad<'_, '_> {
    fn verify(&mut self, question: &Question) -> Result<StatusWord, CardError> {
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        let display = self.features.properties.is_some_and(|code| {
            let answer = self.transaction.control(code.into(), &[], &mut buffer);
            answer.is_ok_and(pin_pad::has_display)
        });
        let (code, structure) = (self.features.verify.into(), question.structure(display));
        let answer = self.transaction.control(code, &structure, &mut buffer).map_err(failure)?;
        match *answer {
            [high, low] => Ok(StatusWord(u16::from_be_bytes([high, low]))),
            _ => Err(CardError::Malformed),
        }
    }
}

impl Transmit for PcscTransmit<'_, '_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
        let answer = self.transaction.transmit(command, &mut buffer).map(<[u8]>::to_vec);
        match answer.map_err(failure) {
            Err(CardError::Reader(why)) => {
                Err(cause(self.reader).unwrap_or(CardError::Reader(why)))
            }
            // Not even a status word: some drivers report a card that left like this.
            Ok(answer) if answer.len() < 2 => cause(self.reader).map_or(Ok(answer), Err),
            other => other,
        }
    }

    fn pin_pad(&mut self) -> Option<&mut dyn PinPad> {
        if self.pad.is_none() {
            self.pad = PcscPad::of(self.transaction);
        }
        self.pad.as_mut().map(|pad| pad as &mut dyn PinPad)
    }

    fn reset_at_end(&mut self) {
        self.end = Disposition::ResetCard;
    }
}

/// How often and how many times an empty slot is looked for: pcscd asks its drivers each 400 ms
/// (`PCSCLITE_STATUS_POLL_RATE`).
const LOOK: (Duration, u32) = (Duration::from_millis(100), 6);

/// Why a reader failed within a command, where it is another's fault: a card that is pulled, and a
/// service that dies, look like a failure of the reader at first. That the slot is empty the service
/// sees a moment later.
fn cause(reader: &str) -> Option<CardError> {
    (0..LOOK.1).find_map(|look| {
        if look > 0 {
            std::thread::sleep(LOOK.0);
        }
        match PcscReaders.statuses() {
            Ok(all) if all.iter().any(|one| one.reader == reader && one.card.is_some()) => None,
            Ok(_) => Some(CardError::Removed),
            Err(error) => Some(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_that_changed_the_protocol_is_a_reset() {
        for error in [Error::ResetCard, Error::ProtoMismatch] {
            assert_eq!(failure(error), CardError::Reset);
        }
        assert!(matches!(failure(Error::CommError), CardError::Reader(_)));
    }
}
