//! Where a request begins and ends: smuggling, pipelining, other protocols, octets that are none.

use super::{
    Ask, STRANGER, Verdict, assert_serves, desk, door, insert, nothing_happens, shout, touches,
};
use crate::world::World;

/// One test for each way to frame the page's good request; what is in the wire's order.
macro_rules! framings {
    ($verdict:expr; $($(#[$doc:meta])* $name:ident: $frame:expr;)+) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let frame: fn(&mut Ask) -> Vec<u8> = $frame;
            nothing_happens($verdict, |world| frame(&mut Ask::begin(world))).await;
        }
    )+};
}

/// The body in one chunk (RFC 9112 §7.1).
fn chunked(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

fn with_chunks(ask: &mut Ask) -> Vec<u8> {
    ask.body = chunked(&ask.body);
    ask.octets()
}

framings! { Verdict::Stranger;
    a_body_in_chunks: |ask| {
        ask.set("Transfer-Encoding", "chunked");
        with_chunks(ask)
    };
    a_length_and_chunks: |ask| {
        ask.set("Content-Length", "5");
        ask.set("Transfer-Encoding", "chunked");
        with_chunks(ask)
    };
    chunks_and_a_length: |ask| {
        ask.set("Transfer-Encoding", "chunked");
        ask.set("Content-Length", "5");
        with_chunks(ask)
    };
    no_length: |ask| {
        let head = ask.head();
        format!("{head}\r\n").into_bytes()
    };
    /// The second request lies in the body of the first, a form that any page can send.
    a_good_request_in_the_body_of_a_simple_one: |ask| {
        let smuggled = ask.octets();
        ask.set("Content-Type", "text/plain");
        ask.set("Sec-Fetch-Mode", "no-cors");
        ask.set("Origin", "https://evil.example");
        ask.body = smuggled;
        ask.octets()
    };
    /// The same, and the first one says that it has no body.
    a_good_request_behind_an_empty_simple_one: |ask| {
        let good = ask.octets();
        ask.set("Origin", "https://evil.example");
        ask.body.clear();
        [ask.octets(), good].concat()
    };
    a_good_request_behind_a_link: |ask| {
        let link = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: keep-alive\r\n\r\n", ask.port);
        [link.into_bytes(), ask.octets()].concat()
    };
    a_request_to_change_the_protocol: |ask| {
        ask.set("Connection", "Upgrade, HTTP2-Settings");
        ask.set("Upgrade", "h2c");
        ask.set("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA");
        ask.set("Origin", "https://evil.example");
        ask.octets()
    };
    a_request_for_a_tunnel: |ask| {
        ask.line = "CONNECT 127.0.0.1:443 HTTP/1.1".into();
        ask.octets()
    };
    a_request_that_waits_for_leave_to_send_its_body: |ask| {
        ask.set("Origin", "https://evil.example");
        ask.set("Expect", "100-continue");
        ask.octets()
    };
}

framings! { Verdict::Silence;
    two_lengths: |ask| {
        ask.set("Content-Length", "2");
        ask.add("Content-Length", "3");
        ask.octets()
    };
    a_length_with_a_sign: |ask| {
        let length = format!("+{}", ask.body.len());
        ask.set("Content-Length", &length);
        ask.octets()
    };
    a_length_below_zero: |ask| {
        ask.set("Content-Length", "-1");
        ask.octets()
    };
    a_length_beyond_all_numbers: |ask| {
        ask.set("Content-Length", "99999999999999999999999999");
        ask.octets()
    };
    an_encoding_that_is_not_the_last: |ask| {
        ask.set("Transfer-Encoding", "chunked, identity");
        with_chunks(ask)
    };
    an_encoding_in_disguise: |ask| {
        ask.set("Transfer-Encoding", "xchunked");
        with_chunks(ask)
    };
    a_space_before_the_colon: |ask| {
        ask.add("Transfer-Encoding ", "chunked");
        ask.octets()
    };
    a_folded_line: |ask| {
        ask.add("X-Folded", "one\r\n two");
        ask.octets()
    };
    a_zero_octet_in_a_field: |ask| {
        ask.add("X-Zero", "\0");
        ask.octets()
    };
    a_carriage_return_in_a_field: |ask| {
        ask.add("X-Return", "one\rtwo");
        ask.octets()
    };
    more_fields_than_a_browser_sends: |ask| {
        for number in 0..100 {
            ask.add(&format!("X-{number}"), "1");
        }
        ask.octets()
    };
    the_first_protocol_of_the_web: |_| b"GET /\r\n\r\n".to_vec();
    the_protocol_before_ours: |ask| {
        ask.change_line("HTTP/1.1", "HTTP/1.0");
        ask.octets()
    };
    a_protocol_that_there_is_not: |ask| {
        ask.change_line("HTTP/1.1", "HTTP/1.9");
        ask.octets()
    };
    the_protocol_after_ours: |_| b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    a_handshake_of_tls: |_| vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, b'\r', b'\n', b'\r', b'\n'];
    a_greeting_of_another_service: |_| b"EHLO evil.example\r\n\r\n".to_vec();
    nothing_but_line_ends: |_| b"\r\n\r\n\r\n\0\r\n".to_vec();
    a_method_of_a_thousand_letters: |ask| {
        let long = "P".repeat(1000) + "\u{7f}";
        ask.change_line("POST", &long);
        ask.octets()
    };
    a_path_of_a_megabyte: |ask| {
        let long = format!("/{}", "a".repeat(1 << 20));
        ask.change_line("/v1/card-login/begin", &long);
        ask.octets()
    };
    a_field_of_a_megabyte: |ask| {
        ask.set("X-Long", &"a".repeat(1 << 20));
        ask.octets()
    };
}

