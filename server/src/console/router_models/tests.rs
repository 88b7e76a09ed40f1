//! The pages through the router of the public name, with real sessions.

use http::StatusCode;
use sekisho_store::{router_model, router_test::Proof};
use time::{Duration, OffsetDateTime};

use crate::{
    console::scene::{self, Answer, acts, form},
    people::role::Role,
    testing::{self, TestApp},
};

const FACILITY: &str = "123456789007";
const ELSEWHERE: &str = "234567890101";
/// Sessions: cookies have 43 characters.
const OURS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const KEEPER: &str = "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK";
const NOBODY: &str = "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN";
const LIST: &str = "/console/router-models";
const SHIPPED: &str = "/console/router-models-shipped";

const BENCH: &str = r#"format = "sekisho-router-tests"
version = 1
[[model]]
key = "a"
maker = "日本ルーター"
model = "<b>RTX</b>"
firmware = "10"
family = "router_yamaha_rtx"
doors = ["psk"]
[[model]]
key = "b"
maker = "strongSwan Project"
model = "strongSwan"
firmware = "5.9.8"
family = "router_strongswan"
doors = ["est", "scep", "psk"]
[[run]]
source = "bench"
tested_by = "検査 太郎"
tested_at = "2026-11-01T09:00:00+09:00"
judged = "packet"
note = "内密の備考"
results = [
    { opens = "a", awaits = "b", proof = "psk", succeeded = true },
    { opens = "a", awaits = "b", proof = "p256", succeeded = false, reason = "=cmd|' /C calc'!A0" },
]
"#;

/// A facility with an administrator, somebody who keeps the register, and nothing in it.
async fn instance() -> TestApp {
    peopled(testing::app().await).await
}

/// The same after the shipped results were seen, whenever that was.
async fn instance_at_present() -> TestApp {
    let test = testing::app().await;
    let present = OffsetDateTime::now_utc();
    test.clock.advance((present - test.app.now()).max(Duration::ZERO));
    peopled(test).await
}

async fn peopled(test: TestApp) -> TestApp {
    scene::facility(&test.app, FACILITY).await;
    let role = Role::FacilityAdministrator(FACILITY.to_owned());
    scene::signed_in(&test.app, "管理　花子", &[role], OURS).await;
    scene::signed_in(&test.app, "事業　次郎", &[Role::OperatingAdministrator], KEEPER).await;
    test
}

async fn get(test: &TestApp, path: &str, cookie: &str) -> Answer {
    scene::send(&test.app, "GET", path, cookie, "").await
}

async fn post(test: &TestApp, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    scene::send(&test.app, "POST", path, cookie, &form(fields)).await
}

async fn import(test: &TestApp, file: &str) -> Answer {
    post(test, LIST, KEEPER, &[("file", file)]).await
}

/// Identifier of the model of this name.
async fn model(test: &TestApp, name: &str) -> String {
    let all = router_model::all(&mut test.app.store().read(), 99).await.unwrap();
    all.into_iter().find(|model| model.is.model == name).unwrap().id
}

