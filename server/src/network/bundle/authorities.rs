//! The authorities by which routers know each other.

use der::Decode;
use sekisho_store::{Queries, StoreError, issuer};
use time::OffsetDateTime;
use x509_cert::Certificate;

use crate::authority::{Line, is_root};

/// The authorities by which routers know each other.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub(super) root_der: Vec<u8>,
    pub(super) root_id: String,
    /// Identifier and certificate of each routers' authority below that root.
    pub(super) issuers: Vec<(String, Vec<u8>)>,
}

impl Authorities {
    /// The newest authority for routers that issues, its root, and the others below the same root.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: the register lacks one of them.
    pub async fn find(queries: &mut impl Queries, at: OffsetDateTime) -> Result<Self, StoreError> {
        let corrupt =
            |detail: &str| StoreError::Corrupt { what: "issuer", detail: detail.to_owned() };
        let all = issuer::list(queries).await?;
        let read =
            |der: &[u8]| Certificate::from_der(der).map_err(|_| corrupt("is no certificate"));
        let newest = all
            .iter()
            .filter(|issuer| {
                Line::of(&issuer.id) == Some(Line::Routers) && issuer.active_from <= at
            })
            .max_by_key(|issuer| issuer.active_from)
            .ok_or_else(|| corrupt("no authority for routers"))?;
        let above = read(&newest.certificate_der)?.tbs_certificate().issuer().clone();
        let mut root = None;
        let mut issuers = Vec::new();
        for issuer in &all {
            let certificate = read(&issuer.certificate_der)?;
            let tbs = certificate.tbs_certificate();
            if is_root(&issuer.id) && *tbs.subject() == above {
                root = Some(issuer);
            } else if Line::of(&issuer.id) == Some(Line::Routers) && *tbs.issuer() == above {
                issuers.push((issuer.id.clone(), issuer.certificate_der.clone()));
            }
        }
        let root = root.ok_or_else(|| corrupt("no root above the authority for routers"))?;
        Ok(Self { root_der: root.certificate_der.clone(), root_id: root.id.clone(), issuers })
    }
}
