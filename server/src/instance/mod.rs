//! An instance: the folder that `sekisho init` makes, and the running service made of it.

mod ca_keys;
mod create;
mod database;
mod folder;
mod in_use;
mod new_folder;
mod open;
mod passphrase;
mod responder;
mod root_key;
mod run;
mod secrets;
mod server_certificate;
mod token;

#[cfg(test)]
mod former_key_tests;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use ca_keys::in_token;
pub use ca_keys::{CaKeys, SignerMismatch};
#[cfg(unix)]
pub(crate) use ca_keys::{open_key as open_ca_key, public_key, responder_name, token_of};
#[cfg(test)]
pub(crate) use create::fill_register;
pub use create::{
    Asked, Asking, Completion, CreateError, Created, FIRST_USE_PATH, Plan, ask, complete, create,
    create_and_show, fingerprint_groups, fingerprint_hex,
};
pub(crate) use create::{configuration_text, operator, user_and_host};
pub(crate) use database::check_database;
pub use database::{DatabaseError, open_database};
pub use folder::{Folder, FolderError};
pub(crate) use folder::{certificates_pem, database_file};
pub use in_use::{InUse, InUseError};
pub(crate) use new_folder::NewFolder;
pub use new_folder::NewFolderError;
pub use open::{OpenError, Opened};
pub(crate) use open::{first_certificate, issuers_of_folder};
pub use passphrase::{human_passphrase, machine_passphrase};
pub use responder::renew_ocsp_responders;
pub(crate) use responder::{renew_ocsp_responder, settle as settle_responder};
pub use root_key::{RootKeyState, find_root_key};
pub use run::{Ready, RunError, run};
pub use secrets::sealing_key;
pub use secrets::{SecretsError, audit_public_keys};
pub(crate) use secrets::{open_key, open_or_make_key, read_passphrase};
pub(crate) use server_certificate::check as check_server_certificates;
pub use server_certificate::{ServerCertificateError, renew_server_certificates};
pub use token::{CaToken, TokenError};