#[tokio::test]
async fn a_file_is_taken_in_once_and_given_out_again() {
    let test = instance_at_present().await;
    let shipped = post(&test, SHIPPED, KEEPER, &[]).await;
    assert_eq!(shipped.status, StatusCode::OK, "{}", shipped.text);
    assert!(shipped.text.contains("製品: 追加3件"), "{}", shipped.text);
    // As a browser sends it.
    let bench = import(&test, &BENCH.replace('\n', "\r\n")).await;
    assert!(bench.text.contains("製品: 追加1件、変更1件。試験結果: 追加2件"), "{}", bench.text);
    let file = get(&test, "/console/router-models-download", KEEPER).await.text;
    let again = import(&test, &file).await;
    assert!(again.text.contains("追加0件、変更0件。試験結果: 追加0件"), "{}", again.text);
    let acts = acts(&test.app).await;
    let imported = "router_model.import done operating_administrator";
    assert_eq!(acts.iter().filter(|act| *act == imported).count(), 3, "{acts:?}");
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_told_line_by_line_and_nothing_is_taken() {
    let test = instance().await;
    for (hostile, says) in [
        ("", "1行目: format"),
        ("<script>alert(1)</script>", "形式が合いません"),
        (
            &BENCH.replace("router_yamaha_rtx", "router_nobody") as &str,
            "8行目: family の「router_nobody」",
        ),
        (
            &BENCH.replace("awaits = \"b\", proof = \"psk\"", "awaits = \"z\", proof = \"psk\""),
            "24行目: awaits の「z」",
        ),
    ] {
        let refused = import(&test, hostile).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{hostile}");
        assert!(refused.text.contains(says), "{says}: {}", refused.text);
        assert!(!refused.text.contains("<script>alert"), "{}", refused.text);
    }
    assert_eq!(router_model::count(&mut test.app.store().read()).await.unwrap(), 0);
    import(&test, BENCH).await;
    let otherwise = BENCH.replace("succeeded = true", "succeeded = false, reason = \"x\"");
    let refused = import(&test, &otherwise).await;
    assert!(refused.text.contains("24行目: 同じ試験"), "{}", refused.text);
    let large = import(&test, &"#".repeat(70_000)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let acts = acts(&test.app).await;
    assert!(acts.iter().any(|act| act.ends_with("contradicts")), "{acts:?}");
}

#[tokio::test]
async fn nobody_but_the_operating_body_keeps_the_register() {
    let test = instance().await;
    import(&test, BENCH).await;
    let id = model(&test, "strongSwan").await;
    let certify = [("proof", "psk"), ("until", "2027-03-31"), ("reason", "試験に合格")];
    let withdraw = [("ended_proof", "psk"), ("ended_reason", "x"), ("sure", "yes")];
    for cookie in [OURS, NOBODY] {
        let paths = [format!("{LIST}/{id}/certify"), format!("{LIST}/{id}/withdraw")];
        let [one, two] = &paths;
        for (path, fields) in [(LIST, &[("file", BENCH)][..]), (one, &certify), (two, &withdraw)] {
            let refused = post(&test, path, cookie, fields).await;
            assert!(
                matches!(refused.status.as_u16(), 303 | 401 | 403),
                "{path}: {}",
                refused.status
            );
            assert!(!refused.location.contains("notice"), "{path}");
        }
        assert!(!get(&test, LIST, cookie).await.text.contains("import-title"));
    }
    assert_eq!(
        get(&test, "/console/router-models-download", OURS).await.status,
        StatusCode::FORBIDDEN
    );
    let page = get(&test, &format!("{LIST}/{id}"), KEEPER).await.text;
    assert!(page.contains("certify-title") && !page.contains("withdraw-title"), "{page}");
    assert!(!get(&test, &format!("{LIST}/{id}"), OURS).await.text.contains("certify-title"));
}

#[tokio::test]
async fn everybody_reads_what_names_no_person() {
    let test = instance().await;
    import(&test, BENCH).await;
    let id = model(&test, "<b>RTX</b>").await;
    let public = get(&test, &format!("/routers/{id}"), NOBODY).await;
    assert_eq!(public.status, StatusCode::OK);
    for part in [
        "日本ルーター",
        "&#60;b&#62;RTX&#60;/b&#62;",
        "=cmd|&#39; /C calc&#39;!A0",
        "実機の試験",
        "通信",
    ] {
        assert!(public.text.contains(part), "{part}: {}", public.text);
    }
    for private in ["検査 太郎", "内密の備考", "<b>RTX", "/console/router-models"] {
        assert!(!public.text.contains(private), "{private}: {}", public.text);
    }
    let signed_in = get(&test, &format!("{LIST}/{id}"), OURS).await.text;
    assert!(signed_in.contains("検査 太郎") && signed_in.contains("内密の備考"), "{signed_in}");
    let list = get(&test, "/routers?lang=en", NOBODY).await;
    assert!(list.text.contains("Routers tested and certified"), "{}", list.text);
    assert!(list.text.contains("0 of 1 succeeded") && list.text.contains("1 of 1 succeeded"));
    assert!(get(&test, "/", NOBODY).await.text.contains("href=\"/routers\""));
    assert_eq!(get(&test, "/routers/nobody", NOBODY).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_facility_finds_what_works_with_what_it_has() {
    let test = instance_at_present().await;
    import(&test, BENCH).await;
    post(&test, SHIPPED, KEEPER, &[]).await;
    let found = async |query: &str| {
        let page = get(&test, &format!("{LIST}?{query}"), OURS).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        let shown = ["&#60;b&#62;RTX", ">strongSwan 5", ">Libreswan 4", ">OpenIKED 7"];
        shown.map(|name| page.text.contains(name))
    };
    assert_eq!(found("").await, [true; 4]);
    assert_eq!(found("q=STRONGSWAN").await, [false, true, false, false]);
    assert_eq!(found("q=%E6%97%A5%E6%9C%AC").await, [true, false, false, false]);
    assert_eq!(found("q=%25").await, [false; 4]);
    assert_eq!(found("family=router_openiked").await, [false, false, false, true]);
    assert_eq!(found("with=router_strongswan").await, [true; 4]);
    assert_eq!(found("with=router_strongswan&proof=p256").await, [false, true, true, true]);
    assert_eq!(found("with=router_yamaha_rtx").await, [false, true, false, false]);
    assert_eq!(found("proof=hpki-like").await, [false; 4]);
    assert_eq!(found("certified=yes").await, [false; 4]);
    // There is no router yet, so that nothing is `mine`.
    for wrong in ["with=mine", "family=terminal", "proof=md5", "certified=no", "page=x", "x=1"] {
        let refused = get(&test, &format!("{LIST}?{wrong}"), OURS).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    enter(&test, "本館", "router_yamaha_rtx", "10.1.0.0/16").await;
    assert_eq!(found("with=mine").await, [false, true, false, false]);
    enter(&test, "別館", "router_strongswan", "10.2.0.0/16").await;
    assert_eq!(found("with=mine").await, [false, true, false, false]);
    assert_eq!(get(&test, "/routers?with=mine", OURS).await.status, StatusCode::BAD_REQUEST);
}

async fn enter(test: &TestApp, name: &str, family: &str, network: &str) {
    let fields = [("facility", FACILITY), ("name", name), ("family", family), ("network", network)];
    let made = post(test, "/console/routers", OURS, &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
}

#[tokio::test]
async fn a_certification_is_shown_to_everybody_until_it_is_over_or_withdrawn_with_its_reason() {
    let test = instance().await;
    import(&test, BENCH).await;
    let id = model(&test, "strongSwan").await;
    let path = format!("{LIST}/{id}");
    let public = async || get(&test, &format!("/routers/{id}"), NOBODY).await.text;
    assert!(public().await.contains("まだ認定されていません"));
    let certify = async |proof: &str, until: &str, reason: &str| {
        let fields = [("proof", proof), ("from", ""), ("until", until), ("reason", reason)];
        post(&test, &format!("{path}/certify"), KEEPER, &fields).await
    };
    for (proof, until, reason, field) in [
        ("p256", "2027-03-31", "試験", "proof"),
        ("md5", "2027-03-31", "試験", "proof"),
        ("hpki-like", "2027-03-31", "試験", "proof"),
        ("psk", "2020-03-31", "試験", "until"),
        ("psk", "2099-03-31", "試験", "until"),
        ("psk", "2027-13-31", "試験", "until"),
        ("psk", "2027-03-31", " ", "reason"),
    ] {
        let refused = certify(proof, until, reason).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{proof} {until}");
        assert!(refused.text.contains(&format!("id=\"{field}-error\"")), "{}", refused.text);
    }
    let done = certify("psk", "2027-03-31", "実機で通信を確認").await;
    assert_eq!(
        (done.status, done.location.as_str()),
        (StatusCode::SEE_OTHER, &*format!("{path}?notice=certified"))
    );
    let shown = public().await;
    assert!(
        shown.contains("2027年3月31日まで認定") && shown.contains("実機で通信を確認"),
        "{shown}"
    );
    let list = get(&test, "/routers?certified=yes&proof=psk", NOBODY).await.text;
    assert!(list.contains("認定: 事前共有鍵") && !list.contains("&#60;b"), "{list}");

    let withdraw = async |fields: &[(&str, &str)]| {
        post(&test, &format!("{path}/withdraw"), KEEPER, fields).await
    };
    let [proof, reason, sure] =
        [("ended_proof", "psk"), ("ended_reason", "新しい版で不具合"), ("sure", "yes")];
    for (fields, field) in [
        (&[proof, reason][..], "sure"),
        (&[proof, ("ended_reason", ""), sure], "ended_reason"),
        (&[("ended_proof", "p256"), reason, sure], "ended_proof"),
    ] {
        let refused = withdraw(fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(refused.text.contains(&format!("id=\"{field}-error\"")), "{}", refused.text);
    }
    assert_eq!(withdraw(&[proof, reason, sure]).await.status, StatusCode::SEE_OTHER);
    let shown = public().await;
    assert!(
        shown.contains("認定を取り消しました") && shown.contains("新しい版で不具合"),
        "{shown}"
    );
    assert!(shown.contains("以前の認定") && shown.contains("実機で通信を確認"), "{shown}");
    let list = get(&test, "/routers?certified=yes", NOBODY).await.text;
    assert!(list.contains("あてはまる製品がありません"), "{list}");
    let acts = acts(&test.app).await;
    for act in [
        "router_model.certify done operating_administrator",
        "router_model.withdraw done operating_administrator",
        "router_model.certify refused operating_administrator not_tested",
    ] {
        assert!(acts.iter().any(|found| found == act), "{act}: {acts:?}");
    }
}

#[tokio::test]
async fn a_later_failure_is_told_beside_the_certification() {
    let test = instance().await;
    import(&test, BENCH).await;
    let id = model(&test, "strongSwan").await;
    let fields = [("proof", "psk"), ("until", "2027-03-31"), ("reason", "試験に合格")];
    post(&test, &format!("{LIST}/{id}/certify"), KEEPER, &fields).await;
    let warns = async || {
        get(&test, &format!("/routers/{id}"), NOBODY).await.text.contains("認定のあとの試験")
    };
    assert!(!warns().await);
    let later = BENCH.replace("2026-11-01", "2026-11-02").replace(
        "proof = \"psk\", succeeded = true",
        "proof = \"psk\", succeeded = false, reason = \"timeout\"",
    );
    import(&test, &later).await;
    assert!(warns().await);
    let shown = get(&test, &format!("/routers/{id}"), NOBODY).await.text;
    assert!(shown.contains("以前の試験結果"), "{shown}");
    let mut reader = test.app.store().read();
    assert!(!sekisho_store::router_test::stood(&mut reader, &id, Proof::Psk).await.unwrap());
}

#[tokio::test]
async fn a_router_says_its_product_and_warns_when_that_is_not_certified() {
    let test = instance().await;
    import(&test, BENCH).await;
    scene::facility(&test.app, ELSEWHERE).await;
    let theirs = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
    let role = Role::FacilityAdministrator(ELSEWHERE.to_owned());
    scene::signed_in(&test.app, "他院　三郎", &[role], theirs).await;
    enter(&test, "本館", "router_strongswan", "10.1.0.0/16").await;
    let list = get(&test, "/console/routers", OURS).await.text;
    assert!(list.contains("未登録") && list.contains("href=\"/console/router-models\""), "{list}");
    let (_, rest) = list.split_once("href=\"/console/routers/").unwrap();
    let router = rest.split('/').next().unwrap();
    let path = format!("/console/routers/{router}/model");
    let (right, wrong) = (model(&test, "strongSwan").await, model(&test, "<b>RTX</b>").await);
    let page = get(&test, &path, OURS).await.text;
    assert!(page.contains(&right) && !page.contains(&wrong), "of its family alone: {page}");
    for hostile in [wrong.as_str(), "nobody", "<script>"] {
        let refused = post(&test, &path, OURS, &[("model", hostile)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{hostile}");
    }
    assert_eq!(
        post(&test, &path, theirs, &[("model", &right)]).await.status,
        StatusCode::NOT_FOUND
    );
    let chosen = post(&test, &path, OURS, &[("model", &right)]).await;
    assert_eq!(
        (chosen.status, chosen.location.as_str()),
        (StatusCode::SEE_OTHER, "/console/routers")
    );
    let row = async || get(&test, "/console/routers", OURS).await.text;
    assert!(row().await.contains("今日の時点で認定されていません"));
    let fields = [("proof", "psk"), ("until", "2027-03-31"), ("reason", "試験に合格")];
    post(&test, &format!("{LIST}/{right}/certify"), KEEPER, &fields).await;
    let certified = row().await;
    assert!(
        certified.contains("認定: 事前共有鍵") && !certified.contains("今日の時点で"),
        "{certified}"
    );
    assert_eq!(post(&test, &path, OURS, &[("model", "")]).await.status, StatusCode::SEE_OTHER);
    assert!(row().await.contains("未登録"));
    let acts = acts(&test.app).await;
    let noted = "router.choose_model done facility_administrator";
    assert_eq!(acts.iter().filter(|act| *act == noted).count(), 2, "{acts:?}");
}
