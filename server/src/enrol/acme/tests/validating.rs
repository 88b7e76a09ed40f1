//! Whether a host is who ordered: by http-01 and tls-alpn-01, against servers that answer well and badly.

use std::{net::SocketAddr, process::Command, sync::Arc};

use http::StatusCode;
use rustls::{
    ServerConfig,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    client::Client,
    scene::{HOST, Page, SECOND_HOST, Scene},
};

/// What came of a challenge: the problem and its words.
async fn fault(client: &Client<'_>, challenge: &Value) -> (String, String) {
    let tried = client.post(challenge["url"].as_str().unwrap(), &json!({})).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.json());
    let tried = tried.json();
    assert_eq!(tried["status"], "invalid");
    let kind = tried["error"]["type"].as_str().unwrap();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap().to_owned();
    (kind, tried["error"]["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_not_the_answer_proves_nothing() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    for (page, kind, says) in [
        (None, "unauthorized", "answered 404"),
        (Some(Page::Text("something else".to_owned())), "unauthorized", "something else"),
        (Some(Page::Text(String::new())), "unauthorized", "something else"),
        (Some(Page::Text("x".repeat(100_000))), "unauthorized", "too long"),
        (Some(Page::Status(StatusCode::INTERNAL_SERVER_ERROR)), "unauthorized", "answered 500"),
        (
            Some(Page::MovedTo("/.well-known/acme-challenge/elsewhere".to_owned())),
            "unauthorized",
            "not followed",
        ),
    ] {
        let begun = client.order(&[HOST]).await;
        let challenge = client.challenge(&begun.json(), "http-01").await;
        let token = challenge["token"].as_str().unwrap();
        scene.web.put("elsewhere", Page::Text(client.key_authorization(&challenge)));
        if let Some(page) = page {
            scene.web.put(token, page);
        }
        let (found, detail) = fault(&client, &challenge).await;
        assert_eq!(found, kind, "{detail}");
        assert!(detail.contains(says), "{detail}");
        let order = client.fetch(&begun.location()).await.json();
        assert_eq!(order["status"], "invalid");
        assert_eq!(order["error"]["detail"], detail);
        // It counted: the right answer comes too late.
        scene.web.put(token, Page::Text(client.key_authorization(&challenge)));
        let again = client.post(challenge["url"].as_str().unwrap(), &json!({})).await.json();
        assert_eq!(again["status"], "invalid");
    }
    assert!(!scene.web.asked().contains(&"elsewhere".to_owned()));
    assert_eq!(scene.trail("acme.validate").await, ["acme.validate refused"; 6]);
}

#[tokio::test]
async fn the_answer_of_another_account_or_token_is_none() {
    let scene = Scene::new().await;
    let (client, other) = (scene.client().await, scene.client().await);
    let orders = [client.order(&[HOST]).await.json(), client.order(&[HOST]).await.json()];
    let one = client.challenge(&orders[0], "http-01").await;
    let two = client.challenge(&orders[1], "http-01").await;
    scene.web.put(one["token"].as_str().unwrap(), Page::Text(other.key_authorization(&one)));
    assert_eq!(fault(&client, &one).await.0, "unauthorized");
    scene.web.put(two["token"].as_str().unwrap(), Page::Text(client.key_authorization(&one)));
    assert_eq!(fault(&client, &two).await.0, "unauthorized");
}

