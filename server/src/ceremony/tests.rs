//! A roll-over and a renewed root list, from the request to the answers of both generations.

use std::path::Path;

use sekisho_ca::record::IssuedCertificate;
use sekisho_store::{crl, issuer};
use time::Duration;

use super::{
    world::{World, get, status},
    *,
};
use crate::{
    app::App,
    authority::Line,
    clock::Clock,
    instance::issuers_of_folder,
    listener::FacilityConnection,
    repository::publish,
    revocation::Target,
    testing::{self, TestTerminal},
};

/// What OpenSSL says of a terminal's certificate by the complete list of its issuer.
fn accepted(world: &World, issuer: &str, leaf: &str) -> bool {
    let at = world.clock.now().unix_timestamp().to_string();
    let (issuer, list) = (format!("{issuer}.pem"), format!("{issuer}.crl.pem"));
    let (ok, said) = world.openssl(&[
        "verify",
        "-x509_strict",
        "-attime",
        &at,
        "-trusted",
        "root.pem",
        "-untrusted",
        &issuer,
        "-crl_check",
        "-CRLfile",
        &list,
        leaf,
    ]);
    assert!(ok || said.contains("certificate revoked"), "{said}");
    ok
}

async fn publish_lists(world: &World, app: &App) {
    publish::publish_due(app).await.unwrap();
    for id in ["terminals", "terminals-2"] {
        let der = get(app, &format!("/crl/{id}.crl")).await;
        world.keep(&format!("{id}.crl.pem"), "X509 CRL", &der);
    }
}

#[tokio::test]
async fn after_a_roll_over_both_generations_are_answered_for() {
    let world = World::new().await;
    let old = world.process().await;
    let before: TestTerminal = testing::terminal(&old, 1).await;
    let safe = world.safe("safe");
    world.plan(&safe, "terminals-2", &world.base()).await;
    let result = world.hold(&safe).await;
    assert_eq!(world.install(&result).await.unwrap().authorities, ["terminals-2"]);
    // Once more, as after a loss of power: nothing changes.
    let responder = std::fs::read(world.instance().certificate("ocsp-terminals-2")).unwrap();
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());
    let again = std::fs::read(world.instance().certificate("ocsp-terminals-2")).unwrap();
    assert_eq!(again, responder);

    // Announced to each process, and not begun.
    let app = world.process().await;
    assert_eq!(testing::terminal(&app, 2).await.certificate.issuer_id, "terminals");
    world.clock.advance(Duration::hours(2));
    let after = testing::terminal(&app, 3).await;
    assert_eq!(after.certificate.issuer_id, "terminals-2");
    for terminal in [&before, &after] {
        FacilityConnection::judge(&app, &terminal.peer).await.unwrap();
    }
    // A process that was not started again refuses rather than trust a stranger.
    assert!(FacilityConnection::judge(&old, &after.peer).await.is_err());

    world.keep("root.pem", "CERTIFICATE", app.authority().root_der(app.now()));
    for authority in app.authority().of(Line::Terminals) {
        let served = get(&app, &format!("/ca/{}.crt", authority.id())).await;
        assert_eq!(served, authority.certificate_der());
        world.keep(&format!("{}.pem", authority.id()), "CERTIFICATE", &served);
    }
    world.keep("before.pem", "CERTIFICATE", &before.certificate.der);
    world.keep("after.pem", "CERTIFICATE", &after.certificate.der);
    publish_lists(&world, &app).await;
    let both = [("terminals", "before.pem"), ("terminals-2", "after.pem")];
    for (issuer, leaf) in both {
        assert!(accepted(&world, issuer, leaf));
        assert_eq!(status(&world, &app, issuer, leaf).await, "good");
    }

    for terminal in [&before, &after] {
        let IssuedCertificate { issuer_id, serial, .. } = terminal.certificate.clone();
        world.revoke(Target::Certificate { issuer_id, serial: serial.as_octets().to_vec() }).await;
    }
    let issuers: Vec<_> = app.authority().issuing().map(|authority| authority.id()).collect();
    app.ocsp().follow(app.store(), &issuers).await.unwrap();
    publish_lists(&world, &app).await;
    for (issuer, leaf) in both {
        assert!(!accepted(&world, issuer, leaf));
        assert_eq!(status(&world, &app, issuer, leaf).await, "revoked");
    }
    // Whoever looks at a copy of the folder alone finds both.
    let mut ids: Vec<_> =
        issuers_of_folder(&world.instance()).unwrap().into_iter().map(|issuer| issuer.id).collect();
    ids.sort();
    assert_eq!(ids, ["routers", "servers", "terminals", "terminals-2"]);
    // The old one goes on until it ends itself, and no longer.
    let end = app.authority().find("terminals").unwrap().validity().1;
    assert!(app.authority().living(end).any(|authority| authority.id() == "terminals"));
    let later = end + Duration::SECOND;
    assert!(!app.authority().living(later).any(|authority| authority.id() == "terminals"));
}

