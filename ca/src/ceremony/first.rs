//! The first ceremony in one go: an authority from nothing.
//!
//! A plan of our own, prepared, reviewed by nobody and run by the same engine as every other.
//! Everything is made in memory and given back; the caller wraps the keys, writes the files and
//! the register, and only then is there an authority. Power may fail before that without loss: no
//! key outlives this process, so no certificate of theirs can be used.

use std::{collections::BTreeMap, sync::Arc};

use sekisho_key::{KeyError, Randomness, RandomnessError, SigningKey, SoftwareKey};
use time::{Duration, OffsetDateTime};

use super::{
    Ceremony, Journal, JournalError, Keys, Live, Made, Material, Plan, PrepareError, Problem,
    RunError,
    plan::{KeyPlace, Origin, PlannedAuthority, PlannedCertificate, PlannedCrl, PlannedKey},
    statement::Step,
};
use crate::{
    authority::{Authority, AuthorityError, Publication},
    issuance::IssuanceError,
    profile::{Profile, ProfileError},
    record::{IssuedCertificate, Record},
    registration::{self, RegistrationError},
    revocation::crl::MOST_ROOT_VALIDITY,
};

/// Identifiers of the issuing authorities, each with what it says of itself.
pub const ISSUING: [(&str, &str); 3] =
    [("terminals", "Terminal CA"), ("routers", "Router CA"), ("servers", "Server CA")];

/// How the authorities are called and where they publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeremonyNames {
    /// The operating body (事業主体) in ASCII: organizationName of each authority.
    pub organisation: String,
    /// What distinguishes this network in the authorities' common names, such as
    /// `Healthcare Network`; a year or generation keeps two roots apart.
    pub network: String,
    /// `http://plain.example[:port]`, where CRLs, OCSP and CA certificates are published.
    pub publication_base: String,
}

/// An authority's certificate, key and first CRL.
#[derive(Debug)]
pub struct MadeAuthority {
    /// `root`, `terminals`, `routers`, `servers`.
    pub id: String,
    /// Its certificate.
    pub certificate: IssuedCertificate,
    /// Its private key.
    pub key: Arc<SoftwareKey>,
    /// Its first CRL, number 1, empty.
    pub crl_der: Vec<u8>,
    /// `thisUpdate` of that CRL.
    pub crl_this_update: OffsetDateTime,
    /// `nextUpdate` of that CRL.
    pub crl_next_update: OffsetDateTime,
    /// The delegated OCSP responder's certificate and key; the root has none.
    pub ocsp_responder: Option<(IssuedCertificate, Arc<SoftwareKey>)>,
    /// Ready to sign.
    pub authority: Authority,
}

/// Everything that the ceremony made.
#[derive(Debug)]
pub struct MadeAuthorities {
    /// The trust anchor. Its key leaves the folder.
    pub root: MadeAuthority,
    /// In the order of [`ISSUING`].
    pub issuing: Vec<MadeAuthority>,
    /// Every certificate that was signed, in the order of signing.
    pub certificates: Vec<IssuedCertificate>,
}

