//! A terminal's PC is replaced: two of them side by side, until somebody logs in at the new one.

use sekisho_store::{
    Store, StoreError,
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, CodeRefusal, NewCode},
    replacement::{self, CodeIsFor},
    revocation::{self, Act, Scope, Status},
    terminal::{self, Revocation, TerminalStatus},
};
use time::{Duration, OffsetDateTime};

use crate::{
    FACILITY, NOW, TERMINAL,
    current_certificate::{ISSUER, certify, connection, standing, status, use_of},
    databases::Databases,
    once::prepared,
    race,
};

/// Serial numbers: of the old PC, of the new one, and of a renewal of the old one between.
const OLD: u8 = 1;
const NEW: u8 = 2;
const OLD_RENEWED: u8 = 3;
const CODE: [u8; 32] = [0x77; 32];

on_both! { prepared:
    both_pcs_stand_until_the_new_ones_first_login_and_then_the_old_one_goes
    of_many_first_logins_at_once_one_completes_the_replacement
    what_happens_to_one_pc_does_not_reach_the_other
    a_replacement_that_is_called_off_leaves_the_old_pc_as_it_was
    a_code_of_a_replacement_that_ended_opens_nothing
    a_terminal_that_is_revoked_takes_both_pcs_along
}

async fn keep_code(store: &Store, code_hash: [u8; 32], at: OffsetDateTime) {
    let code = NewCode {
        code_hash: &code_hash,
        terminal_id: TERMINAL,
        tries: 5,
        person_id: "p",
        created_at: at,
        expires_at: at + Duration::DAY,
        needs_approval: false,
    };
    change!(store, |tx| enrolment_code::issue(tx, code).await?);
}

async fn begin(store: &Store, code_hash: [u8; 32]) -> Result<(), StoreError> {
    attempt!(store, |tx| replacement::begin(tx, TERMINAL, &code_hash, "p", NOW).await?)
}

/// The old PC with a certificate, and the new one enrolled beside it two days later.
async fn two_pcs(databases: &Databases) {
    let (store, year) = (&databases.one, Duration::days(365));
    certify(store, OLD, NOW, NOW + year).await;
    keep_code(store, CODE, NOW).await;
    begin(store, CODE).await.unwrap();
    let later = NOW + Duration::days(2);
    certify(store, NEW, later, later + year).await;
    change!(store, |tx| replacement::enrolled(tx, &CODE, (ISSUER, &[NEW]), later).await?);
}

async fn complete(store: &Store, serial: u8) -> Option<Vec<u8>> {
    let at = NOW + Duration::days(3);
    let taken = change!(store, |tx| {
        replacement::complete(tx, TERMINAL, (ISSUER, &[serial]), at).await?
    });
    taken.map(|taken| taken.into_iter().map(|(_, serial)| serial[0]).collect())
}

async fn is_let_in(databases: &Databases, serial: u8) -> bool {
    !connection(databases, serial).await.certificate_revoked
}

