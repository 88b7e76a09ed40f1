//! A look-alike of the HPKI hierarchy, for demonstrations and tests.
//!
//! The same shapes as genuine certificates, with invented names: root → authentication sub-CA →
//! cards with RSA-2048, a critical policy, hcRole in subjectDirectoryAttributes, names in kanji in
//! a directoryName of the subjectAltName, small serial numbers, CRLs only. Nothing here is trusted
//! by anybody who does not configure its root as an anchor, and its names say what it is.
//!
//! [`Forge`] makes single certificates and CRLs with any contents, wrong ones included.

mod forge;
mod jpki;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::{
    Encode,
    asn1::{Any, Ia5String, Ia5StringRef, OctetString},
};
use sekisho_key::{KeyError, RsaSize, SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::name::{Part, name},
    national::{
        hc_role,
        hpki::{POLICY_AUTHENTICATION, POLICY_SIGNING},
    },
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    Certificate,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
            IssuingDistributionPoint, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
            certpolicy::{PolicyInformation, PolicyQualifierInfo},
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName},
        },
    },
    name::Name,
    serial_number::SerialNumber,
};
use zeroize::Zeroizing;

pub use forge::{Forge, ForgedCrl, extension};
pub use jpki::{LookalikeJpki, LookalikeJpkiCard};

/// Policy of the look-alike's authentication sub-CA: another than its cards', as in the genuine
/// hierarchy.
pub const POLICY_SUB_CA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.100495.1.5.1.2.3.1");
const ID_QT_CPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.1");

/// Why the look-alike could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LookalikeError {
    /// No key.
    #[error("a key could not be made or used")]
    Key(#[from] KeyError),
    /// A name or time that does not fit.
    #[error("a certificate could not be encoded")]
    Encoding(#[from] der::Error),
}

/// An authority of the look-alike.
#[derive(Debug)]
pub struct LookalikeAuthority {
    /// Its certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Its key.
    pub key: SoftwareKey,
    /// Its name.
    pub subject: Name,
    issuer: Name,
    serial: u32,
}

/// The whole hierarchy.
#[derive(Debug)]
pub struct LookalikeHpki {
    /// The root, to be configured as an anchor.
    pub root: LookalikeAuthority,
    /// The authentication sub-CA.
    pub sub_ca: LookalikeAuthority,
    /// The directory entry that the root's list for authorities is said to stand in.
    root_list: Name,
    crl_base: String,
}

/// For whom a card is.
#[derive(Debug, Clone)]
pub struct CardHolder<'a> {
    /// Rōmaji, e.g. `Taro Yamada`.
    pub common_name: &'a str,
    /// Kanji with a full-width space, e.g. `山田　太郎`.
    pub kanji_name: &'a str,
    /// The subject's serialNumber, e.g. `DEMO00001`.
    pub serial_number: &'a str,
    /// Role names, e.g. `Medical Doctor`.
    pub roles: &'a [&'a str],
    /// Institution in rōmaji and in Japanese.
    pub organisation: Option<(&'a str, &'a str)>,
}

/// What a certificate on a card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardUse {
    /// 認証用: logging in.
    Authentication,
    /// 署名用: signing documents. Must be refused at login.
    Signing,
}

/// What a software card needs.
#[derive(Debug)]
pub struct LookalikeCard {
    /// The card's certificate, DER.
    pub certificate_der: Vec<u8>,
    /// The sub-CA's certificate, DER.
    pub sub_ca_der: Vec<u8>,
    /// The root's certificate, DER.
    pub root_der: Vec<u8>,
    /// The private key, DER `PrivateKeyInfo`.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// The certificate's serial number, to put on a CRL.
    pub serial: u32,
}

