//! Object identifiers with a name, and what they mean here.

use super::{report::Value, term::Term};
use crate::encoding::tlv::{Tlv, oid_text};

/// An identifier that we know: in dots, the standard's name, what it means in words.
type Known = (&'static str, &'static str, Option<Term>);

/// Sorted by nothing: a report asks for some dozens.
const KNOWN: &[Known] = &[
    // Attribute types (X.520, RFC 4519, RFC 2985, RFC 3739)
    ("2.5.4.3", "commonName", None),
    ("2.5.4.4", "surname", None),
    ("2.5.4.5", "serialNumber", None),
    ("2.5.4.6", "countryName", None),
    ("2.5.4.7", "localityName", None),
    ("2.5.4.8", "stateOrProvinceName", None),
    ("2.5.4.9", "streetAddress", None),
    ("2.5.4.10", "organizationName", None),
    ("2.5.4.11", "organizationalUnitName", None),
    ("2.5.4.12", "title", None),
    ("2.5.4.42", "givenName", None),
    ("2.5.4.43", "initials", None),
    ("2.5.4.44", "generationQualifier", None),
    ("2.5.4.46", "dnQualifier", None),
    ("2.5.4.65", "pseudonym", None),
    ("2.5.4.97", "organizationIdentifier", None),
    ("0.9.2342.19200300.100.1.1", "userId", None),
    ("0.9.2342.19200300.100.1.25", "domainComponent", None),
    ("1.2.840.113549.1.9.1", "emailAddress", None),
    ("1.2.840.113549.1.9.2", "unstructuredName", None),
    ("1.2.840.113549.1.9.7", "challengePassword", None),
    ("1.2.840.113549.1.9.8", "unstructuredAddress", None),
    ("1.2.840.113549.1.9.14", "extensionRequest", None),
    ("1.2.840.113549.1.9.20", "friendlyName", None),
    ("1.2.840.113549.1.9.21", "localKeyId", None),
    ("1.3.6.1.5.5.7.9.1", "dateOfBirth", None),
    ("1.3.6.1.5.5.7.9.2", "placeOfBirth", None),
    ("1.3.6.1.5.5.7.9.3", "gender", None),
    ("1.3.6.1.5.5.7.9.4", "countryOfCitizenship", None),
    ("1.3.6.1.5.5.7.9.5", "countryOfResidence", None),
    ("1.0.17090.0.1", "hcRole", Some(Term::MeansHcRole)),
    // Extensions (RFC 5280 §4.2, §5.2, §5.3; RFC 6960 §4.4; RFC 9654; RFC 7633; RFC 6962)
    ("2.5.29.9", "subjectDirectoryAttributes", Some(Term::MeansSubjectDirectoryAttributes)),
    ("2.5.29.14", "subjectKeyIdentifier", Some(Term::MeansSubjectKeyIdentifier)),
    ("2.5.29.15", "keyUsage", Some(Term::MeansKeyUsage)),
    ("2.5.29.16", "privateKeyUsagePeriod", Some(Term::MeansPrivateKeyUsagePeriod)),
    ("2.5.29.17", "subjectAltName", Some(Term::MeansSubjectAltName)),
    ("2.5.29.18", "issuerAltName", Some(Term::MeansIssuerAltName)),
    ("2.5.29.19", "basicConstraints", Some(Term::MeansBasicConstraints)),
    ("2.5.29.20", "cRLNumber", Some(Term::MeansCrlNumber)),
    ("2.5.29.21", "reasonCode", Some(Term::MeansReasonCode)),
    ("2.5.29.24", "invalidityDate", Some(Term::MeansInvalidityDate)),
    ("2.5.29.27", "deltaCRLIndicator", Some(Term::MeansDeltaCrlIndicator)),
    ("2.5.29.28", "issuingDistributionPoint", Some(Term::MeansIssuingDistributionPoint)),
    ("2.5.29.29", "certificateIssuer", Some(Term::MeansCertificateIssuer)),
    ("2.5.29.30", "nameConstraints", Some(Term::MeansNameConstraints)),
    ("2.5.29.31", "cRLDistributionPoints", Some(Term::MeansCrlDistributionPoints)),
    ("2.5.29.32", "certificatePolicies", Some(Term::MeansCertificatePolicies)),
    ("2.5.29.33", "policyMappings", Some(Term::MeansPolicyMappings)),
    ("2.5.29.35", "authorityKeyIdentifier", Some(Term::MeansAuthorityKeyIdentifier)),
    ("2.5.29.36", "policyConstraints", Some(Term::MeansPolicyConstraints)),
    ("2.5.29.37", "extKeyUsage", Some(Term::MeansExtKeyUsage)),
    ("2.5.29.46", "freshestCRL", Some(Term::MeansFreshestCrl)),
    ("2.5.29.54", "inhibitAnyPolicy", Some(Term::MeansInhibitAnyPolicy)),
    ("2.5.29.60", "expiredCertsOnCRL", Some(Term::MeansExpiredCertsOnCrl)),
    ("1.3.6.1.5.5.7.1.1", "authorityInfoAccess", Some(Term::MeansAuthorityInfoAccess)),
    ("1.3.6.1.5.5.7.1.3", "qcStatements", None),
    ("1.3.6.1.5.5.7.1.11", "subjectInfoAccess", Some(Term::MeansSubjectInfoAccess)),
    ("1.3.6.1.5.5.7.1.24", "tlsFeature", Some(Term::MeansTlsFeature)),
    ("1.3.6.1.5.5.7.48.1.2", "ocspNonce", Some(Term::MeansOcspNonce)),
    ("1.3.6.1.5.5.7.48.1.5", "ocspNoCheck", Some(Term::MeansOcspNoCheck)),
    ("1.3.6.1.5.5.7.48.1.6", "ocspArchiveCutoff", Some(Term::MeansOcspArchiveCutoff)),
    ("1.3.6.1.4.1.11129.2.4.2", "signedCertificateTimestamps", Some(Term::MeansScts)),
    ("1.3.6.1.4.1.11129.2.4.3", "ctPoison", None),
    ("1.3.6.1.4.1.311.20.2", "msCertificateTemplateName", None),
    ("1.3.6.1.4.1.311.21.7", "msCertificateTemplate", None),
    ("2.16.840.1.113730.1.1", "netscapeCertType", None),
    ("2.16.840.1.113730.1.13", "netscapeComment", None),
    // Access methods, qualifiers
    ("1.3.6.1.5.5.7.48.1", "ocsp", Some(Term::MeansOcspAddress)),
    ("1.3.6.1.5.5.7.48.2", "caIssuers", Some(Term::MeansCaIssuers)),
    ("1.3.6.1.5.5.7.48.5", "caRepository", None),
    ("1.3.6.1.5.5.7.48.1.1", "id-pkix-ocsp-basic", None),
    ("1.3.6.1.5.5.7.2.1", "cps", None),
    ("1.3.6.1.5.5.7.2.2", "userNotice", None),
    // Extended key usage
    ("2.5.29.37.0", "anyExtendedKeyUsage", Some(Term::PurposeAny)),
    ("1.3.6.1.5.5.7.3.1", "serverAuth", Some(Term::PurposeServer)),
    ("1.3.6.1.5.5.7.3.2", "clientAuth", Some(Term::PurposeClient)),
    ("1.3.6.1.5.5.7.3.3", "codeSigning", Some(Term::PurposeCode)),
    ("1.3.6.1.5.5.7.3.4", "emailProtection", Some(Term::PurposeMail)),
    ("1.3.6.1.5.5.7.3.5", "ipsecEndSystem", Some(Term::PurposeIpsecOld)),
    ("1.3.6.1.5.5.7.3.6", "ipsecTunnel", Some(Term::PurposeIpsecOld)),
    ("1.3.6.1.5.5.7.3.7", "ipsecUser", Some(Term::PurposeIpsecOld)),
    ("1.3.6.1.5.5.7.3.8", "timeStamping", Some(Term::PurposeTime)),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning", Some(Term::PurposeOcsp)),
    ("1.3.6.1.5.5.7.3.17", "ipsecIKE", Some(Term::PurposeIke)),
    ("1.3.6.1.5.5.8.2.2", "iKEIntermediate", Some(Term::PurposeIke)),
    ("1.3.6.1.4.1.311.20.2.2", "msSmartcardLogon", Some(Term::PurposeSmartcard)),
    // Policies: ours, HPKI, JPKI
    ("2.5.29.32.0", "anyPolicy", Some(Term::PolicyAny)),
    ("1.3.6.1.4.1.32473.1.1", "terminal", Some(Term::PolicyTerminal)),
    ("1.3.6.1.4.1.32473.1.2", "router", Some(Term::PolicyRouter)),
    ("1.3.6.1.4.1.32473.1.3", "server", Some(Term::PolicyServer)),
    ("1.2.392.100495.1.5.1.1.0.1", "HPKI signing", Some(Term::PolicyHpkiSigning)),
    ("1.2.392.100495.1.5.1.1.3.1", "HPKI signing CA", Some(Term::PolicyHpkiSigningCa)),
    ("1.2.392.100495.1.5.1.2.0.1", "HPKI authentication", Some(Term::PolicyHpkiAuthentication)),
    (
        "1.2.392.100495.1.5.1.2.3.1",
        "HPKI authentication CA",
        Some(Term::PolicyHpkiAuthenticationCa),
    ),
    ("1.2.392.100495.1.5.1.3.0.1", "HPKI organisation", Some(Term::PolicyHpkiOrganisation)),
    ("1.2.392.200149.8.5.1.1.20", "JPKI digital signature", Some(Term::PolicyJpkiSigning)),
    ("1.2.392.200149.8.5.1.3.30", "JPKI user authentication", Some(Term::PolicyJpkiAuthentication)),
    // Other names, coding schemes, assigners
    ("1.3.6.1.5.5.7.8.3", "permanentIdentifier", Some(Term::MeansPermanentIdentifier)),
    ("1.3.6.1.4.1.32473.2.1", "facility identifier", Some(Term::MeansFacilityAssigner)),
    ("1.2.392.100495.1.6.1.1", "id-jhpki-cdata", Some(Term::MeansHpkiCodingScheme)),
    ("1.2.392.200149.8.5.5.1", "JPKI name", Some(Term::JpkiName)),
    ("1.2.392.200149.8.5.5.2", "JPKI name substitutes", Some(Term::JpkiNameSubstitutes)),
    ("1.2.392.200149.8.5.5.3", "JPKI sex", Some(Term::JpkiSex)),
    ("1.2.392.200149.8.5.5.4", "JPKI date of birth", Some(Term::JpkiBirth)),
    ("1.2.392.200149.8.5.5.5", "JPKI address", Some(Term::JpkiAddress)),
    ("1.2.392.200149.8.5.5.6", "JPKI address substitutes", Some(Term::JpkiAddressSubstitutes)),
    ("1.3.6.1.4.1.311.20.2.3", "userPrincipalName", None),
    ("1.3.6.1.5.5.7.8.9", "SmtpUTF8Mailbox", None),
    ("1.3.6.1.5.5.7.8.7", "dnsSRV", None),
    // Keys and curves
    ("1.2.840.113549.1.1.1", "rsaEncryption", None),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS", None),
    ("1.2.840.113549.1.1.7", "RSAES-OAEP", None),
    ("1.2.840.10045.2.1", "ecPublicKey", None),
    ("1.2.840.10040.4.1", "DSA", None),
    ("1.3.101.110", "X25519", None),
    ("1.3.101.111", "X448", None),
    ("1.3.101.112", "Ed25519", None),
    ("1.3.101.113", "Ed448", None),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44", None),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", None),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87", None),
    ("1.2.840.10045.3.1.7", "P-256", None),
    ("1.3.132.0.33", "P-224", None),
    ("1.3.132.0.34", "P-384", None),
    ("1.3.132.0.35", "P-521", None),
    ("1.3.132.0.10", "secp256k1", None),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", None),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", None),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", None),
    // Signatures and digests
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption", None),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", None),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption", None),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", None),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", None),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", None),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1", None),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224", None),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", None),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", None),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", None),
    ("1.2.840.10040.4.3", "dsa-with-sha1", None),
    ("2.16.840.1.101.3.4.3.2", "dsa-with-sha256", None),
    ("1.2.840.113549.2.5", "MD5", None),
    ("1.3.14.3.2.26", "SHA-1", None),
    ("2.16.840.1.101.3.4.2.4", "SHA-224", None),
    ("2.16.840.1.101.3.4.2.1", "SHA-256", None),
    ("2.16.840.1.101.3.4.2.2", "SHA-384", None),
    ("2.16.840.1.101.3.4.2.3", "SHA-512", None),
    // CMS and PKCS #12 (RFC 5652, RFC 8018, RFC 7292, RFC 9579)
    ("1.2.840.113549.1.7.1", "data", None),
    ("1.2.840.113549.1.7.2", "signedData", None),
    ("1.2.840.113549.1.7.3", "envelopedData", None),
    ("1.2.840.113549.1.7.6", "encryptedData", None),
    ("1.2.840.113549.1.5.12", "PBKDF2", None),
    ("1.2.840.113549.1.5.13", "PBES2", None),
    ("1.2.840.113549.1.5.14", "PBMAC1", None),
    ("1.3.6.1.4.1.11591.4.11", "scrypt", None),
    ("1.2.840.113549.2.7", "hmacWithSHA1", None),
    ("1.2.840.113549.2.9", "hmacWithSHA256", None),
    ("1.2.840.113549.2.10", "hmacWithSHA384", None),
    ("1.2.840.113549.2.11", "hmacWithSHA512", None),
    ("1.2.840.113549.3.2", "RC2-CBC", None),
    ("1.2.840.113549.3.7", "3DES-CBC", None),
    ("2.16.840.1.101.3.4.1.2", "AES-128-CBC", None),
    ("2.16.840.1.101.3.4.1.22", "AES-192-CBC", None),
    ("2.16.840.1.101.3.4.1.42", "AES-256-CBC", None),
    ("1.2.840.113549.1.12.1.1", "pbeWithSHAAnd128BitRC4", None),
    ("1.2.840.113549.1.12.1.2", "pbeWithSHAAnd40BitRC4", None),
    ("1.2.840.113549.1.12.1.3", "pbeWithSHAAnd3-KeyTripleDES-CBC", None),
    ("1.2.840.113549.1.12.1.4", "pbeWithSHAAnd2-KeyTripleDES-CBC", None),
    ("1.2.840.113549.1.12.1.5", "pbeWithSHAAnd128BitRC2-CBC", None),
    ("1.2.840.113549.1.12.1.6", "pbeWithSHAAnd40BitRC2-CBC", None),
    ("1.2.840.113549.1.12.10.1.1", "keyBag", None),
    ("1.2.840.113549.1.12.10.1.2", "pkcs8ShroudedKeyBag", None),
    ("1.2.840.113549.1.12.10.1.3", "certBag", None),
    ("1.2.840.113549.1.12.10.1.4", "crlBag", None),
    ("1.2.840.113549.1.12.10.1.5", "secretBag", None),
    ("1.2.840.113549.1.12.10.1.6", "safeContentsBag", None),
];

