//! Every path of the service on one page, by the name that serves it.

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    app::App, assets, console::terminals, enrol, login, middleware, names::NameRole, oidc, people,
    portal, register, repository,
};

/// The portal's name: portal, authorization endpoint, card login.
pub fn terminal(app: &App) -> Router {
    let router = Router::new()
        .route("/assets/{segment}", get(assets::serve))
        .route("/", get(portal::get))
        .route("/login", get(login::page::get))
        .route("/login/challenge", post(login::challenge::post))
        .route("/login/card", post(login::card::post))
        .route(login::navigation::RETURN_PATH, post(login::navigation::post))
        .route("/invitation", get(login::invitation::get).post(login::invitation::post))
        .route("/logout", post(login::logout::post))
        .route("/agent/presence", post(login::presence::post))
        .route("/authorize", get(oidc::authorize::get))
        .route("/authorize/resume", get(oidc::authorize::resume))
        .route(
            "/end-session",
            get(oidc::logout::end_session::get).post(oidc::logout::end_session::post),
        );
    middleware::wrap(app, NameRole::Terminal, router)
}

/// The public name: discovery, keys, token, userinfo, console, application and activation.
pub fn public(app: &App) -> Router {
    let router = Router::new()
        .merge(register_paths())
        .route("/assets/{segment}", get(assets::serve))
        .route(oidc::discovery::PATH, get(oidc::discovery::get))
        .route("/jwks", get(oidc::jwks::get))
        .route("/token", post(oidc::token::post))
        .route("/userinfo", get(oidc::userinfo::get).post(oidc::userinfo::get))
        .route("/console/terminals", get(terminals::list).post(terminals::create))
        .route("/console/terminals/{id}", get(terminals::show))
        .route("/console/terminals/{id}/code", post(terminals::issue_code))
        .route(
            "/console/terminals/{id}/revoke",
            get(terminals::confirm_revocation).post(terminals::revoke),
        )
        .route("/console/members", get(login::members::get))
        .route("/console/members/invitations", post(login::members::invite))
        .route("/console/members/invitations/{id}/withdraw", post(login::members::withdraw))
        .route("/console/members/claims/{id}", post(login::members::decide))
        .route("/console/members/card-removal", post(login::members::card_removal))
        .route("/console/members/{id}/end", post(login::members::end))
        .route("/first-use", get(people::first_use::get).post(people::first_use::post))
        .route("/console", get(people::console::get))
        .route("/console/login", get(people::sign_in::get).post(people::sign_in::post))
        .route("/console/logout", post(people::sign_in::log_out))
        .route("/console/roles", get(people::roles_page::get).post(people::roles_page::post))
        .route("/activate", get(people::activation::get).post(people::activation::post_code))
        .route("/activate/account", post(people::activation::post_account))
        .route("/console/roles/{id}/withdraw", post(people::roles_page::withdraw));
    middleware::wrap(app, NameRole::Public, router)
}

/// Applications for accreditation, and the register.
fn register_paths() -> Router<App> {
    use register::{apply, officer, organisation};
    Router::new()
        .route("/apply", get(apply::get).post(apply::post))
        .route("/apply/status", get(apply::get_status).post(apply::post_status))
        .route("/console/applications", get(officer::list))
        .route("/console/applications/{id}", get(officer::detail))
        .route("/console/applications/{id}/checks", post(officer::check))
        .route("/console/applications/{id}/approve", post(officer::approve))
        .route("/console/applications/{id}/reject", post(officer::reject))
        .route("/console/organisations/{id}", get(organisation::get))
        .route("/console/organisations/{id}/letter", post(organisation::letter))
        .route("/console/organisations/{id}/name", post(organisation::rename))
        .route("/console/organisations/{id}/codes", post(organisation::change_code))
}

/// Mutual-TLS aliases.
pub fn mtls(app: &App) -> Router {
    let router = Router::new();
    middleware::wrap(app, NameRole::Mtls, router)
}

/// Enrolment.
pub fn enrol(app: &App) -> Router {
    let router = Router::new()
        .route("/.well-known/est/cacerts", get(enrol::est::ca_certs))
        .route("/.well-known/est/simpleenroll", post(enrol::est::simple_enroll))
        .route("/.well-known/est/simplereenroll", post(enrol::est::simple_reenroll))
        .route("/terminal/trust", get(enrol::trust::get));
    middleware::wrap(app, NameRole::Enrol, router)
}

/// Plain HTTP: revocation lists, OCSP, CA certificates.
pub fn plain(app: &App) -> Router {
    let router = Router::new()
        .route("/crl/{file}", get(repository::crl))
        .route("/ca/{file}", get(repository::ca_certificate))
        .route("/ocsp", post(repository::ocsp_by_post))
        .route("/ocsp/{*question}", get(repository::ocsp_by_get));
    middleware::wrap(app, NameRole::Plain, router)
}
