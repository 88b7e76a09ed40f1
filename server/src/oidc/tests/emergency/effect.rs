//! What it opens and for how long, and what tokens say of it.

use time::Duration;

use super::{GOOD, OFFER, OPTED_IN, Ward, further_login, path};
use crate::{
    emergency::upkeep,
    oidc::tests::scene::{Scene, payload},
};

#[tokio::test]
async fn it_opens_what_opted_in_and_every_token_of_it_says_so() {
    let ward = Ward::new().await;
    assert!(ward.portal().await.contains(OFFER));
    let refused = ward.authorize().await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains(OFFER), "{}", refused.body);
    assert!(refused.body.contains("北海道"), "{}", refused.body);
    let page = ward.scene.get("/emergency", true, &ward.scene.terminal).await;
    assert!(page.status == 200 && page.body.contains("name=\"reason\""), "{page:?}");

    let id = ward.begun().await;
    let portal = ward.portal().await;
    assert!(!portal.contains(OFFER) && portal.contains("action=\"/emergency/end\""), "{portal}");
    let tokens = ward.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let told = ward.scene.userinfo(access).await;
    for (whose, said) in [
        ("ID token", payload(tokens["id_token"].as_str().unwrap())),
        ("access token", payload(access)),
        ("userinfo", told.json()),
        ("introspection", ward.introspect(&tokens).await),
    ] {
        assert_eq!(said["break_glass"], true, "{whose}: {said}");
        assert_eq!(said["break_glass_id"], id.as_str(), "{whose}");
    }
    let id_token = payload(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["vouched_by"]["break_glass"], "login");
    let refreshed = ward.refresh(&tokens).await.json();
    let again = payload(refreshed["id_token"].as_str().unwrap());
    assert_eq!(again["break_glass_id"], id.as_str());

    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.begin done".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn what_it_was_begun_for_goes_on() {
    let ward = Ward::new().await;
    let refused = ward.authorize().await.body;
    let address = refused.split("href=\"").find(|rest| rest.starts_with("/emergency")).unwrap();
    let address = address.split('"').next().unwrap().replace("&#38;", "&");
    let page = ward.scene.get(&address, true, &ward.scene.terminal).await.body;
    let field = page.split("name=\"return_to\" value=\"").nth(1).unwrap();
    let resume = field.split('"').next().unwrap();
    let short =
        ward.scene.post("/emergency", &[GOOD[0], ("words", "x"), ("return_to", resume)]).await;
    assert!(short.status == 422 && short.body.contains(resume), "kept: {}", short.body);
    let begun = ward.scene.post("/emergency", &[GOOD[0], GOOD[1], ("return_to", resume)]).await;
    assert_eq!(begun.status, 303, "{begun:?}");
    let answer = ward.scene.get(resume, true, &ward.scene.terminal).await;
    let location = answer.location().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(location.host_str(), Some("far.example"), "{location}");
    assert!(location.query_pairs().any(|(name, _)| name == "code"), "{location}");
    // A login just for the request would count no more for one that was set aside meanwhile.
    let ward = Ward::new().await;
    let mut request = Scene::request_of("far", "https://far.example/callback");
    request.push(("max_age", "3600"));
    let refused = ward.scene.authorize(&request).await.body;
    assert!(refused.contains("href=\"/emergency\""), "{refused}");
    let elsewhere = "/emergency?return_to=https%3A%2F%2Fevil.example%2F";
    assert_eq!(ward.scene.get(elsewhere, true, &ward.scene.terminal).await.status, 400);
}

#[tokio::test]
async fn what_needs_no_emergency_is_never_marked_as_one() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.scene.token(&Scene::exchange(&ward.scene.code().await)).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    for said in [
        payload(tokens["id_token"].as_str().unwrap()),
        payload(access),
        ward.scene.userinfo(access).await.json(),
    ] {
        assert!(
            said.get("break_glass").is_none() && said.get("break_glass_id").is_none(),
            "{said}"
        );
        assert!(said["vouched_by"].get("break_glass").is_none(), "{said}");
    }
}

#[tokio::test]
async fn what_did_not_opt_in_stays_closed_and_nothing_is_offered_there() {
    for rules in [
        OPTED_IN.replace("emergency = true", "emergency = false"),
        OPTED_IN.replace("emergency = true", ""),
        // Who somebody is and what the service is meant for are not lifted (each condition: sekisho_authz).
        OPTED_IN.replace("Medical Doctor", "Pharmacist"),
        OPTED_IN.replace("hospital", "clinic"),
    ] {
        let ward = Ward::with(&rules).await;
        assert!(!ward.portal().await.contains(OFFER), "{rules}");
        let refused = ward.authorize().await;
        assert!(refused.status == 403 && !refused.body.contains(OFFER), "{rules}");
        ward.begun().await;
        assert!(!ward.is_open().await, "{rules}");
    }
}

