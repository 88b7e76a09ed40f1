//! `/console/service/{id}/personal-data`: what a service says about personal data that leave the purpose of the
//! facility. Its owner says so while it is in the sandbox; of a live one the operating body's administrator does, since
//! that was part of what was approved.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{StoreError, audit::Audited, service::Service, service_change, transaction};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{acting, path_of, seen};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::{self, PathId, StrictForm, StrictQuery},
    oidc::client::{Ground, InLanguages, MOST_TEXT, PersonalData},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    personal_data::declarations,
};

const ACT: &str = "service.personal_data";

/// Each text: its field in Japanese, in English, and their labels.
const LABELS: [(&str, &str); 9] = [
    ("ground", "personal-data-ground"),
    ("items_ja", "personal-data-items-ja"),
    ("items_en", "personal-data-items-en"),
    ("users_ja", "personal-data-users-ja"),
    ("users_en", "personal-data-users-en"),
    ("purpose_ja", "personal-data-purpose-ja"),
    ("purpose_en", "personal-data-purpose-en"),
    ("responsible_ja", "personal-data-responsible-ja"),
    ("responsible_en", "personal-data-responsible-en"),
];

/// The ground in a form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// They do not leave the purpose.
    #[default]
    None,
    /// [`Ground::JointUse`].
    JointUse,
    /// [`Ground::ThirdParty`].
    ThirdParty,
}

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    notice: Option<Notice>,
}

/// What was done just before.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// What is shown was kept.
    Kept,
}

/// The form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    ground: Chosen,
    #[serde(default)]
    items_ja: String,
    #[serde(default)]
    items_en: String,
    #[serde(default)]
    users_ja: String,
    #[serde(default)]
    users_en: String,
    #[serde(default)]
    purpose_ja: String,
    #[serde(default)]
    purpose_en: String,
    #[serde(default)]
    responsible_ja: String,
    #[serde(default)]
    responsible_en: String,
}

impl Typed {
    fn of(declared: PersonalData) -> Self {
        Self {
            ground: match declared.ground {
                Ground::JointUse => Chosen::JointUse,
                Ground::ThirdParty => Chosen::ThirdParty,
            },
            items_ja: declared.items.ja,
            items_en: declared.items.en,
            users_ja: declared.users.ja,
            users_en: declared.users.en,
            purpose_ja: declared.purpose.ja,
            purpose_en: declared.purpose.en,
            responsible_ja: declared.responsible.ja,
            responsible_en: declared.responsible.en,
        }
    }

    /// Fields with their texts, in the order of the form.
    fn texts(&self) -> [(&'static str, &str); 8] {
        [
            ("items_ja", &self.items_ja),
            ("items_en", &self.items_en),
            ("users_ja", &self.users_ja),
            ("users_en", &self.users_en),
            ("purpose_ja", &self.purpose_ja),
            ("purpose_en", &self.purpose_en),
            ("responsible_ja", &self.responsible_ja),
            ("responsible_en", &self.responsible_en),
        ]
    }
}

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    chosen: bool,
}

struct Field {
    name: &'static str,
    label: String,
    lang: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "console/service-personal-data.html")]
struct PersonalDataPage {
    page: PageFrame,
    name: String,
    back: String,
    here: String,
    /// Whether what is shown was kept just before.
    kept: bool,
    /// Where everybody reads it, once there is something.
    public: Option<String>,
    /// Whether the reader may change it.
    may_change: bool,
    grounds: Vec<Choice>,
    fields: Vec<Field>,
    longest: usize,
    errors: FieldErrors,
}

fn here(id: &str) -> String {
    format!("{}/personal-data", path_of(id))
}

/// `GET /console/service/{id}/personal-data`.
///
/// # Errors
/// [`PageError`]: no such service, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Result<Page<impl Template>, PageError> {
    let service = seen(&mut app.store().read(), &session, &id).await?;
    let typed = PersonalData::of(&service)?.map(Typed::of).unwrap_or_default();
    let shown = show(&app, &session, page, &service, &typed, FieldErrors::default());
    Ok(Page(PersonalDataPage { kept: matches!(query.notice, Some(Notice::Kept)), ..shown }))
}

fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    service: &Service,
    typed: &Typed,
    errors: FieldErrors,
) -> PersonalDataPage {
    let choice = |value, chosen| Choice {
        value,
        label: page.t(&format!("personal-data-ground-{}", value.replace('_', "-"))),
        hint: page.t(&format!("personal-data-ground-{}-hint", value.replace('_', "-"))),
        chosen: typed.ground == chosen,
    };
    let grounds = vec![
        choice("none", Chosen::None),
        choice(Ground::JointUse.as_str(), Chosen::JointUse),
        choice(Ground::ThirdParty.as_str(), Chosen::ThirdParty),
    ];
    let label = |name: &str| LABELS.iter().find(|(field, _)| *field == name).map(|(_, key)| *key);
    let fields = typed.texts().map(|(name, value)| Field {
        name,
        label: page.t(label(name).unwrap_or_default()),
        lang: if name.ends_with("_ja") { "ja" } else { "en" },
        value: value.to_owned(),
    });
    let declares = service.personal_data.is_some();
    PersonalDataPage {
        name: match page.text.lang() {
            Lang::Ja => service.name_ja.clone(),
            Lang::En => service.name_en.clone(),
        },
        back: path_of(&service.id),
        here: here(&service.id),
        kept: false,
        public: declares
            .then(|| format!("{}{}/{}", app.names().public, declarations::PATH, service.id)),
        may_change: service.live_at.is_none()
            || session.roles.contains(&Role::OperatingAdministrator),
        grounds,
        fields: fields.into(),
        longest: MOST_TEXT,
        errors,
        page: session.frame(page),
    }
}

/// What was typed: nothing to say, or a ground with all texts; `None` with an error at each field that does not fit.
fn read(typed: &Typed, page: &PageFrame, errors: &mut FieldErrors) -> Option<Option<PersonalData>> {
    let ground = match typed.ground {
        Chosen::None => {
            if typed.texts().iter().any(|(_, text)| !text.trim().is_empty()) {
                errors.add("ground", page.t("personal-data-error-ground"));
                return None;
            }
            return Some(None);
        }
        Chosen::JointUse => Ground::JointUse,
        Chosen::ThirdParty => Ground::ThirdParty,
    };
    let read = typed
        .texts()
        .map(|(field, text)| errors.keep(field, form::line(text, MOST_TEXT), &page.text));
    let [items_ja, items_en, users_ja, users_en, purpose_ja, purpose_en, ja, en] = read;
    Some(Some(PersonalData {
        ground,
        items: InLanguages { ja: items_ja?, en: items_en? },
        users: InLanguages { ja: users_ja?, en: users_en? },
        purpose: InLanguages { ja: purpose_ja?, en: purpose_en? },
        responsible: InLanguages { ja: ja?, en: en? },
    }))
}

/// `POST /console/service/{id}/personal-data`: says it anew. Whoever agreed to other words is asked again.
///
/// # Errors
/// [`PageError`]: no such service, or another's; 403 for the owner of a live one; the database does not answer. A
/// field that does not fit is the page again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(typed): StrictForm<Typed>,
) -> Result<Response, PageError> {
    let (acting, service) = acting(&mut app.store().read(), &session, &id).await?;
    if service.live_at.is_some() {
        session.require(&Role::OperatingAdministrator)?;
    }
    let mut errors = FieldErrors::of_form(&LABELS);
    let Some(declared) = read(&typed, &page, &mut errors) else {
        let page = page.switching_at(&here(&id));
        let shown = show(&app, &session, page, &service, &typed, errors);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(shown)).into_response());
    };
    let column = declared.as_ref().map(PersonalData::to_column).transpose();
    let column = column.map_err(|error| PageError::internal(&error))?;
    let now = app.now();
    let there = transaction!(app.store(), StoreError, |tx| {
        let there = service_change::declare(tx, &id, column.as_deref()).await?;
        let record = match (there, &declared) {
            (false, _) => acting.refused(ACT, now, "withdrawn"),
            (true, None) => acting.done(ACT, now).fact("ground", "none"),
            (true, Some(declared)) => acting
                .done(ACT, now)
                .fact("ground", declared.ground.as_str())
                .fact("declared", column.as_ref().map(|text| hex::encode(Sha256::digest(text)))),
        };
        Ok(Audited::new(there, record.on("service", &id)))
    })?;
    match there {
        true => Ok(Redirect::to(&format!("{}?notice=kept", here(&id))).into_response()),
        false => Err(PageError::not_found()),
    }
}
