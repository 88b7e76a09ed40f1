//! A few hundred crashes; `cargo run --bin crash -- all 5000` plays as many as one likes.
#![allow(clippy::unwrap_used, missing_docs)]

use sekisho_tests::crash::{
    Fault, Report,
    check::Violation,
    command::{self, Killed},
    run, tokens,
};

/// The seed of the default set; a failure prints it, and `crash FAULT ROUNDS SEED` plays it again.
const SEED: u64 = 20_261_121;

async fn holds(fault: Fault, rounds: u32) -> Report {
    let report = run(fault, rounds, SEED).await.unwrap();
    let all: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(all.is_empty(), "{fault:?}, seed {SEED}, round {}: {all:#?}", report.rounds);
    assert_eq!(report.rounds, rounds);
    // Rounds in which nothing happens prove nothing.
    assert!(report.issued > 0 && report.revoked > 0 && report.crl_number > 1, "{report:?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_that_it_told() {
    let report = holds(Fault::Kill, 100).await;
    assert!(report.unanswered > 0 && report.acts > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_forgets_what_was_not_synced_loses_nothing_that_was_told() {
    let report = holds(Fault::Forget, 100).await;
    assert!(report.unanswered > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_did_not_sync_is_noticed() {
    let report = run(Fault::ForgetAll, 40, SEED).await.unwrap();
    let noticed =
        report.violations.iter().any(|violation| violation.0.contains("was answered and"));
    assert!(noticed, "the tests above could not fail: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_to_the_database_lose_nothing_that_was_told() {
    let report = holds(Fault::Cut, 24).await;
    assert!(report.acts > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_stopped_in_immediate_mode_loses_nothing_that_was_told() {
    holds(Fault::Immediate, 8).await;
}

async fn tokens_hold(fault: Fault) {
    const ROUNDS: u32 = 24;
    let report = tokens::run(fault, ROUNDS, SEED).await.unwrap();
    let all: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(all.is_empty(), "{fault:?}, seed {SEED}, round {}: {all:#?}", report.rounds);
    // Rounds in which nothing happens prove nothing.
    assert!(report.rounds == ROUNDS && report.replayed > report.used / 2, "{report:?}");
    assert!(report.used > 0 && report.kept > 0 && report.unanswered > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_provider_takes_nothing_twice_and_keeps_what_it_gave() {
    tokens_hold(Fault::Kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_storage_forgets_what_was_not_synced_takes_nothing_twice() {
    tokens_hold(Fault::Forget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_forgets_what_it_answered_is_noticed() {
    let report = tokens::run(Fault::ForgetAll, 10, SEED).await.unwrap();
    let noticed = |violation: &Violation| {
        let said = &violation.0;
        said.contains("counts again") || said.contains("is lost")
    };
    assert!(report.violations.iter().any(noticed), "the tests above could not fail: {report:?}");
}

async fn comes_whole(killed: Killed) {
    const ROUNDS: u32 = 24;
    let report = command::run(killed, ROUNDS, SEED).await.unwrap();
    let all: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(all.is_empty(), "{killed:?}, seed {SEED}, round {}: {all:#?}", report.rounds);
    // Killed before it began or after it ended, it proves nothing.
    assert!(report.rounds == ROUNDS && report.killed > 0 && report.half_done > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_given_again_comes_whole_and_once() {
    comes_whole(Killed::Import).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_install_given_again_comes_whole_and_once() {
    comes_whole(Killed::Install).await;
}

#[test]
fn the_command_explains_itself_and_refuses_what_it_does_not_know() {
    let crash = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_crash"))
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, help) = crash(&["--help"]);
    assert!(
        code == Some(0) && help.contains("Usage: crash") && help.contains("Examples:"),
        "{help}"
    );
    for (unfit, named) in
        [(["flood", "1"], "flood"), (["kill", "many"], "many"), (["kill", "0"], "0")]
    {
        let (code, said) = crash(&unfit);
        assert!(code == Some(2) && said.contains(named) && !said.contains("backtrace"), "{said}");
    }
}
