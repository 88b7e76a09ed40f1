//! The authorities of this instance: those that sign here, and the root, which does not.

use std::sync::{Arc, PoisonError, RwLock};

use sekisho_ca::{
    authority::Authority,
    revocation::ocsp::{OcspResponder, OcspResponders},
};

/// Identifiers of the issuing authorities, as in the register and in file names.
pub const ISSUING: [&str; 3] = ["terminals", "routers", "servers"];

/// The root's certificate and the issuing authorities with their keys.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The trust anchor, DER. Its key is not here.
    pub(crate) root_der: Vec<u8>,
    pub(crate) terminals: Authority,
    pub(crate) routers: Authority,
    pub(crate) servers: Authority,
    pub(crate) ocsp: Arc<RwLock<Arc<OcspResponders>>>,
}

impl Authorities {
    /// The trust anchor's certificate, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Issues to facilities' PCs.
    #[must_use]
    pub fn terminals(&self) -> &Authority {
        &self.terminals
    }

    /// Issues to facilities' routers.
    #[must_use]
    pub fn routers(&self) -> &Authority {
        &self.routers
    }

    /// Issues to the network's own servers.
    #[must_use]
    pub fn servers(&self) -> &Authority {
        &self.servers
    }

    /// The issuing authority of this identifier.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Authority> {
        self.issuing().into_iter().find(|authority| authority.id() == id)
    }

    /// All that sign here.
    #[must_use]
    pub fn issuing(&self) -> [&Authority; 3] {
        [&self.terminals, &self.routers, &self.servers]
    }

    /// Who answers by OCSP now.
    #[must_use]
    pub fn ocsp(&self) -> Arc<OcspResponders> {
        // Only whole values are ever put in.
        Arc::clone(&self.ocsp.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets others answer by OCSP from the next question on.
    pub(crate) fn replace_ocsp(&self, responders: Vec<OcspResponder>) {
        let responders = Arc::new(OcspResponders::new(responders));
        *self.ocsp.write().unwrap_or_else(PoisonError::into_inner) = responders;
    }
}
