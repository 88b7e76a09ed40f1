//! What lists published after a backup still tell: numbers that were used, certificates that were
//! taken back.
//!
//! A number given again to another list would make relying parties keep the older one, and a
//! revocation that the backup does not know must not end with the next list.

use std::path::{Path, PathBuf};

use const_oid::AssociatedOid;
use der::Decode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_pki::{
    encoding::{instant, serial::Serial},
    path::Crl,
    signature::object::public_key_of,
};
use sekisho_store::{Store, StoreError, issuer};
use time::OffsetDateTime;
use x509_cert::{
    crl::{CertificateList, RevokedCert},
    ext::pkix::{CrlNumber, CrlReason},
};

use crate::{
    instance,
    revocation::{self, Measure, Order, RevocationError, Target},
};

/// A list that was published.
pub(super) struct List {
    path: PathBuf,
    der: Vec<u8>,
    list: CertificateList,
}

/// What the lists added to what the backup knew.
#[derive(Debug, Default)]
pub struct Published {
    /// Authorities whose numbers go on from a published list, and that number.
    pub numbers: Vec<(String, i64)>,
    /// Certificates that were taken back or held since.
    pub revoked: Vec<(String, String)>,
    /// Serial numbers of certificates that were issued and taken back since: the backup does not
    /// know them. Issuer and serial number, hexadecimal.
    pub unknown: Vec<(String, String)>,
}

/// Why the lists cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// A file.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a list.
    #[error("{} is no certificate revocation list (DER or PEM)", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// Not a list of ours.
    #[error("{} is not signed by an authority of this backup", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// A revocation could not be carried out again.
    #[error("a published revocation could not be carried out again")]
    Revocation(#[from] RevocationError),
}

/// Reads every file of the folder.
pub(super) fn read(folder: &Path) -> Result<Vec<List>, PublishedError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PublishedError::File { path, source }
    };
    let mut lists = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let octets = std::fs::read(&path).map_err(failed(&path))?;
        let malformed = || PublishedError::Malformed { path: path.clone() };
        let der = if octets.starts_with(b"-----") {
            let (label, der) = der::pem::decode_vec(&octets).map_err(|_| malformed())?;
            if label != "X509 CRL" {
                return Err(malformed());
            }
            der
        } else {
            octets
        };
        let list = CertificateList::from_der(&der).map_err(|_| malformed())?;
        lists.push(List { path, der, list });
    }
    Ok(lists)
}

/// Takes numbers and revocations of the lists into the restored database. Anything that a list does
/// not say stays as the backup has it: what was held is held.
pub(super) async fn learn(
    store: &Store,
    lists: &[List],
    at: OffsetDateTime,
) -> Result<Published, PublishedError> {
    let mut learnt = Published::default();
    let issuers = issuer::list(&mut store.read()).await?;
    for list in lists {
        let signed_by = issuers.iter().find(|issuer| is_by(list, &issuer.certificate_der));
        let Some(issuer) = signed_by else {
            return Err(PublishedError::Foreign { path: list.path.clone() });
        };
        if let Some(number) = list.number()
            && store.pass_crl_number(&issuer.id, number, at).await?
        {
            learnt.numbers.push((issuer.id.clone(), number));
        }
        for entry in list.list.tbs_cert_list.revoked_certificates.iter().flatten() {
            learn_entry(store, &issuer.id, entry, &mut learnt, at)
                .await
                .map_err(|error| error.in_list(list))?;
        }
    }
    Ok(learnt)
}

async fn learn_entry(
    store: &Store,
    issuer_id: &str,
    entry: &RevokedCert,
    learnt: &mut Published,
    at: OffsetDateTime,
) -> Result<(), EntryError> {
    let serial = Serial::from_x509(&entry.serial_number).map_err(|_| EntryError::Malformed)?;
    let measure = match reason_of(entry)? {
        // A hold that had ended: the complete list of that number does not show it either.
        CrlReason::RemoveFromCRL => return Ok(()),
        CrlReason::CertificateHold => Measure::Hold,
        other => Measure::Revoke(
            RevocationReason::from_code(other as u8).unwrap_or(RevocationReason::Unspecified),
        ),
    };
    let name = || (issuer_id.to_owned(), hex::encode(serial.as_octets()));
    let order = Order {
        target: Target::Certificate {
            issuer_id: issuer_id.to_owned(),
            serial: serial.as_octets().to_vec(),
        },
        measure,
        invalidity_at: None,
        note: format!("published since {}", instant::from_time(&entry.revocation_date).date()),
        actor: instance::operator(),
        at,
    };
    match revocation::carry_out(store, &order).await {
        Ok(outcome) if outcome.changed => learnt.revoked.push(name()),
        // Held when that list was signed, and revoked since.
        Ok(_) | Err(RevocationError::CertificateRevoked { .. }) => {}
        Err(RevocationError::NotFound { .. }) => {
            learnt.unknown.push(name());
            match store.reserve_serial(issuer_id, serial.as_octets(), at).await {
                Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(PublishedError::from(error).into()),
            }
        }
        Err(error) => return Err(PublishedError::from(error).into()),
    }
    Ok(())
}

/// What is wrong with an entry, before it is known of which list.
enum EntryError {
    Malformed,
    Other(PublishedError),
}

impl From<PublishedError> for EntryError {
    fn from(error: PublishedError) -> Self {
        Self::Other(error)
    }
}

impl EntryError {
    fn in_list(self, list: &List) -> PublishedError {
        match self {
            Self::Malformed => PublishedError::Malformed { path: list.path.clone() },
            Self::Other(error) => error,
        }
    }
}

fn reason_of(entry: &RevokedCert) -> Result<CrlReason, EntryError> {
    let extensions = entry.crl_entry_extensions.iter().flatten();
    match extensions.into_iter().find(|extension| extension.extn_id == CrlReason::OID) {
        None => Ok(CrlReason::Unspecified),
        Some(extension) => {
            CrlReason::from_der(extension.extn_value.as_bytes()).map_err(|_| EntryError::Malformed)
        }
    }
}

impl List {
    fn number(&self) -> Option<i64> {
        let extensions = self.list.tbs_cert_list.crl_extensions.iter().flatten();
        let number =
            extensions
                .into_iter()
                .find(|extension| extension.extn_id == CrlNumber::OID)
                .and_then(|extension| CrlNumber::from_der(extension.extn_value.as_bytes()).ok())?;
        // Ours are 64-bit counters; a longer one is none of them.
        number
            .0
            .as_bytes()
            .iter()
            .try_fold(0_i64, |value, octet| value.checked_mul(256)?.checked_add(i64::from(*octet)))
    }
}

/// Whether the list is signed by the key of this certificate.
fn is_by(list: &List, issuer_der: &[u8]) -> bool {
    let Some(key) = public_key_of(issuer_der) else { return false };
    Crl::parse(&list.der).is_ok_and(|crl| crl.verify(&key).is_ok())
}
