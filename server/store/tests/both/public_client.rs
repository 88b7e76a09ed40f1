//! At which origins services without a secret lie.

use sekisho_store::{
    public_client,
    service::{self, AuthMethod, Service},
    sql,
};

use crate::{NOW, databases::Databases};

on_both! { prepared:
    a_service_without_a_secret_lies_at_the_origins_of_its_redirect_uris_only
}

fn named(id: &str, auth_method: AuthMethod) -> Service {
    Service {
        id: id.into(),
        organisation_id: None,
        name_ja: id.into(),
        name_en: id.into(),
        description_ja: id.into(),
        description_en: id.into(),
        home_url: format!("https://home.{id}.example/"),
        sector: format!("{id}.example"),
        auth_method,
        secret_hash: None,
        jwks: None,
        backchannel_logout_uri: None,
        metadata: "{}".into(),
        personal_data: None,
        scopes: vec!["openid".into()],
        redirect_uris: vec![format!("https://{id}.example:8443/callback")],
        logout_uris: vec![format!("https://bye.{id}.example/")],
        created_at: NOW,
        live_at: Some(NOW),
        withdrawn_at: None,
    }
}

async fn prepared(databases: Databases) -> Databases {
    change!(databases.one, |tx| {
        service::add(tx, &named("page", AuthMethod::None)).await?;
        service::add(tx, &named("server", AuthMethod::ClientSecretBasic)).await?;
    });
    databases
}

async fn a_service_without_a_secret_lies_at_the_origins_of_its_redirect_uris_only(
    databases: Databases,
) {
    let lies_at =
        async |origin| public_client::lies_at(&mut databases.two.read(), origin).await.unwrap();
    assert!(lies_at("https://page.example:8443").await);
    for other in [
        "https://page.example",
        "https://page.example:844",
        "https://page.example:84430",
        "http://page.example:8443",
        "https://PAGE.example:8443",
        "https://page.example:8443/callback",
        "https://bye.page.example",
        "https://home.page.example",
        "https://server.example:8443",
        "%",
        "",
        "null",
    ] {
        assert!(!lies_at(other).await, "{other:?}");
    }
    change!(databases.one, |tx| {
        tx.execute(sql("UPDATE service SET withdrawn_at = $1").bind(NOW)).await?;
    });
    assert!(!lies_at("https://page.example:8443").await, "it was withdrawn");
}
