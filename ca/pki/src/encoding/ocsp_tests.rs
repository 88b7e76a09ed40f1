use std::str::FromStr;

use proptest::prelude::*;

use super::*;

/// A P-256 SubjectPublicKeyInfo with an arbitrary point: only its octets are hashed here.
fn spki() -> Vec<u8> {
    let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    der.extend([7; 64]);
    der
}

fn request() -> Vec<u8> {
    let issuer = Name::from_str("CN=CA").unwrap();
    let serial = Serial::from_hex("4b01").unwrap();
    OcspQuery::request(&issuer, &spki(), &serial, Some(&[9; 32])).unwrap()
}

#[test]
fn our_own_request_reads_back_and_names_its_issuer() {
    let query = OcspQuery::parse(&request()).unwrap();
    let ours = IssuerHashes::of(&Name::from_str("CN=CA").unwrap(), &spki()).unwrap();
    let other = IssuerHashes::of(&Name::from_str("CN=CB").unwrap(), &spki()).unwrap();
    assert_eq!(
        ours.covers(&query.certificates[0]).unwrap().unwrap(),
        Serial::from_hex("4b01").unwrap()
    );
    assert!(other.covers(&query.certificates[0]).is_none());
    let mut nonce = vec![0x04, 32];
    nonce.extend([9; 32]);
    assert_eq!(query.nonce.unwrap(), nonce);
}

#[test]
fn the_get_form_reads_every_spelling_of_base64() {
    let der = request();
    let openssl_like = base64(&der);
    let escaped = openssl_like.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    let url = openssl_like.replace('+', "-").replace('/', "_").replace('=', "");
    for text in [&openssl_like, &escaped, &url] {
        assert_eq!(OcspQuery::parse_get(text), OcspQuery::parse(&der));
    }
    for bad in ["", "%", "%2", "%zz", "ab*d", "A"] {
        assert!(OcspQuery::parse_get(bad).is_err(), "{bad}");
    }
}

fn base64(der: &[u8]) -> String {
    let mut child = std::process::Command::new("openssl")
        .args(["base64", "-A"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), der).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn nonces_out_of_bounds_and_critical_strangers_are_refused() {
    let with = |id, critical, value: Vec<u8>| {
        let mut request: OcspRequest = OcspRequest::from_der(&request()).unwrap();
        request.tbs_request.request_extensions = Some(vec![Extension {
            extn_id: id,
            critical,
            extn_value: OctetString::new(value).unwrap(),
        }]);
        OcspQuery::parse(&request.to_der().unwrap())
    };
    let octets = |n: usize| OctetString::new(vec![1; n]).unwrap().to_der().unwrap();
    assert_eq!(with(ID_PKIX_OCSP_NONCE, false, octets(0)), Err(OcspQueryError::Nonce));
    assert_eq!(with(ID_PKIX_OCSP_NONCE, false, octets(129)), Err(OcspQueryError::Nonce));
    assert!(with(ID_PKIX_OCSP_NONCE, false, octets(1)).is_ok());
    assert!(with(ID_PKIX_OCSP_NONCE, false, octets(128)).is_ok());
    assert_eq!(with(ID_PKIX_OCSP_NONCE, false, vec![1, 2, 3]), Err(OcspQueryError::Nonce));
    let stranger = der::asn1::ObjectIdentifier::new_unwrap("1.2.3.4");
    assert_eq!(with(stranger, true, vec![5, 0]), Err(OcspQueryError::CriticalExtension));
    assert!(with(stranger, false, vec![5, 0]).is_ok());
}

#[test]
fn too_many_questions_are_refused() {
    let mut request: OcspRequest = OcspRequest::from_der(&request()).unwrap();
    let one = request.tbs_request.request_list[0].clone();
    request.tbs_request.request_list = vec![one; 9];
    assert_eq!(OcspQuery::parse(&request.to_der().unwrap()), Err(OcspQueryError::Count));
    request.tbs_request.request_list.clear();
    assert!(OcspQuery::parse(&request.to_der().unwrap()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text in ".*") {
        let _ = OcspQuery::parse(&bytes);
        let _ = OcspQuery::parse_get(&text);
    }

    #[test]
    fn no_damage_to_a_good_request_panics(place in 0_usize..200, byte: u8) {
        let mut der = request();
        if let Some(slot) = der.get_mut(place) {
            *slot = byte;
        }
        let _ = OcspQuery::parse(&der);
    }
}
