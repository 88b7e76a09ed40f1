//! A root's roll-over, from the plan to the end of the old root.

use std::path::Path;

use http::Request;
use http_body_util::BodyExt;
use sekisho_store::{audit::Actor, issuer};
use time::Duration;
use tower::ServiceExt;

use super::{
    world::{World, get},
    *,
};
use crate::{
    app::App,
    authority::Line,
    clock::Clock,
    instance::renew_server_certificates,
    listener::{FacilityConnection, Tls},
    names::NameRole,
    router,
    testing::{self, TestTerminal},
};

fn edited(safe: &Path, change: impl FnOnce(String) -> String) {
    let plan = safe.join("plan.toml");
    let text = std::fs::read_to_string(&plan).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed);
    std::fs::write(plan, changed).unwrap();
}

/// The plan without the table that holds this text.
fn without(text: &str, part: &str) -> String {
    let at = text.find(part).unwrap();
    let begin = text[..at].rfind("\n[[").unwrap();
    let end = text[at..].find("\n[[").map_or(text.len(), |end| at + end);
    format!("{}{}", &text[..begin], &text[end..])
}

/// What `cacerts` tells: the SHA-256 of each certificate.
async fn told(app: &App) -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let host = app.names().authority(NameRole::Enrol);
    let request = Request::get("/.well-known/est/cacerts").header("host", host);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = router::enrol(app).oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text: String = String::from_utf8_lossy(&body).split_whitespace().collect();
    let der = STANDARD.decode(text).unwrap();
    let all = sekisho_pki::encoding::cms::parse_certs_only(&der).unwrap();
    all.iter().map(|der| crate::instance::fingerprint_hex(der)).collect()
}

fn fingerprint(world: &World, name: &str) -> String {
    let der = files::one_der(&world.instance().certificate(name), "certificate").unwrap();
    crate::instance::fingerprint_hex(&der)
}

/// Whether OpenSSL finds the way from `leaf` to `root`, over what is given.
fn leads(world: &World, root: &str, over: &[&str], leaf: &str, more: &[&str]) -> bool {
    let at = world.clock.now().unix_timestamp().to_string();
    let mut arguments = vec!["verify", "-x509_strict", "-attime", &at, "-trusted", root];
    over.iter().for_each(|one| arguments.extend(["-untrusted", one]));
    arguments.extend(more);
    arguments.push(leaf);
    world.openssl(&arguments).0
}

