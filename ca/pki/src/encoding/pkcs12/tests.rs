use super::*;
use crate::encoding::tlv::Fault;

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut octets = vec![tag, 0x82];
    octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    octets.extend(value);
    octets
}

fn oid_der(text: &str) -> Vec<u8> {
    use der::Encode;
    const_oid::ObjectIdentifier::new(text).unwrap().to_der().unwrap()
}

fn integer(number: u32) -> Vec<u8> {
    use der::Encode;
    number.to_der().unwrap()
}

/// A PFX of one plain part, with this MAC algorithm and MAC.
fn pfx(bags: &[u8], algorithm: &[u8], mac: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let data = |octets: &[u8]| tlv(0x30, &[&oid_der(DATA), &tlv(0xa0, &[&tlv(0x04, &[octets])])]);
    let safe = tlv(0x30, &[&data(&tlv(0x30, &[bags]))]);
    let digest = tlv(0x30, &[algorithm, &tlv(0x04, &[mac])]);
    let mac = tlv(0x30, &[&digest, &tlv(0x04, &[salt]), &integer(iterations)]);
    tlv(0x30, &[&integer(3), &data(&safe), &mac])
}

fn hash(oid: &str) -> Vec<u8> {
    tlv(0x30, &[&oid_der(oid), &[5, 0]])
}

const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
const HMAC_SHA_256: &str = "1.2.840.113549.2.9";

#[test]
fn keys_are_those_of_rfc_7292() {
    // What OpenSSL's PKCS12_key_gen_uni and Bouncy Castle's test give for these values
    // (password "smeg", SHA-1; one of their published vectors each).
    use file_key::Purpose;
    for (purpose, salt, key) in [
        (Purpose::Key, "0a58cf64530d823f", "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"),
        (Purpose::Iv, "0a58cf64530d823f", "79993dfe048d3b76"),
        (Purpose::Mac, "3d83c0e4546ac140", "8d967d88f6caa9d714800ab3d48051d63f73a312"),
    ] {
        let salt = hex::decode(salt).unwrap();
        let password = file_key::bmp_string("smeg");
        let (octets, mut work) = (key.len() / 2, Work::default());
        let derived =
            file_key::derive(Digest::Sha1, purpose, &password, &salt, 1, octets, &mut work);
        assert_eq!(hex::encode(&*derived.unwrap()), key, "{purpose:?}");
    }
}

#[test]
fn pbmac1_is_verified() {
    use aws_lc_rs::{hmac, pbkdf2};
    let salt = [7; 16];
    let kdf = tlv(
        0x30,
        &[
            &oid_der("1.2.840.113549.1.5.12"),
            &tlv(0x30, &[&tlv(0x04, &[&salt]), &integer(1000), &integer(32), &hash(HMAC_SHA_256)]),
        ],
    );
    let algorithm =
        tlv(0x30, &[&oid_der("1.2.840.113549.1.5.14"), &tlv(0x30, &[&kdf, &hash(HMAC_SHA_256)])]);
    let unsigned = Pfx::parse(&pfx(&[], &algorithm, &[0; 32], &[0; 8], 1)).unwrap();
    let mut key = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        1000.try_into().unwrap(),
        &salt,
        "合言葉".as_bytes(),
        &mut key,
    );
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &unsigned.authenticated_safe);
    let signed = Pfx::parse(&pfx(&[], &algorithm, mac.as_ref(), &[0; 8], 1)).unwrap();
    assert_eq!(signed.verify("合言葉", &mut Work::default()), Ok(()));
    assert_eq!(signed.verify("合言", &mut Work::default()), Err(Pkcs12Error::Passphrase));
    assert_eq!(unsigned.verify("合言葉", &mut Work::default()), Err(Pkcs12Error::Passphrase));
}

#[test]
fn a_file_that_asks_for_endless_work_is_refused_before_any_is_done() {
    let file = pfx(&[], &hash(SHA_256), &[0; 32], &[1; 8], u32::MAX);
    let read = Pfx::parse(&file).unwrap();
    assert_eq!(read.verify("x", &mut Work::default()), Err(Pkcs12Error::TooMuchWork));
    // The budget is one for all parts of a file.
    let file = pfx(&[], &hash(SHA_256), &[0; 32], &[1; 8], 600);
    let read = Pfx::parse(&file).unwrap();
    let mut work = Work::new(1000);
    assert_eq!(read.verify("x", &mut work), Err(Pkcs12Error::Passphrase));
    assert_eq!(read.verify("x", &mut work), Err(Pkcs12Error::TooMuchWork));
}

#[test]
fn bags_in_bags_and_a_crowd_of_bags_are_refused() {
    let bag = |kind: &str, inside: &[u8]| {
        tlv(0x30, &[&oid_der(&format!("{BAG}{kind}")), &tlv(0xa0, &[inside])])
    };
    let mut nested = tlv(0x30, &[&bag("5", &[5, 0])]);
    for depth in 1..=MOST_DEPTH {
        let read = bags(&nested);
        assert_eq!(read.is_ok(), depth <= MOST_DEPTH, "{depth}");
        nested = tlv(0x30, &[&bag("6", &nested)]);
    }
    assert_eq!(bags(&nested), Err(Pkcs12Error::TooLarge));
    let crowd = tlv(0x30, &[&bag("5", &[5, 0]).repeat(MOST_BAGS + 1)]);
    assert_eq!(bags(&crowd), Err(Pkcs12Error::TooLarge));
}

#[test]
fn a_wrong_version_and_no_iterations_are_refused() {
    let mut file = pfx(&[], &hash(SHA_256), &[0; 32], &[1; 8], 1);
    assert!(Pfx::parse(&file).is_ok());
    file[6] = 2;
    let expected = Fault::Expected { what: "PFX.version" };
    assert_eq!(
        Pfx::parse(&file),
        Err(Pkcs12Error::Malformed(Malformed { offset: 4, fault: expected }))
    );
    let none = pfx(&[], &hash(SHA_256), &[0; 32], &[1; 8], 0);
    assert!(matches!(Pfx::parse(&none), Err(Pkcs12Error::Malformed(_))));
}
