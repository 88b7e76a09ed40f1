//! The form, and what comes of it.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::service::AuthMethod;
use serde::Deserialize;

use super::{PATH, made, organisations};
use crate::{
    app::App,
    catalogue::{Lang, Text},
    config::Config,
    error::page::PageError,
    form::{self, StrictForm, Sure},
    oidc::{
        claims::SCOPES,
        client::{self, AddressError, Asked, InLanguages, RegistrationError, Registry},
        forward_auth,
    },
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
};

/// Ways of authentication that a form can set up; those with keys are registered with their keys, by
/// the service itself or by its file.
const METHODS: [AuthMethod; 3] =
    [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost, AuthMethod::None];

/// What the form holds. Addresses stand one on a line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    organisation: String,
    name_ja: String,
    name_en: String,
    description_ja: String,
    description_en: String,
    home_url: String,
    redirect_uris: String,
    #[serde(default)]
    logout_uris: String,
    #[serde(default)]
    backchannel_logout_uri: String,
    authentication: String,
    #[serde(default)]
    scopes: BTreeSet<String>,
    #[serde(default)]
    forward_auth: Option<Sure>,
    #[serde(default)]
    refreshes: Option<Sure>,
}

impl NewService {
    /// The name in a language.
    pub(super) fn name_in(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.name_ja,
            Lang::En => &self.name_en,
        }
    }

    /// Whether no address for notices of logouts was typed.
    pub(super) fn hears_of_no_logout(&self) -> bool {
        self.backchannel_logout_uri.trim().is_empty()
    }
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "console/service-new.html")]
struct FormPage {
    page: PageFrame,
    organisations: Vec<String>,
    typed: NewService,
    methods: Vec<Choice>,
    scopes: Vec<Choice>,
    errors: FieldErrors,
}

/// `GET /console/services/new`.
///
/// # Errors
/// [`PageError`]: nobody's services are theirs to answer for.
pub async fn get(session: ConsoleSession, page: PageFrame) -> Result<Response, PageError> {
    let typed = NewService {
        authentication: METHODS[0].as_str().to_owned(),
        scopes: SCOPES.iter().map(|scope| scope.name.to_owned()).collect(),
        ..NewService::default()
    };
    show(&session, page, typed, FieldErrors::default())
}

fn show(
    session: &ConsoleSession,
    page: PageFrame,
    typed: NewService,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let organisations = organisations(session)?;
    let methods = METHODS.map(|method| Choice {
        value: method.as_str(),
        label: page.t(method_key(method)),
        chosen: typed.authentication == method.as_str(),
    });
    // `openid` is what makes it a login, so nobody chooses it.
    let scopes = SCOPES.iter().filter(|scope| scope.name != "openid").map(|scope| Choice {
        value: scope.name,
        label: page.t(scope_key(scope.name)),
        chosen: typed.scopes.contains(scope.name),
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (methods, scopes) = (methods.into(), scopes.collect());
    let page = session.frame(page);
    let page = FormPage { page, organisations, typed, methods, scopes, errors };
    Ok((status, Page(page)).into_response())
}

fn method_key(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::ClientSecretPost => "services-new-by-post",
        AuthMethod::None => "services-new-by-none",
        _ => "services-new-by-basic",
    }
}

fn scope_key(scope: &str) -> &'static str {
    match scope {
        "profile" => "services-scope-profile",
        "hc_role" => "services-scope-hc-role",
        "facility" => "services-scope-facility",
        "terminal" => "services-scope-terminal",
        _ => "services-scope-openid",
    }
}

