//! An EST client on one kept TLS connection, as lean as it can be: what it takes of the machine is
//! taken from the server that it measures.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sekisho_pki::encoding::cms;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// Where the enrolment name answers, and whom to trust.
#[derive(Clone)]
pub struct Door {
    host: String,
    port: u16,
    roots: RootCertStore,
}

/// One connection.
pub struct EstClient {
    authority: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Door {
    /// `origin` is the enrolment name's, on this machine.
    ///
    /// # Errors
    /// When the origin or the root certificate does not read.
    pub fn new(origin: &str, root_pem: &[u8]) -> anyhow::Result<Self> {
        let origin = Url::parse(origin)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root_pem).context("the root is no PEM")?)?;
        Ok(Self {
            host: origin.host_str().context("the origin has no host")?.to_owned(),
            port: origin.port_or_known_default().context("the origin has no port")?,
            roots,
        })
    }

    /// Connects; with `identity`, a certificate and its key in PKCS #8, as a terminal that renews.
    ///
    /// # Errors
    /// The network or TLS.
    pub async fn connect(&self, identity: Option<(&[u8], &[u8])>) -> anyhow::Result<EstClient> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone());
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder.with_client_auth_cert(
                vec![CertificateDer::from(certificate.to_vec())],
                PrivateKeyDer::Pkcs8(key.to_vec().into()),
            )?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(EstClient { authority: format!("{}:{}", self.host, self.port), sender })
    }
}

impl EstClient {
    /// Enrols by a code, or renews without one; the answer as it came.
    ///
    /// # Errors
    /// The connection broke: whether a certificate was issued is not known.
    pub async fn ask(
        &mut self,
        authorization: Option<&str>,
        request: &str,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let operation = if authorization.is_some() { "simpleenroll" } else { "simplereenroll" };
        let mut post = Request::post(format!("/.well-known/est/{operation}"))
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/pkcs10");
        if let Some(authorization) = authorization {
            post = post.header(header::AUTHORIZATION, authorization);
        }
        self.sender.ready().await?;
        let body = Full::new(Bytes::copy_from_slice(request.as_bytes()));
        let (head, body) = self.sender.send_request(post.body(body)?).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

/// The one certificate of an answer.
///
/// # Errors
/// When it was refused, with the server's line.
pub fn certificate(status: StatusCode, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    if status != StatusCode::OK {
        bail!("{status}: {}", String::from_utf8_lossy(body).trim());
    }
    let mut all = cms::parse_certs_only(&STANDARD.decode(body)?)?;
    ensure!(all.len() == 1, "the answer holds {} certificates", all.len());
    Ok(all.remove(0))
}
