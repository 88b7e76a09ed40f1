//! An authenticator in software, and what a browser makes of its answers (WebAuthn Level 2 §5, §6).

use std::sync::Arc;

use sekisho_key::{Randomness, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_protocol::octets::{decode, encode};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Flags of the authenticator data (WebAuthn Level 2 §6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One passkey on one authenticator; what it answers can be spoilt.
#[derive(Clone)]
pub struct Authenticator {
    key: Arc<SoftwareKey>,
    pub credential_id: Vec<u8>,
    pub user_handle: Vec<u8>,
    /// Of signatures so far. Goes up by one with each; one that counts none stays at zero.
    pub counter: u32,
    pub counts: bool,
    pub verifies: bool,
    /// Of the page that asks; the browser says it.
    pub origin: String,
    /// For which the authenticator signs.
    pub rp_id: String,
}

impl Authenticator {
    /// For a page of this origin.
    pub fn at(origin: &str) -> Self {
        let mut credential_id = vec![0; 20];
        SystemRandomness.fill(&mut credential_id).unwrap();
        let host = origin.trim_start_matches("https://").split(':').next().unwrap();
        Self {
            key: SoftwareKey::generate_p256().unwrap().into(),
            credential_id,
            user_handle: Vec::new(),
            counter: 0,
            counts: true,
            verifies: true,
            rp_id: host.to_owned(),
            origin: origin.to_owned(),
        }
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        self.counter += u32::from(self.counts);
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(&self.rp_id).to_vec();
        data.push(flags | USER_PRESENT | verified);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Json) -> Vec<u8> {
        let challenge = &options["publicKey"]["challenge"];
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    /// A new passkey, without an attestation (WebAuthn Level 2 §8.7).
    pub fn enrol(&mut self, options: &Json) -> Json {
        let handle = options["publicKey"]["user"]["id"].as_str().unwrap();
        self.user_handle = decode(handle).unwrap();
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]); // AAGUID
        data.extend(u16::try_from(self.credential_id.len()).unwrap().to_be_bytes());
        data.extend(&self.credential_id);
        let point = self.key.public_key_der();
        let (x, y) = point[point.len() - 64..].split_at(32);
        // COSE_Key {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y} (RFC 9053 §7.1.1)
        data.extend([0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        // {"fmt": "none", "attStmt": {}, "authData": octets} (RFC 8949)
        let mut object = b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        let client_data = self.client_data("webauthn.create", options);
        self.credential(json!({
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(object),
            "transports": ["usb"],
        }))
    }

    /// Its answer at a login.
    pub fn sign(&mut self, options: &Json) -> Json {
        let data = self.data(0);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [data.as_slice(), Sha256::digest(&client_data).as_slice()].concat();
        self.credential(json!({
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(self.key.sign_now(&signed).unwrap()),
            "userHandle": encode(&self.user_handle),
        }))
    }

    fn credential(&self, response: Json) -> Json {
        let id = encode(&self.credential_id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "authenticatorAttachment": "cross-platform", "clientExtensionResults": {},
        })
    }
}
