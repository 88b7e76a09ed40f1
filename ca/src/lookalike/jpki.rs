//! A look-alike of the JPKI: its two authorities, and what they put on one person's card.
//!
//! Each authority is its own root. The certificate for user authentication names nobody; the one for
//! signatures holds name, sex, date of birth and address in its subjectAltName.

use const_oid::ObjectIdentifier;
use der::asn1::{Any, Utf8StringRef};
use sekisho_key::{RsaSize, SoftwareKey};
use sekisho_pki::{
    encoding::name::{Part, name},
    national::jpki::{POLICY_AUTHENTICATION, POLICY_SIGNING},
};
use time::{Duration, OffsetDateTime};
use x509_cert::ext::pkix::{
    CrlDistributionPoints, KeyUsage, KeyUsages, SubjectAltName,
    name::{GeneralName, OtherName},
};
use zeroize::Zeroizing;

use super::{
    CardUse, Forge, LookalikeAuthority, LookalikeError, authority_extensions,
    authority_key_identifier, extension, pem, point, policies, subject_key_identifier,
};

/// 氏名, 性別, 生年月日, 住所: the four that a certificate for signatures holds, with an invented
/// person's. Sex 2 is female, era 4 is 平成.
const PERSON: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.1"), "架空　花子"),
    (ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.3"), "2"),
    (ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.4"), "419900102"),
    (ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.5"), "架空県見本市一丁目1番1号"),
];

/// Both authorities.
#[derive(Debug)]
pub struct LookalikeJpki {
    /// For user authentication (利用者証明用).
    pub authentication: LookalikeAuthority,
    /// For signatures (署名用).
    pub signing: LookalikeAuthority,
}

/// One key of a card.
#[derive(Debug)]
pub struct LookalikeJpkiCard {
    /// The certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Its authority's certificate, DER.
    pub authority_der: Vec<u8>,
    /// The private key, DER `PrivateKeyInfo`.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
}

impl LookalikeJpki {
    /// Makes both authorities.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn make(now: OffsetDateTime) -> Result<Self, LookalikeError> {
        Ok(Self {
            authentication: authority("Look-alike JPKI for user authentication", now)?,
            signing: authority("Look-alike JPKI for digital signature", now)?,
        })
    }

    /// The authority for user authentication as PEM.
    ///
    /// # Errors
    /// [`LookalikeError::Encoding`].
    pub fn anchor_pem(&self) -> Result<String, LookalikeError> {
        pem("CERTIFICATE", &self.authentication.certificate_der)
    }

    /// Its revocation list, valid for a day.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn card_crl(
        &self,
        revoked: &[u32],
        this_update: OffsetDateTime,
    ) -> Result<Vec<u8>, LookalikeError> {
        self.authentication.crl(revoked, this_update, Duration::DAY, None)
    }

    /// Makes a key and its certificate, valid between these instants.
    ///
    /// # Errors
    /// [`LookalikeError`].
    pub fn issue_card(
        &self,
        used_for: CardUse,
        serial: u32,
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<LookalikeJpkiCard, LookalikeError> {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits2048)?;
        let (issuer, usage, policy) = match used_for {
            CardUse::Authentication => (
                &self.authentication,
                KeyUsage(KeyUsages::DigitalSignature.into()),
                POLICY_AUTHENTICATION,
            ),
            CardUse::Signing => (
                &self.signing,
                KeyUsage(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation),
                POLICY_SIGNING,
            ),
        };
        // Opaque: time of issue and something random.
        let common_name = format!("20260401093000{serial:08}LOOKALIKE000000A");
        let subject = name(&[Part::Country("JP"), Part::CommonName(&common_name)])?;
        let mut forge = Forge::new(&issuer.subject, &subject, &key, validity.0, validity.1);
        forge.serial = serial;
        let list = name(&[
            Part::Country("JP"),
            Part::Organization("JPKI"),
            Part::OrganizationalUnit("Look-alike, for Demonstrations"),
            Part::OrganizationalUnit("CRL Distribution Points"),
            Part::OrganizationalUnit("Kakuu-ken"),
            Part::CommonName("Mihon-shi CRLDP"),
        ])?;
        forge.extensions = vec![
            extension(true, &usage)?,
            policies(policy, "http://repository.lookalike.example/")?,
            extension(
                false,
                &CrlDistributionPoints(vec![point(GeneralName::DirectoryName(list))]),
            )?,
            authority_key_identifier(issuer)?,
            subject_key_identifier(&key)?,
        ];
        if used_for == CardUse::Signing {
            let names: Result<Vec<GeneralName>, der::Error> = PERSON
                .iter()
                .map(|(type_id, text)| {
                    let value = Any::encode_from(&Utf8StringRef::new(text)?)?;
                    Ok(GeneralName::OtherName(OtherName { type_id: *type_id, value }))
                })
                .collect();
            forge.extensions.push(extension(false, &SubjectAltName(names?))?);
        }
        Ok(LookalikeJpkiCard {
            certificate_der: forge.sign(&issuer.key)?,
            authority_der: issuer.certificate_der.clone(),
            key_pkcs8: key.pkcs8_der()?,
        })
    }
}

