//! The authentication application (認証用) of an HPKI card: read ahead, then verify and sign.
//!
//! Structure comes from the card's own directory files; the identifiers observed on a real card are
//! the fallback. The signature application is never asked to sign here: its key is for documents.

use sekisho_protocol::signed_input::SignedInput;

use super::apdu::{self, StatusWord};
use super::reader::{CardError, Transmit, exchange};
use super::structure::{self, FilePath};

const RID_PIX: [u8; 15] = [0xe8, 0x28, 0xbd, 0x08, 0x0f, 0xa0, 0, 0, 3, 0x91, 0, 0, 0, 0, 0];

const fn aid(last: u8) -> [u8; 16] {
    let mut aid = [last; 16];
    let mut at = 0;
    while at < 15 {
        aid[at] = RID_PIX[at];
        at += 1;
    }
    aid
}

const SIGNATURE: [u8; 16] = aid(1);
const AUTHENTICATION: [u8; 16] = aid(2);

/// EF.OD (ISO/IEC 7816-15 §8.4): short identifier of file 5031.
const EF_OD: u8 = 0x11;
/// No certificate of a person is longer.
const MOST_CERTIFICATE: usize = 8 * 1024;

/// What was read while nobody waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HpkiCard {
    /// Authentication certificate, DER.
    pub certificate_der: Vec<u8>,
    /// P2 of VERIFY.
    pub pin_reference: u8,
    /// The private key.
    pub key: FilePath,
    /// Tries left when it was read, where the card tells.
    pub tries_left: Option<u8>,
}

/// Selects, reads the structure and the end entity certificate. Needs no PIN.
///
/// # Errors
/// [`CardError::NotHpki`] for any other card.
pub fn read(card: &mut dyn Transmit) -> Result<HpkiCard, CardError> {
    let (_, status) = exchange(card, &apdu::select_application(&AUTHENTICATION))?;
    if status != StatusWord::OK {
        return Err(CardError::NotHpki);
    }
    let (pin_reference, key, certificate) =
        layout(card)?.unwrap_or((0x88, FilePath::Id(0x000c), FilePath::Id(0x0016)));
    let certificate_der = read_certificate(card, certificate)?;
    let (_, status) = exchange(card, &apdu::ask_tries(pin_reference))?;
    let tries_left = if status.0 == 0x6984 { Some(0) } else { status.tries_left() };
    Ok(HpkiCard { certificate_der, pin_reference, key, tries_left })
}

/// How many wrong PINs the card still takes, now.
///
/// # Errors
/// [`CardError`].
pub fn tries_left(card: &mut dyn Transmit, known: &HpkiCard) -> Result<Option<u8>, CardError> {
    let (_, status) = exchange(card, &apdu::select_application(&AUTHENTICATION))?;
    expect(status, "selection of the authentication application")?;
    let (_, status) = exchange(card, &apdu::ask_tries(known.pin_reference))?;
    Ok(if status.0 == 0x6984 { Some(0) } else { status.tries_left() })
}

/// Verifies the PIN, signs, and leaves no verified state behind. One transaction.
///
/// # Errors
/// [`CardError::PinWrong`], [`CardError::PinBlocked`], or what the card refused.
pub fn sign(
    card: &mut dyn Transmit,
    known: &HpkiCard,
    pin: &[u8],
    input: &SignedInput,
) -> Result<Vec<u8>, CardError> {
    let (_, status) = exchange(card, &apdu::select_application(&AUTHENTICATION))?;
    expect(status, "selection of the authentication application")?;
    let (_, status) = exchange(card, &apdu::verify(known.pin_reference, pin))?;
    match status.0 {
        0x9000 => {}
        0x6984 | 0x63c0 => return Err(CardError::PinBlocked),
        0x6300 => return Err(CardError::PinWrong { tries_left: None }),
        _ => {
            let tries_left = status.tries_left();
            if tries_left.is_some() {
                return Err(CardError::PinWrong { tries_left });
            }
            expect(status, "the PIN")?;
        }
    }
    let signed = sign_verified(card, known, input);
    // Selecting the other application ends the verified state; a card without one forgets it when
    // its own is selected anew. Failure here must not lose a signature that was made.
    match exchange(card, &apdu::select_application(&SIGNATURE)) {
        Ok((_, StatusWord::OK)) => {}
        _ => {
            let _ = exchange(card, &apdu::select_application(&AUTHENTICATION));
        }
    }
    signed
}