impl LookalikeHpki {
    /// Makes root and sub-CA; `seed` tells several look-alikes apart (0 for the one that is
    /// trusted, others for foreign ones). RSA-2048, so a second or so.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn make(now: OffsetDateTime, seed: u32, crl_base: &str) -> Result<Self, LookalikeError> {
        Self::make_as(&seed.to_string(), now, crl_base)
    }

    /// The same for the invented people of a sandbox. Its names are those of no other look-alike, and
    /// the same each time, so that people stay who they are when it is made anew.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn sandbox(now: OffsetDateTime, crl_base: &str) -> Result<Self, LookalikeError> {
        Self::make_as("Sandbox", now, crl_base)
    }

    fn make_as(mark: &str, now: OffsetDateTime, crl_base: &str) -> Result<Self, LookalikeError> {
        let begin = now - Duration::days(700);
        let end = now + Duration::days(7300);
        let unit = format!("Look-alike HPKI Root CA {mark}");
        let mut parts = vec![
            Part::Country("JP"),
            // With a comma, as the genuine one.
            Part::Organization("Look-alike Ministry, for Demonstrations"),
            Part::OrganizationalUnit("Not a Public Body"),
            Part::OrganizationalUnit(&unit),
        ];
        let root_subject = name(&parts)?;
        parts.push(Part::CommonName("SARL"));
        let root_list = name(&parts)?;
        let root_key = SoftwareKey::generate_rsa(RsaSize::Bits2048)?;
        let mut root_forge = Forge::new(&root_subject, &root_subject, &root_key, begin, end);
        root_forge.serial = 1;
        root_forge.extensions = authority_extensions(&root_key, None)?;
        let root = LookalikeAuthority {
            certificate_der: root_forge.sign(&root_key)?,
            key: root_key,
            issuer: root_subject.clone(),
            subject: root_subject,
            serial: 1,
        };

        let common_name = format!("HPKI-01-Lookalike{mark}AuthCA-forAuthentication-forIndividual");
        let sub_subject = name(&[
            Part::Country("JP"),
            Part::Organization("LOOKALIKE"),
            Part::OrganizationalUnit("LOOKALIKE HPKI CA"),
            Part::CommonName(&common_name),
        ])?;
        let sub_key = SoftwareKey::generate_rsa(RsaSize::Bits2048)?;
        let mut sub_forge = Forge::new(&root.subject, &sub_subject, &sub_key, begin, end);
        sub_forge.serial = 5;
        sub_forge.extensions = authority_extensions(&sub_key, Some(&root))?;
        sub_forge.extensions.push(policies(POLICY_SUB_CA, "http://repository.lookalike.example/")?);
        sub_forge.extensions.push(distribution(&root_list, &format!("{crl_base}/root.crl"))?);
        let sub_ca = LookalikeAuthority {
            certificate_der: sub_forge.sign(&root.key)?,
            key: sub_key,
            issuer: root.subject.clone(),
            subject: sub_subject,
            serial: 5,
        };
        Ok(Self { root, sub_ca, root_list, crl_base: crl_base.to_owned() })
    }

    /// A card's certificate as it should be, not yet signed: to be signed by the sub-CA, or
    /// spoilt first.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn forge_card(
        &self,
        holder: &CardHolder<'_>,
        used_for: CardUse,
        key: &SoftwareKey,
        serial: u32,
        (not_before, not_after): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Forge, LookalikeError> {
        let mut parts = vec![Part::Country("JP")];
        let mut japanese = vec![Part::Country("JP")];
        if let Some((romaji, kanji)) = holder.organisation {
            parts.push(Part::Organization(romaji));
            japanese.push(Part::Organization(kanji));
        }
        for (parts, common_name) in
            [(&mut parts, holder.common_name), (&mut japanese, holder.kanji_name)]
        {
            parts.push(Part::CommonName(common_name));
            parts.push(Part::SerialNumber(holder.serial_number));
        }
        let mut forge =
            Forge::new(&self.sub_ca.subject, &name(&parts)?, key, not_before, not_after);
        forge.serial = serial;
        let (usage, policy) = match used_for {
            CardUse::Authentication => (KeyUsages::DigitalSignature, POLICY_AUTHENTICATION),
            CardUse::Signing => (KeyUsages::NonRepudiation, POLICY_SIGNING),
        };
        forge.extensions = vec![
            authority_key_identifier(&self.sub_ca)?,
            subject_key_identifier(key)?,
            extension(true, &KeyUsage(usage.into()))?,
            extension(false, &SubjectAltName(vec![GeneralName::DirectoryName(name(&japanese)?)]))?,
            distribution_url(&format!("{}/auth.crl", self.crl_base))?,
            Extension {
                extn_id: rfc5280::ID_CE_SUBJECT_DIRECTORY_ATTRIBUTES,
                critical: false,
                extn_value: OctetString::new(hc_role::to_extension_value(holder.roles)?)?,
            },
            policies(policy, "http://repository.lookalike.example/")?,
        ];
        Ok(forge)
    }

    /// Makes a key and its card certificate, valid between these instants.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn issue_card(
        &self,
        holder: &CardHolder<'_>,
        used_for: CardUse,
        serial: u32,
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<LookalikeCard, LookalikeError> {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits2048)?;
        let forge = self.forge_card(holder, used_for, &key, serial, validity)?;
        Ok(LookalikeCard {
            certificate_der: forge.sign(&self.sub_ca.key)?,
            sub_ca_der: self.sub_ca.certificate_der.clone(),
            root_der: self.root.certificate_der.clone(),
            key_pkcs8: key.pkcs8_der()?,
            serial,
        })
    }

    /// The sub-CA's CRL with these serial numbers, in force for four days from `this_update`.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn card_crl(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
    ) -> Result<Vec<u8>, LookalikeError> {
        self.sub_ca.crl(revoked, this_update, Duration::days(4), None)
    }

    /// The root's CRL (ARL) with these serial numbers, in force for a year from `this_update`;
    /// with a critical issuingDistributionPoint of
    /// a directory entry and for authorities only, as the genuine ones.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn root_crl(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
    ) -> Result<Vec<u8>, LookalikeError> {
        self.authorities_crl(revoked, this_update, Duration::days(365))
    }

    /// The lists of root and sub-CA by which nothing is revoked until `next_update`.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn crls(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<(Vec<u8>, Vec<u8>), LookalikeError> {
        let lifetime = next_update - this_update;
        let of_root = self.authorities_crl(&[], this_update, lifetime)?;
        Ok((of_root, self.sub_ca.crl(revoked, this_update, lifetime, None)?))
    }

    fn authorities_crl(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<Vec<u8>, LookalikeError> {
        let scope = IssuingDistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![
                GeneralName::DirectoryName(self.root_list.clone()),
            ])),
            only_contains_user_certs: false,
            only_contains_ca_certs: true,
            only_some_reasons: None,
            indirect_crl: false,
            only_contains_attribute_certs: false,
        };
        // By hand: the type's own object identifier is another extension's.
        let scope = Extension {
            extn_id: rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT,
            critical: true,
            extn_value: OctetString::new(scope.to_der()?)?,
        };
        self.root.crl(revoked, this_update, lifetime, Some(scope))
    }

    /// The root as PEM, for the folder of anchors.
    ///
    /// # Errors
    /// [`LookalikeError::Encoding`].
    pub fn anchor_pem(&self) -> Result<String, LookalikeError> {
        pem("CERTIFICATE", &self.root.certificate_der)
    }

    /// The sub-CA as PEM.
    ///
    /// # Errors
    /// [`LookalikeError::Encoding`].
    pub fn sub_ca_pem(&self) -> Result<String, LookalikeError> {
        pem("CERTIFICATE", &self.sub_ca.certificate_der)
    }
}

