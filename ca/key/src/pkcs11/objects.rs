//! What lies beside a private key in a token: an identifier that ties key and certificate together, a
//! certificate for other programs that use the token, and the end of all of it.

use cryptoki::{
    object::{Attribute, CertificateType, ObjectClass},
    session::Session,
};
use der::{Decode, Encode};
use x509_cert::Certificate;

use super::{Token, failed, malformed};
use crate::KeyError;

/// CKA_ID of the objects labelled so: programs find the key of a certificate by it (PKCS #11 v2.40
/// §4.6.3). The label itself, which is unique in the token.
pub(super) fn id(label: &str) -> Attribute {
    Attribute::Id(label.as_bytes().to_vec())
}

impl Token {
    /// Puts the certificate of the key labelled `label` beside it, in place of the one that was there.
    ///
    /// # Errors
    /// [`KeyError::MalformedKey`]: these octets are no certificate; [`KeyError::Token`].
    pub fn put_certificate(&self, label: &str, certificate_der: &[u8]) -> Result<(), KeyError> {
        let certificate = Certificate::from_der(certificate_der).map_err(malformed)?;
        let tbs = certificate.tbs_certificate();
        let calls = self.library.calls();
        let session = self.session(&calls, true)?;
        let before = certificates(&session, label)?;
        session
            .create_object(&[
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Label(label.as_bytes().to_vec()),
                id(label),
                Attribute::Subject(tbs.subject().to_der().map_err(malformed)?),
                Attribute::Issuer(tbs.issuer().to_der().map_err(malformed)?),
                Attribute::SerialNumber(tbs.serial_number().to_der().map_err(malformed)?),
                Attribute::Value(certificate_der.to_vec()),
            ])
            .map_err(failed("keep the certificate"))?;
        // Last: a token that is pulled out meanwhile has one too many, not none.
        for old in before {
            session.destroy_object(old).map_err(failed("remove the certificate of before"))?;
        }
        Ok(())
    }

    /// Removes the key labelled `label` with what belongs to it. Nothing happens where there is none.
    ///
    /// # Errors
    /// [`KeyError::Token`].
    pub fn remove(&self, label: &str) -> Result<(), KeyError> {
        let calls = self.library.calls();
        let session = self.session(&calls, true)?;
        let mut objects = certificates(&session, label)?;
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            objects.extend(labelled(&session, class, label)?);
        }
        for object in objects {
            session.destroy_object(object).map_err(failed("remove a key"))?;
        }
        Ok(())
    }
}

fn certificates(
    session: &Session,
    label: &str,
) -> Result<Vec<cryptoki::object::ObjectHandle>, KeyError> {
    labelled(session, ObjectClass::CERTIFICATE, label)
}

pub(super) fn labelled(
    session: &Session,
    class: ObjectClass,
    label: &str,
) -> Result<Vec<cryptoki::object::ObjectHandle>, KeyError> {
    session
        .find_objects(&[Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())])
        .map_err(failed("look for a key"))
}
