//! Terminals, codes, certificates and revocation.
use sekisho_ca::{
    record::{self, IssuedCertificate, Subscriber},
    revocation::RevocationKind,
};
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited},
    certificate::{self, Intention, Signed},
    crl,
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, NewCode},
    facility_connection, issuer, issuing,
    revocation::{self, Act, Scope},
    terminal::{self, TerminalStatus},
    terminal_hold, transaction,
};
use time::Duration;

use crate::{
    FACILITY, NOW, TERMINAL,
    databases::Databases,
    once::{ENROLMENT as CODE, prepared},
    race,
};

const POLICY: ClaimPolicy =
    ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::seconds(10) };

on_both! { prepared:
    of_many_keys_at_once_one_wins_the_code
    of_the_same_key_many_times_at_once_one_issues
    a_certificate_is_kept_found_and_taken_back
    an_older_code_yields_to_what_a_newer_one_brought
    a_hold_and_its_end_stand_in_the_history_of_the_terminal_once
    a_terminal_is_on_hold_whatever_certificates_it_has
    of_many_holds_at_once_one_counts
    a_terminal_stands_as_its_current_certificate_does
    a_misused_code_stands_at_its_terminal_and_a_withdrawn_one_claims_nothing
    what_a_ceremony_signed_is_entered_once_with_all_its_steps
}

async fn bring(store: Store, key: [u8; 32]) -> Claim {
    let attempt = Attempt { terminal_id: TERMINAL, code_hash: &CODE, spki_sha256: &key, at: NOW };
    change!(store, |tx| enrolment_code::claim(tx, attempt, POLICY).await?)
}

async fn of_many_keys_at_once_one_wins_the_code(databases: Databases) {
    let claims = race(&databases, |number, store| bring(store, [number; 32])).await;
    let count = |wanted: fn(&Claim) -> bool| claims.iter().filter(|claim| wanted(claim)).count();
    assert_eq!(count(|claim| matches!(claim, Claim::Won(_))), 1, "{claims:?}");
    assert_eq!(count(|claim| matches!(claim, Claim::OtherKey { .. })), 7, "{claims:?}");
    assert_eq!(count(|claim| matches!(claim, Claim::OtherKey { first: true, .. })), 1);
}

async fn of_the_same_key_many_times_at_once_one_issues(databases: Databases) {
    let claims = race(&databases, |_, store| bring(store, [9; 32])).await;
    let won = claims.iter().filter(|claim| matches!(claim, Claim::Won(_))).count();
    let waiting = claims.iter().filter(|claim| matches!(claim, Claim::UnderWay(_))).count();
    assert_eq!((won, waiting), (1, 7), "{claims:?}");
}

async fn certify(store: &Store, serial: &[u8]) {
    certify_key(store, serial, &[7; 32]).await;
}

async fn certify_key(store: &Store, serial: &[u8], fingerprint: &[u8; 32]) {
    store.reserve_serial("terminals", serial, NOW).await.unwrap();
    let intention = Intention {
        issuer_id: "terminals",
        serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(TERMINAL),
    };
    store.record_intention(intention, NOW).await.unwrap();
    let signed = Signed {
        issuer_id: "terminals",
        serial,
        fingerprint,
        spki_sha256: &[9; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        der: serial,
    };
    store.record_certificate(signed, NOW).await.unwrap();
}

async fn a_certificate_is_kept_found_and_taken_back(databases: Databases) {
    let store = &databases.one;
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Won(_)));
    certify(store, &[0x4b]).await;
    assert!(change!(store, |tx| {
        enrolment_code::fulfil(tx, &CODE, "terminals", &[0x4b]).await?
    }));
    change!(store, |tx| terminal::note_certificate(tx, TERMINAL, false, NOW).await?);
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Issued(..)));

    let mut reader = databases.two.read();
    let found = certificate::find_by_fingerprint(&mut reader, &[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.status, revocation::Status::Good);
    let of_key = certificate::of_key(&mut reader, &[9; 32], 9).await.unwrap();
    assert_eq!(of_key, std::slice::from_ref(&found));
    assert_eq!(certificate::of_terminal(&mut reader, TERMINAL).await.unwrap(), [found]);
    assert!(certificate::unfinished(&mut reader, NOW + Duration::DAY).await.unwrap().is_empty());
    let listed = terminal::list(&mut reader, FACILITY, 0, 10).await.unwrap();
    assert_eq!(listed[0].status, TerminalStatus::Enrolled);
    assert_eq!(listed[0].certificate_until, Some(NOW + Duration::days(365)));
    for (name, in_use) in
        [("外来1号機", true), ("外来１号機", true), ("外来1号棟", false), ("外来11号機", false)]
    {
        let found = terminal::name_in_use(&mut reader, FACILITY, name).await.unwrap();
        assert_eq!(found, in_use, "{name}");
    }
    assert!(
        enrolment_code::latest(&mut reader, TERMINAL).await.unwrap().unwrap().used_at.is_some()
    );
    let issuers = issuer::list(&mut reader).await.unwrap();
    let found = issuer::find(&mut reader, "terminals").await.unwrap();
    assert_eq!((issuers.len(), issuers.into_iter().next()), (1, found));

    change!(store, |tx| revocation::revoke(tx, "terminals", &[0x4b], 4, NOW).await?);
    let gone = revocation::Status::Revoked { reason: 4, at: NOW };
    let status = revocation::status(&mut reader, "terminals", &[0x4b]).await.unwrap();
    assert_eq!(status, Some(gone));
    let found = certificate::find(&mut reader, "terminals", &[0x4b]).await.unwrap().unwrap();
    assert_eq!(found.status, gone);
    let taken_back = crl::taken_back(&mut reader, "terminals", NOW).await.unwrap();
    assert_eq!(taken_back.len(), 1);
    let late = NOW + Duration::days(366);
    assert!(crl::taken_back(&mut reader, "terminals", late).await.unwrap().is_empty());
    let entries = crl::events_of_chunk(&mut reader, "terminals", "", NOW).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert!(matches!(
        store.reserve_serial("terminals", &[0x4b], NOW).await,
        Err(StoreError::AlreadyExists { .. })
    ));
}

