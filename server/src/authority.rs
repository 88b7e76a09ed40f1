//! The authorities of this instance: those that sign here, and the roots, which do not.

mod roots;

use std::sync::{Arc, PoisonError, RwLock};

use sekisho_ca::{
    authority::Authority,
    revocation::ocsp::{OcspResponder, OcspResponders},
};
use sekisho_store::terminal::Device;
use time::OffsetDateTime;

pub use roots::{FIRST_ROOT, Root, Roots, RootsError, cross_name, is_root, root_number};

/// For whom an authority issues. A roll-over adds a generation to a line and takes none away: the
/// old one issues no more and answers for what it issued until its own certificate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Facilities' PCs.
    Terminals,
    /// Facilities' routers.
    Routers,
    /// The network's own servers.
    Servers,
}

impl Line {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Terminals, Self::Routers, Self::Servers];

    /// The identifier of its first generation, in the register and in file names; the later ones'
    /// have a number behind it: `terminals-2`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Terminals => "terminals",
            Self::Routers => "routers",
            Self::Servers => "servers",
        }
    }

    /// The line that issues to such devices.
    #[must_use]
    pub const fn of_device(device: Device) -> Self {
        match device {
            Device::Pc => Self::Terminals,
            Device::Router => Self::Routers,
        }
    }

    /// The line of an authority, by its identifier.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| {
            id.strip_prefix(line.id()).is_some_and(|rest| {
                let number = rest.strip_prefix('-').and_then(|digits| digits.parse::<u32>().ok());
                rest.is_empty() || number.is_some_and(|n| n > 1 && rest == format!("-{n}"))
            })
        })
    }
}

/// Whether this is the identifier of an authority that another system ran and that was taken over:
/// `imported-1`, `imported-2`, … It is of no line: it answers for what it issued, and issues no more.
#[must_use]
pub fn is_imported(id: &str) -> bool {
    let number = id.strip_prefix("imported-").and_then(|digits| digits.parse::<u32>().ok());
    number.is_some_and(|number| number > 0 && id == format!("imported-{number}"))
}

/// Whether an authority of this identifier has its key here.
#[must_use]
pub fn signs_here(id: &str) -> bool {
    Line::of(id).is_some() || is_imported(id)
}

/// An authority of a line, and from when it issues.
#[derive(Debug, Clone)]
pub struct Generation {
    /// For whom.
    pub line: Line,
    /// From when, unless a later one has begun.
    pub active_from: OffsetDateTime,
    /// The authority with its key.
    pub authority: Authority,
}

/// The roots' certificates and the issuing authorities with their keys.
#[derive(Debug, Clone)]
pub struct Authorities {
    roots: Roots,
    /// One by one, and never without one of each line.
    first: [Generation; 3],
    /// In no order.
    later: Vec<Generation>,
    /// Taken over from other systems.
    imported: Vec<Authority>,
    ocsp: Arc<RwLock<Arc<OcspResponders>>>,
}

impl Authorities {
    /// From the first generation of each line, in the order of [`Line::ALL`], those that came by
    /// roll-over, those that were taken over, and a responder for each.
    #[must_use]
    pub fn new(
        roots: Roots,
        first: [Generation; 3],
        later: Vec<Generation>,
        imported: Vec<Authority>,
        responders: Vec<OcspResponder>,
    ) -> Self {
        let ocsp = Arc::new(RwLock::new(Arc::new(OcspResponders::new(responders))));
        Self { roots, first, later, imported, ocsp }
    }

    /// The roots that they lead to.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The certificate of the root whose fingerprint new terminals are given at this moment, DER.
    #[must_use]
    pub fn root_der(&self, at: OffsetDateTime) -> &[u8] {
        &self.roots.current(at).certificate_der
    }

    /// Who issues to facilities' PCs at this moment.
    #[must_use]
    pub fn terminals(&self, at: OffsetDateTime) -> &Authority {
        self.current(Line::Terminals, at)
    }

    /// Who issues to facilities' routers at this moment.
    #[must_use]
    pub fn routers(&self, at: OffsetDateTime) -> &Authority {
        self.current(Line::Routers, at)
    }

    /// Who issues to the network's own servers at this moment.
    #[must_use]
    pub fn servers(&self, at: OffsetDateTime) -> &Authority {
        self.current(Line::Servers, at)
    }

    /// Who issues in this line at this moment.
    #[must_use]
    pub fn current(&self, line: Line, at: OffsetDateTime) -> &Authority {
        let [terminals, routers, servers] = &self.first;
        let first = match line {
            Line::Terminals => terminals,
            Line::Routers => routers,
            Line::Servers => servers,
        };
        let begun =
            |generation: &&Generation| generation.line == line && generation.active_from <= at;
        let newest =
            self.later.iter().filter(begun).max_by_key(|generation| generation.active_from);
        &newest.unwrap_or(first).authority
    }

    /// Every generation of a line, the first one first.
    pub fn of(&self, line: Line) -> impl Iterator<Item = &Authority> {
        self.generations()
            .filter(move |generation| generation.line == line)
            .map(|generation| &generation.authority)
    }

    /// The authority of this identifier that signs here.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Authority> {
        self.issuing().find(|authority| authority.id() == id)
    }

    /// All that ever signed here, whether or not they issue now.
    pub fn issuing(&self) -> impl Iterator<Item = &Authority> {
        self.generations().map(|generation| &generation.authority).chain(&self.imported)
    }

    /// Those whose certificates count: they sign lists and OCSP answers, whether or not they issue.
    pub fn living(&self, at: OffsetDateTime) -> impl Iterator<Item = &Authority> {
        self.issuing().filter(move |authority| at <= authority.validity().1)
    }

    fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.first.iter().chain(&self.later)
    }

    /// The same, with other authorities in the place of those of the same identifiers.
    #[cfg(test)]
    pub(crate) fn mapped(mut self, change: impl Fn(Authority) -> Authority) -> Self {
        for generation in self.first.iter_mut().chain(&mut self.later) {
            generation.authority = change(generation.authority.clone());
        }
        for authority in &mut self.imported {
            *authority = change(authority.clone());
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_by_its_name_and_a_number_from_2() {
        for (id, line) in [
            ("terminals", Some(Line::Terminals)),
            ("terminals-2", Some(Line::Terminals)),
            ("routers-10", Some(Line::Routers)),
            ("servers", Some(Line::Servers)),
            ("terminals-1", None),
            ("terminals-02", None),
            ("terminals-", None),
            ("terminals2", None),
            ("terminals-2-delta", None),
            ("root", None),
            ("", None),
        ] {
            assert_eq!(Line::of(id), line, "{id}");
            assert_eq!(signs_here(id), line.is_some(), "{id}");
        }
    }

    #[test]
    fn what_was_taken_over_is_of_no_line_and_signs_here() {
        for id in ["imported-1", "imported-20"] {
            assert!(is_imported(id) && signs_here(id) && Line::of(id).is_none(), "{id}");
        }
        for id in ["imported", "imported-", "imported-0", "imported-01", "imported-+1", "import-1"]
        {
            assert!(!is_imported(id) && !signs_here(id), "{id}");
        }
    }
}