#[tokio::test]
async fn nothing_is_asked_before_the_client_says_so_and_a_line_break_does_no_harm() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let order = client.order(&[SECOND_HOST]).await.json();
    let challenge = client.challenge(&order, "http-01").await;
    assert_eq!(challenge["status"], "pending");
    assert_eq!(client.fetch(challenge["url"].as_str().unwrap()).await.json()["status"], "pending");
    assert!(scene.web.asked().is_empty());
    let answer = format!("{}\r\n", client.key_authorization(&challenge));
    scene.web.put(challenge["token"].as_str().unwrap(), Page::Text(answer));
    let tried = client.post(challenge["url"].as_str().unwrap(), &json!({})).await.json();
    assert_eq!(tried["status"], "valid");
    let authorization = client.fetch(order["authorizations"][0].as_str().unwrap()).await.json();
    assert_eq!(authorization["status"], "valid");
    assert_eq!(authorization["challenges"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_that_is_not_there_or_stands_outside_is_told_of() {
    let scene = Scene::with(|settings| {
        settings.acme.http_port = 1;
        settings.acme.tls_port = 1;
    });
    let scene = scene.await;
    let client = scene.client().await;
    for kind in ["http-01", "tls-alpn-01"] {
        let challenge = client.challenge(&client.order(&[HOST]).await.json(), kind).await;
        let (found, detail) = fault(&client, &challenge).await;
        assert_eq!(found, "connection");
        assert!(detail.contains("connection refused"), "{detail}");
    }
    let outside =
        Scene::with(|settings| settings.acme.networks = vec!["10.0.0.0/8".to_owned()]).await;
    let client = outside.client().await;
    let challenge = client.challenge(&client.order(&[HOST]).await.json(), "http-01").await;
    let (found, detail) = fault(&client, &challenge).await;
    assert_eq!(found, "connection");
    assert!(detail.contains("acme.networks"), "{detail}");
    assert!(outside.web.asked().is_empty());
}

/// A server that shows this certificate over this protocol, once.
struct TlsServer {
    listener: TcpListener,
}

/// What is wrong with the certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoilt {
    Nothing,
    Protocol,
    Digest,
    Name,
    TwoNames,
    NotCritical,
    NoExtension,
}

impl TlsServer {
    async fn bind() -> Self {
        Self { listener: TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    async fn show(&self, key_authorization: &str, spoilt: Spoilt) {
        let config = config(key_authorization, spoilt);
        let (stream, _) = self.listener.accept().await.unwrap();
        // The client hangs up when it has seen the certificate, or at the missing protocol.
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    }
}

fn config(key_authorization: &str, spoilt: Spoilt) -> ServerConfig {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("crt.pem"));
    let answer = if spoilt == Spoilt::Digest { "another" } else { key_authorization };
    let digest: Vec<String> =
        Sha256::digest(answer).iter().map(|octet| format!("{octet:02x}")).collect();
    let name = if spoilt == Spoilt::Name { SECOND_HOST } else { HOST };
    let more =
        if spoilt == Spoilt::TwoNames { format!(",DNS:{SECOND_HOST}") } else { String::new() };
    let critical = if spoilt == Spoilt::NotCritical { "" } else { "critical," };
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=challenge", "-days", "1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(["-addext", &format!("subjectAltName=DNS:{name}{more}")]);
    if spoilt != Spoilt::NoExtension {
        let value = format!("1.3.6.1.5.5.7.1.31={critical}DER:04:20:{}", digest.join(":"));
        openssl.args(["-addext", &value]);
    }
    let made = openssl.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let signing = provider.key_provider.load_private_key(key).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, signing));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let protocol: &[u8] = if spoilt == Spoilt::Protocol { b"http/1.1" } else { b"acme-tls/1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

#[tokio::test]
async fn a_name_is_shown_by_a_certificate_of_its_own_and_by_no_other() {
    let server = TlsServer::bind().await;
    let port = server.port();
    let scene = Scene::with(|settings| settings.acme.tls_port = port).await;
    let client = scene.client().await;
    for (spoilt, kind, says) in [
        (Spoilt::Protocol, "tls", "handshake"),
        (Spoilt::Digest, "unauthorized", "digest"),
        (Spoilt::Name, "unauthorized", "this host alone"),
        (Spoilt::TwoNames, "unauthorized", "this host alone"),
        (Spoilt::NotCritical, "unauthorized", "not critical"),
        (Spoilt::NoExtension, "unauthorized", "no extension"),
    ] {
        let challenge = client.challenge(&client.order(&[HOST]).await.json(), "tls-alpn-01").await;
        let answer = client.key_authorization(&challenge);
        let ((), (found, detail)) =
            tokio::join!(server.show(&answer, spoilt), fault(&client, &challenge));
        assert_eq!(found, kind, "{spoilt:?}: {detail}");
        assert!(detail.contains(says), "{detail}");
    }
    let begun = client.order(&[HOST]).await;
    let challenge = client.challenge(&begun.json(), "tls-alpn-01").await;
    let answer = client.key_authorization(&challenge);
    let nothing = json!({});
    let ((), tried) = tokio::join!(
        server.show(&answer, Spoilt::Nothing),
        client.post(challenge["url"].as_str().unwrap(), &nothing)
    );
    assert_eq!(tried.json()["status"], "valid", "{}", tried.json());
    assert_eq!(client.fetch(&begun.location()).await.json()["status"], "ready");
}

#[tokio::test]
async fn a_host_that_the_service_gave_up_is_asked_no_more() {
    let scene = Scene::new().await;
    let client = scene.client().await;
    let challenge = client.challenge(&client.order(&[SECOND_HOST]).await.json(), "http-01").await;
    use sekisho_store::{
        StoreError,
        audit::{Actor, Audited, Entry},
        sql, transaction,
    };
    transaction!(scene.app().store(), StoreError, |tx| {
        let removed = sql("DELETE FROM service_redirect_uri WHERE uri LIKE $1");
        tx.execute(removed.bind(format!("%{SECOND_HOST}%"))).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, scene.app().now())))
    })
    .unwrap();
    let (kind, detail) = fault(&client, &challenge).await;
    assert_eq!(kind, "unauthorized");
    assert!(detail.contains("no longer registered"), "{detail}");
    assert!(scene.web.asked().is_empty());
}