/// The short names of RFC 4514 §3, and those that everybody uses besides.
const SHORT: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.4", "surname"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.97", "organizationIdentifier"),
];

/// An OBJECT IDENTIFIER in dots, or its octets in hexadecimal if it isn't one.
pub(super) fn text(tlv: &Tlv<'_>) -> String {
    oid_text(tlv.value)
        .unwrap_or_else(|| format!("0x{}", hex::encode(&tlv.value[..tlv.value.len().min(32)])))
}

/// For a report.
pub(super) fn value(tlv: &Tlv<'_>) -> Value {
    of(text(tlv))
}

/// The same from text.
pub(super) fn of(oid: String) -> Value {
    let name = name(&oid);
    Value::Oid { oid, name }
}

/// The standard's name of an object identifier in dotted form, as people know it: `P-256`.
#[must_use]
pub fn name(oid: &str) -> Option<&'static str> {
    find(oid).map(|known| known.1)
}

/// What it means, in words.
pub(super) fn meaning(oid: &str) -> Option<Term> {
    find(oid).and_then(|known| known.2)
}

/// Whether it is id-ce-cRLReasons: asked of each entry of a CRL, so without making text.
pub(super) fn is_reason_code(tlv: &Tlv<'_>) -> bool {
    tlv.value == [0x55, 0x1d, 0x15]
}