fn sign_verified(
    card: &mut dyn Transmit,
    known: &HpkiCard,
    input: &SignedInput,
) -> Result<Vec<u8>, CardError> {
    // Cards in the field take the key reference (84), the guideline's example the file (81).
    let mut status = StatusWord(0);
    for tag in [0x84, 0x81] {
        status = exchange(card, &apdu::set_key(tag, known.key.reference()))?.1;
        if status == StatusWord::OK {
            break;
        }
    }
    if status.is_unknown_command() {
        return sign_old_style(card, known, input);
    }
    expect(status, "the choice of the key")?;

    // 2048 bits: every HPKI card (JAHIS guideline Ver. 3.1, EF.PrKD).
    let block = input.encoded_message(256).ok_or(CardError::Structure("key length"))?;
    let (signature, status) = exchange(card, &apdu::sign_extended(&block))?;
    if status == StatusWord::OK {
        return Ok(signature);
    }
    if status.is_unknown_command() {
        return sign_old_style(card, known, input);
    }
    if status.0 != 0x6700 {
        expect(status, "the signature")?;
    }
    let mut signature = Vec::new();
    for command in apdu::sign_chained(&block) {
        let (answer, status) = exchange(card, &command)?;
        expect(status, "the signature")?;
        signature = answer;
    }
    Ok(signature)
}

fn sign_old_style(
    card: &mut dyn Transmit,
    known: &HpkiCard,
    input: &SignedInput,
) -> Result<Vec<u8>, CardError> {
    let id = u16::from_be_bytes(known.key.reference());
    let (_, status) = exchange(card, &apdu::select_file(id))?;
    expect(status, "selection of the key")?;
    let (signature, status) = exchange(card, &apdu::sign_digest_info(&input.digest_info()))?;
    expect(status, "the signature")?;
    Ok(signature)
}

fn expect(status: StatusWord, step: &'static str) -> Result<(), CardError> {
    if status == StatusWord::OK { Ok(()) } else { Err(CardError::Refused { step, status }) }
}

/// PIN reference, key and certificate as the directory files tell; `None` where they don't.
fn layout(card: &mut dyn Transmit) -> Result<Option<(u8, FilePath, FilePath)>, CardError> {
    let (octets, status) = exchange(card, &apdu::read_short_identifier(EF_OD))?;
    let Some(directory) = structure::directory(&octets).filter(|_| is_read(status)) else {
        return Ok(None);
    };
    let pin = structure::pin_reference(&read_file(card, directory.authentication)?);
    let key = structure::private_key(&read_file(card, directory.private_keys)?);
    let certificate = structure::end_entity_certificate(&read_file(card, directory.certificates)?);
    Ok(pin.zip(key).zip(certificate).map(|((pin, key), certificate)| (pin, key, certificate)))
}

/// 9000, and 6282: the end came before the length asked for.
fn is_read(status: StatusWord) -> bool {
    matches!(status.0, 0x9000 | 0x6282)
}

/// The first 256 octets of a file, which becomes the current one.
fn open(card: &mut dyn Transmit, path: FilePath) -> Result<Vec<u8>, CardError> {
    let command = match path {
        FilePath::Short(sfi) => apdu::read_short_identifier(sfi),
        FilePath::Id(id) => {
            let (_, status) = exchange(card, &apdu::select_file(id))?;
            expect(status, "selection of a file")?;
            apdu::read(0)
        }
    };
    let (octets, status) = exchange(card, &command)?;
    if is_read(status) { Ok(octets) } else { Err(CardError::Refused { step: "reading", status }) }
}

/// A directory file: these fit into a few blocks.
fn read_file(card: &mut dyn Transmit, path: FilePath) -> Result<Vec<u8>, CardError> {
    let mut octets = open(card, path)?;
    while octets.len() % 256 == 0 && !octets.is_empty() && octets.len() < 2048 {
        let (more, status) = exchange(card, &apdu::read(octets.len() as u16))?;
        if !is_read(status) || more.is_empty() {
            break;
        }
        octets.extend(more);
    }
    Ok(octets)
}

/// A certificate: its own header tells the length.
fn read_certificate(card: &mut dyn Transmit, path: FilePath) -> Result<Vec<u8>, CardError> {
    const MALFORMED: CardError = CardError::Structure("certificate");
    let mut octets = open(card, path)?;
    let [0x30, 0x82, high, low, ..] = octets[..] else { return Err(MALFORMED) };
    let length = usize::from(u16::from_be_bytes([high, low])) + 4;
    if length > MOST_CERTIFICATE {
        return Err(MALFORMED);
    }
    let mut extended = true;
    while octets.len() < length {
        // Both below 32 KiB.
        let (offset, missing) = (octets.len() as u16, (length - octets.len()) as u16);
        let command =
            if extended { apdu::read_extended(offset, missing) } else { apdu::read(offset) };
        let (more, status) = exchange(card, &command)?;
        if is_read(status) && !more.is_empty() {
            octets.extend(more);
        } else if extended {
            extended = false;
        } else {
            return Err(CardError::Refused { step: "reading the certificate", status });
        }
    }
    octets.truncate(length);
    Ok(octets)
}

#[cfg(test)]
#[path = "hpki_tests.rs"]
mod tests;
