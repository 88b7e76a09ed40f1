//! Every path of the service on one page, by the name that serves it.

use axum::Router;

use crate::{
    app::App,
    assets,
    console::{
        audit, emergencies, groups, notices, organisations, registration, resets, router_models,
        routers, service, service::rules, services, simulator, staff, status, terminals, use_cases,
        whois,
    },
    emergency, enrol,
    error::Dialect::{Acme, Est, OAuth, Ocsp, Page, Plain, Problem},
    login, login_time, middleware,
    names::NameRole,
    network, oidc, people,
    personal_data::{consents, declarations},
    portal, register, repository,
    route::{
        QueryRule::{OfPage, OfProtocol},
        Readers::{AnyPage, PublicClients},
        Routes,
        Senders::{AnybodyWithoutCookie, Judged},
    },
    setup,
};

/// The paths of the name for `role`.
#[must_use]
pub fn routes(role: NameRole) -> Routes {
    match role {
        NameRole::Terminal => terminal_paths(),
        NameRole::Public => public_paths().merge(console_paths()).merge(register_paths()),
        NameRole::Mtls => mtls_paths(),
        NameRole::Enrol => enrol_paths(),
        NameRole::Plain => plain_paths(),
    }
}

/// The portal's name: portal, authorization endpoint, card login.
pub fn terminal(app: &App) -> Router {
    middleware::wrap(app, NameRole::Terminal, routes(NameRole::Terminal))
}

/// The public name: discovery, keys, token, userinfo, console, application and activation.
pub fn public(app: &App) -> Router {
    middleware::wrap(app, NameRole::Public, routes(NameRole::Public))
}

/// Mutual-TLS aliases.
pub fn mtls(app: &App) -> Router {
    middleware::wrap(app, NameRole::Mtls, routes(NameRole::Mtls))
}

/// Enrolment.
pub fn enrol(app: &App) -> Router {
    middleware::wrap(app, NameRole::Enrol, routes(NameRole::Enrol))
}

/// Plain HTTP: revocation lists, OCSP, CA certificates.
pub fn plain(app: &App) -> Router {
    middleware::wrap(app, NameRole::Plain, routes(NameRole::Plain))
}

fn terminal_paths() -> Routes {
    use login::passkey::second_factor;
    Routes::new(Page)
        .get_with_query("/", OfPage, portal::get)
        .post("/favourites", portal::favourites::post)
        .get_with_query(portal::history::PATH, OfPage, portal::history::get)
        .get_with_query(portal::sessions::PATH, OfPage, portal::sessions::get)
        .post("/sessions/end", portal::sessions::end)
        .post("/sessions/end-others", portal::sessions::end_others)
        .get(login_time::page::PATH, login_time::page::get)
        .get(portal::help::PATH, portal::help::get)
        .get_with_query(consents::PATH, OfPage, consents::get)
        .post("/consents/withdraw", consents::withdraw)
        .get(declarations::PATH, declarations::list)
        .get("/personal-data/{id}", declarations::show)
        .get_with_query("/login", OfPage, login::page::get)
        .post_from(AnybodyWithoutCookie, login::navigation::RETURN_PATH, login::navigation::post)
        .get("/invitation", login::invitation::get)
        .post("/invitation", login::invitation::post)
        .get(login::password::joining::PATH, login::password::joining::get)
        .post(login::password::joining::PATH, login::password::joining::post)
        .post("/login/password", login::password::login::post)
        .get_with_query(login::day_pass::login::PATH, OfPage, login::day_pass::login::get)
        .post(login::day_pass::login::PATH, login::day_pass::login::post)
        .get_with_query(login::day_pass::PATH, OfPage, login::day_pass::asking::get)
        .post(login::day_pass::PATH, login::day_pass::asking::post)
        .post("/day-pass/{id}", login::day_pass::giving::post)
        .post("/logout", login::logout::post)
        .get_with_query(login::jpki::page::PATH, OfPage, login::jpki::page::get)
        .post("/my-number-card/unlink", login::jpki::page::unlink)
        .get_with_query(login::passkey::page::PATH, OfPage, login::passkey::page::get)
        .post("/passkeys/remove", login::passkey::page::remove)
        .get_with_query(second_factor::page::PATH, OfPage, second_factor::page::get)
        .post("/second-factor/remove", second_factor::page::remove)
        .get_with_query(login::handover::PATH, OfPage, login::handover::get)
        .post(login::handover::PATH, login::handover::post)
        .get_with_query(emergency::PATH, OfPage, emergency::page::get)
        .post(emergency::PATH, emergency::begin::post)
        .post("/emergency/end", emergency::end::post)
        .get_with_effect("/authorize", OfProtocol, oidc::authorize::get)
        .post_from(Judged, "/authorize", oidc::authorize::post)
        .get_with_effect("/authorize/resume", OfPage, oidc::authorize::resume)
        .post("/authorize/consent", oidc::authorize::decide)
        .get_with_effect("/end-session", OfProtocol, oidc::logout::end_session::get)
        .post_from(Judged, "/end-session", oidc::logout::end_session::post)
        .get(oidc::session_state::PATH, oidc::session_state::get)
        .speaking(Problem)
        .post("/login/challenge", login::challenge::post)
        .post("/login/card", login::card::post)
        .post("/my-number-card/challenge", login::jpki::linking::challenge)
        .post("/my-number-card/link", login::jpki::linking::link)
        .post("/login/passkey/challenge", login::passkey::login::challenge)
        .post("/login/passkey", login::passkey::login::post)
        .post("/passkeys/challenge", login::passkey::enrolment::challenge)
        .post("/passkeys/enrol", login::passkey::enrolment::post)
        .post("/login/second-factor/challenge", second_factor::login::challenge)
        .post("/login/second-factor", second_factor::login::post)
        .post("/second-factor/challenge", second_factor::enrolment::challenge)
        .post("/second-factor/enrol", second_factor::enrolment::post)
        .post("/agent/presence", login::presence::post)
        .speaking(Plain)
        .get("/assets/{segment}", assets::serve)
}

