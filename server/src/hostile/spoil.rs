//! Every way to spoil one part of a good request.

use super::{
    ask::{Ask, FORM, pair},
    judge::Expect::{self, Harmless, Refused, TooLarge, Turned},
    row::{Field, Need, Payload, Row},
};
use crate::{
    app::App,
    names::NameRole,
    route::{QueryRule, Route, Routes},
};

/// A spoilt request and what must become of it.
pub struct Case {
    pub what: String,
    pub ask: Ask,
    pub expect: Expect,
}

/// Collects the cases of one row.
struct Cases<'r> {
    row: &'r Row,
    good: Ask,
    made: Vec<Case>,
}

impl Cases<'_> {
    fn add(&mut self, what: impl Into<String>, expect: Expect, spoil: impl FnOnce(&mut Ask)) {
        let mut ask = self.good.clone();
        spoil(&mut ask);
        self.made.push(Case { what: what.into(), ask, expect });
    }
}

/// Pieces of text that nothing takes, as they stand on the wire.
const UNREADABLE: [&str; 7] = ["%", "%4", "%zz", "%ff", "%c3%28", "a%00b", "a%1bb"];

/// All cases of a row.
pub fn cases(app: &App, row: &Row, routes: &Routes) -> Vec<Case> {
    let mut cases = Cases { row, good: row.ask(app), made: Vec::new() };
    methods(&mut cases, routes);
    names(&mut cases, app);
    sites(&mut cases);
    headers(&mut cases);
    parameter(&mut cases);
    cookies(&mut cases);
    chains(&mut cases);
    authorization(&mut cases);
    additions(&mut cases, routes);
    query(&mut cases);
    payload(&mut cases);
    cases.made
}

fn methods(cases: &mut Cases<'_>, routes: &Routes) {
    let served: Vec<&str> = routes
        .listed()
        .iter()
        .filter(|route| route.path == cases.row.path)
        .map(|route| route.method)
        .collect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "SPOIL"]
    {
        if !served.contains(&method) {
            cases.add(format!("method {method}"), Refused, |ask| ask.method = method.to_owned());
        }
    }
}

fn names(cases: &mut Cases<'_>, app: &App) {
    if cases.row.role == NameRole::Plain {
        // CRLs are the same under every name.
        return;
    }
    for role in NameRole::TLS.into_iter().filter(|role| *role != cases.row.role) {
        let host = app.names().authority(role);
        cases.add(format!("host {host}"), Refused, |ask| ask.set("host", host));
    }
    let own = app.names().authority(cases.row.role).to_owned();
    for host in ["evil.example", "", "\u{e9}", &format!("{own}.evil.example"), &format!("{own} ")] {
        cases.add(format!("host {host:?}"), Refused, |ask| ask.set("host", host));
    }
    cases.add("host twice", Refused, |ask| ask.add("host", &own));
    cases.add("no host", Refused, |ask| ask.without("host"));
}

fn sites(cases: &mut Cases<'_>) {
    // Programs of other sites may ask what is for programs; nothing rides on a cookie there.
    let guarded = cases.row.method == "POST"
        && (!cases.row.cookies.is_empty()
            || !matches!(cases.row.role, NameRole::Enrol | NameRole::Plain)
                && !["/token", "/userinfo"].contains(&cases.row.path));
    if !guarded {
        return;
    }
    for origin in ["https://evil.example", "null", "", "https://evil.example\u{e9}"] {
        cases.add(format!("origin {origin:?}"), Refused, |ask| ask.set("origin", origin));
    }
    cases.add("origin twice", Refused, |ask| ask.add("origin", "https://evil.example"));
    let sites = ["cross-site", "same-origin", "same-site", "none", "\u{e9}"];
    let own = cases.good.header("sec-fetch-site");
    for site in sites.into_iter().filter(|site| Some(site.as_bytes()) != own.as_deref()) {
        cases.add(format!("site {site:?}"), Refused, |ask| ask.set("sec-fetch-site", site));
    }
    cases.add("site twice", Refused, |ask| ask.add("sec-fetch-site", "cross-site"));
    if !cases.row.cookies.is_empty() {
        cases.add("neither origin nor site", Refused, |ask| {
            ask.without("origin");
            ask.without("sec-fetch-site");
        });
    }
}

