//! The issuance ceremony: the only road to a signature over a certificate.
//!
//! 1. a serial number is taken from those that were drawn and reserved;
//! 2. the TBSCertificate is built from the profile;
//! 3. it is linted, signed by a throwaway key, and becomes a [`LintedTbs`];
//! 4. the intention, with the very octets, is recorded;
//! 5. the octets are signed, and the signature is verified;
//! 6. the certificate is recorded;
//! 7. and only then given out.
//!
//! Power may fail after any step: a certificate that might exist is known by its intention, and
//! a serial number is never used twice. A [`LintedTbs`] comes from linting only and is consumed
//! by signing, so steps 3 and 5 cannot be taken in another order.
//!
//! Where the key is with another process, step 5 asks that one, and it takes step 3 once more over
//! the octets of step 4 ([`crate::oversight`]).
//!
//! # What does not compile
//!
//! Each of these differs in one thing from what does compile, which stands first.
//!
//! An authority shows its certificate, and never its key:
//! ```
//! fn look(authority: &sekisho_ca::authority::Authority) { authority.public_key_der(); }
//! ```
//! ```compile_fail,E0624
//! fn look(authority: &sekisho_ca::authority::Authority) { authority.key(); }
//! ```
//! ```compile_fail,E0616
//! fn look(authority: &sekisho_ca::authority::Authority) { let _ = &authority.key; }
//! ```
//! What passed the lint comes from the lint alone, and once:
//! ```
//! fn octets(linted: &sekisho_ca::lint::LintedTbs) -> &[u8] { linted.tbs_der() }
//! ```
//! ```compile_fail,E0451
//! let linted = sekisho_ca::lint::LintedTbs { tbs_der: Vec::new() };
//! ```
//! ```compile_fail,E0277
//! fn copied<T: Clone>() {}
//! copied::<sekisho_ca::lint::LintedTbs>();
//! ```
//! ```compile_fail,E0603
//! use sekisho_ca::lint::lint;
//! ```
//! The steps cannot be taken one by one from outside:
//! ```
//! use sekisho_ca::issuance::ApprovedRequest;
//! ```
//! ```compile_fail,E0603
//! use sekisho_ca::issuance::sign;
//! ```
//! ```compile_fail,E0603
//! use sekisho_ca::issuance::Draft;
//! ```
//! ```compile_fail,E0603
//! use sekisho_ca::issuance::Issuer;
//! ```
//! ```compile_fail,E0603
//! use sekisho_ca::issuance::tbs;
//! ```
//! What was approved comes from registration, and what is proven from its proof:
//! ```
//! use sekisho_ca::request::{RequestError, UnverifiedRequest, VerifiedRequest};
//! fn prove(request: UnverifiedRequest) -> Result<VerifiedRequest, RequestError> {
//!     request.verify()
//! }
//! ```
//! ```compile_fail,E0308
//! use sekisho_ca::request::{RequestError, UnverifiedRequest, VerifiedRequest};
//! fn prove(request: UnverifiedRequest) -> Result<VerifiedRequest, RequestError> {
//!     Ok(request)
//! }
//! ```
//! ```compile_fail,E0277
//! fn made<T: Default>() {}
//! made::<sekisho_ca::issuance::ApprovedRequest>();
//! ```
//! ```compile_fail,E0616
//! fn change(mut approved: sekisho_ca::issuance::ApprovedRequest) {
//!     approved.public_key_der.clear();
//! }
//! ```
//! An unproven request is not approved:
//! ```
//! use sekisho_ca::{profile::Profile, registration::{RegisterEntry, approve_terminal}};
//! fn ask(request: &sekisho_ca::request::VerifiedRequest, entry: &RegisterEntry, profile: &Profile) {
//!     let _ = approve_terminal(request, entry, profile);
//! }
//! ```
//! ```compile_fail,E0308
//! use sekisho_ca::{profile::Profile, registration::{RegisterEntry, approve_terminal}};
//! fn ask(request: &sekisho_ca::request::UnverifiedRequest, entry: &RegisterEntry, profile: &Profile) {
//!     let _ = approve_terminal(request, entry, profile);
//! }
//! ```

pub(crate) mod tbs;
#[cfg(test)]
mod tests;

use der::Decode;
use sekisho_key::{KeyError, Randomness, SignatureAlgorithm, SigningKey};
use sekisho_pki::{
    encoding::{
        instant,
        key_identifier::{fingerprint, public_key_sha256},
        serial::Serial,
        signed_object::{SignedObject, assemble},
    },
    signature::{self, SignatureError},
};
use time::OffsetDateTime;
use x509_cert::{Certificate, ext::pkix::name::GeneralName, name::Name};

