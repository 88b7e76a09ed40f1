//! The card's state and its answers.

use std::time::Duration;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use zeroize::{Zeroize, Zeroizing};

use crate::apdu::CommandApdu;
use crate::files::{File, Layout, tlv};
use crate::personal::{CardError, Personalisation};

/// AID up to the last octet, which is 1 for the signature and 2 for the authentication application.
const AID: [u8; 15] = [0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0];
/// DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
/// What chained commands may gather.
const MOST_CHAINED: usize = 1024;

const OK: u16 = 0x9000;

/// Assumed times of a contactless card; not measured on one.
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
}

/// How the card behaves.
pub struct Options {
    /// Refuses extended lengths (6700).
    pub short_only: bool,
    /// Doesn't know MSE and PSO (6D00), only `80 2A`.
    pub jicsap_only: bool,
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
            keeps_pin: false,
            pull_after: None,
            latency: Latency::default(),
            sleep: Box::new(std::thread::sleep),
        }
    }
}

struct Application {
    aid: [u8; 16],
    files: Vec<File>,
    key: RsaKeyPair,
    /// VERIFY before every signature.
    consent: bool,
    tries: u8,
}

/// A card in a slot.
pub struct SoftwareCard {
    layout: Layout,
    pin: Zeroizing<String>,
    most_tries: u8,
    applications: Vec<Application>,
    options: Options,
    commands: u32,
    state: State,
}

#[derive(Default)]
struct State {
    application: Option<usize>,
    file: Option<usize>,
    key_file: bool,
    verified: bool,
    key_set: bool,
    chained: Vec<u8>,
}

impl SoftwareCard {
    /// Makes a card.
    ///
    /// # Errors
    /// [`CardError::Key`], [`CardError::Pin`].
    pub fn new(personal: Personalisation, options: Options) -> Result<Self, CardError> {
        if !(4..=16).contains(&personal.pin.len()) || !personal.pin.is_ascii() {
            return Err(CardError::Pin);
        }
        let mut applications = Vec::new();
        let both =
            [(2, false, Some(&personal.authentication)), (1, true, personal.signature.as_ref())];
        for (last, consent, data) in both {
            let Some(data) = data else { continue };
            let mut aid = [last; 16];
            aid[..15].copy_from_slice(&AID);
            let key = RsaKeyPair::from_pkcs8(&data.key_pkcs8_der).map_err(|_| CardError::Key)?;
            applications.push(Application {
                aid,
                files: personal.layout.files(data, consent),
                key,
                consent,
                tries: personal.tries,
            });
        }
        Ok(Self {
            layout: personal.layout,
            pin: personal.pin,
            most_tries: personal.tries,
            applications,
            options,
            commands: 0,
            state: State::default(),
        })
    }

    /// Answer to reset, free of historical bytes: nobody must recognise the card by it.
    pub const ATR: [u8; 4] = [0x3b, 0x80, 0x80, 0x01];

    /// Commands answered since power came.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Power off and on.
    pub fn reset(&mut self) {
        self.state = State::default();
        self.commands = 0;
    }

    /// Answers one command: data and status word. `None`: the card is gone.
    pub fn transmit(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        if self.options.pull_after.is_some_and(|most| self.commands >= most) {
            return None;
        }
        self.commands += 1;
        let (mut answer, status) = match CommandApdu::parse(octets) {
            Some(command) if command.extended && self.options.short_only => (vec![], 0x6700),
            Some(command) => self.command(&command),
            None => (vec![], 0x6700),
        };
        answer.extend(status.to_be_bytes());
        let latency = self.options.latency;
        let fifties = u32::try_from((octets.len() + answer.len()) / 50).unwrap_or(u32::MAX);
        self.wait(latency.command + latency.fifty_octets.saturating_mul(fifties));
        Some(answer)
    }

    fn wait(&self, time: Duration) {
        if !time.is_zero() {
            (self.options.sleep)(time);
        }
    }

    fn command(&mut self, command: &CommandApdu<'_>) -> (Vec<u8>, u16) {
        let none = |status| (Vec::new(), status);
        let old_style = command.cla == 0x80 && command.ins == 0x2a;
        if !matches!(command.cla, 0 | 0x10) && !old_style {
            return none(0x6e00);
        }
        match (command.ins, command.p1, command.p2) {
            (0xa4, 4, p2) => self.select_application(command, p2),
            (0xa4, 2, _) => none(self.select_file(command.data)),
            (0xb0, ..) => self.read(command),
            (0x20, 0, p2) => none(self.verify(p2, command.data)),
            (0x22 | 0x2a, ..) if self.options.jicsap_only && !old_style => none(0x6d00),
            (0x22, 0x41, 0xb6) => none(self.set_key(command.data)),
            (0x2a, 0x9e, 0x9a) => {
                if self.state.chained.len() + command.data.len() > MOST_CHAINED {
                    self.state.chained.clear();
                    return none(0x6700);
                }
                self.state.chained.extend_from_slice(command.data);
                if command.cla == 0x10 {
                    return none(OK);
                }
                let block = std::mem::take(&mut self.state.chained);
                if !self.state.key_set {
                    return none(0x6985);
                }
                match digest_of_block(&block, 256) {
                    Some(digest) => self.sign(&digest),
                    None => none(0x6a80),
                }
            }
            (0x2a, 0, 0x80) if old_style && self.state.key_file => {
                match command.data.strip_prefix(&DIGEST_INFO).and_then(|d| d.try_into().ok()) {
                    Some(digest) => self.sign(&digest),
                    None => none(0x6a80),
                }
            }
            (0x2a, ..) if old_style => none(0x6985),
            (0xa4 | 0x20 | 0x22 | 0x2a, ..) => none(0x6a86),
            _ => none(0x6d00),
        }
    }

