//! pkilint (PyPI): RFC 5280 and RFC 6960 as a linter of another house reads them.
//!
//! No finding at WARNING or above that `docs/divergences.md` does not list with its reason.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use sekisho_ca::{
    ceremony::issue_ocsp_certificate, profile::Profile, record::MemoryRecord,
    registration::approve_terminal,
};
use sekisho_key::SystemRandomness;

use crate::{
    roll_over::RollOver,
    world::{World, keys, register, request, target_tmp},
};

/// A new version may find more: it is taken up by changing this line.
const VERSION: &str = "0.13.3";
const MANY: &str = include_str!("pkilint_many.py");
const DIVERGENCES: &str = include_str!("../../../docs/divergences.md");

/// Python with pkilint, in a virtual environment under the target folder.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = target_tmp().join(format!("pkilint-{VERSION}"));
        let python = folder.join("bin/python");
        if !python.exists() {
            // Under another name until it is whole; whoever is second throws theirs away.
            let making = target_tmp().join(format!("pkilint-{VERSION}.{}", std::process::id()));
            let made = making.join("bin/python");
            must("python3-venv", Command::new("python3").args(["-m", "venv"]).arg(&making));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            let package = format!("pkilint=={VERSION}");
            must("ca-certificates", Command::new(made).args(pip).arg(package));
            if std::fs::rename(&making, &folder).is_err() {
                std::fs::remove_dir_all(&making).unwrap();
            }
        }
        python
    })
}

