//! What a service's file may say.

use sekisho_key::SystemRandomness;
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service, sql, transaction,
};

use super::scene::{PHYSICIANS, service_file};
use crate::{
    oidc::client::{self, Registry},
    testing::{self, TestApp},
};

async fn outcome(
    test: &TestApp,
    file: &str,
) -> Result<client::Registered, client::RegistrationError> {
    let app = &test.app;
    let registry = Registry {
        store: app.store(),
        config: app.config(),
        vocabulary: app.entitlements().vocabulary(),
        random: &SystemRandomness,
        now: app.now(),
    };
    client::register(&registry, file, Actor::System).await
}

#[tokio::test]
async fn a_service_is_registered_with_its_rules_and_its_secret_is_kept_as_a_hash() {
    let test = testing::app().await;
    let registered = outcome(&test, &service_file("referral", PHYSICIANS)).await.unwrap();
    assert!(registered.client_secret.is_some());
    let mut reader = test.app.store().read();
    let stored = service::find(&mut reader, "referral").await.unwrap().unwrap();
    assert_eq!(stored.sector, "referral.example");
    assert!(stored.secret_hash.is_some());
    assert_eq!(service::rules(&mut reader, "referral").await.unwrap().unwrap().0, 1);
    let again = outcome(&test, &service_file("referral", PHYSICIANS)).await;
    let error = again.unwrap_err();
    assert!(matches!(error, client::RegistrationError::InUse(_)));
    assert!(error.to_string().contains("in use"), "{error}");

    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(sql("UPDATE service SET withdrawn_at = $1").bind(now)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let again = outcome(&test, &service_file("referral", PHYSICIANS)).await;
    assert!(matches!(again, Err(client::RegistrationError::UsedBefore(_))));
}

#[tokio::test]
async fn a_file_with_a_fault_registers_nothing() {
    let test = testing::app().await;
    let good = service_file("referral", PHYSICIANS);
    for (from, to) in [
        ("id = \"referral\"", "id = \"Re ferral\""),
        ("\"openid\", ", ""),
        ("\"profile\"", "\"everything\""),
        ("client_secret_basic", "password"),
        ("client_secret_basic", "private_key_jwt"),
        ("scopes =", "surprise = 1\nscopes ="),
        ("https://referral.example/callback", "http://referral.example/callback"),
        ("https://referral.example/callback", "https://referral.example/callback#x"),
        ("https://referral.example/callback", "https://u:p@referral.example/callback"),
        ("https://referral.example/callback", "https://REFERRAL.example/callback"),
        ("https://referral.example/callback", "https://127.0.0.1/callback"),
        ("https://referral.example/callback", "https://[::1]/callback"),
        ("https://referral.example/callback", "https://x.localhost/callback"),
        ("https://referral.example/bye", "javascript:alert(1)"),
        ("\"Referral letters\"", "\"Referral\u{17b4} letters\""),
        ("\"Medical Doctor\"", "\"Wizard\""),
        ("\"hospital\"", "\"castle\""),
        (
            "\n[[rules]]",
            "\n[protocol]\nfrontchannel_logout_uri = \"https://elsewhere.example/x\"\n[[rules]]",
        ),
        // Its one address is where the proxy hands on to us.
        ("\n[[rules]]", "\n[protocol]\nforward_auth = true\n[[rules]]"),
        ("\"hc_role\", \"facility_id\"", "\"password\", \"facility_id\""),
    ] {
        let file = good.replace(from, to);
        assert_ne!(file, good, "{from}");
        assert!(outcome(&test, &file).await.is_err(), "{to}");
    }
    assert!(service::list(&mut test.app.store().read()).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_runs_a_service_is_in_the_register_or_the_file_is_refused_with_what_is_wrong() {
    let test = testing::app().await;
    let runs = testing::terminal(&test.app, 1).await.organisation_id;
    let file = |id: &str| {
        let file = service_file("referral", PHYSICIANS);
        format!("operated_by = \"{id}\"\n{file}")
    };
    let other = FacilityIdentifier::from_random(99).to_string();
    let wrong = (b'0'..=b'9').find(|digit| *digit != other.as_bytes()[11]).unwrap();
    let slip = format!("{}{}", &other[..11], char::from(wrong));
    for (id, told) in [
        (other.as_str(), format!("there is no organisation {other} in the register")),
        (&slip, "the check digit does not match".to_owned()),
        ("12345", "is twelve digits".to_owned()),
    ] {
        let error = outcome(&test, &file(id)).await.unwrap_err().to_string();
        assert!(error.starts_with("`operated_by`: ") && error.contains(&told), "{error}");
    }
    // Those whom rules and groups admit, likewise.
    let admitting = |id: &str| {
        let rules = PHYSICIANS.replacen("id = ", &format!("facilities = [\"{id}\"]\nid = "), 1);
        service_file("referral", &rules)
    };
    let grouping = |id: &str| format!("groups.east = [\"{id}\"]\n{}", file(&runs));
    for (id, told) in [
        (other.as_str(), format!("there is no organisation {other} in the register")),
        (&slip, "the check digit does not match".to_owned()),
    ] {
        for (key, file) in [("facilities", admitting(id)), ("groups", grouping(id))] {
            let error = outcome(&test, &file).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{key}`: ")) && error.contains(&told), "{error}");
        }
    }
    assert!(service::list(&mut test.app.store().read()).await.unwrap().is_empty());
    outcome(&test, &grouping(&runs)).await.unwrap();
    let stored = service::find(&mut test.app.store().read(), "referral").await.unwrap().unwrap();
    assert_eq!(stored.organisation_id, Some(runs));
}
