//! Every route with a good request. A route without a line here fails the test.

use NameRole::{Enrol, Mtls, Plain, Public, Terminal};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    judge::Expect::{Harmless, Turned},
    row::{Payload, Row, free, optional, required},
    scene::{Scene, application_fields, institution_code},
};
use crate::{assets::Assets, names::NameRole, oidc::tests::scene as oidc};

/// An identifier in the form of ours, of nothing.
const NOTHING: &str = "01990000-0000-7000-8000-000000000000";

pub async fn rows(scene: &Scene) -> Vec<Row> {
    // Good requests are sent in this order: what ends something comes after what needs it.
    let mut rows = public(scene);
    rows.extend([Public, Mtls].into_iter().flat_map(|role| programs(scene, role)));
    rows.extend(registration(scene));
    rows.extend(terminal(scene).await);
    rows.extend(enrol(scene));
    rows.extend(console(scene));
    rows.extend(members(scene));
    rows.extend(register(scene));
    rows.extend(plain(scene));
    rows
}

fn asset() -> String {
    Assets::load().path("sekisho.css").trim_start_matches("/assets/").to_owned()
}

async fn terminal(s: &Scene) -> Vec<Row> {
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
        logged_in(at("GET", "/")).good(200),
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
        // The same for everybody: what it tells it has from the browser.
        Row::new(Terminal, "GET", "/check-session").good(200),
        Row::new(Terminal, "GET", "/assets/{segment}")
            .parameter(&asset(), &[NOTHING, "sekisho.css"])
            .good(200),
    ]
}

fn public(s: &Scene) -> Vec<Row> {
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
        at("GET", "/activate").good(200),
        at("POST", "/activate")
            .form([required("code", &s.activation_code)
                .foreign(&s.receipt)
                .foreign(&s.invitation_code)
                .foreign(&s.enrolment_code)])
            .good(200),
        at("POST", "/activate/account").form(account),
    ]
    .into_iter()
    .chain(proxy(s))
    .collect()
}

