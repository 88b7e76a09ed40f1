//! How the agent comes to run and to end, and what helps where something is missing.
//!
//! Not a Windows service: services have no desktop, so no window to ask for a PIN in, no user whose
//! connections alone would be served, and no store that the user's browser reads. The agent is a program
//! of the user's session, started by their `Run` key.

use std::io::Result;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

use super::registry;
use crate::platform::{Installation, Program, Remedies};

/// What `doctor` tells a person of this system to do.
pub const REMEDIES: Remedies = Remedies {
    administrator: "as administrator",
    card_service: "plug in a reader; if one is, as administrator: sc start SCardSvr",
    drivers: "install the reader's driver: Windows Update has it, or its maker",
    clock: "set it, as administrator: w32tm /resync",
    pin_window: "leave --pinentry out: this system has a window of its own",
    other_home: r"--dir C:\Users\USER\AppData\Local\sekisho-agent",
};

/// What starts with the user's session.
const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
const RUN_NAME: &str = "Sekisho card login";
/// Where browsers look for native messaging hosts (Chrome for Developers, "Native messaging"; Microsoft
/// Edge, "Native messaging").
const HOSTS: [&str; 2] = [
    r"Software\Google\Chrome\NativeMessagingHosts",
    r"Software\Microsoft\Edge\NativeMessagingHosts",
];
const HOST_MANIFEST: &str = "native-messaging.json";
/// Browsers add arguments of their own, and can be told none.
pub(super) const NATIVE_HOST: &str = "native-host.bat";
/// The same program, marked as one that needs no console: `build-exe` makes both.
const WINDOWLESS: &str = "sekisho-agentw.exe";

/// What a variable of the locale says; LANG is the language of the user's session where it is not set.
pub fn locale(variable: &str) -> Option<String> {
    std::env::var(variable).ok().or_else(|| {
        let chosen = || registry::text(r"Control Panel\International", "LocaleName");
        (variable == "LANG").then(chosen).flatten()
    })
}

/// How the agent comes to run.
pub fn start_line(_: &Path) -> &'static str {
    "once, for it starts by itself from the next login on:\n  sekisho-agent install"
}

/// Writes into the user's part of the registry what starts the agent with their session and lets their
/// browsers find it. Says what was done.
///
/// # Errors
/// The registry or the folder cannot be written.
pub fn install(installation: &Installation<'_>) -> Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let starts = Some(program.with_file_name(WINDOWLESS)).filter(|path| path.is_file());
    let starts = starts.as_ref().unwrap_or(&program);
    let folder = installation.folder;
    let (host, manifest) = (folder.join(NATIVE_HOST), folder.join(HOST_MANIFEST));
    std::fs::create_dir_all(folder)?;
    std::fs::write(&host, native_host(&program))?;
    std::fs::write(&manifest, installation.host_manifest)?;
    let mut done = vec![format!("browsers' extension: {}", manifest.display())];
    for hosts in HOSTS {
        let key = format!(r"{hosts}\{}", installation.host_name);
        registry::write(&key, "", &manifest.display().to_string())?;
        done.push(format!(r"browsers' extension: HKCU\{key}"));
    }
    registry::write(RUN, RUN_NAME, &format!("\"{}\" run", starts.display()))?;
    done.push(format!("at each login of this user: {} run", starts.display()));
    Ok(done)
}

/// Takes back what [`install`] wrote. Says what was there.
///
/// # Errors
/// The registry or the folder cannot be written.
pub fn uninstall(installation: &Installation<'_>) -> Result<Vec<String>> {
    let mut done = Vec::new();
    if registry::remove_value(RUN, RUN_NAME)? {
        done.push(format!(r"removed from HKCU\{RUN}"));
    }
    for hosts in HOSTS {
        let key = format!(r"{hosts}\{}", installation.host_name);
        if registry::remove_key(&key)? {
            done.push(format!(r"removed HKCU\{key}"));
        }
    }
    for name in [HOST_MANIFEST, NATIVE_HOST] {
        let path: PathBuf = installation.folder.join(name);
        if path.exists() {
            std::fs::remove_file(&path)?;
            done.push(format!("removed {}", path.display()));
        }
    }
    Ok(done)
}

/// The command prompt reads a batch file in the system's old code page unless it is told that this one is
/// in UTF-8; a user's name in Japanese stands in the path. `%` would start a variable.
fn native_host(program: &Path) -> String {
    let program = program.display().to_string().replace('%', "%%");
    format!("@echo off\r\nchcp 65001 >nul\r\n\"{program}\" native-host %*\r\n")
}

/// None: this system hands over no sockets.
///
/// # Errors
/// None on this system.
pub fn inherited_listeners() -> Result<Vec<TcpListener>> {
    Ok(Vec::new())
}

/// Listens from now on; the future ends when the console asks to stop, or the session ends.
///
/// # Errors
/// The system's.
pub fn stop_signal() -> Result<impl Future<Output = ()>> {
    let (mut interrupt, mut close) = (ctrl_c()?, ctrl_close()?);
    let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}

/// None: the smart card service tells nobody who its callers are, and browsers too have its library
/// loaded.
pub fn smart_card_programs() -> Vec<Program> {
    Vec::new()
}

/// None: the system's own device manager tells of a reader without a driver.
pub fn plugged_readers() -> Vec<String> {
    Vec::new()
}
