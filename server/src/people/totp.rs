//! The second factor: time-based one-time passwords (RFC 6238), six digits, 30 seconds, SHA-1.
//!
//! SHA-1 because many authenticator apps silently use nothing else; HMAC does not rest on its
//! resistance to collisions. One step of clock difference is forgiven in each direction (§5.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use qrcode::{QrCode, render::svg};
use sekisho_key::{Randomness, RandomnessError};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use totp_rs::{Algorithm, TOTP};
use zeroize::Zeroizing;

use crate::sealing::{SealingError, SealingKey};

const STEP_SECS: i64 = 30;
const DIGITS: usize = 6;

/// Why a second factor could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TotpError {
    /// No secret.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The secret could not be sealed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The library refused the secret or the names.
    #[error("the second factor cannot be described")]
    Unfit,
}

/// A secret of 160 bits (RFC 4226 §4).
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// A fresh one.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn draw(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut octets = Zeroizing::new(vec![0; 20]);
        random.fill(&mut octets)?;
        Ok(Self(octets))
    }

    /// Nobody's, by which no code is ever accepted: it costs what a real one costs.
    #[must_use]
    pub(crate) fn nobodys() -> Self {
        Self(Zeroizing::new(vec![0; 20]))
    }

    /// Sealed for the account of a person.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn seal_for(
        &self,
        key: &SealingKey,
        random: &dyn Randomness,
        person_id: &str,
    ) -> Result<Vec<u8>, SealingError> {
        key.seal(random, format!("totp:{person_id}").as_bytes(), &self.0)
    }

    /// From an account.
    ///
    /// # Errors
    /// [`SealingError::Sealed`].
    pub fn open_of(key: &SealingKey, person_id: &str, sealed: &[u8]) -> Result<Self, SealingError> {
        Ok(Self(key.open(format!("totp:{person_id}").as_bytes(), sealed)?))
    }

    /// Sealed into the page that asks for its first code, bound to the link or code behind it: the
    /// server keeps nothing until both factors are proven.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn seal_for_setup(
        &self,
        key: &SealingKey,
        random: &dyn Randomness,
        bound_to: &[u8; 32],
    ) -> Result<String, SealingError> {
        Ok(URL_SAFE_NO_PAD.encode(key.seal(random, &setup_purpose(bound_to), &self.0)?))
    }

    /// From that page.
    ///
    /// # Errors
    /// [`SealingError::Sealed`]: of another link, or made up.
    pub fn open_of_setup(
        key: &SealingKey,
        bound_to: &[u8; 32],
        setup: &str,
    ) -> Result<Self, SealingError> {
        let sealed = URL_SAFE_NO_PAD.decode(setup).map_err(|_| SealingError::Sealed)?;
        Ok(Self(key.open(&setup_purpose(bound_to), &sealed)?))
    }

    fn totp(&self, issuer: &str, account: &str) -> Result<TOTP, TotpError> {
        let plain = |text: &str| text.replace(':', " ");
        TOTP::new(
            Algorithm::SHA1,
            DIGITS,
            1,
            STEP_SECS as u64,
            self.0.to_vec(),
            Some(plain(issuer)),
            plain(account),
        )
        .map_err(|_| TotpError::Unfit)
    }

    /// What a person types into the app when the picture cannot be read: base32 in groups of four.
    ///
    /// # Errors
    /// [`TotpError::Unfit`].
    pub fn as_text(&self) -> Result<String, TotpError> {
        let base32 = Zeroizing::new(self.totp("", "")?.get_secret_base32());
        let groups: Vec<&str> = base32
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        Ok(groups.join(" "))
    }

    /// The picture for the app, as an `<svg>` element.
    ///
    /// # Errors
    /// [`TotpError::Unfit`].
    pub fn as_qr(&self, issuer: &str, account: &str) -> Result<String, TotpError> {
        let url = Zeroizing::new(self.totp(issuer, account)?.get_url());
        let code = QrCode::new(url.as_bytes()).map_err(|_| TotpError::Unfit)?;
        let image = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
        // Within HTML an XML declaration has no place.
        let element = image.find("<svg").ok_or(TotpError::Unfit)?;
        Ok(image[element..].to_owned())
    }

    /// The time step whose code this is, within one step of `now`. Every candidate is compared in
    /// full and in constant time.
    #[must_use]
    pub fn step_of(&self, code: &str, now: OffsetDateTime) -> Option<i64> {
        let totp = self.totp("", "").ok()?;
        let here = now.unix_timestamp().div_euclid(STEP_SECS);
        let mut found = None;
        for step in here - 1..=here + 1 {
            let Ok(at) = u64::try_from(step * STEP_SECS) else { continue };
            if bool::from(totp.generate(at).as_bytes().ct_eq(code.as_bytes())) {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a moment, for tests and for a driver that plays the person's app.
    #[must_use]
    pub fn code_at(&self, now: OffsetDateTime) -> Option<String> {
        let at = u64::try_from(now.unix_timestamp()).ok()?;
        self.totp("", "").ok().map(|totp| totp.generate(at))
    }

    /// From the text of [`Self::as_text`], spaces allowed.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let base32: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        totp_rs::Secret::Encoded(base32).to_bytes().ok().map(|octets| Self(Zeroizing::new(octets)))
    }
}

fn setup_purpose(bound_to: &[u8; 32]) -> Vec<u8> {
    [b"totp-setup:".as_slice(), bound_to].concat()
}

/// A typed code, half-width and without spaces; anything but six digits never fits.
#[must_use]
pub fn typed_code(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfkc().filter(|c| !c.is_whitespace() && *c != '-').take(16).collect()
}

#[cfg(test)]
mod tests {
    use sekisho_key::SystemRandomness;

    use super::*;

    /// RFC 6238 appendix B, SHA-1, the last six of its eight digits.
    #[test]
    fn codes_of_the_standard_are_accepted_within_one_step() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        let at = |secs| OffsetDateTime::from_unix_timestamp(secs).unwrap();
        assert_eq!(secret.step_of("287082", at(59)), Some(1));
        assert_eq!(secret.step_of("287082", at(89)), Some(1));
        assert_eq!(secret.step_of("287082", at(90)), None);
        assert_eq!(secret.step_of("005924", at(1_234_567_890)), Some(1_234_567_890 / 30));
        for wrong in ["", "28708", "2870820", "94287082", "abcdef"] {
            assert_eq!(secret.step_of(wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_opens_only_for_its_person_and_its_setup() {
        let key = SealingKey::new(&[3; 32]).unwrap();
        let secret = TotpSecret::draw(&SystemRandomness).unwrap();
        let sealed = secret.seal_for(&key, &SystemRandomness, "p1").unwrap();
        assert_eq!(*TotpSecret::open_of(&key, "p1", &sealed).unwrap().0, *secret.0);
        assert!(TotpSecret::open_of(&key, "p2", &sealed).is_err());
        let setup = secret.seal_for_setup(&key, &SystemRandomness, &[1; 32]).unwrap();
        assert_eq!(*TotpSecret::open_of_setup(&key, &[1; 32], &setup).unwrap().0, *secret.0);
        assert!(TotpSecret::open_of_setup(&key, &[2; 32], &setup).is_err());
        assert!(TotpSecret::open_of_setup(&key, &[1; 32], "x").is_err());
    }

    #[test]
    fn text_and_picture_carry_the_secret() {
        let secret = TotpSecret::draw(&SystemRandomness).unwrap();
        let text = secret.as_text().unwrap();
        assert_eq!(*TotpSecret::from_text(&text).unwrap().0, *secret.0);
        assert!(secret.as_qr("医療:基盤", "sato").unwrap().starts_with("<svg"));
    }

    #[test]
    fn a_code_typed_full_width_is_read() {
        assert_eq!(typed_code("１２３ ４５６"), "123456");
    }
}
