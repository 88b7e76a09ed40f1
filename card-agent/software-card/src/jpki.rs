//! The JPKI application (公的個人認証AP) of マイナンバーカード and of what carries it otherwise.
//!
//! After what public programs send to real cards: OpenSC's `card-jpki`, and `jpki/myna`.

use serde::{Deserialize, Serialize};

use crate::apdu::CommandApdu;
use crate::card::{Answer, Chip, Effort, OK, Options, read_binary};
use crate::key::CardKey;
use crate::personal::{ApplicationData, CardError};
use crate::pin::Pin;

const AID: [u8; 10] = [0xd3, 0x92, 0xf0, 0x00, 0x26, 1, 0, 0, 0, 1];
/// The JPKI lets 3 wrong PINs pass for user authentication and 5 wrong passwords for signatures.
const TRIES: (u8, u8) = (3, 5);

/// What carries the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Token {
    /// マイナンバーカード.
    MyNumberCard,
    /// 住基カード, the card before: it has the application for signatures only.
    ResidentCard,
    /// An Android telephone: the authentication certificate wants the PIN as well.
    Android,
    /// An iPhone.
    Iphone,
}

impl Token {
    fn label(self) -> &'static str {
        match self {
            Self::MyNumberCard => "JPKIAPICCTOKEN2",
            Self::ResidentCard => "JPKIAPICCTOKEN",
            Self::Android => "JPKIAPGPSETOKEN",
            Self::Iphone => "JPKIAPIOSTOKEN",
        }
    }

    /// EF 0006: a PKCS #11 CK_TOKEN_INFO with big-endian words of 32 bits, 160 octets.
    fn information(self) -> Vec<u8> {
        let mut octets = vec![0; 160];
        octets[..96].fill(b' ');
        octets[144..].fill(b' ');
        let text = self.label().as_bytes();
        octets[..text.len()].copy_from_slice(text);
        // Longest and shortest PIN, versions of hardware and firmware.
        octets[116..120].copy_from_slice(&16_u32.to_be_bytes());
        octets[120..124].copy_from_slice(&4_u32.to_be_bytes());
        octets[140..144].copy_from_slice(&[1, 0, 1, 0]);
        octets
    }
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Anybody,
    /// After the PIN in this place of [`JpkiChip::halves`].
    After(usize),
    Nobody,
}

struct File {
    id: u16,
    access: Access,
    content: Vec<u8>,
}

/// A key, its PIN, and whether it was given.
struct Half {
    key_file: u16,
    pin_file: u16,
    key: CardKey,
    pin: Pin,
    may_be_pin: fn(&[u8]) -> bool,
    verified: bool,
}

/// The chip.
pub(crate) struct JpkiChip {
    files: Vec<File>,
    /// User authentication (利用者証明用), then signatures (署名用); a card may lack either.
    halves: Vec<Half>,
    selected: bool,
    file: Option<u16>,
}

impl JpkiChip {
    pub(crate) fn new(
        token: Token,
        authentication: (&str, &ApplicationData),
        signature: Option<(&str, &ApplicationData)>,
    ) -> Result<Self, CardError> {
        let authentication = (token != Token::ResidentCard).then_some(authentication);
        // Certificate availability: signature, authentication.
        let there = |there: bool| if there { 0x8f } else { 0 };
        let mut files = vec![
            File { id: 0x0006, access: Access::Anybody, content: token.information() },
            File {
                id: 0x0008,
                access: Access::Anybody,
                content: vec![there(signature.is_some()), there(authentication.is_some()), 0],
            },
            File { id: 0x0009, access: Access::Nobody, content: Vec::new() },
        ];
        let mut halves = Vec::new();
        let both = [
            (authentication, [0x000a, 0x000b, 0x0017, 0x0018], token == Token::Android, TRIES.0),
            (signature, [0x0001, 0x0002, 0x001a, 0x001b], true, TRIES.1),
        ];
        for (half, [certificate, authority, key_file, pin_file], guarded, tries) in both {
            let Some((pin, data)) = half else { continue };
            let (may_be_pin, form): (fn(&[u8]) -> bool, _) = if pin_file == 0x0018 {
                (is_pin, "4 digits for user authentication")
            } else {
                (is_password, "6 to 16 capital letters and digits for signatures")
            };
            if !may_be_pin(pin.as_bytes()) {
                return Err(CardError::Pin(form));
            }
            let access = if guarded { Access::After(halves.len()) } else { Access::Anybody };
            files.push(File { id: certificate, access, content: data.certificate_der.clone() });
            if let Some(der) = data.chain_der.last() {
                files.push(File { id: authority, access: Access::Anybody, content: der.clone() });
            }
            for id in [key_file, pin_file] {
                files.push(File { id, access: Access::Nobody, content: Vec::new() });
            }
            let key = CardKey::from_pkcs8(&data.key_pkcs8_der)?;
            let pin = Pin::new(pin, tries);
            halves.push(Half { key_file, pin_file, key, pin, may_be_pin, verified: false });
        }
        Ok(Self { files, halves, selected: false, file: None })
    }