fn public_paths() -> Routes {
    Routes::new(Page)
        .get("/", portal::landing::get)
        .get_with_query(router_models::PUBLIC, OfPage, router_models::public_list)
        .get("/routers/{id}", router_models::public_show)
        .get(declarations::PATH, declarations::list)
        .get("/personal-data/{id}", declarations::show)
        .get_with_effect(network::setup::PATH, OfPage, setup::get)
        .post(network::setup::PATH, setup::post)
        .post("/setup/seen", setup::seen)
        .get_with_query("/first-use", OfPage, people::first_use::get)
        .post("/first-use", people::first_use::post)
        .get("/activate", people::activation::get)
        .post("/activate", people::activation::post_code)
        .post("/activate/account", people::activation::post_account)
        .speaking(OAuth)
        .get(oidc::discovery::PATH, oidc::discovery::get)
        .read_by(AnyPage)
        .get("/jwks", oidc::jwks::get)
        .read_by(AnyPage)
        .post("/par", oidc::par::post)
        .read_by(PublicClients)
        .post("/token", oidc::token::post)
        .read_by(PublicClients)
        .post("/introspect", oidc::introspect::post)
        .post("/revoke", oidc::revoke::post)
        .read_by(PublicClients)
        .get("/userinfo", oidc::userinfo::get)
        .read_by(PublicClients)
        .post("/userinfo", oidc::userinfo::get)
        .read_by(PublicClients)
        .post(oidc::registration::PATH, oidc::registration::post)
        .get("/register/{client_id}", oidc::registration::get)
        .put("/register/{client_id}", oidc::registration::put)
        .delete("/register/{client_id}", oidc::registration::delete)
        .speaking(Plain)
        .get("/forward-auth/verify", oidc::forward_auth::verify)
        .get_with_query("/forward-auth/start", OfProtocol, oidc::forward_auth::start)
        .get_with_effect("/forward-auth/callback", OfProtocol, oidc::forward_auth::callback)
        .post_from(Judged, "/forward-auth/logout", oidc::forward_auth::logout)
        .get("/assets/{segment}", assets::serve)
}

/// The endpoints that a client may show a certificate to (RFC 8705 §5).
fn mtls_paths() -> Routes {
    Routes::new(OAuth)
        .post("/par", oidc::par::post)
        .post("/token", oidc::token::post)
        .post("/introspect", oidc::introspect::post)
        .post("/revoke", oidc::revoke::post)
        .get("/userinfo", oidc::userinfo::get)
        .post("/userinfo", oidc::userinfo::get)
}

