//! The roots that a result is judged by: those in force, and the one that it brings.

use sekisho_ca::record::IssuedCertificate;
use sekisho_pki::encoding::key_identifier::public_key_sha256;
use sekisho_store::issuer::Issuer;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::{super::lists::ids_in_force, InstallError, Taken};
use crate::{
    authority::{FIRST_ROOT, cross_name, root_number},
    instance::{Folder, first_certificate},
};

/// Roots by identifier.
pub(super) struct KnownRoots {
    /// As the folder has them, oldest first.
    in_force: Vec<(String, Vec<u8>)>,
    /// Number of the next one.
    next: u32,
    /// Every authority that ever was, whose names and keys are taken.
    registered: Vec<Issuer>,
    /// The one of the result, if the register has not got it.
    new: Option<(String, Vec<u8>)>,
}

impl KnownRoots {
    /// What an instance knows before it looks at a result.
    pub(super) fn of(folder: &Folder, registered: &[Issuer]) -> Result<Self, InstallError> {
        let mut in_force = Vec::new();
        for id in ids_in_force(registered) {
            let der = first_certificate(folder, &id)?;
            in_force.push((id, der));
        }
        let newest = registered.iter().filter_map(|one| root_number(&one.id)).max();
        let registered = registered.to_vec();
        Ok(Self { in_force, next: newest.unwrap_or(1) + 1, registered, new: None })
    }

    /// The certificate of a root that signs here, DER.
    pub(super) fn find(&self, id: &str) -> Option<&[u8]> {
        let mut all = self.in_force.iter().chain(&self.new);
        all.find(|(one, _)| one == id).map(|(_, der)| der.as_slice())
    }

    /// Whether a certificate is of the name and key of this root.
    pub(super) fn is_of(&self, id: &str, der: &[u8]) -> Result<bool, InstallError> {
        let Some(root) = self.find(id) else { return Ok(false) };
        let (one, root) = (Certificate::from_der(der)?, Certificate::from_der(root)?);
        let (one, root) = (one.tbs_certificate(), root.tbs_certificate());
        Ok(one.subject() == root.subject()
            && one.subject_public_key_info() == root.subject_public_key_info())
    }

    /// Takes the result's root: the one that is there, or the next one.
    pub(super) fn add(&mut self, id: &str, root: &IssuedCertificate) -> Result<(), InstallError> {
        if let Some(there) = self.find(id) {
            let is_same = there == root.der;
            return if is_same { Ok(()) } else { Err(InstallError::Other(id.to_owned())) };
        }
        let next = format!("{FIRST_ROOT}-{}", self.next);
        if id != next {
            return Err(InstallError::RootName { id: id.to_owned(), next });
        }
        if let [(first, _), (second, _), ..] = &self.in_force[..] {
            return Err(InstallError::TwoRoots(first.clone(), second.clone()));
        }
        self.check_new(&root.der)?;
        self.new = Some((next, root.der.clone()));
        Ok(())
    }

    /// Programs tell authorities by their names, some by nothing else: docs/decisions/0007.
    fn check_new(&self, der: &[u8]) -> Result<(), InstallError> {
        let root = Certificate::from_der(der)?;
        let root = root.tbs_certificate();
        for issuer in &self.registered {
            let taken = |what| Err(InstallError::NotNew { what, id: issuer.id.clone() });
            let other = Certificate::from_der(&issuer.certificate_der)?;
            let other = other.tbs_certificate();
            if other.subject() == root.subject() {
                return taken("name");
            }
            let key = |of: &x509_cert::TbsCertificate| {
                of.subject_public_key_info().to_der().map(|spki| public_key_sha256(&spki))
            };
            if key(other)? == key(root)? {
                return taken("key");
            }
        }
        Ok(())
    }

    /// With a new root comes what an overlap needs: both cross-certificates and its list.
    pub(super) fn check_whole(&self, taken: &Taken) -> Result<(), InstallError> {
        let Some((new, _)) = &self.new else { return Ok(()) };
        for (old, _) in &self.in_force {
            for name in [cross_name(new, old), cross_name(old, new)] {
                if taken.crosses.iter().all(|(there, _)| *there != name) {
                    return Err(InstallError::Lacks(format!("{name}.crt")));
                }
            }
        }
        if taken.lists.iter().all(|(issuer, _)| issuer != new) {
            return Err(InstallError::Lacks(format!("{new}.crl")));
        }
        Ok(())
    }

    /// Whether the register has the roots by which the result was judged, and no others.
    pub(super) fn check_unchanged(&self, registered: &[Issuer]) -> Result<(), InstallError> {
        let judged: Vec<&str> = self.in_force.iter().map(|(id, _)| id.as_str()).collect();
        if ids_in_force(registered) == judged { Ok(()) } else { Err(InstallError::Meanwhile) }
    }
}
