//! HTTP over TLS towards the enrolment name: provisional, pinned to one root, or with our own key.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use url::Url;

use super::key::TerminalKey;
use super::place::PlaceError;

/// How a server is judged, and what we show.
pub enum Trust<'a> {
    /// Nobody is believed: for reading the authorities' certificates only (RFC 7030 §4.1.1).
    Provisional,
    /// Chains must end in this root.
    Root(&'a [u8]),
    /// The same, and we show our certificate.
    Terminal {
        /// Root, DER.
        root: &'a [u8],
        /// Our certificate and its issuer's, DER.
        certificates: Vec<Vec<u8>>,
        /// Our key.
        key: &'a dyn TerminalKey,
    },
}

/// A client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not `https://host[:port]`.
    #[error("{0:?} is not an https address")]
    Address(String),
    /// TLS material.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The key.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The HTTP client.
    #[error("HTTP cannot be set up")]
    Http(#[from] reqwest::Error),
}

/// A client for the host of `address`: no proxy, no redirects, 20 seconds.
///
/// # Errors
/// [`ClientError`].
pub fn client(address: &Url, trust: &Trust<'_>) -> Result<reqwest::Client, ClientError> {
    let host = address.host_str().filter(|_| address.scheme() == "https");
    let host = host.ok_or_else(|| ClientError::Address(address.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let roots = |der: &[u8]| -> Result<RootCertStore, rustls::Error> {
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from(der.to_vec()))?;
        Ok(store)
    };
    let config = match trust {
        Trust::Provisional => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(BelieveNobody(provider)))
            .with_no_client_auth(),
        Trust::Root(root) => builder.with_root_certificates(roots(root)?).with_no_client_auth(),
        Trust::Terminal { root, certificates, key } => {
            let chain = certificates.iter().cloned().map(CertificateDer::from).collect();
            let certified = CertifiedKey::new(chain, key.tls()?);
            builder
                .with_root_certificates(roots(root)?)
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(20));
    // RFC 6761 §6.3: such a name is this machine, whatever a resolver says.
    if host == "localhost" || host.ends_with(".localhost") {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        builder = builder.resolve_to_addrs(host, &loopback.map(|ip| SocketAddr::new(ip, 0)));
    }
    Ok(builder.build()?)
}

/// Completes a handshake with anybody; used before anything is believed or told.
#[derive(Debug)]
struct BelieveNobody(Arc<CryptoProvider>);

impl ServerCertVerifier for BelieveNobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Safe because of what follows: over this connection nothing secret is sent and nothing
        // read is used, except a root certificate whose hash the person brought from elsewhere.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
