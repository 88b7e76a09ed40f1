//! What is said in the console about personal data that leave the purpose of the facility.

use http::StatusCode;

use super::{
    ELSEWHERE, FACILITY, OPERATOR, registration,
    service::{approve, asked, seen, stored},
};
use crate::console::scene::{acts, form, send};

const RULES: &str = "[[rules]]\nid = \"physicians\"\nroles = [\"Medical Doctor\"]\n";
const SAID: [(&str, &str); 9] = [
    ("ground", "third_party"),
    ("items_ja", "資格"),
    ("items_en", "Licences"),
    ("users_ja", "学会"),
    ("users_en", "A society"),
    ("purpose_ja", "研修の案内"),
    ("purpose_en", "Invitations"),
    ("responsible_ja", "学会事務局"),
    ("responsible_en", "The society"),
];

#[tokio::test]
async fn an_owner_says_it_in_the_sandbox_and_the_operating_body_once_the_service_is_live() {
    let test = registration::owners().await;
    let app = &test.app;
    let service = asked(&test).await;
    let path = format!("{service}/personal-data");
    let before = seen(&test, &service).await;
    let said = send(app, "POST", &path, FACILITY, &form(&SAID)).await;
    assert_eq!(said.location, format!("{path}?notice=kept"), "{}", said.text);
    let page = send(app, "GET", &said.location, FACILITY, "").await;
    for shown in ["登録しました", "value=\"研修の案内\"", "value=\"third_party\" required checked"]
    {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(acts(app).await.iter().any(|act| act.starts_with("service.personal_data done")));
    // It is part of what is approved: whoever looked before has to look again.
    let shown = send(app, "GET", &service, OPERATOR, "").await;
    assert!(shown.text.contains("学会事務局"), "{}", shown.text);
    let now = seen(&test, &service).await;
    assert_ne!(before, now);
    assert_eq!(approve(&test, &service, RULES, &before).await.status, 409);
    assert_eq!(approve(&test, &service, RULES, &now).await.status, 303);

    let late = send(app, "POST", &path, FACILITY, &form(&[("ground", "none")])).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "{}", late.text);
    let page = send(app, "GET", &path, FACILITY, "").await;
    assert!(
        page.text.contains("事業主体の管理者だけ") && !page.text.contains("type=\"submit\">登録")
    );
    assert!(stored(&test, &service).await.personal_data.unwrap().contains("third_party"));
    let taken_back = send(app, "POST", &path, OPERATOR, &form(&[("ground", "none")])).await;
    assert_eq!(taken_back.status, StatusCode::SEE_OTHER, "{}", taken_back.text);
    assert_eq!(stored(&test, &service).await.personal_data, None);
    for (method, fields) in [("GET", String::new()), ("POST", form(&SAID))] {
        let hidden = send(app, method, &path, ELSEWHERE, &fields).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{}", hidden.text);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_said_at_its_field_and_keeps_nothing() {
    let test = registration::owners().await;
    let app = &test.app;
    let service = asked(&test).await;
    let path = format!("{service}/personal-data");
    let long = "長".repeat(501);
    for (field, value) in [
        ("ground", "none"),
        ("items_ja", ""),
        ("users_en", "  "),
        ("purpose_ja", "案内\u{200b}"),
        ("responsible_en", long.as_str()),
    ] {
        let mut fields = SAID;
        fields.iter_mut().filter(|(name, _)| *name == field).for_each(|(_, typed)| *typed = value);
        let refused = send(app, "POST", &path, FACILITY, &form(&fields)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(
            refused.text.contains(&format!("id=\"{field}-error\"")),
            "{field}: {}",
            refused.text
        );
        assert!(refused.text.contains("value=\"Invitations\""), "what was typed stays");
    }
    let unknown = send(app, "POST", &path, FACILITY, &form(&[("ground", "sold")])).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(stored(&test, &service).await.personal_data, None);
}
