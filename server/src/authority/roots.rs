//! The roots of this instance: one, or two while terminals learn the next one.

use der::{Decode, Encode};
use sekisho_pki::{
    encoding::signed_object::SignedObject, signature, signature::object::public_key_of,
};
use time::OffsetDateTime;
use x509_cert::{Certificate, ext::pkix::BasicConstraints, name::Name};

/// The identifier of the root that the instance was made with.
pub const FIRST_ROOT: &str = "root";

/// Whether this is the identifier of a root: `root`, and `root-2`, `root-3`, … of roll-overs.
#[must_use]
pub fn is_root(id: &str) -> bool {
    root_number(id).is_some()
}

/// The generation of a root: 1 for `root`, 2 for `root-2`.
#[must_use]
pub fn root_number(id: &str) -> Option<u32> {
    if id == FIRST_ROOT {
        return Some(1);
    }
    let number = id.strip_prefix("root-")?.parse::<u32>().ok()?;
    (number > 1 && id == format!("root-{number}")).then_some(number)
}

/// File and address of the certificate of one root by another: `root-2-by-root`.
#[must_use]
pub fn cross_name(subject_id: &str, issuer_id: &str) -> String {
    format!("{subject_id}-by-{issuer_id}")
}

/// A root as the register has it.
#[derive(Debug, Clone)]
pub struct Root {
    /// `root`, `root-2`, …
    pub id: String,
    /// Its certificate, signed by itself.
    pub certificate_der: Vec<u8>,
    /// From when it is told to terminals, and new ones are enrolled with its fingerprint.
    pub active_from: OffsetDateTime,
    /// Whether it is no trust anchor any more.
    pub has_ended: bool,
}

/// One root certified by another (RFC 9810 §4.4: new-with-old, old-with-new).
#[derive(Debug, Clone)]
struct Cross {
    subject_id: String,
    issuer_id: String,
    subject: Name,
    der: Vec<u8>,
}

/// Every root that the instance ever had, and what the ones in force say of each other.
#[derive(Debug, Clone)]
pub struct Roots {
    /// Oldest first; never empty, and not all of them have ended.
    all: Vec<Root>,
    crosses: Vec<Cross>,
}

/// Why roots do not go together.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// There is none, or all have ended.
    #[error("no root of this instance is in force")]
    NoneInForce,
    /// A certificate.
    #[error("a root's certificate cannot be read")]
    Unreadable(#[from] der::Error),
    /// Not what its name says.
    #[error("ca/{0}.crt is not the one root's certificate for the other")]
    NotACross(String),
}

impl Roots {
    /// From the register's roots in any order, and a source of the certificates that those in force
    /// have of each other, by [`cross_name`].
    ///
    /// # Errors
    /// [`RootsError`], or what the source said: one is missing.
    pub fn new<E: From<RootsError>>(
        mut all: Vec<Root>,
        mut cross: impl FnMut(&str) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        all.sort_by_key(|root| root_number(&root.id));
        let mut crosses = Vec::new();
        let in_force: Vec<&Root> = all.iter().filter(|root| !root.has_ended).collect();
        if in_force.is_empty() {
            return Err(RootsError::NoneInForce.into());
        }
        for subject in &in_force {
            for issuer in in_force.iter().filter(|issuer| issuer.id != subject.id) {
                let name = cross_name(&subject.id, &issuer.id);
                let der = cross(&name)?;
                let certified = certifies(&der, subject, issuer).map_err(RootsError::from)?;
                crosses.push(Cross {
                    subject_id: subject.id.clone(),
                    issuer_id: issuer.id.clone(),
                    subject: certified.ok_or(RootsError::NotACross(name))?,
                    der,
                });
            }
        }
        Ok(Self { all, crosses })
    }

    /// An instance that has had no roll-over.
    #[cfg(test)]
    pub(crate) fn only(certificate_der: Vec<u8>) -> Self {
        let root = Root {
            id: FIRST_ROOT.to_owned(),
            certificate_der,
            active_from: OffsetDateTime::UNIX_EPOCH,
            has_ended: false,
        };
        Self { all: vec![root], crosses: Vec::new() }
    }

