//! The check digit of ISO/IEC 7812-1 annex B ("Luhn", mod 10), over ASCII digits.

/// The digit that, put behind `payload`, makes the whole pass.
///
/// `payload` holds values 0–9, not characters.
pub(super) fn check_digit(payload: &[u8]) -> u8 {
    let sum: u32 = payload
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 {
                let doubled = digit * 2;
                doubled / 10 + doubled % 10
            } else {
                digit
            }
        })
        .sum();
    // In 0..=9 by the remainder, so the cast loses nothing.
    ((10 - sum % 10) % 10) as u8
}

/// Values of exactly `N` ASCII digits; `None` for any other text.
pub(super) fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then(|| bytes.map(|byte| byte - b'0'))
}
