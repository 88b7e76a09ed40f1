//! `sekisho bench enrolment`: that each door issues what it is asked for. How quickly is not looked at.

use std::process::Command;

#[test]
fn every_door_issues_as_many_certificates_as_are_asked_for() {
    let bench =
        ["bench", "enrolment", "--operations", "16", "--connections", "2", "--ra-bits", "2048"];
    let output =
        Command::new(env!("CARGO_BIN_EXE_sekisho")).args(bench).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let doors = figures["runs"].as_array().unwrap();
    let named: Vec<_> = doors.iter().map(|door| door["operation"].as_str().unwrap()).collect();
    assert_eq!(named, ["EST simpleenroll", "SCEP PKCSReq", "ACME order", "CMP p10cr", "CMP ir"]);
    for door in doors {
        assert_eq!(door["certificates"], 16, "{door}");
        for figure in ["server_cpu_ms", "in_signatures", "of_commits", "p50_ms"] {
            assert!(door[figure].as_f64().unwrap() > 0.0, "{figure}: {door}");
        }
        assert!(door["asked_octets"].as_u64().unwrap() > 200, "{door}");
        assert!(door["answered_octets"].as_u64().unwrap() > 400, "{door}");
    }
}

#[test]
fn a_length_that_no_registration_authority_has_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
        .args(["bench", "enrolment", "--ra-bits", "2500"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("2048 or 3072"));
}
