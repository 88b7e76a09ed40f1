//! Renewal in the background, with time as an argument, against an EST server of the test's own.

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sekisho_agent::terminal::enrol::{EnrolError, enrol, refresh_trust, renew};
use sekisho_agent::terminal::key;
use sekisho_agent::terminal::place::Place;
use sekisho_agent::terminal::renewal::{Look, Tries, Validity, look};
use sekisho_protocol::Sha256Digest;
use sekisho_software_card::Layout;
use time::{Duration, OffsetDateTime};

use crate::enrolment::{Authority, CODE, HOST, invitation, server};
use crate::world::World;

/// A PC that is enrolled; its certificate lives two days, one of which is over.
async fn enrolled() -> (std::sync::Arc<Authority>, url::Url, tempfile::TempDir, Place) {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    (authority, address, folder, place)
}

fn certificate(place: &Place) -> Vec<u8> {
    std::fs::read(place.certificate()).unwrap()
}

/// In the last third of the certificate's life.
fn late(place: &Place) -> OffsetDateTime {
    Validity::of_terminal(place).unwrap().until - Duration::hours(12)
}

const SAME_CLOCK: Option<Duration> = Some(Duration::ZERO);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_before_it_is_due_and_then_it_is_renewed_once() {
    let (authority, _, _folder, place) = enrolled().await;
    let first = certificate(&place);
    let early = look(&place, OffsetDateTime::now_utc(), SAME_CLOCK).await.unwrap();
    assert!(matches!(early, Look::Nothing), "{early:?}");
    assert_eq!(authority.issued.load(Ordering::SeqCst), 1);

    let now = late(&place);
    let due = look(&place, now, SAME_CLOCK).await.unwrap();
    assert!(matches!(due, Look::Renewed), "{due:?}");
    assert_eq!(std::fs::read(place.former_certificate()).unwrap(), first);
    assert_ne!(certificate(&place), first);
    // Even where the new one is due as well, as with a clock that is wrong.
    let again = look(&place, now + Duration::SECOND, SAME_CLOCK).await.unwrap();
    assert!(matches!(again, Look::Nothing), "{again:?}");
    assert_eq!(authority.issued.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_clock_decides_and_is_asked_where_it_is_not_known() {
    let (authority, _, _folder, place) = enrolled().await;
    // This PC's clock is months ahead, and the server has said so.
    let months = Duration::days(270);
    let now = OffsetDateTime::now_utc();
    let ahead = look(&place, now + months, Some(-months)).await.unwrap();
    assert!(matches!(ahead, Look::Nothing), "{ahead:?}");
    // Whatever this PC's clock says, as long as nobody has confirmed it.
    let unknown = look(&place, now, None).await.unwrap();
    let Look::NotDue { ahead } = unknown else { panic!("{unknown:?}") };
    assert!(ahead.abs() <= Duration::seconds(2));
    assert_eq!(authority.issued.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_asked_again_later_and_doctor_and_status_tell_of_it() {
    let (authority, address, folder, place) = enrolled().await;
    let mut enrolment = place.enrolment().unwrap();
    enrolment.server = format!("https://{HOST}:1");
    place.remember(&enrolment).unwrap();
    let now = late(&place);
    let failed = look(&place, now, SAME_CLOCK).await.unwrap();
    assert!(matches!(failed, Look::Failed(EnrolError::Unreachable { .. })), "{failed:?}");
    let soon = look(&place, now + Duration::seconds(59), SAME_CLOCK).await.unwrap();
    assert!(matches!(soon, Look::Nothing), "{soon:?}");
    let failed = look(&place, now + Duration::MINUTE, SAME_CLOCK).await.unwrap();
    assert!(matches!(failed, Look::Failed(_)), "{failed:?}");
    assert_eq!(Tries::read(&place).unwrap().failed, 2);

    let mut status = std::process::Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
    let told = status.arg("--dir").arg(folder.path()).arg("status").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("renewal      failed 2 times: "), "{told}");
    assert!(told.contains("does not answer"), "{told}");

    enrolment.server = address.origin().ascii_serialization();
    place.remember(&enrolment).unwrap();
    let soon = look(&place, now + Duration::minutes(2), SAME_CLOCK).await.unwrap();
    assert!(matches!(soon, Look::Nothing), "twice as long as before: {soon:?}");
    let back = look(&place, now + Duration::minutes(3), SAME_CLOCK).await.unwrap();
    assert!(matches!(back, Look::Renewed), "{back:?}");
    assert_eq!(Tries::read(&place).unwrap().failed, 0);
    assert_eq!(authority.issued.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_was_refused_says_what_the_server_said() {
    let (authority, _, _folder, place) = enrolled().await;
    let said = "another PC took the place of this one at terminal T0123456789";
    authority.refuse(403, "text/plain", said);
    let failed = look(&place, late(&place), SAME_CLOCK).await.unwrap();
    assert!(matches!(failed, Look::Failed(EnrolError::TerminalRefused(_))), "{failed:?}");
    assert!(Tries::read(&place).unwrap().why.unwrap().contains(said));
}

/// A renewal replaces file by file, each whole: whatever was reached, the PC works and can renew.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_is_cut_off_after_any_file_leaves_a_terminal_that_works() {
    let (_authority, _, _folder, place) = enrolled().await;
    let files = [place.former_certificate(), place.issuer(), place.certificate()];
    let state = || files.clone().map(|file| std::fs::read(file).ok());
    let before = state();
    renew(&place).await.unwrap();
    let after = state();
    for reached in 0..=files.len() {
        for (number, file) in files.iter().enumerate() {
            match if number < reached { &after[number] } else { &before[number] } {
                Some(octets) => std::fs::write(file, octets).unwrap(),
                None => {
                    let _ = std::fs::remove_file(file);
                }
            }
        }
        let key = key::load(&place).unwrap();
        refresh_trust(&place, key.as_ref()).await.unwrap();
        renew(&place).await.unwrap();
    }
}

/// The program that renews is killed after ever longer, until renewals have come to their end
/// in between: however quick the machine is at that moment, both happen.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_is_killed_at_any_moment_leaves_a_terminal_that_works() {
    let (authority, _, folder, place) = enrolled().await;
    let renewal = || {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
        program.arg("--dir").arg(folder.path()).arg("renew").kill_on_drop(true);
        program.stdout(Stdio::null()).stderr(Stdio::null());
        program.spawn().unwrap()
    };
    let began = Instant::now();
    assert!(renewal().wait().await.unwrap().success());
    let mut whole = began.elapsed();
    let mut last = certificate(&place);
    let (mut cut_off, mut renewed, mut moment) = (0, 0, 0);
    while cut_off < 30 || renewed < 3 {
        let mut program = renewal();
        let began = Instant::now();
        if tokio::time::timeout(whole * moment / 12, program.wait()).await.is_ok() {
            (whole, moment) = (began.elapsed(), 0);
        } else {
            (cut_off, moment) = (cut_off + 1, moment + 1);
        }
        program.kill().await.unwrap();
        let now = certificate(&place);
        renewed += usize::from(now != last);
        last = now;
        // Every file is whole, and the server lets the terminal in.
        let key = key::load(&place).unwrap();
        refresh_trust(&place, key.as_ref()).await.unwrap();
        place.enrolment().unwrap();
    }
    renew(&place).await.unwrap();
    assert!(authority.issued.load(Ordering::SeqCst) > renewed);
}

/// The same of an enrolment: the line that was pasted is pasted again.
#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_is_killed_at_any_moment_is_finished_by_the_same_line() {
    let mut whole = None;
    for moment in 0..20 {
        let (authority, address) = server(HOST).await;
        let folder = tempfile::tempdir().unwrap();
        let line = || {
            let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_sekisho-agent"));
            program.arg("--dir").arg(folder.path()).args(["enroll", "--server", address.as_str()]);
            program.args(["--root", &authority.root_fingerprint(), "--terminal", "T0123456789"]);
            program.args(["--code", CODE]).kill_on_drop(true);
            program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        if let Some(whole) = whole {
            let mut program = line();
            let _ = tokio::time::timeout(whole * moment / 18, program.wait()).await;
            program.kill().await.unwrap();
        }
        let began = Instant::now();
        let done = line().wait_with_output().await.unwrap();
        whole = whole.or(Some(began.elapsed()));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let place = Place { folder: folder.path().to_owned() };
        renew(&place).await.unwrap();
    }
}

#[tokio::test]
async fn the_door_answers_for_the_certificate_before_until_it_ends_and_for_no_other() {
    let world = World::new(Layout::Observed).await;
    let held = world.agent.identity();
    let now = world.agent.now();
    let before = Sha256Digest::of(b"the certificate before");
    let renewed = |until| sekisho_agent::door::Identity {
        trust: held.trust.clone(),
        key: held.key.clone(),
        certificate_sha256: held.certificate_sha256,
        former: Some(sekisho_agent::door::Former { certificate_sha256: before, until }),
    };
    let shown = async |certificate| {
        let mut request = world.request();
        request.facility.x5t_s256 = certificate;
        world.begin(&request).await
    };
    assert_eq!(shown(before).await.code(), "another_terminal");
    world.agent.become_another(renewed(now + Duration::DAY));
    assert_eq!(shown(Sha256Digest::of(b"another")).await.code(), "another_terminal");
    let begun = shown(before).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    world.agent.become_another(renewed(now - Duration::SECOND));
    assert_eq!(shown(before).await.code(), "another_terminal");
}
