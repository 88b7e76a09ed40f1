//! The virtual reader's protocol: how a card in software reaches the real PC/SC service.
//!
//! A frame is a length of two octets, big-endian, and as many octets. One octet is a control (power
//! off, power on, reset, the question for the ATR), more are a command. Connecting is inserting the
//! card, closing is pulling it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::SoftwareCard;

/// Plays the card until the reader closes the connection, or the card is pulled.
///
/// # Errors
/// The connection's.
pub fn serve(card: &mut SoftwareCard, mut slot: TcpStream) -> io::Result<()> {
    slot.set_nodelay(true)?;
    slot.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut length = [0; 2];
    loop {
        // vpcd writes length and octets apart; a delayed acknowledgement would cost 40 ms each time.
        #[cfg(target_os = "linux")]
        std::os::linux::net::TcpStreamExt::set_quickack(&slot, true)?;
        match slot.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let mut frame = vec![0; u16::from_be_bytes(length).into()];
        slot.read_exact(&mut frame)?;
        let answer = match frame.as_slice() {
            [0..=2] => {
                card.reset();
                continue;
            }
            [4] => SoftwareCard::ATR.to_vec(),
            command => match card.transmit(command) {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let octets = u16::try_from(answer.len())
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "an answer beyond a frame"))?;
        slot.write_all(&[&octets.to_be_bytes()[..], &answer].concat())?;
    }
}
