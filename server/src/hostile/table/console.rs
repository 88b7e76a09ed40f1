//! The console but for the register.

use NameRole::Public;

use super::NOTHING;
use crate::{
    hostile::{
        row::{Payload, Row, free, optional, required},
        scene::Scene,
    },
    names::NameRole,
};

pub(super) fn console(s: &Scene) -> Vec<Row> {
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
    let waiting = "5a".repeat(32);
    let once = "6b".repeat(16);
    let of_terminal = |method, path| {
        manager(method, path)
            .foreign_cookie(&s.other_manager)
            .parameter(t, &[u, NOTHING, "T0000000000", a])
    };
    let of_router = |method, path| {
        manager(method, path)
            .foreign_cookie(&s.other_manager)
            .parameter(&s.router, &[t, u, "T0000000000", "x"])
    };
    // Which has no certificate yet. A PC is a device, too.
    let of_new_router = |method, path| {
        manager(method, path)
            .foreign_cookie(&s.other_manager)
            .parameter(&s.new_router, &[u, NOTHING, "T0000000000"])
    };
    let of_pair = |path| {
        of_router("POST", path)
            .form([required("peer", &s.new_router).foreign("T0000000000").foreign(t).foreign(u)])
    };
    let of_emergency = |method, path| {
        manager(method, path)
            .foreign_cookie(&s.other_manager)
            .parameter(&s.emergency, &[&s.other_emergency, NOTHING, &s.membership])
    };
    let rules = |method, path| {
        at(method, path)
            .cookie(&s.administrator, &[&s.auditor, &s.manager, &s.owner])
            .parameter("referral", &[NOTHING, "nobody", a])
    };
    let base = || required("base", "1").foreign("2").foreign("-1").foreign("x");
    let of_proposal = |method, path, number: usize| {
        at(method, path)
            .cookie(&s.administrator, &[&s.auditor, &s.manager, &s.owner])
            .parameter(&s.proposals[number], &[NOTHING, &s.membership, "referral"])
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
        auditor("GET", "/console/whois")
            .query([
                optional("address", "192.0.2.1").foreign("192.0.2.1/24").foreign("<script>"),
                optional("at", "2026-11-21T09:00").foreign("2026-11-31T09:00"),
                optional("minutes", "60").foreign("0").foreign("70000").foreign("-1"),
            ])
            .good(200),
        administrator("GET", "/console/login-times")
            .query([optional("code", "12345-67890").foreign("1234").foreign("<script>")])
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
        at("GET", "/console/account").cookie(&s.officer, &[]).good(200),
        // Whoever has but the session proves nothing by it.
        at("POST", "/console/account/password").cookie(&s.officer, &[]).form([
            required("present_password", "wrong-password"),
            required("totp_code", "000000"),
            required("password", "kawa-no-nagare-wa"),
            required("password_again", "kawa-no-nagare-wa"),
        ]),
        at("POST", "/console/account/codes").cookie(&s.officer, &[]).form([
            required("present_password", "wrong-password"),
            required("totp_code", "000000"),
        ]),
        at("GET", "/console/notices").cookie(&s.officer, &[]).good(200),
        manager("POST", "/console/notices/{id}/read")
            .foreign_cookie(&s.other_manager)
            .parameter(&s.notice, &[NOTHING, &s.claim])
            .payload(Payload::NoFields)
            .good(303),
        manager("GET", "/console/resets").good(200),
        // Nobody of this facility has an account without a card.
        manager("POST", "/console/resets").foreign_cookie(&s.other_manager).form([
            required("facility", a).foreign(b).foreign(NOTHING),
            required("person", &s.officer_id).foreign(NOTHING),
            required("reason", "電話を紛失。本人を窓口で確認。"),
        ]),
        manager("POST", "/console/resets/{id}/approve")
            .foreign_cookie(&s.other_manager)
            .parameter(NOTHING, &[&s.membership])
            .form([required("facility", a).foreign(b).foreign(NOTHING)]),
        manager("POST", "/console/resets/{id}/refuse")
            .foreign_cookie(&s.other_manager)
            .parameter(NOTHING, &[&s.membership])
            .form([required("facility", a).foreign(b).foreign(NOTHING)]),
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
                optional("refreshes", "yes").foreign("no"),
                // `scopes` is a list, which may well come twice; its own test has the rest.
                required("authentication", "client_secret_basic").foreign("private_key_jwt"),
            ])
            .good(200),
        administrator("GET", "/console/use-cases").good(200),
        at("GET", "/console/service/{id}")
            .cookie(&s.administrator, &[&s.auditor, &s.manager])
            .parameter("referral", &[NOTHING, "nobody", a])
            .query([
                optional("use_case", "7").foreign("18").foreign("0").foreign("⑦"),
                free("seen", "0000"),
            ])
            .good(200),
        at("GET", "/console/service/{id}/acme")
            .cookie(&s.administrator, &[&s.auditor, &s.manager])
            .parameter("referral", &[NOTHING, "nobody", a])
            .good(200),
        administrator("POST", "/console/service/{id}/acme")
            .parameter("referral", &[&s.tried[0], NOTHING, "nobody"])
            .payload(Payload::NoFields)
            .good(200),
        at("GET", "/console/service/{id}/maintenance")
            .cookie(&s.administrator, &[&s.auditor, &s.manager])
            .parameter("referral", &[NOTHING, "nobody", a])
            .good(200),
        administrator("POST", "/console/service/{id}/maintenance")
            .parameter("referral", &[NOTHING, "nobody"])
            .form([
                required("text_ja", "定期点検"),
                required("text_en", "Maintenance"),
                required("from", "2026-11-22T22:00").foreign("2026-11-31T22:00").foreign("now"),
                required("until", "2026-11-23T02:00")
                    .foreign("2026-11-20T02:00")
                    .foreign("2027-11-23T02:00"),
            ])
            .good(303),
        administrator("POST", "/console/service/{id}/maintenance/withdraw")
            .parameter("referral", &[NOTHING, "nobody"])
            .form([required("notice", "none")]),
        at("GET", "/console/service/{id}/personal-data")
            .cookie(&s.administrator, &[&s.auditor, &s.manager])
            .parameter("referral", &[NOTHING, "nobody", a])
            .query([optional("notice", "kept").foreign("<script>")])
            .good(200),
        administrator("POST", "/console/service/{id}/personal-data")
            .parameter("shared", &[NOTHING, "nobody"])
            .form([
                required("ground", "joint_use").foreign("none").foreign("sold"),
                required("items_ja", "氏名"),
                required("items_en", "Name"),
                required("users_ja", "圏域の施設"),
                required("users_en", "Facilities of the region"),
                required("purpose_ja", "診療"),
                required("purpose_en", "Care"),
                required("responsible_ja", "協議会"),
                required("responsible_en", "The council"),
            ])
            .good(303),
        owner("POST", "/console/service/{id}/card")
            .parameter(&s.tried[0], &["referral", NOTHING, "nobody"])
            .form([required("card", "physician").foreign("nobody").foreign("../physician")])
            .good(200),
        owner("POST", "/console/service/{id}/pc")
            .parameter(&s.tried[0], &["referral", NOTHING, "nobody"])
            .payload(Payload::NoFields)
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
        rules("GET", "/console/service/{id}/rules")
            .query([optional("page", "0").foreign("-1").foreign("70000")])
            .good(200),
        rules("GET", "/console/service/{id}/rules/compare")
            .query([
                required("from", "1").foreign("0").foreign("2").foreign("-1"),
                required("to", "1").foreign("9999999999"),
            ])
            .good(200),
        rules("GET", "/console/service/{id}/rules/draft").good(200),
        rules("POST", "/console/service/{id}/rules/draft/text")
            .form([
                base(),
                required("rules", "[[rules]]\nid = \"all\"\n").foreign("[[rules").foreign("x = 1"),
            ])
            .good(303),
        rules("GET", "/console/service/{id}/rules/draft/rule")
            .query([optional("rule", "all").foreign("none")])
            .good(200),
        rules("POST", "/console/service/{id}/rules/draft/rule")
            // Lists may well come twice; its own test has the rest.
            .form([
                base(),
                optional("was", "all").foreign("none"),
                required("id", "all").foreign("A b").foreign("<script>"),
                optional("facilities", a).foreign(NOTHING),
                optional("hours", "mon,fri 08:30-17:00").foreign("noon").foreign("9-5"),
                optional("minimum_acr", "urn:oid:1.3.6.1.4.1.32473.3.2").foreign("strong"),
                optional("membership", "yes").foreign("no"),
                optional("emergency", "yes").foreign("1"),
            ])
            .good(303),
        rules("POST", "/console/service/{id}/rules/draft/group")
            .form([
                base(),
                optional("was", "").foreign("none"),
                required("name", "east"),
                required("members", a).foreign(NOTHING).foreign("<script>"),
            ])
            .good(303),
        rules("POST", "/console/service/{id}/rules/draft/begin")
            .form([required("from", "1").foreign("2").foreign(NOTHING).foreign(&s.membership)])
            .good(303),
        rules("POST", "/console/service/{id}/rules/draft/remove")
            .form([base(), required("rule", "physicians").foreign("none")])
            .good(303),
        rules("POST", "/console/service/{id}/rules/draft/discard")
            .payload(Payload::NoFields)
            .good(303),
        at("POST", "/console/service/{id}/rules/propose")
            .cookie(&s.writer, &[&s.auditor, &s.manager, &s.owner])
            .parameter("referral", &[NOTHING, "nobody", a, &s.tried[0]])
            .form([
                required("reason", "薬剤師も使う。"),
                required("seen", &s.written).foreign("0000"),
            ])
            .good(303),
        of_proposal("GET", "/console/rules/{id}", 0)
            .query([optional("page", "0").foreign("-1").foreign("x")])
            .good(200),
        of_proposal("POST", "/console/rules/{id}/approve", 0).payload(Payload::NoFields).good(303),
        of_proposal("POST", "/console/rules/{id}/refuse", 1)
            .form([required("reason", "要らない。")])
            .good(303),
        of_proposal("POST", "/console/rules/{id}/withdraw", 2).payload(Payload::NoFields).good(303),
        at("GET", "/console/simulator").cookie(&s.administrator, &[&s.auditor]).good(200),
        manager("POST", "/console/simulator").form([required("name", "田")]).good(200),
        manager("POST", "/console/simulator/show")
            .foreign_cookie(&s.other_manager)
            // Lists may well come twice; its own test has the rest.
            .form([
                required("person", &s.member).foreign(&s.officer_id).foreign(NOTHING),
                required("facility", a).foreign(b).foreign(NOTHING).foreign("<script>"),
                optional("acr", "urn:oid:1.3.6.1.4.1.32473.3.4").foreign("strong"),
                optional("at", "2026-11-21T09:00").foreign("yesterday"),
            ])
            .good(200),
        owner("POST", "/console/services/token")
            .form([required("organisation", a).foreign(b).foreign(NOTHING)])
            .good(200),
        manager("GET", "/console/terminals").query([optional("page", "0").foreign("-1")]).good(200),
        manager("POST", "/console/terminals")
            .foreign_cookie(&s.other_manager)
            .form([
                required("facility", a).foreign(b).foreign("<script>"),
                required("name", "外来9号機").foreign(t),
                optional("approval", "yes").foreign("no"),
            ])
            .good(200),
        manager("GET", "/console/emergencies").good(200),
        of_emergency("POST", "/console/emergencies/{id}/end").payload(Payload::NoFields).good(303),
        of_emergency("POST", "/console/emergencies/{id}/review")
            .form([
                required("verdict", "justified").foreign("splendid"),
                required("words", "救急の記録で確かめた。"),
            ])
            .good(303),
        manager("GET", "/console/routers").good(200),
        manager("POST", "/console/routers")
            .foreign_cookie(&s.other_manager)
            .form([
                required("facility", a).foreign(b).foreign("<script>"),
                required("name", "本館ルーター").foreign(t),
                required("family", "router_nec_ix").foreign("terminal"),
                optional("address", "192.0.2.1").foreign("192.0.2.1/24"),
                required("network", "10.20.30.0/24").foreign("0.0.0.0/0"),
                optional("approval", "yes").foreign("no"),
            ])
            .good(200),
        of_router("GET", "/console/routers/{id}/bundle")
            .query([optional("key", "rsa3072").foreign("dsa"), free("notice", "taken")])
            .good(200),
        of_router("GET", "/console/routers/{id}/psk").query([free("notice", "ended")]).good(200),
        of_pair("/console/routers/{id}/psk/replace").good(200),
        of_pair("/console/routers/{id}/psk/end").good(303),
        of_pair("/console/routers/{id}/psk").good(200),
        of_terminal("GET", "/console/terminals/{id}").query([free("notice", "revoked")]).good(200),
        of_terminal("POST", "/console/terminals/{id}/code")
            .form([optional("approval", "yes").foreign("no")])
            .good(200),
        // No key waits at this terminal.
        of_terminal("POST", "/console/terminals/{id}/key/approve")
            .form([required("key", &waiting).foreign("00"), required("sure", "yes").foreign("no")]),
        of_terminal("POST", "/console/terminals/{id}/key/refuse")
            .form([required("key", &waiting).foreign("00"), required("reason", "違う機器")]),
        of_new_router("GET", "/console/terminals/{id}/certify")
            .query([free("notice", "issued")])
            .good(200),
        of_new_router("POST", "/console/terminals/{id}/certify")
            .form([required("request", &s.pasted_request(&s.new_router)).foreign("abc")])
            .good(303),
        of_new_router("GET", "/console/terminals/{id}/chain").good(200),
        of_new_router("POST", "/console/terminals/{id}/key-file")
            .form([
                required("once", &once).foreign("00").foreign(t),
                required("key", "p384").foreign("rsa2048"),
                required("protection", "aes128").foreign("triple_des"),
            ])
            .good(200),
        manager("POST", "/console/key-files/{id}")
            .foreign_cookie(&s.other_manager)
            .parameter(&once, &[NOTHING, &waiting, t])
            .payload(Payload::NoFields)
            .good(200),
        // What the page does not show is not ended.
        of_router("POST", "/console/terminals/{id}/older/end")
            .form([required("newest", &waiting).foreign(t)]),
        of_terminal("POST", "/console/terminals/{id}/usage")
            .form([required("usage", "personal").foreign("nobody")])
            .good(303),
        of_terminal("POST", "/console/terminals/{id}/replace")
            .form([optional("approval", "yes").foreign("no")])
            .good(200),
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
