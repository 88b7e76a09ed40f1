//! Commands as octets and answers with their status word (ISO/IEC 7816-4 §5).

use sekisho_protocol::digest_info::DigestInfo;
use zeroize::Zeroizing;

use super::session::ApplicationName;

/// SW1 SW2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// 9000.
    pub const OK: Self = Self(0x9000);

    /// The card doesn't take the command in this form; it may in another.
    pub fn asks_for_another_form(self) -> bool {
        matches!(self.0, 0x6700 | 0x6884 | 0x6a81 | 0x6d00 | 0x6e00)
    }

    /// The file is not there, or is not named like this; in whatever lengths it is asked for.
    pub fn names_no_file(self) -> bool {
        matches!(self.0, 0x6a82 | 0x6a86)
    }

    /// Security status not satisfied.
    pub fn is_for_want_of_pin(self) -> bool {
        self.0 == 0x6982
    }

    /// 9000, and 6282: the end came before the length asked for.
    pub fn is_read(self) -> bool {
        matches!(self.0, 0x9000 | 0x6282)
    }

    /// Tries left, where the answer to a VERIFY tells.
    pub fn tries_left(self) -> Option<u8> {
        match self.0 {
            // ISO/IEC 7816-4 §5.6: method blocked; the guideline's and the JPKI's: reference blocked.
            0x6983 | 0x6984 => Some(0),
            0x63c0..=0x63cf => Some((self.0 & 0xf) as u8),
            _ => None,
        }
    }

    /// What the card means, in the words of ISO/IEC 7816-4 §5.6.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x9000 => "done",
            0x6200 | 0x6300 => "a warning",
            0x6282 => "the file ended before the length asked for",
            0x6283 => "the selected file is deactivated",
            0x63c0..=0x63cf => "verification failed",
            0x6400 | 0x6581 | 0x6f00 => "the card itself failed",
            0x6700 => "wrong length",
            0x6881 => "logical channels are not supported",
            0x6882 => "secure messaging is not supported",
            0x6884 => "command chaining is not supported",
            0x6981 => "the command does not fit the file",
            0x6982 => "the PIN was not verified",
            0x6983 | 0x6984 => "the PIN is blocked",
            0x6985 => "conditions of use are not satisfied",
            0x6986 => "no file is selected",
            0x6a80 => "wrong data",
            0x6a81 => "the function is not supported",
            0x6a82 => "no such file or application",
            0x6a85 => "the length contradicts the data",
            0x6a86 => "wrong parameters",
            0x6a87 => "the length contradicts the parameters",
            0x6a88 => "no such key or PIN",
            0x6b00 => "beyond the end of the file",
            0x6d00 => "unknown command",
            0x6e00 => "unknown class of commands",
            _ => "a status word that this program does not know",
        }
    }
}

impl std::fmt::Display for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X} ({})", self.0, self.meaning())
    }
}

/// SELECT an application by its full name.
pub fn select_application(application: ApplicationName) -> Vec<u8> {
    let ApplicationName { aid, answers } = application;
    // An AID has at most 16 octets.
    let length = aid.len() as u8;
    if answers {
        [&[0, 0xa4, 4, 0, length][..], aid, &[0]].concat()
    } else {
        [&[0, 0xa4, 4, 0x0c, length][..], aid].concat()
    }
}

/// SELECT an elementary file under the current application, no answer wanted.
pub fn select_file(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0, 0xa4, 2, 0x0c, 2, high, low]
}

/// READ BINARY, up to 256 octets.
pub fn read(offset: u16) -> Vec<u8> {
    let [high, low] = offset.to_be_bytes();
    vec![0, 0xb0, high & 0x7f, low, 0]
}

/// A READ BINARY of this module with extended length.
pub fn extend(read: &[u8], length: u16) -> Vec<u8> {
    let header = read.get(..4).unwrap_or_default();
    [header, &[0], &length.to_be_bytes()].concat()
}

/// READ BINARY from the start of a file named by its short identifier.
pub fn read_short_identifier(sfi: u8) -> Vec<u8> {
    vec![0, 0xb0, 0x80 | (sfi & 0x1f), 0, 0]
}

/// VERIFY without a PIN: how many tries are left?
pub fn ask_tries(reference: u8) -> Vec<u8> {
    vec![0, 0x20, 0, reference]
}

/// VERIFY. The octets hold the PIN and are wiped.
pub fn verify(reference: u8, pin: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut command = Zeroizing::new(Vec::with_capacity(5 + pin.len()));
    // A PIN has at most 16 octets.
    command.extend([0, 0x20, 0, reference, pin.len() as u8]);
    command.extend_from_slice(pin);
    command
}

/// MANAGE SECURITY ENVIRONMENT: the key for the digital signature template.
pub fn set_key(tag: u8, reference: [u8; 2]) -> Vec<u8> {
    vec![0, 0x22, 0x41, 0xb6, 4, tag, 2, reference[0], reference[1]]
}

/// PSO COMPUTE DIGITAL SIGNATURE over a padded block, extended lengths.
pub fn sign_extended(block: &[u8]) -> Vec<u8> {
    let [high, low] = (block.len() as u16).to_be_bytes();
    [&[0, 0x2a, 0x9e, 0x9a, 0, high, low][..], block, &[0, 0]].concat()
}

/// The same as a chain of short commands (ISO/IEC 7816-4 §5.3.3).
pub fn sign_chained(block: &[u8]) -> Vec<Vec<u8>> {
    let pieces = block.chunks(200).collect::<Vec<_>>();
    let last = pieces.len().saturating_sub(1);
    pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| {
            let class = if at == last { 0 } else { 0x10 };
            let mut command = vec![class, 0x2a, 0x9e, 0x9a, piece.len() as u8];
            command.extend_from_slice(piece);
            if at == last {
                command.push(0);
            }
            command
        })
        .collect()
}

/// The older form, the JPKI's as well: the card pads the DigestInfo itself. The key's reference is 80
/// for the selected file, or 80h + its short identifier.
pub fn sign_digest_info(key: u8, info: &DigestInfo) -> Vec<u8> {
    let info = info.as_bytes();
    // 51 octets.
    [&[0x80, 0x2a, 0, key, info.len() as u8][..], info, &[0]].concat()
}
