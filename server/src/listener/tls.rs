//! TLS by name: each role has its own certificate and its own question to the client.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, aws_lc_rs as library, verify_tls12_signature, verify_tls13_signature,
    },
    server::{
        ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::{
    config::{HostNames, Listen},
    names::NameRole,
};

/// A chain of ours is two certificates; other authorities use three.
const MOST_CHAIN: usize = 5;
/// The largest certificate that a peer may send, in octets.
const MOST_CERTIFICATE_OCTETS: usize = 16 * 1024;

/// TLS 1.3 and, where switched on, 1.2 with ECDHE and AES-GCM: CRYPTREC's high-security profile.
#[must_use]
pub fn provider() -> CryptoProvider {
    use library::{cipher_suite as suite, kx_group as group};
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![group::X25519, group::SECP256R1, group::SECP384R1],
        ..library::default_provider()
    }
}

/// What one name shows: its certificate, leaf first, and the key.
#[derive(Debug)]
pub struct ServerIdentity {
    /// The role of the name.
    pub role: NameRole,
    /// Certificates, leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// A server certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Key and certificate do not fit, or one of them does not parse.
    #[error("the server certificate of the name for `{}` cannot be used", role.as_str())]
    Identity {
        /// Which name.
        role: NameRole,
        /// What the library said.
        #[source]
        source: Error,
    },
}

/// The TLS side of every name of an instance.
#[derive(Debug)]
pub struct Tls {
    hosts: HostNames,
    by_role: RwLock<BTreeMap<NameRole, Arc<ServerConfig>>>,
    refusing: Arc<ServerConfig>,
    hints: Vec<DistinguishedName>,
    allows_tls12: Vec<NameRole>,
}

impl Tls {
    /// `hints` are the DER names of the authorities whose certificates we want to see: browsers
    /// offer only those to choose from.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(
        hosts: &HostNames,
        listen: &Listen,
        identities: Vec<ServerIdentity>,
        hints: Vec<Vec<u8>>,
    ) -> Result<Self, TlsError> {
        let refusing = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|source| TlsError::Identity { role: NameRole::Public, source })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        let tls = Self {
            hosts: hosts.clone(),
            by_role: RwLock::new(BTreeMap::new()),
            refusing: Arc::new(refusing),
            hints: hints.into_iter().map(DistinguishedName::from).collect(),
            allows_tls12: NameRole::TLS.into_iter().filter(|r| listen.allows_tls12(*r)).collect(),
        };
        for identity in identities {
            tls.replace(identity)?;
        }
        Ok(tls)
    }

    /// Shows another certificate from the next handshake on.
    ///
    /// # Errors
    /// [`TlsError`]; the old one stays.
    pub fn replace(&self, identity: ServerIdentity) -> Result<(), TlsError> {
        let role = identity.role;
        let config = self.config(identity).map_err(|source| TlsError::Identity { role, source })?;
        // A poisoned lock still holds a whole map: insertion is the only write.
        self.by_role
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(role, Arc::new(config));
        Ok(())
    }

    /// The role and configuration for a handshake. An unknown name, or none, gets a configuration
    /// that has no certificate and ends the handshake with an alert.
    pub(super) fn choose(&self, hello: &ClientHello<'_>) -> (Option<NameRole>, Arc<ServerConfig>) {
        let chosen =
            hello.server_name().and_then(|name| self.hosts.role_of(name)).and_then(|role| {
                let by_role =
                    self.by_role.read().unwrap_or_else(std::sync::PoisonError::into_inner);
                by_role.get(&role).map(|config| (role, Arc::clone(config)))
            });
        match chosen {
            Some((role, config)) => (Some(role), config),
            None => (None, Arc::clone(&self.refusing)),
        }
    }

    fn config(&self, identity: ServerIdentity) -> Result<ServerConfig, Error> {
        let provider = Arc::new(provider());
        let versions: &[&rustls::SupportedProtocolVersion] =
            if self.allows_tls12.contains(&identity.role) {
                &[&rustls::version::TLS13, &rustls::version::TLS12]
            } else {
                &[&rustls::version::TLS13]
            };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?;
        let asks = identity.role.asks_for_certificate();
        let builder = if asks {
            builder.with_client_cert_verifier(Arc::new(DeferTrust {
                provider,
                hints: self.hints.clone(),
            }))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(identity.chain, identity.key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.require_ems = true;
        if asks {
            // A resumed session would carry an old certificate past its end.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

/// Has no certificate for anybody.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Lets TLS prove possession of the key, and leaves trust to the application.
///
/// A failed handshake can show no page; the application judges the certificate on each request,
/// explains and audits.
#[derive(Debug)]
struct DeferTrust {
    provider: Arc<CryptoProvider>,
    hints: Vec<DistinguishedName>,
}

impl ClientCertVerifier for DeferTrust {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let too_large = std::iter::once(end_entity)
            .chain(intermediates)
            .any(|certificate| certificate.len() > MOST_CERTIFICATE_OCTETS);
        if intermediates.len() >= MOST_CHAIN || too_large {
            return Err(Error::General("client certificates exceed the limit".into()));
        }
        // It must parse, or its key could not be used; nothing here is about trust.
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    // These two prove that the client holds the key. They must stay real.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
            .into_iter()
            // Not in the profile of the guideline.
            .filter(|scheme| !matches!(scheme, SignatureScheme::ED25519 | SignatureScheme::ED448))
            .collect()
    }
}
