mod upkeep;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use anyhow::{Context, bail};
use clap::Args;
use sekisho_output::{remark, say};
use sekisho_protocol::door;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::cards::{CardArguments, LogArguments, Waiting};
use super::{Failure, local};
use crate::card::observe::Observer;
use crate::card::watcher::Watcher;
use crate::door::native;
use crate::door::{Agent, SeenRequests, http, listeners};
use crate::pin::file::PinFile;
use crate::pin::{self, PinEntry};
use crate::platform::{self, ExtensionListener};
use crate::presence::{self, Watched};
use crate::terminal::place::Place;

/// Answer the portal's page until stopped.
#[derive(Args, Default)]
#[command(
    after_help = "Examples:\n  sekisho-agent run\n  sekisho-agent run --port 14800 --pinentry pinentry-gnome3\n  sekisho-agent run --software-card cards/yamada --pin-file pin   (demonstration)\n  sekisho-agent run --apdu-log apdu.jsonl   (while looking for a fault: what is said to cards, without PINs)"
)]
pub struct Run {
    /// Port on 127.0.0.1 and ::1; 0 takes a free one and prints it. Of no account where systemd hands
    /// sockets over.
    #[arg(long, default_value_t = door::DEFAULT_PORT)]
    pub port: u16,
    /// Demonstration only: another loopback address instead, for several PCs on one.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    pub address: Option<IpAddr>,
    /// Program that asks for the PIN instead of this system's own window; on Linux `pinentry` without it.
    #[arg(long, value_name = "PROGRAM")]
    pub pinentry: Option<String>,
    /// Demonstration only: read the PIN from this file (mode 0600).
    #[arg(long)]
    pub pin_file: Option<PathBuf>,
    /// Ask for the PIN in the window even where the reader has keys of its own: for PINs with letters.
    #[arg(long)]
    pub no_pin_pad: bool,
    #[command(flatten)]
    cards: CardArguments,
    #[command(flatten)]
    log: LogArguments,
}

fn loopback(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().ok().filter(IpAddr::is_loopback);
    address.ok_or_else(|| "give a loopback address such as 127.0.0.2".to_owned())
}

impl Run {
    /// What would otherwise be found out at the first login.
    fn check(&self) -> anyhow::Result<()> {
        self.cards.check()?;
        let missing = pin::missing_program(self.pinentry.as_deref());
        if let Some(program) = missing.filter(|_| self.pin_file.is_none()) {
            bail!(
                "there is no program {program} that could ask for the PIN; install a pinentry, or \
                 name one with --pinentry"
            );
        }
        // One that comes later is looked at when it is read.
        if let Some(path) = self.pin_file.as_deref().filter(|path| path.exists()) {
            PinFile::check(path)?;
        }
        Ok(())
    }

    pub(super) async fn execute(self, place: &Place) -> Result<(), Failure> {
        place.enrolment()?;
        self.check().map_err(Failure::Usage)?;
        let log = self.log.open()?;
        let (identity, ahead) = upkeep::identity(place).await?;
        let asked = upkeep::Asked::at_start(ahead.is_some());

        if !self.cards.software_card.is_empty() {
            remark("DEMONSTRATION: software cards; their keys lie in files.");
        }
        let waiting: Arc<dyn Observer> = Arc::new(Waiting::new(|text| tracing::warn!("{text}")));
        let readers = self.cards.readers([waiting].into_iter().chain(log).collect());
        let pin: Arc<dyn PinEntry> = match self.pin_file {
            Some(path) => {
                remark(&format!(
                    "DEMONSTRATION: the PIN comes from {}, not from a person.",
                    path.display()
                ));
                Arc::new(PinFile(path))
            }
            None => pin::window(self.pinentry.as_deref()),
        };
        let (stop, stopping) = watch::channel(false);
        let watcher = Watcher::start(readers.clone()).map_err(local)?;
        let watched = Watched::default();
        let (portal, portals) = watch::channel(upkeep::portal(place, &identity)?);
        let reporter = tokio::spawn(presence::report(
            portals,
            watched.clone(),
            watcher.seen(),
            stopping.clone(),
        ));
        let agent = Arc::new(Agent {
            identity: RwLock::new(Arc::new(identity)),
            readers,
            watcher,
            pin,
            pin_pads: !self.no_pin_pad,
            watched,
            clock_ahead: AtomicI64::new(ahead.unwrap_or(0)),
            clock: OffsetDateTime::now_utc,
            seen: SeenRequests::default(),
            trust_wanted: Notify::new(),
            exchange: std::sync::Mutex::default(),
        });
        let (listeners, port) = match listeners::inherited().map_err(local)? {
            Some(inherited) => inherited,
            None => open_port(self.address, self.port).await?,
        };
        let extension = Extension::open(place, listeners.is_empty())?;
        // Before anybody hears that we are ready: a signal sent then must already find us listening.
        let stop_asked = platform::stop_signal().map_err(local)?;
        let upkeep = [
            tokio::spawn(upkeep::follow(
                place.clone(),
                agent.clone(),
                portal,
                asked,
                stopping.clone(),
            )),
            tokio::spawn(upkeep::renew(place.clone(), agent.clone(), ahead, stopping.clone())),
        ];
        // Whoever started us may not read; that must not stop the logins of this PC.
        let _ = say(&match listeners.is_empty() {
            true => format!("ready for the extension only: another user's agent has port {port}\n"),
            false => format!("ready on port {port}\n"),
        });
        let extension = extension.serve(agent.clone(), stopping.clone());
        let serving = tokio::spawn(http::serve(agent, listeners, port, stopping));
        stop_asked.await;
        stop.send_replace(true);
        let _ = serving.await;
        let _ = extension.await;
        let _ = reporter.await;
        for task in upkeep {
            let _ = task.await;
        }
        Ok(())
    }
}

/// The port on loopback. On a host where several people are logged in at a time the first one's agent
/// has it: then there are no listeners, and the extension is the way to this one.
async fn open_port(address: Option<IpAddr>, port: u16) -> Result<(Vec<TcpListener>, u16), Failure> {
    match listeners::bind(address, port).await {
        Err(error)
            if error.kind() == std::io::ErrorKind::AddrInUse
                && platform::foreign_listener(port).is_some() =>
        {
            Ok((Vec::new(), port))
        }
        bound => {
            let taken = || {
                format!(
                    "port {port} of 127.0.0.1 or ::1 cannot be listened on; end the program that does, or give \
                     another --port"
                )
            };
            bound.with_context(taken).map_err(local)
        }
    }
}

/// The door for the browser's extension; its socket goes with the agent.
struct Extension {
    /// None where the system offers no place for a socket: the path is too long, or the runtime folder
    /// is not there. Logins over loopback need none.
    listener: Option<ExtensionListener>,
}

impl Extension {
    /// `only` where there is no other door.
    fn open(place: &Place, only: bool) -> Result<Self, Failure> {
        let path = place.socket();
        let listener = match ExtensionListener::bind(&path) {
            Ok(listener) => Some(listener),
            Err(error) if only || error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(local(anyhow::Error::new(error).context(path.display().to_string())));
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "no door for the extension");
                None
            }
        };
        Ok(Self { listener })
    }

    fn serve(self, agent: Arc<Agent>, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            if let Some(listener) = self.listener {
                native::serve(agent, listener, stop).await;
            }
        })
    }
}