#[tokio::test]
async fn both_roots_are_believed_until_the_old_one_ends() {
    let world = World::new().await;
    let before: TestTerminal = testing::terminal(&world.process().await, 1).await;
    let safe = world.safe("safe");
    let planned = world.plan_root(&safe, "Example G2").await.unwrap();
    assert_eq!(planned.id, "root-2");
    // Asked again: the same keys, in another plan.
    let again = world.plan_root(&world.safe("again"), "Example G2").await.unwrap();
    assert_eq!(again.keys, planned.keys);
    let result = world.hold(&safe).await;
    let installed = world.install(&result).await.unwrap();
    assert_eq!(installed.roots, ["root-2"]);
    assert_eq!(installed.authorities, ["terminals-2", "routers-2", "servers-2"]);
    assert_eq!(installed.lists, [("root".to_owned(), 2), ("root-2".to_owned(), 1)]);
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());

    // Announced to each process, and told to nobody.
    let app = world.process().await;
    let old = fingerprint(&world, "root");
    assert_eq!(crate::instance::fingerprint_hex(app.authority().root_der(app.now())), old);
    assert!(told(&app).await.contains(&old));
    for name in ["root-2", "root-2-by-root", "root-by-root-2"] {
        assert!(!told(&app).await.contains(&fingerprint(&world, name)), "{name}");
    }
    world.clock.advance(Duration::hours(2));
    let new = fingerprint(&world, "root-2");
    assert_eq!(crate::instance::fingerprint_hex(app.authority().root_der(app.now())), new);
    let names = ["root", "root-2", "root-2-by-root", "root-by-root-2", "terminals", "terminals-2"];
    let mut expected = names.map(|name| fingerprint(&world, name));
    let mut found = told(&app).await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);

    // Everything is published, and terminals of both roots come in.
    for name in names {
        world.keep(
            &format!("{name}.pem"),
            "CERTIFICATE",
            &get(&app, &format!("/ca/{name}.crt")).await,
        );
    }
    for root in ["root", "root-2"] {
        let list = get(&app, &format!("/crl/{root}.crl")).await;
        world.keep(&format!("{root}.crl.pem"), "X509 CRL", &list);
    }
    let after = testing::terminal(&app, 2).await;
    assert_eq!(after.certificate.issuer_id, "terminals-2");
    for terminal in [&before, &after] {
        FacilityConnection::judge(&app, &terminal.peer).await.unwrap();
    }
    world.keep("before.pem", "CERTIFICATE", &before.certificate.der);
    world.keep("after.pem", "CERTIFICATE", &after.certificate.der);
    let lists = ["-crl_check_all", "-CRLfile", "root.crl.pem", "-CRLfile", "root-2.crl.pem"];
    for (root, cross, issuer, leaf) in [
        ("root.pem", None, "terminals.pem", "before.pem"),
        ("root-2.pem", Some("root-by-root-2.pem"), "terminals.pem", "before.pem"),
        ("root.pem", Some("root-2-by-root.pem"), "terminals-2.pem", "after.pem"),
        ("root-2.pem", None, "terminals-2.pem", "after.pem"),
    ] {
        let over: Vec<&str> = cross.into_iter().collect();
        assert!(leads(&world, root, &over, issuer, &lists), "{root} {issuer}");
        let all = [&over[..], &[issuer]].concat();
        assert!(leads(&world, root, &all, leaf, &[]), "{root} {leaf}");
        assert_eq!(leads(&world, root, &[issuer], leaf, &[]), cross.is_none(), "{root} {leaf}");
    }

    // The old root ends when nothing depends on it, and not before.
    let end = async |id| end_root(&world.store, id, &Actor::System, world.clock.now()).await;
    assert!(matches!(end("root-2").await, Err(EndRootError::Current(_))));
    assert!(matches!(end("root-3").await, Err(EndRootError::Unknown(_))));
    assert!(matches!(end("terminals").await, Err(EndRootError::Unknown(_))));
    let refused = end("root").await.unwrap_err();
    let EndRootError::InUse { dependents, .. } = &refused else { panic!("{refused}") };
    let lives = |id: &str| {
        dependents.iter().any(|one| matches!(one, Dependent::Lives { issuer, .. } if issuer == id))
    };
    assert!(lives("terminals") && lives("servers") && !lives("routers"), "{refused}");
    assert!(matches!(
        world.plan_root(&world.safe("third"), "G3").await,
        Err(NextRootError::NotOne(_))
    ));
    world.clock.advance(Duration::days(800));
    assert!(end("root").await.unwrap());
    assert!(!end("root").await.unwrap());
    assert_eq!(world.count("SELECT COUNT(*) FROM audit_record WHERE act = 'issuer.end'").await, 2);
    let app = world.process().await;
    let mut found = told(&app).await;
    found.sort();
    let mut expected = ["root-2", "terminals-2"].map(|name| fingerprint(&world, name));
    expected.sort();
    assert_eq!(found, expected);
    // What was signed by it can still be judged by whoever keeps it.
    assert!(!get(&app, "/ca/root.crt").await.is_empty());
    assert!(!get(&app, "/crl/root.crl").await.is_empty());
    // And the next one follows.
    let planned = world.plan_root(&world.safe("fourth"), "Example G3").await.unwrap();
    assert_eq!((planned.id.as_str(), planned.keys[0].0.as_str()), ("root-3", "terminals-3"));
}

