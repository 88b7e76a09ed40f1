//! Linux: PC/SC is pcscd, windows are pinentry's, the browser's certificates lie in an NSS database, and
//! systemd starts the agent.

mod browser;
mod connection;
mod diag;
mod extension;
mod files;
mod readers;
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
pub use readers::{plugged_readers, smart_card_programs};
pub use service::{
    REMEDIES, inherited_listeners, install, locale, pin_window, start_line, stop_signal, uninstall,
};
