//! What a file says when the layout of a text is taken off it: escapes, quoting, line breaks, base64,
//! hexadecimal dumps. Each view is searched as the file itself is.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

type Octets = Zeroizing<Vec<u8>>;

/// Shorter than any private key is: a scalar of P-256.
const LEAST_OCTETS: usize = 32;

/// The views of a file. Together they are not much larger than it: an escape, two digits of hexadecimal and
/// four of base64 stand for less than themselves.
pub(super) fn of(content: &[u8]) -> Vec<Octets> {
    let mut views = Vec::new();
    views.extend(narrowed(content));
    views.extend(unescaped(content));
    views.extend(base64(content));
    views.extend(hexadecimal(content));
    views
}

/// Every form of a key is ASCII, of which UTF-16 and UTF-32 are the octets with zeros between, whatever
/// their order. `None` where zeros are too few for that.
fn narrowed(content: &[u8]) -> Option<Octets> {
    let zeros = content.iter().filter(|octet| **octet == 0).count();
    (zeros > content.len() / 3).then(|| {
        let mut text = Zeroizing::new(Vec::with_capacity(content.len()));
        text.extend(content.iter().filter(|octet| **octet != 0));
        text
    })
}

/// A string of JSON, TOML or a program's source as the text that it stands for, also where it was escaped more
/// than once. `None` without escapes.
fn unescaped(content: &[u8]) -> Option<Octets> {
    let mut text = Zeroizing::new(Vec::with_capacity(content.len()));
    let mut rest = content;
    while let Some(at) = rest.iter().position(|octet| *octet == b'\\') {
        text.extend_from_slice(&rest[..at]);
        let escaped = rest[at..].iter().position(|octet| *octet != b'\\');
        rest = &rest[at + escaped.unwrap_or(rest.len() - at)..];
        let (said, taken) = match rest {
            [b'n' | b'r', ..] => (b'\n', 1),
            [b't', ..] => (b' ', 1),
            [b'u', b'0', b'0', high, low, ..] | [b'x', high, low, ..] => {
                match (nibble(*high), nibble(*low)) {
                    (Some(high), Some(low)) if rest[0] == b'u' => (high << 4 | low, 5),
                    (Some(high), Some(low)) => (high << 4 | low, 3),
                    _ => continue,
                }
            }
            _ => continue,
        };
        text.push(said);
        rest = &rest[taken..];
    }
    if rest.len() == content.len() {
        return None;
    }
    text.extend_from_slice(rest);
    Some(text)
}

/// What long words of base64 (RFC 4648 §4 and §5) say. Those that follow each other are lines of one text,
/// whatever stands between them; the last one may be short.
fn base64(content: &[u8]) -> Vec<Octets> {
    const LONG: usize = 20;
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let mut found = Vec::new();
    let mut digits = Zeroizing::new(Vec::new());
    let mut end = |digits: &mut Octets| {
        // Three digits more or less of a text that was cut decide nothing.
        let whole = digits.len() / 4 * 4;
        digits.truncate(whole);
        if let Ok(octets) = ENGINE.decode(&*digits).map(Zeroizing::new)
            && octets.len() >= LEAST_OCTETS
        {
            found.push(octets);
        }
        digits.clear();
    };
    let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/-_".contains(octet);
    for word in content.split(|octet| !is_digit(octet)).filter(|word| !word.is_empty()) {
        let begun = !digits.is_empty();
        if begun || word.len() >= LONG {
            digits.extend(word.iter().map(|digit| match digit {
                b'-' => b'+',
                b'_' => b'/',
                digit => *digit,
            }));
        }
        if begun && word.len() < LONG {
            end(&mut digits);
        }
    }
    end(&mut digits);
    found
}

/// What words of hexadecimal digits say: in pairs or longer, with colons or commas between, as `0x30`, or as
/// the lines of a dump, with offsets and the same in characters. Those that follow each other are one.
fn hexadecimal(content: &[u8]) -> Vec<Octets> {
    let mut found = Vec::new();
    let mut run = Run::default();
    for line in content.split(|octet| matches!(octet, b'\n' | b'\r')) {
        let mut words = line.split(is_between).filter(|word| !word.is_empty()).peekable();
        let offset = words.peek().copied().and_then(offset);
        if let Some(offset) = offset {
            words.next();
            run.cut_to(offset);
        }
        for word in words {
            let digits = word.strip_prefix(b"0x").or(word.strip_prefix(b"0X")).unwrap_or(word);
            if let Ok(octets) = hex::decode(digits).map(Zeroizing::new) {
                run.octets.extend_from_slice(&octets);
            } else {
                if offset.is_none() {
                    found.extend(run.end());
                }
                // In a dump the characters begin.
                if offset.is_some() {
                    break;
                }
            }
        }
    }
    found.extend(run.end());
    found
}

fn is_between(octet: &u8) -> bool {
    octet.is_ascii_whitespace() || b":,;{}[]()\"'".contains(octet)
}

/// The offset that a line of a dump begins with, six digits at least, where octets follow in pairs.
fn offset(word: &[u8]) -> Option<usize> {
    let fits = (6..=16).contains(&word.len());
    let text = std::str::from_utf8(word).ok().filter(|_| fits)?;
    usize::from_str_radix(text, 16).ok()
}

/// Octets that follow each other.
#[derive(Default)]
struct Run {
    octets: Octets,
    /// Of the last line of a dump: its offset, and how much there was before it.
    line: Option<(usize, usize)>,
}

impl Run {
    /// A line at `offset` begins: of the one before counts only what lies before it, for its characters
    /// may look like digits.
    fn cut_to(&mut self, offset: usize) {
        if let Some((last, before)) = self.line
            && let Some(length) = offset.checked_sub(last)
        {
            self.octets.truncate(before + length);
        }
        self.line = Some((offset, self.octets.len()));
    }

    fn end(&mut self) -> Option<Octets> {
        self.line = None;
        let octets = std::mem::take(&mut self.octets);
        (octets.len() >= LEAST_OCTETS).then_some(octets)
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
