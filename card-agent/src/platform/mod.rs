//! What differs between operating systems stands here and nowhere else: one folder a system, each with
//! the same functions. The compiler says where one lacks something that the others have.
//!
//! | system | state |
//! |---|---|
//! | [Linux](linux) | complete |
//! | Windows | complete; built by `card-agent/package/build-exe`, tested under Wine (`docs/windows.md`) |
//! | macOS | named places: what is not written fails closed |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

use std::path::Path;

pub use system::{
    CERTIFICATE_STORE, ExtensionListener, ExtensionStream, REMEDIES, browser_policies,
    connect_extension, create_private, data_folder, extension_address, foreign_listener,
    inherited_file, inherited_listeners, install, is_administrator, is_open_to_others,
    is_own_connection, is_own_peer, keep_private, locale, native_messaging, pin_window,
    plugged_readers, policy_line, seal, shell_word, smart_card_programs, start_line, stop_signal,
    uninstall, unseal, usual_browser_store,
};

/// A running program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Program {
    /// Its number.
    pub process: u32,
    /// Its name, as the system shows it.
    pub name: String,
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// What a person does about what was found, each a piece of a sentence.
#[derive(Debug, Clone, Copy)]
pub struct Remedies {
    /// In what role the machine is changed.
    pub administrator: &'static str,
    /// The smart card service does not answer.
    pub card_service: &'static str,
    /// A reader that is plugged in is not served.
    pub drivers: &'static str,
    /// The clock is wrong.
    pub clock: &'static str,
    /// No window can be shown that asks for the PIN.
    pub pin_window: &'static str,
    /// An administrator names the folder of the user who enrolled this PC.
    pub other_home: &'static str,
}

/// The system's own store of certificates, which browsers read.
#[derive(Clone, Copy)]
pub struct CertificateStore {
    /// What the person knows it by.
    pub name: &'static str,
    /// Puts in what a PKCS #12 file holds under this password, and the root, in place of `former`: the
    /// terminal's certificate and key of before, DER.
    pub replace: fn(&Supply<'_>) -> std::io::Result<()>,
    /// Whether it holds this certificate, DER, with its key.
    pub holds: fn(&[u8]) -> std::io::Result<bool>,
}

/// What a store is given.
pub struct Supply<'a> {
    /// The terminal's key and certificate and its issuer's, PKCS #12.
    pub pkcs12: &'a [u8],
    /// Under which its key is encrypted.
    pub password: &'a str,
    /// The terminal's certificate, DER.
    pub certificate_der: &'a [u8],
    /// The root that is believed, DER.
    pub root_der: &'a [u8],
    /// A root that is believed no longer, DER.
    pub ended_root_der: Option<&'a [u8]>,
}

/// What brings the agent to this user's desktop and browsers.
pub struct Installation<'a> {
    /// The native messaging host's name.
    pub host_name: &'a str,
    /// Its manifest, JSON.
    pub host_manifest: &'a str,
    /// Where the manifest is kept.
    pub folder: &'a Path,
}