#[tokio::test]
async fn the_roots_list_is_renewed_with_every_certificate_that_was_taken_back() {
    let world = World::new().await;
    let app = world.process().await;
    world.revoke(Target::Issuer("routers".to_owned())).await;
    world.clock.advance(Duration::MINUTE);
    let plan = async |name: &str| {
        let safe = world.safe(name);
        let mut reader = world.store.read();
        let (folder, now) = (world.instance(), world.clock.now());
        plan_root_list(&mut reader, &folder, None, &world.base(), &safe, now).await.unwrap();
        safe
    };
    let edited = |safe: &Path, from: &str, to: &str| {
        let text = std::fs::read_to_string(safe.join("plan.toml")).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(safe.join("plan.toml"), text.replace(from, to)).unwrap();
    };
    // A list that forgets what was taken back.
    let forgetful = plan("forgetful").await;
    let text = std::fs::read_to_string(forgetful.join("plan.toml")).unwrap();
    let entries = text.find("[[crl.revoked]]").unwrap();
    std::fs::write(forgetful.join("plan.toml"), &text[..entries]).unwrap();
    let refused = world.install(&world.hold(&forgetful).await).await;
    assert!(
        matches!(refused, Err(InstallError::List { source: ListError::Lacks(_), .. })),
        "{refused:?}"
    );
    let old = get(&app, "/crl/root.crl").await;
    // A number that was given before, as the first list's.
    let late = plan("late").await;
    edited(&late, "number = 2", "number = 1");
    let refused = world.install(&world.hold(&late).await).await;
    assert!(matches!(refused, Err(InstallError::List { source: ListError::Number(1), .. })));
    assert_eq!(get(&app, "/crl/root.crl").await, old);
    assert_eq!(world.installs().await, 0);

    let result = world.hold(&plan("safe").await).await;
    assert_eq!(world.install(&result).await.unwrap().lists, [("root".to_owned(), 2)]);
    assert_eq!(world.installs().await, 1);
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());
    let new = get(&app, "/crl/root.crl").await;
    assert_ne!(new, old);
    assert_eq!(crl::next_number(&mut world.store.read(), "root").await.unwrap(), 3);
    world.keep("root.pem", "CERTIFICATE", app.authority().root_der(app.now()));
    world.keep("list.pem", "X509 CRL", &new);
    let at = world.clock.now().unix_timestamp().to_string();
    for (id, counts) in [("routers", false), ("servers", true)] {
        let der = app.authority().find(id).unwrap().certificate_der();
        world.keep("issuer.pem", "CERTIFICATE", der);
        let (ok, said) = world.openssl(&[
            "verify",
            "-attime",
            &at,
            "-trusted",
            "root.pem",
            "-crl_check",
            "-CRLfile",
            "list.pem",
            "issuer.pem",
        ]);
        assert_eq!(ok, counts, "{said}");
    }
}

