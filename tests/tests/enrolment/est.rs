//! EST as strongSwan's `pki` speaks it, unmodified from Debian, and as curl and OpenSSL do.

use std::{path::Path, process::Output};

use sekisho::config::Settings;
use sekisho_store::certificate;

use crate::{
    table::{Operation, Row, Table},
    unpacked::{Unpacked, said},
    world::{TERMINAL, World, openssl, text},
};

#[tokio::test(flavor = "multi_thread")]
async fn strongswans_client_enrols_waits_and_renews_by_est() {
    let mut settings = Settings::default();
    settings.enrolment.poll_seconds = 1;
    let world = World::start_with(settings).await;
    let unpacked = Unpacked::fetch(world.hosts()).await;
    let mut table = Table::of("EST");
    let name = format!("strongSwan {} `pki --est`", unpacked.version("strongswan-pki"));
    strongswan(&world, &unpacked, table.client(name)).await;
    table.keep();
    world.stop().await;
}

async fn strongswan(world: &World, unpacked: &Unpacked, row: &mut Row) {
    let folder = world.file("strongswan");
    std::fs::create_dir_all(&folder).unwrap();
    let root = world.authority("root");
    // Of itself it speaks TLS 1.2 at most, which is off here unless the operating body allows it (`listen.tls12`).
    let settings = folder.join("strongswan.conf");
    let tls = "include /etc/strongswan.conf\nlibtls {\n  version_max = 1.3\n}\npki {\n  tls {\n    version_max = 1.3\n  }\n}\n";
    std::fs::write(&settings, tls).unwrap();
    let settings = format!("STRONGSWAN_CONF={}", text(&settings));
    let url = world.ready.origins["enrol"].clone();
    let pki = |arguments: &[&str]| {
        unpacked.run("env", &folder, &[&[&settings[..], "pki"], arguments].concat())
    };
    let told = pki(&["--estca", "--url", &url, "--cacert", &root, "--caout", "ca.der"]);
    assert!(told.status.success(), "{}", said(&told));
    let (ca, known) = (folder.join("ca.der"), folder.join("root.der"));
    openssl(&["x509", "-in", &root, "-outform", "DER", "-out", &text(&known)]);
    assert_eq!(std::fs::read(ca).unwrap(), std::fs::read(known).unwrap());
    row.did(Operation::Authorities);

    let request = |name: &str| {
        let (key, csr) = (text(&folder.join(name)), text(&folder.join(format!("{name}.csr"))));
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        openssl(&["req", "-new", "-key", &key, "-subj", "/", "-outform", "DER", "-out", &csr]);
        csr
    };
    let enrol = |csr: &str, user: &str| {
        let own = ["--est", "--url", &url, "--in", csr, "--cacert", &root, "--userpass", user];
        pki(&[&own[..], &["--interval", "1", "--maxpolltime", "60"]].concat())
    };
    let first = request("first.pem");
    let refused = enrol(&first, &format!("{TERMINAL}:0000-0000-0000-0000-0000"));
    assert!(!refused.status.success(), "a wrong code");
    assert!(issued(world).await.is_empty());
    row.did_so(Operation::Refusal, "wrong code");

    let user = format!("{TERMINAL}:{}", world.code_to_approve_of(TERMINAL).await);
    let enrolled = world.approving(TERMINAL, || enrol(&first, &user)).await;
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    keep(&folder, "first.der", &enrolled);
    row.did(Operation::Approval);
    row.did(Operation::First);
    let again = enrol(&first, &user);
    assert_eq!(again.stdout, enrolled.stdout, "its answer was lost");
    row.did(Operation::Again);

    let next = request("next.pem");
    let own = ["--est", "--url", &url, "--in", &next, "--cacert", &root];
    let by = ["--cert", "first.der", "--key", "first.pem"];
    let renewed = pki(&[&own[..], &by].concat());
    assert!(renewed.status.success(), "{}", said(&renewed));
    assert_ne!(renewed.stdout, enrolled.stdout);
    keep(&folder, "next.der", &renewed);
    assert_eq!(issued(world).await.len(), 2);
    row.did(Operation::Renewal);
}

fn keep(folder: &Path, name: &str, output: &Output) {
    let file = folder.join(name);
    std::fs::write(&file, &output.stdout).unwrap();
    let shown = openssl(&["x509", "-inform", "DER", "-in", &text(&file), "-noout", "-subject"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains(TERMINAL));
}

async fn issued(world: &World) -> Vec<certificate::Certificate> {
    certificate::of_terminal(&mut world.store.read(), TERMINAL).await.unwrap()
}

/// A router that makes no key gets one with its certificate, and another one by that certificate.
pub async fn keys_made_here(world: &World) {
    let router = world.enter_router(1, "router_strongswan");
    let user = format!("{}:{}", router.id, router.code);
    // Key and signature of the request say nothing but which kind of key is to be made.
    let request = world.request("asks.pem");
    let (status, answer) = world.post("routers/serverkeygen", &request, &["--user", &user]);
    assert_eq!(status, 200, "{answer}");
    let (key, certificate) = parted(world, &answer, "first");
    assert_ne!(public_of_key(&key), public_of_key(&text(&world.file("asks.pem"))));
    let (_, again) = world.post("routers/serverkeygen", &request, &["--user", &user]);
    assert_eq!(again, answer, "its answer was lost");
    let other = world.request("asks-too.pem");
    let (status, said) = world.post("routers/serverkeygen", &other, &["--user", &user]);
    assert_eq!(status, 403, "{said}");

    let identity = ["--cert", &certificate, "--key", &key];
    let (status, answer) = world.post("routers/serverkeygen", &other, &identity);
    assert_eq!(status, 200, "{answer}");
    let (next, _) = parted(world, &answer, "next");
    assert_ne!(public_of_key(&next), public_of_key(&key));
}

/// Files of the key and the certificate of an answer, which belong together and lead to the root.
fn parted(world: &World, answer: &str, name: &str) -> (String, String) {
    let part = |media_type: &str| {
        let (_, rest) = answer.split_once(&format!("Content-Type: {media_type}")).unwrap();
        let (_, body) = rest.split_once("\r\n\r\n").unwrap();
        body.split_once("\r\n").unwrap().0.to_owned()
    };
    let (encoded, der, key) =
        ["b64", "p8", "key"].map(|kind| text(&world.file(&format!("{name}.{kind}")))).into();
    std::fs::write(&encoded, part("application/pkcs8")).unwrap();
    openssl(&["base64", "-d", "-A", "-in", &encoded, "-out", &der]);
    openssl(&["pkcs8", "-inform", "DER", "-nocrypt", "-in", &der, "-out", &key]);
    let certificate = world.certificate(&part("application/pkcs7-mime"), &format!("{name}.pem"));
    let (root, issuer) = (world.authority("root"), world.authority("routers"));
    openssl(&["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &issuer, &certificate]);
    let certified = openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]).stdout;
    assert_eq!(public_of_key(&key), String::from_utf8(certified).unwrap());
    (key, certificate)
}

fn public_of_key(key: &str) -> String {
    String::from_utf8(openssl(&["pkey", "-in", key, "-pubout"]).stdout).unwrap()
}
