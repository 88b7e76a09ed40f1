//! What we draw for a client: its identifier, and secrets, which are shown once and kept as a hash.

use secrecy::SecretString;
use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::service::Service;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A client's secret or a token of its registration.
#[derive(Debug)]
pub struct Drawn {
    /// 32 random octets, base64url: what is shown.
    pub text: SecretString,
    /// SHA-256 of the text: what is kept. There is nothing to guess, so a plain hash suffices.
    pub hash: [u8; 32],
}

impl Drawn {
    /// Draws one.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn draw(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut octets = Zeroizing::new([0; 32]);
        random.fill(octets.as_mut_slice())?;
        let text = sekisho_protocol::octets::encode(octets.as_slice());
        Ok(Self { hash: Sha256::digest(&text).into(), text: SecretString::from(text) })
    }
}

/// Draws a `client_id` that nobody had: 16 random octets, hexadecimal.
///
/// # Errors
/// [`RandomnessError`].
pub fn draw_identifier(random: &dyn Randomness) -> Result<String, RandomnessError> {
    let mut octets = [0; 16];
    random.fill(&mut octets)?;
    Ok(hex::encode(octets))
}

/// Draws a secret for a service whose way of authentication has one, and answers it; takes it from
/// one that has none.
///
/// # Errors
/// [`RandomnessError`].
pub fn give(
    service: &mut Service,
    random: &dyn Randomness,
) -> Result<Option<SecretString>, RandomnessError> {
    let drawn = service.auth_method.has_secret().then(|| Drawn::draw(random)).transpose()?;
    service.secret_hash = drawn.as_ref().map(|drawn| drawn.hash);
    Ok(drawn.map(|drawn| drawn.text))
}
