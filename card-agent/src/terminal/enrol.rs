//! Enrolment and renewal by EST (RFC 7030): key made here, root checked first, code sent last.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use const_oid::AssociatedOid;
use der::{Decode, Encode};
use reqwest::{Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use sekisho_pki::encoding::name::{Part, name};
use sekisho_pki::encoding::{cms, request, signed_object};
use sekisho_protocol::Jwk;
use sekisho_protocol::trust::{self, TerminalTrust};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

use super::client::{ClientError, Trust, client};
use super::key::{FileKey, TerminalKey};
use super::place::{Enrolment, Place, PlaceError, read, write_private};

/// The longest answer that is read, in octets.
const MOST_ANSWER: usize = 128 * 1024;
/// The most characters of a refusal's text that are shown.
const MOST_TEXT: usize = 400;
/// A PC clock further off than this is named as the likely cause of a failure.
const WRONG_CLOCK_SECS: i64 = 300;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The fingerprint is not 64 hexadecimal digits.
    #[error("the root fingerprint has 64 hexadecimal digits; copy the whole line again")]
    FingerprintForm,
    /// Nothing answers there.
    #[error("{server} does not answer: {why}")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        why: String,
    },
    /// The server's authority is another one.
    #[error(
        "the server does not present the root with this fingerprint: wrong address, wrong line, or somebody in between. The code was not sent"
    )]
    WrongRoot,
    /// TLS under the right root failed.
    #[error(
        "the server's certificate does not stand under the given root: {0}. The code was not sent"
    )]
    ServerNotTrusted(String),
    /// The PC's clock is off.
    #[error("this PC's clock is wrong by {seconds} seconds; set it and run the line again")]
    Clock {
        /// Server minus PC.
        seconds: i64,
    },
    /// The code was not accepted.
    #[error("the server refused the code: {0}")]
    CodeRefused(String),
    /// The certificate that this PC showed was not accepted: stopped, revoked, or its facility may
    /// not act.
    #[error("the server refused this terminal: {0}")]
    TerminalRefused(String),
    /// Somebody has to approve first.
    #[error("the request waits for approval; run the same line again later")]
    Pending,
    /// Any other refusal.
    #[error("the server refused ({status}): {text}")]
    Refused {
        /// Status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// The answer is not what was asked for.
    #[error("the server's answer is not acceptable: {0}")]
    Answer(&'static str),
    /// Another terminal is enrolled in this folder.
    #[error("this folder belongs to terminal {0}; choose another with --dir")]
    AnotherTerminal(String),
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The folder.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// ASN.1 of our own request.
    #[error("the request cannot be encoded")]
    Encode(#[from] der::Error),
}

/// What a person pasted.
pub struct Invitation {
    /// Enrolment address.
    pub server: Url,
    /// SHA-256 of the root, hex.
    pub root_sha256: String,
    /// Terminal identifier.
    pub terminal: String,
    /// One-time code.
    pub code: SecretString,
}

/// Goes the whole way; a repeated run continues where the last one stopped.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(place: &Place, invitation: &Invitation) -> Result<TerminalTrust, EnrolError> {
    let expected: [u8; 32] = hex::decode(invitation.root_sha256.trim().replace(':', ""))
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or(EnrolError::FingerprintForm)?;
    let enrolment = Enrolment {
        server: invitation.server.origin().ascii_serialization(),
        root_sha256: hex::encode(expected),
        terminal: invitation.terminal.clone(),
    };
    match place.enrolment() {
        Ok(before) if before.terminal != enrolment.terminal => {
            return Err(EnrolError::AnotherTerminal(before.terminal));
        }
        _ => {}
    }

    // 1. The root, over a connection that proves nothing; its hash proves it.
    let Authorities { root, all, ahead } = fetch_authorities(&invitation.server, &expected).await?;
    place.remember(&enrolment)?;
    write_private(&place.root(), &root)?;

    // 2. The key, on disk before it is spoken of.
    let key = FileKey::load_or_make(&place.key())?;

    // 3. The certificate, over a connection under that root.
    if held_certificate(place, key.public()).is_none() {
        let http = client(&invitation.server, &Trust::Root(&root))?;
        let url = est(&invitation.server, "simpleenroll")?;
        let ask =
            http.post(url).basic_auth(&invitation.terminal, Some(invitation.code.expose_secret()));
        let answer =
            ask_for_certificate(ask, Shown::Code, &key, &invitation.terminal, ahead).await?;
        store(place, &key, &root, &answer, &all)?;
    }

    // 4. Whom to obey, over a connection with our own key.
    Ok(refresh_trust(place, &key).await?.0)
}

/// Renews under the present certificate, with the same key.
///
/// # Errors
/// [`EnrolError`].
pub async fn renew(place: &Place) -> Result<TerminalTrust, EnrolError> {
    let enrolment = place.enrolment()?;
    let key = FileKey::load(&place.key())?;
    let server = address(&enrolment.server)?;
    let root = read(&place.root())?;
    let http = terminal_client(place, &key, &server)?;
    let ask = http.post(est(&server, "simplereenroll")?);
    let answer = ask_for_certificate(ask, Shown::Certificate, &key, &enrolment.terminal, 0).await?;
    let issuer = read(&place.issuer()).ok();
    store(place, &key, &root, &answer, issuer.as_slice())?;
    Ok(refresh_trust(place, &key).await?.0)
}

/// Fetches and pins the trust document; also tells how far the server's clock is ahead, in seconds.
///
/// # Errors
/// [`EnrolError`].
pub async fn refresh_trust(
    place: &Place,
    key: &dyn TerminalKey,
) -> Result<(TerminalTrust, i64), EnrolError> {
    let server = address(&place.enrolment()?.server)?;
    let http = terminal_client(place, key, &server)?;
    let url = server.join(trust::TRUST_PATH).map_err(|_| EnrolError::Answer("address"))?;
    let response = http.get(url.clone()).send().await.map_err(|e| unreachable(&url, &e))?;
    let ahead = clock_ahead(&response).unwrap_or(0);
    let body = accepted(response, Shown::Certificate, trust::MAX_OCTETS).await?;
    let document: TerminalTrust =
        serde_json::from_slice(&body).map_err(|_| EnrolError::Answer("trust document"))?;
    document.check().map_err(|_| EnrolError::Answer("trust document"))?;
    place.pin(&document)?;
    Ok((document, ahead))
}

/// A client that shows the terminal's certificate.
///
/// # Errors
/// [`ClientError`].
pub fn terminal_client(
    place: &Place,
    key: &dyn TerminalKey,
    server: &Url,
) -> Result<reqwest::Client, ClientError> {
    let root = read(&place.root())?;
    let mut certificates = vec![read(&place.certificate())?];
    if let Ok(issuer) = read(&place.issuer()) {
        certificates.push(issuer);
    }
    client(server, &Trust::Terminal { root: &root, certificates, key })
}

fn address(text: &str) -> Result<Url, EnrolError> {
    Url::parse(text).map_err(|_| ClientError::Address(text.to_owned()).into())
}

fn est(server: &Url, operation: &str) -> Result<Url, EnrolError> {
    server
        .join(&format!("/.well-known/est/{operation}"))
        .map_err(|_| ClientError::Address(server.to_string()).into())
}

/// The certificate in the folder, if it is for this key.
fn held_certificate(place: &Place, key: &Jwk) -> Option<Vec<u8>> {
    read(&place.certificate()).ok().filter(|der| public_key_of(der).as_ref() == Some(key))
}

fn public_key_of(certificate_der: &[u8]) -> Option<Jwk> {
    let certificate = Certificate::from_der(certificate_der).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Jwk::from_spki_der(&spki).ok()
}

/// What `cacerts` told. Only the root is proved yet, by its hash; the others prove themselves by
/// their signatures when one of them turns out to be our issuer.
struct Authorities {
    root: Vec<u8>,
    all: Vec<Vec<u8>>,
    /// Server's clock minus ours, in seconds, on the word of nobody: for an error's text.
    ahead: i64,
}

async fn fetch_authorities(server: &Url, expected: &[u8; 32]) -> Result<Authorities, EnrolError> {
    let url = est(server, "cacerts")?;
    let http = client(server, &Trust::Provisional)?;
    let response = http.get(url.clone()).send().await.map_err(|e| unreachable(&url, &e))?;
    let ahead = clock_ahead(&response).unwrap_or(0);
    let all = certs_only(&accepted(response, Shown::Nothing, MOST_ANSWER).await?)?;
    let root = all.iter().find(|der| Sha256::digest(der)[..] == expected[..]);
    let root = root.ok_or(EnrolError::WrongRoot)?.clone();
    Ok(Authorities { root, all, ahead })
}

async fn ask_for_certificate(
    ask: reqwest::RequestBuilder,
    shown: Shown,
    key: &dyn TerminalKey,
    terminal: &str,
    ahead: i64,
) -> Result<Vec<Vec<u8>>, EnrolError> {
    let subject = name(&[Part::CommonName(terminal)])?;
    let unsigned = request::to_be_signed(&subject, &key.public().to_spki_der())?;
    let signature = key.sign_der(&unsigned)?;
    let algorithm = sekisho_key::SignatureAlgorithm::EcdsaP256Sha256.identifier();
    let pkcs10 = signed_object::assemble(&unsigned, algorithm, &signature)?;
    let sent = ask
        .header(header::CONTENT_TYPE, "application/pkcs10")
        .header("Content-Transfer-Encoding", "base64")
        .body(STANDARD.encode(pkcs10))
        .send()
        .await;
    let response = match sent {
        Ok(response) => response,
        Err(_) if ahead.abs() > WRONG_CLOCK_SECS => {
            return Err(EnrolError::Clock { seconds: ahead });
        }
        // The same host answered a moment ago: what fails now is its certificate.
        Err(error) => return Err(EnrolError::ServerNotTrusted(causes(&error))),
    };
    certs_only(&accepted(response, shown, MOST_ANSWER).await?)
}

/// Checks the answer and keeps it: our key, and a path of signatures to the root.
///
/// RFC 7030 §4.2.3 sends the certificate alone and §4.1.3 the authorities above it.
fn store(
    place: &Place,
    key: &dyn TerminalKey,
    root_der: &[u8],
    answer: &[Vec<u8>],
    authorities: &[Vec<u8>],
) -> Result<(), EnrolError> {
    let ours = answer.iter().find(|der| public_key_of(der).as_ref() == Some(key.public()));
    let ours = ours.ok_or(EnrolError::Answer("no certificate for our key"))?;
    let root = Certificate::from_der(root_der)?;
    if check_issued(ours, &root).is_ok() {
        return Ok(write_private(&place.certificate(), ours)?);
    }
    let issuer = answer.iter().chain(authorities).find(|der| {
        let issuer = Certificate::from_der(der);
        issuer.is_ok_and(|issuer| is_authority(&issuer) && check_issued(ours, &issuer).is_ok())
    });
    let issuer = issuer.ok_or(NOT_UNDER_ROOT)?;
    check_issued(issuer, &root)?;
    write_private(&place.issuer(), issuer)?;
    Ok(write_private(&place.certificate(), ours)?)
}

/// basicConstraints with cA (RFC 5280 §4.2.1.9).
fn is_authority(certificate: &Certificate) -> bool {
    let mut extensions = certificate.tbs_certificate().extensions().into_iter().flatten();
    extensions
        .find(|extension| extension.extn_id == BasicConstraints::OID)
        .and_then(|extension| BasicConstraints::from_der(extension.extn_value.as_bytes()).ok())
        .is_some_and(|constraints| constraints.ca)
}

const NOT_UNDER_ROOT: EnrolError = EnrolError::Answer("certificate not issued under the root");

fn check_issued(der: &[u8], issuer: &Certificate) -> Result<(), EnrolError> {
    let signed = signed_object::SignedObject::parse(der, false).map_err(|_| NOT_UNDER_ROOT)?;
    let spki = issuer.tbs_certificate().subject_public_key_info().to_der()?;
    sekisho_pki::signature::verify(&spki, &signed.algorithm, signed.to_be_signed, &signed.signature)
        .map_err(|_| NOT_UNDER_ROOT)
}

fn certs_only(body: &[u8]) -> Result<Vec<Vec<u8>>, EnrolError> {
    let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(text).map_err(|_| EnrolError::Answer("base64"))?;
    cms::parse_certs_only(&der).map_err(|_| EnrolError::Answer("certificates"))
}

/// What a request shows of this PC: what a 401 or 403 is then about.
#[derive(Clone, Copy)]
enum Shown {
    Nothing,
    Code,
    Certificate,
}

/// The body of a 200, bounded; anything else as an error that says what to do.
async fn accepted(
    mut response: Response,
    shown: Shown,
    most: usize,
) -> Result<Vec<u8>, EnrolError> {
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"application/problem+json")
    });
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| EnrolError::Answer("cut short"))? {
        if body.len() + piece.len() > most {
            return Err(EnrolError::Answer("too long"));
        }
        body.extend_from_slice(&piece);
    }
    let text = || {
        let problem = is_problem.then(|| serde_json::from_slice::<Problem>(&body).ok()).flatten();
        let text = problem
            .map_or_else(|| String::from_utf8_lossy(&body).into_owned(), |problem| problem.words());
        text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect::<String>()
    };
    match (status, shown) {
        (StatusCode::OK, _) => Ok(body),
        (StatusCode::ACCEPTED, _) => Err(EnrolError::Pending),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Shown::Code) => {
            Err(EnrolError::CodeRefused(text()))
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Shown::Certificate) => {
            Err(EnrolError::TerminalRefused(text()))
        }
        _ => Err(EnrolError::Refused { status: status.as_u16(), text: text() }),
    }
}

/// What a problem (RFC 9457) says to people.
#[derive(serde::Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn words(self) -> String {
        match (self.title.is_empty(), self.detail.is_empty()) {
            (_, true) => self.title,
            (true, false) => self.detail,
            (false, false) => format!("{}: {}", self.title, self.detail),
        }
    }
}

/// Server's clock minus ours, in seconds, by the Date header (RFC 9110 §6.6.1).
fn clock_ahead(response: &Response) -> Option<i64> {
    let date = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()?;
    Some(date.unix_timestamp() - OffsetDateTime::from(SystemTime::now()).unix_timestamp())
}

fn unreachable(url: &Url, error: &reqwest::Error) -> EnrolError {
    EnrolError::Unreachable { server: url.origin().ascii_serialization(), why: causes(error) }
}

/// An error and its causes on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