fn console_paths() -> Routes {
    Routes::new(Page)
        .get("/console", people::console::get)
        .get_with_query("/console/login", OfPage, people::sign_in::get)
        .post("/console/login", people::sign_in::post)
        .post("/console/logout", people::sign_in::log_out)
        .get(people::account_page::PATH, people::account_page::get)
        .post("/console/account/password", people::account_page::change)
        .post("/console/account/codes", people::account_page::make_codes)
        .get_with_query("/console/roles", OfPage, people::roles_page::get)
        .post("/console/roles", people::roles_page::post)
        .post("/console/roles/{id}/withdraw", people::roles_page::withdraw)
        .post("/console/roles/{id}/link", people::roles_page::issue_link)
        .get("/console/notices", notices::get)
        .post("/console/notices/{id}/read", notices::read)
        .get("/console/staff", staff::get)
        .post("/console/staff/{id}/link", staff::issue_link)
        .get(resets::PATH, resets::get)
        .post(resets::PATH, resets::ask)
        .post("/console/resets/{id}/approve", resets::approve)
        .post("/console/resets/{id}/refuse", resets::refuse)
        .get_with_query("/console/services", OfPage, services::get)
        .get(registration::PATH, registration::get)
        .post(registration::PATH, registration::post)
        .post("/console/services/token", registration::make_token)
        .get("/console/use-cases", use_cases::get)
        .get_with_query("/console/service/{id}", OfPage, service::show)
        .get("/console/service/{id}/acme", service::servers::get)
        .post("/console/service/{id}/acme", service::servers::post)
        .get("/console/service/{id}/maintenance", service::maintenance::get)
        .post("/console/service/{id}/maintenance", service::maintenance::enter)
        .post("/console/service/{id}/maintenance/withdraw", service::maintenance::withdraw)
        .get_with_query("/console/service/{id}/personal-data", OfPage, service::personal_data::get)
        .post("/console/service/{id}/personal-data", service::personal_data::post)
        .post("/console/service/{id}/ask", service::ask)
        .post("/console/service/{id}/approve", service::approve)
        .post("/console/service/{id}/refuse", service::refuse)
        .post("/console/service/{id}/card", service::hand_out)
        .post("/console/service/{id}/pc", service::issue_pc_code)
        .post("/console/service/{id}/check/notice", service::notice)
        .post("/console/service/{id}/check/signature", service::signature)
        .get_with_query("/console/service/{id}/rules", OfPage, rules::show)
        .get_with_query("/console/service/{id}/rules/compare", OfPage, rules::compare)
        .get("/console/service/{id}/rules/draft", rules::draft)
        .post("/console/service/{id}/rules/draft/text", rules::text)
        .get_with_query("/console/service/{id}/rules/draft/rule", OfPage, rules::rule_form)
        .post("/console/service/{id}/rules/draft/rule", rules::rule)
        .post("/console/service/{id}/rules/draft/remove", rules::remove)
        .post("/console/service/{id}/rules/draft/group", rules::group)
        .post("/console/service/{id}/rules/draft/begin", rules::begin)
        .post("/console/service/{id}/rules/draft/discard", rules::discard)
        .post("/console/service/{id}/rules/propose", rules::propose)
        .get_with_query("/console/rules/{id}", OfPage, rules::proposal)
        .post("/console/rules/{id}/approve", rules::approve)
        .post("/console/rules/{id}/refuse", rules::refuse)
        .post("/console/rules/{id}/withdraw", rules::withdraw)
        .get(simulator::PATH, simulator::get)
        .post(simulator::PATH, simulator::search)
        .post("/console/simulator/show", simulator::show)
        .get_with_query(login_time::console::PATH, OfPage, login_time::console::get)
        .get_with_query("/console/audit", OfPage, audit::list)
        .get("/console/audit/{id}", audit::show)
        .post("/console/audit/{id}/personal", audit::personal)
        .get_with_query("/console/audit-download", OfPage, audit::download)
        .get_with_query(whois::PATH, OfPage, whois::get)
        .get_with_query("/console/organisations", OfPage, organisations::get)
        .get("/console/organisations/{id}/status", status::get)
        .post("/console/organisations/{id}/status", status::post)
        .get_with_query("/console/terminals", OfPage, terminals::list)
        .post("/console/terminals", terminals::create)
        .get_with_query("/console/terminals/{id}", OfPage, terminals::show)
        .post("/console/terminals/{id}/code", terminals::issue_code)
        .post("/console/terminals/{id}/key/approve", terminals::approve)
        .post("/console/terminals/{id}/key/refuse", terminals::refuse_key)
        .get_with_query("/console/terminals/{id}/certify", OfPage, terminals::certify::get)
        .post("/console/terminals/{id}/certify", terminals::certify::post)
        .post("/console/terminals/{id}/key-file", terminals::certify::make_file)
        .post("/console/terminals/{id}/older/end", terminals::certify::end_older)
        .get("/console/terminals/{id}/chain", terminals::certify::chain)
        .post("/console/key-files/{id}", terminals::certify::fetch_file)
        .post("/console/terminals/{id}/usage", terminals::choose_usage)
        .post("/console/terminals/{id}/replace", terminals::replace)
        .post("/console/terminals/{id}/replace/cancel", terminals::cancel_replacement)
        .get("/console/terminals/{id}/revoke", terminals::confirm_revocation)
        .post("/console/terminals/{id}/revoke", terminals::revoke)
        .get(emergencies::PATH, emergencies::list)
        .post("/console/emergencies/{id}/review", emergencies::review)
        .post("/console/emergencies/{id}/end", emergencies::end)
        .get_with_query(router_models::PATH, OfPage, router_models::list)
        .post(router_models::PATH, router_models::import)
        .post("/console/router-models-shipped", router_models::shipped)
        .get("/console/router-models-download", router_models::download)
        .get_with_query("/console/router-models/{id}", OfPage, router_models::show)
        .post("/console/router-models/{id}/certify", router_models::certify)
        .post("/console/router-models/{id}/withdraw", router_models::withdraw)
        .get("/console/routers/{id}/model", router_models::choose)
        .post("/console/routers/{id}/model", router_models::choose_one)
        .get("/console/routers", routers::get)
        .post("/console/routers", routers::post)
        .get_with_query("/console/routers/{id}/bundle", OfPage, routers::bundle)
        .get_with_query("/console/routers/{id}/setup", OfPage, routers::setup::get)
        .post("/console/routers/{id}/setup", routers::setup::make)
        .post("/console/routers/{id}/setup/end", routers::setup::end)
        .post("/console/routers/{id}/bundle", routers::taken)
        .get_with_query(groups::PATH, OfPage, groups::list)
        .post(groups::PATH, groups::make)
        .get_with_query("/console/groups/{id}", OfPage, groups::show)
        .post("/console/groups/{id}/invite", groups::invite)
        .post("/console/groups/{id}/ask", groups::ask)
        .post("/console/groups/{id}/close", groups::close)
        .post("/console/group-memberships/{id}/agree", groups::agree)
        .post("/console/group-memberships/{id}/end", groups::end)
        .post("/console/group-memberships/{id}/router", groups::enter_router)
        .post("/console/group-memberships/{id}/router/end", groups::take_out_router)
        .get_with_query("/console/routers/{id}/psk", OfPage, routers::psk::get)
        .post("/console/routers/{id}/psk", routers::psk::create)
        .post("/console/routers/{id}/psk/replace", routers::psk::replace)
        .post("/console/routers/{id}/psk/end", routers::psk::end)
        .get_with_query("/console/members", OfPage, login::members::get)
        .post("/console/members/invitations", login::invite::post)
        .post("/console/members/invitations/{id}/withdraw", login::member_acts::withdraw)
        .post("/console/members/claims/{id}", login::member_acts::decide)
        .post("/console/members/card-removal", login::member_acts::card_removal)
        .post("/console/members/untold-services", login::member_acts::untold_services)
        .post("/console/members/{id}/end", login::member_acts::end)
        .post("/console/members/day-passes/{id}/end", login::day_pass::ending::post)
}

