//! Commands that make something and may be stopped while they do.

use std::future::Future;

use super::{Failure, runtime};

/// Runs `work` to its end, or until the process is told to end (SIGINT, SIGTERM, SIGHUP). Then `work` is dropped,
/// and with it go the folders that it has begun and the programs that it has started.
///
/// # Errors
/// Those of `work`, and that it was told to end.
pub(super) fn until_told_to_end<T, E: Into<Failure>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    runtime()?.block_on(async {
        let told = told_to_end()?;
        tokio::select! {
            biased;
            done = work => done.map_err(Into::into),
            signal = told => Err(format!("{signal} came: what was begun is removed").into()),
        }
    })
}

/// Listens from now on; the future ends with the name of the first signal that comes.
#[cfg(unix)]
pub(super) fn told_to_end() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "SIGHUP",
        }
    })
}

/// As there are no other signals.
#[cfg(not(unix))]
pub(super) fn told_to_end() -> std::io::Result<impl Future<Output = &'static str>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    })
}