impl MadeAuthorities {
    /// The authority of this identifier.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&MadeAuthority> {
        std::iter::once(&self.root).chain(&self.issuing).find(|made| made.id == id)
    }
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// A name does not fit into a certificate, or an address is none.
    #[error("the ceremony cannot be planned")]
    Plan(#[from] Problem),
    /// A certificate would break a rule.
    #[error("the ceremony cannot be prepared")]
    Prepare(#[from] PrepareError),
    /// Something was not signed.
    #[error("the ceremony failed")]
    Run(#[from] RunError),
    /// No key.
    #[error("a key could not be made")]
    Key(#[from] KeyError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// A shipped profile is wrong.
    #[error("a profile is not valid")]
    Profile(#[from] ProfileError),
    /// No certificate.
    #[error("a certificate could not be issued")]
    Issuance(#[from] IssuanceError),
    /// Certificate and key do not fit.
    #[error("an authority could not be put together")]
    Authority(#[from] AuthorityError),
    /// A responder or server was not approved.
    #[error("a certificate was not approved")]
    Registration(#[from] RegistrationError),
}

const ROOT: &str = "root";

/// Makes a root (P-384), the issuing authorities (P-256) with their OCSP responders, and their
/// first CRLs. Those of the issuing authorities are in force for `crl_validity`, as the ones that
/// follow them; the root's, signed offline, for [`MOST_ROOT_VALIDITY`].
///
/// # Errors
/// [`CeremonyError`]: nothing was made.
pub async fn make_authority(
    now: OffsetDateTime,
    rng: &dyn Randomness,
    names: &CeremonyNames,
    crl_validity: Duration,
) -> Result<MadeAuthorities, CeremonyError> {
    let now = now.replace_nanosecond(0).unwrap_or(now);
    let mut keys = BTreeMap::from([(ROOT.to_owned(), Arc::new(SoftwareKey::generate_p384()?))]);
    for (id, _) in ISSUING {
        for name in [id.to_owned(), responder(id)] {
            keys.insert(name, Arc::new(SoftwareKey::generate_p256()?));
        }
    }
    let plan = plan(now, names, crl_validity)?;
    let public =
        |(name, key): (&String, &Arc<SoftwareKey>)| (name.clone(), key.public_key_der().to_vec());
    let material =
        Material { public_keys: keys.iter().map(public).collect(), certificates: BTreeMap::new() };
    let mut salt = [0; 32];
    rng.fill(&mut salt)?;
    let ceremony = Ceremony::prepare(&plan, &material, &salt)?;
    let signing: Keys =
        keys.iter().map(|(name, key)| (name.clone(), key.clone() as Arc<dyn SigningKey>)).collect();
    let live = Live {
        reviewed_hash: ceremony.statement().hash(),
        operator: "init",
        now,
        journal: &Forgetful,
        progress: &|_, _| (),
    };
    let outcome = ceremony.run(&signing, &live).await?;
    let results: BTreeMap<String, Made> = outcome
        .statement
        .steps()
        .iter()
        .zip(&outcome.results)
        .map(|(step, made)| (step.file.clone(), made.clone()))
        .collect();
    let certificates = outcome.results.into_iter().filter_map(|made| made.certificate).collect();
    let made = |id: &str| made(id, names, &plan, &keys, &results);
    Ok(MadeAuthorities {
        root: made(ROOT)?,
        issuing: ISSUING.into_iter().map(|(id, _)| made(id)).collect::<Result<_, _>>()?,
        certificates,
    })
}

/// Issues a certificate for one of the network's own servers, whose key is in our hands.
///
/// # Errors
/// [`CeremonyError`].
pub async fn issue_server_certificate<R: Record + ?Sized>(
    servers: &Authority,
    record: &R,
    key: &dyn SigningKey,
    dns_names: &[&str],
    now: OffsetDateTime,
    rng: &dyn Randomness,
) -> Result<IssuedCertificate, CeremonyError> {
    let profile = Profile::shipped("server")?;
    let approved = registration::approve_server(key, dns_names, &profile)?;
    Ok(servers.issue(record, approved, now, rng).await?)
}

/// Issues a certificate for the delegated OCSP responder of `authority`.
///
/// # Errors
/// [`CeremonyError`].
pub async fn issue_ocsp_certificate<R: Record + ?Sized>(
    authority: &Authority,
    record: &R,
    key: &dyn SigningKey,
    now: OffsetDateTime,
    rng: &dyn Randomness,
) -> Result<IssuedCertificate, CeremonyError> {
    let profile = Profile::shipped("ocsp_responder")?;
    let approved = registration::approve_ocsp_responder(authority, key, &profile)?;
    Ok(authority.issue(record, approved, now, rng).await?)
}

fn plan(
    now: OffsetDateTime,
    names: &CeremonyNames,
    crl_validity: Duration,
) -> Result<Plan, CeremonyError> {
    let base = names.publication_base.trim_end_matches('/');
    let mut plan = Plan::begin("init", now, &names.organisation, base)?;
    let all = || std::iter::once((ROOT, "Root CA")).chain(ISSUING);
    for (id, _) in all() {
        plan.add_key(given(id))?;
        if id != ROOT {
            plan.add_key(given(&responder(id)))?;
        }
    }
    for (id, title) in all() {
        plan.add_authority(PlannedAuthority {
            id: id.to_owned(),
            key: id.to_owned(),
            origin: Origin::New { common_name: format!("{} {title}", names.network) },
        })?;
    }
    let root = Profile::shipped("root")?;
    // An issuing authority made together with its root ends with it at the latest.
    let root_not_after = now + root.lifetime() - Duration::SECOND;
    plan.add_certificate(planned(root, ROOT, ROOT, ROOT, root_not_after))?;
    for (id, _) in ISSUING {
        let issuing = Profile::shipped("issuing")?;
        let not_after = (now + issuing.lifetime() - Duration::SECOND).min(root_not_after);
        plan.add_certificate(planned(issuing, id, ROOT, id, not_after))?;
        let profile = Profile::shipped("ocsp_responder")?;
        let ends = (now + profile.lifetime() - Duration::SECOND).min(not_after);
        plan.add_certificate(planned(profile, id, id, &responder(id), ends))?;
    }
    for (id, _) in all() {
        let validity = if id == ROOT { MOST_ROOT_VALIDITY } else { crl_validity };
        plan.add_crl(PlannedCrl {
            issuer: id.to_owned(),
            number: 1,
            next_update: now + validity,
            revoked: Vec::new(),
        })?;
    }
    Ok(plan.finish()?)
}

fn given(name: &str) -> PlannedKey {
    PlannedKey { name: name.to_owned(), place: KeyPlace::Given }
}

fn planned(
    profile: Profile,
    subject: &str,
    issuer: &str,
    key: &str,
    not_after: OffsetDateTime,
) -> PlannedCertificate {
    PlannedCertificate {
        profile,
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        key: key.to_owned(),
        not_after,
    }
}

fn responder(id: &str) -> String {
    format!("ocsp-{id}")
}

/// An authority of the plan with its results; a ceremony that succeeded has them all.
fn made(
    id: &str,
    names: &CeremonyNames,
    plan: &Plan,
    keys: &BTreeMap<String, Arc<SoftwareKey>>,
    results: &BTreeMap<String, Made>,
) -> Result<MadeAuthority, CeremonyError> {
    let lacking = |name: String| CeremonyError::Prepare(PrepareError::NoKey(name));
    let certificate = |file: &str| results.get(file).and_then(|made| made.certificate.clone());
    let key = |name: &str| keys.get(name).cloned().ok_or_else(|| lacking(name.to_owned()));
    let own = certificate(&format!("{id}.crt")).ok_or_else(|| lacking(id.to_owned()))?;
    let list = plan.crls.iter().find(|crl| crl.issuer == id);
    let (crl_next_update, crl_der) = list
        .and_then(|crl| Some((crl.next_update, results.get(&crl.file())?.der.clone())))
        .ok_or_else(|| lacking(id.to_owned()))?;
    let ocsp_responder = match certificate(&format!("{}.crt", responder(id))) {
        Some(certificate) => Some((certificate, key(&responder(id))?)),
        None => None,
    };
    let publication = Publication::under(&names.publication_base, id, id != ROOT);
    let authority = Authority::new(id, &own.der, key(id)?, publication)?;
    Ok(MadeAuthority {
        id: id.to_owned(),
        certificate: own,
        key: key(id)?,
        crl_der,
        crl_this_update: plan.at,
        crl_next_update,
        ocsp_responder,
        authority,
    })
}

/// A journal for keys that are in memory: when the process ends, nobody has them, and whatever
/// they signed is worth nothing.
struct Forgetful;

impl Journal for Forgetful {
    fn find(&self, _step: &Step) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(None)
    }

    fn intend(&self, _step: &Step) -> Result<(), JournalError> {
        Ok(())
    }

    fn keep(&self, _step: &Step, _der: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }
}
