//! The texts that nobody tried: what stands in them, and what cannot.

use super::{super::device::Device, *};

const RSA: Proof = Proof::Certificate(Key::Rsa3072);
const PEER: &str = "T2222222222";

/// The device's configuration and its way back, with these peers.
fn of(device: Device, peers: &[(&str, &str, Proof)]) -> (String, String) {
    let texts = proven(device.profile(), peers).unwrap();
    let find = |file| texts.iter().find(|text| text.file == file).unwrap().text.clone();
    (find(device.file()), find(device.removal()))
}

/// The lines that a device would carry out.
fn commands(device: Device, text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(device.mark()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn each_says_first_that_nobody_tried_it_and_from_what_it_is() {
    for device in Device::ALL {
        for proof in [CERTIFICATE, RSA, Proof::Psk] {
            let (text, removal) = of(device, &[(PEER, "10.2.0.0/16", proof)]);
            for text in [&text, &removal] {
                let mut lines = text.lines();
                let (first, second) = (lines.next().unwrap(), lines.next().unwrap());
                assert!(first.contains("実機では未確認"), "{device:?}: {first}");
                assert!(second.contains("NOT TRIED: nobody has tried"), "{device:?}: {second}");
                assert!(text.contains("本館 & <別館>"), "{device:?}: escaped");
                for (ja, en) in device.sources() {
                    assert!(text.contains(ja) && text.contains(en), "{device:?}: {en}");
                }
                assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{device:?}: {text}");
            }
        }
    }
}

#[test]
fn each_has_both_names_both_networks_the_proof_and_the_lists() {
    for device in Device::ALL {
        for proof in [CERTIFICATE, RSA, Proof::Psk] {
            let psk = proof == Proof::Psk;
            let (text, removal) = of(device, &[(PEER, "10.2.0.0/16", proof)]);
            let commands = commands(device, &text);
            if device.knows_certificates() || psk {
                for part in ["10.2.0.0", "t2222222222.router.example"] {
                    assert!(commands.contains(part), "{device:?} {proof:?}: {part} in\n{commands}");
                }
                assert!(removal.contains(PEER) || removal.contains("10.2.0.0"), "{device:?}");
            } else {
                assert!(
                    !commands.contains("10.2.0.0"),
                    "{device:?}: a tunnel that cannot be\n{commands}"
                );
                assert!(text.contains("/console/routers/T1111111111/psk"), "{device:?}");
            }
            // The key stands as a word to replace, in commands or as what is asked for, and never without a pair.
            assert_eq!(text.contains("KEY-OF-THE-PAIR"), psk, "{device:?} {proof:?}");
            let asks = "curl --cacert root.pem --user T1111111111 --request POST https://enrol.example/router/psk";
            assert_eq!(text.contains(asks), psk, "{device:?} {proof:?}");
            let certified = !psk && device.knows_certificates();
            for list in ["routers", "routers-2", "root"] {
                let address = format!("http://plain.example/crl/{list}.crl");
                assert_eq!(text.contains(&address), certified, "{device:?} {proof:?}: {address}");
            }
            let certify = "/console/terminals/T1111111111/certify";
            assert_eq!(text.contains(certify), certified, "{device:?} {proof:?}");
        }
    }
}

#[test]
fn each_proposes_what_its_manual_has_and_says_what_a_tried_text_lacks() {
    let commands = |device, proof| commands(device, &of(device, &[(PEER, "10.2.0.0/16", proof)]).0);
    let has = |device, proof, parts: &[&str]| {
        let text = commands(device, proof);
        for part in parts {
            assert!(text.contains(part), "{device:?}: {part} in\n{text}");
        }
    };
    has(
        Device::Windows,
        CERTIFICATE,
        &[
            "-DHGroup ECP256",
            "-AuthenticationTransformConstants SHA256128",
            "-MMSALifeTimeSeconds 2880",
            "-Destination 't2222222222.router.example'",
            "'10.2.0.0', '10.2.255.255' -Type IPv4",
            "-CertValidationLevel RequireCrlCheck",
        ],
    );
    has(
        Device::Windows,
        Proof::Psk,
        &["-AuthenticationMethod PSKOnly", "-SharedSecret $key", "Read-Host"],
    );
    has(
        Device::YamahaRtx,
        CERTIFICATE,
        &[
            "ipsec ike version 1 2",
            "ipsec ike group 1 modp2048",
            "pki certificate file 1 /T1111111111.p12 pkcs12 PASSPHRASE",
            "ipsec ike pki file 1 certificate=1 crl=1",
            "ipsec ike remote name 1 t2222222222.router.example fqdn",
            "ip route 10.2.0.0/16 gateway tunnel 1",
        ],
    );
    has(
        Device::NecIx,
        Proof::Psk,
        &[
            "sa-proposal dh 3072-bit",
            "child-proposal integrity sha2-512",
            "ikev2 authentication psk id fqdn t2222222222.router.example key char KEY-OF-THE-PAIR",
            "ip route 10.2.0.0/16 Tunnel1.0",
        ],
    );
    has(
        Device::CiscoIosXe,
        CERTIFICATE,
        &[
            "group 19",
            "authentication remote ecdsa-sig",
            "esp-aes 256 esp-sha512-hmac",
            "permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255",
            "revocation-check crl",
            "match identity remote fqdn t2222222222.router.example",
        ],
    );
    has(Device::CiscoIosXe, RSA, &["authentication local rsa-sig"]);
    has(
        Device::FortiGate,
        CERTIFICATE,
        &[
            "set dhgrp 19",
            "set proposal aes256-sha512",
            "set reauth enable",
            "set keylife 2880",
            "set cert-id-validation enable",
            "set localid \"t1111111111.router.example\"",
            "set leaf-crl-absence revoke",
            "set dst-subnet 10.2.0.0 255.255.0.0",
        ],
    );
    has(
        Device::AlliedTelesis,
        Proof::Psk,
        &[
            "transform 1 integrity sha256 encryption aes256 group 15",
            "tunnel local selector 1 10.1.0.0/16",
            "tunnel remote selector 1 10.2.0.0/16",
        ],
    );
    // OpenIKED at the other end proposes ecp256 and SHA-512 alone.
    for (device, add) in [
        (Device::Windows, Some("IKE aes256-sha256-ecp256, ESP aes256-sha256")),
        (Device::YamahaRtx, Some("IKE aes256-sha256-modp2048, ESP aes256-sha256")),
        (Device::NecIx, Some("IKE aes256-sha256-modp3072, ESP aes256-sha512")),
        (Device::AlliedTelesis, Some("IKE aes256-sha256-modp3072, ESP aes256-sha512")),
        (Device::CiscoIosXe, None),
        (Device::FortiGate, None),
    ] {
        let (text, _) = of(device, &[(PEER, "10.2.0.0/16", Proof::Psk)]);
        assert_eq!(text.contains("Add there: IKE"), add.is_some(), "{device:?}");
        assert!(add.is_none_or(|add| text.contains(add)), "{device:?}: {text}");
    }
}

#[test]
fn networks_of_ipv6_have_commands_where_some_are_known_and_words_elsewhere() {
    for device in Device::ALL {
        let own = Router {
            network: "2001:db8:1::/48".parse().unwrap(),
            ..router("T1111111111", device.profile(), "10.1.0.0/16")
        };
        let peer = router(PEER, "router_openiked", "2001:db8:2::/48");
        let (beyond, behind) = Default::default();
        let proof = Proof::Psk;
        let others = [Other { router: peer, proof, opens: false, beyond, behind }];
        let authorities =
            Authorities { root_der: vec![0x30], root_id: "root".to_owned(), issuers: Vec::new() };
        let texts = write(&own, "本館", &others, &authorities, COMMON).unwrap();
        let text = &texts.iter().find(|text| text.file == device.file()).unwrap().text;
        let known = commands(device, text).contains("2001:db8:2::");
        assert_eq!(known, device.knows_ipv6(), "{device:?}: {text}");
        assert!(text.contains("2001:db8:2::/48"), "{device:?}: {text}");
    }
}

#[test]
fn a_name_breaks_out_of_no_comment_and_two_peers_have_numbers_of_their_own() {
    let hostile = "x\"'`$(reboot)\r\nno crypto map\u{2028}erase\u{85}\u{202e}#> ; rm -rf / !";
    for device in Device::ALL {
        let own = router("T1111111111", device.profile(), "10.1.0.0/16");
        let others =
            [(PEER, "10.2.0.0/16", Proof::Psk), ("T3333333333", "10.3.0.0/16", CERTIFICATE)].map(
                |(id, network, proof)| Other {
                    router: router(id, "router_libreswan", network),
                    proof,
                    opens: false,
                    beyond: Vec::new(),
                    behind: Vec::new(),
                },
            );
        let authorities =
            Authorities { root_der: vec![0x30], root_id: "root".to_owned(), issuers: Vec::new() };
        let texts = |name| write(&own, name, &others, &authorities, COMMON).unwrap();
        for (plain, hostile) in texts("本館").iter().zip(texts(hostile)) {
            assert_eq!(plain.text.lines().count(), hostile.text.lines().count(), "{}", plain.file);
            for (plain, hostile) in plain.text.lines().zip(hostile.text.lines()) {
                let same = plain == hostile;
                assert!(same || hostile.starts_with(device.mark()), "{device:?}: {hostile}");
                assert!(!hostile.contains(['\u{2028}', '\u{85}', '\u{202e}', '\r']), "{hostile:?}");
            }
        }
        let (text, _) = of(
            device,
            &[(PEER, "10.2.0.0/16", Proof::Psk), ("T3333333333", "10.3.0.0/16", Proof::Psk)],
        );
        for number in match device {
            Device::YamahaRtx => ["tunnel select 1", "tunnel select 2"],
            Device::NecIx => ["interface Tunnel1.0", "interface Tunnel2.0"],
            Device::CiscoIosXe => ["crypto map sekisho 10", "crypto map sekisho 20"],
            Device::AlliedTelesis => ["interface tunnel1", "interface tunnel2"],
            Device::Windows => ["-Name 'T2222222222'", "-Name 'T3333333333'"],
            Device::FortiGate => ["phase1name \"T2222222222\"", "phase1name \"T3333333333\""],
        } {
            assert!(text.contains(number), "{device:?}: {number}");
        }
    }
}

/// Windows PowerShell of Japan reads the file as Shift_JIS and may take a line break for half of a character.
#[test]
fn each_line_of_a_powershell_file_ends_in_ascii() {
    for proof in [CERTIFICATE, Proof::Psk] {
        let (text, removal) = of(Device::Windows, &[(PEER, "10.2.0.0/16", proof)]);
        for line in text.lines().chain(removal.lines()).filter(|line| !line.is_ascii()) {
            assert!(line.ends_with(" #"), "{line}");
        }
    }
}
