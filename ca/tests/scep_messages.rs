//! SCEP messages as OpenSSL sees them: what we write it opens and verifies, what it encrypts we open.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::Path, process::Command};

use sekisho_ca::{
    ceremony::{CeremonyNames, make_authority},
    profile::Profile,
    record::MemoryRecord,
    registration::approve_registration_authority,
};
use sekisho_key::{RsaSize, SoftwareKey, SystemRandomness, TransportKey};
use sekisho_pki::scep::{
    Attributes, Cipher, Envelope, FailInfo, MessageToSign, MessageType, PkiStatus, Reply,
    UnverifiedMessage, seal,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

const CONTENT: &[u8] = b"what is asked for";

/// A registration authority's key and certificate, as files too.
struct Ra {
    folder: tempfile::TempDir,
    key: SoftwareKey,
    der: Vec<u8>,
}

impl Ra {
    async fn new() -> Self {
        let names = CeremonyNames {
            organisation: "Test".to_owned(),
            network: "Test".to_owned(),
            publication_base: "http://plain.example".to_owned(),
        };
        let now = OffsetDateTime::now_utc();
        let made = make_authority(now, &SystemRandomness, &names, Duration::days(4)).await.unwrap();
        let key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        let profile = Profile::shipped("scep_ra").unwrap();
        let approved = approve_registration_authority(&key, "SCEP routers", &profile).unwrap();
        let routers = &made.find("routers").unwrap();
        let record = MemoryRecord::default();
        let issued =
            routers.authority.issue(&record, approved, now, &SystemRandomness).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, octets: &[u8]| {
            std::fs::write(folder.path().join(name), octets).unwrap();
        };
        write("ra.der", &issued.der);
        write("ra.p8", &key.pkcs8_der().unwrap());
        write("root.der", &made.root.certificate.der);
        write("routers.der", &routers.certificate.der);
        let ra = Self { key, der: issued.der, folder };
        for name in ["ra", "root", "routers"] {
            let (from, to) = (format!("{name}.der"), format!("{name}.pem"));
            ra.openssl(&["x509", "-inform", "DER", "-in", &from, "-out", &to]);
        }
        let pem = ["root.pem", "routers.pem"].map(|name| std::fs::read(ra.file(name)).unwrap());
        std::fs::write(ra.file("authorities.pem"), pem.concat()).unwrap();
        ra
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        openssl(self.folder.path(), arguments)
            .unwrap_or_else(|said| panic!("{arguments:?}: {said}"))
    }

    fn message(&self, attributes: &Attributes, content: Vec<u8>) -> Vec<u8> {
        let message = MessageToSign::new(attributes, content).unwrap();
        let signature = self.key.sign_now(message.to_be_signed()).unwrap();
        message.attach(&signature, &self.der).unwrap()
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(output.stdout) } else { Err(said) }
}

fn asked() -> Attributes {
    Attributes {
        message_type: MessageType::PkcsReq,
        transaction_id: "0123456789ABCDEF".to_owned(),
        sender_nonce: Some(vec![7; 16]),
        recipient_nonce: None,
        status: None,
        fail_info: None,
        fail_info_text: None,
    }
}

/// What OpenSSL calls a cipher, and where it has it.
const CIPHERS: [(Cipher, &[&str]); 5] = [
    (Cipher::Aes128, &["-aes128"]),
    (Cipher::Aes192, &["-aes192"]),
    (Cipher::Aes256, &["-aes256"]),
    (Cipher::TripleDes, &["-des3"]),
    (Cipher::Des, &["-des", "-provider", "legacy", "-provider", "default"]),
];

#[tokio::test]
async fn openssl_opens_what_we_close_and_we_open_what_it_closes() {
    let ra = Ra::new().await;
    let transport = TransportKey::of(&ra.key).unwrap();
    let open = |envelope: &Envelope| {
        let first = &envelope.recipients()[0];
        envelope.open(first, |encrypted, octets| {
            transport.unwrap_or(encrypted, Zeroizing::new(vec![1; octets]))
        })
    };
    for (cipher, named) in CIPHERS {
        let (key, iv) = (vec![0x5a; cipher.key_octets()], vec![3; cipher.block_octets()]);
        let sealed = seal(CONTENT, &ra.der, cipher, &key, &iv).unwrap();
        std::fs::write(ra.file("ours.der"), &sealed).unwrap();
        let decrypt = ["cms", "-decrypt", "-binary", "-inform", "DER", "-in", "ours.der"];
        let with = ["-inkey", "ra.p8", "-keyform", "DER", "-recip", "ra.pem"];
        let opened = ra.openssl(&[&decrypt[..], &with, &named[1..]].concat());
        assert_eq!(opened, CONTENT, "{cipher:?}");

        std::fs::write(ra.file("content"), CONTENT).unwrap();
        for by in [&[][..], &["-keyid"]] {
            let encrypt = ["cms", "-encrypt", "-binary", "-in", "content", "-outform", "DER"];
            let to = ["-out", "theirs.der", "-recip", "ra.pem"];
            ra.openssl(&[&encrypt[..], named, by, &to].concat());
            let theirs = std::fs::read(ra.file("theirs.der")).unwrap();
            let envelope = Envelope::parse(&theirs).unwrap();
            assert_eq!(envelope.cipher(), cipher);
            assert_eq!(&**open(&envelope).unwrap(), CONTENT, "{cipher:?} {by:?}");
        }
        // Each octet of the encrypted key and of the content counts, and what breaks cannot be told apart.
        let envelope = Envelope::parse(&sealed).unwrap();
        let other = seal(CONTENT, &ra.der, cipher, &vec![0x5b; key.len()], &iv).unwrap();
        let other = Envelope::parse(&other).unwrap();
        let wrong_key = envelope.open(&other.recipients()[0], |encrypted, octets| {
            transport.unwrap_or(&encrypted[1..], Zeroizing::new(vec![1; octets]))
        });
        assert!(wrong_key.is_none_or(|opened| &**opened != CONTENT), "{cipher:?}");
    }
}

#[tokio::test]
async fn openssl_verifies_our_answers_and_we_read_them_back() {
    let ra = Ra::new().await;
    let sealed = seal(CONTENT, &ra.der, Cipher::Aes128, &[1; 16], &[2; 16]).unwrap();
    let refused = Reply::Failure(FailInfo::BadRequest, "SCEP: 理由 why".to_owned());
    for (reply, status) in
        [(Reply::Success(sealed.clone()), PkiStatus::Success), (refused, PkiStatus::Failure)]
    {
        let (attributes, content) = reply.to(&asked(), vec![9; 16]);
        let message = ra.message(&attributes, content.clone());
        let read = UnverifiedMessage::parse(&message).unwrap().verify().unwrap();
        assert_eq!((&read.attributes, read.attributes.status), (&attributes, Some(status)));
        assert_eq!(read.attributes.recipient_nonce, asked().sender_nonce);
        assert_eq!(read.content, content);
        assert_eq!((read.signer_der, read.weakness), (ra.der.clone(), None));
        if content.is_empty() {
            // OpenSSL verifies nothing that has no content.
            continue;
        }
        std::fs::write(ra.file("answer.der"), &message).unwrap();
        let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "answer.der"];
        let path = ["-CAfile", "authorities.pem", "-purpose", "any"];
        assert_eq!(ra.openssl(&[&verify[..], &path].concat()), sealed);
    }
}

#[tokio::test]
async fn attributes_in_any_order_count_as_they_were_signed() {
    let ra = Ra::new().await;
    let message = ra.message(&asked(), CONTENT.to_vec());
    // The whole is DER; clients that sign in DER order and send in another are read all the same.
    let oid =
        |last: u8| [&[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x45, 0x01, 0x09][..], &[last]].concat();
    let place = |last: u8| message.windows(10).position(|window| window == oid(last)).unwrap();
    // Nonce and transaction, of the same length and so beside each other: SEQUENCE, length, OID, length.
    let (one, two) = (place(5) - 4, place(7) - 4);
    let length = |at: usize| usize::from(message[at + 1]) + 2;
    let (first, second) = if one < two { (one, two) } else { (two, one) };
    assert_eq!(first + length(first), second, "they lie beside each other");
    let end = second + length(second);
    let swapped =
        [&message[..first], &message[second..end], &message[first..second], &message[end..]]
            .concat();
    assert_ne!(swapped, message);
    let read = UnverifiedMessage::parse(&swapped).unwrap().verify().unwrap();
    assert_eq!(read.attributes, asked());
}
