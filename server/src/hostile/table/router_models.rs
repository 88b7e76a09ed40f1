//! Models of routers: the public list, the console's, and which one a facility's router is; the link of its technician.

use NameRole::Public;

use super::NOTHING;
use crate::{
    hostile::{
        row::{Payload, Row, free, optional, required},
        scene::Scene,
    },
    names::NameRole,
};

/// A file of one model and one result.
const TESTS: &str = "format = \"sekisho-router-tests\"\nversion = 1\n[[model]]\nkey = \"a\"\nmaker = \"甲\"\n\
    model = \"乙\"\nfirmware = \"1\"\nfamily = \"router\"\ndoors = [\"est\"]\n[[run]]\nsource = \"bench\"\n\
    tested_by = \"丙\"\ntested_at = \"2026-11-01T09:00:00Z\"\njudged = \"packet\"\n\
    results = [{ opens = \"a\", awaits = \"a\", proof = \"psk\", succeeded = true }]\n";

pub(super) fn rows(s: &Scene) -> Vec<Row> {
    let (t, u) = (s.new_terminal.as_str(), s.elsewhere.terminal.terminal_id.as_str());
    let at = |method, path| Row::new(Public, method, path);
    let administrator =
        |method, path| at(method, path).cookie(&s.administrator, &[&s.auditor, &s.manager]);
    let of_router = |method, path| {
        at(method, path)
            .cookie(&s.manager, &[&s.officer, &s.auditor])
            .foreign_cookie(&s.other_manager)
            .parameter(&s.router, &[t, u, "T0000000000", "x"])
    };
    let of_model = |method, path| {
        administrator(method, path).parameter(&s.router_model, &[NOTHING, &s.membership])
    };
    let asked = || {
        [
            free("q", "日本"),
            optional("family", "router").foreign("terminal"),
            optional("proof", "psk").foreign("md5"),
            optional("with", "router").foreign("router_nobody"),
            optional("certified", "yes").foreign("no"),
            optional("page", "0").foreign("-1"),
        ]
    };
    vec![
        at("GET", "/routers").query(asked()).good(200),
        at("GET", "/routers/{id}").parameter(&s.router_model, &[NOTHING, t]).good(200),
        at("GET", "/console/router-models").cookie(&s.manager, &[]).query(asked()).good(200),
        at("GET", "/console/router-models/{id}")
            .cookie(&s.manager, &[])
            .parameter(&s.router_model, &[NOTHING, t])
            .query([free("notice", "certified")])
            .good(200),
        administrator("POST", "/console/router-models")
            .form([required("file", TESTS).foreign("version = 1").foreign("<script>")])
            .good(200),
        // The shipped results are of a later day than the scene's.
        administrator("POST", "/console/router-models-shipped").payload(Payload::NoFields),
        administrator("GET", "/console/router-models-download").good(200),
        of_model("POST", "/console/router-models/{id}/certify")
            .form([
                required("proof", "psk").foreign("p256").foreign("hpki-like").foreign("md5"),
                optional("from", "2026-11-21").foreign("yesterday").foreign("2027-05-01"),
                required("until", "2027-03-31").foreign("2020-01-01").foreign("9999-12-31"),
                required("reason", "試験に合格した。"),
            ])
            .good(303),
        of_model("POST", "/console/router-models/{id}/withdraw")
            .form([
                required("ended_proof", "psk").foreign("p256"),
                required("ended_reason", "新しい版で動かない。"),
                required("sure", "yes").foreign("no"),
            ])
            .good(303),
        of_router("GET", "/console/routers/{id}/model").good(200),
        of_router("POST", "/console/routers/{id}/model")
            .form([optional("model", &s.router_model).foreign(NOTHING).foreign(t)])
            .good(303),
        of_router("GET", "/console/routers/{id}/setup").query([free("notice", "ended")]).good(200),
        of_router("POST", "/console/routers/{id}/setup")
            .form([
                required("tunnel", &s.new_router)
                    .foreign(&format!("{}:both", s.new_router))
                    .foreign("T0000000000")
                    .foreign(t)
                    .foreign(u),
                required("key", "p256").foreign("dsa"),
            ])
            .good(200),
        of_router("POST", "/console/routers/{id}/setup/end").payload(Payload::NoFields).good(303),
    ]
}
