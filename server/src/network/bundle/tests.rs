use super::*;

const COMMON: Common<'_> = Common {
    enrol: "https://enrol.example",
    plain: "http://plain.example",
    reauthentication_seconds: 3_600,
    prefix: None,
};

fn router(id: &str, family: &str, network: &str) -> Router {
    Router {
        terminal_id: id.to_owned(),
        family: family.to_owned(),
        dns_name: format!("{}.router.example", id.to_lowercase()),
        address: None,
        address_certified: false,
        network: network.parse().unwrap(),
    }
}

const CERTIFICATE: Proof = Proof::Certificate(Key::P256);

fn written(family: &str, others: &[(&str, &str)]) -> Result<Vec<Text>, BundleError> {
    let others: Vec<_> = others.iter().map(|(id, network)| (*id, *network, CERTIFICATE)).collect();
    proven(family, &others)
}

/// With each of the others by this proof; those at the other end are OpenIKED, which have a text that was tried.
fn proven(family: &str, others: &[(&str, &str, Proof)]) -> Result<Vec<Text>, BundleError> {
    let others: Vec<Other> = others
        .iter()
        .map(|(id, network, proof)| Other {
            router: router(id, "router_openiked", network),
            proof: *proof,
            opens: true,
            beyond: Vec::new(),
            behind: Vec::new(),
        })
        .collect();
    let own = router("T1111111111", family, "10.1.0.0/16");
    write(&own, "本館 & <別館>", &others, &authorities(), COMMON)
}

fn authorities() -> Authorities {
    Authorities {
        root_der: vec![0x30],
        root_id: "root".to_owned(),
        issuers: vec![("routers".to_owned(), vec![0x30]), ("routers-2".to_owned(), vec![0x31])],
    }
}

mod reporting;
mod untried;

#[test]
fn every_daemon_is_told_of_each_peer_each_authority_and_each_list() {
    for family in ["router_strongswan", "router_libreswan", "router_openiked"] {
        let peers = [("T2222222222", "10.2.0.0/16"), ("T3333333333", "10.3.0.0/16")];
        let texts = written(family, &peers).unwrap();
        let of = |file: &str| &texts.iter().find(|text| text.file == file).unwrap().text;
        let configuration = texts.iter().find(|text| text.file.ends_with(".conf")).unwrap();
        for (id, network) in peers {
            let name = format!("{}.router.example", id.to_lowercase());
            for part in [id, network, &name] {
                assert!(configuration.text.contains(part), "{family}: {part}");
            }
        }
        for (id, _) in peers {
            let name = format!("{}.router.example", id.to_lowercase());
            let asks = format!(
                "if stands {id} {name}; then echo \"{id},up\"; else echo \"{id},down\"; fi\n"
            );
            assert!(of("report.sh").contains(&asks), "{family}: {}", of("report.sh"));
        }
        assert!(of("report.sh").contains("https://enrol.example/router/tunnels"), "{family}");
        for script in ["install.sh", "revocation.sh"] {
            for list in ["routers", "routers-2", "root"] {
                let address = format!("http://plain.example/crl/{list}.crl");
                assert!(of(script).contains(&address), "{family}: {script} without {list}");
            }
        }
        assert!(of("install.sh").contains("routers-2.pem"), "{family}");
        assert!(of("enrol.sh").contains("-untrusted routers.pem -untrusted routers-2.pem"));
        assert!(texts.iter().all(|text| !text.text.contains("&#")), "{family}: escaped");
        // `others` are opened to; whoever awaits waits for the whole time.
        let asks = match family {
            "router_strongswan" => "reauth_time = 2880s",
            "router_libreswan" => "ikelifetime=24h",
            _ => "has no end prove itself anew",
        };
        assert!(configuration.text.contains(asks), "{family}: {}", configuration.text);
    }
}

