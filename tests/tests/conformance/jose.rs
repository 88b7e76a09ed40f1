//! Objects that clients sign, right or wrong on purpose, and those that a provider signed.

use anyhow::{Context, bail, ensure};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// Octets as base64url without padding.
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// base64url of the SHA-256 of a text.
pub fn hashed(text: &str) -> String {
    encode(digest(&SHA256, text.as_bytes()))
}

/// 32 random octets as text.
pub fn random() -> anyhow::Result<String> {
    let mut octets = [0; 32];
    aws_lc_rs::rand::fill(&mut octets)?;
    Ok(encode(octets))
}

/// A P-256 key.
pub struct Key {
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)? })
    }

    pub fn of_pkcs8(der: &[u8]) -> anyhow::Result<Self> {
        Ok(Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)? })
    }

    /// The public key (RFC 7517).
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
    }

    /// Its thumbprint (RFC 7638 §3).
    pub fn thumbprint(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        hashed(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    fn sign(&self, input: &str) -> anyhow::Result<Vec<u8>> {
        Ok(self.pair.sign(&SystemRandom::new(), input.as_bytes())?.as_ref().to_vec())
    }
}

/// An RSA key, for what FAPI 2.0 forbids to be signed by it.
pub struct RsaKey {
    pair: RsaKeyPair,
}

impl RsaKey {
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self { pair: RsaKeyPair::generate(KeySize::Rsa2048)? })
    }

    pub fn jwk(&self) -> Value {
        let key = self.pair.public_key();
        json!({
            "kty": "RSA",
            "n": encode(key.modulus().big_endian_without_leading_zero()),
            "e": encode(key.exponent().big_endian_without_leading_zero()),
        })
    }

    fn sign(&self, input: &str) -> anyhow::Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            input.as_bytes(),
            &mut signature,
        )?;
        Ok(signature)
    }
}

/// Who signs an object.
#[derive(Clone, Copy, Default)]
pub enum Signer<'k> {
    /// The key whose owner it is about.
    #[default]
    Own,
    /// The owner's key, and then one bit of the signature is turned.
    Spoilt,
    /// Another key, under the name of the own one.
    Other(&'k Key),
    /// RS256.
    Rsa(&'k RsaKey),
    /// `alg` `none`, and no signature.
    Nobody,
}

/// How an object differs from a good one. A member that is `null` is left out.
#[derive(Clone, Default)]
pub struct Changes<'k> {
    pub header: Value,
    pub claims: Value,
    pub signer: Signer<'k>,
}

impl<'k> Changes<'k> {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn claims(claims: Value) -> Self {
        Self { claims, ..Self::default() }
    }

    pub fn header(header: Value) -> Self {
        Self { header, ..Self::default() }
    }

    pub fn signer(signer: Signer<'k>) -> Self {
        Self { signer, ..Self::default() }
    }
}

/// Signs what a good object says, changed.
pub fn signed(
    own: &Key,
    header: Value,
    claims: Value,
    changes: &Changes<'_>,
) -> anyhow::Result<String> {
    let mut header = object(header)?;
    let algorithm = match changes.signer {
        Signer::Rsa(_) => "RS256",
        Signer::Nobody => "none",
        Signer::Own | Signer::Spoilt | Signer::Other(_) => "ES256",
    };
    header.insert("alg".to_owned(), algorithm.into());
    change(&mut header, &changes.header);
    let mut claims = object(claims)?;
    change(&mut claims, &changes.claims);
    let parts = [header, claims].map(|part| encode(Value::Object(part).to_string()));
    let input = parts.join(".");
    let signature = match changes.signer {
        Signer::Own => own.sign(&input)?,
        Signer::Spoilt => {
            let mut signature = own.sign(&input)?;
            signature[40] ^= 1;
            signature
        }
        Signer::Other(key) => key.sign(&input)?,
        Signer::Rsa(key) => key.sign(&input)?,
        Signer::Nobody => Vec::new(),
    };
    Ok(format!("{input}.{}", encode(signature)))
}

fn object(value: Value) -> anyhow::Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        other => bail!("{other} is no object"),
    }
}

fn change(members: &mut Map<String, Value>, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
}

/// Header and claims of an object, with nothing verified.
pub fn read(jws: &str) -> anyhow::Result<(Value, Value)> {
    let mut parts = jws.split('.');
    let mut next = || -> anyhow::Result<Value> {
        let part = parts.next().context("an object has three parts")?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
    };
    Ok((next()?, next()?))
}

/// Header and claims of an object that a key of the set signed with this algorithm, ES256 or RS256. It
/// names the key by `kid`.
pub fn verified(jws: &str, keys: &Value, algorithm: &str) -> anyhow::Result<(Value, Value)> {
    let (header, claims) = read(jws)?;
    ensure!(header["alg"] == algorithm, "not signed with {algorithm} as registered: {header}");
    let kid = header["kid"].as_str().context("the header names no key")?;
    let all = keys["keys"].as_array().context("the set of keys is none")?;
    let named: Vec<&Value> = all.iter().filter(|key| key["kid"] == kid).collect();
    let [key] = named.as_slice() else { bail!("{} keys are called {kid}", named.len()) };
    let part = |name: &str| -> anyhow::Result<Vec<u8>> {
        let text = key[name].as_str().with_context(|| format!("the key has no {name}"))?;
        Ok(URL_SAFE_NO_PAD.decode(text)?)
    };
    let (input, signature) = jws.rsplit_once('.').context("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let holds = match algorithm {
        "RS256" => {
            let key = RsaPublicKeyComponents { n: part("n")?, e: part("e")? };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signature)
        }
        _ => {
            let point = [vec![4], part("x")?, part("y")?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(input.as_bytes(), &signature)
        }
    };
    holds.map_err(|_| anyhow::anyhow!("the signature does not hold"))?;
    Ok((header, claims))
}