/// `POST /console/services/new`: registers the service in the sandbox and shows its secret, once.
///
/// # Errors
/// [`PageError`]: the organisation's services are another's to answer for, or the database does not
/// answer. A field that does not fit is the form again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(typed): StrictForm<NewService>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::ServiceOwner(typed.organisation.clone()))?;
    let mut errors = FieldErrors::of_form(&[
        ("name_ja", "services-new-name-ja"),
        ("name_en", "services-new-name-en"),
        ("description_ja", "services-new-description-ja"),
        ("description_en", "services-new-description-en"),
        ("home_url", "services-home"),
        ("redirect_uris", "services-redirect-uris"),
        ("logout_uris", "services-logout-uris"),
        ("backchannel_logout_uri", "services-backchannel"),
        ("authentication", "services-authentication"),
        ("scopes", "services-scopes"),
    ]);
    let asked = read(app.config(), &typed, &page.text, &mut errors);
    let again =
        |page: PageFrame, typed, errors| show(&session, page.switching_at(PATH), typed, errors);
    let Some(asked) = asked.filter(|_| errors.is_empty()) else {
        return again(page, typed, errors);
    };
    let registry = Registry::of(&app);
    let prepared = match client::prepare_asked(&registry, asked).await {
        Ok(prepared) => prepared,
        // What one field alone does not tell.
        Err(RegistrationError::Invalid { key: "protocol.forward_auth", .. }) => {
            errors.add("authentication", page.t("services-new-proxy-secret"));
            return again(page, typed, errors);
        }
        Err(RegistrationError::Invalid { key: "redirect_uris", .. }) => {
            errors.add(
                "redirect_uris",
                page.t1("services-new-proxy-callback", "path", forward_auth::CALLBACK),
            );
            return again(page, typed, errors);
        }
        Err(RegistrationError::Invalid { key: "sector", .. }) => {
            errors.add("redirect_uris", page.t("services-address-hosts"));
            return again(page, typed, errors);
        }
        Err(RegistrationError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(PageError::internal(&error)),
    };
    let entry = acting.done("service.register", registry.now);
    match prepared.keep(&registry, entry).await {
        Ok(registered) => Ok(made::page(&app, session.frame(page), &typed, &registered)),
        Err(RegistrationError::Store(error)) => Err(error.into()),
        Err(error) => Err(PageError::internal(&error)),
    }
}

/// What was asked for, where every field can be read; else each that cannot is among the errors.
fn read(
    config: &Config,
    typed: &NewService,
    text: &Text,
    errors: &mut FieldErrors,
) -> Option<Asked> {
    let name_ja = errors.keep("name_ja", form::line(&typed.name_ja, 100), text);
    let name_en = errors.keep("name_en", form::line(&typed.name_en, 100), text);
    let description_ja =
        errors.keep("description_ja", form::line(&typed.description_ja, 500), text);
    let description_en =
        errors.keep("description_en", form::line(&typed.description_en, 500), text);
    let mut addresses = |field: &'static str, typed: &str, most: usize| -> Vec<String> {
        let lines: Vec<String> = typed
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        if lines.len() > most {
            errors.add(field, text.t1("services-address-many", "most", most));
        }
        for line in &lines {
            if let Err(fault) = client::check_address(config, line) {
                errors.add(field, address_words(line, &fault, text));
            }
        }
        lines
    };
    let home_url = addresses("home_url", &typed.home_url, 1).pop();
    let redirect_uris = addresses("redirect_uris", &typed.redirect_uris, 20);
    let logout_uris = addresses("logout_uris", &typed.logout_uris, 20);
    let backchannel_logout_uri =
        addresses("backchannel_logout_uri", &typed.backchannel_logout_uri, 1).pop();
    for (field, missing) in
        [("home_url", home_url.is_none()), ("redirect_uris", redirect_uris.is_empty())]
    {
        if missing {
            errors.add(field, text.t("register-error-required"));
        }
    }
    let authentication = METHODS.into_iter().find(|one| one.as_str() == typed.authentication);
    if authentication.is_none() {
        errors.add("authentication", text.t("error-choose-one"));
    }
    let known = |scope: &String| SCOPES.iter().any(|known| known.name == scope);
    if !typed.scopes.iter().all(known) {
        errors.add("scopes", text.t("register-error-choice"));
    }
    Some(Asked {
        organisation_id: typed.organisation.clone(),
        name: InLanguages { ja: name_ja?, en: name_en? },
        description: InLanguages { ja: description_ja?, en: description_en? },
        home_url: home_url?,
        redirect_uris,
        logout_uris,
        backchannel_logout_uri,
        authentication: authentication?,
        scopes: typed.scopes.iter().cloned().chain(["openid".to_owned()]).collect(),
        forward_auth: typed.forward_auth.is_some(),
        refreshes: typed.refreshes.is_some(),
    })
}

/// What is wrong with an address, and which it is.
fn address_words(address: &str, fault: &AddressError, text: &Text) -> String {
    let key = match fault {
        AddressError::NotAUrl => "services-address-not-a-url",
        AddressError::NotNormal(normal) => {
            let said = [("address", address.to_owned()), ("normal", normal.clone())];
            return text.with("services-address-not-normal", said.as_slice());
        }
        AddressError::NotHttps => "services-address-not-https",
        AddressError::UserInfo => "services-address-user",
        AddressError::Fragment => "services-address-fragment",
        AddressError::Loopback => "services-address-loopback",
        AddressError::OwnName => "services-address-own",
    };
    text.t1(key, "address", address)
}
