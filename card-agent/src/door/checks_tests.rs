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
fn each_hostile_neighbour_is_a_stranger() {
    for (name, value) in [
        ("host", "localhost:14790"),
        ("host", "attacker.example:14790"),
        ("host", "127.0.0.1"),
        ("host", "0.0.0.0:14790"),
        ("host", "127.0.0.1:14791"),
        ("host", ""),
        ("x-card-login", ""),
        ("x-card-login", "2"),
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", ""),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-mode", ""),
        ("sec-fetch-dest", "image"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "null"),
        ("origin", "https://evil.example"),
        ("origin", "https://terminal.example.evil.example"),
        ("origin", "http://terminal.example"),
        ("origin", "https://terminal.example:8443"),
        ("origin", "https://TERMINAL.example"),
        ("origin", ""),
    ] {
        let changed = headers(&[(name, value)]);
        let passed = front(&Method::POST, &changed, PORT, &pinned()).is_ok();
        assert!(!passed, "{name}: {value:?}");
    }
}

#[test]
fn another_method_is_a_stranger() {
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::DELETE] {
        assert!(front(&method, &headers(&[]), PORT, &pinned()).is_err());
    }
}

#[test]
fn a_header_that_stands_twice_is_a_stranger() {
    for name in ["host", "origin", "x-card-login", "content-type", "sec-fetch-mode"] {
        let mut twice = headers(&[]);
        let value = twice[name].clone();
        twice.append(name, value);
        assert!(front(&Method::POST, &twice, PORT, &pinned()).is_err(), "{name}");
    }
}

#[test]
fn a_preflight_may_ask_for_our_header_and_nothing_else() {
    let ask = |list: &'static str| {
        let mut asked = headers(&[("access-control-request-method", "POST")]);
        asked.insert("access-control-request-headers", list.parse().unwrap());
        preflight(&asked, PORT, &pinned()).is_ok()
    };
    assert!(ask("content-type,x-card-login"));
    assert!(!ask("content-type,x-card-login,authorization"));
    let get = headers(&[("access-control-request-method", "GET")]);
    assert!(preflight(&get, PORT, &pinned()).is_err());
}

#[test]
fn the_navigation_door_takes_top_level_forms_only() {
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert!(navigation(&Method::POST, &headers(&form), PORT, &pinned()).is_ok());
    assert!(navigation(&Method::GET, &headers(&form), PORT, &pinned()).is_err());
    for hostile in [
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-mode", "cors"),
        ("origin", "null"),
        ("content-type", "text/plain"),
    ] {
        let mut changed = headers(&form);
        changed.insert(hostile.0, hostile.1.parse().unwrap());
        assert!(navigation(&Method::POST, &changed, PORT, &pinned()).is_err(), "{hostile:?}");
    }
}

#[test]
fn a_request_seen_before_is_remembered_until_it_could_not_pass_anyway() {
    let seen = super::super::SeenRequests::default();
    assert!(seen.remember("a", 0, 100));
    assert!(!seen.remember("a", 99, 200));
    assert!(seen.remember("a", 100, 200));
}