/// What a proxy asks on behalf of a browser at its service.
fn proxy(s: &Scene) -> Vec<Row> {
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
fn programs(s: &Scene, role: NameRole) -> Vec<Row> {
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
fn registration(s: &Scene) -> Vec<Row> {
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

fn console(s: &Scene) -> Vec<Row> {
    let (a, b) = (&s.here.terminal.organisation_id, &s.elsewhere.terminal.organisation_id);
    let (t, u) = (s.new_terminal.as_str(), s.elsewhere.terminal.terminal_id.as_str());
    let at = |method, path| Row::new(Public, method, path);
    let administrator =
        |method, path| at(method, path).cookie(&s.administrator, &[&s.auditor, &s.manager]);
    let auditor = |method, path| at(method, path).cookie(&s.auditor, &[&s.manager, &s.officer]);
    let audit_query = || {
        [
            optional("from", "2026-11-21T09:00").foreign("yesterday"),
            optional("until", "2026-11-22T09:00").foreign("2026-11-31T09:00"),
            free("actor", "admin"),
            free("act", "role.grant"),
            optional("facility", "123456789007").foreign("1").foreign("123456789008"),
            free("before", "1.0199f0a0-7d2e-7000-8000-000000000000"),
        ]
    };
    let manager = |method, path| at(method, path).cookie(&s.manager, &[&s.officer, &s.auditor]);
    let owner = |method, path| at(method, path).cookie(&s.owner, &[&s.manager, &s.administrator]);
    let of_terminal = |method, path| {
        manager(method, path)
            .foreign_cookie(&s.other_manager)
            .parameter(t, &[u, NOTHING, "T0000000000", a])
    };
    vec![
        at("GET", "/console").cookie(&s.auditor, &[]).good(200),
        at("GET", "/console/login").query([free("return_to", "/console/roles")]).good(200),
        at("POST", "/console/login").form([
            required("login_name", "admin"),
            required("password", "wrong-password"),
            required("totp_code", "000000"),
            free("return_to", "/console"),
        ]),
        // Before the rows that end this session.
        auditor("GET", "/console/audit").query(audit_query()).good(200),
        auditor("GET", "/console/audit-download").query(audit_query()).good(200),
        auditor("GET", "/console/audit/{id}")
            .parameter(&s.audit_record, &[NOTHING, &s.membership])
            .good(200),
        auditor("POST", "/console/audit/{id}/personal")
            .parameter(&s.audit_record, &[NOTHING, &s.membership])
            .payload(Payload::NoFields)
            .good(200),
        administrator("GET", "/console/roles").good(200),
        administrator("POST", "/console/roles")
            .form([
                required("login_name", "tanaka").foreign("admin").foreign("田中").foreign("a b"),
                required("name", "田中"),
                optional("name_kana", "タナカ"),
                required("email", "t@example.jp").foreign("nobody"),
                required("role", "auditor").foreign("facility_administrator").foreign("king"),
            ])
            .good(200),
        administrator("POST", "/console/roles/{id}/withdraw")
            .parameter(&s.grant, &[NOTHING, &s.membership])
            .form([required("sure", "yes").foreign("no")])
            .good(303),
        administrator("POST", "/console/roles/{id}/link")
            .parameter(&s.officer_id, &[NOTHING, &s.membership, &s.colleague_id])
            .payload(Payload::NoFields)
            .good(200),
        at("GET", "/console/notices").cookie(&s.officer, &[]).good(200),
        manager("POST", "/console/notices/{id}/read")
            .foreign_cookie(&s.other_manager)
            .parameter(&s.notice, &[NOTHING, &s.claim])
            .payload(Payload::NoFields)
            .good(303),
        manager("GET", "/console/staff").good(200),
        manager("POST", "/console/staff/{id}/link")
            .foreign_cookie(&s.other_manager)
            .parameter(&s.colleague_id, &[NOTHING, &s.officer_id])
            .form([required("facility", a).foreign(b).foreign(NOTHING)])
            .good(200),
        administrator("GET", "/console/services")
            .query([optional("page", "0").foreign("-1")])
            .good(200),
        owner("GET", "/console/services/new").good(200),
        owner("POST", "/console/services/new")
            .form([
                required("organisation", a).foreign(b).foreign(NOTHING),
                required("name_ja", "新サービス"),
                required("name_en", "New service"),
                required("description_ja", "試す。"),
                required("description_en", "A trial."),
                required("home_url", "https://new.example/").foreign("javascript:alert(1)"),
                required("redirect_uris", "https://new.example/callback")
                    .foreign("http://new.example/callback")
                    .foreign("https://a.example/\nhttps://b.example/"),
                optional("logout_uris", "https://new.example/bye").foreign("nowhere"),
                optional("backchannel_logout_uri", "https://new.example/out")
                    .foreign("https://[::1]/"),
                // `scopes` is a list, which may well come twice; its own test has the rest.
                required("authentication", "client_secret_basic").foreign("private_key_jwt"),
            ])
            .good(200),
        at("GET", "/console/service/{id}")
            .cookie(&s.administrator, &[&s.auditor, &s.manager])
            .parameter("referral", &[NOTHING, "nobody", a])
            .good(200),
        owner("POST", "/console/service/{id}/check/notice")
            .parameter(&s.tried[0], &["referral", NOTHING, "nobody"])
            .payload(Payload::NoFields)
            .good(303),
        owner("POST", "/console/service/{id}/check/signature")
            .parameter(&s.tried[0], &["referral", NOTHING, "nobody"])
            .payload(Payload::NoFields)
            .good(303),
        owner("POST", "/console/service/{id}/ask")
            .parameter(&s.tried[0], &["referral", NOTHING, "nobody"])
            .form([required("purpose", "紹介状を読む。")])
            .good(303),
        administrator("POST", "/console/service/{id}/refuse")
            .parameter(&s.tried[1], &[&s.tried[0], "referral", NOTHING])
            .form([required("reason", "目的が分かりません。")])
            .good(303),
        administrator("POST", "/console/service/{id}/approve")
            .parameter(&s.tried[2], &[&s.tried[0], "referral", NOTHING])
            .form([
                required("rules", "[[rules]]\nid = \"all\"\n").foreign("[[rules").foreign("x = 1"),
                required("seen", &s.seen).foreign("1"),
            ])
            .good(303),
        owner("POST", "/console/services/token")
            .form([required("organisation", a).foreign(b).foreign(NOTHING)])
            .good(200),
        manager("GET", "/console/terminals").query([optional("page", "0").foreign("-1")]).good(200),
        manager("POST", "/console/terminals")
            .foreign_cookie(&s.other_manager)
            .form([
                required("facility", a).foreign(b).foreign("<script>"),
                required("name", "外来9号機").foreign(t),
            ])
            .good(200),
        of_terminal("GET", "/console/terminals/{id}").query([free("notice", "revoked")]).good(200),
        of_terminal("POST", "/console/terminals/{id}/code").payload(Payload::NoFields).good(200),
        of_terminal("POST", "/console/terminals/{id}/replace").payload(Payload::NoFields).good(200),
        of_terminal("POST", "/console/terminals/{id}/replace/cancel")
            .payload(Payload::NoFields)
            .good(303),
        of_terminal("GET", "/console/terminals/{id}/revoke").good(200),
        of_terminal("POST", "/console/terminals/{id}/revoke")
            .form([
                required("reason", "lost").foreign("<script>"),
                optional("note", "棚卸しで見つからない"),
            ])
            .good(303),
        at("POST", "/console/logout").cookie(&s.auditor, &[]).payload(Payload::NoFields),
    ]
}

fn members(s: &Scene) -> Vec<Row> {
    let (a, b) = (&s.here.terminal.organisation_id, &s.elsewhere.terminal.organisation_id);
    let at = |method, path| {
        Row::new(Public, method, path)
            .cookie(&s.manager, &[&s.other_manager, &s.officer, &s.administrator])
    };
    let organisation = || required("organisation", a).foreign(b).foreign(NOTHING);
    vec![
        at("GET", "/console/members")
            .query([
                optional("organisation", a).foreign(b),
                optional("notice", "ended").foreign("<script>"),
            ])
            .good(200),
        at("POST", "/console/members/invitations")
            .form([
                organisation(),
                required("name", "鈴木 一郎"),
                required("name_kana", "スズキ イチロウ"),
                required("role", "Pharmacist").foreign("King"),
                optional("licence_number", "123456"),
            ])
            .good(200),
        at("POST", "/console/members/invitations/{id}/withdraw")
            .parameter(&s.invitation, &[NOTHING, &s.claim])
            .form([organisation()])
            .good(303),
        at("POST", "/console/members/claims/{id}")
            .parameter(&s.claim, &[NOTHING, &s.invitation])
            .form([organisation(), required("decision", "refused").foreign("maybe")])
            .good(303),
        at("POST", "/console/members/card-removal")
            .form([organisation(), required("policy", "lock").foreign("never")])
            .good(303),
        at("POST", "/console/members/{id}/end")
            .parameter(&s.membership, &[NOTHING, &s.claim])
            .form([organisation(), required("sure", "yes").foreign("no")])
            .good(303),
    ]
}

fn register(s: &Scene) -> Vec<Row> {
    let (a, application, checked) =
        (&s.here.terminal.organisation_id, &s.application, &s.checked_application);
    let b = &s.elsewhere.terminal.organisation_id;
    let at = |method, path| Row::new(Public, method, path);
    let officer = |method, path| at(method, path).cookie(&s.officer, &[&s.manager, &s.auditor]);
    let administrator =
        |method, path| at(method, path).cookie(&s.administrator, &[&s.officer, &s.manager]);
    let apply = application_fields(&institution_code(200_001))
        .into_iter()
        .map(|(name, value)| match name {
            "form" => required(name, &value).foreign("short"),
            "kind" => required(name, &value).foreign("medical_clinic"),
            "prefecture" => required(name, &value).foreign("48").foreign("-1"),
            "medical_institution_code" => required(name, &value).foreign("1311000011"),
            _ => required(name, &value),
        })
        .chain([optional("again", "false").foreign("maybe")])
        .collect::<Vec<_>>();
    vec![
        at("GET", "/apply").good(200),
        at("POST", "/apply").form(apply).good(201),
        at("GET", "/apply/status").good(200),
        at("POST", "/apply/status")
            .form([required("receipt", &s.receipt)
                .foreign(&s.activation_code)
                .foreign(&s.invitation_code)])
            .good(200),
        officer("GET", "/console/applications")
            .query([optional("from", "0").foreign("-1").foreign("99999999999")])
            .good(200),
        officer("GET", "/console/applications/{id}")
            .parameter(application, &[NOTHING, &s.grant])
            .good(200),
        officer("POST", "/console/applications/{id}/checks")
            .parameter(application, &[NOTHING, &s.grant])
            .form([required("source", "名簿"), optional("note", "一致")])
            .good(303),
        officer("POST", "/console/applications/{id}/approve")
            .parameter(checked, &[NOTHING, &s.grant])
            .form([
                required("letter_postal_code", "100-0001").foreign("1"),
                required("letter_address", "東京都千代田区1"),
            ])
            .good(200),
        officer("POST", "/console/applications/{id}/reject")
            .parameter(application, &[NOTHING, &s.grant])
            .form([required("reason", "名簿にない")])
            .good(303),
        officer("GET", "/console/organisations")
            .query([free("q", "病院"), optional("page", "0").foreign("-1")])
            .good(200),
        administrator("GET", "/console/organisations/{id}/status")
            .parameter(b, &[NOTHING, application])
            .good(200),
        administrator("POST", "/console/organisations/{id}/status")
            .parameter(b, &[NOTHING, application])
            .form([
                required("change", "suspend").foreign("burn"),
                required("reason", "定期点検"),
                required("sure", "yes").foreign("no"),
            ])
            .good(303),
        officer("GET", "/console/organisations/{id}")
            .parameter(a, &[NOTHING, application])
            .good(200),
        officer("POST", "/console/organisations/{id}/letter")
            .parameter(a, &[NOTHING, application])
            .payload(Payload::NoFields),
        officer("POST", "/console/organisations/{id}/further-letter")
            .parameter(a, &[NOTHING, application])
            .form([required("reason", "管理者の退職")])
            .good(200),
        administrator("POST", "/console/organisations/{id}/name")
            .parameter(a, &[NOTHING, application])
            .form([required("name", "新病院"), required("name_kana", "シンビョウイン")]),
        administrator("POST", "/console/organisations/{id}/codes")
            .parameter(a, &[NOTHING, application])
            .form([
                required("scheme", "medical_institution").foreign("king"),
                required("value", &institution_code(300_001)).foreign("1311000011"),
                required("change", "add").foreign("burn"),
            ])
            .good(303),
    ]
}

fn enrol(s: &Scene) -> Vec<Row> {
    let at = |method, path| Row::new(Enrol, method, path);
    let foreign = [&s.strange_chain(), &s.no_chain()];
    let request = |name: &str| {
        Payload::Octets("application/pkcs10", s.certification_request(name), 16 * 1024)
    };
    let basic = Scene::basic;
    vec![
        at("GET", "/.well-known/est/cacerts").good(200),
        at("POST", "/.well-known/est/simpleenroll")
            .authorization(
                &basic(&s.new_terminal, &s.enrolment_code),
                &[
                    &basic(&s.new_terminal, &s.other_enrolment_code),
                    &basic("T1234567891", &s.enrolment_code),
                    &basic("T0000000000", &s.enrolment_code),
                    &basic(&s.new_terminal, &s.invitation_code),
                ],
            )
            .payload(request(&s.new_terminal))
            // A wrong code costs the terminal's code a try.
            .touches(&["enrolment_code"])
            .good(200),
        at("POST", "/.well-known/est/simplereenroll")
            .chain(&s.chain(), &foreign)
            .payload(request(&s.here.terminal.terminal_id))
            .good(200),
        at("GET", "/terminal/trust").chain(&s.chain(), &foreign),
    ]
}

fn plain(s: &Scene) -> Vec<Row> {
    let at = |method, path| Row::new(Plain, method, path);
    let question = s.ocsp_question();
    let path: String =
        url::form_urlencoded::byte_serialize(STANDARD.encode(&question).as_bytes()).collect();
    vec![
        at("GET", "/crl/{file}")
            .parameter("terminals.crl", &[".crl", "terminals", "%00.crl", "x.crl"]),
        at("GET", "/ca/{file}")
            .parameter("root.crt", &[".crt", "root", "%00.crt", "root.crl"])
            .good(200),
        at("POST", "/ocsp")
            .payload(Payload::Octets("application/ocsp-request", question, 8 * 1024))
            .spoilt(Harmless)
            .good(200),
        at("GET", "/ocsp/{*question}").parameter(&path, &[]).spoilt(Harmless).good(200),
    ]
}
