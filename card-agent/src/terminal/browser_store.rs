//! Gives browsers what they show the portal: the terminal's certificate and key.
//!
//! | store | who reads it |
//! |---|---|
//! | the system's own, where it has one | Edge and Chrome on Windows |
//! | an NSS database that was named | Chromium, Chrome and Edge on Linux, Firefox everywhere |

use std::path::Path;

use secrecy::ExposeSecret;

use super::key::{self, TerminalKey};
use super::nss::{self, NssError};
use super::place::{Place, at, read};
use crate::platform::{CERTIFICATE_STORE, CertificateStore, Supply};

/// Gives every store of this PC what the folder holds: the system's own, and the NSS database that is
/// named now, or was before. Answers which; none where there is neither. A key in a token reaches the
/// system's store by the token's own driver.
///
/// # Errors
/// [`NssError`].
pub fn supply(place: &Place, nss: Option<&Path>) -> Result<Vec<String>, NssError> {
    let mut supplied = Vec::new();
    if let Some(store) = CERTIFICATE_STORE {
        let key = key::load(place)?;
        if key.token().is_none() {
            supply_system(place, key.as_ref(), &store)?;
            supplied.push(store.name.to_owned());
        }
    }
    supplied.extend(nss::supply(place, nss)?.map(|folder| folder.display().to_string()));
    Ok(supplied)
}

/// Gives the certificate that the folder holds to the stores that lack it.
///
/// # Errors
/// [`NssError`].
pub fn catch_up(place: &Place) -> Result<(), NssError> {
    if let Some(store) = CERTIFICATE_STORE {
        let key = key::load(place)?;
        let holds = (store.holds)(&read(&place.certificate())?);
        if key.token().is_none() && !holds.unwrap_or(false) {
            supply_system(place, key.as_ref(), &store)?;
        }
    }
    nss::catch_up(place)
}

fn supply_system(
    place: &Place,
    key: &dyn TerminalKey,
    store: &CertificateStore,
) -> Result<(), NssError> {
    let (pkcs12, password) = nss::bundle(place, key)?;
    let ended = place.ended_root();
    let ended_root = ended.exists().then(|| read(&ended)).transpose()?;
    let supply = Supply {
        pkcs12: &pkcs12,
        password: password.expose_secret(),
        certificate_der: &read(&place.certificate())?,
        root_der: &read(&place.root())?,
        ended_root_der: ended_root.as_deref(),
    };
    let replaced = (store.replace)(&supply);
    replaced.map_err(|source| NssError::System { store: store.name, source })?;
    // An NSS database of this folder forgets that root, and the file, by itself.
    if ended_root.is_some() && place.settings()?.nss.is_none() {
        std::fs::remove_file(&ended).map_err(at(&ended))?;
    }
    Ok(())
}