async fn an_older_code_yields_to_what_a_newer_one_brought(databases: Databases) {
    const NEWER: [u8; 32] = [0x77; 32];
    let store = &databases.one;
    let ask = async |code_hash: &[u8; 32], key: u8, at| {
        let attempt = Attempt { terminal_id: TERMINAL, code_hash, spki_sha256: &[key; 32], at };
        change!(store, |tx| enrolment_code::claim(tx, attempt, POLICY).await?)
    };
    certify(store, &[0x4b]).await;
    assert!(matches!(ask(&CODE, 9, NOW).await, Claim::Won(_)));
    let made = NOW + Duration::SECOND;
    let code = NewCode {
        code_hash: &NEWER,
        terminal_id: TERMINAL,
        tries: 5,
        person_id: "p",
        created_at: made,
        expires_at: NOW + Duration::DAY,
        needs_approval: false,
    };
    change!(store, |tx| enrolment_code::issue(tx, code).await?);
    // A newer code that nobody has used changes nothing: what died is taken up again.
    let later = NOW + POLICY.issuance_limit;
    assert!(matches!(ask(&CODE, 9, later).await, Claim::Won(_)));
    assert!(matches!(ask(&NEWER, 8, made).await, Claim::Won(_)));
    change!(store, |tx| enrolment_code::fulfil(tx, &NEWER, "terminals", &[0x4b]).await?);
    let later = later + POLICY.issuance_limit;
    let claim = ask(&CODE, 9, later).await;
    assert!(matches!(claim, Claim::TakenBack(_)), "{claim:?}");
    // The newer one answers again, until its certificate is taken back.
    assert!(matches!(ask(&NEWER, 8, later).await, Claim::Issued(..)));
    let hold = Act {
        kind: RevocationKind::Held,
        reason: revocation::CERTIFICATE_HOLD,
        invalidity_at: None,
        at: later,
    };
    change!(store, |tx| revocation::carry_out(tx, Scope::Terminal(TERMINAL), hold).await?);
    let standing =
        async || terminal::find(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap().status;
    assert_eq!(standing().await, TerminalStatus::Held);
    let claim = ask(&NEWER, 8, later).await;
    assert_eq!(claim, Claim::Refused(enrolment_code::CodeRefusal::TerminalHeld));
    change!(store, |tx| revocation::revoke(tx, "terminals", &[0x4b], 4, later).await?);
    assert_ne!(standing().await, TerminalStatus::Held);
    let claim = ask(&NEWER, 8, later).await;
    assert!(matches!(claim, Claim::TakenBack(_)), "{claim:?}");
}

async fn a_hold_and_its_end_stand_in_the_history_of_the_terminal_once(databases: Databases) {
    let store = &databases.one;
    certify_key(store, &[0x4b, 1], &[1; 32]).await;
    certify_key(store, &[0x4b, 2], &[2; 32]).await;
    let (held, released) = (NOW + Duration::MINUTE, NOW + Duration::HOUR);
    let standing = async || {
        let mut reader = databases.two.read();
        let found = terminal::find(&mut reader, TERMINAL).await.unwrap().unwrap();
        let listed = terminal::list(&mut reader, FACILITY, 0, 10).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&found));
        let events = terminal::events(&mut reader, TERMINAL, 2).await.unwrap();
        let events: Vec<_> = events.into_iter().map(|event| (event.kind, event.at)).collect();
        (found.status, events)
    };
    let (before, _) = standing().await;
    let scope = Scope::Terminal(TERMINAL);
    change!(store, |tx| revocation::carry_out(tx, scope, Act::hold(held)).await?);
    let (status, events) = standing().await;
    assert_eq!((status, events[0].clone()), (TerminalStatus::Held, ("held".to_owned(), held)));
    assert_ne!(events[1].0, "held", "one decision about two certificates: {events:?}");
    change!(store, |tx| revocation::carry_out(tx, scope, Act::release(released)).await?);
    let (status, events) = standing().await;
    assert_eq!(status, before);
    let expected = [("released".to_owned(), released), ("held".to_owned(), held)];
    assert_eq!(events, expected);
}

