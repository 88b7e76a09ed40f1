//! Enrolment and renewal by EST (RFC 7030): key made here, root checked first, code sent last.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use const_oid::AssociatedOid;
use der::{Decode, Encode};
use reqwest::header;
use secrecy::{ExposeSecret, SecretString};
use sekisho_pki::encoding::name::{Part, name};
use sekisho_pki::encoding::{request, signed_object};
use sekisho_protocol::Jwk;
use sekisho_protocol::trust::{self, TerminalTrust};
use sha2::{Digest, Sha256};
use url::Url;
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;
use zeroize::Zeroizing;

use super::answer::{Shown, accepted, causes, certs_only, clock_ahead, unreachable};
use super::client::{ClientError, Trust, client};
use super::key::{FileKey, TerminalKey};
use super::place::{Enrolment, Place, PlaceError, read, write_private};

/// The longest answer that is read, in octets.
const MOST_ANSWER: usize = 128 * 1024;
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
    /// The code was not accepted, and never will be with this key.
    #[error("the server refused the code: {0}")]
    CodeRefused(String),
    /// The code was not accepted now: what stands in its way may be lifted.
    #[error("the server does not take the code now: {0}")]
    CodeWaits(String),
    /// The code was not accepted, and this PC is enrolled as the terminal that it is for. Older
    /// agents did not note which code that was.
    #[error(
        "this PC is enrolled as {terminal} already, and the server refused the code: {text}. If this \
         is the line that enrolled it, nothing is left to do: `sekisho-agent doctor` says whether \
         all is well, `sekisho-agent renew` fetches the next certificate. To enrol it anew, ask the \
         facility's administrator for a new code"
    )]
    EnrolledBefore {
        /// The terminal.
        terminal: String,
        /// What the server said.
        text: String,
    },
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
    /// The folder is enrolled under another authority.
    #[error(
        "this folder is enrolled at {0}, under another root; move it away, or choose another with --dir"
    )]
    AnotherRoot(String),
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

impl Invitation {
    /// SHA-256 of the code however it was written, as the server reads it: any case, `O` for 0, `I`
    /// or `L` for 1, hyphens and spaces anywhere. 95 random bits need no salt and no slow hash.
    fn code_sha256(&self) -> String {
        let plain = self.code.expose_secret().chars().filter(|c| !matches!(c, '-' | ' ' | '\t'));
        let plain: Zeroizing<String> = Zeroizing::new(
            plain
                .map(|character| match character.to_ascii_uppercase() {
                    'O' => '0',
                    'I' | 'L' => '1',
                    other => other,
                })
                .collect(),
        );
        hex::encode(Sha256::digest(plain.as_bytes()))
    }
}

/// What enrolment left.
#[derive(Debug)]
pub struct Enrolled {
    /// Whom the agent obeys.
    pub trust: TerminalTrust,
    /// Where the key and the certificate of before lie now.
    pub set_aside: Option<PathBuf>,
}

