//! A terminal's code at both enrolment doors (RFC 7030 §4.2).

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{RequestBuilder, StatusCode};
use sekisho::demo::{
    browser::Browser,
    walk::{self, AccreditedFacility},
};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::encoding::{
    name::{Part, name},
    request::to_be_signed,
    signed_object::assemble,
};
use sekisho_store::{Queries, certificate, sql, terminal};

use crate::pair::{Pair, RACERS, at_once};

/// A terminal that waits for its certificate.
struct Waiting {
    terminal: String,
    code: String,
}

async fn create(facility: &AccreditedFacility, name: &str) -> Waiting {
    let (terminal, line) = walk::create_terminal(facility, name).await.unwrap();
    let mut words = line.split_whitespace().skip_while(|word| *word != "--code");
    Waiting { terminal, code: words.nth(1).unwrap().to_owned() }
}

fn certification_request(terminal: &str) -> String {
    let key = SoftwareKey::generate_p256().unwrap();
    let info = to_be_signed(&name(&[Part::CommonName(terminal)]).unwrap(), key.public_key_der());
    let info = info.unwrap();
    let signature = key.sign_now(&info).unwrap();
    STANDARD.encode(assemble(&info, key.algorithm().identifier(), &signature).unwrap())
}

fn simple_enroll(pair: &Pair, at: &Browser, waiting: &Waiting, body: &str) -> RequestBuilder {
    at.client()
        .post(format!("{}/.well-known/est/simpleenroll", pair.stage.origins.enrol))
        .basic_auth(&waiting.terminal, Some(&waiting.code))
        .header("Content-Type", "application/pkcs10")
        .header("Content-Transfer-Encoding", "base64")
        .body(body.to_owned())
}

async fn certificates(pair: &Pair, waiting: &Waiting) -> usize {
    certificate::of_terminal(&mut pair.store.read(), &waiting.terminal).await.unwrap().len()
}

pub async fn a_code_with_two_keys_gives_one_certificate_and_tells_the_administrator(
    pair: &Pair,
    facility: &AccreditedFacility,
) {
    let waiting = create(facility, "受付1").await;
    let both = pair.browser();
    let bodies = [0, 1].map(|_| certification_request(&waiting.terminal));
    // Each key comes to each process.
    let answers =
        at_once((0..RACERS).map(|number| {
            simple_enroll(pair, both.nth(number), &waiting, &bodies[number / 2 % 2])
        }))
        .await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let of_key = |key: usize| {
        answers.iter().enumerate().filter(move |(n, _)| n / 2 % 2 == key).map(|(_, answer)| answer)
    };
    let winner = (0..2)
        .find(|key| of_key(*key).any(|answer| answer.status == StatusCode::OK))
        .unwrap_or_else(|| panic!("{statuses:?}"));
    for answer in of_key(1 - winner) {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{statuses:?}");
        assert!(answer.body.contains("another key"), "{}", answer.body);
    }
    // The right key may be told to wait for what is under way; then it gets the one certificate.
    for answer in of_key(winner) {
        assert!(
            matches!(answer.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE),
            "{statuses:?}"
        );
    }
    assert_eq!(certificates(pair, &waiting).await, 1);

    let found = terminal::find(&mut pair.store.read(), &waiting.terminal).await.unwrap().unwrap();
    assert!(found.code_misused_at.is_some());
    let (queued,): (i64,) = pair
        .store
        .read()
        .fetch_one(sql("SELECT COUNT(*) FROM outbox WHERE kind = 'notice'"))
        .await
        .unwrap();
    assert_eq!(queued, 1, "the administrator is told once");
    // One of the two processes brings it to the administrator's page.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = facility.administrator.open("/console/notices").await.unwrap();
        let page = page.expect_success().unwrap();
        if page.body.contains(&format!("/console/terminals/{}", waiting.terminal)) {
            assert_eq!(page.body.matches("<article").count(), 1, "{}", page.body);
            return;
        }
        assert!(Instant::now() < deadline, "no notice came: {}", page.body);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub async fn a_code_with_one_key_gives_one_certificate_to_all(
    pair: &Pair,
    facility: &AccreditedFacility,
) {
    let waiting = create(facility, "受付2").await;
    let both = pair.browser();
    let body = certification_request(&waiting.terminal);
    let mut bodies = std::collections::BTreeSet::new();
    // The second round comes when nothing is under way any more: everybody gets it.
    for round in 0..2 {
        let answers = at_once(
            (0..RACERS).map(|number| simple_enroll(pair, both.nth(number), &waiting, &body)),
        )
        .await;
        for answer in &answers {
            let may_wait = round == 0 && answer.status == StatusCode::SERVICE_UNAVAILABLE;
            assert!(
                may_wait || answer.status == StatusCode::OK,
                "{}: {}",
                answer.status,
                answer.body
            );
        }
        let given = answers.into_iter().filter(|answer| answer.status == StatusCode::OK);
        bodies.extend(given.map(|answer| answer.body));
    }
    assert_eq!(bodies.len(), 1, "the same certificate for everybody");
    assert_eq!(certificates(pair, &waiting).await, 1);
}
