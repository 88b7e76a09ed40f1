//! Whether the keys of a copied folder are of use.

use crate::{
    config::Config,
    instance::{CaKeys, Folder, OpenError, Opened, check_server_certificates, issuers_of_folder},
};

use super::BackupError;

/// Opens every key that the service needs and holds it against its certificate. Those that the signing
/// process holds are in its own folder, which is copied by whoever may read it; those in a token
/// stay there.
pub(super) fn try_keys(folder: &Folder, config: &Config) -> Result<Opened, BackupError> {
    let listen = config.listen();
    let names = config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port());
    let issuers = issuers_of_folder(folder)?;
    let ca_keys = CaKeys::of_copy(folder, config).map_err(OpenError::from)?;
    let partitions = config.authority().crl_partitions();
    let opened = Opened::open(folder, ca_keys, &names, partitions, &issuers)?;
    check_server_certificates(folder, opened.ca_keys.passphrase())?;
    Ok(opened)
}
