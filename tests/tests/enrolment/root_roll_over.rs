//! A root's roll-over beneath running PCs, as two operators and a facility live through it.

use sekisho_store::{certificate, terminal};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::world::{FACILITY, Pc, ROOT_PASSPHRASE, TERMINAL, World, openssl, text};

/// Plans the next root, holds the ceremony and installs what it made. Both roots count from TIME on.
fn roll_over(world: &World, from: OffsetDateTime) {
    let told = world.sekisho(&[
        "ceremony",
        "next-root",
        "instance",
        "next",
        "--network",
        "Test Network G2",
    ]);
    assert!(told.contains("root-2") && told.contains("servers-2"), "{told}");
    std::fs::write(world.file("secret"), ROOT_PASSPHRASE).unwrap();
    std::fs::rename(world.file("instance/root/root-key.p8"), world.file("next/root-key.p8"))
        .unwrap();
    let secrets = ["--secret", "root=secret", "--secret", "root-2=secret"];
    let plan = "next/plan.toml";
    world.sekisho(&[&["ceremony", "keys", plan], &secrets[..]].concat());
    let statement = world.sekisho(&["ceremony", "dry-run", plan, "--json"]);
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    let hash = statement["hash"].as_str().unwrap();
    let run = ["ceremony", "run", plan, "--hash", hash, "--out", "result"];
    world.sekisho(&[&run[..], &secrets[..]].concat());
    world.sekisho(&["ceremony", "verify", "result", "--hash", hash]);
    let from = from.format(&Rfc3339).unwrap();
    let install = ["ceremony", "install", "result", "instance", "--hash", hash];
    let told = world.sekisho(&[&install[..], &["--activate", &from]].concat());
    assert!(told.contains("Root root-2 is installed"), "{told}");
    let again = world.sekisho(&[&install[..], &["--activate", &from]].concat());
    assert!(again.contains("Nothing changed"), "{again}");
}

/// The PEM of a certificate in an agent's folder.
fn held(world: &World, pc: &Pc<'_>, name: &str) -> String {
    let (der, pem) = (text(&pc.folder.join(name)), text(&world.file("held.pem")));
    openssl(&["x509", "-inform", "DER", "-in", &der, "-out", &pem]);
    pem
}

