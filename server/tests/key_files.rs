//! Keys that are made here leave no trace: what a running instance with everything logged writes to its disk, its
//! log and a backup is searched for them and for what opens the files that they were handed out in.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use der::{Any, Decode, Tag, Tagged};
use http::header;
use sekisho::{
    config::Config,
    demo::{
        browser::Browser,
        crowd,
        process::{run, sibling},
        stage::Stage,
    },
    paper_code::PaperCode,
    people::{role::Role, session::COOKIE},
};
use sekisho_key::SystemRandomness;
use sekisho_pki::path::files::pem_blocks;
use sekisho_store::{
    Store, StoreError, account,
    audit::{Actor, Audited, Entry},
    certificate,
    enrolment_code::{self, NewCode},
    key_delivery, person, role_grant,
    router::{self, Router},
    session::{self, Realm, Session},
    terminal, transaction,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

const CONSOLE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const ROUTER: &str = "T1111111111";
const ONCE: &str = "00112233445566778899aabbccddeeff";

/// Something that is searched for, in a form in which it may lie about.
struct Wanted {
    what: String,
    octets: Vec<u8>,
}

/// A secret in each form in which a program might write it: as it is, in hexadecimal, in base64 wherever that
/// begins, in UTF-16.
fn forms(what: &str, secret: &[u8]) -> Vec<Wanted> {
    let wanted = |form: &str, octets: &[u8]| Wanted {
        what: format!("{what} ({form})"),
        octets: octets.to_vec(),
    };
    let utf16: Vec<u8> = secret.iter().flat_map(|octet| [0, *octet]).collect();
    let mut all = vec![
        wanted("raw", secret),
        wanted("hexadecimal", hex::encode(secret).as_bytes()),
        wanted("HEXADECIMAL", hex::encode_upper(secret).as_bytes()),
        wanted("UTF-16", &utf16),
        wanted("SHA-256", &Sha256::digest(secret)),
    ];
    for begin in 0..3 {
        let whole = (secret.len() - begin) / 3 * 3;
        let encoded = STANDARD.encode(&secret[begin..begin + whole]);
        all.push(wanted("base64", encoded.as_bytes()));
    }
    all
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
    found
}

fn holds(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}

/// A facility's administrator who is signed in, and a router.
async fn prepared(store: &Store, config: &Config) {
    let now = OffsetDateTime::now_utc();
    let facility = crowd::facility(store, now).await.unwrap();
    let role = Role::FacilityAdministrator(facility.clone());
    transaction!(store, StoreError, |tx| {
        let id = person::enter(tx, "管理　花子", "", now).await?;
        account::open(tx, &id, "hanako", "").await?;
        role_grant::grant(tx, &id, role.token(), role.organisation(), None, now).await?;
        let opened = Session {
            id_hash: Sha256::digest(CONSOLE).into(),
            realm: Realm::Console,
            person_id: id,
            at_terminal: None,
            hc_roles: Vec::new(),
            acr: "urn:oid:1.3.6.1.4.1.32473.3.1".to_owned(),
            amr: vec!["pwd".to_owned(), "otp".to_owned()],
            auth_time: now,
            created_at: now,
            last_seen_at: now,
            expires_at: now + Duration::hours(8),
            locked_at: None,
            ended: None,
        };
        session::open(tx, &opened).await?;
        terminal::create(tx, ROUTER, &facility, "本館ルーター", "p", now).await?;
        let router = Router {
            terminal_id: ROUTER.to_owned(),
            family: "router_strongswan".to_owned(),
            dns_name: config.host_names().of_router(ROUTER),
            address: None,
            address_certified: false,
            network: "10.1.0.0/24".parse().unwrap(),
        };
        router::create(tx, &router).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
}

async fn post(stage: &Stage, browser: &Browser, path: &str, form: &[(&str, &str)]) -> Vec<u8> {
    let origin = &stage.origins.public;
    let request = browser.client().post(format!("{origin}{path}")).form(form);
    let request = request
        .header(header::COOKIE, format!("{COOKIE}={CONSOLE}"))
        .header(header::ORIGIN, origin.as_str())
        .header("sec-fetch-site", "same-origin");
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap().to_vec();
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
    body
}

/// Asks the door for EST for a key, by a code; answers it, DER `PrivateKeyInfo`.
async fn asked_by_est(stage: &Stage, store: &Store, browser: &Browser) -> Vec<u8> {
    let (code, now) = (PaperCode::generate(&SystemRandomness).unwrap(), OffsetDateTime::now_utc());
    transaction!(store, StoreError, |tx| {
        let kept = NewCode {
            code_hash: &code.hash(),
            terminal_id: ROUTER,
            tries: 5,
            person_id: "p",
            created_at: now,
            expires_at: now + Duration::DAY,
            needs_approval: false,
        };
        enrolment_code::issue(tx, kept).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let (request, _) = crowd::request(ROUTER).unwrap();
    let url = format!("{}/.well-known/est/routers/serverkeygen", stage.origins.enrol);
    let asked = browser
        .client()
        .post(url)
        .basic_auth(ROUTER, Some(code.reveal().as_str()))
        .header(header::CONTENT_TYPE, "application/pkcs10")
        .body(request);
    let answer = asked.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {body}");
    let encoded = body.split("\r\n\r\n").nth(1).unwrap().split("\r\n").next().unwrap();
    STANDARD.decode(encoded).unwrap()
}

/// The secret parts of a private key, DER `PrivateKeyInfo`, as far as 32 octets.
fn secrets(what: &str, pkcs8: &[u8]) -> Vec<Wanted> {
    let inner = Vec::<Any>::from_der(pkcs8).unwrap()[2].value().to_vec();
    let parts = Vec::<Any>::from_der(&inner).unwrap();
    // ECPrivateKey (RFC 5915 §3): the scalar. RSAPrivateKey (RFC 8017 appendix A.1.2): d, p, q.
    let secret = if parts[1].tag() == Tag::OctetString { &parts[1..2] } else { &parts[3..6] };
    let part = |number: &Any| number.value()[number.value().len() - 32..].to_vec();
    secret.iter().flat_map(|number| forms(what, &part(number))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_instance_writes_opens_a_file_or_holds_its_key() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let configure =
        |settings: &mut sekisho::config::Settings| settings.instance.log_filter = "trace".into();
    let stage = Stage::build_with(folder.path(), configure, |_| Ok(())).await.unwrap();
    let config = Config::read(&stage.instance).unwrap();
    let store = Store::open(config.instance().database(), "test").await.unwrap();
    prepared(&store, &config).await;
    let browser = stage.browser(None).unwrap();
    let mut wanted = Vec::new();
    let mut handed_out = Vec::new();
    for (once, key) in [(ONCE.to_owned(), "p256"), (ONCE.replace('0', "1"), "rsa3072")] {
        let form = [("once", once.as_str()), ("key", key), ("protection", "aes256")];
        let path = format!("/console/terminals/{ROUTER}/key-file");
        let page = String::from_utf8(post(&stage, &browser, &path, &form).await).unwrap();
        let (_, rest) = page.split_once("id=\"passphrase\">").unwrap();
        let (shown, _) = rest.split_once("</code>").unwrap();
        let passphrase = shown.replace("<span>", "").replace("</span>", "");
        let file = post(&stage, &browser, &format!("/console/key-files/{once}"), &[]).await;
        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().join("device.p12");
        std::fs::write(&path, &file).unwrap();
        let opened = Command::new("openssl")
            .args(["pkcs12", "-nodes", "-nocerts", "-passin", &format!("pass:{passphrase}"), "-in"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        let blocks = pem_blocks(&opened.stdout).unwrap();
        wanted.extend(secrets(&format!("the {key} key"), &blocks[0].der));
        wanted.extend(forms("the passphrase", passphrase.as_bytes()));
        // As the page has it, and as a list of its groups is printed.
        let groups: Vec<&str> = shown.trim_start_matches("<span>").split("</span>").collect();
        for between in ["</span><span>", "\", \""] {
            let two = groups[..2].iter().map(|group| group.trim_start_matches("<span>"));
            let octets = two.collect::<Vec<_>>().join(between).into_bytes();
            wanted.push(Wanted { what: "groups of the passphrase".to_owned(), octets });
        }
        handed_out.push(file);
    }
    let pkcs8 = asked_by_est(&stage, &store, &browser).await;
    wanted.extend(secrets("the key by EST", &pkcs8));
    assert!(key_delivery::find(&mut store.read(), ONCE).await.unwrap().unwrap().has_file);

    // A backup while it serves, and what comes of it.
    let restored = folder.path().join("restored");
    let (backup, passphrase) = (folder.path().join("backup.age"), folder.path().join("phrase"));
    std::fs::write(&passphrase, "a passphrase of many words\n").unwrap();
    let sekisho = |arguments: &[&Path]| {
        let mut command = tokio::process::Command::new(sibling("sekisho").unwrap());
        command.args(arguments).arg("--passphrase-file").arg(&passphrase);
        command
    };
    let path = Path::new;
    run(sekisho(&[path("backup"), &stage.instance, path("--to"), &backup])).await.unwrap();
    run(sekisho(&[path("restore"), &backup, &restored])).await.unwrap();

    let mut all = files(folder.path());
    let certificate = certificate::of_terminal(&mut store.read(), ROUTER).await.unwrap().remove(0);
    store.close().await;
    stage.server.stop().await.unwrap();
    all.extend(files(folder.path()));

    // What is there is found, so that what is not found is not there.
    let found = |octets: &[u8]| -> Vec<String> {
        let holding = all.iter().filter(|(_, content)| holds(content, octets));
        holding.map(|(path, _)| path.display().to_string()).collect()
    };
    for file in &handed_out {
        // A database parts what is longer than a page.
        let places = found(&file[400..500]);
        for part in ["instance/sekisho.db", "restored/sekisho.db"] {
            assert!(places.iter().any(|place| place.contains(part)), "{part}: {places:?}");
        }
    }
    assert!(!found(&certificate.der[..64]).is_empty());
    let logs = found(ROUTER.as_bytes());
    assert!(logs.iter().any(|place| place.contains("logs/")), "it is logged: {logs:?}");
    for secret in &wanted {
        assert_eq!(found(&secret.octets), Vec::<String>::new(), "{}", secret.what);
    }
}
