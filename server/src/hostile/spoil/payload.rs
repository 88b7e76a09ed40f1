//! Every way to spoil the body of a good request.

use super::{Cases, field};
use crate::hostile::{
    ask::{FORM, pair},
    judge::Expect::{Harmless, Refused, TooLarge},
    row::{Field, Need, Payload},
};

/// The cases of a row's body.
pub(super) fn cases(cases: &mut Cases<'_>) {
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
    // The same is every form of a protocol where services send people (RP-Initiated Logout 1.0 §2).
    let protocols = ["/authorize", "/end-session", "/introspect", "/par", "/revoke", "/token"];
    if !protocols.contains(&cases.row.path) {
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
    // An agent of a later version may report more. A registration ignores the unknown (RFC 7591 §2):
    // a good one with an addition of no consequence would do what it asks for.
    let unknown = if cases.row.path == "/agent/presence" { Harmless } else { Refused };
    if !cases.row.path.starts_with("/register") {
        let mut more = value.clone();
        more["<script>"] = 1.into();
        cases.add("unknown member", unknown, |ask| ask.octets = more.to_string().into_bytes());
    }
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
    // SCEP's clients name its messages as they like, or not at all; what names them something else is refused.
    let unnamed = if cases.row.path == "/scep" || cases.row.path.ends_with("/pkiclient.exe") {
        Harmless
    } else {
        Refused
    };
    for (media_type, expect) in [
        ("text/plain", Refused),
        (FORM, Refused),
        ("", unnamed),
        ("application/octet-stream", unnamed),
    ] {
        cases.add(format!("content type {media_type:?}"), expect, |ask| {
            ask.set("content-type", media_type);
        });
    }
    cases.add("no content type", unnamed, |ask| ask.without("content-type"));
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
