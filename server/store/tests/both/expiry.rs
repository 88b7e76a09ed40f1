//! What is over is removed; what still counts stays.

use sekisho_store::{
    account, activation_code,
    attempt::{DelayPolicy, Subject},
    authorization_code::{self, Code},
    challenge::{self, Challenge, Consumption},
    enrolment_code::{self, Attempt, ClaimPolicy},
    expiry::Expiring,
    invitation::{self, Entered, Kind, NewInvitation},
    outbox,
    parked_request::{self, Parked},
    pushed_request::{self, Pushed},
    refresh_token::{self, RefreshToken},
    service::{self, AuthMethod, Service},
    session::{self, Realm, Session},
    token_grant::{self, Grant},
};
use time::{Duration, OffsetDateTime};

use crate::{
    FACILITY, NOW, TERMINAL,
    databases::Databases,
    letter,
    once::{ENROLMENT, LINK, person_id, prepared},
    race,
};

const END: OffsetDateTime = NOW.saturating_add(Duration::minutes(10));
/// The row that is over at [`END`] is removed with a `before` after it, not at it.
const AFTER: OffsetDateTime = END.saturating_add(Duration::SECOND);

on_both! { prepared:
    nonces_requests_and_assertions_go_when_they_are_over_and_not_before
    links_and_invitations_go_when_nobody_used_them_and_letters_stay
    a_used_enrolment_code_stays_and_tells_of_a_second_key
    codes_and_tokens_of_a_live_session_stay
    proofs_and_requests_sent_ahead_go_after_their_end
    counters_and_delivered_messages_go
    a_batch_is_bounded_and_many_at_once_remove_each_row_once
}

async fn forget(databases: &Databases, what: Expiring, before: OffsetDateTime) -> u64 {
    databases.one.forget_expired(what, before, 100).await.unwrap()
}

/// Nothing goes at the very end, everything just after it.
async fn goes_after_its_end(databases: &Databases, what: Expiring, rows: u64) {
    assert_eq!(forget(databases, what, END).await, 0, "{what:?}");
    assert_eq!(forget(databases, what, AFTER).await, rows, "{what:?}");
    assert_eq!(forget(databases, what, AFTER).await, 0, "{what:?}");
}

fn challenge(number: u8) -> Challenge {
    Challenge {
        session_hash: None,
        nonce_hash: [number; 32],
        browser_hash: [9; 32],
        terminal_fingerprint: [2; 32],
        page_thumbprint: "thumb".into(),
        request_jws: "a.b.c".into(),
        purpose: "login".into(),
        invitation_id: None,
        return_to: None,
        created_at: NOW,
        expires_at: END,
    }
}

async fn with_service(databases: &Databases) {
    let service = Service {
        id: "referral".into(),
        organisation_id: None,
        name_ja: "紹介".into(),
        name_en: "Referral".into(),
        description_ja: "d".into(),
        description_en: "d".into(),
        home_url: "https://referral.example/".into(),
        sector: "referral.example".into(),
        auth_method: AuthMethod::PrivateKeyJwt,
        secret_hash: None,
        jwks: Some("{\"keys\":[]}".into()),
        backchannel_logout_uri: None,
        metadata: "{}".into(),
        personal_data: None,
        scopes: vec!["openid".into()],
        redirect_uris: vec![],
        logout_uris: vec![],
        created_at: NOW,
        live_at: Some(NOW),
        withdrawn_at: None,
    };
    change!(databases.one, |tx| service::add(tx, &service).await?);
}

async fn nonces_requests_and_assertions_go_when_they_are_over_and_not_before(databases: Databases) {
    with_service(&databases).await;
    change!(databases.one, |tx| {
        challenge::remember(tx, &challenge(1)).await?;
        let parked = Parked { parameters: "{}".into(), created_at: NOW, login_since: NOW };
        parked_request::park(tx, &[3; 32], &[4; 32], &parked, END).await?;
        service::consume_assertion(tx, "referral", &[5; 32], END).await?;
    });
    // Consumed or not: until it is over, a second use is told from a stranger's.
    change!(databases.one, |tx| challenge::consume(tx, &[1; 32], NOW).await?);
    for what in [Expiring::LoginChallenges, Expiring::ParkedRequests, Expiring::ClientAssertions] {
        assert_eq!(forget(&databases, what, END).await, 0, "{what:?}");
    }
    let again = change!(databases.two, |tx| challenge::consume(tx, &[1; 32], NOW).await?);
    assert_eq!(again, Consumption::Replayed);
    let again = attempt!(databases.two, |tx| {
        service::consume_assertion(tx, "referral", &[5; 32], END).await?;
    });
    assert!(again.is_err());
    for what in [Expiring::LoginChallenges, Expiring::ParkedRequests, Expiring::ClientAssertions] {
        goes_after_its_end(&databases, what, 1).await;
    }
}