async fn both_pcs_stand_until_the_new_ones_first_login_and_then_the_old_one_goes(
    databases: Databases,
) {
    two_pcs(&databases).await;
    let store = &databases.one;
    let open = replacement::open(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(open.new_pc.unwrap().certificate, (ISSUER.to_owned(), vec![NEW]));
    let new = connection(&databases, NEW).await;
    assert!(new.of_new_pc && new.older_until.is_none());
    assert!(!connection(&databases, OLD).await.of_new_pc);
    // Its use alone takes nothing back.
    assert!(use_of(store, NEW, NOW + Duration::days(2)).await.is_empty());
    assert!(is_let_in(&databases, OLD).await && is_let_in(&databases, NEW).await);
    // The old PC renews meanwhile; that is no renewal of the new one's.
    certify(store, OLD_RENEWED, NOW + Duration::days(3), NOW + Duration::days(365)).await;
    assert_eq!(use_of(store, OLD_RENEWED, NOW + Duration::days(3)).await, [OLD]);
    assert!(is_let_in(&databases, NEW).await);

    assert_eq!(complete(store, OLD_RENEWED).await, None, "a login at the old PC");
    assert_eq!(complete(store, NEW).await, Some(vec![OLD_RENEWED]));
    assert_eq!(complete(store, NEW).await, None, "once");
    let at = NOW + Duration::days(3);
    assert_eq!(status(&databases, OLD_RENEWED).await, Status::Revoked { reason: 4, at });
    for gone in [OLD, OLD_RENEWED] {
        let gone = connection(&databases, gone).await;
        assert!(gone.certificate_revoked && gone.pc_replaced_at == Some(at));
    }
    let new = connection(&databases, NEW).await;
    assert!(!new.certificate_revoked && !new.of_new_pc && new.pc_replaced_at.is_none());
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    assert_eq!(replacement::open(&mut databases.two.read(), TERMINAL).await.unwrap(), None);
    // From now on it renews as any PC.
    certify(store, 4, NOW + Duration::days(4), NOW + Duration::days(365)).await;
    assert_eq!(use_of(store, 4, NOW + Duration::days(4)).await, [NEW]);
    let events = terminal::events(&mut databases.two.read(), TERMINAL, 20).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    for kind in ["replacement_begun", "replaced", "certificate_superseded"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

async fn of_many_first_logins_at_once_one_completes_the_replacement(databases: Databases) {
    two_pcs(&databases).await;
    let outcomes = race(&databases, |_, store| async move { complete(&store, NEW).await }).await;
    let completed: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(completed, [vec![OLD]]);
}

async fn what_happens_to_one_pc_does_not_reach_the_other(databases: Databases) {
    two_pcs(&databases).await;
    let store = &databases.one;
    let act = async |scope: Scope<'_>, act| {
        change!(store, |tx| revocation::carry_out(tx, scope, act).await?)
    };
    let of = |serial| Scope::Certificate { issuer_id: ISSUER, serial };
    let older = |serial| Scope::OlderThan { issuer_id: ISSUER, serial };
    act(of(&[NEW]), Act::hold(NOW)).await;
    assert!(is_let_in(&databases, OLD).await && !is_let_in(&databases, NEW).await);
    act(of(&[NEW]), Act::release(NOW)).await;
    // The old PC is stolen: the new one is not, and what is older than the new one is not its own.
    assert!(act(older(&[NEW]), Act::revoke(1, NOW)).await.is_empty());
    certify(store, OLD_RENEWED, NOW + Duration::days(3), NOW + Duration::days(365)).await;
    act(of(&[OLD_RENEWED]), Act::revoke(1, NOW)).await;
    assert_eq!(act(older(&[OLD_RENEWED]), Act::revoke(1, NOW)).await.len(), 1);
    assert!(is_let_in(&databases, NEW).await && !is_let_in(&databases, OLD_RENEWED).await);
    // The newest certificate is the stolen one; the terminal's is that of the first login.
    assert_eq!(complete(store, NEW).await, Some(Vec::new()));
    assert!(is_let_in(&databases, NEW).await);
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
}

async fn a_replacement_that_is_called_off_leaves_the_old_pc_as_it_was(databases: Databases) {
    two_pcs(&databases).await;
    let store = &databases.one;
    let begun = begin(store, [0x78; 32]).await;
    assert!(matches!(begun, Err(StoreError::AlreadyExists { .. })), "{begun:?}");
    let cancel = async || {
        let at = NOW + Duration::days(3);
        change!(store, |tx| replacement::cancel(tx, TERMINAL, Some("p"), at).await?)
    };
    let cancelled = cancel().await.unwrap();
    assert_eq!(cancelled.certificate, Some((ISSUER.to_owned(), vec![NEW])));
    assert_eq!(cancel().await, None);
    assert!(is_let_in(&databases, OLD).await && !is_let_in(&databases, NEW).await);
    assert_eq!(complete(store, NEW).await, None);
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    // And it can be begun again.
    begin(store, [0x78; 32]).await.unwrap();
    begin(store, [0x79; 32]).await.unwrap();
}

async fn a_code_of_a_replacement_that_ended_opens_nothing(databases: Databases) {
    let store = &databases.one;
    certify(store, OLD, NOW, NOW + Duration::days(365)).await;
    let is_for = async |code_hash: [u8; 32]| {
        replacement::code_is_for(&mut databases.two.read(), &code_hash).await.unwrap()
    };
    let claim = async |code_hash: [u8; 32]| {
        let attempt = Attempt {
            terminal_id: TERMINAL,
            code_hash: &code_hash,
            spki_sha256: &[5; 32],
            at: NOW + Duration::MINUTE,
        };
        let policy = ClaimPolicy { same_key_grace: Duration::HOUR, issuance_limit: Duration::ZERO };
        change!(store, |tx| enrolment_code::claim(tx, attempt, policy).await?)
    };
    let cancel =
        async || change!(store, |tx| replacement::cancel(tx, TERMINAL, None, NOW).await?).unwrap();
    // Not used yet.
    keep_code(store, CODE, NOW).await;
    assert_eq!(is_for(CODE).await, CodeIsFor::Terminal);
    begin(store, CODE).await.unwrap();
    assert_eq!(is_for(CODE).await, CodeIsFor::NewPc);
    assert_eq!(cancel().await.certificate, None);
    assert_eq!(is_for(CODE).await, CodeIsFor::NoPc);
    assert_eq!(claim(CODE).await, Claim::Refused(CodeRefusal::Withdrawn));
    // Claimed by a process that died before it had a certificate.
    let second = [0x78; 32];
    keep_code(store, second, NOW).await;
    begin(store, second).await.unwrap();
    assert!(matches!(claim(second).await, Claim::Won(_)));
    cancel().await;
    assert!(matches!(claim(second).await, Claim::TakenBack(_)));
    // A plain code takes the place of one for a new PC.
    let third = [0x79; 32];
    keep_code(store, third, NOW).await;
    begin(store, third).await.unwrap();
    keep_code(store, [0x7a; 32], NOW).await;
    assert_eq!(is_for(third).await, CodeIsFor::NoPc);
}

async fn a_terminal_that_is_revoked_takes_both_pcs_along(databases: Databases) {
    two_pcs(&databases).await;
    let at = NOW + Duration::days(3);
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "", person_id: Some("p"), at };
    let taken = change!(&databases.one, |tx| {
        terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?
    });
    assert_eq!(taken.unwrap().certificates.len(), 2);
    assert_eq!(replacement::open(&mut databases.two.read(), TERMINAL).await.unwrap(), None);
    assert_eq!(complete(&databases.one, NEW).await, None);
    assert_eq!(status(&databases, NEW).await, Status::Revoked { reason: 1, at });
}
