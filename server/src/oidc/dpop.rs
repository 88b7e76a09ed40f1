//! Proof of possession of a key, by request (RFC 9449).

use http::HeaderMap;
use sekisho_protocol::octets::encode;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{
    error::oauth::OAuthError,
    jose::{Algorithm, Signed},
};

/// The header field.
pub const HEADER: &str = "dpop";
/// `typ` of a proof (§4.2).
const TYP: &str = "dpop+jwt";
/// How old a proof may be, and how far a client's clock may run ahead.
const WINDOW: (Duration, Duration) = (Duration::seconds(60), Duration::seconds(30));

/// A proof that holds for this request. Whether it was used before is for the transaction that uses
/// it: [`sekisho_store::dpop_proof`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// JWK thumbprint of its key.
    pub thumbprint: String,
    /// Names the proof among all of them.
    pub hash: [u8; 32],
    /// From when on it would not be accepted anyway.
    pub expires_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    #[serde(default)]
    ath: Option<String>,
}

/// What a proof is about.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Method of the request.
    pub method: &'a str,
    /// Its address, without query.
    pub url: &'a str,
    /// The access token that it uses, at a resource.
    pub access_token: Option<&'a str>,
}

/// The proof that comes with a request, if one does.
///
/// # Errors
/// [`OAuthError`] `invalid_dpop_proof`: it does not hold here and now (§4.3).
pub fn read(
    headers: &HeaderMap,
    request: Request<'_>,
    now: OffsetDateTime,
) -> Result<Option<Proof>, OAuthError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("DPoP is repeated"));
    }
    let text = value.to_str().map_err(|_| refused("the proof is not a JWT"))?;
    let object = Signed::parse(text).map_err(|error| refused(error.to_string()))?;
    if object.typ().as_deref() != Some(TYP) && !seeded!(ProofTypeUnchecked) {
        return Err(refused("typ must be dpop+jwt"));
    }
    if !Algorithm::OF_PROOFS.contains(&object.algorithm()) && !seeded!(ProofWithRs256) {
        return Err(refused("the proof must be signed with ES256 or PS256"));
    }
    let (key, claims) =
        object.verified_by_itself::<Claims>().map_err(|error| refused(error.to_string()))?;
    if claims.htm != request.method && !seeded!(ProofMethodUnchecked) {
        return Err(refused("htm is not the method of the request"));
    }
    let here = without_query(&claims.htu).as_deref() == Some(request.url);
    if !here && !seeded!(ProofAddressUnchecked) {
        return Err(refused("htu is not the address of the request"));
    }
    let iat = OffsetDateTime::from_unix_timestamp(claims.iat)
        .map_err(|_| refused("iat is not a time"))?;
    let (old, ahead) = WINDOW;
    let leeway = if seeded!(ProofLeewayMissing) { Duration::ZERO } else { ahead };
    if (iat < now - old || iat > now + leeway) && !seeded!(ProofTimeUnchecked) {
        return Err(refused("iat is too long ago or lies ahead; make a new proof"));
    }
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err(refused("jti must have 1 to 256 octets"));
    }
    let hash = |token: &str| encode(Sha256::digest(token));
    if claims.ath != request.access_token.map(hash) && !seeded!(ProofTokenUnchecked) {
        return Err(refused("ath is not the SHA-256 of the access token"));
    }
    let thumbprint = key.thumbprint();
    let named = Sha256::new().chain_update(&thumbprint).chain_update([0]).chain_update(&claims.jti);
    Ok(Some(Proof { thumbprint, hash: named.finalize().into(), expires_at: iat + old + ahead }))
}

/// By how many seconds the clock of whoever made the proof is ahead of ours, whether or not the proof
/// holds; `None` without one that its own key signed.
#[must_use]
pub fn ahead(headers: &HeaderMap, now: OffsetDateTime) -> Option<i64> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (_, claims) = Signed::parse(text).ok()?.verified_by_itself::<Claims>().ok()?;
    Some(claims.iat.saturating_sub(now.unix_timestamp()))
}

/// §4.3 item 9: compared without query and fragment, normalised as addresses are (RFC 3986 §6.2).
fn without_query(htu: &str) -> Option<String> {
    let mut url = url::Url::parse(htu).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

/// The answer to a proof that is refused.
#[must_use]
pub fn refused(description: impl Into<String>) -> OAuthError {
    OAuthError::bad_request("invalid_dpop_proof", description)
}