async fn links_and_invitations_go_when_nobody_used_them_and_letters_stay(databases: Databases) {
    let link_end = NOW + Duration::minutes(30);
    assert_eq!(forget(&databases, Expiring::OneTimeLinks, link_end).await, 0);
    let late = link_end + Duration::SECOND;
    assert_eq!(forget(&databases, Expiring::OneTimeLinks, late).await, 1);
    let gone = account::find_link(&mut databases.two.read(), &LINK, NOW).await.unwrap();
    assert_eq!(gone, None);

    let invite = |code_hash: &'static [u8; 32]| NewInvitation {
        organisation_id: FACILITY,
        kind: Kind::Card,
        code_hash,
        selector: "ABCD",
        name: "山田 太郎",
        name_kana: "ヤマダ タロウ",
        expected_role: "Medical Doctor",
        licence_number: None,
        created_by: "p",
        created_at: NOW,
        expires_at: END,
        tries: 5,
    };
    let redeemed = change!(databases.one, |tx| {
        invitation::create(tx, invite(&[7; 32])).await?;
        let id = invitation::create(tx, invite(&[8; 32])).await?;
        invitation::enter(tx, &[8; 32], "ABCD", FACILITY, &[9; 32], END, NOW).await?;
        let used = invitation::redeem(tx, &id, FACILITY, &[9; 32], "p", NOW).await?;
        assert!(used.is_some());
        activation_code::issue(tx, letter(FACILITY, &[1; 32], END), NOW).await?;
        id
    });
    goes_after_its_end(&databases, Expiring::Invitations, 1).await;
    // A letter stays: who made it is never forgotten.
    let letters = activation_code::list(&mut databases.two.read(), FACILITY, 9).await.unwrap();
    assert_eq!(letters.len(), 1);
    let entered = change!(databases.two, |tx| {
        invitation::enter(tx, &[8; 32], "ABCD", FACILITY, &[9; 32], END, NOW).await?
    });
    assert_eq!(entered, Entered::Redeemed { id: redeemed });
}

async fn a_used_enrolment_code_stays_and_tells_of_a_second_key(databases: Databases) {
    let late = NOW + Duration::days(60);
    let key =
        Attempt { terminal_id: TERMINAL, code_hash: &ENROLMENT, spki_sha256: &[7; 32], at: NOW };
    let policy =
        ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::SECOND };
    change!(databases.one, |tx| enrolment_code::claim(tx, key, policy).await?);
    assert_eq!(forget(&databases, Expiring::EnrolmentCodes, late).await, 0);
    let other = Attempt { spki_sha256: &[8; 32], ..key };
    let claim = change!(databases.two, |tx| enrolment_code::claim(tx, other, policy).await?);
    assert!(matches!(claim, enrolment_code::Claim::OtherKey { first: true, .. }), "{claim:?}");
    // An unused one goes.
    change!(databases.one, |tx| {
        let unused = enrolment_code::NewCode {
            code_hash: &[6; 32],
            terminal_id: TERMINAL,
            tries: 5,
            person_id: "p",
            created_at: NOW,
            expires_at: END,
            needs_approval: false,
        };
        enrolment_code::issue(tx, unused).await?;
    });
    goes_after_its_end(&databases, Expiring::EnrolmentCodes, 1).await;
}

