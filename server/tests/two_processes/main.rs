//! Two `sekisho serve` processes over one PostgreSQL database, as behind one name: they listen on
//! the same port of two loopback addresses, so that everything they say must be the same, and what
//! may happen once happens once, whichever of them is asked.
//!
//! Nothing is handed over inside a process: forms and tokens go over HTTP, certificates by EST over
//! TLS, the card's answer comes from the agent's door.
#![allow(clippy::unwrap_used, missing_docs)]

mod enrolment;
mod login;
mod operator;
mod pair;
mod people;
mod rules;
mod tokens;

use pair::{Pair, sekisho};
use sekisho::demo::{
    process::{Program, run},
    stage::free_port,
};
use sekisho_test_database::postgres_url;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_followed_by_one_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    let (dir, url) = (dir.to_str().unwrap(), postgres_url());
    let plain = free_port().unwrap().to_string();
    let init = ["init", dir, "--database", &url, "--tls-port", "0", "--plain-port", &plain];
    run(sekisho(&init)).await.unwrap();
    for _ in 0..3 {
        let (program, _) =
            Program::start("sekisho", sekisho(&["serve", dir]), folder.path()).await.unwrap();
        program.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_happen_once_happens_once_whichever_of_two_processes_is_asked() {
    let pair = Pair::start().await;
    pair.refuses_a_second_instance().await;
    pair.refuses_a_second_process_of_a_name().await;
    pair.speaks_with_one_voice().await;
    let administrator = people::a_one_time_link_is_used_once(&pair).await;
    let letter = people::of_two_officers_one_approves(&pair, &administrator).await;
    let facility = people::an_activation_code_makes_one_account(&pair, letter).await;
    enrolment::a_code_with_two_keys_gives_one_certificate_and_tells_the_administrator(
        &pair, &facility,
    )
    .await;
    enrolment::a_code_with_one_key_gives_one_certificate_to_all(&pair, &facility).await;
    operator::of_two_links_made_at_once_one_is_good(&pair, &administrator).await;
    let emergency = operator::of_two_administrators_of_one_name_one_is_added(&pair).await;
    let desk = login::desk(&pair, &facility).await;
    login::an_invitation_is_redeemed_by_one_of_two_cards(&pair, &facility, &desk).await;
    let browser = login::an_answer_of_a_card_opens_one_session(&pair, &facility, &desk).await;
    let service = tokens::Service::register(&pair, &browser).await;
    tokens::an_authorization_code_gives_tokens_once_and_a_second_use_takes_them_back(&service)
        .await;
    tokens::a_refresh_token_is_exchanged_once_and_a_second_use_ends_its_grant(&service).await;
    tokens::a_request_sent_ahead_to_one_is_answered_once_by_both(&service).await;
    rules::what_one_publishes_the_other_decides_by(&service, &administrator, &emergency).await;
    pair.ends_with_a_whole_trail().await;
}