#[tokio::test]
async fn a_name_that_is_renewed_under_the_new_root_is_believed_under_either() {
    let world = World::new().await;
    let safe = world.safe("safe");
    world.plan_root(&safe, "Example G2").await.unwrap();
    world.install(&world.hold(&safe).await).await.unwrap();
    let app = world.process().await;
    // Not due yet, and due at two thirds of the life.
    let due = app.config().authority().server_validity() * 2 / 3;
    for (by, line, root, cross) in [
        (Duration::DAY, "servers", "root-2", "root-by-root-2"),
        (due, "servers-2", "root", "root-2-by-root"),
    ] {
        world.clock.advance(by);
        let (hosts, listen) = (app.config().host_names(), app.config().listen());
        let tls = Tls::new(hosts, listen, Vec::new(), Vec::new()).unwrap();
        renew_server_certificates(&app, &tls, &world.passphrase()).await.unwrap();
        let pem = std::fs::read(world.instance().server_certificate(NameRole::Enrol)).unwrap();
        let blocks = sekisho_pki::path::files::pem_blocks(&pem).unwrap();
        let [leaf, issuer] = &blocks[..] else { panic!("{}", blocks.len()) };
        let expected = app.authority().find(line).unwrap().certificate_der();
        assert_eq!(issuer.der, expected, "{line}");
        // What is sent behind them is the way to the other root.
        let bridges = app.authority().roots().bridges(&issuer.der);
        let path = world.instance().certificate(cross);
        assert_eq!(bridges, [files::one_der(&path, "certificate").unwrap()]);
        world.keep("leaf.pem", "CERTIFICATE", &leaf.der);
        world.keep("issuer.pem", "CERTIFICATE", &issuer.der);
        world.keep("bridge.pem", "CERTIFICATE", &bridges[0]);
        for id in ["root", "root-2"] {
            let der = app.authority().roots().find_certificate(id).unwrap();
            world.keep("root.pem", "CERTIFICATE", der);
            let all = ["issuer.pem", "bridge.pem"];
            assert!(leads(&world, "root.pem", &all, "leaf.pem", &[]), "{line} {id}");
            let without = leads(&world, "root.pem", &all[..1], "leaf.pem", &[]);
            assert_eq!(without, id != root, "{line} {id}");
        }
    }
}