    fn select_application(&mut self, command: &CommandApdu<'_>, options: &Options) -> u16 {
        if command.data.len() < 5 || !AID.starts_with(command.data) {
            return 0x6a82;
        }
        if !options.keeps_pin {
            self.halves.iter_mut().for_each(|half| half.verified = false);
        }
        (self.selected, self.file) = (true, None);
        OK
    }

    fn select_file(&mut self, id: &[u8]) -> u16 {
        let Ok(id) = id.try_into().map(u16::from_be_bytes) else { return 0x6700 };
        if !self.selected || self.files.iter().all(|file| file.id != id) {
            return 0x6a82;
        }
        self.file = Some(id);
        OK
    }

    fn read(&self, command: &CommandApdu<'_>) -> Answer {
        if command.p1 & 0x80 != 0 {
            return 0x6a86.into();
        }
        let Some(file) = self.files.iter().find(|file| Some(file.id) == self.file) else {
            return 0x6986.into();
        };
        let holds_secret =
            |half: &Half| [half.key_file, half.pin_file].into_iter().any(|id| id == file.id);
        match file.access {
            Access::Nobody if self.halves.iter().any(holds_secret) => 0x6981.into(),
            Access::Nobody => 0x6982.into(),
            Access::After(half) if !self.halves[half].verified => 0x6982.into(),
            _ => {
                let offset = usize::from(u16::from_be_bytes([command.p1, command.p2]));
                read_binary(&file.content, offset, command.le)
            }
        }
    }

    /// The half whose PIN file is the current one.
    fn half_of_pin(&mut self) -> Option<&mut Half> {
        let file = self.file?;
        self.halves.iter_mut().find(|half| half.pin_file == file)
    }

    fn verify(&mut self, given: &[u8]) -> Answer {
        let Some(half) = self.half_of_pin() else { return 0x6985.into() };
        if given.is_empty() {
            return half.pin.status(half.verified).into();
        }
        let status = half.pin.verify(given);
        half.verified = status == OK;
        Answer { effort: Effort::Verify, ..status.into() }
    }

    /// The old PIN was verified before, and is not part of the command.
    fn change_pin(&mut self, new: &[u8]) -> u16 {
        let Some(half) = self.half_of_pin() else { return 0x6985 };
        if !half.verified {
            return 0x6982;
        }
        if !(half.may_be_pin)(new) {
            return 0x6a80;
        }
        half.pin.change(new);
        OK
    }

    /// `80 2A`: P1 says what the data is, P2 which key.
    fn sign(&self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        let key_file = match command.p2 {
            0x80 => self.file,
            0x97 | 0x9a if !options.selected_key_only => Some(u16::from(command.p2 & 0x1f)),
            _ => return 0x6a86.into(),
        };
        let half = self.halves.iter().find(|half| Some(half.key_file) == key_file);
        let Some(half) = half else { return 0x6985.into() };
        let sign: fn(&CardKey, &[u8]) -> Result<Vec<u8>, u16> = match command.p1 {
            0 => CardKey::sign_digest_info,
            2 => CardKey::sign_sha256,
            4 => CardKey::sign_pss,
            _ => return 0x6a86.into(),
        };
        if !half.verified {
            return 0x6982.into();
        }
        sign(&half.key, command.data).into()
    }
}

impl Chip for JpkiChip {
    fn command(&mut self, command: &CommandApdu<'_>, options: &Options) -> Answer {
        match (command.cla, command.ins, command.p1, command.p2) {
            (0x10, ..) => 0x6884.into(),
            (0, 0xa4, 4, _) => self.select_application(command, options).into(),
            (0, 0xa4, 2, _) => self.select_file(command.data).into(),
            (0, 0xb0, ..) => self.read(command),
            (0, 0x20, 0, 0x80) => self.verify(command.data),
            (0, 0x24, 1, 0x80) => self.change_pin(command.data).into(),
            (0x80, 0x2a, ..) => self.sign(command, options),
            (0, 0xa4 | 0x20 | 0x24, ..) => 0x6a86.into(),
            (0 | 0x80, ..) => 0x6d00.into(),
            _ => 0x6e00.into(),
        }
    }

    fn reset(&mut self) {
        (self.selected, self.file) = (false, None);
        self.halves.iter_mut().for_each(|half| half.verified = false);
    }
}

fn is_pin(given: &[u8]) -> bool {
    given.len() == 4 && given.iter().all(u8::is_ascii_digit)
}

fn is_password(given: &[u8]) -> bool {
    let fits = |octet: &u8| octet.is_ascii_uppercase() || octet.is_ascii_digit();
    (6..=16).contains(&given.len()) && given.iter().all(fits)
}

#[cfg(test)]
#[path = "jpki_tests.rs"]
mod tests;
