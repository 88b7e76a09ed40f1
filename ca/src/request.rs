//! PKCS #10 (RFC 2986), and CRMF in [`crmf`]: from bytes to a request whose asker holds the private key.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode};
use sekisho_pki::{
    encoding::{key_identifier::public_key_sha256, signed_object::SignedObject},
    signature::{self, PublicKeyKind, SignatureError},
};
use x509_cert::{
    attr::Attributes,
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
    request::{CertReq, ExtensionReq},
};

use crate::registration::key::{self, KeyFlaw};

pub mod crmf;

/// An RSA-4096 request with attributes has under 3 KiB.
const MOST_OCTETS: usize = 16 * 1024;
/// Below this a signature proves nothing. What is certified is the profile's to say, usually 3,072.
const LEAST_RSA_BITS: usize = 2048;
/// Beyond this a signature check costs too much to give away.
const MOST_RSA_BITS: usize = 8192;

/// id-aa-decryptKeyID (RFC 4108, used by RFC 7030 §4.4.1.1) and id-aa-asymmDecryptKeyID (RFC 7030 §4.4.1.2).
const DECRYPT_KEY_IDENTIFIERS: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.37"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.54"),
];

/// A parsed request about which nothing is proven.
///
/// Offers its public key, so that a used code can be compared with it before any work, and what it asks of
/// whoever makes its key.
#[derive(Debug, Clone)]
pub struct UnverifiedRequest {
    der: Vec<u8>,
    request: CertReq,
    public_key_der: Vec<u8>,
}

/// A request signed by the key that it asks to certify, of a kind that we know.
#[derive(Debug, Clone)]
pub struct VerifiedRequest {
    subject: Name,
    attributes: Attributes,
    public_key_der: Vec<u8>,
    kind: PublicKeyKind,
}

/// Why a request was refused. All are the asker's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Longer than any request of ours.
    #[error("the request has {octets} octets, more than {MOST_OCTETS}")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// Not a DER CertificationRequest.
    #[error("the bytes are not a PKCS #10 certification request in DER")]
    Malformed(#[source] der::Error),
    /// Not P-256, P-384 or RSA.
    #[error(transparent)]
    KeyKind(KeyFlaw),
    /// RSA outside 2,048 to 8,192 bits. What is told is what profiles certify: nobody should come back
    /// with a key that is only just read.
    #[error(
        "the RSA key has {bits} bits; certified are P-256, P-384, and RSA of 3072 or 4096 bits"
    )]
    RsaSize {
        /// Its modulus.
        bits: usize,
    },
    /// RSA with a strange exponent.
    #[error("the RSA key's public exponent is not 65537")]
    RsaExponent,
    /// Its own signature does not hold.
    #[error("the request is not signed by the key that it carries")]
    Signature(#[source] SignatureError),
}

impl UnverifiedRequest {
    /// Reads DER.
    ///
    /// # Errors
    /// [`RequestError::TooLong`], [`RequestError::Malformed`].
    pub fn parse(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > MOST_OCTETS {
            return Err(RequestError::TooLong { octets: der.len() });
        }
        let request = CertReq::from_der(der).map_err(RequestError::Malformed)?;
        let public_key_der = request.info.public_key.to_der().map_err(RequestError::Malformed)?;
        Ok(Self { der: der.to_vec(), request, public_key_der })
    }

    /// The key that the asker wants certified, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// SHA-256 of [`Self::public_key_der`].
    #[must_use]
    pub fn public_key_sha256(&self) -> [u8; 32] {
        public_key_sha256(&self.public_key_der)
    }

    /// Whether the asker wants a key that is made for it to be encrypted (RFC 7030 §4.4.1.1 and §4.4.1.2).
    #[must_use]
    pub fn asks_for_encrypted_key(&self) -> bool {
        let attributes = &self.request.info.attributes;
        attributes.iter().any(|attribute| DECRYPT_KEY_IDENTIFIERS.contains(&attribute.oid))
    }

    /// Proves that the asker holds the private key. Whether the key is fit is for
    /// [`crate::registration`] to say.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn verify(self) -> Result<VerifiedRequest, RequestError> {
        let kind = fit_kind(&self.public_key_der)?;
        let signed = SignedObject::parse(&self.der, false).map_err(RequestError::Malformed)?;
        signature::verify(
            &self.public_key_der,
            &signed.algorithm,
            signed.to_be_signed,
            &signed.signature,
        )
        .map_err(RequestError::Signature)?;
        Ok(VerifiedRequest {
            subject: self.request.info.subject,
            attributes: self.request.info.attributes,
            public_key_der: self.public_key_der,
            kind,
        })
    }
}

/// The kind of a key by which a request may be proven at all.
fn fit_kind(public_key_der: &[u8]) -> Result<PublicKeyKind, RequestError> {
    let kind = PublicKeyKind::of_der(public_key_der)
        .ok_or_else(|| RequestError::KeyKind(key::why_unknown(public_key_der)))?;
    if let PublicKeyKind::Rsa { modulus_bits, usual_exponent } = kind {
        if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&modulus_bits) {
            return Err(RequestError::RsaSize { bits: modulus_bits });
        }
        if !usual_exponent {
            return Err(RequestError::RsaExponent);
        }
    }
    Ok(kind)
}

