use std::io::{Read, Write};

use anyhow::Context;
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Failure, refused};
use crate::platform;
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
    /// Octets as they come: whoever waits for an answer gets it before the next one is there.
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        let path = place.socket();
        let agent = platform::connect_extension(&path).await;
        let agent = agent
            .with_context(|| format!("no agent of this user runs ({})", path.display()))
            .map_err(refused)?;
        let (mut from_agent, mut to_agent) = tokio::io::split(agent);
        let (browser_gone, gone) = oneshot::channel::<()>();
        let runtime = Handle::current();
        // A thread of its own, not one of the runtime's: it may wait for the browser for ever, and the
        // process ends without it.
        std::thread::spawn(move || {
            let mut octets = [0; 8192];
            while let Ok(length @ 1..) = std::io::stdin().lock().read(&mut octets) {
                if runtime.block_on(to_agent.write_all(&octets[..length])).is_err() {
                    break;
                }
            }
            let _ = browser_gone.send(());
        });
        let answers = async {
            let mut octets = [0; 8192];
            while let Ok(length @ 1..) = from_agent.read(&mut octets).await {
                let mut browser = std::io::stdout().lock();
                if browser.write_all(&octets[..length]).and_then(|()| browser.flush()).is_err() {
                    break;
                }
            }
        };
        // The browser or the agent that is gone is no fault.
        tokio::select! {
            () = answers => {}
            _ = gone => {}
        }
        Ok(())
    }
}