fn must(package: &str, command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; apt-get install {package}"));
    assert!(
        output.status.success(),
        "pkilint {VERSION} could not be installed ({command:?}; Debian's {package} and a package \
         index are needed): {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What one run of a linter found: the codes, with where.
fn lint(world: &World, runs: &[String]) -> Vec<Vec<(String, String)>> {
    let mut child = Command::new(python())
        .args(["-c", MANY])
        .current_dir(world.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asking = child.stdin.take().unwrap();
    let asked = runs.join("\n");
    let writer = std::thread::spawn(move || asking.write_all(asked.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaint.is_empty(), "{complaint}");
    let answers: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut found = Vec::new();
            for result in report["results"].as_array().unwrap() {
                for finding in result["finding_descriptions"].as_array().unwrap() {
                    found.push((
                        finding["code"].as_str().unwrap().to_owned(),
                        format!("{} at {}", finding["message"], result["node_path"]),
                    ));
                }
            }
            found
        })
        .collect();
    assert_eq!(answers.len(), runs.len());
    answers
}

/// Whether the page of divergences names the finding, in a row that says pkilint.
fn is_listed(code: &str) -> bool {
    DIVERGENCES
        .lines()
        .any(|row| row.starts_with("| pkilint") && row.contains(&format!("`{code}`")))
}

/// What pkilint is to look at, each with what it is.
#[derive(Default)]
struct Runs {
    runs: Vec<String>,
    whats: Vec<String>,
}

impl Runs {
    fn add(&mut self, what: String, run: String) {
        self.whats.push(what);
        self.runs.push(run);
    }

    /// A certificate by itself, and under its issuer in `ISSUER.pem` if it has one.
    fn certificate(&mut self, world: &World, what: &str, issuer: Option<&str>, der: &[u8]) {
        let file = format!("{}.pem", self.runs.len());
        world.pem(&file, "CERTIFICATE", der);
        self.add(what.to_owned(), format!("lint_pkix_cert {file}"));
        if let Some(issuer) = issuer {
            let pair = format!("lint_pkix_signer_signee_cert_chain {issuer}.pem {file}");
            self.add(format!("{what} under its issuer"), pair);
        }
    }

    /// `kind`: CRL, or ARL for a list of authorities.
    fn list(&mut self, world: &World, what: &str, kind: &str, der: &[u8]) {
        let file = format!("{}.crl", self.runs.len());
        world.pem(&file, "X509 CRL", der);
        self.add(format!("CRL {what}"), format!("lint_crl -t {kind} -p PKIX {file}"));
    }

    /// The findings that the page of divergences does not list.
    fn unlisted(&self, world: &World) -> BTreeMap<String, Vec<String>> {
        let mut unlisted = BTreeMap::<String, Vec<String>>::new();
        for (what, found) in self.whats.iter().zip(lint(world, &self.runs)) {
            for (code, place) in found {
                if !is_listed(&code) {
                    unlisted.entry(code).or_default().push(format!("{what}: {place}"));
                }
            }
        }
        unlisted
    }
}

#[tokio::test]
async fn pkilint_finds_nothing_that_is_not_listed_with_its_reason() {
    let world = World::new().await;
    let mut runs = Runs::default();
    for one in world.every_certificate().await {
        // The root does not point at itself (RFC 5280 §4.2.1.1): it is under nobody.
        let issuer = (one.what != "root").then_some(one.issuer);
        runs.certificate(&world, &one.what, issuer, &one.certificate.der);
    }
    for (what, issuer, der) in world.every_crl().await {
        // The root's list is of authorities.
        let kind = if issuer == "root" { "ARL" } else { "CRL" };
        runs.list(&world, &what, kind, &der);
    }
    for (n, (what, der)) in world.every_ocsp_response().await.into_iter().enumerate() {
        std::fs::write(world.path(&format!("{n}.ors")), der).unwrap();
        let run = format!("lint_ocsp_response --document-format DER {n}.ors");
        runs.add(format!("OCSP {what}"), run);
    }
    let unlisted = runs.unlisted(&world);
    assert!(unlisted.is_empty(), "{unlisted:#?}");
}

#[tokio::test]
async fn pkilint_finds_nothing_in_a_next_generation_and_its_divided_lists() {
    let world = World::new().await;
    let RollOver { certificates, crl_der, terminals_2 } = RollOver::of(&world).await;
    let [new_root, new_by_old, old_by_new, issuing] = &certificates[..] else { panic!() };
    world.pem("root-2.pem", "CERTIFICATE", &new_root.der);
    world.pem("terminals-2.pem", "CERTIFICATE", &issuing.der);
    let mut runs = Runs::default();
    for (what, issuer, certificate) in [
        ("root-2", None, new_root),
        ("root-2 by root", Some("root"), new_by_old),
        ("root by root-2", Some("root-2"), old_by_new),
        ("terminals-2", Some("root-2"), issuing),
    ] {
        runs.certificate(&world, what, issuer, &certificate.der);
    }
    for (kind, key) in keys() {
        let register = register(1);
        let profile = Profile::shipped("terminal").unwrap();
        let asked = request(key, &register.terminal);
        let approved = approve_terminal(&asked, &register, &profile).unwrap();
        let issued = world.sign(&terminals_2, approved).await;
        let what = format!("terminal {kind} of terminals-2");
        runs.certificate(&world, &what, Some("terminals-2"), &issued.der);
    }
    let (record, key) = (MemoryRecord::default(), &keys()[0].1);
    let responder =
        issue_ocsp_certificate(&terminals_2, &record, key, world.now, &SystemRandomness);
    let der = responder.await.unwrap().der;
    runs.certificate(&world, "responder of terminals-2", Some("terminals-2"), &der);
    runs.list(&world, "root-2", "ARL", &crl_der);
    for (what, der) in world.divided_crls(&terminals_2).await {
        runs.list(&world, &what, "CRL", &der);
    }
    let unlisted = runs.unlisted(&world);
    assert!(unlisted.is_empty(), "{unlisted:#?}");
}

#[tokio::test]
async fn pkilint_speaks_when_something_is_wrong() {
    let world = World::new().await;
    // OpenSSL's own careless certificate: an authority without keyUsage.
    let output = world.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "k.pem",
        "-subj",
        "/CN=x",
        "-days",
        "3",
        "-out",
        "bad.pem",
    ]);
    assert!(output.status.success());
    let found = lint(&world, &["lint_pkix_cert bad.pem".to_owned()]);
    let [(code, _)] = found[0].as_slice() else { panic!("{found:?}") };
    assert_eq!(code, "pkix.ca_certificate_no_ku_extension");
    assert!(!is_listed(code));
    // And a certificate under the wrong issuer.
    let pair = "lint_pkix_signer_signee_cert_chain routers.pem terminals.pem".to_owned();
    assert!(!lint(&world, &[pair])[0].is_empty());
}

#[test]
fn each_listed_finding_says_why() {
    for row in DIVERGENCES.lines().filter(|row| row.starts_with("| pkilint")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells.iter().all(|cell| cell.len() > 10), "{row}");
    }
}