/// OpenSSL finds the way from a terminal's certificate to either root, by what is published.
fn leads_to_both(world: &World, certificate: &str, line: &str, cross: (&str, &str)) {
    let issuer = world.authority(line);
    for root in ["root", "root-2"] {
        let (by, needed) = cross;
        let path = ["-CAfile", &world.authority(root), "-untrusted", &issuer];
        let mut verify = [&["verify", "-x509_strict"], &path[..]].concat();
        let cross = world.authority(needed);
        if root == by {
            verify.extend(["-untrusted", &cross]);
        }
        openssl(&[&verify[..], &[certificate]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_follow_from_one_root_to_the_next() {
    let world = World::start().await;
    let nss = text(&world.file("nssdb"));
    let first_root = der_of(&world, "root");
    let pc = Pc::new(&world, "pc");
    let code = world.code().await;
    assert_eq!(pc.enroll(TERMINAL, &code).0, 0);
    assert_eq!(pc.agent(&["renew", "--nss", &nss]).0, 0);
    let before = held(&world, &pc, "terminal.crt");
    std::fs::copy(&before, world.file("before.pem")).unwrap();
    let (der, key) = (text(&pc.folder.join("terminal.p8")), text(&world.file("before.key")));
    openssl(&["pkey", "-inform", "DER", "-in", &der, "-out", &key]);

    // Installed beneath the process that runs: nothing changes for anybody.
    roll_over(&world, OffsetDateTime::now_utc() + Duration::minutes(6));
    assert_eq!(pc.agent(&["renew"]), (0, "Renewed.\n".to_owned()));
    assert_eq!(pc.holds("root.crt"), first_root);
    let folder = pc.folder.clone();
    drop(pc);

    // Started again, and begun.
    let world = world.start_again(Duration::minutes(10)).await;
    let second_root = der_of(&world, "root-2");
    for (role, path) in [("enrol", "/.well-known/est/cacerts"), ("public", "/"), ("terminal", "/")]
    {
        for root in ["root", "root-2"] {
            let (status, said) = world.curl_by((role, root), path, &[]);
            assert!(status < 500, "{role} {root}: {said}");
        }
    }
    // A terminal of before comes in as it is, whichever root its browser knows.
    let (before, key) = (text(&world.file("before.pem")), text(&world.file("before.key")));
    let identity = ["--cert", before.as_str(), "--key", key.as_str()];
    let (refused, _) = world.curl_by(("terminal", "root"), "/login", &[]);
    for root in ["root", "root-2"] {
        let (status, said) = world.curl_by(("terminal", root), "/login", &identity);
        assert_eq!(status, 200, "{said}");
        assert_ne!(status, refused);
    }
    leads_to_both(&world, &before, "terminals", ("root-2", "root-by-root-2"));

    // Its agent learns the next root and has its next certificate under it.
    let mut pc = Pc::new(&world, "pc");
    pc.folder = folder;
    let (exit, said) = pc.agent(&["renew"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(pc.holds("root.crt"), second_root);
    assert_eq!(pc.holds("former-root.crt"), first_root);
    let renewed = held(&world, &pc, "terminal.crt");
    leads_to_both(&world, &renewed, "terminals-2", ("root", "root-2-by-root"));
    assert_eq!(pc.agent(&["renew"]).0, 0, "under the new root alone");
    let store = in_store(&nss);
    assert_eq!(store.matches("facility-root-").count(), 2, "{store}");
    // The line that enrolled it names the root of before, and is still its line.
    let (exit, said) = pc.enroll(TERMINAL, &code);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(pc.holds("root.crt"), second_root);
    assert!(pc.set_aside().is_empty());

    // New ones are enrolled with either line; a line of before leads to the next root, too. And a PC
    // that knows the old root takes a new line.
    let late = Pc::told(&world, "late", "root");
    let fresh = Pc::told(&world, "fresh", "root-2");
    let now = OffsetDateTime::now_utc();
    for (number, pc) in [(1, &late), (2, &fresh)] {
        let id = format!("T{number}123456789");
        change!(world.store, |tx| {
            terminal::create(tx, &id, FACILITY, "外来", "p", now).await?;
        });
        let (exit, said) = pc.enroll(&id, &world.code_of(&id).await);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(pc.holds("root.crt"), second_root, "{id}");
        assert_eq!(pc.agent(&["renew"]).0, 0);
        let kept = certificate::of_terminal(&mut world.store.read(), &id).await.unwrap();
        assert!(kept.iter().all(|one| one.issuer_id == "terminals-2"));
    }

    // Both roots' lists are published, and no certificate of an authority is on them.
    for (root, line) in [("root", "terminals"), ("root-2", "terminals-2")] {
        let (der, pem) = (text(&world.file("list.der")), text(&world.file("list.pem")));
        let url = format!("{}/crl/{root}.crl", world.plain());
        super::world::done(std::process::Command::new("curl").args([
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            "-o",
            &der,
            &url,
        ]));
        openssl(&["crl", "-inform", "DER", "-in", &der, "-out", &pem]);
        openssl(&[
            "verify",
            "-CAfile",
            &world.authority(root),
            "-crl_check",
            "-CRLfile",
            &pem,
            &world.authority(line),
        ]);
    }
    // The old root does not end before the next one has begun, which it has not by the clock here.
    let refused = world.refused(1, &["ceremony", "end-root", "instance", "root"]);
    assert!(refused.contains("another one has to be in force first"), "{refused}");
    world.refused(2, &["ceremony", "end-root", "instance", "root-3"]);
    let list = world.refused(2, &["ceremony", "root-list", "instance", "list"]);
    assert!(list.contains("root, root-2"), "{list}");
    world.sekisho(&["ceremony", "root-list", "instance", "list", "--of", "root-2"]);
    let plan = std::fs::read_to_string(world.file("list/plan.toml")).unwrap();
    assert!(plan.contains("number = 2") && plan.contains("certificate = \"root-2.crt\""), "{plan}");
    // Neither key may lie open in the folder.
    let key = world.file("instance/next-key.pem");
    openssl(&[
        "pkcs8",
        "-in",
        &text(&world.file("next/root-2-key.p8")),
        "-passin",
        &format!("pass:{ROOT_PASSPHRASE}"),
        "-out",
        &text(&key),
    ]);
    let world = world.stopped().await;
    let refused = world.refused(1, &["serve", "instance"]);
    assert!(refused.contains("lies unwrapped in"), "{refused}");
    world.sekisho(&["audit", "verify", "instance"]);
}

fn der_of(world: &World, name: &str) -> Vec<u8> {
    let der = text(&world.file("root.der"));
    openssl(&["x509", "-in", &world.authority(name), "-outform", "DER", "-out", &der]);
    std::fs::read(der).unwrap()
}

/// What the browser's store holds.
fn in_store(folder: &str) -> String {
    let mut certutil = std::process::Command::new("certutil");
    let listed = super::world::done(certutil.args(["-L", "-d", &format!("sql:{folder}")]));
    String::from_utf8(listed.stdout).unwrap()
}
