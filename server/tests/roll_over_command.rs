//! A roll-over as two operators hold it, one at the instance and one at the root's computer.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    process::{Command, Output},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn sekisho(folder: &tempfile::TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "en_US.UTF-8")
        .output()
        .unwrap()
}

fn done(folder: &tempfile::TempDir, arguments: &[&str]) -> String {
    let output = sekisho(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The last 64 hexadecimal digits that stand alone in a text: each command ends with what to do next.
fn digits(text: &str) -> String {
    text.rsplit(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 64).unwrap().to_owned()
}

#[test]
fn a_new_generation_is_asked_for_certified_and_installed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "a root passphrase of some length\n").unwrap();
    done(&folder, &["init", "instance", "--root-passphrase-file", "secret"]);

    // At the instance.
    let ask = ["ceremony", "request", "instance", "terminals-2", "--out", "terminals-2.csr"];
    let told = done(&folder, &ask);
    let sha256 = digits(&told);
    assert_eq!(digits(&done(&folder, &ask)), sha256, "asked again, it is the same key");
    let key = fs::read_to_string(folder.path().join("instance/keys/terminals-2.p8")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    // At the root's computer.
    fs::copy(folder.path().join("instance/ca/root.crt"), folder.path().join("root.crt")).unwrap();
    fs::rename(folder.path().join("instance/root/root-key.p8"), folder.path().join("root-key.p8"))
        .unwrap();
    let at = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    let plan = format!(
        "title = 'roll-over'\nat = '{at}'\norganisation = 'Healthcare Network Operating Body'
publication = 'http://plain.sekisho.localhost:8080'
[[key]]\nname = 'root'\nkind = 'p384'\nfile = 'root-key.p8'
[[key]]\nname = 'terminals-2'\nrequest = 'terminals-2.csr'\nsha256 = '{sha256}'
[[authority]]\nid = 'root'\nkey = 'root'\ncertificate = 'root.crt'
[[authority]]\nid = 'terminals-2'\nkey = 'terminals-2'\ncommon_name = 'Healthcare Network G2 Terminal CA'
[[certificate]]\nprofile = 'issuing'\nsubject = 'terminals-2'\nissuer = 'root'\ndays = 3000\n"
    );
    fs::write(folder.path().join("plan.toml"), plan).unwrap();
    done(&folder, &["ceremony", "keys", "plan.toml", "--secret", "root=secret"]);
    let shown = done(&folder, &["ceremony", "dry-run", "plan.toml"]);
    let hash = digits(&shown);
    let run = ["ceremony", "run", "plan.toml", "--hash", &hash, "--out", "result"];
    done(&folder, &[&run[..], &["--secret", "root=secret"]].concat());

    // Back at the instance.
    let other = "0".repeat(64);
    let refused =
        sekisho(&folder, &["ceremony", "install", "result", "instance", "--hash", &other]);
    assert_eq!(refused.status.code(), Some(1));
    let install = ["ceremony", "install", "result", "instance", "--hash", &hash];
    let told = done(&folder, &install);
    assert!(told.contains("terminals-2 is installed and issues from"), "{told}");
    assert!(told.contains("Start every running `sekisho serve` again"), "{told}");
    let told = done(&folder, &install);
    assert!(told.contains("Nothing changed"), "{told}");
    let trail = done(&folder, &["audit", "list", "instance", "--json"]);
    assert!(trail.contains("ceremony.install") && trail.contains(&hash), "{trail}");
    fs::create_dir(folder.path().join("trust")).unwrap();
    fs::copy(folder.path().join("root.crt"), folder.path().join("trust/root.crt")).unwrap();
    let judged = sekisho(
        &folder,
        &[
            "verify-path",
            "--trust",
            "trust",
            "--chain",
            "instance/ca/terminals-2.crt",
            "--purpose",
            "any",
            "--revocation",
            "none",
        ],
    );
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stderr));

    // The root's list, by the same way.
    let told = done(&folder, &["ceremony", "root-list", "instance", "list"]);
    assert!(told.contains("list/plan.toml"), "{told}");
    fs::rename(folder.path().join("root-key.p8"), folder.path().join("list/root-key.p8")).unwrap();
    let plan = "list/plan.toml";
    done(&folder, &["ceremony", "keys", plan, "--secret", "root=secret"]);
    let hash = digits(&done(&folder, &["ceremony", "dry-run", plan]));
    let run = ["ceremony", "run", plan, "--hash", &hash, "--out", "list/result"];
    done(&folder, &[&run[..], &["--secret", "root=secret"]].concat());
    let told = done(&folder, &["ceremony", "install", "list/result", "instance", "--hash", &hash]);
    assert!(told.contains("revocation list of root, number 2"), "{told}");
}
