//! `report.sh` as a shell runs it, beside a daemon and a service that only pretend.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use super::*;
use crate::network::tick::REPORTED_AT_ONCE;

/// What stands in for programs: a service that takes parts until there is a file `refuse-N`, and notes each.
const CURL: &str = r##"#!/bin/sh
config=
while [ $# -gt 0 ]; do
  case $1 in
    --data-binary) data=${2#@}; shift ;;
    --output) answer=$2; shift ;;
    --config) config=$(cat); shift ;;
    --cert) config=certificate; shift ;;
  esac
  shift
done
echo "$(wc -l <"$data") $config" >>sent
cat "$data" >>all
if [ -e "refuse-$(wc -l <sent)" ]; then echo "not so" >"$answer"; printf 403; exit; fi
echo "told of $(wc -l <"$data")" >"$answer"
printf 200
"##;
/// Every tenth tunnel stands.
const SWANCTL: &str = r##"#!/bin/sh
case $3 in *0) echo INSTALLED ;; esac
"##;

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The folder of a router with so many peers, and a certificate.
fn bundle(peers: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let peers: Vec<(String, String)> = (0..peers)
        .map(|number| {
            (format!("T{number:010}"), format!("172.{}.{}.0/24", 16 + number / 256, number % 256))
        })
        .collect();
    let peers: Vec<_> = peers.iter().map(|(id, network)| (id.as_str(), network.as_str())).collect();
    let texts = written("router_strongswan", &peers).unwrap();
    let report = texts.iter().find(|text| text.file == "report.sh").unwrap();
    fs::write(folder.path().join("report.sh"), &report.text).unwrap();
    fs::write(folder.path().join("router.pem"), "certificate").unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    program(&folder.path().join("bin"), "curl", CURL);
    program(&folder.path().join("bin"), "swanctl", SWANCTL);
    folder
}

fn run(folder: &Path) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new("sh").arg("report.sh").current_dir(folder).env("PATH", path).output().unwrap()
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_default()
}

#[test]
fn a_router_with_more_peers_than_one_report_takes_tells_of_all_in_parts() {
    for (peers, parts) in [
        (1, &["1"][..]),
        (REPORTED_AT_ONCE, &["500"]),
        (REPORTED_AT_ONCE + 1, &["500", "1"]),
        (1_201, &["500", "500", "201"]),
    ] {
        let folder = bundle(peers);
        let output = run(folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sent: String = parts.iter().map(|part| format!("{part} certificate\n")).collect();
        assert_eq!(read(folder.path(), "sent"), sent);
        let all = read(folder.path(), "all");
        assert_eq!(all, read(folder.path(), "report"), "each once, in turn");
        assert_eq!((all.lines().count(), all.matches(",up").count()), (peers, peers.div_ceil(10)));
        let told = String::from_utf8(output.stdout).unwrap();
        let answers: String = parts.iter().map(|part| format!("told of {part}\n")).collect();
        assert!(told.ends_with(&answers), "{told}");
        let names = fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("part.")), "{left:?}");
    }
}

#[test]
fn a_part_that_is_refused_is_told_and_all_is_told_again() {
    let folder = bundle(1_201);
    fs::write(folder.path().join("refuse-2"), "").unwrap();
    let output = run(folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "not so\n");
    assert_eq!(read(folder.path(), "report"), "", "not noted as said");
    assert!(folder.path().join("report.refused").exists());
    assert!(run(folder.path()).status.success());
    assert!(!folder.path().join("report.refused").exists());
    let all = read(folder.path(), "all");
    assert_eq!(all.lines().count(), 1_000 + 1_201);
}

#[test]
fn every_part_is_proven_by_the_code_of_a_key_where_there_is_no_certificate() {
    let folder = bundle(501);
    fs::remove_file(folder.path().join("router.pem")).unwrap();
    for (file, code) in [("psk-T0000000001", "AAAA"), ("psk-T0000000002", "BBBB")] {
        fs::write(folder.path().join(file), format!("id x\nreport {code}\n")).unwrap();
    }
    // The first key has ended: the second one proves it, of each part.
    for refused in [1, 3] {
        fs::write(folder.path().join(format!("refuse-{refused}")), "").unwrap();
    }
    let output = run(folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let by = |code: &str| format!("user = \"T1111111111:{code}\"");
    let sent = [("500", "AAAA"), ("500", "BBBB"), ("1", "AAAA"), ("1", "BBBB")];
    let sent: String = sent.map(|(part, code)| format!("{part} {}\n", by(code))).concat();
    assert_eq!(read(folder.path(), "sent"), sent);
}
