use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use anyhow::Context;
use clap::Args;
use sekisho_output::{remark, say};
use sekisho_protocol::{Sha256Digest, door};
use time::OffsetDateTime;
use tokio::sync::watch;
use url::Url;

use super::{Failure, local, refused};
use crate::card::pcsc::PcscReaders;
use crate::card::reader::Readers;
use crate::card::software::SoftwareReaders;
use crate::card::watcher::Watcher;
use crate::door::{Agent, SeenRequests, http};
use crate::pin::PinEntry;
use crate::pin::file::PinFile;
use crate::pin::pinentry::Pinentry;
use crate::presence::{self, Watched};
use crate::terminal::enrol;
use crate::terminal::key::{FileKey, TerminalKey};
use crate::terminal::place::{Place, read};

/// Answer the portal's page until stopped.
#[derive(Args, Default)]
#[command(
    after_help = "Examples:\n  sekisho-agent run\n  sekisho-agent run --port 14800 --pinentry pinentry-gnome3\n  sekisho-agent run --software-card cards/yamada --pin-file pin   (demonstration)"
)]
pub struct Run {
    /// Port on 127.0.0.1 and ::1; 0 takes a free one and prints it.
    #[arg(long, default_value_t = door::DEFAULT_PORT)]
    pub port: u16,
    /// Program that asks for the PIN.
    #[arg(long, default_value = "pinentry")]
    pub pinentry: String,
    /// Demonstration only: read the PIN from this file (mode 0600).
    #[arg(long)]
    pub pin_file: Option<PathBuf>,
    /// Demonstration only: a software card instead of the readers; may be given again.
    #[arg(long)]
    pub software_card: Vec<PathBuf>,
}

impl Run {
    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        let key: Arc<dyn TerminalKey> = {
            place.enrolment()?;
            Arc::new(FileKey::load(&place.key())?)
        };
        // The newest trust, or the one pinned before where the server can't be reached.
        let (trust, ahead) = match enrol::refresh_trust(place, key.as_ref()).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "trust not refreshed");
                (place.trust()?, 0)
            }
        };
        trust.check().map_err(refused)?;

        let readers: Arc<dyn Readers> = if self.software_card.is_empty() {
            Arc::new(PcscReaders)
        } else {
            remark("DEMONSTRATION: software cards; their keys lie in files.");
            Arc::new(SoftwareReaders::new(self.software_card))
        };
        let pin: Arc<dyn PinEntry> = match self.pin_file {
            Some(path) => {
                remark(&format!(
                    "DEMONSTRATION: the PIN comes from {}, not from a person.",
                    path.display()
                ));
                Arc::new(PinFile(path))
            }
            None => Arc::new(Pinentry { program: self.pinentry }),
        };
        let (stop, stopping) = watch::channel(false);
        let watcher = Watcher::start(readers.clone()).map_err(local)?;
        let watched = Watched::default();
        let presence_url = Url::parse(&trust.presence_url).map_err(refused)?;
        let reporter = tokio::spawn(presence::report(
            enrol::terminal_client(place, key.as_ref(), &presence_url).map_err(local)?,
            presence_url,
            watched.clone(),
            watcher.seen(),
            stopping.clone(),
        ));
        let agent = Arc::new(Agent {
            trust,
            key,
            certificate_sha256: Sha256Digest::of(read(&place.certificate())?),
            readers,
            watcher,
            pin,
            watched,
            clock_ahead: AtomicI64::new(ahead),
            clock: OffsetDateTime::now_utc,
            seen: SeenRequests::default(),
            exchange: std::sync::Mutex::default(),
        });
        let (listeners, port) = http::bind(self.port)
            .await
            .with_context(|| format!("port {} of the loopback address", self.port))
            .map_err(local)?;
        // Before anybody hears that we are ready: a signal sent then must already find us listening.
        let stop_asked = stop_signal().map_err(local)?;
        let serving = tokio::spawn(http::serve(agent, listeners, port, stopping));
        // Whoever started us may not read; that must not stop the logins of this PC.
        let _ = say(&format!("ready on port {port}\n"));
        stop_asked.await;
        stop.send_replace(true);
        let _ = serving.await;
        let _ = reporter.await;
        Ok(())
    }
}

/// Listens from now on; the future ends when the program is asked to stop.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