async fn standing(databases: &Databases) -> TerminalStatus {
    terminal::find(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap().status
}

async fn kinds(databases: &Databases) -> Vec<String> {
    let events = terminal::events(&mut databases.two.read(), TERMINAL, 20).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

async fn a_terminal_is_on_hold_whatever_certificates_it_has(databases: Databases) {
    let store = &databases.one;
    let stands = async || terminal_hold::stands(&mut databases.two.read(), TERMINAL).await.unwrap();
    let attempt =
        Attempt { terminal_id: TERMINAL, code_hash: &CODE, spki_sha256: &[9; 32], at: NOW };
    let unused = async || {
        enrolment_code::unused(&mut databases.two.read(), attempt).await.unwrap().is_some()
    };
    assert!(!change!(store, |tx| terminal_hold::end(tx, TERMINAL, "", NOW).await?));
    assert!(unused().await && !stands().await);
    let begin = async |at| change!(store, |tx| terminal_hold::begin(tx, TERMINAL, "", at).await?);
    assert!(begin(NOW).await);
    assert!(!begin(NOW).await);
    assert!(!unused().await && stands().await);
    assert_eq!(standing(&databases).await, TerminalStatus::Held);
    let refused = Claim::Refused(enrolment_code::CodeRefusal::TerminalHeld);
    assert_eq!(bring(store.clone(), [9; 32]).await, refused);
    // Released by a process whose clock is behind.
    let behind = NOW - Duration::MINUTE;
    assert!(change!(&databases.two, |tx| terminal_hold::end(tx, TERMINAL, "", behind).await?));
    assert_eq!(standing(&databases).await, TerminalStatus::Created);
    assert!(unused().await && !stands().await);
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Won(_)));

    // With a certificate: one line of history a decision, and the connection is refused.
    certify(store, &[0x4b]).await;
    let (held, released) = (NOW + Duration::HOUR, NOW + Duration::DAY);
    assert!(begin(held).await);
    let connection = async || {
        let mut reader = databases.two.read();
        let found = facility_connection::find(&mut reader, &[7; 32]).await.unwrap().unwrap();
        (found.certificate_revoked, found.certificate_on_hold)
    };
    assert_eq!(connection().await, (true, true), "whatever its certificate says");
    let carry_out =
        async |scope, act| change!(store, |tx| revocation::carry_out(tx, scope, act).await?).len();
    assert_eq!(carry_out(Scope::Terminal(TERMINAL), Act::hold(held)).await, 1);
    let certificate = Scope::Certificate { issuer_id: "terminals", serial: &[0x4b] };
    assert_eq!(carry_out(certificate, Act::release(released)).await, 0, "it is the terminal's");
    assert!(change!(store, |tx| terminal_hold::end(tx, TERMINAL, "", released).await?));
    assert_eq!(carry_out(Scope::Terminal(TERMINAL), Act::release(released)).await, 1);
    assert_eq!(connection().await, (false, false));
    let history = ["released", "held", "released", "held", "created"];
    assert_eq!(kinds(&databases).await, history);
}

async fn of_many_holds_at_once_one_counts(databases: Databases) {
    let outcomes = race(&databases, |_, store| async move {
        change!(store, |tx| terminal_hold::begin(tx, TERMINAL, "", NOW).await?)
    })
    .await;
    assert_eq!(outcomes.iter().filter(|begun| **begun).count(), 1);
}

