//! Puts a software card into a slot of `vpcd`, so that the real PC/SC service sees it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use sekisho_software_card::{Latency, Options, Personalisation, SoftwareCard};

/// Insert a software card into a virtual reader.
///
/// The card stays inserted until this program ends.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  software-card cards/yamada\n  software-card --vpcd 127.0.0.1:35964 --contactless cards/suzuki"
)]
struct Arguments {
    /// Folder of the card.
    folder: PathBuf,
    /// Where vpcd listens; the second slot is 35964.
    #[arg(long, default_value = "127.0.0.1:35963")]
    vpcd: String,
    /// Answer as slowly as a contactless card.
    #[arg(long)]
    contactless: bool,
    /// Refuse extended lengths.
    #[arg(long)]
    short_only: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let latency = if arguments.contactless { Latency::contactless() } else { Latency::default() };
    let options = Options { latency, short_only: arguments.short_only, ..Options::default() };
    let mut card = SoftwareCard::new(Personalisation::load(&arguments.folder)?, options)?;
    let mut slot = TcpStream::connect(&arguments.vpcd)
        .with_context(|| format!("no virtual reader listens at {}", arguments.vpcd))?;
    slot.set_nodelay(true)?;
    slot.set_write_timeout(Some(Duration::from_secs(5)))?;
    // A frame is a length of two octets, big-endian, and as many octets.
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
            // One octet: power off, power on, reset, and the question for the ATR.
            [0..=2] => {
                card.reset();
                continue;
            }
            [4] => card.atr().to_vec(),
            command => match card.transmit(command) {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let octets = u16::try_from(answer.len()).context("an answer beyond a frame")?;
        slot.write_all(&[&octets.to_be_bytes()[..], &answer].concat())?;
    }
}
