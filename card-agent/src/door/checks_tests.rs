//! Who passes. Whoever must not: `tests/agent/attacks`, where the whole door is asked.

use super::*;

const PORT: u16 = 14790;

fn pinned() -> Vec<String> {
    vec!["https://terminal.example".into()]
}

fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "127.0.0.1:14790"),
        ("x-card-login", "1"),
        ("content-length", "2"),
        ("content-type", "application/json"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://terminal.example"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    for (name, value) in changes {
        if value.is_empty() {
            headers.remove(*name);
        } else {
            headers.insert(*name, value.parse().unwrap());
        }
    }
    headers
}

#[test]
fn the_portals_page_passes_the_front() {
    let passed = front(&Method::POST, &headers(&[]), PORT, &pinned()).is_ok();
    assert!(passed);
    assert!(front(&Method::POST, &headers(&[("host", "[::1]:14790")]), PORT, &pinned()).is_ok());
}

#[test]
fn a_preflight_may_ask_for_our_header() {
    let ask = |list: &'static str| {
        let mut asked = headers(&[("access-control-request-method", "POST")]);
        asked.insert("access-control-request-headers", list.parse().unwrap());
        preflight(&asked, PORT, &pinned()).is_ok()
    };
    assert!(ask("content-type,x-card-login"));
    assert!(ask("X-Card-Login"));
}

#[test]
fn the_portals_form_passes_the_second_door() {
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert!(navigation(&Method::POST, &headers(&form), PORT, &pinned()).is_ok());
}

#[test]
fn a_request_seen_before_is_remembered_until_it_could_not_pass_anyway() {
    let seen = super::super::SeenRequests::default();
    assert!(seen.remember("a", 0, 100));
    assert!(!seen.remember("a", 99, 200));
    assert!(seen.remember("a", 100, 200));
}
