//! The user's certificate store (`CurrentUser\My`, `CA`, `Root`), which Edge and Chrome read.
//!
//! The key comes along in PKCS #12 and goes into the user's key store without the mark that would let it
//! out again.

use std::io::Result;

use schannel::cert_context::CertContext;
use schannel::cert_store::{CertAdd, CertStore, PfxImportOptions};

use crate::platform::{CertificateStore, Supply};

/// The user's own.
pub const CERTIFICATE_STORE: Option<CertificateStore> =
    Some(CertificateStore { name: "the certificate store of this user", replace, holds });

/// By this we know our own again.
const FRIENDLY_NAME: &str = "Sekisho terminal";

/// The new one is in before the old one goes: a stop between leaves two, and the next time one.
fn replace(supply: &Supply<'_>) -> Result<()> {
    let (mut own, mut intermediate) = (open("My")?, open("CA")?);
    let brought = PfxImportOptions::new().password(supply.password).import(supply.pkcs12)?;
    for certificate in brought.certs() {
        if certificate.to_der() == supply.certificate_der {
            certificate.set_friendly_name(FRIENDLY_NAME)?;
            own.add_cert(&certificate, CertAdd::ReplaceExisting)?;
        } else {
            intermediate.add_cert(&certificate, CertAdd::UseExisting)?;
        }
    }
    remove(&own, |held| {
        held.to_der() != supply.certificate_der
            && held.friendly_name().is_ok_and(|name| name == FRIENDLY_NAME)
    })?;
    let mut roots = open("Root")?;
    // The system asks the person before it believes a root; not again for one that it has.
    if !roots.certs().any(|held| held.to_der() == supply.root_der) {
        roots.add_cert(&CertContext::new(supply.root_der)?, CertAdd::UseExisting)?;
    }
    match supply.ended_root_der {
        Some(ended) => remove(&roots, |held| held.to_der() == ended),
        None => Ok(()),
    }
}

fn holds(certificate_der: &[u8]) -> Result<bool> {
    let has_key = |held: &CertContext| held.private_key().silent(true).acquire().is_ok();
    Ok(open("My")?.certs().any(|held| held.to_der() == certificate_der && has_key(&held)))
}

fn open(name: &str) -> Result<CertStore> {
    CertStore::open_current_user(name)
}

fn remove(store: &CertStore, which: impl Fn(&CertContext) -> bool) -> Result<()> {
    // Taken first: the store's own cursor does not survive a removal.
    let found: Vec<CertContext> = store.certs().filter(|held| which(held)).collect();
    found.into_iter().try_for_each(CertContext::delete)
}
