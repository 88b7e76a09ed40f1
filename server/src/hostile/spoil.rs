//! Every way to spoil one part of a good request.

mod payload;

use super::{
    ask::{Ask, pair},
    judge::Expect::{self, Bare, Encoded, Harmless, Refused, Turned},
    row::{Field, Need, Row},
};
use crate::{
    app::App,
    names::NameRole,
    route::{QueryRule, Route, Routes, Senders},
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
    content_codings(&mut cases);
    names(&mut cases, app);
    sites(&mut cases, routes);
    headers(&mut cases);
    parameter(&mut cases);
    cookies(&mut cases);
    chains(&mut cases);
    authorization(&mut cases);
    additions(&mut cases, routes);
    query(&mut cases);
    payload::cases(&mut cases);
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
    if cases.row.method == "GET" {
        cases.add("method HEAD", Bare, |ask| ask.method = "HEAD".to_owned());
    }
}

fn content_codings(cases: &mut Cases<'_>) {
    for coding in ["gzip", "deflate, identity", "x"] {
        cases.add(format!("content coding {coding}"), Encoded, |ask| {
            ask.set("content-encoding", coding);
        });
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

fn of_row<'r>(row: &Row, routes: &'r Routes) -> &'r Route {
    let is = |route: &&Route| (route.method, route.path) == (row.method, row.path);
    routes.listed().iter().find(is).unwrap()
}

fn sites(cases: &mut Cases<'_>, routes: &Routes) {
    if cases.row.method != "POST" {
        return;
    }
    let senders = of_row(cases.row, routes).senders;
    let own = cases.row.headers.iter().any(|(name, _)| *name == "origin");
    let expect = match senders {
        // Programs of other sites may ask what is for programs; nothing rides on a cookie there.
        Senders::AnybodyWithoutCookie if !own => return,
        // A service may ask so; the person's own browser asks again, with the cookie.
        Senders::Judged => Turned,
        _ => Refused,
    };
    for origin in ["https://evil.example", "null", "", "https://evil.example\u{e9}"] {
        cases.add(format!("origin {origin:?}"), expect, |ask| ask.set("origin", origin));
    }
    cases.add("origin twice", expect, |ask| ask.add("origin", "https://evil.example"));
    let sites = ["cross-site", "same-origin", "same-site", "none", "\u{e9}"];
    let own = cases.good.header("sec-fetch-site");
    for site in sites.into_iter().filter(|site| Some(site.as_bytes()) != own.as_deref()) {
        cases.add(format!("site {site:?}"), expect, |ask| ask.set("sec-fetch-site", site));
    }
    cases.add("site twice", expect, |ask| ask.add("sec-fetch-site", "cross-site"));
    if !cases.row.cookies.is_empty() || senders == Senders::OwnPage {
        cases.add("neither origin nor site", expect, |ask| {
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
    let rule = of_row(row, routes).query;
    // Every page takes the language, once and one of ours, and beside it only what it asks for; a path
    // for programs takes nothing. Where a protocol has its own rule, the unknown is ignored (RFC 6749
    // §3.1).
    let strict = rule != QueryRule::OfProtocol;
    if rule == QueryRule::Nothing {
        cases.add("query lang=en", Refused, |ask| ask.query.push("lang=en".to_owned()));
    }
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