#[tokio::test]
async fn what_a_stranger_might_bring_is_not_installed() {
    let world = World::new().await;
    let unchanged = async || {
        assert_eq!(issuer::list(&mut world.store.read()).await.unwrap().len(), 4);
        assert!(!world.instance().certificate("terminals-2").exists());
        assert_eq!(world.installs().await, 0);
    };
    for id in ["terminals", "terminals-1", "root-2", "../terminals-2", "admin"] {
        assert!(matches!(world.try_request(id).await, Err(RequestProblem::Name(_))), "{id}");
    }
    // Signed for other addresses than this instance publishes at.
    let elsewhere = world.safe("elsewhere");
    world.plan(&elsewhere, "terminals-2", "http://elsewhere.example").await;
    let refused = world.install(&world.hold(&elsewhere).await).await;
    assert!(matches!(refused, Err(InstallError::Certificate { .. })), "{refused:?}");
    unchanged().await;
    // By another root.
    let stranger = World::at(world.clock.now()).await;
    let theirs = stranger.safe("safe");
    world.plan(&theirs, "terminals-2", &world.base()).await;
    let refused = world.install(&stranger.hold(&theirs).await).await;
    assert!(matches!(refused, Err(InstallError::Path { .. })), "{refused:?}");
    unchanged().await;
    // Before anybody could know of it.
    let good = world.safe("good");
    world.plan(&good, "terminals-2", &world.base()).await;
    let result = world.hold(&good).await;
    let folder = world.instance();
    let refused = world.install_from(&result, world.clock.now()).await;
    assert!(matches!(refused, Err(InstallError::TooSoon)), "{refused:?}");
    let refused = world.install_from(&result, world.clock.now() + Duration::days(9999)).await;
    assert!(matches!(refused, Err(InstallError::NotValidThen(_))), "{refused:?}");
    unchanged().await;
    // For a key that is no longer this instance's.
    std::fs::remove_file(folder.key("terminals-2")).unwrap();
    let refused = world.install(&result).await;
    assert!(matches!(refused, Err(InstallError::Secrets(_))), "{refused:?}");
    world.request("terminals-2").await;
    let refused = world.install(&result).await;
    assert!(matches!(refused, Err(InstallError::Key { .. })), "{refused:?}");
    unchanged().await;
}

#[tokio::test]
async fn an_installation_that_stopped_half_way_leaves_nothing_half_and_goes_on() {
    let world = World::new().await;
    let safe = world.safe("safe");
    world.plan(&safe, "terminals-2", &world.base()).await;
    let result = world.hold(&safe).await;
    // At each table of the one transaction: power fails just before it is written.
    for (stop, go_on) in [
        (
            "CREATE TRIGGER stop BEFORE INSERT ON serial_number BEGIN SELECT RAISE(ABORT, 'x'); END",
            "DROP TRIGGER stop",
        ),
        (
            "CREATE TRIGGER stop BEFORE INSERT ON certificate BEGIN SELECT RAISE(ABORT, 'x'); END",
            "DROP TRIGGER stop",
        ),
        (
            "CREATE TRIGGER stop BEFORE INSERT ON issuer BEGIN SELECT RAISE(ABORT, 'x'); END",
            "DROP TRIGGER stop",
        ),
    ] {
        world.alter(stop).await;
        assert!(matches!(world.install(&result).await, Err(InstallError::Store(_))));
        assert_eq!(world.count("SELECT COUNT(*) FROM issuer").await, 4);
        let taken = "SELECT COUNT(*) FROM serial_number WHERE issuer_id = 'root'";
        assert_eq!(world.count(taken).await, 4);
        assert_eq!(world.installs().await, 0);
        world.alter(go_on).await;
        // Whoever starts meanwhile starts with what there was.
        let app = world.process().await;
        assert!(app.authority().find("terminals-2").is_none());
    }
    assert_eq!(world.install(&result).await.unwrap().authorities, ["terminals-2"]);
    // And after the commit, before there was a responder.
    for file in
        [world.instance().certificate("ocsp-terminals-2"), world.instance().key("ocsp-terminals-2")]
    {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(world.install(&result).await.unwrap(), Installed::default());
    assert!(world.process().await.authority().find("terminals-2").is_some());
}