/// Nothing but the first request of a connection is ever read, be the first one good.
#[tokio::test]
async fn a_second_request_behind_a_good_one() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let (first, second) = (Ask::begin(&world).octets(), Ask::begin(&world).octets());
    let heard = shout(door(&world), &[first, second].concat()).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert_eq!(heard.matches("HTTP/1.1").count(), 1, "{heard}");
    assert!(heard.starts_with("HTTP/1.1 200 OK"), "{heard}");
    assert_eq!(touches(&world), before, "to begin is not to ask");
}

/// The length that is told is longer than what comes: no half of a request is served.
#[tokio::test]
async fn a_body_that_is_cut_off() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let octets = Ask::begin(&world).octets();
    let heard = hang_up_after(&world, &octets[..octets.len() - 1]).await;
    assert!(heard.is_empty() || heard == STRANGER, "{heard}");
    super::assert_untouched(&world, before);
    assert_serves(&world).await;
}

#[tokio::test]
async fn a_head_that_is_cut_off() {
    let world = desk().await;
    insert(&world).await;
    let before = touches(&world);
    let head = Ask::begin(&world).head();
    assert_eq!(hang_up_after(&world, head.as_bytes()).await, "");
    super::assert_untouched(&world, before);
    assert_serves(&world).await;
}

/// Sends this, says that no more will come, and listens.
async fn hang_up_after(world: &World, octets: &[u8]) -> String {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(door(world)).await.unwrap();
    stream.write_all(octets).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8_lossy(&super::hear(&mut stream).await).into_owned()
}

/// Both addresses are one door.
#[tokio::test]
async fn a_stranger_over_ipv6() {
    let world = desk().await;
    insert(&world).await;
    let at = (std::net::Ipv6Addr::LOCALHOST, world.port).into();
    let before = touches(&world);
    let mut ask = Ask::begin(&world);
    ask.host("[::1]");
    let good = ask.clone();
    ask.set("Origin", "https://evil.example");
    Verdict::Stranger.judge(&shout(at, &ask.octets()).await);
    super::assert_untouched(&world, before);
    let heard = shout(at, &good.octets()).await;
    assert!(heard.starts_with(b"HTTP/1.1 200 OK"));
}