#[test]
fn what_can_be_no_tunnel_and_what_nobody_knows_has_no_texts() {
    let peers = |peers: &[_]| written("router_strongswan", peers).unwrap_err();
    for network in ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "2001:db8::/32"] {
        let refused = peers(&[("T2222222222", network)]);
        assert!(matches!(refused, BundleError::Networks { .. }), "{network}: {refused}");
    }
    // Nor two of the others: for which of both is a packet?
    for network in ["10.3.0.0/16", "10.3.7.0/24", "10.0.0.0/8", "2001:db8::/32"] {
        let refused = peers(&[("T2222222222", "10.3.0.0/16"), ("T3333333333", network)]);
        assert!(matches!(refused, BundleError::Networks { .. }), "{network}: {refused}");
    }
    let itself = peers(&[("T1111111111", "10.2.0.0/16")]);
    assert!(matches!(itself, BundleError::Repeated { .. }));
    let twice = peers(&[("T2222222222", "10.2.0.0/16"), ("T2222222222", "10.2.0.0/16")]);
    assert!(matches!(twice, BundleError::Repeated { .. }));
    // Every family has texts but the one that stands for those that we know nothing of.
    for family in crate::network::family::all() {
        let texts = written(family.profile, &[]);
        let none = matches!(texts, Err(BundleError::NoTexts { .. }));
        assert_eq!(none, family.profile == "router", "{}", family.profile);
    }
}

#[test]
fn a_peer_with_a_key_needs_no_certificate_and_one_beside_it_does() {
    let (one, other) = (("T2222222222", "10.2.0.0/16"), ("T3333333333", "10.3.0.0/16"));
    for family in ["router_strongswan", "router_libreswan", "router_openiked"] {
        let psk = proven(family, &[(one.0, one.1, Proof::Psk)]).unwrap();
        let names: Vec<_> = psk.iter().map(|text| text.file.as_str()).collect();
        assert!(names.contains(&"psk.sh") && names.contains(&"root.pem"), "{names:?}");
        // It can get a certificate before the tunnel goes over to one; nothing asks for it until then.
        assert!(names.contains(&"enrol.sh") && names.contains(&"routers.pem"), "{names:?}");
        let in_use = |text: &&Text| {
            text.file.ends_with(".conf")
                || ["install.sh", "revocation.sh"].contains(&text.file.as_str())
        };
        for text in psk.iter().filter(in_use) {
            for part in ["router.key", "router.pem", ".crl", "pubkey", "ecdsa"] {
                assert!(!text.text.contains(part), "{family}: {} has {part}", text.file);
            }
        }
        let mixed =
            proven(family, &[(one.0, one.1, Proof::Psk), (other.0, other.1, CERTIFICATE)]).unwrap();
        let of = |file: &str| &mixed.iter().find(|text| text.file == file).unwrap().text;
        for file in ["psk.sh", "enrol.sh", "renew.sh", "routers-2.pem"] {
            assert!(!of(file).is_empty());
        }
        // Each script asks for the key of the one, and for the lists because of the other.
        assert!(of("install.sh").contains("ready T2222222222"), "{family}");
        assert!(!of("install.sh").contains("ready T3333333333"), "{family}");
        assert!(of("revocation.sh").contains("ended T2222222222"), "{family}");
        assert!(of("revocation.sh").contains("http://plain.example/crl/root.crl"), "{family}");
        assert!(of("psk.sh").contains("https://enrol.example/router/psk"), "{family}");
        let configuration = &mixed.iter().find(|text| text.file.ends_with(".conf")).unwrap().text;
        let (by_psk, by_certificate) = match family {
            "router_strongswan" => ("auth = psk", "auth = pubkey"),
            "router_libreswan" => ("leftauth=secret", "leftauth=ecdsa"),
            _ => ("psk file \"/etc/iked/private/sekisho-T2222222222.psk\"", "dstid t3333333333"),
        };
        assert!(configuration.contains(by_psk) && configuration.contains(by_certificate));
    }
}

