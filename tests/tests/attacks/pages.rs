//! A site of any name: an empty page, a worker's script, a redirect that keeps the method.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Serves with TLS where there is a certificate; tells the port.
pub async fn serve(tls: Option<Arc<ServerConfig>>, door: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let tls = tls.map(TlsAcceptor::from);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    Some(tls) => answer(tls.accept(stream).await.ok()?, door).await,
                    None => answer(stream, door).await,
                }
            });
        }
    });
    Ok(port)
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, door: u16) -> Option<()> {
    let mut got = Vec::new();
    while !got.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut got).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&got).into_owned();
    let path = head.split(' ').nth(1)?;
    let empty = "<!doctype html><title>page</title><body></body>";
    let (status, kind, body) = match path {
        "/worker.js" => ("200 OK", "text/javascript", include_str!("worker.js")),
        // Where a page of ours sends on whoever comes, the next site hears no origin.
        "/on" => ("307 Temporary Redirect", "text/html", ""),
        _ => ("200 OK", "text/html", empty),
    };
    let on = format!("location: http://127.0.0.1:{door}/v1/card-login/navigate\r\n");
    let on = if path == "/on" { on } else { String::new() };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{on}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// A key and a certificate that nobody asks about: the browser is told to take any.
pub fn certificate(folder: &std::path::Path) -> anyhow::Result<Arc<ServerConfig>> {
    let (key, certificate) = (folder.join("site.key"), folder.join("site.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=site", "-addext", "subjectAltName=DNS:*.example"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()?;
    anyhow::ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate)?],
            PrivateKeyDer::from_pem_file(&key)?,
        )?;
    Ok(Arc::new(config))
}