impl VerifiedRequest {
    /// The subject that the asker wrote: a wish, see `registration::subject_is_own`.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The alternative names that the asker wrote (RFC 2985 §5.4.2): a wish likewise.
    ///
    /// # Errors
    /// [`RequestError::Malformed`]. Where nobody reads them, what is malformed there harms nobody.
    pub fn alternative_names(&self) -> Result<Vec<GeneralName>, RequestError> {
        let mut names = Vec::new();
        let asked = self.attributes.iter().filter(|attribute| attribute.oid == ExtensionReq::OID);
        for value in asked.flat_map(|attribute| attribute.values.iter()) {
            let ExtensionReq(extensions) = value.decode_as().map_err(RequestError::Malformed)?;
            for extension in extensions.iter().filter(|found| found.extn_id == SubjectAltName::OID)
            {
                let read = SubjectAltName::from_der(extension.extn_value.as_bytes());
                names.extend(read.map_err(RequestError::Malformed)?.0);
            }
        }
        Ok(names)
    }

    /// The proven key, DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// SHA-256 of [`Self::public_key_der`].
    #[must_use]
    pub fn public_key_sha256(&self) -> [u8; 32] {
        public_key_sha256(&self.public_key_der)
    }

    /// Its kind and size.
    #[must_use]
    pub fn kind(&self) -> PublicKeyKind {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
    use sekisho_pki::encoding::{
        name::{Part, name},
        request::to_be_signed,
        signed_object::assemble,
    };

    use super::*;

    fn request(key: &SoftwareKey, signer: &SoftwareKey) -> Vec<u8> {
        let subject = name(&[Part::CommonName("x")]).unwrap();
        let info = to_be_signed(&subject, key.public_key_der()).unwrap();
        let signature = signer.sign_now(&info).unwrap();
        assemble(&info, signer.algorithm().identifier(), &signature).unwrap()
    }

    #[test]
    fn a_request_signed_by_its_own_key_is_verified() {
        for key in [
            SoftwareKey::generate_p256().unwrap(),
            SoftwareKey::generate_p384().unwrap(),
            SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap(),
        ] {
            let verified =
                UnverifiedRequest::parse(&request(&key, &key)).unwrap().verify().unwrap();
            assert_eq!(verified.public_key_der(), key.public_key_der());
        }
    }

    #[test]
    fn a_wish_for_an_encrypted_key_is_seen() {
        let key = SoftwareKey::generate_p256().unwrap();
        let plain = request(&key, &key);
        assert!(!UnverifiedRequest::parse(&plain).unwrap().asks_for_encrypted_key());
        for oid in DECRYPT_KEY_IDENTIFIERS {
            let mut asking = CertReq::from_der(&plain).unwrap();
            let value = der::Any::encode_from(&der::asn1::OctetString::new(*b"key 1").unwrap());
            let values = der::asn1::SetOfVec::from_iter([value.unwrap()]).unwrap();
            asking.info.attributes.insert(x509_cert::attr::Attribute { oid, values }).unwrap();
            let asking = UnverifiedRequest::parse(&asking.to_der().unwrap()).unwrap();
            assert!(asking.asks_for_encrypted_key(), "{oid}");
        }
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let key = SoftwareKey::generate_p256().unwrap();
        let other = SoftwareKey::generate_p256().unwrap();
        let refused = UnverifiedRequest::parse(&request(&key, &other)).unwrap().verify();
        assert!(matches!(refused, Err(RequestError::Signature(SignatureError::Invalid))));
    }

    #[test]
    fn a_key_that_is_not_certified_is_named_and_so_is_what_would_be() {
        for (key, told) in [
            ("P-521", "the curve P-521 is not certified; use P-256 or P-384"),
            ("ED25519", "keys of kind Ed25519 are not certified; use P-256, P-384 or RSA"),
            (
                "RSA-1024",
                "the RSA key has 1024 bits; certified are P-256, P-384, and RSA of 3072 or 4096 bits",
            ),
        ] {
            let refused = UnverifiedRequest::parse(&of_openssl(key)).unwrap().verify().unwrap_err();
            assert_eq!(refused.to_string(), told);
        }
    }

    /// A request for a key that OpenSSL makes.
    fn of_openssl(key: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (kept, asked) = (folder.path().join("key.pem"), folder.path().join("request.der"));
        let kind: &[&str] = match key {
            "P-521" => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
            "ED25519" => &["-newkey", "ed25519"],
            "RSA-1024" => &["-newkey", "rsa:1024"],
            other => unreachable!("{other}"),
        };
        let made = std::process::Command::new("openssl")
            .args(["req", "-new", "-nodes", "-subj", "/CN=x", "-outform", "DER"])
            .args(kind)
            .arg("-keyout")
            .arg(kept)
            .arg("-out")
            .arg(&asked)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::read(asked).unwrap()
    }

    #[test]
    fn each_flipped_octet_is_refused() {
        let key = SoftwareKey::generate_p256().unwrap();
        let der = request(&key, &key);
        for place in 0..der.len() {
            let mut damaged = der.clone();
            damaged[place] ^= 0x01;
            let verified = UnverifiedRequest::parse(&damaged).and_then(UnverifiedRequest::verify);
            assert!(verified.is_err(), "octet {place}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = UnverifiedRequest::parse(&bytes).and_then(UnverifiedRequest::verify);
        }
    }
}
