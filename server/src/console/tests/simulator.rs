//! The simulator: what it answers, to whom, and about whom not.

use http::StatusCode;

use super::{ELSEWHERE, FACILITY, OFFICER, OPERATOR, rules::live, rules_people::member};
use crate::{
    console::{
        scene::{acts, post_from_elsewhere, signed_in},
        simulator::PATH,
    },
    people::role::Role,
};

const OURS: &str = "123456789007";
const THEIRS: &str = "234567890101";
const MANAGER: &str = "manager-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const SHOW: &str = "/console/simulator/show";

#[tokio::test]
async fn an_administrator_finds_a_person_and_sees_what_opens_and_why_not() {
    let live = live().await;
    let app = &live.test.app;
    let doctor = member(app, OURS, "山田 太郎", &["Medical Doctor"]).await;
    let nurse = member(app, OURS, "山田 花子", &["General Nurse"]).await;
    let found = live.post(OPERATOR, PATH, &[("name", "山田")]).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    for id in [&doctor, &nurse] {
        assert!(found.text.contains(id.as_str()), "{}", found.text);
    }
    let shown = live.post(OPERATOR, SHOW, &[("person", &doctor), ("facility", OURS)]).await;
    assert!(shown.text.contains("1件のうち1件を利用できます"), "{}", shown.text);
    assert!(shown.text.contains("<code>physicians</code>") && shown.text.contains("医師"));
    // Neither another profession, nor a weaker login, nor another facility.
    let closed = live.post(OPERATOR, SHOW, &[("person", &nurse), ("facility", OURS)]).await;
    assert!(closed.text.contains("1件のうち0件"), "{}", closed.text);
    assert!(closed.text.contains("医師の方だけが使えます"), "{}", closed.text);
    let passkey =
        [("person", doctor.as_str()), ("facility", OURS), ("acr", "urn:oid:1.3.6.1.4.1.32473.3.2")];
    let weaker = live.post(OPERATOR, SHOW, &passkey).await;
    assert!(weaker.text.contains("ログインし直してください"), "{}", weaker.text);
    let password = [passkey[0], passkey[1], ("acr", "urn:oid:1.3.6.1.4.1.32473.3.1")];
    let without = live.post(OPERATOR, SHOW, &password).await;
    assert!(without.text.contains("認められる資格はありません"), "{}", without.text);
    let away = live.post(OPERATOR, SHOW, &[("person", &doctor), ("facility", THEIRS)]).await;
    assert!(away.text.contains("この施設の職員だけ"), "{}", away.text);
    let acts = acts(app).await;
    assert_eq!(acts.iter().filter(|act| *act == "service.rules.simulate done person").count(), 5);
    assert!(acts.iter().any(|act| act == "person.search done person"), "{acts:#?}");
}

#[tokio::test]
async fn a_facilitys_administrator_asks_about_its_members_alone() {
    let live = live().await;
    let app = &live.test.app;
    signed_in(app, "施設", &[Role::FacilityAdministrator(OURS.into())], MANAGER).await;
    let own = member(app, OURS, "山田 太郎", &["Medical Doctor"]).await;
    let other = member(app, THEIRS, "山田 次郎", &["Medical Doctor"]).await;
    let found = live.post(MANAGER, PATH, &[("name", "山田")]).await.text;
    assert!(found.contains(&own) && !found.contains(&other), "{found}");
    let shown = live.post(MANAGER, SHOW, &[("person", &own), ("facility", OURS)]).await;
    assert!(shown.text.contains("1件のうち1件"), "{}", shown.text);
    assert!(!shown.text.contains("/rules\"><code>"), "the rules are another's to see");
    // A person of another facility, one of nowhere, one's own elsewhere, nobody in particular: one answer.
    let mut answers = Vec::new();
    for (person, facility) in [
        (other.as_str(), THEIRS),
        (&other, OURS),
        ("0199f0a0-7d2e-7000-8000-000000000000", OURS),
        (&own, THEIRS),
        ("x", "y"),
    ] {
        let refused = live.post(MANAGER, SHOW, &[("person", person), ("facility", facility)]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
        assert!(!refused.text.contains("次郎"));
        answers.push(without_request(&refused.text));
    }
    answers.push(without_request(&live.post(MANAGER, SHOW, &[("facility", OURS)]).await.text));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

/// A page without the number of its request.
fn without_request(text: &str) -> String {
    text.lines().filter(|line| !line.contains("class=\"hint\"")).collect()
}

#[tokio::test]
async fn who_answers_for_services_asks_about_nobody_in_particular() {
    let live = live().await;
    let app = &live.test.app;
    let person = member(app, OURS, "山田 太郎", &["Medical Doctor"]).await;
    let page = live.get(FACILITY, PATH).await;
    assert!(!page.text.contains("search-title"), "{}", page.text);
    assert_eq!(live.post(FACILITY, PATH, &[("name", "山田")]).await.status, StatusCode::FORBIDDEN);
    let refused = live.post(FACILITY, SHOW, &[("person", &person), ("facility", OURS)]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let doctor = [("facility", THEIRS), ("roles", "Medical Doctor"), ("member", "yes")];
    let shown = live.post(FACILITY, SHOW, &doctor).await;
    assert!(shown.text.contains("1件のうち1件"), "{}", shown.text);
    let stranger = live.post(FACILITY, SHOW, &doctor[..2]).await;
    assert!(stranger.text.contains("この施設の職員だけ"), "{}", stranger.text);
    let others = live.post(ELSEWHERE, SHOW, &doctor).await;
    assert!(others.text.contains("0件のうち0件"), "services of others: {}", others.text);
}

#[tokio::test]
async fn what_does_not_fit_is_told_at_its_field() {
    let live = live().await;
    for (field, value, error) in [
        ("facility", "999999999998", "facility-error"),
        ("facility", "x", "facility-error"),
        ("roles", "Wizard", "roles-error"),
        ("acr", "strong", "acr-error"),
        ("at", "昨日", "at-error"),
    ] {
        let mut fields = vec![(field, value)];
        if field != "facility" {
            fields.push(("facility", OURS));
        }
        let answer = live.post(OPERATOR, SHOW, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.text);
        assert!(answer.text.contains(&format!("id=\"{error}\"")), "{field}: {}", answer.text);
    }
    signed_in(&live.test.app, "監査", &[Role::Auditor], MANAGER).await;
    for cookie in [MANAGER] {
        assert_eq!(live.get(cookie, PATH).await.status, StatusCode::FORBIDDEN);
        let refused = live.post(cookie, SHOW, &[("facility", OURS)]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    let foreign = post_from_elsewhere(&live.test.app, SHOW, OFFICER).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let nobody = live.post(OPERATOR, PATH, &[("name", "%")]).await;
    assert!(nobody.text.contains("見つかりませんでした"), "{}", nobody.text);
}
