//! Enrolment and renewal by EST (RFC 7030): key made here, root checked first, code sent last.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use der::{Decode, Encode};
use reqwest::{StatusCode, header};
use secrecy::ExposeSecret;
use sekisho_pki::encoding::name::{Part, name};
use sekisho_pki::encoding::{request, signed_object};
use sekisho_protocol::Jwk;
use sekisho_protocol::trust::{self, TerminalTrust};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;
use x509_cert::Certificate;

use super::answer::{Shown, accepted, causes, certs_only, clock_ahead, unreachable};
use super::authorities::Told;
use super::client::{ClientError, Trust, client};
use super::invitation::Invitation;
use super::key::{self, TerminalKey};
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
    #[error("this PC's clock is wrong by {seconds} seconds; set it and run the same again")]
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
    /// Somebody has to approve the key first.
    #[error(
        "the key of this PC waits for approval by the facility's administrator, who will compare it with \
         this fingerprint (SHA-256): {0}. Run the same line again when it is approved"
    )]
    Pending(String),
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
    let before = place.enrolment().ok();
    let is_its_line = |before: &Enrolment| {
        before.is_of_line(&enrolment) && before.root_sha256 == enrolment.root_sha256
    };
    // The same line once more: sent again, the code would only be refused as used.
    if before.as_ref().is_some_and(is_its_line)
        && let Some(trust) = held(place, &enrolment).await?
    {
        return Ok(Enrolled { trust, set_aside: None });
    }

    // 1. The root, over a connection that proves nothing; its hash proves it.
    let anybody = client(&invitation.server, &Trust::Provisional)?;
    let (told, ahead) = told_authorities(&anybody, &invitation.server).await?;
    let root = told.of_sha256(&expected).ok_or(EnrolError::WrongRoot)?;
    if let Some(before) = &before
        && before.root_sha256 != enrolment.root_sha256
    {
        // The line names the root that followed ours, or the one before it.
        if !told.vouches(&read(&place.root())?, root, OffsetDateTime::now_utc()) {
            return Err(EnrolError::AnotherRoot(before.server.clone()));
        }
        let learnt = Enrolment { root_sha256: before.root_sha256.clone(), ..enrolment.clone() };
        if before.is_of_line(&enrolment)
            && let Some(trust) = held(place, &learnt).await?
        {
            return Ok(Enrolled { trust, set_aside: None });
        }
    }
    let may_be_its_line = before.as_ref().is_some_and(|before| {
        before.code_sha256.is_none()
            && before.terminal == enrolment.terminal
            && place.certificate().exists()
    });
    let pending = place.pending(&code_sha256)?;
    pending.remember(&enrolment)?;
    write_private(&pending.root(), root)?;

    // 2. The key, on disk before it is spoken of.
    let key = key::load_or_make(&pending, invitation.key_in.as_ref(), &invitation.terminal)?;
    let key = key.as_ref();

    // 3. The certificate, over a connection under that root.
    if held_certificate(&pending, key.public()).is_none() {
        let http = client(&invitation.server, &Trust::Root(root))?;
        let url = est(&invitation.server, "simpleenroll")?;
        let ask =
            http.post(url).basic_auth(&invitation.terminal, Some(invitation.code.expose_secret()));
        let answer = ask_for_certificate(ask, Shown::Code, key, &invitation.terminal, ahead).await;
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
        store(&pending, key, root, &answer, &told)?;
    }

    // 4. Whom to obey, over a connection with our own key.
    let (trust, _) = refresh_trust(&pending, key).await?;

    // 5. All of it takes the place of what was there.
    let set_aside = place.adopt(&pending)?;
    Ok(Enrolled { trust, set_aside })
}

/// What the folder holds of an enrolment, if that is a certificate for its key.
async fn held(place: &Place, enrolment: &Enrolment) -> Result<Option<TerminalTrust>, EnrolError> {
    if !place.certificate().exists() {
        return Ok(None);
    }
    let key = key::load(place)?;
    let key = key.as_ref();
    if held_certificate(place, key.public()).is_none() {
        return Ok(None);
    }
    // The address may be another one under the same root.
    place.remember(enrolment)?;
    Ok(Some(refresh_trust(place, key).await?.0))
}

/// Renews under the present certificate, with the same key.
///
/// # Errors
/// [`EnrolError`].
pub async fn renew(place: &Place) -> Result<TerminalTrust, EnrolError> {
    let enrolment = place.enrolment()?;
    let key = key::load(place)?;
    let key = key.as_ref();
    let server = address(&enrolment.server)?;
    let root = read(&place.root())?;
    // The next certificate may be of a new generation of the authority, which proves itself by the
    // root's signature: it matters not who tells of it.
    let anybody = client(&server, &Trust::Provisional)?;
    let (told, ahead) = told_authorities(&anybody, &server).await?;
    let http = terminal_client(place, key, &server)?;
    let ask = http.post(est(&server, "simplereenroll")?);
    let answer =
        ask_for_certificate(ask, Shown::Certificate, key, &enrolment.terminal, ahead).await?;
    // The browser may show it for a while yet, and the agent answers for both.
    write_private(&place.former_certificate(), &read(&place.certificate())?)?;
    store(place, key, &root, &answer, &told)?;
    Ok(refresh_trust(place, key).await?.0)
}

