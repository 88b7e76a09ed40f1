//! The second door: a form by top-level navigation, an answer that goes home and nowhere else.

use std::time::Duration;

use sekisho_agent::door::exchange::Progress;
use sekisho_protocol::Sha256Digest;
use sekisho_protocol::answer::CardAnswer;
use sekisho_protocol::door::{ErrorCode, ExchangeState};
use sekisho_protocol::request::LoginRequest;
use sekisho_software_card::Layout;
use tokio::io::AsyncWriteExt;

use crate::world::{Answer, ORIGIN, World};

const PATH: &str = "/v1/card-login/navigate";
const FORM: &str = "application/x-www-form-urlencoded";

fn request(world: &World) -> LoginRequest {
    let return_address = Some(format!("{ORIGIN}/login/return?lang=en"));
    LoginRequest { return_address, ..world.request() }
}

fn body(world: &World, request: &LoginRequest) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("request", &world.sign(request))
        .finish()
}

async fn navigate(world: &World, request: &LoginRequest, dest: &str) -> Answer {
    let body = body(world, request);
    world.send(&[("Origin", ORIGIN)], PATH, FORM, "navigate", dest, &body).await
}

/// The value of a hidden field of the page.
fn field<'a>(page: &'a Answer, name: &str) -> Option<&'a str> {
    page.body.split(&format!(r#"name="{name}" value=""#)).nth(1)?.split('"').next()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_goes_home_and_nowhere_else() {
    let world = World::new(Layout::Observed).await;
    let request = request(&world);
    let page = navigate(&world, &request, "document").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let home = format!(r#"action="{ORIGIN}/login/return?lang=en""#);
    assert_eq!(page.body.matches("action=").count(), 1);
    assert!(page.body.contains(&home), "{}", page.body);
    assert!(page.head.contains(&format!("form-action {ORIGIN};")), "{}", page.head);
    assert!(page.head.contains("default-src 'none'"), "{}", page.head);
    // Else the portal could not tell this post from another site's.
    assert!(page.head.contains("referrer-policy: origin"), "{}", page.head);
    CardAnswer::parse(field(&page, "answer").unwrap()).unwrap();
    assert!(field(&page, "terminal_proof").is_some() && field(&page, "error").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_goes_home_by_its_name_with_the_tries_that_are_left() {
    let world = World::new(Layout::Observed).await;
    world.set_pin("0000");
    let page = navigate(&world, &request(&world), "document").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        (field(&page, "error"), field(&page, "tries_left")),
        (Some("pin_wrong"), Some("14"))
    );
    assert_eq!(field(&page, "answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_the_portal_that_cannot_begin_is_explained_in_words_and_leads_nowhere() {
    let world = World::new(Layout::Observed).await;
    let mut other = request(&world);
    other.facility.x5t_s256 = Sha256Digest::of(b"another terminal");
    let page = navigate(&world, &other, "document").await;
    assert_eq!(page.status, 409);
    assert!(page.body.contains("証明書が異なります") && page.body.contains("not this PC's"));
    assert!(!page.body.contains("<form") && !page.body.contains("<script"));

    let used = request(&world);
    assert_eq!(navigate(&world, &used, "document").await.status, 200);
    let again = navigate(&world, &used, "document").await;
    assert_eq!(again.status, 409);
    assert!(again.body.contains("used before"), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_goes_away_closes_the_window() {
    let world = World::new(Layout::Observed).await;
    world.pull();
    let mut seen = world.agent.watcher.seen();
    seen.wait_for(|seen| seen.ready && seen.cards.is_empty()).await.unwrap();
    let body = body(&world, &request(&world));
    let text = world.text(&[("Origin", ORIGIN)], PATH, FORM, "navigate", "document", &body);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let exchange = loop {
        let current = world.agent.exchange.lock().unwrap().clone();
        match current {
            Some(exchange) => break exchange,
            None => tokio::task::yield_now().await,
        }
    };
    let mut progress = exchange.progress();
    let waiting = Progress::State(ExchangeState::WaitingForCard);
    progress.wait_for(|now| *now == waiting).await.unwrap();
    drop(stream);
    let cancelled = Progress::Failed(ErrorCode::Cancelled.into());
    let ended = progress.wait_for(|now| *now == cancelled);
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
}
