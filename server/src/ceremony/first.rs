//! The authorities of an instance to come, as a ceremony elsewhere made them: root and issuing
//! authorities, and the root's list, nothing less and nothing else.

use sekisho_ca::{
    authority::Publication,
    ceremony::{Act, Candidate, JudgeError, JudgedList, ListFault, Step},
    record::IssuedCertificate,
};
use sekisho_store::crl::Crl;
use time::OffsetDateTime;

use super::{VerifiedResult, install::judge_under, lists::as_published};
use crate::authority::Line;

/// What a first ceremony made, judged.
#[derive(Debug)]
pub struct FirstAuthorities {
    /// The trust anchor.
    pub root: IssuedCertificate,
    /// One of each line.
    pub issuing: Vec<FirstAuthority>,
    /// The root's list.
    pub list: Crl,
    /// As the people compared it.
    pub hash: [u8; 32],
    /// The plan's title.
    pub title: String,
}

/// An issuing authority.
#[derive(Debug)]
pub struct FirstAuthority {
    /// The first identifier of its line.
    pub id: String,
    /// Its certificate.
    pub certificate: IssuedCertificate,
}

/// Why no instance is made of a result.
#[derive(Debug, thiserror::Error)]
pub enum FirstError {
    /// Something that a first ceremony has not got.
    #[error(
        "{0} has no place in an instance to come: its root, terminals, routers and servers have"
    )]
    Unexpected(String),
    /// Something is missing.
    #[error("the ceremony did not make {0}")]
    Lacks(String),
    /// The root.
    #[error("{file} is refused")]
    Root {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: Box<JudgeError>,
    },
    /// The root's list.
    #[error("{file} is refused")]
    List {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: ListFault,
    },
    /// An issuing authority.
    #[error(transparent)]
    Issuing(#[from] super::InstallError),
}

impl FirstAuthorities {
    /// Judges every result as if a stranger had brought it. Whose keys they are is for the caller to say.
    ///
    /// # Errors
    /// [`FirstError`]: the first thing that does not fit.
    pub fn judge(
        result: &VerifiedResult,
        publication_base: &str,
        now: OffsetDateTime,
    ) -> Result<Self, FirstError> {
        let root = root(result, publication_base, now)?;
        let (mut issuing, mut list) = (Vec::<FirstAuthority>::new(), None);
        for (step, der) in result.steps() {
            let unexpected = || FirstError::Unexpected(step.file.clone());
            match &step.act {
                _ if step.issuer != "root" => return Err(unexpected()),
                Act::Certificate { profile, subject } if profile == "issuing" => {
                    let is_new = issuing.iter().all(|one| one.id != *subject);
                    if !is_new || !Line::ALL.iter().any(|line| line.id() == subject) {
                        return Err(unexpected());
                    }
                    let certificate =
                        judge_under(step, "issuing", der, &root.der, publication_base, now)?;
                    issuing.push(FirstAuthority { id: subject.clone(), certificate });
                }
                Act::Certificate { .. } if is_root(step) => {}
                Act::Certificate { .. } => return Err(unexpected()),
                Act::Crl { .. } => {
                    let judged = JudgedList::judge(der, &root.der, now)
                        .map_err(|source| FirstError::List { file: step.file.clone(), source })?;
                    list = Some(as_published(&judged));
                }
            }
        }
        if let Some(line) =
            Line::ALL.iter().find(|line| issuing.iter().all(|one| one.id != line.id()))
        {
            return Err(FirstError::Lacks(format!("the authority `{}`", line.id())));
        }
        let list = list.ok_or_else(|| FirstError::Lacks("the root's list".to_owned()))?;
        let statement = &result.statement;
        let (hash, title) = (statement.hash(), statement.title().to_owned());
        Ok(Self { root, issuing, list, hash, title })
    }
}

fn is_root(step: &Step) -> bool {
    matches!(&step.act, Act::Certificate { profile, subject } if profile == "root" && subject == "root")
}

fn root(
    result: &VerifiedResult,
    publication_base: &str,
    now: OffsetDateTime,
) -> Result<IssuedCertificate, FirstError> {
    let mut roots = result.steps().filter(|(step, _)| is_root(step));
    let (step, der) = roots.next().ok_or_else(|| FirstError::Lacks("a root".to_owned()))?;
    if let Some((second, _)) = roots.next() {
        return Err(FirstError::Unexpected(second.file.clone()));
    }
    let candidate = Candidate {
        der,
        profile: "root",
        issuer_id: "root",
        issuer_der: der,
        publication: &Publication::under(publication_base, "root", false),
    };
    candidate
        .judge(now)
        .map_err(|source| FirstError::Root { file: step.file.clone(), source: Box::new(source) })
}