fn authority(unit: &str, now: OffsetDateTime) -> Result<LookalikeAuthority, LookalikeError> {
    let subject = name(&[
        Part::Country("JP"),
        Part::Organization("JPKI"),
        Part::OrganizationalUnit(unit),
        Part::OrganizationalUnit("Not the Japan Agency for Local Authority Information Systems"),
    ])?;
    let key = SoftwareKey::generate_rsa(RsaSize::Bits2048)?;
    let (begin, end) = (now - Duration::days(700), now + Duration::days(2950));
    let mut forge = Forge::new(&subject, &subject, &key, begin, end);
    forge.extensions = authority_extensions(&key, None)?;
    Ok(LookalikeAuthority {
        certificate_der: forge.sign(&key)?,
        key,
        issuer: subject.clone(),
        subject,
        serial: 1,
    })
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};
    use sekisho_pki::{
        encoding::serial::Serial,
        national::jpki::{
            CertificateStatus, JpkiError, JpkiRules, ProviderError, StatusAnswer, StatusProvider,
            StatusQuery,
        },
        path::{Anchors, TrustAnchor},
    };
    use x509_cert::Certificate;

    use super::*;

    struct Good;

    impl StatusProvider for Good {
        fn status(
            &self,
            _: &StatusQuery<'_>,
            now: OffsetDateTime,
        ) -> Result<StatusAnswer, ProviderError> {
            Ok(StatusAnswer { status: CertificateStatus::Good, as_of: now })
        }
    }

    #[test]
    fn the_rules_take_the_certificate_for_authentication_and_not_the_other() {
        let now = OffsetDateTime::now_utc();
        let jpki = LookalikeJpki::make(now).unwrap();
        let anchors = [&jpki.authentication, &jpki.signing]
            .map(|root| TrustAnchor::from_der(&root.certificate_der).unwrap());
        let anchors = Anchors::new(anchors.to_vec());
        let validity = (now - Duration::DAY, now + Duration::DAY);
        let judge = |used_for| {
            let card = jpki.issue_card(used_for, 7, validity).unwrap();
            JpkiRules::default().judge(&card.certificate_der, &[], &anchors, &Good, now)
        };
        let judged = judge(CardUse::Authentication).unwrap();
        assert_eq!(judged.serial(), &Serial::from_octets(&[7]).unwrap());
        assert!(matches!(judge(CardUse::Signing), Err(JpkiError::SigningCertificate)));
    }

    #[test]
    fn only_the_certificate_for_signatures_tells_who_it_is() {
        let now = OffsetDateTime::now_utc();
        let jpki = LookalikeJpki::make(now).unwrap();
        let validity = (now - Duration::DAY, now + Duration::DAY);
        let tells = |used_for| {
            let der = jpki.issue_card(used_for, 7, validity).unwrap().certificate_der;
            let whole = Certificate::from_der(&der).unwrap().to_der().unwrap();
            whole.windows(6).any(|octets| octets == "花子".as_bytes())
        };
        assert_eq!((tells(CardUse::Authentication), tells(CardUse::Signing)), (false, true));
    }
}