    fn select_application(&mut self, command: &CommandApdu<'_>, p2: u8) -> (Vec<u8>, u16) {
        let matching = |application: &Application| {
            command.data.len() >= 5 && application.aid.starts_with(command.data)
        };
        // P2 02: next occurrence of a partial name (ISO/IEC 7816-4 §7.1.1).
        let first = match (p2 & 3, self.state.application) {
            (2, Some(current)) => current + 1,
            _ => 0,
        };
        let found = (first..self.applications.len()).find(|at| matching(&self.applications[*at]));
        let Some(index) = found else { return (vec![], 0x6a82) };
        let verified = self.options.keeps_pin && self.state.verified;
        self.state = State { application: Some(index), verified, ..State::default() };
        let name = tlv(0x84, &[&self.applications[index].aid]);
        (tlv(0x6f, &[&name]), OK)
    }

    fn select_file(&mut self, id: &[u8]) -> u16 {
        let Some(application) = self.state.application else { return 0x6985 };
        let Ok(id) = id.try_into().map(u16::from_be_bytes) else { return 0x6700 };
        self.state.key_file = id == self.layout.key_file();
        self.state.file = self.applications[application].files.iter().position(|f| f.id == id);
        if self.state.file.is_some() || self.state.key_file { OK } else { 0x6a82 }
    }

    fn read(&mut self, command: &CommandApdu<'_>) -> (Vec<u8>, u16) {
        let Some(application) = self.state.application else { return (vec![], 0x6985) };
        let files = &self.applications[application].files;
        let offset = if command.p1 & 0x80 != 0 {
            let Some(at) = files.iter().position(|f| f.sfi == command.p1 & 0x1f) else {
                return (vec![], 0x6a82);
            };
            self.state.file = Some(at);
            usize::from(command.p2)
        } else {
            usize::from(u16::from_be_bytes([command.p1, command.p2]))
        };
        let Some(file) = self.state.file else { return (vec![], 0x6986) };
        let Some(rest) = files[file].content.get(offset..) else { return (vec![], 0x6b00) };
        let wanted = command.le.unwrap_or(0);
        let end = rest.len() < wanted && !matches!(wanted, 256 | 65_536);
        (rest[..rest.len().min(wanted)].to_vec(), if end { 0x6282 } else { OK })
    }

    fn verify(&mut self, reference: u8, pin: &[u8]) -> u16 {
        let Some(index) = self.state.application else { return 0x6985 };
        if reference != self.layout.pin_reference() {
            return 0x6a88;
        }
        let application = &mut self.applications[index];
        if pin.is_empty() {
            return match application.tries {
                0 => 0x6984,
                _ if self.state.verified => OK,
                tries => 0x63c0 | u16::from(tries.min(15)),
            };
        }
        if application.tries == 0 {
            return 0x6984;
        }
        let right = aws_lc_rs::constant_time::verify_slices_are_equal(pin, self.pin.as_bytes());
        self.state.verified = right.is_ok();
        let status = if right.is_ok() {
            application.tries = self.most_tries;
            OK
        } else {
            application.tries -= 1;
            if application.tries == 0 {
                0x6984
            } else {
                0x63c0 | u16::from(application.tries.min(15))
            }
        };
        self.wait(self.options.latency.verify);
        status
    }

    fn set_key(&mut self, data: &[u8]) -> u16 {
        if self.state.application.is_none() {
            return 0x6985;
        }
        self.state.key_set = data == self.layout.key_object();
        if self.state.key_set { OK } else { 0x6a80 }
    }

    fn sign(&mut self, digest: &[u8; 32]) -> (Vec<u8>, u16) {
        let Some(index) = self.state.application else { return (vec![], 0x6985) };
        if !self.state.verified {
            return (vec![], 0x6982);
        }
        let application = &self.applications[index];
        if application.consent {
            self.state.verified = false;
        }
        let mut signature = vec![0; application.key.public_modulus_len()];
        let signed = Digest::import_less_safe(digest, &SHA256)
            .and_then(|d| application.key.sign_digest(&RSA_PKCS1_SHA256, &d, &mut signature));
        self.wait(self.options.latency.signature);
        match signed {
            Ok(()) => (signature, OK),
            Err(_) => {
                signature.zeroize();
                (vec![], 0x6f00)
            }
        }
    }
}

/// The SHA-256 digest in a block `00 01 FF… 00 DigestInfo`; `None` for any other block.
fn digest_of_block(block: &[u8], modulus_octets: usize) -> Option<[u8; 32]> {
    let padding = modulus_octets.checked_sub(DIGEST_INFO.len() + 32 + 3)?;
    let rest = block.strip_prefix(&[0, 1])?;
    let (filling, rest) = rest.split_at_checked(padding)?;
    if !filling.iter().all(|octet| *octet == 0xff) {
        return None;
    }
    rest.strip_prefix(&[0])?.strip_prefix(&DIGEST_INFO)?.try_into().ok()
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