/// Applications for accreditation, and the register.
fn register_paths() -> Routes {
    use register::{apply, code_change, officer, organisation};
    Routes::new(Page)
        .get("/apply", apply::get)
        .post("/apply", apply::post)
        .get("/apply/status", apply::get_status)
        .post("/apply/status", apply::post_status)
        .get_with_query("/console/applications", OfPage, officer::list)
        .get("/console/applications/{id}", officer::detail)
        .post("/console/applications/{id}/checks", officer::check)
        .post("/console/applications/{id}/approve", officer::approve)
        .post("/console/applications/{id}/reject", officer::reject)
        .get("/console/organisations/{id}", organisation::get)
        .post("/console/organisations/{id}/letter", organisation::first_letter)
        .post("/console/organisations/{id}/further-letter", organisation::further_letter)
        .post("/console/organisations/{id}/name", organisation::rename)
        .post("/console/organisations/{id}/codes", code_change::post)
}

fn enrol_paths() -> Routes {
    Routes::new(Est)
        .speaking(Acme)
        .get(enrol::acme::DIRECTORY, enrol::acme::directory)
        .get("/acme/new-nonce", enrol::acme::new_nonce)
        .post("/acme/new-account", enrol::acme::open)
        .post("/acme/new-order", enrol::acme::new_order)
        .post("/acme/revoke-cert", enrol::acme::revoke)
        .post("/acme/key-change", enrol::acme::key_change)
        .get("/acme/renewal-info/{id}", enrol::acme::renewal_info)
        .post("/acme/account/{id}", enrol::acme::account)
        .post("/acme/account/{id}/orders", enrol::acme::get_orders)
        .post("/acme/order/{id}", enrol::acme::order)
        .post("/acme/order/{id}/finalize", enrol::acme::finalize)
        .post("/acme/authorization/{id}", enrol::acme::authorization)
        .post("/acme/http-01/{id}", enrol::acme::http_01)
        .post("/acme/tls-alpn-01/{id}", enrol::acme::tls_alpn_01)
        .post("/acme/certificate/{id}", enrol::acme::certificate)
        .speaking(Est)
        .get("/.well-known/est/cacerts", enrol::est::ca_certs)
        .post("/.well-known/est/simpleenroll", enrol::est::simple_enroll)
        .post("/.well-known/est/simplereenroll", enrol::est::simple_reenroll)
        .post("/.well-known/est/serverkeygen", enrol::est::server_keygen)
        .post("/.well-known/est/routers/serverkeygen", enrol::est::server_keygen_of_router)
        .get("/.well-known/est/csrattrs", enrol::est::csr_attrs)
        .get("/.well-known/est/routers/csrattrs", enrol::est::csr_attrs)
        .get("/.well-known/est/routers/cacerts", enrol::est::ca_certs_of_routers)
        .post("/.well-known/est/routers/simpleenroll", enrol::est::simple_enroll_of_router)
        .post("/.well-known/est/routers/simplereenroll", enrol::est::simple_reenroll_of_router)
        .post("/router/psk", enrol::psk::post)
        .get("/router/psk/{id}", enrol::psk::get)
        .post("/router/tunnels", enrol::tunnels::post)
        .post("/.well-known/cmp", enrol::cmp::post)
        .post("/.well-known/cmp/p/routers", enrol::cmp::post_of_router)
        .speaking(Problem)
        .get("/terminal/trust", enrol::trust::get)
}

fn plain_paths() -> Routes {
    Routes::new(Plain)
        .get("/crl/{file}", repository::crl)
        .get("/ca/{file}", repository::ca_certificate)
        .get_with_effect("/scep", OfProtocol, enrol::scep::get)
        .post("/scep", enrol::scep::post)
        .but_query(OfProtocol)
        .get_with_effect("/cgi-bin/pkiclient.exe", OfProtocol, enrol::scep::get)
        .post("/cgi-bin/pkiclient.exe", enrol::scep::post)
        .but_query(OfProtocol)
        .post("/.well-known/cmp", enrol::cmp::post)
        .post("/.well-known/cmp/p/routers", enrol::cmp::post_of_router)
        .speaking(Ocsp)
        .post("/ocsp", repository::ocsp_by_post)
        .get("/ocsp/{*question}", repository::ocsp_by_get)
}
