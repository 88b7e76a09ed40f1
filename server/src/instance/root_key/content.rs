//! Whether one file gives the root's private key away.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_key::{is_private_scalar_of, public_key_of_unwrapped, scalar_octets};
use sekisho_pki::encoding::pkcs12::{
    Pfx, Pkcs12Error, Work,
    keys::{self, FoundKey},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{naked, openssh, views};

/// What a file holds of private keys, the least harmful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// None, or only others' open ones.
    Nothing,
    /// One under a passphrase: it cannot be told whose.
    Wrapped,
    /// One under the empty passphrase, by an algorithm that is not carried out here.
    Unreadable,
    /// The root's, for anybody to take.
    Root,
}

/// What is looked for, and how much may be spent on it in all files together.
pub(super) struct Search<'a> {
    roots: &'a [Vec<u8>],
    work: Work,
    scalars: usize,
    gave_up: bool,
}

/// So many layers of text are taken off a file, one after the other: a dump of a quoted PEM has two.
const LAYERS: usize = 2;

impl<'a> Search<'a> {
    /// `iterations` of key derivation are spent on the empty passphrase, and so many octet strings tried as
    /// the key's scalar.
    pub(super) fn new(roots: &'a [Vec<u8>], iterations: u64, scalars: usize) -> Self {
        Self { roots, work: Work::new(iterations), scalars, gave_up: false }
    }

    /// Judges a whole file: PEM with whatever stands around its blocks, DER, PKCS #12, JWK, OpenSSH's form, a
    /// key without armour; as it is, and as every [view](views) of it.
    ///
    /// A passphrase that is empty protects nothing, so it is tried.
    pub(super) fn judge(&mut self, content: &[u8]) -> Holds {
        self.below(content, LAYERS)
    }

    /// Whether something was left out because the bounds were used up.
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    fn below(&mut self, content: &[u8], layers: usize) -> Holds {
        let mut found = match self.is_scalar(content) {
            true => Holds::Root,
            false => openssh::holds(content, self.roots).max(of_octets(
                content,
                self.roots,
                &mut self.work,
            )),
        };
        if layers > 0 && found != Holds::Root {
            for view in views::of(content) {
                found = found.max(self.below(&view, layers - 1));
                if found == Holds::Root {
                    break;
                }
            }
        }
        found
    }

    /// Whether this is the bare number that the key is.
    fn is_scalar(&mut self, octets: &[u8]) -> bool {
        // Tools put a zero before a number, or leave out those that it begins with.
        let fits = |length: usize| (length - 2..=length + 1).contains(&octets.len());
        let roots = self.roots.iter().filter(|root| scalar_octets(root).is_some_and(fits));
        let roots: Vec<_> = roots.collect();
        if roots.is_empty() {
            return false;
        }
        if self.scalars == 0 {
            self.gave_up = true;
            return false;
        }
        self.scalars -= 1;
        roots.into_iter().any(|root| is_private_scalar_of(octets, root))
    }
}

fn of_octets(content: &[u8], roots: &[Vec<u8>], work: &mut Work) -> Holds {
    if naked::holds(content, roots) {
        return Holds::Root;
    }
    let text = String::from_utf8_lossy(content);
    if text.contains(BEGIN) {
        return pem_blocks(&text)
            .map(|block| of_block(block, roots, work))
            .max()
            .unwrap_or(Holds::Nothing);
    }
    match content.iter().find(|octet| !octet.is_ascii_whitespace()) {
        Some(0x30) => of_der(content, roots, work),
        Some(b'{' | b'[') => match serde_json::from_slice(content) {
            Ok(json) if is_jwk_of(&json, roots) => Holds::Root,
            _ => Holds::Nothing,
        },
        _ => Holds::Nothing,
    }
}

const BEGIN: &str = "-----BEGIN ";

/// Each block from its first line to its last; `openssl` writes text or EC parameters before a key.
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(BEGIN)?..];
        let end_line = rest.find("-----END ")? + "-----END ".len();
        let end = end_line + rest[end_line..].find("-----")? + "-----".len();
        let (block, after) = rest.split_at(end);
        rest = after;
        Some(block)
    })
}

fn of_block(block: &str, roots: &[Vec<u8>], work: &mut Work) -> Holds {
    let wrapped = block.contains("ENCRYPTED");
    match der::pem::decode_vec(block.as_bytes()) {
        Ok((label, der)) if label.ends_with("PRIVATE KEY") => {
            let der = Zeroizing::new(der);
            of_der(&der, roots, work).max(if wrapped { Holds::Wrapped } else { Holds::Nothing })
        }
        Ok(_) => Holds::Nothing,
        // The headers of the oldest form (`Proc-Type: 4,ENCRYPTED`) do not decode.
        Err(_) if wrapped => Holds::Wrapped,
        Err(_) => Holds::Nothing,
    }
}

fn of_der(der: &[u8], roots: &[Vec<u8>], work: &mut Work) -> Holds {
    if let Some(public) = public_key_of_unwrapped(der) {
        return if roots.contains(&public) { Holds::Root } else { Holds::Nothing };
    }
    let (found, empty_passphrase) = if let Ok(pfx) = Pfx::parse(der) {
        (keys::of_pfx(&pfx, "", work).unwrap_or_default(), pfx.verify("", work).is_ok())
    } else {
        // Nothing but the key itself could tell that this passphrase is right.
        let key = keys::of_encrypted_key(der, "", work);
        (key.into_iter().collect(), false)
    };
    let judged = found.into_iter().map(|key| match key {
        FoundKey::Open(der) => match public_key_of_unwrapped(&der) {
            Some(public) if roots.contains(&public) => Holds::Root,
            _ => Holds::Nothing,
        },
        FoundKey::Shut(Pkcs12Error::Legacy | Pkcs12Error::Unsupported) if empty_passphrase => {
            Holds::Unreadable
        }
        FoundKey::Shut(_) => Holds::Wrapped,
    });
    judged.max().unwrap_or(Holds::Nothing)
}

/// A private JWK (RFC 7517, RFC 7518 §6), or a set of them, whose public part is this key's.
fn is_jwk_of(json: &Value, roots: &[Vec<u8>]) -> bool {
    if let Some(keys) = json["keys"].as_array().or_else(|| json.as_array()) {
        return keys.iter().any(|key| key.is_object() && is_jwk_of(key, roots));
    }
    let member = |name: &str| URL_SAFE_NO_PAD.decode(json[name].as_str()?).ok();
    if member("d").is_none_or(|d| d.is_empty()) {
        return false;
    }
    match (member("x"), member("y"), member("n")) {
        // The point is the end of the structure, the modulus most of it.
        (Some(x), Some(y), None) => {
            let point = [&[4], &x[..], &y].concat();
            roots.iter().any(|spki_der| spki_der.ends_with(&point))
        }
        (None, None, Some(n)) if n.len() >= 128 => {
            roots.iter().any(|spki_der| spki_der.windows(n.len()).any(|window| window == n))
        }
        _ => false,
    }
}
