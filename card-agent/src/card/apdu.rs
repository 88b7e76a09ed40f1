//! Commands as octets and answers with their status word (ISO/IEC 7816-4 §5).

use zeroize::Zeroizing;

/// SW1 SW2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// 9000.
    pub const OK: Self = Self(0x9000);

    /// The command is of no use on this card, another form may be.
    pub fn is_unknown_command(self) -> bool {
        matches!(self.0, 0x6d00 | 0x6e00 | 0x6a81)
    }

    /// Tries left, where the card tells.
    pub fn tries_left(self) -> Option<u8> {
        (self.0 & 0xfff0 == 0x63c0).then_some((self.0 & 0xf) as u8)
    }
}

impl std::fmt::Display for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// SELECT an application by its full name, FCI wanted.
pub fn select_application(aid: &[u8; 16]) -> Vec<u8> {
    [&[0, 0xa4, 4, 0, 16][..], aid, &[0]].concat()
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

/// READ BINARY with extended length.
pub fn read_extended(offset: u16, length: u16) -> Vec<u8> {
    let ([high, low], [le_high, le_low]) = (offset.to_be_bytes(), length.to_be_bytes());
    vec![0, 0xb0, high & 0x7f, low, 0, le_high, le_low]
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

/// The older form: the card pads the DigestInfo itself.
pub fn sign_digest_info(info: &[u8]) -> Vec<u8> {
    [&[0x80, 0x2a, 0, 0x80, info.len() as u8][..], info, &[0]].concat()
}
