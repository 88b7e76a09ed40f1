//! One kept connection of a program, by TLS or plain, as lean as it can be: what it takes of the machine is taken
//! from the server that it measures.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use http::{Response, header, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// Where a name answers, and whom to trust.
#[derive(Clone)]
pub struct Door {
    host: String,
    port: u16,
    roots: RootCertStore,
}

/// One connection.
pub struct Connection {
    authority: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Door {
    /// `origin` is on this machine, whatever its name says.
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

    /// Connects; with `identity`, a certificate and its key in PKCS #8, as a terminal.
    ///
    /// # Errors
    /// The network or TLS.
    pub async fn connect(&self, identity: Option<(&[u8], &[u8])>) -> anyhow::Result<Connection> {
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
        Ok(Connection { authority: format!("{}:{}", self.host, self.port), sender })
    }
}

impl Connection {
    /// Connects without TLS.
    ///
    /// # Errors
    /// The origin does not read, or the network.
    pub async fn plain(origin: &str) -> anyhow::Result<Self> {
        let origin = Url::parse(origin)?;
        let host = origin.host_str().context("the origin has no host")?;
        let port = origin.port_or_known_default().context("the origin has no port")?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { authority: format!("{host}:{port}"), sender })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The connection broke: whether the request was carried out is not known.
    pub async fn ask(
        &mut self,
        request: Builder,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Response<Bytes>> {
        let request = request.header(header::HOST, &self.authority);
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body.into()))?).await?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}
