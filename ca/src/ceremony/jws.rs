//! Transcripts are JWS (RFC 7515 §7.2.1, general JSON serialisation), with one signature by each key
//! that took part. There is one way to write one: a reader finds nothing in it that is not signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_key::{SignatureAlgorithm, SigningKey, ecdsa_signature_to_der};
use sekisho_pki::signature;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::transcript::TranscriptError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jws {
    payload: String,
    signatures: Vec<JwsSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwsSignature {
    protected: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    /// The key's name.
    kid: String,
}

/// Signs `content` as JSON by each of these keys.
pub(super) async fn sign(
    content: &impl Serialize,
    typ: &str,
    keys: impl IntoIterator<Item = (&str, &dyn SigningKey)>,
) -> Result<String, TranscriptError> {
    let payload = encoded(content)?;
    let mut signatures = Vec::new();
    for (name, key) in keys {
        let refused = |source| TranscriptError::Sign { name: name.to_owned(), source };
        let protected = encoded(&Header {
            alg: key.algorithm().jws_alg().to_owned(),
            typ: typ.to_owned(),
            kid: name.to_owned(),
        })?;
        let input = format!("{protected}.{payload}");
        let signature = key.sign_fixed(input.as_bytes()).await.map_err(refused)?;
        signatures.push(JwsSignature { protected, signature: URL_SAFE_NO_PAD.encode(signature) });
    }
    written(&Jws { payload, signatures })
}

/// Reads what [`sign`] wrote, octet by octet, and verifies it by exactly these keys, each a name with
/// its DER `SubjectPublicKeyInfo`.
pub(super) fn verify<T: DeserializeOwned>(
    transcript: &[u8],
    typ: &str,
    mut signers: Vec<(&str, &[u8])>,
) -> Result<T, TranscriptError> {
    let malformed = TranscriptError::Malformed;
    let jws: Jws =
        serde_json::from_slice(transcript).map_err(|_| malformed("not a JWS in JSON"))?;
    for signature in &jws.signatures {
        let header: Header = decoded(&signature.protected)?;
        let at = signers.iter().position(|(name, _)| *name == header.kid);
        let at = at.ok_or_else(|| TranscriptError::Signers(header.kid.clone()))?;
        let (_, spki_der) = signers.remove(at);
        if header.typ != typ || !holds(&jws.payload, signature, &header, spki_der) {
            return Err(TranscriptError::Signature(header.kid));
        }
    }
    if let Some((name, _)) = signers.first() {
        return Err(TranscriptError::Signers((*name).to_owned()));
    }
    // Space between the members is the only thing that no signature covers.
    if transcript != written(&jws)?.as_bytes() {
        return Err(malformed("it is not as the ceremony wrote it, octet by octet"));
    }
    decoded(&jws.payload)
}

fn holds(payload: &str, signature: &JwsSignature, header: &Header, spki_der: &[u8]) -> bool {
    // By the key's kind, never by what the object says of itself (RFC 8725 §3.1).
    let Ok(algorithm) = SignatureAlgorithm::of_public_key(spki_der) else { return false };
    let Ok(octets) = URL_SAFE_NO_PAD.decode(&signature.signature) else { return false };
    if header.alg != algorithm.jws_alg() {
        return false;
    }
    let octets = match algorithm.ecdsa_element_octets() {
        Some(element) if octets.len() != 2 * element => return false,
        Some(_) => match ecdsa_signature_to_der(&octets) {
            Ok(der) => der,
            Err(_) => return false,
        },
        None => octets,
    };
    let input = format!("{}.{payload}", signature.protected);
    signature::verify(spki_der, &algorithm.identifier(), input.as_bytes(), &octets).is_ok()
}

/// The one form of a transcript.
fn written(jws: &Jws) -> Result<String, TranscriptError> {
    serde_json::to_string_pretty(jws)
        .map(|json| json + "\n")
        .map_err(|_| TranscriptError::Malformed("it has no JSON form"))
}

fn encoded(content: &impl Serialize) -> Result<String, TranscriptError> {
    serde_json::to_vec(content)
        .map(|json| URL_SAFE_NO_PAD.encode(json))
        .map_err(|_| TranscriptError::Malformed("it has no JSON form"))
}

fn decoded<T: DeserializeOwned>(base64url: &str) -> Result<T, TranscriptError> {
    let json = URL_SAFE_NO_PAD
        .decode(base64url)
        .map_err(|_| TranscriptError::Malformed("not base64url"))?;
    serde_json::from_slice(&json).map_err(|_| TranscriptError::Malformed("unknown content"))
}
