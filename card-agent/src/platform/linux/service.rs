//! How the agent comes to run and to end, and what helps where something is missing.

use std::io::{Error, ErrorKind, Result};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::pin::PinEntry;
use crate::platform::{Installation, Remedies};
use crate::terminal::place::Place;

/// What `doctor` tells a person of this system to do.
pub const REMEDIES: Remedies = Remedies {
    administrator: "as root",
    card_service: "as root: systemctl enable --now pcscd.socket (package pcscd)",
    drivers: "as root: apt install libccid, then systemctl restart pcscd",
    clock: "set it, as root: timedatectl set-ntp true",
    pin_window: "as root: apt install pinentry-gnome3 (or pinentry-qt), then \
                 update-alternatives --config pinentry; or name one with --pinentry",
    other_home: "--dir /home/USER/.local/share/sekisho-agent",
};

/// What a variable of the locale says.
pub fn locale(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// None of its own: windows are those of the desktop's `pinentry`.
pub fn pin_window() -> Option<Arc<dyn PinEntry>> {
    None
}

/// How the agent comes to run: the package's unit looks for the enrolment where it usually is.
pub fn start_line(folder: &Path) -> &'static str {
    const UNIT: &str = "/usr/lib/systemd/user/sekisho-agent.service";
    if Path::new(UNIT).exists() && folder == Place::default_folder() {
        "once, for it starts by itself from the next login on:\n  systemctl --user start sekisho-agent"
    } else {
        "at each login of this PC's user:\n  sekisho-agent run"
    }
}

/// The Debian package does it.
///
/// # Errors
/// Always.
pub fn install(_: &Installation<'_>) -> Result<Vec<String>> {
    Err(Error::new(ErrorKind::Unsupported, PACKAGE))
}

/// The Debian package does it.
///
/// # Errors
/// Always.
pub fn uninstall(_: &Installation<'_>) -> Result<Vec<String>> {
    Err(Error::new(ErrorKind::Unsupported, PACKAGE))
}

const PACKAGE: &str = "on this system the package does it: apt install ./sekisho-agent_*.deb";

/// The sockets that systemd listens on for us (`sd_listen_fds(3)`).
///
/// # Errors
/// One of them is no TCP socket.
pub fn inherited_listeners() -> Result<Vec<TcpListener>> {
    let mut sockets = listenfd::ListenFd::from_env();
    (0..sockets.len()).filter_map(|index| sockets.take_tcp_listener(index).transpose()).collect()
}

/// Listens from now on; the future ends when the program is asked to stop.
///
/// # Errors
/// Signals cannot be had.
pub fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