/// Goes the whole way; a repeated run continues where the last one stopped.
///
/// A code is used, whatever the folder holds, except the one that brought what it holds: each code
/// gets a key of its own, so that neither a key that is known as compromised nor one that belongs
/// to another terminal stands in its way. Until all is there the folder keeps what it had.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(place: &Place, invitation: &Invitation) -> Result<Enrolled, EnrolError> {
    let expected: [u8; 32] = hex::decode(invitation.root_sha256.trim().replace(':', ""))
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or(EnrolError::FingerprintForm)?;
    let code_sha256 = invitation.code_sha256();
    let enrolment = Enrolment {
        server: invitation.server.origin().ascii_serialization(),
        root_sha256: hex::encode(expected),
        terminal: invitation.terminal.clone(),
        code_sha256: Some(code_sha256.clone()),
    };
    let mut may_be_its_line = false;
    match place.enrolment() {
        Ok(before) if before.root_sha256 != enrolment.root_sha256 => {
            return Err(EnrolError::AnotherRoot(before.server));
        }
        // The same line once more: sent again, the code would only be refused as used.
        Ok(before) if before.is_of_line(&enrolment) && place.certificate().exists() => {
            let key = FileKey::load(&place.key())?;
            if held_certificate(place, key.public()).is_some() {
                // The address may be another one under the same root.
                place.remember(&enrolment)?;
                let (trust, _) = refresh_trust(place, &key).await?;
                return Ok(Enrolled { trust, set_aside: None });
            }
        }
        Ok(before) => {
            may_be_its_line = before.code_sha256.is_none()
                && before.terminal == enrolment.terminal
                && place.certificate().exists();
        }
        Err(_) => {}
    }

    // 1. The root, over a connection that proves nothing; its hash proves it.
    let Authorities { root, all, ahead } = fetch_authorities(&invitation.server, &expected).await?;
    let pending = place.pending(&code_sha256)?;
    pending.remember(&enrolment)?;
    write_private(&pending.root(), &root)?;

    // 2. The key, on disk before it is spoken of.
    let key = FileKey::load_or_make(&pending.key())?;

    // 3. The certificate, over a connection under that root.
    if held_certificate(&pending, key.public()).is_none() {
        let http = client(&invitation.server, &Trust::Root(&root))?;
        let url = est(&invitation.server, "simpleenroll")?;
        let ask =
            http.post(url).basic_auth(&invitation.terminal, Some(invitation.code.expose_secret()));
        let answer = ask_for_certificate(ask, Shown::Code, &key, &invitation.terminal, ahead).await;
        let answer = match answer {
            Err(EnrolError::CodeRefused(text)) => {
                // This key will never have a certificate by this code.
                place.discard(&pending)?;
                return Err(match may_be_its_line {
                    true => EnrolError::EnrolledBefore { terminal: enrolment.terminal, text },
                    false => EnrolError::CodeRefused(text),
                });
            }
            answer => answer?,
        };
        store(&pending, &key, &root, &answer, &all)?;
    }

    // 4. Whom to obey, over a connection with our own key.
    let (trust, _) = refresh_trust(&pending, &key).await?;

    // 5. All of it takes the place of what was there.
    let set_aside = place.adopt(&pending)?;
    Ok(Enrolled { trust, set_aside })
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
    // The next certificate may be of a new generation of the authority, which proves itself by the
    // root's signature: it matters not who tells of it.
    let anybody = client(&server, &Trust::Provisional)?;
    let (authorities, ahead) = told_authorities(&anybody, &server).await?;
    let http = terminal_client(place, &key, &server)?;
    let ask = http.post(est(&server, "simplereenroll")?);
    let answer =
        ask_for_certificate(ask, Shown::Certificate, &key, &enrolment.terminal, ahead).await?;
    store(place, &key, &root, &answer, &authorities)?;
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
    let http = client(server, &Trust::Provisional)?;
    let (all, ahead) = told_authorities(&http, server).await?;
    let root = all.iter().find(|der| Sha256::digest(der)[..] == expected[..]);
    let root = root.ok_or(EnrolError::WrongRoot)?.clone();
    Ok(Authorities { root, all, ahead })
}

/// What `cacerts` tells over this connection, and how far the server's clock is ahead.
async fn told_authorities(
    http: &reqwest::Client,
    server: &Url,
) -> Result<(Vec<Vec<u8>>, i64), EnrolError> {
    let url = est(server, "cacerts")?;
    let response = http.get(url.clone()).send().await.map_err(|e| unreachable(&url, &e))?;
    let ahead = clock_ahead(&response).unwrap_or(0);
    let all = certs_only(&accepted(response, Shown::Nothing, MOST_ANSWER).await?)?;
    Ok((all, ahead))
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
    let issuer = if check_issued(ours, &root).is_ok() {
        root_der
    } else {
        let issuer = answer.iter().chain(authorities).find(|der| {
            let issuer = Certificate::from_der(der);
            issuer.is_ok_and(|issuer| is_authority(&issuer) && check_issued(ours, &issuer).is_ok())
        });
        let issuer = issuer.ok_or(NOT_UNDER_ROOT)?;
        check_issued(issuer, &root)?;
        issuer
    };
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