#[tokio::test]
async fn hours_are_lifted_too() {
    // Two hours on a day that is not today: closed now, whenever the test runs.
    let ward = Ward::new().await;
    let today = ward.scene.test.app.now().to_offset(time::macros::offset!(+9));
    let other = (today + Duration::days(3)).weekday().to_string()[..3].to_lowercase();
    let hours = format!("hours = [{{ days = [\"{other}\"], from = \"09:00\", to = \"11:00\" }}]");
    let ward = Ward::with(&OPTED_IN.replace("prefectures = [\"01\"]", &hours)).await;
    let refused = ward.authorize().await;
    assert!(refused.status == 403 && refused.body.contains("09:00"), "{}", refused.body);
    ward.begun().await;
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn it_is_over_after_sixty_minutes_to_the_second_and_no_token_outlives_it() {
    let ward = Ward::new().await;
    ward.begun().await;
    let clock = &ward.scene.test.clock;
    let end = ward.scene.test.app.now().unix_timestamp() + 3_600;
    clock.advance(Duration::seconds(3_599));
    let tokens = ward.tokens().await;
    for token in ["id_token", "access_token"] {
        assert_eq!(payload(tokens[token].as_str().unwrap())["exp"], end, "{token}");
    }
    assert_eq!(tokens["expires_in"], 1);
    let unused = ward.code().await;
    clock.advance(Duration::SECOND);
    assert!(!ward.is_open().await);
    assert_eq!(ward.exchange(&unused).await.json()["error"], "invalid_grant");
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    assert_eq!(ward.scene.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert!(ward.portal().await.contains(OFFER), "another one would help");
    // The end is noted once, though nothing waited for that.
    for _ in 0..2 {
        upkeep::run(&ward.scene.test.app).await.unwrap();
    }
    let acts = ward.scene.acts().await;
    assert_eq!(acts.iter().filter(|act| *act == "emergency.end done").count(), 1, "{acts:?}");
    ward.begun().await;
    assert!(ward.is_open().await);
}

#[tokio::test]
async fn whoever_began_it_ends_it_and_what_it_gave_out_counts_no_more() {
    let ward = Ward::new().await;
    ward.begun().await;
    let (tokens, unused) = (ward.tokens().await, ward.code().await);
    let ended = ward.scene.post("/emergency/end", &[]).await;
    assert_eq!((ended.status.as_u16(), path(&ended)), (303, "/".to_owned()));
    assert!(!ward.is_open().await);
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(ward.exchange(&unused).await.json()["error"], "invalid_grant");
    assert_eq!(ward.refresh(&tokens).await.json()["error"], "invalid_grant");
    // Another one is another record: the old tokens stay dead.
    ward.begun().await;
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    // With none running nothing is to be ended.
    ward.scene.post("/emergency/end", &[]).await;
    ward.scene.post("/emergency/end", &[]).await;
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"emergency.end refused none_runs".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn it_ends_with_its_login_and_the_next_login_has_none() {
    let mut ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    let left = ward.scene.post("/logout", &[]).await;
    assert_eq!(left.status, 303, "{left:?}");
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    ward.scene.cookie = further_login(&ward, 9).await;
    assert!(!ward.is_open().await);
    upkeep::run(&ward.scene.test.app).await.unwrap();
    let noted = "SELECT COUNT(*) FROM emergency_access WHERE end_reason = 'session_ended'";
    assert_eq!(ward.scene.count(noted).await, 1);
}

#[tokio::test]
async fn nothing_is_open_while_the_session_is_locked_and_the_hour_goes_on() {
    let ward = Ward::new().await;
    ward.begun().await;
    let tokens = ward.tokens().await;
    ward.scene.change("UPDATE session SET locked_at = created_at").await;
    assert_eq!(ward.introspect(&tokens).await["active"], false);
    assert_eq!(path(&ward.begin().await), "/login");
    assert!(path(&ward.authorize().await).starts_with("/login"));
    ward.scene.change("UPDATE session SET locked_at = NULL").await;
    ward.scene.test.clock.advance(Duration::minutes(1));
    assert!(ward.is_open().await);
    assert_eq!(ward.records().await, 1);
}

#[tokio::test]
async fn a_code_that_names_another_record_is_worth_nothing() {
    let ward = Ward::new().await;
    let id = ward.begun().await;
    let code = ward.code().await;
    assert_eq!(ward.scene.count("SELECT COUNT(*) FROM emergency_access").await, 1);
    ward.scene
        .change(
            "UPDATE authorization_code SET claims = replace(claims,
                 (SELECT id FROM emergency_access), '0199f0a0-7d2e-7000-8000-000000000000')",
        )
        .await;
    assert_eq!(ward.exchange(&code).await.json()["error"], "invalid_grant", "not of {id}");
    let acts = ward.scene.acts().await;
    assert!(acts.contains(&"token.issue refused emergency_over".to_owned()), "{acts:?}");
}
