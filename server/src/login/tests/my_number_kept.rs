//! What is kept of a My Number card: enough to verify what it signed, and nothing by which somebody
//! else would know it.

use sekisho_protocol::JwkSet;
use sekisho_store::{Queries, evidence, jpki_link, sql};

use super::{
    desk::physician,
    my_number::{MyNumberCard, linked_by},
};
use crate::login::evidence::{CardKey, EvidenceError};

#[tokio::test]
async fn what_a_my_number_card_signed_verifies_again_without_its_certificate() {
    let card = MyNumberCard::of_serial(510);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    let mut reader = test.app.store().read();
    let statement = "SELECT evidence_id FROM session WHERE ended_at IS NULL
                     UNION SELECT evidence_id FROM jpki_link";
    let ids: Vec<(String,)> = reader.fetch_all(sql(statement)).await.unwrap();
    assert_eq!(ids.len(), 2, "of the link, and of the login");
    let published = test.app.login_request_keys().published(&test.app).await.unwrap();
    let keys: JwkSet = serde_json::from_value(published).unwrap();
    for (id,) in ids {
        let kept = evidence::find(&mut reader, &id).await.unwrap().unwrap();
        let key =
            jpki_link::public_key(&mut reader, &kept.card_fingerprint).await.unwrap().unwrap();
        let verify = |kept: &evidence::Evidence| {
            crate::login::evidence::verify(kept, CardKey::PublicKey(&key), &keys)
        };
        assert_eq!(verify(&kept), Ok(()));
        let mut changed = kept.clone();
        changed.signature[10] ^= 1;
        assert_eq!(verify(&changed), Err(EvidenceError::Signature));
        let mut changed = kept.clone();
        changed.card_fingerprint[0] ^= 1;
        assert_eq!(verify(&changed), Err(EvidenceError::SignedInput));
    }
}

#[tokio::test]
async fn neither_serial_number_nor_certificate_stands_anywhere() {
    const SERIAL: u32 = 0x6A5B_4C3D;
    let card = MyNumberCard::of_serial(SERIAL);
    let (test, mut desk) = linked_by(&physician(), &card).await;
    assert_eq!(desk.login(&test, &card, false).await.status, 200);
    // Refused, too: nobody's card leaves a trace.
    desk.log_out(&test).await;
    let stranger = MyNumberCard::of_serial(SERIAL + 1);
    assert_eq!(desk.login(&test, &stranger, false).await.code(), "not-linked");
    let mut held = Vec::new();
    for entry in std::fs::read_dir(test.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("sekisho.db") {
            held.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |needle: &[u8]| held.windows(needle.len()).any(|window| window == needle);
    assert!(holds("山田　太郎".as_bytes()) && holds(b"jpki_link"), "this is the database");
    for serial in [SERIAL, SERIAL + 1] {
        let octets = serial.to_be_bytes();
        let (hex, decimal) = (hex::encode(octets), serial.to_string());
        for needle in
            [&octets[..], hex.as_bytes(), hex.to_uppercase().as_bytes(), decimal.as_bytes()]
        {
            assert!(!holds(needle), "{}", String::from_utf8_lossy(needle));
        }
    }
    // The subject's identifier, and the certificate whole or in base64url.
    assert!(!holds(b"LOOKALIKE000000A"));
    let encoded = sekisho_protocol::octets::encode(&card.certificate_der[..60]);
    assert!(!holds(&card.certificate_der[..60]) && !holds(encoded.as_bytes()));
}
