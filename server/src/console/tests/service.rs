use http::StatusCode;

use super::{ELSEWHERE, FACILITY, OFFICER, OPERATOR, registration};
use crate::{
    console::{
        scene::{form, send, signed_in},
        service::path_of,
    },
    people::role::Role,
};

#[tokio::test]
async fn a_services_page_shows_its_configurations_to_its_owner_and_the_operating_body_only() {
    let test = registration::owners().await;
    let app = &test.app;
    let made = registration::made(app, &registration::filled()).await;
    let path = path_of(&made.client_id);
    for cookie in [FACILITY, OPERATOR] {
        let page = send(app, "GET", &path, cookie, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        for shown in [
            "<pre class=\"code\" id=\"ready-openid-client\">",
            "<pre class=\"code\" id=\"ready-spring\">",
            "https://referral.example/callback",
            "試験中（未承認）",
            &made.client_id,
        ] {
            assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
        }
        assert!(!page.text.contains(&made.secret), "the secret is shown again");
        assert!(!page.text.contains("ready-nginx"));
    }
    signed_in(app, "認定", &[Role::AccreditationOfficer], OFFICER).await;
    for cookie in [ELSEWHERE, OFFICER] {
        let hidden = send(app, "GET", &path, cookie, "").await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{}", hidden.text);
        assert!(!hidden.text.contains("紹介状"));
    }
    let nothing = send(app, "GET", &path_of("nobody"), OPERATOR, "").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_behind_a_proxy_is_registered_by_the_form_and_gets_the_proxys_lines() {
    let test = registration::owners().await;
    let app = &test.app;
    let mut fields = registration::filled();
    fields.push(("forward_auth", "yes"));
    let refused = send(app, "POST", "/console/services/new", FACILITY, &form(&fields)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("redirect_uris-error"), "{}", refused.text);
    fields.retain(|(name, _)| *name != "redirect_uris");
    fields.push(("redirect_uris", "https://referral.example/.sso/callback"));
    let made = registration::made(app, &fields).await;
    let page = send(app, "GET", &path_of(&made.client_id), FACILITY, "").await;
    assert!(page.text.contains("id=\"ready-nginx\""), "{}", page.text);
    assert!(!page.text.contains("ready-authlib"));
    fields.retain(|(name, _)| *name != "authentication");
    fields.push(("authentication", "none"));
    let refused = send(app, "POST", "/console/services/new", FACILITY, &form(&fields)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("authentication-error"), "{}", refused.text);
}
