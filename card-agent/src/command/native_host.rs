use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use clap::Args;

use super::{Failure, local, refused};
use crate::terminal::place::Place;

/// Carry messages between the browser's extension and the running agent; browsers start this.
#[derive(Args)]
#[command(
    after_help = "Example: what `sekisho-agent extension --host-manifest` prints names the program"
)]
pub struct NativeHost {
    /// What the browser says of itself (Chrome for Developers, "Native messaging").
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    browser: Vec<String>,
}

impl NativeHost {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let path = place.socket();
        let mut agent = UnixStream::connect(&path)
            .with_context(|| format!("no agent of this user runs ({})", path.display()))
            .map_err(refused)?;
        let mut to_agent = agent.try_clone().map_err(local)?;
        // It may wait for the browser for ever: the process ends without it.
        std::thread::spawn(move || {
            let _ = carry(&mut std::io::stdin().lock(), &mut to_agent);
            let _ = to_agent.shutdown(Shutdown::Write);
        });
        // The browser that is gone is no fault.
        let _ = carry(&mut agent, &mut std::io::stdout().lock());
        Ok(())
    }
}

/// Octets as they come: whoever waits for an answer gets it before the next one is there.
fn carry(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut octets = [0; 8192];
    loop {
        match from.read(&mut octets)? {
            0 => return Ok(()),
            length => to.write_all(&octets[..length])?,
        }
        to.flush()?;
    }
}
