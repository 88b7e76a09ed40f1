//! The codes themselves, kept sealed: a MAC is computed under what the device was given, not under its hash.

use sekisho_key::Randomness;
use sekisho_store::cmp_secret::CmpSecret;
use zeroize::Zeroizing;

use crate::{
    paper_code::PaperCode,
    sealing::{SealingError, SealingKey},
};

/// What is sealed is bound to its code.
fn purpose(code_hash: &[u8; 32]) -> Vec<u8> {
    [b"cmp-code:", code_hash.as_slice()].concat()
}

/// Seals a code for the register.
///
/// # Errors
/// [`SealingError`].
pub(in crate::enrol) fn seal(
    random: &dyn Randomness,
    sealing: &SealingKey,
    code: &PaperCode,
) -> Result<CmpSecret, SealingError> {
    let code_hash = code.hash();
    let sealed_code = sealing.seal(random, &purpose(&code_hash), code.reveal().as_bytes())?;
    Ok(CmpSecret { code_hash, sealed_code })
}

/// The code as it was shown, and as some people type it: without hyphens.
///
/// # Errors
/// [`SealingError`]: it is of another instance, or was changed.
pub(super) fn open(
    sealing: &SealingKey,
    secret: &CmpSecret,
) -> Result<[Zeroizing<Vec<u8>>; 2], SealingError> {
    let shown = sealing.open(&purpose(&secret.code_hash), &secret.sealed_code)?;
    let bare = shown.iter().copied().filter(|&octet| octet != b'-').collect();
    Ok([shown, Zeroizing::new(bare)])
}

#[cfg(test)]
mod tests {
    use sekisho_key::SystemRandomness;

    use super::*;

    #[test]
    fn a_code_opens_in_both_ways_of_writing_and_for_its_own_row_alone() {
        let sealing = SealingKey::new(&[7; 32]).unwrap();
        let code = PaperCode::generate(&SystemRandomness).unwrap();
        let secret = seal(&SystemRandomness, &sealing, &code).unwrap();
        let [shown, bare] = open(&sealing, &secret).unwrap();
        assert_eq!(shown.as_slice(), code.reveal().as_bytes());
        assert_eq!(bare.as_slice(), code.reveal().replace('-', "").as_bytes());
        let moved = CmpSecret { code_hash: [1; 32], ..secret };
        assert!(open(&sealing, &moved).is_err());
    }
}
