//! A launch agent of the user's session; CryptoTokenKit's PC/SC; a window of AppKit, or pinentry-mac.

use std::io::Result;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use super::unsupported;
use crate::pin::PinEntry;
use crate::platform::{Installation, Program, Remedies};

const NOT_WRITTEN: &str = "this program is not written for macOS yet";

/// What `doctor` tells a person of this system to do.
pub const REMEDIES: Remedies = Remedies {
    administrator: "as administrator",
    card_service: NOT_WRITTEN,
    drivers: NOT_WRITTEN,
    clock: "set it in System Settings, Date & Time",
    pin_window: NOT_WRITTEN,
    other_home: "--dir FOLDER",
};

/// What a variable of the locale says.
pub fn locale(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// None of its own: a `pinentry` is asked.
pub fn pin_window() -> Option<Arc<dyn PinEntry>> {
    None
}

/// How the agent would come to run.
pub fn start_line(_: &Path) -> &'static str {
    NOT_WRITTEN
}

/// Writes no launch agent.
///
/// # Errors
/// Always.
pub fn install(_: &Installation<'_>) -> Result<Vec<String>> {
    Err(unsupported())
}

/// Removes none.
///
/// # Errors
/// Always.
pub fn uninstall(_: &Installation<'_>) -> Result<Vec<String>> {
    Err(unsupported())
}

/// None.
///
/// # Errors
/// None.
pub fn inherited_listeners() -> Result<Vec<TcpListener>> {
    Ok(Vec::new())
}

/// Listens for the console's interrupt.
///
/// # Errors
/// None.
pub fn stop_signal() -> Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Not known.
pub fn smart_card_programs() -> Vec<Program> {
    Vec::new()
}

/// Not known.
pub fn plugged_readers() -> Vec<String> {
    Vec::new()
}