/// Headers that nobody must stumble over.
fn headers(cases: &mut Cases<'_>) {
    if cases.row.method != "GET" {
        return;
    }
    for (name, value) in [
        ("accept", &b"\xff\xfe"[..]),
        ("accept-language", b"\xff;q=\xfe, en;q=nan, *;q=9e99"),
        ("user-agent", b"\x80\x81"),
        ("x-request-id", b"0123456789abcdef"),
        ("x-forwarded-for", b"127.0.0.1"),
        ("if-none-match", b"\xff"),
        ("range", b"bytes=0-0,5-1,-9"),
        ("content-type", b"\xff"),
        ("transfer-encoding", b"gzip"),
        ("expect", b"200-ok"),
    ] {
        cases.add(format!("header {name}"), Harmless, |ask| ask.set(name, value));
    }
    cases.add("body with GET", Harmless, |ask| ask.octets = vec![0xff; 300_000]);
}

fn parameter(cases: &mut Cases<'_>) {
    let Some((_, foreign)) = &cases.row.parameter else { return };
    let long = "a".repeat(20_000);
    let spoilt = ["%00", "%ff", "%zz", "%", "..%2f..", "a%2Fb", "%20", "'%20OR%201=1--", &long];
    for value in spoilt.into_iter().chain(foreign.iter().map(String::as_str)) {
        let shown: String = value.chars().take(20).collect();
        let (path, spoilt) = (cases.row.path_with(value), cases.row.spoilt);
        cases.add(format!("path {shown}"), spoilt, |ask| ask.path = path);
    }
}

fn cookies(cases: &mut Cases<'_>) {
    // A language cookie is everybody's.
    let with = |cases: &mut Cases<'_>, what: &str, expect, cookie: &[u8]| {
        cases.add(format!("cookie {what}"), expect, |ask| ask.add("cookie", cookie));
    };
    if cases.row.method == "GET" {
        with(cases, "language", Harmless, b"__Host-language=<script>; __Host-language=xx");
        with(cases, "octets", Harmless, b"\xff\xfe=\xfd; ; =; a; \x80");
        with(cases, "many", Harmless, "a=b; ".repeat(6_000).as_bytes());
    }
    let Some(own) = cases.row.cookies.first().cloned() else { return };
    let (name, value) = own.split_once('=').unwrap();
    // Any browser may be one that we have not seen; a session may not.
    let unknown = if name == "__Host-browser" { Harmless } else { Turned };
    let last = value.chars().last().unwrap();
    let other = if last == 'A' { 'E' } else { 'A' };
    for (what, cookie) in [
        ("empty", format!("{name}=")),
        ("short", format!("{name}=abc")),
        ("long", format!("{name}={}", "A".repeat(9_000))),
        ("unknown", format!("{name}={}", "A".repeat(43))),
        ("no base64", format!("{name}={}", "!".repeat(43))),
        ("next to it", format!("{name}={}{other}", &value[..value.len() - 1])),
        ("twice", format!("{own}; {own}")),
        ("of another name", own.replace("__Host-", "__Host-x-")),
    ] {
        cases.add(format!("session {what}"), unknown, |ask| ask.set("cookie", cookie));
    }
    cases.add("no session", unknown, |ask| ask.without("cookie"));
    cases.add("session octets", Turned, |ask| {
        ask.set("cookie", [name.as_bytes(), b"=\xff\xfe"].concat());
    });
    for foreign in cases.row.foreign_cookies.clone() {
        cases.add("session of somebody else", Turned, |ask| ask.set("cookie", foreign));
    }
}

fn chains(cases: &mut Cases<'_>) {
    for (number, chain) in cases.row.foreign_chains.clone().into_iter().enumerate() {
        cases.add(format!("certificate {number}"), Turned, |ask| ask.chain = chain);
    }
}

fn authorization(cases: &mut Cases<'_>) {
    let Some((good, foreign)) = cases.row.authorization.clone() else { return };
    cases.add("no authorization", Refused, |ask| ask.without("authorization"));
    cases.add("authorization twice", Refused, |ask| ask.add("authorization", &good));
    let long = format!("Basic {}", "QTpC".repeat(5_000));
    for value in [
        &b""[..],
        b"Basic",
        b"Basic ",
        b"Basic !!!",
        b"Basic AAAA",
        b"Basic YQBiOmM=", // a NUL b:c
        b"Basic /////w==",
        b"Basic \xff",
        b"Bearer",
        b"Bearer a.b.c",
        b"Bearer \xff",
        b"Digest a=b",
        long.as_bytes(),
    ]
    .into_iter()
    .chain(foreign.iter().map(String::as_bytes))
    {
        let shown: String = String::from_utf8_lossy(value).chars().take(24).collect();
        cases.add(format!("authorization {shown:?}"), Refused, |ask| {
            ask.set("authorization", value);
        });
    }
}

