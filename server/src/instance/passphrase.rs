//! Passphrases drawn by the machine.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sekisho_key::{Randomness, RandomnessError};
use zeroize::Zeroizing;

/// Crockford's base 32: no I, L, O, U, so that nobody mistakes a letter on paper.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 256 bits for a file that only programs read.
///
/// # Errors
/// [`RandomnessError`].
pub fn machine_passphrase(random: &dyn Randomness) -> Result<SecretString, RandomnessError> {
    let mut octets = Zeroizing::new([0; 32]);
    random.fill(&mut *octets)?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(*octets)))
}

/// 160 bits in eight groups of four, for a person to write down and type.
///
/// # Errors
/// [`RandomnessError`].
pub fn human_passphrase(random: &dyn Randomness) -> Result<SecretString, RandomnessError> {
    let mut octets = Zeroizing::new([0; 32]);
    random.fill(&mut *octets)?;
    let mut text = Zeroizing::new(String::with_capacity(40));
    for (at, octet) in octets.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: each letter is as likely as another.
        text.push(char::from(ALPHABET[usize::from(octet % 32)]));
    }
    Ok(SecretString::from(text.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use sekisho_key::SystemRandomness;

    use super::*;

    #[test]
    fn a_passphrase_for_people_has_eight_groups_and_is_never_the_same() {
        let one = human_passphrase(&SystemRandomness).unwrap();
        let two = human_passphrase(&SystemRandomness).unwrap();
        assert_ne!(one.expose_secret(), two.expose_secret());
        let groups: Vec<_> = one.expose_secret().split('-').collect();
        assert_eq!(groups.len(), 8);
        assert!(groups.iter().all(|g| g.len() == 4 && g.bytes().all(|b| ALPHABET.contains(&b))));
    }
}
