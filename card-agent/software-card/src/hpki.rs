//! The HPKI applications (JAHIS HPKI対応ICカードガイドライン Ver. 3.1, and what was seen on a card).

use crate::apdu::CommandApdu;
use crate::card::{Answer, Chip, Effort, OK, Options, read_binary};
use crate::files::{self, File, Layout, tlv};
use crate::key::CardKey;
use crate::personal::{ApplicationData, CardError};
use crate::pin::Pin;

/// AID up to the last octet, which is 1 for the signature and 2 for the authentication application.
const AID: [u8; 15] = [0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0];
/// Above everything.
const MASTER_FILE: u16 = 0x3f00;
/// What chained commands may gather.
const MOST_CHAINED: usize = 1024;

struct Application {
    aid: [u8; 16],
    files: Vec<File>,
    key: CardKey,
    /// VERIFY before every signature.
    consent: bool,
    pin: Pin,
}

/// The chip.
pub(crate) struct HpkiChip {
    layout: Layout,
    applications: Vec<Application>,
    /// What lies beside the applications: EF.DIR.
    root: Vec<File>,
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

impl HpkiChip {
    pub(crate) fn new(
        layout: Layout,
        pin: &str,
        tries: u8,
        authentication: &ApplicationData,
        signature: Option<&ApplicationData>,
    ) -> Result<Self, CardError> {
        if !(4..=16).contains(&pin.len()) || !pin.is_ascii() {
            return Err(CardError::Pin("4 to 16 ASCII characters"));
        }
        let mut applications = Vec::new();
        for (last, consent, data) in [(2, false, Some(authentication)), (1, true, signature)] {
            let Some(data) = data else { continue };
            let mut aid = [last; 16];
            aid[..15].copy_from_slice(&AID);
            applications.push(Application {
                aid,
                files: layout.files(data, consent),
                key: CardKey::from_pkcs8(&data.key_pkcs8_der)?,
                consent,
                pin: Pin::new(pin, tries),
            });
        }
        let names = applications.iter().map(|application| application.aid);
        let root = vec![files::directory(names)];
        Ok(Self { layout, applications, root, state: State::default() })
    }

    fn select_application(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        let matching = |application: &Application| {
            command.data.len() >= 5 && application.aid.starts_with(command.data)
        };
        // P2 02: next occurrence of a partial name (ISO/IEC 7816-4 §7.1.1).
        let first = match (command.p2 & 3, self.state.application) {
            (2, Some(current)) => current + 1,
            _ => 0,
        };
        let found = (first..self.applications.len()).find(|at| matching(&self.applications[*at]));
        let Some(index) = found else { return 0x6a82.into() };
        let verified = options.keeps_pin && self.state.verified;
        self.state = State { application: Some(index), verified, ..State::default() };
        // P2 0C: no control information wanted.
        if command.p2 & 0x0c == 0x0c {
            return OK.into();
        }
        let name = tlv(0x84, &[&self.applications[index].aid]);
        tlv(0x6f, &[&name]).into()
    }

    /// By identifier in the current application; with a directory, also by path.
    fn select_file(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        let path: Vec<u16> = command.data.chunks(2).filter_map(identifier).collect();
        let from_root = options.has_directory && command.p1 == 8;
        let id = match path[..] {
            [MASTER_FILE] | [] if options.has_directory && matches!(command.p1, 0 | 8) => {
                self.state = State::default();
                return described(command, &[&tlv(0x82, &[&[0x38]])], MASTER_FILE);
            }
            [id] => id,
            [] => return 0x6700.into(),
            _ => return 0x6a82.into(),
        };
        if from_root {
            self.state = State::default();
        }
        if self.state.application.is_none() && !options.has_directory {
            return 0x6985.into();
        }
        self.state.key_file = self.state.application.is_some() && id == self.layout.key_file();
        self.state.file = self.files().iter().position(|f| f.id == id);
        let length = match self.state.file {
            Some(at) => self.files()[at].content.len(),
            None if self.state.key_file => 0,
            None => return 0x6a82.into(),
        };
        let length = tlv(0x80, &[&(length as u16).to_be_bytes()]);
        described(command, &[&tlv(0x82, &[&[1]]), &length], id)
    }

    /// Of the selected application, or beside the applications.
    fn files(&self) -> &[File] {
        match self.state.application {
            Some(application) => &self.applications[application].files,
            None => &self.root,
        }
    }