/// The attribute type's short name.
pub(super) fn short(oid: &str) -> Option<&'static str> {
    SHORT.iter().find(|known| known.0 == oid).map(|known| known.1)
}

fn find(oid: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.0 == oid)
}

#[cfg(test)]
mod tests {
    use const_oid::ObjectIdentifier;

    use super::*;

    #[test]
    fn each_identifier_stands_once_and_is_one() {
        for (index, (oid, name, _)) in KNOWN.iter().enumerate() {
            assert!(ObjectIdentifier::new(oid).is_ok(), "{oid}");
            assert!(!name.is_empty());
            assert!(KNOWN[..index].iter().all(|(other, _, _)| other != oid), "{oid} twice");
        }
        for (oid, _) in SHORT {
            assert!(find(oid).is_some(), "{oid}");
        }
    }

    #[test]
    fn the_names_agree_with_those_of_other_rooms() {
        use sekisho_wire::oid::{
            FACILITY_IDENTIFIER, POLICY_ROUTER, POLICY_SERVER, POLICY_TERMINAL,
        };

        use crate::national::hc_role::{ID_HEALTHCARE_ACTOR, ID_JHPKI_CDATA};
        for (oid, term) in [
            (POLICY_TERMINAL, Term::PolicyTerminal),
            (POLICY_ROUTER, Term::PolicyRouter),
            (POLICY_SERVER, Term::PolicyServer),
            (FACILITY_IDENTIFIER, Term::MeansFacilityAssigner),
            (ID_HEALTHCARE_ACTOR, Term::MeansHcRole),
            (ID_JHPKI_CDATA, Term::MeansHpkiCodingScheme),
        ] {
            assert_eq!(meaning(&oid.to_string()), Some(term));
        }
        // The general database knows the rest under the same numbers.
        for (oid, name) in [
            (const_oid::db::rfc5912::ID_CE_KEY_USAGE, "keyUsage"),
            (const_oid::db::rfc5912::ECDSA_WITH_SHA_256, "ecdsa-with-SHA256"),
            (const_oid::db::rfc5912::SECP_384_R_1, "P-384"),
            (const_oid::db::rfc5911::ID_ENCRYPTED_DATA, "encryptedData"),
        ] {
            assert_eq!(super::name(&oid.to_string()), Some(name));
        }
    }
}