use crate::{
    authority::{Authority, Publication},
    lint::{self, LintError, LintedTbs},
    profile::Profile,
    record::{Intention, IssuedCertificate, Record, RecordError, Subscriber},
};

/// What registration decided: this key may have this certificate.
///
/// Made by [`crate::registration`] and by [`crate::ceremony`], by nobody else.
#[derive(Debug, Clone)]
pub struct ApprovedRequest {
    pub(crate) profile: Profile,
    pub(crate) subject: Name,
    pub(crate) alternative_names: Vec<GeneralName>,
    pub(crate) public_key_der: Vec<u8>,
    pub(crate) subscriber: Subscriber,
}

impl ApprovedRequest {
    /// The profile that it was approved for.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }
}

/// Why no certificate was given out.
#[derive(Debug, thiserror::Error)]
pub enum IssuanceError {
    /// The authority's own certificate has ended or not begun.
    #[error("the certificate of authority `{issuer_id}` is not valid now; renew the authority")]
    IssuerNotValid {
        /// The authority.
        issuer_id: String,
    },
    /// Encoding failed: a name too long, a time out of range.
    #[error("the certificate could not be built")]
    Build(#[source] der::Error),
    /// What would be signed breaks a rule. Ours to mend: a profile, an address.
    #[error("the certificate about to be signed breaks a rule")]
    Lint(#[from] LintError),
    /// The record did not take a step.
    #[error("the certificate could not be recorded")]
    Record(#[from] RecordError),
    /// The key did not sign.
    #[error("the authority's key did not sign")]
    Sign(#[from] KeyError),
    /// The key signed something that does not verify: a broken token.
    #[error("the authority's key made a signature that does not verify")]
    FaultySignature(#[source] SignatureError),
}

/// Who signs, as the certificate will say: everything of an authority but its private key, or the
/// root about itself before there is a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issuer<'a> {
    pub(crate) id: &'a str,
    pub(crate) subject: &'a Name,
    pub(crate) public_key_der: &'a [u8],
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) key_identifier: &'a [u8],
    /// `None` for the root about itself.
    pub(crate) validity: Option<(OffsetDateTime, OffsetDateTime)>,
    pub(crate) publication: &'a Publication,
}

impl Authority {
    /// Issues a certificate for an approved request.
    ///
    /// # Errors
    /// [`IssuanceError`]: no certificate is given out; if the intention was recorded, one may
    /// exist and its serial number says so.
    pub async fn issue<R: Record + ?Sized>(
        &self,
        record: &R,
        approved: ApprovedRequest,
        now: OffsetDateTime,
        rng: &dyn Randomness,
    ) -> Result<IssuedCertificate, IssuanceError> {
        let issuer = self.issuer();
        let validity = validity(&issuer, &approved.profile, now)?;
        // 1
        let serial = record.next_serial(issuer.id, rng, now).await?;
        let draft = Draft::new(&issuer, approved, serial, validity)?;
        draft.sign(&**self.key(), record, now).await
    }
}

/// A certificate that was built and linted and waits for its signature.
///
/// A ceremony makes all of its drafts before it asks for any key.
#[derive(Debug)]
pub(crate) struct Draft {
    issuer_id: String,
    /// The only key whose signature makes a certificate of it.
    issuer_spki_der: Vec<u8>,
    linted: LintedTbs,
    approved: ApprovedRequest,
    serial: Serial,
    validity: (OffsetDateTime, OffsetDateTime),
}

impl Draft {
    /// Steps 2 and 3.
    pub(crate) fn new(
        issuer: &Issuer<'_>,
        approved: ApprovedRequest,
        serial: Serial,
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<Self, IssuanceError> {
        // 2
        let tbs_der =
            tbs::build(issuer, &approved, &serial, validity).map_err(IssuanceError::Build)?;
        // 3
        let context = lint::Context { issuer, approved: &approved, serial: &serial };
        let linted = lint::lint(tbs_der, &context)?;
        Ok(Self {
            issuer_id: issuer.id.to_owned(),
            issuer_spki_der: issuer.public_key_der.to_vec(),
            linted,
            approved,
            serial,
            validity,
        })
    }

    /// The octets to sign.
    pub(crate) fn tbs_der(&self) -> &[u8] {
        self.linted.tbs_der()
    }

    /// Steps 4 to 7, by the issuer's key.
    pub(crate) async fn sign<R: Record + ?Sized>(
        self,
        key: &dyn SigningKey,
        record: &R,
        now: OffsetDateTime,
    ) -> Result<IssuedCertificate, IssuanceError> {
        // 4
        record
            .record_intention(&Intention {
                issuer_id: self.issuer_id.clone(),
                serial: self.serial.clone(),
                profile: self.approved.profile.name().to_owned(),
                subscriber: self.approved.subscriber.clone(),
                tbs_der: self.tbs_der().to_vec(),
                at: now,
            })
            .await?;
        let Self { issuer_id, issuer_spki_der, linted, approved, serial, validity } = self;
        // 5
        let der = sign(key, &issuer_spki_der, linted).await?;
        // 6
        let certificate = issued(issuer_id, serial, approved, validity, der, now);
        record.record_certificate(&certificate).await?;
        // 7
        Ok(certificate)
    }

    /// The certificate that an earlier attempt made of this very draft, instead of a second one.
    ///
    /// `None`: `der` does not say what the draft says, or is not signed by the issuer's key.
    pub(crate) fn made_earlier(
        self,
        der: Vec<u8>,
        at: OffsetDateTime,
    ) -> Option<IssuedCertificate> {
        if !is_signed(&self.issuer_spki_der, self.tbs_der(), &der) {
            return None;
        }
        Some(issued(self.issuer_id, self.serial, self.approved, self.validity, der, at))
    }
}

/// Whether `der` is a signed object of exactly these octets, and its signature holds.
pub(crate) fn is_signed(spki_der: &[u8], to_be_signed: &[u8], der: &[u8]) -> bool {
    SignedObject::parse(der, false).is_ok_and(|signed| {
        signed.to_be_signed == to_be_signed
            && signature::verify(spki_der, &signed.algorithm, to_be_signed, &signed.signature)
                .is_ok()
    })
}

fn issued(
    issuer_id: String,
    serial: Serial,
    approved: ApprovedRequest,
    (not_before, not_after): (OffsetDateTime, OffsetDateTime),
    der: Vec<u8>,
    issued_at: OffsetDateTime,
) -> IssuedCertificate {
    IssuedCertificate {
        issuer_id,
        serial,
        profile: approved.profile.name().to_owned(),
        subscriber: approved.subscriber,
        fingerprint: fingerprint(&der),
        public_key_sha256: public_key_sha256(&approved.public_key_der),
        der,
        not_before,
        not_after,
        issued_at,
    }
}

/// From a little before now to the end of the profile's lifetime or of the issuer's.
fn validity(
    issuer: &Issuer<'_>,
    profile: &Profile,
    now: OffsetDateTime,
) -> Result<(OffsetDateTime, OffsetDateTime), IssuanceError> {
    let now = now.replace_nanosecond(0).unwrap_or(now);
    let mut not_before = now - profile.backdate();
    let mut not_after = now + profile.lifetime() - time::Duration::SECOND;
    if let Some((begin, end)) = issuer.validity {
        if now < begin || now >= end {
            return Err(IssuanceError::IssuerNotValid { issuer_id: issuer.id.to_owned() });
        }
        not_before = not_before.max(begin);
        not_after = not_after.min(end);
    }
    Ok((not_before, not_after))
}

/// Takes the token that linting gave out; without one nothing is signed.
async fn sign(
    key: &dyn SigningKey,
    issuer_spki_der: &[u8],
    linted: LintedTbs,
) -> Result<Vec<u8>, IssuanceError> {
    let algorithm = key.algorithm().identifier();
    let signed = key.sign(linted.tbs_der()).await?;
    // By the key that the certificate's issuer has, whichever was asked to sign.
    signature::verify(issuer_spki_der, &algorithm, linted.tbs_der(), &signed)
        .map_err(IssuanceError::FaultySignature)?;
    assemble(linted.tbs_der(), algorithm, &signed).map_err(IssuanceError::Build)
}

impl IssuedCertificate {
    /// What was recorded, or should have been, before it was signed.
    ///
    /// # Errors
    /// [`der::Error`]: the DER is no certificate.
    pub fn intention(&self) -> der::Result<Intention> {
        Ok(Intention {
            issuer_id: self.issuer_id.clone(),
            serial: self.serial.clone(),
            profile: self.profile.clone(),
            subscriber: self.subscriber.clone(),
            tbs_der: SignedObject::parse(&self.der, false)?.to_be_signed.to_vec(),
            at: self.issued_at,
        })
    }

    /// The validity as the certificate says it.
    ///
    /// # Errors
    /// [`der::Error`]: the DER is no certificate.
    pub fn encoded_validity(&self) -> der::Result<(OffsetDateTime, OffsetDateTime)> {
        let certificate = Certificate::from_der(&self.der)?;
        let validity = certificate.tbs_certificate().validity();
        Ok((instant::from_time(&validity.not_before), instant::from_time(&validity.not_after)))
    }
}
