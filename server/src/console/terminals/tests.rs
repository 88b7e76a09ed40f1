//! The pages through the router of the public name, with real sessions.

mod approving;
mod replacing;
mod standing;

use http::StatusCode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate::{Intention, Signed},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy},
    revocation,
    terminal::{self, Terminal, TerminalStatus},
    transaction,
};
use sha2::{Digest, Sha256};
use time::Duration;

use crate::{
    config::Settings,
    console::scene::{self, Answer, acts},
    notice,
    outbox::{Deliverers, deliver_due},
    paper_code::PaperCode,
    people::role::Role,
    revocation::{Measure, Order, Target, carry_out},
    testing::{self, TestApp},
};

const FACILITY: &str = "123456789007";
const ELSEWHERE: &str = "234567890101";
/// Sessions of the administrator of each facility: cookies have 43 characters.
const OURS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const THEIRS: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

/// Runs one change in a transaction of its own.
macro_rules! change {
    ($test:expr, |$tx:ident| $body:expr) => {{
        let at = $test.app.now();
        transaction!($test.app.store(), StoreError, |$tx| {
            let value = $body;
            Ok(Audited::new(value, Entry::done("test", Actor::System, at)))
        })
        .unwrap()
    }};
}

/// Two active facilities, each with an administrator who is signed in.
async fn instance() -> TestApp {
    instance_with(Settings::default()).await
}

/// The same with this configuration.
async fn instance_with(settings: Settings) -> TestApp {
    let test = testing::app_with(settings).await;
    for (facility, cookie) in [(FACILITY, OURS), (ELSEWHERE, THEIRS)] {
        scene::facility(&test.app, facility).await;
        let role = Role::FacilityAdministrator(facility.to_owned());
        scene::signed_in(&test.app, "管理　花子", &[role], cookie).await;
    }
    test
}

async fn send(test: &TestApp, method: &str, path: &str, cookie: &str, form: &str) -> Answer {
    scene::send(&test.app, method, path, cookie, form).await
}

async fn terminals(test: &TestApp) -> Vec<Terminal> {
    terminal::list(&mut test.app.store().read(), FACILITY, 0, 100).await.unwrap()
}

fn form(name: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("facility", FACILITY)
        .append_pair("name", name)
        .finish()
}