    /// The one whose fingerprint new terminals are given at this moment: the newest that has begun.
    #[must_use]
    pub fn current(&self, at: OffsetDateTime) -> &Root {
        let mut in_force = self.in_force().peekable();
        // One is in force: it was checked when this was made.
        let first = *in_force.peek().unwrap_or(&&self.all[0]);
        in_force.filter(|root| root.active_from <= at).last().unwrap_or(first)
    }

    /// Those that are trust anchors of this instance, oldest first.
    pub fn in_force(&self) -> impl Iterator<Item = &Root> {
        self.all.iter().filter(|root| !root.has_ended)
    }

    /// What terminals are told (RFC 7030 §4.1.3): the roots, and behind them what they say of each
    /// other. One that has not begun is not told: other processes may not know it yet.
    pub fn told(&self, at: OffsetDateTime) -> impl Iterator<Item = &[u8]> {
        let current = root_number(&self.current(at).id);
        let has_begun = move |id: &str| root_number(id) <= current;
        let roots = self.in_force().filter(move |root| has_begun(&root.id));
        let crosses = self.crosses.iter();
        let crosses =
            crosses.filter(move |one| has_begun(&one.subject_id) && has_begun(&one.issuer_id));
        roots
            .map(|root| root.certificate_der.as_slice())
            .chain(crosses.map(|cross| cross.der.as_slice()))
    }

    /// What leads from a chain's last certificate, whose issuer is a root, to the other roots: who
    /// knows only another one finds the way.
    #[must_use]
    pub fn bridges(&self, last_der: &[u8]) -> Vec<Vec<u8>> {
        let Ok(last) = Certificate::from_der(last_der) else { return Vec::new() };
        let issuer = last.tbs_certificate().issuer();
        let to = self.crosses.iter().filter(|cross| cross.subject == *issuer);
        to.map(|cross| cross.der.clone()).collect()
    }

    /// Whether a certificate was signed by a root that is in force. Each root has a name of its own.
    #[must_use]
    pub fn is_under(&self, certificate: &Certificate) -> bool {
        self.in_force().any(|root| {
            Certificate::from_der(&root.certificate_der).is_ok_and(|root| {
                root.tbs_certificate().subject() == certificate.tbs_certificate().issuer()
            })
        })
    }

    /// A root's certificate, ended or not, or one root's certificate by another, by its name.
    #[must_use]
    pub fn find_certificate(&self, name: &str) -> Option<&[u8]> {
        let root = self.all.iter().find(|root| root.id == name);
        root.map(|root| root.certificate_der.as_slice()).or_else(|| {
            let named = |one: &&Cross| cross_name(&one.subject_id, &one.issuer_id) == name;
            self.crosses.iter().find(named).map(|cross| cross.der.as_slice())
        })
    }
}

/// The subject of a certificate, if it is an authority's, of the one root's name and key, and signed by
/// the other.
fn certifies(der: &[u8], subject: &Root, issuer: &Root) -> der::Result<Option<Name>> {
    let certificate = Certificate::from_der(der)?;
    let tbs = certificate.tbs_certificate();
    let of = Certificate::from_der(&subject.certificate_der)?;
    let is_of_subject = tbs.subject() == of.tbs_certificate().subject()
        && tbs.subject_public_key_info().to_der()?
            == of.tbs_certificate().subject_public_key_info().to_der()?;
    let is_authority =
        tbs.get_extension::<BasicConstraints>()?.is_some_and(|(_, constraints)| constraints.ca);
    let by = public_key_of(&issuer.certificate_der);
    let is_signed = SignedObject::parse(der, false).ok().zip(by).is_some_and(|(signed, spki)| {
        signature::verify(&spki, &signed.algorithm, signed.to_be_signed, &signed.signature).is_ok()
    });
    Ok((is_of_subject && is_authority && is_signed).then(|| tbs.subject().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_told_by_its_name_and_a_number_from_2() {
        for (id, number) in [
            ("root", Some(1)),
            ("root-2", Some(2)),
            ("root-10", Some(10)),
            ("root-1", None),
            ("root-02", None),
            ("root-+2", None),
            ("root-2-by-root", None),
            ("terminals", None),
        ] {
            assert_eq!(root_number(id), number, "{id}");
            assert_eq!(is_root(id), number.is_some(), "{id}");
        }
    }
}
