//! An EST client on one kept TLS connection.

use anyhow::{bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use hyper::body::Bytes;
use sekisho_pki::encoding::cms;

use super::connection::Connection;

/// What speaks EST over its connection.
pub struct EstClient(Connection);

impl EstClient {
    /// Over a connection to the enrolment name.
    #[must_use]
    pub fn over(connection: Connection) -> Self {
        Self(connection)
    }

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
            .header(header::CONTENT_TYPE, "application/pkcs10");
        if let Some(authorization) = authorization {
            post = post.header(header::AUTHORIZATION, authorization);
        }
        let answer = self.0.ask(post, request.to_owned()).await?;
        Ok((answer.status(), answer.into_body()))
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
