//! What services and their proxies ask, and the documents that they read.

use NameRole::Public;

use super::{NOTHING, asset};
use crate::{
    hostile::{
        row::{Payload, Row, free, optional, required},
        scene::Scene,
    },
    names::NameRole,
    oidc::tests::scene as oidc,
};

pub(super) fn public(s: &Scene) -> Vec<Row> {
    let at = |method, path| Row::new(Public, method, path);
    let factors = |fields: &mut Vec<_>| {
        fields.push(required("setup", "AAAA"));
        fields.push(required("password", "kawa-no-nagare-wa"));
        fields.push(required("password_again", "kawa-no-nagare-wa").foreign("other"));
        fields.push(required("totp_code", "000000"));
    };
    let mut first_use = vec![required("token", &s.first_use_token).foreign(&s.activation_code)];
    factors(&mut first_use);
    let mut account = vec![
        required("code", &s.activation_code).foreign(&s.receipt).foreign(&s.invitation_code),
        required("login_name", "nakamura").foreign("admin").foreign("a b"),
        required("name", "中村"),
        required("name_kana", "ナカムラ"),
        required("email", "n@example.jp").foreign("nobody"),
    ];
    factors(&mut account);
    vec![
        at("GET", "/.well-known/openid-configuration").good(200),
        at("GET", "/jwks").good(200),
        at("GET", "/assets/{segment}").parameter(&asset(), &[NOTHING]).good(200),
        at("GET", "/first-use")
            .query([required("token", &s.first_use_token).foreign(&s.activation_code)])
            .good(200),
        at("POST", "/first-use").form(first_use),
        at("GET", "/").good(200),
        at("GET", "/personal-data").good(200),
        at("GET", "/personal-data/{id}")
            .parameter("shared", &[NOTHING, "referral", "nobody"])
            .good(200),
        at("GET", "/activate").good(200),
        at("POST", "/activate")
            .form([required("code", &s.activation_code)
                .foreign(&s.receipt)
                .foreign(&s.invitation_code)
                .foreign(&s.enrolment_code)])
            .good(200),
        at("POST", "/activate/account").form(account),
        // Who opens it first is noted, whatever else the request brings.
        at("GET", "/setup")
            .query([
                optional("code", &s.setup_code).foreign(&s.receipt).foreign(&s.enrolment_code),
                optional("refresh", "off").foreign("on"),
            ])
            .touches(&["router_setup"])
            .good(303),
        at("POST", "/setup")
            .form([required("code", &s.setup_code).foreign(&s.receipt).foreign(&s.activation_code)])
            .good(303),
        at("POST", "/setup/seen")
            .cookie(&format!("__Host-setup={}", s.setup_code), &[&s.manager])
            .form([required("peer", &s.router).foreign(&s.new_router).foreign("T0000000000")])
            .good(303),
    ]
    .into_iter()
    .chain(proxy(s))
    .collect()
}

/// What a proxy asks on behalf of a browser at its service.
pub(super) fn proxy(s: &Scene) -> Vec<Row> {
    let at = |method, path| {
        Row::new(Public, method, path).authorization(
            &Scene::basic("guarded", &s.guarded_secret),
            &[
                &Scene::basic("guarded", &s.other_secret),
                &Scene::basic("referral", &s.secret),
                &Scene::basic("\u{0}", &s.guarded_secret),
            ],
        )
    };
    vec![
        at("GET", "/forward-auth/verify"),
        at("GET", "/forward-auth/start").query([free("to", "/records")]).good(303),
        at("GET", "/forward-auth/callback")
            .query([required("code", "A"), required("state", "A").foreign("B")]),
        at("POST", "/forward-auth/logout").payload(Payload::NoFields),
    ]
}

/// What clients ask, at the public name and at the one that takes their certificates.
pub(super) fn programs(s: &Scene, role: NameRole) -> Vec<Row> {
    let at = |method, path| Row::new(role, method, path);
    let client = |path| {
        at("POST", path).authorization(
            &Scene::basic("referral", &s.secret),
            &[
                &Scene::basic("referral", &s.other_secret),
                &Scene::basic("other", &s.secret),
                &Scene::basic("\u{0}", &s.secret),
            ],
        )
    };
    let request = Scene::authentication_request().into_iter().map(|(name, value)| match name {
        "state" | "nonce" => optional(name, value),
        "client_id" => optional(name, value).foreign("other").foreign("nobody"),
        "redirect_uri" => required(name, value).foreign("https://evil.example/callback"),
        "response_type" => required(name, value).foreign("token"),
        _ => required(name, value),
    });
    // A code is good once; the other name meets it used.
    let token = client("/token").form([
        required("grant_type", "authorization_code").foreign("password"),
        required("code", &s.code).foreign("A"),
        required("redirect_uri", oidc::REDIRECT).foreign("https://evil.example/"),
        required("code_verifier", oidc::VERIFIER).foreign(oidc::CHALLENGE),
    ]);
    vec![
        client("/par").form(request.collect::<Vec<_>>()).good(201),
        if role == Public { token.good(200) } else { token },
        client("/introspect").form([free("token", "a.b.c")]).good(200),
        client("/revoke").form([free("token", "a.b.c")]).good(200),
        at("GET", "/userinfo")
            .authorization("Bearer a.b.c", &[&Scene::basic("referral", &s.secret)]),
        at("POST", "/userinfo").authorization("Bearer a.b.c", &[]),
    ]
}

/// Services that register themselves.
pub(super) fn registration(s: &Scene) -> Vec<Row> {
    let own = |method| {
        Row::new(Public, method, "/register/{client_id}")
            .parameter(&s.registered, &["referral", "other", NOTHING])
            .authorization(
                &s.registration_token,
                &[&s.initial_token, &Scene::basic(&s.registered, &s.secret)],
            )
    };
    let mut replaced = Scene::registration("itself");
    replaced["client_id"] = s.registered.as_str().into();
    vec![
        Row::new(Public, "POST", "/register")
            .authorization(&s.initial_token, &[&s.registration_token, "Bearer A"])
            .payload(Payload::Json(Scene::registration("another"), vec!["redirect_uris"]))
            .good(201),
        own("GET").good(200),
        own("PUT").payload(Payload::Json(replaced, vec!["client_id", "redirect_uris"])).good(200),
        own("DELETE").good(204),
    ]
}