/// Creates a terminal through the page; answers it and its code as the page shows it.
async fn created(test: &TestApp, name: &str) -> (Terminal, PaperCode) {
    let answer = send(test, "POST", "/console/terminals", OURS, &form(name)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let terminal = terminals(test).await.pop().unwrap();
    (terminal, code_of(&answer.text))
}

fn code_of(page: &str) -> PaperCode {
    let (_, rest) = page.split_once("--code ").unwrap();
    PaperCode::parse(rest.split([' ', '<']).next().unwrap()).unwrap()
}

/// Whether the code claims its terminal for a key of ours.
async fn claims(test: &TestApp, terminal: &Terminal, code: &PaperCode) -> Claim {
    let attempt = Attempt {
        terminal_id: &terminal.id,
        code_hash: &code.hash(),
        spki_sha256: &[9; 32],
        at: test.app.now(),
    };
    let policy =
        ClaimPolicy { same_key_grace: Duration::minutes(15), issuance_limit: Duration::SECOND };
    change!(test, |tx| enrolment_code::claim(tx, attempt, policy).await?)
}

#[tokio::test]
async fn a_new_terminal_gets_one_line_with_a_code_that_works() {
    let test = instance().await;
    let empty = send(&test, "GET", "/console/terminals", OURS, "").await;
    assert_eq!(empty.status, StatusCode::OK);
    let answer = send(&test, "POST", "/console/terminals", OURS, &form("外来1号機")).await;
    let terminal = terminals(&test).await.pop().unwrap();
    assert_eq!((terminal.name.as_str(), terminal.status), ("外来1号機", TerminalStatus::Created));
    let root = hex::encode(Sha256::digest(test.app.authority().root_der(test.app.now())));
    let line = format!(
        "sekisho-agent enroll --server {} --root {root} --terminal {} --code ",
        test.app.names().enrol,
        terminal.id
    );
    assert!(answer.text.contains(&line), "{}", answer.text);
    assert!(answer.text.contains("<svg"));
    assert!(matches!(claims(&test, &terminal, &code_of(&answer.text)).await, Claim::Won(_)));
    assert!(
        acts(&test.app).await.contains(&"terminal.create done facility_administrator".to_owned())
    );
    let list = send(&test, "GET", "/console/terminals?lang=en", OURS, "").await;
    assert!(list.text.contains("外来1号機") && list.text.contains(&terminal.id));
    // The code is shown once: no other page holds it.
    let shown = send(&test, "GET", &format!("/console/terminals/{}", terminal.id), OURS, "").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(!shown.text.contains("--code"));
}

#[tokio::test]
async fn a_name_that_does_not_fit_or_is_in_use_creates_nothing() {
    let test = instance().await;
    created(&test, "外来1号機").await;
    for (name, said) in [
        ("", "入力してください"),
        (" \u{3000}", "入力してください"),
        ("外来\u{202e}1号機", "目に見えない文字"),
        ("外来1号機", "すでに登録されています"),
        (" 外来1号機 ", "すでに登録されています"),
        ("外来１号機", "すでに登録されています"),
        (&"機".repeat(41), "40文字以内"),
    ] {
        let answer = send(&test, "POST", "/console/terminals?lang=ja", OURS, &form(name)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}: {}", answer.text);
        assert!(answer.text.contains(said), "{name:?}: {}", answer.text);
        let typed = format!(
            "name=\"name\" required maxlength=\"40\" autocomplete=\"off\" value=\"{name}\""
        );
        assert!(answer.text.contains(&typed), "{name:?} is lost: {}", answer.text);
    }
    assert_eq!(terminals(&test).await.len(), 1);
    let acts = acts(&test.app).await;
    assert_eq!(acts.iter().filter(|act| act.ends_with("name_in_use")).count(), 3, "{acts:?}");
}

#[tokio::test]
async fn a_new_code_ends_the_old_one() {
    let test = instance().await;
    let (terminal, old) = created(&test, "外来1号機").await;
    let path = format!("/console/terminals/{}/code", terminal.id);
    let answer = send(&test, "POST", &path, OURS, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(matches!(claims(&test, &terminal, &old).await, Claim::Refused(_)));
    assert!(matches!(claims(&test, &terminal, &code_of(&answer.text)).await, Claim::Won(_)));
}

#[tokio::test]
async fn another_facilitys_terminal_does_not_exist_for_an_administrator() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    let path = format!("/console/terminals/{}", terminal.id);
    for (method, path, form) in [
        ("GET", path.clone(), ""),
        ("POST", format!("{path}/code"), ""),
        ("GET", format!("{path}/revoke"), ""),
        ("POST", format!("{path}/revoke"), "reason=lost&note="),
    ] {
        let answer = send(&test, method, &path, THEIRS, form).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    let answer = send(&test, "POST", "/console/terminals", THEIRS, &form("x")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let nobody = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC";
    let answer = send(&test, "POST", &format!("{path}/revoke"), nobody, "reason=lost&note=").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let all = terminals(&test).await;
    assert_eq!((all.len(), all[0].status), (1, TerminalStatus::Created));
}

/// Gives the terminal a certificate of this serial number.
async fn certify(test: &TestApp, terminal: &Terminal, serial: &[u8]) {
    let (at, store) = (test.app.now(), test.app.store());
    store.reserve_serial("terminals", serial, at).await.unwrap();
    let intention = Intention {
        issuer_id: "terminals",
        serial,
        profile: "terminal",
        tbs_der: &[0x30],
        organisation_id: Some(FACILITY),
        terminal_id: Some(&terminal.id),
    };
    store.record_intention(intention, at).await.unwrap();
    let signed = Signed {
        issuer_id: "terminals",
        serial,
        fingerprint: &Sha256::digest(serial).into(),
        spki_sha256: &Sha256::digest([serial, b"key"].concat()).into(),
        not_before: at,
        not_after: at + Duration::days(365),
        der: &[0x30],
    };
    store.record_certificate(signed, at).await.unwrap();
    change!(test, |tx| terminal::note_certificate(tx, &terminal.id, false, at).await?);
}

/// What the operator of the host decides about the terminal; its notices are delivered.
async fn operator(test: &TestApp, terminal: &Terminal, measure: Measure) {
    let order = Order {
        target: Target::Terminal(terminal.id.clone()),
        measure,
        invalidity_at: None,
        note: "内部の調査".to_owned(),
        actor: Actor::System,
        at: test.app.now(),
    };
    assert!(carry_out(test.app.store(), &order).await.unwrap().changed);
    let notices = Deliverers::new().with(notice::KIND, notice::deliver);
    deliver_due(&test.app, &notices).await.unwrap();
    test.clock.advance(Duration::MINUTE);
}

#[tokio::test]
async fn a_hold_reads_as_a_hold_and_gives_no_code_until_it_ends() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    certify(&test, &terminal, &[0x4b; 16]).await;
    let path = format!("/console/terminals/{}", terminal.id);
    let code = format!("{path}/code");
    let get = async |path: &str| {
        let answer = send(&test, "GET", &format!("{path}?lang=en"), OURS, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.text
    };
    let offered = format!("action=\"{code}\"");
    assert!(get(&path).await.contains(&offered));

    operator(&test, &terminal, Measure::Hold).await;
    let page = get(&path).await;
    for says in
        ["On hold</span></h1>", "On hold (since 21 November 2026, 18:00 JST)", "Put on hold"]
    {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert!(page.contains("operating body"), "{page}");
    for never in ["Revoked", "Enrolled<", &offered, "内部の調査"] {
        assert!(!page.contains(never), "{never}: {page}");
    }
    assert!(page.contains(&format!("{path}/revoke")), "it can still be revoked: {page}");
    assert!(get("/console/terminals").await.contains("On hold"));
    let before = enrolment_code::latest(&mut test.app.store().read(), &terminal.id).await.unwrap();
    let refused = send(&test, "POST", &format!("{code}?lang=en"), OURS, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("on hold") && refused.text.contains("operating body"));
    assert!(!refused.text.contains("--code"));
    let after = enrolment_code::latest(&mut test.app.store().read(), &terminal.id).await.unwrap();
    assert_eq!(before, after, "no code was made or withdrawn");
    let refused = "terminal.issue_code refused facility_administrator";
    assert!(acts(&test.app).await.iter().any(|act| act.starts_with(refused)));

    operator(&test, &terminal, Measure::Release).await;
    let page = get(&path).await;
    for says in ["Enrolled</span></h1>", "Put on hold", "Hold ended", &offered] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert!(!page.contains("On hold"), "{page}");
    assert_eq!(send(&test, "POST", &code, OURS, "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_facilitys_administrators_hear_what_the_operator_did_to_their_terminal() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    certify(&test, &terminal, &[0x4b; 16]).await;
    let lost = Measure::Revoke(RevocationReason::KeyCompromise);
    for (measure, japanese, english) in [
        (Measure::Hold, "「外来1号機」の利用が、事業主体により一時停止されました", "on hold"),
        (Measure::Release, "「外来1号機」の一時停止が解除されました", "has ended"),
        (lost, "「外来1号機」が、事業主体により失効されました", "has revoked terminal"),
    ] {
        operator(&test, &terminal, measure).await;
        let page = send(&test, "GET", "/console/notices?lang=ja", OURS, "").await;
        assert!(page.text.contains(japanese), "{}", page.text);
        assert!(page.text.contains(&format!("/console/terminals/{}", terminal.id)));
        assert!(!page.text.contains("内部の調査"), "the note is the operator's: {}", page.text);
        let page = send(&test, "GET", "/console/notices?lang=en", OURS, "").await;
        assert!(page.text.contains(english), "{}", page.text);
        let elsewhere = send(&test, "GET", "/console/notices?lang=ja", THEIRS, "").await;
        assert!(!elsewhere.text.contains("外来1号機"), "{}", elsewhere.text);
    }
}

#[tokio::test]
async fn revoking_takes_certificate_and_code_back_and_publishes_it() {
    let test = instance().await;
    let (terminal, code) = created(&test, "外来1号機").await;
    let (at, store, serial) = (test.app.now(), test.app.store(), [0x4b; 16]);
    certify(&test, &terminal, &serial).await;

    let path = format!("/console/terminals/{}/revoke", terminal.id);
    let confirm = send(&test, "GET", &path, OURS, "").await;
    assert_eq!(confirm.status, StatusCode::OK, "{}", confirm.text);
    for form in ["reason=holiday&note=", "reason=lost&note=x&force=1"] {
        let answer = send(&test, "POST", &path, OURS, form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}");
    }
    // What does not fit comes back, and nothing typed is lost.
    let long = "備".repeat(201);
    for (reason, note, field) in
        [("lost", "タク\u{202e}シー", "note"), ("lost", &long, "note"), ("", "タクシー", "reason")]
    {
        let body = scene::form(&[("reason", reason), ("note", note)]);
        let answer = send(&test, "POST", &path, OURS, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{note}: {}", answer.text);
        assert!(answer.text.contains(&format!("id=\"{field}-error\"")), "{}", answer.text);
        assert!(answer.text.contains(&format!("{note}</textarea>")), "{}", answer.text);
        assert_eq!(answer.text.contains("value=\"lost\" checked"), reason == "lost");
    }
    let answer = send(&test, "POST", &path, OURS, "reason=lost&note=taxi").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let shown = send(&test, "GET", &answer.location, OURS, "").await;
    assert!(shown.text.contains("紛失または盗難 — taxi"), "{}", shown.text);

    let status = revocation::status(&mut store.read(), "terminals", &serial).await.unwrap();
    assert_eq!(status, Some(revocation::Status::Revoked { reason: 1, at }));
    let list = sekisho_store::crl::latest(&mut store.read(), "terminals").await.unwrap().unwrap();
    assert!(list.der.windows(16).any(|window| window == serial), "the CRL lists the serial");
    assert!(matches!(claims(&test, &terminal, &code).await, Claim::Refused(_)));
    let again = send(&test, "POST", &path, OURS, "reason=lost&note=").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let path = format!("/console/terminals/{}/code", terminal.id);
    assert_eq!(send(&test, "POST", &path, OURS, "").await.status, StatusCode::CONFLICT);
    let acts = acts(&test.app).await;
    for act in ["terminal.revoke done", "terminal.revoke refused", "terminal.issue_code refused"] {
        let act = format!("{act} facility_administrator");
        assert!(acts.iter().any(|found| found.starts_with(&act)), "{act} in {acts:?}");
    }
}

#[tokio::test]
async fn the_history_says_why_also_without_a_note_and_what_a_new_enrolment_took_back() {
    let test = instance().await;
    let (terminal, _) = created(&test, "外来1号機").await;
    certify(&test, &terminal, &[0x4b; 16]).await;
    test.clock.advance(Duration::MINUTE);
    certify(&test, &terminal, &[0x4c; 16]).await;
    let path = format!("/console/terminals/{}", terminal.id);
    let history = async |lang: &str| {
        let page = send(&test, "GET", &format!("{path}?lang={lang}"), OURS, "").await;
        let (_, history) = page.text.split_once("<h2>履歴</h2>").unwrap_or_else(|| {
            page.text.split_once("<h2>History</h2>").unwrap_or_else(|| panic!("{}", page.text))
        });
        history.to_owned()
    };
    let at = test.app.now();
    change!(&test, |tx| {
        // As a new enrolment does (RFC 5280 §5.3.1: superseded).
        revocation::revoke(tx, "terminals", &[0x4b; 16], 4, at).await?
    });
    let line = "<td>前の証明書を失効</td><td>新しい証明書に置き換え</td>";
    assert!(history("ja").await.contains(line), "{}", history("ja").await);
    assert!(history("en").await.contains("<td>Replaced by a new certificate</td>"));

    // The only one that is left: there is none that took its place.
    test.clock.advance(Duration::MINUTE);
    let order = Order {
        target: Target::Certificate { issuer_id: "terminals".to_owned(), serial: vec![0x4c; 16] },
        measure: Measure::Revoke(RevocationReason::Superseded),
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: test.app.now(),
    };
    assert!(carry_out(test.app.store(), &order).await.unwrap().changed);
    let page = history("ja").await;
    assert!(page.contains("<td>証明書を失効</td><td>取り替えのため</td>"), "{page}");
    assert_eq!(page.matches("前の証明書を失効").count(), 1, "{page}");
    assert!(history("en").await.contains("<td>Certificate revoked</td><td>To be replaced</td>"));

    let revoke = format!("{path}/revoke");
    send(&test, "POST", &revoke, OURS, "reason=retired&note=").await;
    assert!(history("ja").await.contains("<td>失効</td><td>使用をやめた</td>"));

    let (other, _) = created(&test, "外来2号機").await;
    operator(&test, &other, Measure::Revoke(RevocationReason::KeyCompromise)).await;
    let page = send(&test, "GET", &format!("/console/terminals/{}", other.id), OURS, "").await;
    assert!(page.text.contains("<td>鍵の漏えいのおそれ</td>"), "{}", page.text);
    assert!(!page.text.contains("内部の調査"), "the note is the operator's: {}", page.text);
}