/// Fetches and pins the trust document, and the root that followed ours; also tells how far the server's clock is ahead, in seconds.
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
    let response = match http.get(url.clone()).send().await {
        Ok(response) => response,
        Err(error) => return Err(wrong_clock(&server).await.unwrap_or(unreachable(&url, &error))),
    };
    let ahead = clock_ahead(&response).unwrap_or(0);
    let body = accepted(response, Shown::Certificate, trust::MAX_OCTETS).await?;
    let document: TerminalTrust =
        serde_json::from_slice(&body).map_err(|_| EnrolError::Answer("trust document"))?;
    document.check().map_err(|_| EnrolError::Answer("trust document"))?;
    // Somebody may have enrolled the folder elsewhere in the meantime.
    if document.terminal.id != place.enrolment()?.terminal {
        return Err(EnrolError::Answer("trust document"));
    }
    place.pin(&document)?;
    follow_root(place, &http, &server).await?;
    Ok((document, ahead))
}

/// Whether this PC's clock is why nothing was reached: certificates are of another time than it shows.
/// On the word of whoever answers, which decides nothing but what a person reads.
async fn wrong_clock(server: &Url) -> Option<EnrolError> {
    let anybody = client(server, &Trust::Provisional).ok()?;
    let (_, seconds) = told_authorities(&anybody, server).await.ok()?;
    (seconds.abs() > WRONG_CLOCK_SECS).then_some(EnrolError::Clock { seconds })
}

/// Takes the root that followed the one we believe, if there is one.
///
/// Over a connection under our root, and by our root's own signature: neither whoever sits in
/// between nor the server alone can put another one in its place. The former one is remembered until
/// nobody tells of it any more, for the browser's store believes it until then.
async fn follow_root(
    place: &Place,
    http: &reqwest::Client,
    server: &Url,
) -> Result<(), EnrolError> {
    let (told, _) = told_authorities(http, server).await?;
    let known = read(&place.root())?;
    if let Some(next) = told.next_root(&known, OffsetDateTime::now_utc()) {
        write_private(&place.former_root(), &known)?;
        write_private(&place.root(), next)?;
    }
    let root = read(&place.root())?;
    let enrolment = place.enrolment()?;
    let root_sha256 = hex::encode(Sha256::digest(&root));
    // Also where power failed between the two.
    if enrolment.root_sha256 != root_sha256 {
        place.remember(&Enrolment { root_sha256, ..enrolment })?;
    }
    if let Ok(former) = read(&place.former_root())
        && told.holds(&root)
        && !told.holds(&former)
    {
        place.end_former_root()?;
    }
    Ok(())
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

/// The public key of a certificate, if it is one of a kind that we use.
pub(crate) fn public_key_of(certificate_der: &[u8]) -> Option<Jwk> {
    let certificate = Certificate::from_der(certificate_der).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Jwk::from_spki_der(&spki).ok()
}

/// What `cacerts` tells over this connection, and how many seconds the server's clock is ahead, on the
/// word of whoever answers.
async fn told_authorities(http: &reqwest::Client, server: &Url) -> Result<(Told, i64), EnrolError> {
    let url = est(server, "cacerts")?;
    let response = http.get(url.clone()).send().await.map_err(|e| unreachable(&url, &e))?;
    let ahead = clock_ahead(&response).unwrap_or(0);
    let told = certs_only(&accepted(response, Shown::Nothing, MOST_ANSWER).await?)?;
    Ok((Told(told), ahead))
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
    if response.status() == StatusCode::ACCEPTED {
        // Of the key that lies here: what the server says of it is not to be compared with itself.
        let fingerprint = Sha256::digest(key.public().to_spki_der());
        return Err(EnrolError::Pending(grouped(&hex::encode(fingerprint))));
    }
    certs_only(&accepted(response, shown, MOST_ANSWER).await?)
}

/// In groups of eight, as the console shows it.
fn grouped(fingerprint: &str) -> String {
    let groups = fingerprint.as_bytes().chunks(8).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

/// Checks the answer and keeps it: our key, and a path of signatures to the root.
fn store(
    place: &Place,
    key: &dyn TerminalKey,
    root: &[u8],
    answer: &[Vec<u8>],
    told: &Told,
) -> Result<(), EnrolError> {
    let ours = answer.iter().find(|der| public_key_of(der).as_ref() == Some(key.public()));
    let ours = ours.ok_or(EnrolError::Answer("no certificate for our key"))?;
    let issuer = told.issuer_of(ours, answer, root);
    let issuer = issuer.ok_or(EnrolError::Answer("certificate not issued under the root"))?;
    write_private(&place.issuer(), issuer)?;
    Ok(write_private(&place.certificate(), ours)?)
}