#[test]
fn a_tunnel_that_leads_on_has_each_pair_of_networks_and_no_other() {
    let other = |beyond: &[&str], behind: &[&str]| Other {
        router: router("T2222222222", "router_openiked", "10.2.0.0/16"),
        proof: CERTIFICATE,
        opens: true,
        beyond: beyond.iter().map(|network| network.parse().unwrap()).collect(),
        behind: behind.iter().map(|network| network.parse().unwrap()).collect(),
    };
    let of = |family: &str, other: Other| {
        let own = router("T1111111111", family, "10.1.0.0/16");
        write(&own, "a", &[other], &authorities(), COMMON)
    };
    for (beyond, behind, pairs) in [
        (&[][..], &[][..], &[("10.1.0.0/16", "10.2.0.0/16")][..]),
        (
            &["10.3.0.0/16", "10.4.0.0/16"],
            &[],
            &[
                ("10.1.0.0/16", "10.2.0.0/16"),
                ("10.1.0.0/16", "10.3.0.0/16"),
                ("10.1.0.0/16", "10.4.0.0/16"),
            ],
        ),
        // Through two hubs nothing leads.
        (
            &["10.3.0.0/16"],
            &["10.4.0.0/16"],
            &[
                ("10.1.0.0/16", "10.2.0.0/16"),
                ("10.4.0.0/16", "10.2.0.0/16"),
                ("10.1.0.0/16", "10.3.0.0/16"),
            ],
        ),
    ] {
        for (family, before, between, after) in [
            ("router_strongswan", "local_ts = ", "\n        remote_ts = ", "\n"),
            ("router_openiked", "\tfrom ", " to ", " \\\n"),
        ] {
            let texts = of(family, other(beyond, behind)).unwrap();
            let text = &texts.iter().find(|text| text.file.ends_with(".conf")).unwrap().text;
            for (ours, theirs) in pairs {
                let pair = format!("{before}{ours}{between}{theirs}{after}");
                assert_eq!(text.matches(&pair).count(), 1, "{pair}: {text}");
            }
            assert_eq!(text.matches(before).count(), pairs.len(), "{text}");
        }
        let texts = of("router_libreswan", other(beyond, behind)).unwrap();
        let text = &texts.iter().find(|text| text.file == "ipsec.conf").unwrap().text;
        let deny = &texts.iter().find(|text| text.file == "deny.sh").unwrap().text;
        for (conn, (ours, theirs)) in text.split("\nconn ").skip(1).zip(pairs) {
            assert!(conn.contains(&format!("\tleftsubnet={ours}\n")), "{conn}");
            assert!(conn.contains(&format!("\trightsubnet={theirs}\n")), "{conn}");
            assert!(conn.ends_with("auto=start\n"), "{conn}");
        }
        for (number, name) in
            [(1, "T2222222222"), (2, "T2222222222-2"), (3, "T2222222222-3"), (4, "T2222222222-4")]
        {
            let is_one = number <= pairs.len();
            assert_eq!(text.contains(&format!("\nconn {name}\n")), is_one, "{name}: {text}");
            let denied = number == 1 || deny.contains(&format!("--down {name} "));
            assert_eq!(denied, is_one || number == 1, "{name}: {deny}");
        }
        for device in Device::ALL {
            let texts = of(device.profile(), other(beyond, behind)).unwrap();
            let text = &texts.iter().find(|text| text.file == device.file()).unwrap().text;
            let said = pairs[1..]
                .iter()
                .all(|(ours, theirs)| text.contains(&format!("{ours} - {theirs}")));
            assert!(said, "{device:?}: {text}");
            assert_eq!(text.contains("leads on"), pairs.len() > 1, "{device:?}");
        }
    }
    let twice = of("router_strongswan", other(&["10.1.7.0/24"], &[])).unwrap_err();
    assert!(matches!(twice, BundleError::Networks { .. }), "{twice}");
}

#[test]
fn the_prefix_of_the_facility_stands_in_a_file_of_its_own_and_changes_no_other() {
    let own = router("T1111111111", "router_strongswan", "10.1.0.0/16");
    let without = write(&own, "a", &[], &authorities(), COMMON).unwrap();
    let common = Common { prefix: Some("fd12:3456:0:100::/56".parse().unwrap()), ..COMMON };
    let mut with = write(&own, "a", &[], &authorities(), common).unwrap();
    let at = with.iter().position(|text| text.file == "facility-prefix.txt").unwrap();
    assert!(with.remove(at).text.ends_with("\nfd12:3456:0:100::/56\n"));
    assert_eq!(with, without);
}

#[test]
fn where_a_tunnel_of_several_networks_carries_the_first_alone_is_known_at_both_ends() {
    let (iked, swan) = ("router_openiked", "router_strongswan");
    for (own, other, opens, several, expected) in [
        (iked, swan, true, true, true),
        (swan, iked, false, true, true),
        // The direction in which all come up, one network, and two of a make.
        (iked, swan, false, true, false),
        (swan, iked, true, true, false),
        (iked, swan, true, false, false),
        (iked, iked, true, true, false),
    ] {
        let further: Vec<IpNet> =
            several.then(|| "10.9.0.0/16".parse().unwrap()).into_iter().collect();
        for (beyond, behind) in [(further.clone(), Vec::new()), (Vec::new(), further)] {
            let router_of = |id, family| router(id, family, "10.1.0.0/16");
            let peer = Other {
                router: router_of("T2222222222", other),
                proof: CERTIFICATE,
                opens,
                beyond,
                behind,
            };
            let known = peer.carries_first_alone(&router_of("T1111111111", own));
            assert_eq!(known, expected, "{own} {other} {opens} {several}");
        }
    }
}
