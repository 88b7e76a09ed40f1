//! Enrolment, and what is said about certificates.

use NameRole::{Enrol, Plain};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    hostile::{
        judge::Expect::Harmless,
        row::{Payload, Row, required},
        scene::Scene,
    },
    names::NameRole,
};

pub(super) fn enrol(s: &Scene) -> Vec<Row> {
    let at = |method, path| Row::new(Enrol, method, path);
    let foreign = [&s.strange_chain(), &s.no_chain()];
    let request = |name: &str| {
        Payload::Octets("application/pkcs10", s.certification_request(name), 16 * 1024)
    };
    let basic = Scene::basic;
    let acme = |path: &'static str| {
        let body = Payload::Octets("application/jose+json", s.acme.body(path), 16 * 1024);
        at("POST", path).payload(body)
    };
    let cmp = |path| {
        let body = Payload::Octets("application/pkixcmp", s.cmp_message.clone(), 64 * 1024);
        at("POST", path).payload(body).good(200)
    };
    let unknown = "01999999-0000-7000-8000-000000000000";
    vec![
        at("GET", "/acme/directory").good(200),
        at("GET", "/acme/new-nonce").good(204),
        at("GET", "/acme/renewal-info/{id}")
            .parameter(&s.acme.renewal_info, &["AQ.AQ", "AQ", unknown])
            .good(200),
        acme("/acme/new-account").good(201),
        acme("/acme/new-order").good(201),
        acme("/acme/account/{id}").parameter(&s.acme.account, &[unknown]).good(200),
        acme("/acme/account/{id}/orders").parameter(&s.acme.account, &[unknown]).good(200),
        acme("/acme/order/{id}")
            .parameter(&s.acme.pending_order, &[&s.acme.ready_order, unknown])
            .good(200),
        acme("/acme/order/{id}/finalize")
            .parameter(&s.acme.ready_order, &[&s.acme.pending_order, unknown])
            .good(200),
        acme("/acme/authorization/{id}").parameter(&s.acme.authorization, &[unknown]).good(200),
        acme("/acme/http-01/{id}").parameter(&s.acme.authorization, &[unknown]).good(200),
        acme("/acme/tls-alpn-01/{id}").parameter(&s.acme.authorization, &[unknown]).good(200),
        acme("/acme/certificate/{id}")
            .parameter(&s.acme.fulfilled_order, &[&s.acme.ready_order, unknown])
            .good(200),
        acme("/acme/revoke-cert").good(200),
        acme("/acme/key-change").good(200),
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
        // Keys for PCs are not made here unless the operating body says so.
        at("POST", "/.well-known/est/serverkeygen")
            .authorization(&basic(&s.new_terminal, &s.enrolment_code), &[])
            .payload(request(&s.new_terminal)),
        // Before the row that uses the code up.
        at("POST", "/.well-known/est/routers/serverkeygen")
            .chain(&s.router_chain(), &[&s.strange_chain(), &s.no_chain(), &s.chain()])
            .payload(request(&s.router))
            // A bit turned in its key or signature, which nobody looks at (RFC 7030 §4.4.1).
            .touches(&[
                "certificate",
                "issuance_intention",
                "serial_number",
                "subscriber_key",
                "terminal_event",
            ])
            .good(200),
        at("GET", "/.well-known/est/routers/cacerts").good(200),
        at("GET", "/.well-known/est/csrattrs").good(200),
        at("GET", "/.well-known/est/routers/csrattrs").good(200),
        at("POST", "/.well-known/est/routers/simpleenroll")
            .authorization(
                &basic(&s.new_router, &s.router_code),
                &[
                    &basic(&s.new_router, &s.enrolment_code),
                    &basic(&s.new_terminal, &s.router_code),
                    &basic(&s.new_terminal, &s.enrolment_code),
                    &basic("T0000000000", &s.router_code),
                ],
            )
            .payload(request(&s.new_router))
            // A wrong code costs the terminal's code a try.
            .touches(&["enrolment_code"])
            .good(200),
        at("POST", "/.well-known/est/routers/simplereenroll")
            .chain(&s.router_chain(), &[&s.strange_chain(), &s.no_chain(), &s.chain()])
            .payload(request(&s.router))
            .good(200),
        at("POST", "/router/psk")
            .authorization(
                &basic(&s.new_router, &s.psk.1),
                &[
                    &basic(&s.router, &s.psk.1),
                    &basic(&s.new_router, &s.router_code),
                    &basic(&s.new_terminal, &s.psk.1),
                    &basic("T0000000000", &s.psk.1),
                ],
            )
            .good(200),
        at("GET", "/router/psk/{id}")
            .parameter(&s.psk.0, &[&s.router, "01999999-0000-7000-8000-000000000000"])
            .good(200),
        at("POST", "/router/tunnels")
            .chain(&s.router_chain(), &[&s.strange_chain(), &s.no_chain(), &s.chain()])
            .payload(Payload::Octets(
                "text/csv",
                format!("{},up\n", s.new_router).into_bytes(),
                16 * 1024,
            ))
            .good(200),
        cmp("/.well-known/cmp"),
        cmp("/.well-known/cmp/p/routers"),
        at("GET", "/terminal/trust").chain(&s.chain(), &foreign),
    ]
}

pub(super) fn plain(s: &Scene) -> Vec<Row> {
    let at = |method, path| Row::new(Plain, method, path);
    let question = s.ocsp_question();
    let scep = || Payload::Octets("application/x-pki-message", s.scep_message.clone(), 64 * 1024);
    let cmp = |path| {
        let body = Payload::Octets("application/pkixcmp", s.cmp_message.clone(), 64 * 1024);
        at("POST", path).payload(body).good(200)
    };
    let path: String =
        url::form_urlencoded::byte_serialize(STANDARD.encode(&question).as_bytes()).collect();
    vec![
        at("GET", "/crl/{file}")
            .parameter("terminals.crl", &[".crl", "terminals", "%00.crl", "x.crl"]),
        at("GET", "/ca/{file}")
            .parameter("root.crt", &[".crt", "root", "%00.crt", "root.crl"])
            .good(200),
        at("GET", "/scep").query([required("operation", "GetCACaps")]).good(200),
        at("POST", "/scep")
            .query([required("operation", "PKIOperation")])
            .payload(scep())
            .good(200),
        at("GET", "/cgi-bin/pkiclient.exe").query([required("operation", "GetCACert")]).good(200),
        at("POST", "/cgi-bin/pkiclient.exe")
            .query([required("operation", "PKIOperation")])
            .payload(scep())
            .good(200),
        cmp("/.well-known/cmp"),
        cmp("/.well-known/cmp/p/routers"),
        at("POST", "/ocsp")
            .payload(Payload::Octets("application/ocsp-request", question, 8 * 1024))
            .spoilt(Harmless)
            .good(200),
        at("GET", "/ocsp/{*question}").parameter(&path, &[]).spoilt(Harmless).good(200),
    ]
}
