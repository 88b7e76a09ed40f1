//! Whether one file gives the root's private key away.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_key::public_key_of_unwrapped;
use sekisho_pki::encoding::pkcs12::{
    Pfx, Pkcs12Error, Work,
    keys::{self, FoundKey},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::naked;

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

/// Judges a whole file: PEM with whatever stands around its blocks, DER, PKCS #12, JWK, a key without
/// armour; as it is, and as the text that it is in UTF-16.
///
/// A passphrase that is empty protects nothing, so it is tried, within `work`.
pub(super) fn holds(content: &[u8], roots: &[Vec<u8>], work: &mut Work) -> Holds {
    let found = of_octets(content, roots, work);
    match narrowed(content) {
        Some(text) => found.max(of_octets(&text, roots, work)),
        None => found,
    }
}

/// Every form of a key is ASCII, of which UTF-16 and UTF-32 are the octets with zeros between, whatever
/// their order. `None` where zeros are too few for that.
fn narrowed(content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let zeros = content.iter().filter(|octet| **octet == 0).count();
    (zeros > content.len() / 3).then(|| {
        let mut text = Zeroizing::new(Vec::with_capacity(content.len()));
        text.extend(content.iter().filter(|octet| **octet != 0));
        text
    })
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
        FoundKey::Shut(Pkcs12Error::Unsupported) if empty_passphrase => Holds::Unreadable,
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

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use der::pem::LineEnding;
    use secrecy::SecretString;
    use sekisho_key::{SigningKey, SoftwareKey, Stretch, SystemRandomness};

    use super::*;

    /// A key, its forms by OpenSSL, and what the search says of a file.
    struct Root {
        dir: tempfile::TempDir,
        key: SoftwareKey,
    }

    impl Root {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let key = SoftwareKey::generate_p384().unwrap();
            let root = Self { dir, key };
            std::fs::write(root.dir.path().join("key.pem"), root.pem()).unwrap();
            root.openssl("req -x509 -new -key key.pem -subj /CN=root -days 9 -out root.crt");
            root
        }

        fn pem(&self) -> String {
            let der = self.key.pkcs8_der().unwrap();
            der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &der).unwrap()
        }

        fn openssl(&self, arguments: &str) {
            let done = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(self.dir.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{arguments}: {done:?}");
        }

        fn made(&self, arguments: &str) -> Vec<u8> {
            self.openssl(&format!("{arguments} -out made"));
            std::fs::read(Path::new(self.dir.path()).join("made")).unwrap()
        }

        fn holds(&self, content: &[u8]) -> Holds {
            holds(content, &[self.key.public_key_der().to_vec()], &mut Work::new(100_000))
        }
    }

    #[test]
    fn an_empty_passphrase_protects_nothing() {
        let root = Root::new();
        let export = "pkcs12 -export -inkey key.pem -in root.crt";
        for arguments in [
            format!("{export} -passout pass:"),
            format!("{export} -passout pass: -nomac"),
            format!("{export} -keypbe NONE -certpbe NONE -passout pass:"),
            format!("{export} -keypbe NONE -certpbe NONE -passout pass:secret"),
            "pkcs8 -topk8 -in key.pem -passout pass:".to_owned(),
            "pkcs8 -topk8 -in key.pem -outform DER -passout pass:".to_owned(),
        ] {
            assert_eq!(root.holds(&root.made(&arguments)), Holds::Root, "{arguments}");
        }
        // Proven to be under the empty passphrase, and not to be read by us.
        let legacy = root.made(&format!("{export} -keypbe PBE-SHA1-3DES -passout pass:"));
        assert_eq!(root.holds(&legacy), Holds::Unreadable);
    }

    #[test]
    fn a_passphrase_hides_whose_key_it_is() {
        let root = Root::new();
        let export = "pkcs12 -export -inkey key.pem -in root.crt";
        for arguments in [
            format!("{export} -passout pass:secret"),
            format!("{export} -keypbe PBE-SHA1-3DES -passout pass:secret"),
            // More work than the search spends, whatever the passphrase.
            format!("{export} -iter 200000 -passout pass:"),
            "pkcs8 -topk8 -in key.pem -passout pass:secret".to_owned(),
            "ec -aes256 -in key.pem -passout pass:secret".to_owned(),
        ] {
            assert_eq!(root.holds(&root.made(&arguments)), Holds::Wrapped, "{arguments}");
        }
        let ours = root.key.to_encrypted_pem(
            &SecretString::from("x"),
            Stretch::MachineSecret,
            &SystemRandomness,
        );
        assert_eq!(root.holds(ours.unwrap().as_bytes()), Holds::Wrapped);
    }

    #[test]
    fn the_key_is_found_behind_others_and_in_any_text() {
        let root = Root::new();
        let other = Root::new();
        let mut japanese = b"\x8f\x91\x82\xab\x8d\x9e\x82\xdd\n".to_vec();
        japanese.extend(root.pem().bytes());
        let wide: Vec<u8> = root.pem().encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(root.holds(&wide), Holds::Root);
        let wide: Vec<u8> = root.pem().encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(root.holds(&wide), Holds::Root);
        let both = format!("Bag Attributes\n{}text\n{}", other.pem(), root.pem());
        for content in [both.as_bytes(), &japanese, &root.key.pkcs8_der().unwrap()] {
            assert_eq!(root.holds(content), Holds::Root);
        }
        for content in [other.pem().as_bytes(), b"-----BEGIN ", b"\x30\x80", b"{", b"[{}]", b""] {
            assert_eq!(root.holds(content), Holds::Nothing);
        }
        let certificate = std::fs::read(root.dir.path().join("root.crt")).unwrap();
        assert_eq!(root.holds(&certificate), Holds::Nothing);
    }

    #[test]
    fn a_private_jwk_is_found_and_a_public_one_is_not() {
        let root = Root::new();
        let point = &root.key.public_key_der()[root.key.public_key_der().len() - 96..];
        let b64 = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let (x, y) = (b64(&point[..48]), b64(&point[48..]));
        let public = serde_json::json!({"kty": "EC", "crv": "P-384", "x": x, "y": y});
        let mut private = public.clone();
        private["d"] = b64(&[7; 48]).into();
        let set = serde_json::json!({"keys": [public, private]});
        for (json, expected) in
            [(&public, Holds::Nothing), (&private, Holds::Root), (&set, Holds::Root)]
        {
            assert_eq!(root.holds(json.to_string().as_bytes()), expected, "{json}");
        }
        let mut rsa_private = serde_json::json!({"kty": "RSA", "e": "AQAB", "d": b64(&[7; 384])});
        let rsa = SoftwareKey::generate_rsa(sekisho_key::RsaSize::Bits3072).unwrap();
        let spki = [rsa.public_key_der().to_vec()];
        // SEQUENCE of modulus and exponent end the structure: 384 octets and then five.
        rsa_private["n"] = b64(&spki[0][spki[0].len() - 389..spki[0].len() - 5]).into();
        let content = rsa_private.to_string();
        let mut work = Work::new(0);
        assert_eq!(holds(content.as_bytes(), &spki, &mut work), Holds::Root);
        assert_eq!(root.holds(content.as_bytes()), Holds::Nothing);
    }
}