async fn a_terminal_stands_as_its_current_certificate_does(databases: Databases) {
    let store = &databases.one;
    let act = async |serial: u8, act| {
        let scope = Scope::Certificate { issuer_id: "terminals", serial: &[0x4b, serial] };
        change!(store, |tx| revocation::carry_out(tx, scope, act).await?);
    };
    let enrolled = async |at| {
        change!(store, |tx| terminal::note_certificate(tx, TERMINAL, false, at).await?);
    };
    certify_key(store, &[0x4b, 1], &[1; 32]).await;
    enrolled(NOW).await;
    certify_key(store, &[0x4b, 2], &[2; 32]).await;
    // The older one yields to that of a new enrolment; the history tells both.
    let at = |minutes| NOW + Duration::minutes(minutes);
    enrolled(at(1)).await;
    act(1, Act::revoke(4, at(1))).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    certify_key(store, &[0x4b, 3], &[3; 32]).await;
    act(2, Act::hold(at(2))).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled, "it has a newer one");
    act(3, Act::hold(at(3))).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Held);
    act(3, Act::release(at(4))).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    act(3, Act::revoke(1, at(5))).await;
    assert_eq!(standing(&databases).await, TerminalStatus::CertificateRevoked);
    assert!(matches!(bring(store.clone(), [9; 32]).await, Claim::Won(_)), "it may enrol anew");
    let history = [
        "certificate_revoked",
        "certificate_released",
        "certificate_held",
        "certificate_held",
        "certificate_superseded",
        "enrolled",
        "enrolled",
        "created",
    ];
    assert_eq!(kinds(&databases).await, history);
    certify_key(store, &[0x4b, 4], &[4; 32]).await;
    assert_eq!(standing(&databases).await, TerminalStatus::Enrolled);
    change!(store, |tx| revocation::revoke_issuer(tx, "terminals", 2, at(6)).await?);
    assert_eq!(standing(&databases).await, TerminalStatus::CertificateRevoked);
}

async fn a_misused_code_stands_at_its_terminal_and_a_withdrawn_one_claims_nothing(
    databases: Databases,
) {
    let store = &databases.one;
    change!(store, |tx| {
        terminal::note_misused_code(tx, TERMINAL, NOW).await?;
        enrolment_code::withdraw(tx, TERMINAL, NOW).await?
    });
    let found = terminal::find(&mut databases.two.read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(found.code_misused_at, Some(NOW));
    let claim = bring(databases.two.clone(), [9; 32]).await;
    assert_eq!(claim, Claim::Refused(enrolment_code::CodeRefusal::Withdrawn));
}

async fn what_a_ceremony_signed_is_entered_once_with_all_its_steps(databases: Databases) {
    let serial = Serial::from_octets(&[0x4b, 7]).unwrap();
    let issued = IssuedCertificate {
        issuer_id: "terminals".to_owned(),
        serial: serial.clone(),
        profile: "issuing".to_owned(),
        subscriber: Subscriber::default(),
        der: vec![0x30],
        fingerprint: [8; 32],
        public_key_sha256: [8; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        issued_at: NOW,
    };
    let intention = record::Intention {
        issuer_id: "terminals".to_owned(),
        serial,
        profile: "issuing".to_owned(),
        subscriber: Subscriber::default(),
        tbs_der: vec![0x30],
        at: NOW,
    };
    let later = NOW + Duration::HOUR;
    let enter = async |store: &Store| {
        transaction!(store, StoreError, |tx| {
            let entries = issuing::enter(tx, &intention, &issued).await?;
            let own = issuer::add(tx, "terminals-2", &[0x30], later, Actor::System, NOW).await?;
            Ok(entries.into_iter().fold(Audited::new((), own), Audited::and))
        })
    };
    enter(&databases.one).await.unwrap();
    let mut reader = databases.two.read();
    let found = certificate::find_by_fingerprint(&mut reader, &[8; 32]).await.unwrap().unwrap();
    assert_eq!((found.profile.as_str(), found.terminal_id), ("issuing", None));
    assert!(certificate::unfinished(&mut reader, NOW + Duration::DAY).await.unwrap().is_empty());
    let added = issuer::find(&mut reader, "terminals-2").await.unwrap().unwrap();
    assert_eq!((added.created_at, added.active_from), (NOW, later));
    assert!(matches!(enter(&databases.two).await, Err(StoreError::AlreadyExists { .. })));
}
