//! The first ceremony: an authority from nothing.
//!
//! Everything is made in memory and given back; the caller wraps the keys, writes the files and
//! the register, and only then is there an authority. Power may fail before that without loss: no
//! key outlives this process, so no certificate of theirs can be used.

use std::sync::Arc;

use sekisho_key::{KeyError, Randomness, SigningKey, SoftwareKey};
use sekisho_pki::encoding::{
    key_identifier::key_identifier,
    name::{Part, name},
};
use time::{Duration, OffsetDateTime};
use x509_cert::name::Name;

use crate::{
    authority::{Authority, AuthorityError, Publication},
    issuance::{self, ApprovedRequest, IssuanceError, Issuer},
    profile::{Profile, ProfileError},
    record::{IssuedCertificate, MemoryRecord, Record, Subscriber},
    registration::{self, RegistrationError},
    revocation::crl::{CrlError, MOST_ROOT_VALIDITY},
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
    /// What was reserved, intended and signed, to be written into the register in this order.
    pub record: MemoryRecord,
}

impl MadeAuthorities {
    /// The authority of this identifier.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&MadeAuthority> {
        std::iter::once(&self.root).chain(&self.issuing).find(|made| made.id == id)
    }
}

/// Why the ceremony stopped.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// A name does not fit into a certificate.
    #[error("the name `{text}` cannot be used: 1 to 64 ASCII characters")]
    Name {
        /// Which.
        text: String,
    },
    /// No key.
    #[error("a key could not be made")]
    Key(#[from] KeyError),
    /// A shipped profile is wrong.
    #[error("a profile is not valid")]
    Profile(#[from] ProfileError),
    /// No certificate.
    #[error("a certificate could not be issued")]
    Issuance(#[from] IssuanceError),
    /// Certificate and key do not fit.
    #[error("an authority could not be put together")]
    Authority(#[from] AuthorityError),
    /// No CRL.
    #[error("a CRL could not be signed")]
    Crl(#[from] CrlError),
    /// A responder or server was not approved.
    #[error("a certificate was not approved")]
    Registration(#[from] RegistrationError),
}

/// How long the first CRL of an issuing authority lives; the running server replaces it daily.
const FIRST_CRL_VALIDITY: Duration = Duration::days(4);

/// Makes a root (P-384), the issuing authorities (P-256) with their OCSP responders, and their
/// first CRLs.
///
/// # Errors
/// [`CeremonyError`]: nothing was made.
pub async fn make_authority(
    now: OffsetDateTime,
    rng: &dyn Randomness,
    names: &CeremonyNames,
) -> Result<MadeAuthorities, CeremonyError> {
    let record = MemoryRecord::default();
    let root = make_root(now, rng, names, &record).await?;
    let mut issuing = Vec::with_capacity(ISSUING.len());
    for (id, title) in ISSUING {
        issuing.push(make_issuing(now, rng, names, &record, &root.authority, id, title).await?);
    }
    Ok(MadeAuthorities { root, issuing, record })
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

async fn make_root(
    now: OffsetDateTime,
    rng: &dyn Randomness,
    names: &CeremonyNames,
    record: &MemoryRecord,
) -> Result<MadeAuthority, CeremonyError> {
    let key = Arc::new(SoftwareKey::generate_p384()?);
    let publication = Publication::under(&names.publication_base, "root", false);
    let subject = authority_name(names, "Root CA")?;
    let identifier = key_identifier(key.public_key_der()).map_err(KeyError::MalformedKey)?;
    let issuer = Issuer {
        id: "root",
        subject: &subject,
        key: &*key,
        key_identifier: &identifier,
        validity: None,
        publication: &publication,
    };
    let approved = ApprovedRequest {
        profile: Profile::shipped("root")?,
        subject: subject.clone(),
        alternative_names: Vec::new(),
        public_key_der: key.public_key_der().to_vec(),
        subscriber: Subscriber::default(),
    };
    let certificate = issuance::certify(&issuer, record, approved, now, rng).await?;
    let authority = Authority::new("root", &certificate.der, key.clone(), publication)?;
    let crl_next_update = now + MOST_ROOT_VALIDITY;
    Ok(MadeAuthority {
        id: "root".to_owned(),
        crl_der: authority.sign_crl(1, &[], now, crl_next_update).await?,
        crl_this_update: now,
        crl_next_update,
        certificate,
        key,
        ocsp_responder: None,
        authority,
    })
}

async fn make_issuing(
    now: OffsetDateTime,
    rng: &dyn Randomness,
    names: &CeremonyNames,
    record: &MemoryRecord,
    root: &Authority,
    id: &str,
    title: &str,
) -> Result<MadeAuthority, CeremonyError> {
    let key = Arc::new(SoftwareKey::generate_p256()?);
    let approved = ApprovedRequest {
        profile: Profile::shipped("issuing")?,
        subject: authority_name(names, title)?,
        alternative_names: Vec::new(),
        public_key_der: key.public_key_der().to_vec(),
        subscriber: Subscriber::default(),
    };
    let certificate = root.issue(record, approved, now, rng).await?;
    let publication = Publication::under(&names.publication_base, id, true);
    let authority = Authority::new(id, &certificate.der, key.clone(), publication)?;
    let responder_key = Arc::new(SoftwareKey::generate_p256()?);
    let responder = issue_ocsp_certificate(&authority, record, &*responder_key, now, rng).await?;
    let crl_next_update = now + FIRST_CRL_VALIDITY;
    Ok(MadeAuthority {
        id: id.to_owned(),
        crl_der: authority.sign_crl(1, &[], now, crl_next_update).await?,
        crl_this_update: now,
        crl_next_update,
        certificate,
        key,
        ocsp_responder: Some((responder, responder_key)),
        authority,
    })
}

fn authority_name(names: &CeremonyNames, title: &str) -> Result<Name, CeremonyError> {
    let common_name = format!("{} {title}", names.network);
    for text in [&names.organisation, &common_name] {
        if !text.is_ascii() {
            return Err(CeremonyError::Name { text: text.clone() });
        }
    }
    name(&[
        Part::Country("JP"),
        Part::Organization(&names.organisation),
        Part::CommonName(&common_name),
    ])
    .map_err(|_| CeremonyError::Name { text: format!("{}, {common_name}", names.organisation) })
}
