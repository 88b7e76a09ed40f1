//! Windows: PC/SC is the smart card service, the PIN window is our own, Edge and Chrome read the user's
//! certificate store, and the user's `Run` key starts the agent.
//!
//! Win32 is called through safe libraries. Two calls have none that is safe *and* fit: each stands in a
//! function of its own that allows `unsafe_code` and says why ([`pin_window`], [`extension`]).

mod browser;
mod certificates;
mod connection;
mod extension;
mod files;
mod pin_window;
mod registry;
mod service;
mod user;

pub use browser::{
    browser_policies, native_messaging, policy_line, shell_word, usual_browser_store,
};
pub use certificates::CERTIFICATE_STORE;
pub use connection::{foreign_listener, is_own_connection};
pub use extension::{
    ExtensionListener, ExtensionStream, connect_extension, extension_address, is_own_peer,
};
pub use files::{
    create_private, data_folder, inherited_file, is_open_to_others, keep_private, seal, unseal,
};
pub use pin_window::pin_window;
pub use service::{
    REMEDIES, inherited_listeners, install, locale, plugged_readers, smart_card_programs,
    start_line, stop_signal, uninstall,
};
pub use user::is_administrator;