async fn codes_and_tokens_of_a_live_session_stay(databases: Databases) {
    with_service(&databases).await;
    let person_id = person_id(&databases.one).await;
    change!(databases.one, |tx| {
        let session = Session {
            id_hash: [2; 32],
            realm: Realm::Console,
            person_id: person_id.clone(),
            at_terminal: None,
            hc_roles: vec![],
            acr: "a".into(),
            amr: vec![],
            auth_time: NOW,
            created_at: NOW,
            last_seen_at: NOW,
            expires_at: NOW + Duration::DAY,
            locked_at: None,
            ended: None,
        };
        session::open(tx, &session).await?;
        let code = Code {
            code_hash: [1; 32],
            service_id: "referral".into(),
            session_hash: [2; 32],
            redirect_uri: "https://referral.example/callback".into(),
            code_challenge: None,
            scope: "openid".into(),
            claims: "{}".into(),
            details: "{}".into(),
            created_at: NOW,
            expires_at: NOW + Duration::MINUTE,
            consumed_at: None,
        };
        authorization_code::add(tx, &code).await?;
        let grant = Grant {
            id: "g1".into(),
            service_id: "referral".into(),
            session_hash: [2; 32],
            code_hash: Some([1; 32]),
            scope: "openid".into(),
            claims: "{}".into(),
            details: "{}".into(),
            emergency_id: None,
            created_at: NOW,
        };
        token_grant::add(tx, &grant).await?;
        let token = RefreshToken {
            token_hash: [3; 32],
            grant_id: "g1".into(),
            issued_at: NOW,
            expires_at: END,
            used_at: None,
        };
        refresh_token::add(tx, &token).await?;
        token_grant::revoke_token(tx, "g1.t1", END).await?;
    });
    let live = forget(&databases, Expiring::AuthorizationCodes, AFTER).await;
    assert_eq!(live, 0, "a second use must still withdraw what the first produced");
    goes_after_its_end(&databases, Expiring::RevokedTokens, 1).await;
    change!(databases.one, |tx| session::end(tx, &[2; 32], "logout", END).await?);
    assert_eq!(forget(&databases, Expiring::TokenGrants, AFTER).await, 0, "it has a token");
    goes_after_its_end(&databases, Expiring::RefreshTokens, 1).await;
    goes_after_its_end(&databases, Expiring::AuthorizationCodes, 1).await;
    goes_after_its_end(&databases, Expiring::TokenGrants, 1).await;
}

async fn proofs_and_requests_sent_ahead_go_after_their_end(databases: Databases) {
    with_service(&databases).await;
    change!(databases.one, |tx| {
        let pushed = Pushed {
            id_hash: [1; 32],
            service_id: "referral".into(),
            parameters: "a=b".into(),
            details: "{}".into(),
            created_at: NOW,
            expires_at: END,
        };
        pushed_request::add(tx, &pushed).await?;
    });
    assert!(databases.two.accept_dpop_proof(&[1; 32], END).await.unwrap());
    goes_after_its_end(&databases, Expiring::PushedRequests, 1).await;
    goes_after_its_end(&databases, Expiring::DpopProofs, 1).await;
}

async fn counters_and_delivered_messages_go(databases: Databases) {
    let policy = DelayPolicy {
        free: 0,
        lock_after: 1,
        longest: Duration::minutes(10),
        forget_after: Duration::days(1),
        eases_every: None,
    };
    let subjects = [Subject { key: "account:x".into(), policy }];
    databases.one.charge_attempt(&subjects, NOW).await.unwrap().unwrap();
    assert_eq!(forget(&databases, Expiring::SignInFailures, END).await, 0, "it still rests");
    goes_after_its_end(&databases, Expiring::SignInFailures, 1).await;

    change!(databases.one, |tx| {
        outbox::put(tx, "notice", &1.into(), NOW).await?;
        outbox::put(tx, "notice", &2.into(), NOW).await?;
    });
    let claimed = databases.one.claim_outbox("notice", NOW, Duration::MINUTE, 1).await.unwrap();
    databases.one.outbox_delivered(&claimed[0].id, END).await.unwrap();
    goes_after_its_end(&databases, Expiring::Messages, 1).await;
    let waiting = databases.two.claim_outbox("notice", AFTER, Duration::MINUTE, 9).await.unwrap();
    assert_eq!(waiting.len(), 1, "what was not delivered stays");
}

async fn a_batch_is_bounded_and_many_at_once_remove_each_row_once(databases: Databases) {
    change!(databases.one, |tx| {
        for number in 0..50 {
            challenge::remember(tx, &challenge(number)).await?;
        }
    });
    let what = Expiring::LoginChallenges;
    assert_eq!(databases.one.forget_expired(what, AFTER, 10).await.unwrap(), 10);
    let removed =
        race(
            &databases,
            |_, store| async move { store.forget_expired(what, AFTER, 10).await.unwrap() },
        )
        .await;
    let left = forget(&databases, what, AFTER).await;
    assert_eq!(removed.into_iter().sum::<u64>() + left, 40);
}
