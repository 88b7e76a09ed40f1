use proptest::prelude::*;

use super::{request::*, *};

fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/scep/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

const MICROMDM: &str = "micromdm-2.1.0-pkcsreq.der";
const STRONGSWAN: &str = "strongswan-5.9.8-pkcsreq.der";

#[test]
fn messages_of_other_peoples_clients_are_read_and_what_is_weak_in_them_is_named() {
    for (name, weak, cipher, characters) in
        [(MICROMDM, Some(Weakness::Sha1), Cipher::Des, 28), (STRONGSWAN, None, Cipher::Aes128, 40)]
    {
        let unverified = UnverifiedMessage::parse(&vector(name)).unwrap();
        let attributes = unverified.attributes().clone();
        assert_eq!(attributes.message_type, MessageType::PkcsReq, "{name}");
        assert_eq!(attributes.transaction_id.len(), characters, "{name}");
        assert_eq!(attributes.sender_nonce.unwrap().len(), 16, "{name}");
        let message = unverified.verify().unwrap();
        assert_eq!(message.weakness, weak, "{name}");
        let envelope = Envelope::parse(&message.content).unwrap();
        assert_eq!(envelope.cipher(), cipher, "{name}");
        assert_eq!(envelope.recipients().len(), 1, "{name}");
        let first = &envelope.recipients()[0];
        assert!(!first.is(b"", b"", b""), "{name}");
    }
}

#[test]
fn a_message_cut_at_any_octet_is_none() {
    for name in [MICROMDM, STRONGSWAN] {
        let whole = vector(name);
        for end in 0..whole.len() {
            assert!(UnverifiedMessage::parse(&whole[..end]).is_err(), "{name} {end}");
        }
        let content = UnverifiedMessage::parse(&whole).unwrap().verify().unwrap().content;
        for end in 0..content.len() {
            assert!(Envelope::parse(&content[..end]).is_err(), "{name} {end}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(UnverifiedMessage::parse(&longer).is_err(), "{name}");
    }
    let long = vec![0x30; MOST_OCTETS + 1];
    assert_eq!(UnverifiedMessage::parse(&long).unwrap_err(), MessageFault::TooLong);
}

/// Where an octet is not under the signature (versions, the set of digest algorithms, NULL parameters, the
/// name of the signer beside its certificate), a change of it may be read over; never one of what counts.
#[test]
fn no_changed_octet_makes_another_message() {
    for name in [MICROMDM, STRONGSWAN] {
        let whole = vector(name);
        let good = UnverifiedMessage::parse(&whole).unwrap().verify().unwrap();
        let mut unnoticed = 0;
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x01;
            let verified = UnverifiedMessage::parse(&changed).and_then(UnverifiedMessage::verify);
            if let Ok(verified) = verified {
                let same_key = verified.signer_key_der == good.signer_key_der;
                assert_eq!(verified.attributes, good.attributes, "{name} {place}");
                assert_eq!(verified.content, good.content, "{name} {place}");
                assert!(same_key, "{name} {place}");
                unnoticed += 1;
            }
        }
        // The certificate's own signature is not looked at: it vouches for nobody.
        assert!(unnoticed < whole.len() / 3, "{name}: {unnoticed} of {}", whole.len());
    }
}

#[test]
fn one_clients_signature_does_not_count_under_anothers_certificate() {
    let (one, other) = (vector(MICROMDM), vector(STRONGSWAN));
    let one = UnverifiedMessage::parse(&one).unwrap();
    let other = UnverifiedMessage::parse(&other).unwrap();
    let swapped = one.with_signer(other.signer_der().to_vec());
    assert!(matches!(swapped.verify(), Err(MessageFault::Signature(_))));
}

#[test]
fn a_challenge_is_read_in_each_kind_of_string_and_stands_once() {
    let attribute = |tag: u8, text: &[u8]| {
        let oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07";
        let value = wrap(0x31, &wrap(tag, text));
        wrap(0x30, &[&oid[..], &value].concat())
    };
    let request = |attributes: &[u8]| {
        let spki = wrap(0x30, &[]);
        let all = wrap(0xa0, attributes);
        let info = wrap(0x30, &[&[2, 1, 0, 0x30, 0][..], &spki, &all].concat());
        wrap(0x30, &[&info[..], &[0x30, 0, 3, 1, 0]].concat())
    };
    let read = |attributes: &[u8]| {
        challenge_password(&request(attributes)).map(|found| found.map(|found| found.to_string()))
    };
    for tag in [0x0c, 0x13, 0x14, 0x16] {
        assert_eq!(read(&attribute(tag, b"T1:ab")).unwrap().unwrap(), "T1:ab", "{tag}");
    }
    assert_eq!(read(&attribute(0x1e, b"\0a\0b")).unwrap().unwrap(), "ab");
    assert_eq!(read(&[]).unwrap(), None);
    let twice = [attribute(0x0c, b"a"), attribute(0x0c, b"a")].concat();
    let long = attribute(0x0c, &[b'a'; 256]);
    for hostile in [
        twice,
        long,
        attribute(0x04, b"a"),
        attribute(0x0c, b"\xff"),
        attribute(0x1e, b"\x30\x42"),
        attribute(0x1e, b"\0"),
    ] {
        assert!(read(&hostile).is_err(), "{hostile:02x?}");
    }
}

fn wrap(tag: u8, inside: &[u8]) -> Vec<u8> {
    let length = u8::try_from(inside.len());
    let head = match length {
        Ok(short @ 0..0x80) => vec![tag, short],
        Ok(long) => vec![tag, 0x81, long],
        Err(_) => [&[tag, 0x82][..], &u16::try_from(inside.len()).unwrap().to_be_bytes()].concat(),
    };
    [head, inside.to_vec()].concat()
}

#[test]
fn each_cipher_opens_what_it_closed_and_nothing_else() {
    use super::algorithm::Cipher::*;
    for cipher in [Aes128, Aes192, Aes256, TripleDes, Des] {
        let key: Vec<u8> = (1..).take(cipher.key_octets()).collect();
        let iv = vec![7; cipher.block_octets()];
        for length in [0, 1, 7, 8, 15, 16, 17, 1000] {
            let content = vec![0x42; length];
            let closed = cipher.encrypt(&key, &iv, &content).unwrap();
            assert!(closed.len() > length && closed.len() <= length + 16, "{cipher:?}");
            assert_eq!(*cipher.decrypt(&key, &iv, &closed).unwrap(), content, "{cipher:?}");
            assert!(cipher.decrypt(&key, &iv, &closed[1..]).is_none(), "{cipher:?}");
        }
        assert!(cipher.encrypt(&key[1..], &iv, b"x").is_none(), "{cipher:?}");
        assert!(cipher.decrypt(&key, &iv[1..], &[0; 32]).is_none(), "{cipher:?}");
        assert!(cipher.decrypt(&key, &iv, &[]).is_none(), "{cipher:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, place: prop::sample::Index, octet: u8) {
        let _ = UnverifiedMessage::parse(&bytes).and_then(UnverifiedMessage::verify);
        let _ = Envelope::parse(&bytes);
        let _ = challenge_password(&bytes);
        let _ = issuer_and_serial(&bytes);
        let mut changed = vector(STRONGSWAN);
        let place = place.index(changed.len());
        changed[place] = octet;
        if let Ok(message) = UnverifiedMessage::parse(&changed).and_then(UnverifiedMessage::verify) {
            let _ = Envelope::parse(&message.content);
        }
    }
}