impl LookalikeAuthority {
    fn crl(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
        lifetime: Duration,
        scope: Option<Extension>,
    ) -> Result<Vec<u8>, LookalikeError> {
        let mut crl = ForgedCrl::new(&self.subject, this_update, this_update + lifetime);
        crl.revoked = revoked.iter().map(|serial| (*serial, this_update)).collect();
        crl.extensions = vec![authority_key_identifier(self)?, forge::crl_number(1)?];
        crl.extensions.extend(scope);
        crl.sign(&self.key)
    }

    /// Its certificate, parsed.
    ///
    /// # Errors
    /// [`LookalikeError::Encoding`].
    pub fn certificate(&self) -> Result<Certificate, LookalikeError> {
        use der::Decode;
        Ok(Certificate::from_der(&self.certificate_der)?)
    }
}

fn authority_extensions(
    key: &SoftwareKey,
    issuer: Option<&LookalikeAuthority>,
) -> Result<Vec<Extension>, LookalikeError> {
    let mut extensions = vec![
        subject_key_identifier(key)?,
        extension(
            true,
            // Without pathLenConstraint, as the genuine ones.
            &BasicConstraints { ca: true, path_len_constraint: None },
        )?,
        extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
    ];
    if let Some(issuer) = issuer {
        extensions.push(authority_key_identifier(issuer)?);
    }
    Ok(extensions)
}

fn subject_key_identifier(key: &SoftwareKey) -> Result<Extension, LookalikeError> {
    let identifier = forge::identifier(key.public_key_der())?;
    Ok(extension(false, &SubjectKeyIdentifier(OctetString::new(&identifier[..])?))?)
}

/// With the issuer's own issuer and serial number, as the genuine ones.
fn authority_key_identifier(issuer: &LookalikeAuthority) -> Result<Extension, LookalikeError> {
    let identifier = forge::identifier(issuer.key.public_key_der())?;
    Ok(extension(
        false,
        &AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(&identifier[..])?),
            authority_cert_issuer: Some(vec![GeneralName::DirectoryName(issuer.issuer.clone())]),
            authority_cert_serial_number: Some(SerialNumber::new(&issuer.serial.to_be_bytes())?),
        },
    )?)
}

fn policies(policy: ObjectIdentifier, cps: &str) -> Result<Extension, LookalikeError> {
    Ok(extension(
        true,
        &CertificatePolicies(vec![PolicyInformation {
            policy_identifier: policy,
            policy_qualifiers: Some(vec![PolicyQualifierInfo {
                policy_qualifier_id: ID_QT_CPS,
                qualifier: Some(Any::encode_from(&Ia5StringRef::new(cps)?)?),
            }]),
        }]),
    )?)
}

/// Two points, the first a directoryName that a client must pass over, as the genuine ones.
fn distribution(entry: &Name, url: &str) -> Result<Extension, LookalikeError> {
    Ok(extension(
        false,
        &CrlDistributionPoints(vec![
            point(GeneralName::DirectoryName(entry.clone())),
            point(uri(url)?),
        ]),
    )?)
}

fn distribution_url(url: &str) -> Result<Extension, LookalikeError> {
    Ok(extension(false, &CrlDistributionPoints(vec![point(uri(url)?)]))?)
}

fn point(name: GeneralName) -> DistributionPoint {
    DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![name])),
        reasons: None,
        crl_issuer: None,
    }
}

fn uri(url: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}

fn pem(label: &str, der: &[u8]) -> Result<String, LookalikeError> {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der)
        .map_err(|error| LookalikeError::Encoding(error.into()))
}

impl LookalikeAuthority {
    /// Its name, DER.
    ///
    /// # Errors
    /// [`LookalikeError::Encoding`].
    pub fn subject_der(&self) -> Result<Vec<u8>, LookalikeError> {
        Ok(self.subject.to_der()?)
    }
}