/// Spoils one pair of a list of pairs.
fn field(
    cases: &mut Cases<'_>,
    number: usize,
    field: &Field,
    most: usize,
    pairs: fn(&mut Ask) -> &mut Vec<String>,
) {
    let spoilt = cases.row.spoilt;
    let judged = if field.need == Need::Free { Harmless } else { spoilt };
    let name = field.name;
    if field.need == Need::Required {
        cases.add(format!("{name} missing"), spoilt, |ask| drop(pairs(ask).remove(number)));
        cases.add(format!("{name} empty"), spoilt, |ask| pairs(ask)[number] = pair(name, ""));
    }
    let again = pair(name, &field.good);
    cases.add(format!("{name} twice"), spoilt, |ask| pairs(ask).push(again));
    let long = pair(name, &("<script>".to_owned() + &"あ".repeat(most / 9)));
    cases.add(format!("{name} long"), judged, |ask| pairs(ask)[number] = long);
    for text in UNREADABLE {
        cases.add(format!("{name} {text}"), spoilt, |ask| {
            pairs(ask)[number] = format!("{name}={text}");
        });
    }
    for value in &field.foreign {
        cases.add(format!("{name} {value}"), spoilt, |ask| {
            pairs(ask)[number] = pair(name, value);
        });
    }
}

/// Parameters that the path does not know, and spoilt languages.
fn additions(cases: &mut Cases<'_>, routes: &Routes) {
    let row = cases.row;
    let mut listed = routes.listed().iter();
    let of_row = |route: &&Route| (route.method, route.path) == (row.method, row.path);
    // Every page takes the language, once and one of ours, and beside it only what it asks for.
    // Where a protocol has its own rule, the unknown is ignored (RFC 6749 §3.1).
    let strict = listed.find(of_row).is_some_and(|route| route.query != QueryRule::OfProtocol);
    let expect = if strict { Refused } else { Harmless };
    // A good request with an addition of no consequence would do what it asks for.
    let asks_only = row.method == "GET";
    if !strict && !asks_only {
        return;
    }
    for text in [
        "lang=",
        "lang=xx",
        "lang=%ff",
        "lang=<script>",
        "lang=en&lang=ja",
        "%zz=%",
        "=",
        "a=%00",
        "<script>=1",
        "unknown=1&unknown=2",
    ] {
        let what = format!("query {text}");
        let text = encoded(text);
        cases.add(what, expect, |ask| ask.query.extend(text.split('&').map(str::to_owned)));
    }
    if asks_only {
        cases.add("query &&&", Harmless, |ask| ask.query.push("&&&".to_owned()));
    }
}

fn query(cases: &mut Cases<'_>) {
    for (number, spoilt) in cases.row.query.iter().enumerate() {
        field(cases, number, spoilt, 12_000, |ask| &mut ask.query);
    }
}

/// Markup cannot stand in an address.
fn encoded(text: &str) -> String {
    text.replace('<', "%3C").replace('>', "%3E")
}

fn payload(cases: &mut Cases<'_>) {
    match cases.row.payload.clone() {
        Payload::None => {}
        Payload::NoFields => {
            cases.add("unknown field", Refused, |ask| ask.form.push(pair("<script>", "1")));
            cases.add("not a form", Refused, |ask| {
                ask.set("content-type", "application/json");
                ask.octets = b"{}".to_vec();
            });
            cases.add("body too long", TooLarge, |ask| ask.octets = vec![b'a'; 70_000]);
        }
        Payload::Form(fields) => {
            for (number, spoilt) in fields.iter().enumerate() {
                field(cases, number, spoilt, 60_000, |ask| &mut ask.form);
            }
            form(cases, &fields);
        }
        Payload::Json(value, members) => json(cases, &value, &members),
        Payload::Octets(_, good, most) => octets(cases, &good, most),
    }
}

fn form(cases: &mut Cases<'_>, fields: &[Field]) {
    // OAuth ignores what it does not know (RFC 6749 §3.2); pages have no such fields.
    if cases.row.path != "/token" {
        let unknown = pair("<script>alert(1)", "1");
        cases.add("unknown field", Refused, |ask| ask.form.push(unknown));
    }
    for media_type in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
        cases.add(format!("content type {media_type:?}"), Refused, |ask| {
            ask.set("content-type", media_type);
        });
    }
    cases.add("no content type", Refused, |ask| ask.without("content-type"));
    cases.add("content type octets", Refused, |ask| ask.set("content-type", b"\xff\xfe"));
    if cases.row.path != "/token" {
        cases.add("content type twice", Refused, |ask| ask.add("content-type", FORM));
    }
    if fields.iter().any(|field| field.need == Need::Required) {
        cases.add("empty body", Refused, |ask| ask.form.clear());
    }
    cases.add("65 KiB", TooLarge, |ask| ask.form.push("a".repeat(66_600)));
    cases.add("300 KB", TooLarge, |ask| ask.form.push("a".repeat(300_000)));
    cases.add("many fields", Refused, |ask| ask.form.extend(vec!["a=".to_owned(); 600]));
    cases.add("octets", Refused, |ask| {
        ask.form.clear();
        ask.octets = (0..=255).collect();
    });
}

