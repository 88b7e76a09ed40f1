//! The terminal name: portal, card login, authorization.

use NameRole::Terminal;
use sekisho_protocol::octets::encode;
use sekisho_wire::acr;
use serde_json::{Value as Json, json};

use super::{NOTHING, asset};
use crate::{
    hostile::{
        judge::Expect::Turned,
        row::{Payload, Row, free, optional, required},
        scene::Scene,
    },
    names::NameRole,
};

pub(super) async fn terminal(s: &Scene) -> Vec<Row> {
    // Somebody else's cookie ends that session: it is in the wrong hands.
    const ENDED: &[&str] = &["session", "token_grant"];
    let at = |method, path| {
        let foreign = [&s.strange_chain(), &s.no_chain()];
        Row::new(Terminal, method, path).chain(&s.chain(), &foreign)
    };
    // A session belongs to its terminal; without one, any terminal may ask.
    let logged_in = |row: Row| {
        let foreign = [&s.other_chain(), &s.strange_chain(), &s.no_chain()];
        let row = row.cookie(s.session(), &[s.other_session()]).touches(ENDED);
        row.chain(&s.chain(), &foreign)
    };
    let parked = s.parked().await;
    let submission = s.submission().await;
    let answer_to_login = s.submission().await;
    let authentication = Scene::authentication_request()
        .into_iter()
        .map(|(name, value)| match name {
            "state" | "nonce" => optional(name, value),
            "client_id" => required(name, value).foreign("nobody").foreign("a\u{3000}b"),
            "redirect_uri" => required(name, value)
                .foreign("https://evil.example/callback")
                .foreign("https://other.example/callback"),
            "code_challenge_method" => required(name, value).foreign("plain"),
            "response_type" => required(name, value).foreign("token").foreign("id_token"),
            "code_challenge" => required(name, value).foreign("short"),
            _ => required(name, value),
        })
        .collect::<Vec<_>>();
    vec![
        logged_in(at("GET", "/")).query([optional("q", "紹介")]).good(200),
        logged_in(at("POST", "/favourites"))
            .form([required("add", "referral").foreign("nobody").foreign("a b")])
            .good(303),
        logged_in(at("GET", "/history"))
            .query([optional("before", "1763715600.01999999-0000-7000-8000-000000000000")
                .foreign("1763715600")
                .foreign("x.01999999-0000-7000-8000-000000000000")
                .foreign("1763715600.x")])
            .good(200),
        logged_in(at("GET", "/sessions"))
            .query([optional("notice", "ended").foreign("<script>")])
            .good(200),
        logged_in(at("POST", "/sessions/end"))
            .form([required("session", &"0".repeat(64)).foreign("0").foreign("xx")]),
        logged_in(at("POST", "/sessions/end-others")).payload(Payload::NoFields).good(303),
        logged_in(at("GET", "/login-times")).good(200),
        // For whoever is there, logged in or not.
        at("GET", "/help").good(200),
        logged_in(at("GET", "/consents"))
            .query([optional("notice", "withdrawn").foreign("<script>")])
            .good(200),
        logged_in(at("POST", "/consents/withdraw"))
            .form([required("service", "referral").foreign("nobody").foreign("a b")]),
        Row::new(Terminal, "GET", "/personal-data").good(200),
        Row::new(Terminal, "GET", "/personal-data/{id}")
            .parameter("shared", &[NOTHING, "referral", "nobody"])
            .good(200),
        logged_in(at("GET", "/handover"))
            .query([optional("return_to", "/").foreign("https://evil.example/").foreign("//evil")])
            .good(303),
        logged_in(at("POST", "/handover"))
            .form([optional("return_to", "/").foreign("https://evil.example/").foreign("//evil")])
            .good(303),
        logged_in(at("GET", "/emergency"))
            .query([optional("return_to", "/").foreign("https://evil.example/").foreign("//evil")])
            .good(200),
        logged_in(at("POST", "/emergency"))
            .form([
                required("reason", "disaster").foreign("boredom"),
                required("words", "地震のため、ほかの県の患者を診ています。").foreign("short"),
                optional("return_to", "/").foreign("https://evil.example/").foreign("//evil"),
            ])
            .good(303),
        logged_in(at("POST", "/emergency/end")).payload(Payload::NoFields).good(303),
        at("GET", "/login")
            .query([
                optional("return_to", "/").foreign("https://evil.example/").foreign("//evil"),
                optional("notice", "expired").foreign("<script>"),
                optional("invitation", "false").foreign("maybe"),
            ])
            .good(200),
        at("POST", "/login/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(
                json!({"page_key": s.page_key(), "return_to": null, "invitation": false}),
                vec!["page_key"],
            ))
            .touches(&["login_challenge"])
            .good(200),
        at("POST", "/login/card")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(submission, vec!["terminal_proof", "answer", "page_proof"]))
            // The nonce is spent before anything is verified.
            .touches(&["login_challenge"]),
        at("POST", "/login/return")
            .header("origin", "http://127.0.0.1:14790")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .form([
                required("request", &"A".repeat(43)).foreign("short"),
                required("answer", "e30"),
                optional("terminal_proof", "a.b.c"),
            ])
            .good(200),
        at("POST", "/agent/presence").payload(Payload::Json(
            json!({"presence": "AAAAAAAAAAAAAAAAAAAAAA", "event": "removed", "sequence": 1}),
            vec!["presence", "event", "sequence"],
        )),
        at("GET", "/invitation").good(200),
        at("POST", "/invitation")
            .cookie(&s.browser, &[])
            .form([required("code", &s.invitation_code)
                .foreign(&s.enrolment_code)
                .foreign(&s.activation_code)
                .foreign(&s.receipt)])
            // A wrong code costs the invitation with its selector a try.
            .touches(&["invitation"]),
        // Nobody entered the code of an invitation to open an account in this browser.
        at("GET", "/invitation/account").cookie(&s.browser, &[]),
        at("POST", "/invitation/account").cookie(&s.browser, &[]).form([
            required("setup", "AAAA"),
            required("login_name", "clerk").foreign("田中").foreign("a b"),
            required("password", "kawa-no-nagare-wa"),
            required("password_again", "kawa-no-nagare-wa").foreign("another"),
            required("totp_code", "000000"),
        ]),
        at("POST", "/login/password").cookie(&s.browser, &[]).form([
            required("login_name", "clerk").foreign("admin"),
            required("password", "wrong-password"),
            optional("totp_code", "000000"),
            optional("return_to", "/").foreign("https://evil.example/").foreign("//evil"),
            optional("level", acr::PASSWORD_TOTP).foreign("hpki"),
        ]),
        at("GET", "/login/day-pass")
            .query([
                optional("return_to", "/").foreign("https://evil.example/").foreign("//evil"),
                optional("level", acr::DAY_PASS).foreign("hpki"),
            ])
            .good(200),
        at("POST", "/login/day-pass").cookie(&s.browser, &[]).form([
            required("code", "wrong").foreign(&s.invitation_code),
            required("pin", "000000"),
            optional("return_to", "/").foreign("https://evil.example/").foreign("//evil"),
            optional("level", acr::DAY_PASS).foreign("hpki"),
        ]),
        logged_in(at("GET", "/day-pass"))
            .query([optional("name", "山田"), optional("notice", "asked").foreign("<script>")])
            .good(200),
        // Nobody has this name, and nothing waits here.
        logged_in(at("POST", "/day-pass")).form([
            required("name", "山田"),
            optional("person", "none"),
            optional("sure", "yes").foreign("no"),
        ]),
        logged_in(at("POST", "/day-pass/{id}")).parameter(NOTHING, &["none"]).form([
            required("pin", "271828"),
            required("pin_again", "271828"),
            optional("sure", "yes").foreign("no"),
        ]),
        logged_in(at("GET", "/authorize"))
            .query(authentication)
            .spoilt(Turned)
            .touches(&["session", "token_grant", "parked_request", "authorization_code"])
            .good(303),
        // It leads to the GET of the same, which judges.
        at("POST", "/authorize").form([free("client_id", "referral")]).spoilt(Turned).good(303),
        at("GET", "/authorize/resume")
            .query([required("request", &parked).foreign("A")])
            .touches(&["parked_request", "authorization_code"]),
        // Whatever was asked, it was not this.
        logged_in(at("POST", "/authorize/consent"))
            .form([
                required("request", &parked).foreign("A"),
                optional("claims", "name").foreign("terminal"),
                required("seen", &"0".repeat(64)).foreign("0"),
                required("decision", "agree").foreign("perhaps"),
            ])
            .touches(&["session", "token_grant", "parked_request", "authorization_code"]),
        // It only asks, whoever's cookie it is.
        at("GET", "/end-session")
            .header("cookie", s.session())
            .query([
                required("client_id", "referral").foreign("nobody").foreign("other"),
                optional("post_logout_redirect_uri", "https://referral.example/bye")
                    .foreign("https://evil.example/")
                    .foreign("https://other.example/bye"),
                free("state", "s"),
            ])
            .spoilt(Turned)
            .good(200),
        logged_in(at("POST", "/end-session"))
            .form([
                optional("client_id", "referral").foreign("nobody").foreign("other"),
                optional("post_logout_redirect_uri", "https://referral.example/bye")
                    .foreign("https://evil.example/"),
                optional("state", "s"),
                optional("agreed", "yes").foreign("no"),
            ])
            .spoilt(Turned),
        logged_in(at("POST", "/logout")).payload(Payload::NoFields).good(303),
        // The session has ended by now: it was shown at another terminal.
        logged_in(at("GET", "/my-number-card"))
            .query([optional("notice", "linked").foreign("<script>")])
            .good(303),
        logged_in(at("POST", "/my-number-card/unlink"))
            .form([optional("sure", "yes").foreign("no")])
            .good(303),
        // Nobody is logged in who could link a card, and this answer is to a login.
        at("POST", "/my-number-card/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(json!({"page_key": s.page_key()}), vec!["page_key"])),
        at("POST", "/my-number-card/link")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(answer_to_login, vec!["terminal_proof", "answer", "page_proof"]))
            .touches(&["login_challenge"]),
        logged_in(at("GET", "/passkeys"))
            .query([optional("notice", "enrolled").foreign("<script>")])
            .good(303),
        logged_in(at("POST", "/passkeys/remove"))
            .form([required("passkey", "none"), optional("sure", "yes").foreign("no")])
            .good(303),
        at("POST", "/login/passkey/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(json!({"return_to": "/"}), vec![]))
            .touches(&["passkey_challenge"])
            .good(200),
        // No challenge waits for these answers.
        at("POST", "/login/passkey")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(assertion(), vec!["rawId", "response"])),
        at("POST", "/passkeys/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(json!({"name": "key"}), vec!["name"])),
        at("POST", "/passkeys/enrol")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(attestation(), vec!["rawId", "response"])),
        logged_in(at("GET", "/second-factor"))
            .query([optional("notice", "enrolled").foreign("<script>")])
            .good(303),
        logged_in(at("POST", "/second-factor/remove"))
            .form([required("passkey", "none"), optional("sure", "yes").foreign("no")])
            .good(303),
        at("POST", "/login/second-factor/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(json!({"return_to": "/"}), vec![]))
            .touches(&["passkey_challenge"])
            .good(200),
        at("POST", "/login/second-factor").cookie(&s.browser, &[]).payload(Payload::Json(
            json!({"login_name": "none", "password": "none", "answer": assertion()}),
            vec!["login_name", "password", "answer"],
        )),
        at("POST", "/second-factor/challenge")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(json!({"name": "key"}), vec!["name"])),
        at("POST", "/second-factor/enrol")
            .cookie(&s.browser, &[])
            .payload(Payload::Json(attestation(), vec!["rawId", "response"])),
        // The same for everybody: what it tells it has from the browser.
        Row::new(Terminal, "GET", "/check-session").good(200),
        Row::new(Terminal, "GET", "/assets/{segment}")
            .parameter(&asset(), &[NOTHING, "sekisho.css"])
            .good(200),
    ]
}

/// The client data of an answer to a challenge that was never given out, in base64url.
fn client_data(kind: &str) -> String {
    let origin = "https://terminal.sekisho.localhost";
    encode(json!({"type": kind, "challenge": "AAAA", "origin": origin}).to_string())
}

/// What a passkey answers at a login.
fn assertion() -> Json {
    json!({
        "id": "AAAA", "rawId": "AAAA", "type": "public-key",
        "response": {
            "clientDataJSON": client_data("webauthn.get"), "authenticatorData": "AAAA",
            "signature": "AAAA", "userHandle": "AAAA",
        },
        "clientExtensionResults": {},
    })
}

/// What a new passkey answers.
fn attestation() -> Json {
    json!({
        "id": "AAAA", "rawId": "AAAA", "type": "public-key",
        "response": {
            "clientDataJSON": client_data("webauthn.create"), "attestationObject": "oA",
            "transports": ["usb"],
        },
        "clientExtensionResults": {},
    })
}
