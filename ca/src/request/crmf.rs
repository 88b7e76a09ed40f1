//! CertReqMsg (RFC 4211): from a request in a CMP message to one whose asker holds the private key.

use der::Encode;
use sekisho_pki::{
    cmp::crmf::{CertReqMsg, ProofOfPossession},
    signature,
};
use x509_cert::attr::Attributes;

use super::{RequestError, VerifiedRequest, fit_kind};

/// Why a CRMF request was refused. All are the asker's to mend.
#[derive(Debug, thiserror::Error)]
pub enum CrmfError {
    /// Without a key there is nothing to certify: keys are made on the device.
    #[error("the template has no public key, or the key is not well formed")]
    NoKey,
    /// Proven otherwise than by a signature over the request, or not at all.
    #[error(
        "the request is not proven by a signature over it with the key that it asks to certify (RFC 4211 section 4.1)"
    )]
    Proof,
    /// The key, or the signature.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Proves that the asker holds the private key of what it asks to certify.
///
/// # Errors
/// [`CrmfError`]. A proof that somebody else has seen (`raVerified`) is none: nobody here sees for others.
pub fn verify(message: &CertReqMsg<'_>) -> Result<VerifiedRequest, CrmfError> {
    let template = &message.request.template;
    let key = template.public_key.as_ref().ok_or(CrmfError::NoKey)?;
    let public_key_der = key.to_der().map_err(|_| CrmfError::NoKey)?;
    let kind = fit_kind(&public_key_der)?;
    let ProofOfPossession::Signature { algorithm, signature: octets } = &message.proof else {
        return Err(CrmfError::Proof);
    };
    signature::verify(&public_key_der, algorithm, message.request_der, octets)
        .map_err(RequestError::Signature)?;
    Ok(VerifiedRequest {
        // OpenSSL writes what the old certificate has; the register says what the next one will have.
        subject: template.subject.clone().unwrap_or_default(),
        attributes: Attributes::default(),
        public_key_der,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use sekisho_key::{SigningKey, SoftwareKey};
    use sekisho_pki::{
        cmp::crmf::{CertRequest, CertTemplate, cert_req_messages},
        encoding::name::{Part, name},
        signature::SignatureError,
    };
    use x509_cert::{der::Decode, spki::SubjectPublicKeyInfoOwned};

    use super::*;

    fn request(key: &SoftwareKey) -> Vec<u8> {
        let public_key = SubjectPublicKeyInfoOwned::from_der(key.public_key_der()).unwrap();
        let template = CertTemplate {
            subject: Some(name(&[Part::CommonName("x")]).unwrap()),
            public_key: Some(public_key),
            ..CertTemplate::default()
        };
        CertRequest { cert_req_id: 0, template, controls: None }.to_der().unwrap()
    }

    fn messages(key: &SoftwareKey, signer: &SoftwareKey) -> Vec<u8> {
        let request = request(key);
        let signature = signer.sign_now(&request).unwrap();
        cert_req_messages(&request, signer.algorithm().identifier(), &signature).unwrap()
    }

    #[test]
    fn a_request_signed_by_its_own_key_is_verified() {
        let key = SoftwareKey::generate_p256().unwrap();
        let octets = messages(&key, &key);
        let verified = verify(&CertReqMsg::parse(&octets).unwrap()).unwrap();
        assert_eq!(verified.public_key_der(), key.public_key_der());
        assert_eq!(verified.subject(), &name(&[Part::CommonName("x")]).unwrap());
    }

    #[test]
    fn a_request_signed_by_another_key_is_refused() {
        let (key, other) =
            (SoftwareKey::generate_p256().unwrap(), SoftwareKey::generate_p256().unwrap());
        let octets = messages(&key, &other);
        let refused = verify(&CertReqMsg::parse(&octets).unwrap()).unwrap_err();
        let CrmfError::Request(RequestError::Signature(why)) = refused else { panic!("{refused}") };
        assert_eq!(why, SignatureError::Invalid);
    }

    #[test]
    fn a_proof_that_is_no_signature_over_the_request_is_refused() {
        let key = SoftwareKey::generate_p256().unwrap();
        let octets = messages(&key, &key);
        let good = CertReqMsg::parse(&octets).unwrap();
        for proof in [
            ProofOfPossession::RaVerified,
            ProofOfPossession::SignatureOfInput,
            ProofOfPossession::Other,
        ] {
            let refused = verify(&CertReqMsg { proof, ..good.clone() });
            assert!(matches!(refused, Err(CrmfError::Proof)), "{refused:?}");
        }
        let mut keyless = good;
        keyless.request.template.public_key = None;
        assert!(matches!(verify(&keyless), Err(CrmfError::NoKey)));
    }

    #[test]
    fn each_flipped_octet_is_refused() {
        let key = SoftwareKey::generate_p256().unwrap();
        let octets = messages(&key, &key);
        for place in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[place] ^= 0x01;
            let verified = CertReqMsg::parse(&damaged).ok().and_then(|read| verify(&read).ok());
            assert!(verified.is_none(), "octet {place}");
        }
    }
}
