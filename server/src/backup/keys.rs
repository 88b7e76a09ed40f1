//! Whether the keys of a copied folder are of use.

use crate::{
    config::Config,
    instance::{Folder, Opened, check_server_certificates, issuers_of_folder},
};

use super::BackupError;

/// Opens every key that the service needs and holds it against its certificate.
pub(super) fn try_keys(folder: &Folder, config: &Config) -> Result<Opened, BackupError> {
    let listen = config.listen();
    let names = config.host_names().origins(listen.tls()[0].port(), listen.plain()[0].port());
    let issuers = issuers_of_folder(folder)?;
    let opened = Opened::open(folder, &names, config.authority().crl_partitions(), &issuers)?;
    check_server_certificates(folder, &opened.passphrase)?;
    Ok(opened)
}
