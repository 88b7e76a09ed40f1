//! tls-alpn-01: the digest of the key authorization in a certificate of the server's own making, shown to
//! who asks by the protocol `acme-tls/1` (RFC 8737 §3).

use std::sync::Arc;

use const_oid::ObjectIdentifier;
use der::{Decode, asn1::OctetString};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::{Question, not_connected};
use crate::error::acme::AcmeError;

/// RFC 8737 §6.2.
const PROTOCOL: &[u8] = b"acme-tls/1";
/// `id-pe-acmeIdentifier` (RFC 8737 §6.1).
const ACME_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.31");

pub(super) async fn ask(question: &Question<'_>) -> Result<(), AcmeError> {
    let Question { name, port, .. } = question;
    let stream = TcpStream::connect(question.places.as_slice())
        .await
        .map_err(|error| not_connected(question, &error))?;
    let host =
        ServerName::try_from((*name).to_owned()).map_err(|error| AcmeError::internal(&error))?;
    let config = config().map_err(|error| AcmeError::internal(&error))?;
    let connected = TlsConnector::from(Arc::new(config)).connect(host, stream).await;
    let connected = connected.map_err(|error| {
        let detail = format!("{name}, port {port}: the TLS handshake failed ({error})");
        AcmeError::bad_request("tls", detail)
    })?;
    let (_, session) = connected.get_ref();
    if session.alpn_protocol() != Some(PROTOCOL) {
        let detail = format!("{name}, port {port}, does not speak acme-tls/1 (RFC 8737 section 3)");
        return Err(AcmeError::unauthorized(detail));
    }
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let fault = match shown.map(|shown| Certificate::from_der(shown)) {
        Some(Ok(certificate)) => fault(&certificate, question),
        Some(Err(_)) | None => Some("it cannot be read"),
    };
    match fault {
        None => Ok(()),
        Some(fault) => {
            let detail =
                format!("{name}, port {port}: the certificate shown is not the answer: {fault}");
            Err(AcmeError::unauthorized(detail))
        }
    }
}

/// Why the certificate is not the answer.
fn fault(certificate: &Certificate, question: &Question<'_>) -> Option<&'static str> {
    let extensions = certificate.tbs_certificate().extensions().map_or(&[][..], Vec::as_slice);
    let named = extensions
        .iter()
        .filter(|found| found.extn_id == SAN)
        .map(|found| SubjectAltName::from_der(found.extn_value.as_bytes()).map(|names| names.0));
    let named: Vec<_> = named.collect();
    match named.as_slice() {
        [Ok(names)] => match names.as_slice() {
            [GeneralName::DnsName(name)] if name.as_str().eq_ignore_ascii_case(question.name) => {}
            _ => return Some("its alternative names are not this host alone"),
        },
        _ => return Some("it has no alternative names"),
    }
    let mut own = extensions.iter().filter(|found| found.extn_id == ACME_IDENTIFIER);
    let (Some(own), None) = (own.next(), own.next()) else {
        return Some("it has no extension acmeIdentifier");
    };
    if !own.critical {
        return Some("its extension acmeIdentifier is not critical");
    }
    let expected = Sha256::digest(&question.key_authorization);
    match OctetString::from_der(own.extn_value.as_bytes()) {
        Ok(shown) if bool::from(shown.as_bytes().ct_eq(&expected)) => None,
        Ok(_) => Some("its digest is of something else than this account's answer"),
        Err(_) => Some("its extension acmeIdentifier cannot be read"),
    }
}

/// subjectAltName (RFC 5280 §4.2.1.6).
const SAN: ObjectIdentifier = <SubjectAltName as const_oid::AssociatedOid>::OID;

fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate { schemes }))
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Nothing of one question is taken into the next.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Takes whatever certificate is shown: it is of the server's own making, and what counts is read from it
/// after the handshake ([`fault`]). Nothing is sent over the connection, and who could forge the handshake
/// could show a certificate of their own as well: the proof is where the name leads.
#[derive(Debug)]
struct AnyCertificate {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // The library's own checks read the certificate by rules that a critical acmeIdentifier breaks.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
