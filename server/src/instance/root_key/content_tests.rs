//! Files in which the root's key is to be found, and such in which it is not.

use std::{path::Path, process::Command};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use der::pem::LineEnding;
use secrecy::SecretString;
use sekisho_key::{RsaSize, SigningKey, SoftwareKey, Stretch, SystemRandomness};

use super::content::{Holds, Search};

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
        Search::new(&[self.key.public_key_der().to_vec()], 100_000, 100).judge(content)
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

/// As `ssh-keygen -p` writes it: the same key twice, the second time with the private one.
fn of_openssh(key: &SoftwareKey, cipher: &str) -> Vec<u8> {
    let string = |octets: &[u8]| {
        let length = u32::try_from(octets.len()).unwrap();
        [&length.to_be_bytes(), octets].concat()
    };
    let spki_der = key.public_key_der();
    let public = match sekisho_key::scalar_octets(spki_der) {
        Some(length) => {
            let point = string(&spki_der[spki_der.len() - 2 * length - 1..]);
            [string(b"ecdsa-sha2-nistp384"), string(b"nistp384"), point].concat()
        }
        // The modulus of 3,072 bits behind a zero, as in DER.
        None => {
            let modulus = string(&spki_der[spki_der.len() - 5 - 385..spki_der.len() - 5]);
            [string(b"ssh-rsa"), string(&[1, 0, 1]), modulus].concat()
        }
    };
    let head = [string(cipher.as_bytes()), string(b"kdf"), string(b""), vec![0, 0, 0, 1]].concat();
    [b"openssh-key-v1\0".as_slice(), &head, &string(&public), &string(&public), b"rest"].concat()
}

#[test]
fn a_key_that_ssh_keygen_rewrote_is_found() {
    let elliptic = || SoftwareKey::generate_p384().unwrap();
    let rsa = || SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
    for (root, other) in [(elliptic(), elliptic()), (rsa(), rsa())] {
        let spki_der = root.public_key_der().to_vec();
        let holds = |content: &[u8]| {
            Search::new(std::slice::from_ref(&spki_der), 100_000, 100).judge(content)
        };
        let armoured = |octets: &[u8]| {
            der::pem::encode_string("OPENSSH PRIVATE KEY", LineEnding::LF, octets).unwrap()
        };
        let (open, wrapped) = (of_openssh(&root, "none"), of_openssh(&root, "aes256-ctr"));
        assert_eq!(holds(&open), Holds::Root);
        assert_eq!(holds(armoured(&open).as_bytes()), Holds::Root);
        assert_eq!(holds(armoured(&wrapped).as_bytes()), Holds::Wrapped);
        assert_eq!(holds(&[wrapped, open].concat()), Holds::Root);
        for cipher in ["none", "aes256-ctr"] {
            let other = of_openssh(&other, cipher);
            assert_eq!(holds(armoured(&other).as_bytes()), Holds::Nothing);
        }
    }
}

/// As `xxd`, `hexdump -C` and `xxd -i` write it.
fn dumps(octets: &[u8]) -> [String; 3] {
    let lines = || octets.chunks(16).enumerate().map(|(line, octets)| (line * 16, octets));
    let character = |octet: &u8| {
        if octet.is_ascii_graphic() || *octet == b' ' { char::from(*octet) } else { '.' }
    };
    let characters = |octets: &[u8]| octets.iter().map(character).collect::<String>();
    let grouped = |octets: &[u8], size: usize| {
        octets.chunks(size).map(hex::encode).collect::<Vec<_>>().join(" ")
    };
    let xxd = lines().map(|(offset, octets)| {
        format!("{offset:08x}: {:<39}  {}\n", grouped(octets, 2), characters(octets))
    });
    let hexdump = lines().map(|(offset, octets)| {
        let halves: Vec<_> = octets.chunks(8).map(|half| grouped(half, 1)).collect();
        format!("{offset:08x}  {:<48}  |{}|\n", halves.join("  "), characters(octets))
    });
    let source = octets.chunks(12).map(|line| {
        let pairs: Vec<_> = line.iter().map(|octet| format!("0x{octet:02x}")).collect();
        format!("  {}", pairs.join(", "))
    });
    let source = source.collect::<Vec<_>>().join(",\n");
    let (head, length) = ("unsigned char key_der[] = {\n", octets.len());
    let source = format!("{head}{source}\n}};\nunsigned int key_der_len = {length};\n");
    [xxd.collect(), hexdump.collect(), source]
}

#[test]
fn layout_of_any_kind_hides_nothing() {
    let (root, other) = (Root::new(), Root::new());
    let forms = |of: &Root| {
        let (pem, der) = (of.pem(), of.key.pkcs8_der().unwrap());
        let quoted: String = pem.lines().map(|line| format!("> {line}\n")).collect();
        let literal: String = pem.lines().map(|line| format!("    \"{line}\\n\"\n")).collect();
        let json = serde_json::json!({ "note": "root", "key": pem });
        let twice = serde_json::json!({ "message": json.to_string() });
        let hexadecimal = hex::encode(&**der);
        let mut forms: Vec<String> = vec![
            json.to_string(),
            format!("{json:#}"),
            twice.to_string(),
            format!("On Friday somebody wrote:\n{quoted}\nThanks.\n"),
            format!("const KEY: &str =\n{literal};"),
            STANDARD.encode(&pem),
            format!("stringData:\n  key: {}\n", STANDARD.encode(&pem)),
            STANDARD.encode(STANDARD.encode(&pem)),
            der.iter().map(|octet| format!("\\x{octet:02x}")).collect(),
            format!("{{\"hex\": \"{hexadecimal}\"}}"),
        ];
        forms.extend(dumps(&der));
        forms.extend(dumps(pem.as_bytes()));
        forms.extend(dumps(STANDARD.encode(&pem).as_bytes()));
        let mut forms: Vec<_> = forms.into_iter().map(String::into_bytes).collect();
        for arguments in ["pkey -in key.pem -text -noout", "ec -in key.pem -text -noout"] {
            forms.push(of.made(arguments));
        }
        forms
    };
    for content in forms(&root) {
        let told = String::from_utf8_lossy(&content);
        assert_eq!(root.holds(&content), Holds::Root, "{told}");
    }
    for content in forms(&other) {
        assert_eq!(root.holds(&content), Holds::Nothing);
    }
    let certificate = root.made("x509 -in root.crt -text");
    assert_eq!(root.holds(&certificate), Holds::Nothing);
    let public = root.made("pkey -in key.pem -text_pub -noout");
    assert_eq!(root.holds(&public), Holds::Nothing);
}

#[test]
fn what_may_be_a_scalar_is_tried_so_often_and_then_told() {
    let root = Root::new();
    let digests: String = (0..3).map(|n| format!("{} of {n}\n", "5a".repeat(48))).collect();
    let text = root.made("pkey -in key.pem -text -noout");
    let content = [digests.as_bytes(), &text].concat();
    for (tries, found, gave_up) in [(3, Holds::Nothing, true), (9, Holds::Root, false)] {
        let roots = [root.key.public_key_der().to_vec()];
        let mut search = Search::new(&roots, 0, tries);
        assert_eq!(search.judge(&content), found);
        assert_eq!(search.gave_up(), gave_up);
    }
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
    assert_eq!(Search::new(&spki, 0, 0).judge(content.as_bytes()), Holds::Root);
    assert_eq!(root.holds(content.as_bytes()), Holds::Nothing);
}
