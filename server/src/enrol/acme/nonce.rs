//! Nonces (RFC 8555 §6.5): ours by a keyed hash, so that giving one out writes nothing, and used once, of
//! which the register knows, so that all processes do.

use http::HeaderValue;
use sekisho_key::RandomnessError;
use sekisho_protocol::octets::{decode, encode};
use sekisho_wire::domain;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use crate::app::App;

/// How long a nonce can be used.
const LIFETIME: Duration = Duration::HOUR;
/// Time of making, and randomness.
const UNIQUE: usize = 8 + 16;
/// Of the keyed hash.
const TAG: usize = 16;

/// A nonce of ours that may have been used.
pub(super) struct Nonce {
    pub(super) unique: [u8; UNIQUE],
    pub(super) expires_at: OffsetDateTime,
}

/// A new nonce as a header's value.
///
/// # Errors
/// [`RandomnessError`]: there is none.
pub(super) fn draw(app: &App) -> Result<HeaderValue, RandomnessError> {
    let mut octets = [0; UNIQUE + TAG];
    octets[..8].copy_from_slice(&app.now().unix_timestamp().to_be_bytes());
    app.random().fill(&mut octets[8..UNIQUE])?;
    let tag = tag(app, &octets[..UNIQUE]);
    octets[UNIQUE..].copy_from_slice(&tag);
    Ok(HeaderValue::from_str(&encode(octets)).expect("base64url has only visible ASCII"))
}

/// The nonce that a client brings; `None` for one that we did not make or that is over.
pub(super) fn read(app: &App, text: &str) -> Option<Nonce> {
    let octets: [u8; UNIQUE + TAG] = decode(text).ok()?.try_into().ok()?;
    let (unique, brought) = octets.split_first_chunk::<UNIQUE>()?;
    if !bool::from(tag(app, unique).ct_eq(brought)) {
        return None;
    }
    let (made_at, _) = unique.split_first_chunk::<8>()?;
    let made_at = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(*made_at)).ok()?;
    let expires_at = made_at + LIFETIME;
    (app.now() < expires_at).then_some(Nonce { unique: *unique, expires_at })
}

fn tag(app: &App, unique: &[u8]) -> [u8; TAG] {
    let hash = app.keys().keyed_hash(&[domain::ACME_NONCE, unique]);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hash[..TAG]);
    tag
}
