//! Writing other rules: by forms and as a text, what is told at which field, and what alone is proposed.

use http::StatusCode;
use sekisho_store::rules_proposal;

use super::{
    FACILITY, OFFICER, OPERATOR,
    rules::{FIRST, NURSES, live},
};

#[tokio::test]
async fn rules_that_cannot_be_used_are_told_at_their_field_and_kept_nowhere() {
    let live = live().await;
    for (rules, told) in [
        ("[[rules", "この決まりは使えません"),
        ("# nobody", "決まりが1つもありません"),
        ("{\"rules\":", "この決まりは使えません"),
        ("[[rules]]\nid = \"a\"\nroles = [\"Wizard\"]", "「Wizard」は知られていません"),
        ("[[rules]]\nid = \"a\"\nkinds = [\"castle\"]", "「castle」は知られていません"),
        ("[[rules]]\nid = \"a\"\nprefectures = [\"48\"]", "「48」は知られていません"),
        ("[[rules]]\nid = \"a\"\ngroups = [\"none\"]", "「none」は知られていません"),
        ("[[rules]]\nid = \"a\"\nminimum_acr = \"x\"", "「x」は知られていません"),
        ("[[rules]]\nid = \"a\"\nrelease = [\"x\"]", "「x」は知られていません"),
        ("[[rules]]\nid = \"a\"\nrelease = [\"hc_role\"]", "scope hc_role"),
        ("[[rules]]\nid = \"a\"\nfacilities = [\"999999999998\"]", "999999999998"),
        ("[[rules]]\nid = \"a\"\nfacilities = [\"12 34\"]", "12 34"),
        ("[[rules]]\nid = \"a\"\nroles = []", "空です"),
        ("[[rules]]\nid = \"A b\"", "「A b」は使えません"),
        ("[[rules]]\nid = \"a\"\n[[rules]]\nid = \"a\"", "すでにあります"),
        (
            "[[rules]]\nid = \"a\"\npatients = true\nemergency = true",
            "患者には緊急時アクセスがありません",
        ),
        (
            "[[rules]]\nid = \"a\"\nhours = [{ from = \"09:00\", to = \"09:00\" }]",
            "09:00から09:00には時間がありません",
        ),
        // A vendor's, and asked to be a hospital: nobody.
        (
            "[[rules]]\nid = \"a\"\nkinds = [\"hospital\"]\nfacilities = [\"123456789007\"]",
            "誰も利用できません",
        ),
        (
            "[[rules]]\nid = \"a\"\ngroups = [\"g\"]\nfacilities = [\"123456789007\"]\n\
             [groups]\ng = [\"234567890101\"]",
            "誰も利用できません",
        ),
    ] {
        let again = live.write(FACILITY, rules).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{rules}: {}", again.text);
        assert!(again.text.contains(told), "{rules}: {told} is not in {}", again.text);
        assert!(again.text.contains("rules-error"), "{rules}");
    }
    let page = live.get(FACILITY, &live.path).await;
    assert!(!page.text.contains("書きかけ"), "{}", page.text);
    let many: String = (0..65).map(|n| format!("[[rules]]\nid = \"r{n}\"\n")).collect();
    let again = live.write(FACILITY, &many).await;
    assert!(again.text.contains("64件までに"), "{}", again.text);
    let enormous = format!("# {}", "x".repeat(70_000));
    assert_eq!(live.write(FACILITY, &enormous).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let json = r#"{"rules":[{"id":"a","roles":["General Nurse"]}]}"#;
    assert_eq!(live.write(FACILITY, json).await.status, StatusCode::SEE_OTHER, "JSON does as well");
}

#[tokio::test]
async fn a_form_for_one_rule_leads_to_the_same_draft_as_the_text() {
    let live = live().await;
    let path = format!("{}/draft", live.path);
    let form = live.get(FACILITY, &format!("{path}/rule?rule=physicians")).await;
    assert!(form.text.contains("value=\"Medical Doctor\" checked"), "{}", form.text);
    let altered = [
        ("base", "1"),
        ("was", "physicians"),
        ("id", "physicians"),
        ("roles", "Medical Doctor"),
        ("roles", "General Nurse"),
        ("kinds", "hospital"),
        ("prefectures", "13"),
        ("hours", "月・金 08:30-17:00\n土 09:00-12:00"),
        ("minimum_acr", "urn:oid:1.3.6.1.4.1.32473.3.2"),
        ("membership", "yes"),
        ("emergency", "yes"),
        ("release", "name"),
    ];
    let kept = live.post(FACILITY, &format!("{path}/rule"), &altered).await;
    assert_eq!((kept.status, &kept.location), (StatusCode::SEE_OTHER, &path), "{}", kept.text);
    let group = [("base", "1"), ("name", "east"), ("members", "123456789007 234567890101")];
    assert_eq!(
        live.post(FACILITY, &format!("{path}/group"), &group).await.status,
        StatusCode::SEE_OTHER
    );
    let added =
        [("base", "1"), ("id", "vendors"), ("groups", "east"), ("facilities", "123456789007")];
    let kept = live.post(FACILITY, &format!("{path}/rule"), &added).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    let text = live.get(FACILITY, &path).await.text;
    for shown in [
        "病院に限ります。",
        "東京都の施設に限ります。",
        "月・金 08:30～17:00、土 09:00～12:00",
        "緊急時アクセスでは",
        "グループeast（2施設）",
        "その施設の職員でなくてもかまいません。",
    ] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
    // A group is called otherwise, and the rule that names it goes along.
    let renamed = [("base", "1"), ("was", "east"), ("name", "kanto"), ("members", "123456789007")];
    assert_eq!(
        live.post(FACILITY, &format!("{path}/group"), &renamed).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(live.get(FACILITY, &path).await.text.contains("グループkanto（1施設）"));
    // One that a rule names does not go.
    let gone = [("base", "1"), ("was", "kanto"), ("name", "kanto"), ("members", "")];
    let refused = live.post(FACILITY, &format!("{path}/group"), &gone).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let removed =
        live.post(FACILITY, &format!("{path}/remove"), &[("base", "1"), ("rule", "vendors")]).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER);
    let proposed = live.propose_written(FACILITY, "x").await;
    assert_eq!(proposed.status, StatusCode::SEE_OTHER, "{}", proposed.text);
    let page = live.get(FACILITY, &live.path).await;
    assert!(!page.text.contains("書きかけ"), "proposed, it is a draft no longer");
}

#[tokio::test]
async fn what_does_not_fit_a_rule_is_told_at_its_field() {
    let live = live().await;
    let path = format!("{}/draft/rule", live.path);
    for (field, value, error) in [
        ("roles", "Wizard", "roles-error"),
        ("kinds", "castle", "kinds-error"),
        ("groups", "none", "groups-error"),
        ("prefectures", "48", "prefectures-error"),
        ("facilities", "999999999998", "facilities-error"),
        ("hours", "いつか", "hours-error"),
        ("hours", "mon 09:00-09:00", "hours-error"),
        ("minimum_acr", "strong", "minimum_acr-error"),
        ("release", "secrets", "release-error"),
        ("was", "", "id-error"),
    ] {
        let id = if field == "was" { "physicians" } else { "new" };
        let answer = live.post(FACILITY, &path, &[("base", "1"), ("id", id), (field, value)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.text);
        assert!(answer.text.contains(&format!("id=\"{error}\"")), "{field}: {}", answer.text);
    }
    let unknown =
        live.post(FACILITY, &path, &[("base", "1"), ("was", "nothing"), ("id", "x")]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(
        live.get(FACILITY, &format!("{path}?rule=nothing")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn only_what_was_shown_is_proposed_and_only_if_something_changes() {
    let live = live().await;
    let none = live.propose_written(FACILITY, "x").await;
    assert_eq!(none.status, StatusCode::CONFLICT, "nothing is written");
    live.write(FACILITY, NURSES).await;
    let seen = live.seen(FACILITY).await;
    live.write(FACILITY, &NURSES.replace("General Nurse", "Pharmacist")).await;
    let fields = [("reason", "x"), ("seen", seen.as_str())];
    let other = live.post(FACILITY, &format!("{}/propose", live.path), &fields).await;
    assert_eq!(other.status, StatusCode::CONFLICT, "another tab changed it");
    live.acts("service.rules.propose refused service_owner changed_since_shown").await;
    let empty = live.propose_written(FACILITY, " ").await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY, "a reason is asked for");
    live.write(FACILITY, FIRST).await;
    let json =
        serde_json::to_string(&toml::from_str::<sekisho_authz::Rules>(FIRST).unwrap()).unwrap();
    let same = crate::console::service::rules::change::fingerprint(&json);
    let fields = [("reason", "x"), ("seen", same.as_str())];
    let nothing = live.post(FACILITY, &format!("{}/propose", live.path), &fields).await;
    assert_eq!(nothing.status, StatusCode::CONFLICT);
    live.acts("service.rules.propose refused service_owner nothing_changed").await;
    live.post(
        FACILITY,
        &format!("{}/draft/remove", live.path),
        &[("base", "1"), ("rule", "physicians")],
    )
    .await;
    let nobody = live.propose_written(FACILITY, "x").await;
    assert_eq!(nobody.status, StatusCode::CONFLICT);
    live.acts("service.rules.propose refused service_owner no_rules").await;
    assert!(
        rules_proposal::open(&mut live.test.app.store().read(), &live.id).await.unwrap().is_empty()
    );
}

#[tokio::test]
async fn a_reason_is_text_and_nothing_else() {
    let live = live().await;
    live.write(FACILITY, NURSES).await;
    let proposed = live.propose_written(FACILITY, "<script>alert(1)</script>").await;
    for path in [proposed.location.as_str(), live.path.as_str()] {
        let page = live.get(OPERATOR, path).await;
        assert!(
            page.text.contains("alert(1)") && !page.text.contains("<script>alert"),
            "{}",
            page.text
        );
    }
}

#[tokio::test]
async fn what_is_sent_from_a_page_of_former_rules_takes_nothing_back_unseen() {
    let live = live().await;
    // The page is open at the first version; another one is published meanwhile.
    let other = live.propose(OFFICER, &NURSES.replace("General Nurse", "Pharmacist")).await;
    live.post(OPERATOR, &format!("{other}/approve"), &[]).await;
    let late = [("base", "1"), ("was", "physicians"), ("id", "physicians"), ("roles", "Dentist")];
    let path = format!("{}/draft", live.path);
    let kept = live.post(FACILITY, &format!("{path}/rule"), &late).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    let draft = live.get(FACILITY, &path).await.text;
    assert!(draft.contains("この案は第1版をもとに書かれました"), "{draft}");
    assert!(
        draft.contains("<del>資格が医師、薬剤師の人"),
        "what it would take back is shown: {draft}"
    );
    assert_eq!(live.propose_written(FACILITY, "x").await.status, StatusCode::CONFLICT);
    // Of two pages of one draft the one that was left behind changes nothing.
    let from = [("from", "own")];
    live.post(FACILITY, &format!("{path}/begin"), &from).await;
    let behind = live.post(FACILITY, &format!("{path}/rule"), &late).await;
    assert_eq!(behind.status, StatusCode::CONFLICT, "{}", behind.text);
    let never = [("base", "9"), ("rule", "physicians")];
    let refused = live.post(OPERATOR, &format!("{path}/remove"), &never).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}