#[tokio::test]
async fn a_root_that_issues_for_one_line_still_does_not_end() {
    let world = World::new().await;
    let safe = world.safe("safe");
    world.plan_root(&safe, "Example G2").await.unwrap();
    // The servers' authority stays where it was.
    edited(&safe, |text| {
        let at = text.find("\n[[key]]\nname = \"servers-2\"").unwrap();
        let end = at + text[at..].find("\n[[crl]]").unwrap();
        format!("{}{}", &text[..at], &text[end..])
    });
    world.install(&world.hold(&safe).await).await.unwrap();
    world.clock.advance(Duration::days(800));
    let refused = end_root(&world.store, "root", &Actor::System, world.clock.now()).await;
    let Err(EndRootError::InUse { dependents, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(dependents, [Dependent::Issues("servers".to_owned())]);
}

#[tokio::test]
async fn a_root_that_does_not_fit_is_not_installed() {
    let world = World::new().await;
    let ends = world.clock.now() + Duration::days(2);
    let mut number = 0;
    let mut attempt = async |network: &str, change: &dyn Fn(String) -> String| {
        number += 1;
        let safe = world.safe(&format!("safe-{number}"));
        world.plan_root(&safe, network).await.unwrap();
        edited(&safe, change);
        let refused = world.install(&world.hold(&safe).await).await.unwrap_err();
        assert_eq!(issuer::list(&mut world.store.read()).await.unwrap().len(), 4);
        for name in ["root-2", "root-2-by-root", "root-by-root-2", "terminals-2"] {
            assert!(!world.instance().certificate(name).exists(), "{name}");
        }
        assert_eq!(world.installs().await, 0);
        refused
    };
    for part in [
        "subject = \"root-2\"\nissuer = \"root\"",
        "subject = \"root\"\nissuer = \"root-2\"",
        "issuer = \"root-2\"\nnumber = 1",
    ] {
        let refused = attempt("G2", &|text| without(&text, part)).await;
        assert!(matches!(refused, InstallError::Lacks(_)), "{refused}");
    }
    let refused = attempt("G2", &|text| text.replace("\"root-2\"", "\"root-3\"")).await;
    assert!(matches!(refused, InstallError::RootName { .. }), "{refused}");
    // The name of an authority that is there.
    let refused = attempt("G2", &|text| text.replace("G2 Root CA", "Example G1 Terminal CA")).await;
    assert!(matches!(refused, InstallError::NotNew { what: "name", .. }), "{refused}");
    // For other addresses.
    let base = world.base();
    let refused = attempt("G2", &|text| text.replace(&base, "http://elsewhere.example")).await;
    assert!(matches!(refused, InstallError::Certificate { .. }), "{refused}");
    // Over before it begins to count.
    let safe = world.safe("short");
    world.plan_root(&safe, "G2").await.unwrap();
    let result = world.hold(&safe).await;
    let refused = world.install_from(&result, ends + Duration::days(9_999)).await;
    assert!(matches!(refused, Err(InstallError::NotValidThen(_))), "{refused:?}");
    let refused = world.install_from(&result, world.clock.now()).await;
    assert!(matches!(refused, Err(InstallError::TooSoon)), "{refused:?}");
    // A second one in its place, once one is there.
    world.install(&result).await.unwrap();
    let other = world.safe("other");
    for name in ["plan.toml", "terminals-2.csr", "routers-2.csr", "servers-2.csr"] {
        std::fs::copy(safe.join(name), other.join(name)).unwrap();
    }
    let refused = world.install(&world.hold(&other).await).await.unwrap_err();
    assert!(matches!(refused, InstallError::Other(_)), "{refused}");
    assert_eq!(world.installs().await, 1);
}

#[tokio::test]
async fn an_overlap_that_began_half_way_goes_on() {
    let world = World::new().await;
    let safe = world.safe("safe");
    world.plan_root(&safe, "Example G2").await.unwrap();
    let result = world.hold(&safe).await;
    for table in ["issuer", "certificate", "crl"] {
        let stop = match table {
            "issuer" => {
                "CREATE TRIGGER stop BEFORE INSERT ON issuer BEGIN SELECT RAISE(ABORT, 'x'); END"
            }
            "certificate" => {
                "CREATE TRIGGER stop BEFORE INSERT ON certificate WHEN NEW.profile = 'cross' BEGIN SELECT RAISE(ABORT, 'x'); END"
            }
            _ => {
                "CREATE TRIGGER stop BEFORE INSERT ON crl_list WHEN NEW.issuer_id = 'root-2' BEGIN SELECT RAISE(ABORT, 'x'); END"
            }
        };
        world.alter(stop).await;
        assert!(matches!(world.install(&result).await, Err(InstallError::Store(_))), "{table}");
        assert_eq!(world.count("SELECT COUNT(*) FROM issuer").await, 4);
        assert_eq!(world.installs().await, 0);
        world.alter("DROP TRIGGER stop").await;
        // Whoever starts meanwhile starts with one root.
        assert_eq!(world.process().await.authority().roots().in_force().count(), 1);
    }
    assert_eq!(world.install(&result).await.unwrap().roots, ["root-2"]);
    let app = world.process().await;
    assert_eq!(app.authority().roots().in_force().count(), 2);
    assert_eq!(app.authority().of(Line::Terminals).count(), 2);
    // A host without the new files does not start.
    std::fs::remove_file(world.instance().certificate("root-2-by-root")).unwrap();
    let issuers = issuer::list(&mut world.store.read()).await.unwrap();
    let names = world.names();
    let opened =
        crate::instance::Opened::open(&world.instance(), world.ca_keys(), &names, None, &issuers);
    assert!(matches!(opened, Err(crate::instance::OpenError::Folder(_))));
    // Nor one whose file is something else.
    let path = |name: &str| world.instance().certificate(name);
    std::fs::copy(path("root-by-root-2"), path("root-2-by-root")).unwrap();
    let opened =
        crate::instance::Opened::open(&world.instance(), world.ca_keys(), &names, None, &issuers);
    assert!(matches!(opened, Err(crate::instance::OpenError::Roots(_))));
}
