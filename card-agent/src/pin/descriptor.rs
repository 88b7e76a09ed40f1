//! A PIN from a file descriptor that whoever started us left open: for scripts, without a file.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read};

use async_trait::async_trait;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{PinEntry, PinError, Prompt};
use crate::platform;

/// No PIN or password of a card is longer, line end included.
const MOST_OCTETS: usize = 64;

/// Reads its first line.
pub struct PinDescriptor {
    /// Its number.
    pub number: u32,
    /// Few tries left are known, and risked.
    pub confirmed: bool,
}

#[async_trait]
impl PinEntry for PinDescriptor {
    async fn ask(&self, prompt: &Prompt) -> Result<SecretString, PinError> {
        self.confirm(prompt).await?;
        let unavailable = |error: std::io::Error| {
            PinError::Unavailable(format!("descriptor {}: {error}", self.number))
        };
        let file = platform::inherited_file(self.number).map_err(unavailable)?;
        if file.is_terminal() {
            let number = self.number;
            return Err(PinError::Unavailable(format!(
                "descriptor {number} is a terminal, which would show it"
            )));
        }
        let text = first_line(file).map_err(unavailable)?;
        let line = text.split(|octet| *octet == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(pin) if !pin.is_empty() => Ok(SecretString::from(pin)),
            _ => Err(PinError::Unavailable(format!("descriptor {} holds no PIN", self.number))),
        }
    }

    async fn confirm(&self, prompt: &Prompt) -> Result<(), PinError> {
        if prompt.is_guarded() && !self.confirmed { Err(PinError::Guarded) } else { Ok(()) }
    }

    /// There is nobody to tell, and nobody who would give up.
    async fn announce(&self, _: &Prompt) -> Result<(), PinError> {
        std::future::pending().await
    }

    fn is_interactive(&self) -> bool {
        false
    }
}

/// What can be read up to the first line end, and perhaps some of what follows: whoever writes may keep the other end
/// open.
fn first_line(mut file: File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Once, and as long as it may become: growing would leave copies behind.
    let mut text = Zeroizing::new(vec![0; MOST_OCTETS]);
    let mut filled = 0;
    while filled < MOST_OCTETS {
        match file.read(&mut text[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if text[..filled].contains(&b'\n') {
            break;
        }
    }
    text.truncate(filled);
    Ok(text)
}