fn json(cases: &mut Cases<'_>, value: &serde_json::Value, members: &[&str]) {
    let text = value.to_string();
    for media_type in ["text/plain", FORM, ""] {
        cases.add(format!("content type {media_type:?}"), Refused, |ask| {
            ask.set("content-type", media_type);
        });
    }
    cases.add("no content type", Refused, |ask| ask.without("content-type"));
    let deep = "[".repeat(20_000);
    let trailing = format!("{text}}}");
    let twice = format!("{{{},{}", &text[1..text.len() - 1], &text[1..]);
    for (what, body) in [
        ("empty", &b""[..]),
        ("open", b"{"),
        ("null", b"null"),
        ("list", b"[]"),
        ("nothing in it", b"{}"),
        ("octets", b"\xff\xfe{}"),
        ("byte order mark", b"\xef\xbb\xbf{}"),
        ("NUL", b"{\"a\":\"\\u0000\"}"),
        ("half a pair", b"{\"a\":\"\\ud800\"}"),
        ("deep", deep.as_bytes()),
        ("trailing", trailing.as_bytes()),
        ("members twice", twice.as_bytes()),
        ("cut", &text.as_bytes()[..text.len() / 2]),
    ] {
        cases.add(format!("json {what}"), Refused, |ask| ask.octets = body.to_vec());
    }
    for length in [40_000, 300_000] {
        let long = format!("{}{text}", " ".repeat(length));
        cases.add(format!("json of {length}"), TooLarge, |ask| ask.octets = long.into_bytes());
    }
    // An agent of a later version may report more.
    let unknown = if cases.row.path == "/agent/presence" { Harmless } else { Refused };
    let mut more = value.clone();
    more["<script>"] = 1.into();
    cases.add("unknown member", unknown, |ask| ask.octets = more.to_string().into_bytes());
    let mut changed = |what: String, change: &dyn Fn(&mut serde_json::Value)| {
        let mut spoilt = value.clone();
        change(&mut spoilt);
        cases.add(what, Refused, |ask| ask.octets = spoilt.to_string().into_bytes());
    };
    for member in members {
        changed(format!("{member} missing"), &|v| drop(v.as_object_mut().unwrap().remove(*member)));
        for wrong in [
            serde_json::Value::Null,
            (-1).into(),
            1e300.into(),
            "".into(),
            "\u{0}".into(),
            "<script>".into(),
            "あ".repeat(5_000).into(),
            serde_json::json!([1]),
            serde_json::json!({"kty": "EC"}),
        ] {
            let shown: String = wrong.to_string().chars().take(16).collect();
            changed(format!("{member} {shown}"), &|v| v[*member] = wrong.clone());
        }
    }
}

fn octets(cases: &mut Cases<'_>, good: &[u8], most: usize) {
    for media_type in ["text/plain", FORM, "", "application/octet-stream"] {
        cases.add(format!("content type {media_type:?}"), Refused, |ask| {
            ask.set("content-type", media_type);
        });
    }
    cases.add("no content type", Refused, |ask| ask.without("content-type"));
    cases.add("content type octets", Refused, |ask| ask.set("content-type", b"\xff"));
    // Cut, swollen, not in the encoding, and with one bit turned in each tenth of it.
    let mut bodies = vec![
        ("empty".to_owned(), Vec::new()),
        ("octets".to_owned(), (0..=255).collect()),
        ("NUL".to_owned(), vec![0; 64]),
        ("indefinite".to_owned(), b"\x30\x80\x30\x80\x30\x80".to_vec()),
        ("long length".to_owned(), b"\x30\x84\xff\xff\xff\xff\x00".to_vec()),
        ("cut".to_owned(), good[..good.len() / 2].to_vec()),
        ("too long".to_owned(), vec![b'A'; most + 1]),
        ("300 KB".to_owned(), vec![b'A'; 300_000]),
    ];
    for tenth in 0..10 {
        let mut turned = good.to_vec();
        let place = good.len() * tenth / 10;
        turned[place] ^= 1;
        bodies.push((format!("a bit of octet {place}"), turned));
    }
    for (what, body) in bodies {
        // A turned bit may be in what nobody judges: that it breaks nothing is what counts.
        let expect = match body.len() {
            _ if what.starts_with("a bit") => Harmless,
            length if length > most => TooLarge,
            _ => cases.row.spoilt,
        };
        cases.add(format!("body {what}"), expect, |ask| ask.octets = body);
    }
}
