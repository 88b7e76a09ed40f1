//! Randomness as an argument, so that a test can repeat a run and a fault can be played.

/// A source of cryptographically strong random octets.
pub trait Randomness: Send + Sync {
    /// Fills `out` completely.
    ///
    /// # Errors
    /// [`RandomnessError`]: nothing usable was written; the caller must stop.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomnessError>;
}

/// The operating system's generator gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the random number generator gave no octets")]
pub struct RandomnessError;

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomnessError> {
        getrandom::fill(out).map_err(|_| RandomnessError)
    }
}

impl<R: Randomness + ?Sized> Randomness for &R {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomnessError> {
        (**self).fill(out)
    }
}

impl<R: Randomness + ?Sized> Randomness for std::sync::Arc<R> {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomnessError> {
        (**self).fill(out)
    }
}
