//! The second door, where policy opens it: forms by top-level navigation, and no other.

use sekisho_agent::door::Identity;
use sekisho_protocol::trust::TerminalTrust;

use super::{Ask, assert_untouched, desk, door, shout, strangers, touches};

strangers! { Ask::navigate;
    a_form_of_another_site: |ask| ask.set("Origin", "https://evil.example");
    a_form_of_a_sandboxed_frame: |ask| ask.set("Origin", "null");
    a_form_that_tells_no_origin: |ask| ask.drop("Origin");
    a_form_by_a_name_that_was_bound_anew: |ask| ask.host("rebound.evil.example");
    a_form_within_a_frame: |ask| ask.set("Sec-Fetch-Dest", "iframe");
    a_form_within_an_object: |ask| ask.set("Sec-Fetch-Dest", "object");
    a_form_sent_by_script: |ask| ask.set("Sec-Fetch-Mode", "cors");
    a_form_sent_without_leave: |ask| ask.set("Sec-Fetch-Mode", "no-cors");
    a_form_of_a_page_on_loopback: |ask| ask.set("Sec-Fetch-Site", "same-site");
    a_link_instead_of_a_form: |ask| ask.change_line("POST", "GET");
    a_form_as_text: |ask| ask.set("Content-Type", "text/plain");
    a_form_as_parts: |ask| ask.set("Content-Type", "multipart/form-data; boundary=b");
    a_form_with_a_query: |ask| ask.change_line("navigate", "navigate?return=https://evil.example");
    a_form_with_a_second_field: |ask| ask.body.extend(b"&return=https://evil.example");
    a_form_with_the_request_twice: |ask| {
        let again = [b"&".as_slice(), &ask.body].concat();
        ask.body.extend(again);
    };
    a_form_without_the_request: |ask| ask.body = b"other=1".to_vec();
    an_empty_form: |ask| ask.body.clear();
    a_form_with_a_request_of_a_stranger: |ask| {
        let last = ask.body.len() - 4;
        ask.body[last] ^= 1;
    };
}

strangers! { Ask::begin;
    /// The portal's own request, but it names no address for a page to return to.
    a_request_by_script_sent_as_a_form: |ask| {
        ask.change_line("begin", "navigate");
        ask.drop("X-Card-Login");
        ask.set("Content-Type", "application/x-www-form-urlencoded");
        ask.set("Sec-Fetch-Mode", "navigate");
        ask.set("Sec-Fetch-Dest", "document");
        let body: serde_json::Value = serde_json::from_slice(&ask.body).unwrap();
        ask.body = format!("request={}", body["request"].as_str().unwrap()).into_bytes();
    };
}

#[tokio::test]
async fn where_policy_does_not_open_it_there_is_no_second_door() {
    let world = desk().await;
    let held = world.agent.identity();
    world.agent.become_another(Identity {
        trust: TerminalTrust { navigation: false, ..held.trust.clone() },
        key: held.key.clone(),
        certificate_sha256: held.certificate_sha256,
        former: None,
    });
    let before = touches(&world);
    let heard = shout(door(&world), &Ask::navigate(&world).octets()).await;
    super::Verdict::Stranger.judge(&heard);
    assert_untouched(&world, before);
}