    fn read(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        if self.state.application.is_none() && !options.has_directory {
            return 0x6985.into();
        }
        let files = self.files();
        let offset = if command.p1 & 0x80 != 0 {
            let named = |file: &File| file.sfi == command.p1 & 0x1f;
            // EF.OD and EF.CIAInfo have theirs from ISO/IEC 7816-15.
            let is_hidden = |file: &File| {
                options.no_short_ids && self.layout == Layout::Observed && file.id < 0x5000
            };
            let found = files.iter().position(|file| named(file) && !is_hidden(file));
            let Some(at) = found else { return 0x6a82.into() };
            self.state.file = Some(at);
            usize::from(command.p2)
        } else {
            usize::from(u16::from_be_bytes([command.p1, command.p2]))
        };
        let Some(file) = self.state.file else { return 0x6986.into() };
        read_binary(&self.files()[file].content, offset, command.le)
    }

    fn verify(&mut self, reference: u8, pin: &[u8]) -> Answer {
        let Some(index) = self.state.application else { return 0x6985.into() };
        if reference != self.layout.pin_reference() {
            return 0x6a88.into();
        }
        let known = &mut self.applications[index].pin;
        if pin.is_empty() {
            return known.status(self.state.verified).into();
        }
        let status = known.verify(pin);
        self.state.verified = status == OK;
        Answer { effort: Effort::Verify, ..status.into() }
    }

    fn set_key(&mut self, data: &[u8]) -> u16 {
        if self.state.application.is_none() {
            return 0x6985;
        }
        self.state.key_set = data == self.layout.key_object();
        if self.state.key_set { OK } else { 0x6a80 }
    }

    /// PSO over a block, whole or the next piece of a chain.
    fn compute_signature(&mut self, command: &CommandApdu<'_>) -> Answer {
        if self.state.chained.len() + command.data.len() > MOST_CHAINED {
            self.state.chained.clear();
            return 0x6700.into();
        }
        self.state.chained.extend_from_slice(command.data);
        if command.cla == 0x10 {
            return OK.into();
        }
        let block = std::mem::take(&mut self.state.chained);
        if !self.state.key_set {
            return 0x6985.into();
        }
        self.sign(|key| key.sign_block(&block))
    }

    fn sign(&mut self, sign: impl FnOnce(&CardKey) -> Result<Vec<u8>, u16>) -> Answer {
        let Some(index) = self.state.application else { return 0x6985.into() };
        if !self.state.verified {
            return 0x6982.into();
        }
        let application = &self.applications[index];
        let signed = sign(&application.key);
        // What was no block to sign did not use the person's consent up.
        if application.consent && signed.is_ok() {
            self.state.verified = false;
        }
        signed.into()
    }
}

/// Two octets of a path.
fn identifier(octets: &[u8]) -> Option<u16> {
    octets.try_into().ok().map(u16::from_be_bytes)
}

/// What was selected, in a file control information where one is asked for (ISO/IEC 7816-4 §7.4).
fn described(command: &CommandApdu<'_>, about: &[&[u8]], id: u16) -> Answer {
    if command.p2 & 0x0c == 0x0c || command.le.is_none() {
        return OK.into();
    }
    let name = tlv(0x83, &[&id.to_be_bytes()]);
    tlv(0x6f, &[about, &[&name[..]]].concat()).into()
}

impl Chip for HpkiChip {
    fn command(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        let old_style = command.cla == 0x80 && command.ins == 0x2a;
        if !matches!(command.cla, 0 | 0x10) && !old_style {
            return 0x6e00.into();
        }
        match (command.ins, command.p1, command.p2) {
            (0xa4, 4, _) => self.select_application(command, options),
            (0xa4, 2, _) => self.select_file(command, options),
            (0xa4, 0 | 8 | 9, _) if options.has_directory => self.select_file(command, options),
            (0xb0, ..) => self.read(command, options),
            (0x20, 0, reference) => self.verify(reference, command.data),
            (0x22 | 0x2a, ..) if options.jicsap_only && !old_style => 0x6d00.into(),
            (0x22, 0x41, 0xb6) => self.set_key(command.data).into(),
            (0x2a, 0x9e, 0x9a) => self.compute_signature(command),
            (0x2a, 0, 0x80) if old_style && self.state.key_file => {
                self.sign(|key| key.sign_digest_info(command.data))
            }
            (0x2a, ..) if old_style => 0x6985.into(),
            (0xa4 | 0x20 | 0x22 | 0x2a, ..) => 0x6a86.into(),
            _ => 0x6d00.into(),
        }
    }

    fn reset(&mut self) {
        self.state = State::default();
    }
}

#[cfg(test)]
#[path = "hpki_tests.rs"]
mod tests;
