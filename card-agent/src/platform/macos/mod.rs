//! macOS: named places. Each function stands where the other systems have theirs, and fails closed:
//! nobody's connection is ours, no key is kept, no window asks. The program is neither built nor tested
//! for this system; what each place is to be filled with stands beside it.

mod browser;
mod connection;
mod extension;
mod files;
mod service;

pub use browser::{
    CERTIFICATE_STORE, browser_policies, native_messaging, policy_line, shell_word,
    usual_browser_store,
};
pub use connection::{foreign_listener, is_administrator, is_own_connection};
pub use extension::{
    ExtensionListener, ExtensionStream, connect_extension, extension_address, is_own_peer,
};
pub use files::{
    create_private, data_folder, inherited_file, is_open_to_others, keep_private, seal, unseal,
};
pub use service::{
    REMEDIES, inherited_listeners, install, locale, pin_window, plugged_readers,
    smart_card_programs, start_line, stop_signal, uninstall,
};

/// What a place answers that is not filled.
fn unsupported() -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}
