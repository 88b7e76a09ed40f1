//! `/apply`: anybody asks to be entered into the register, and sees how it stands.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_key::RandomnessError;
use sekisho_store::{
    StoreError,
    application::{self, Application, ApplicationStatus, Particulars},
    audit::{Actor, Audited, Entry},
    organisation_kind::OrganisationKind,
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    form::{ApplicationForm, Errors, MOST_ADDRESS, MOST_NAME},
    prefecture,
    typed::FieldError,
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{FormError, StrictForm},
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::{
        session::{Address, ConsoleRejection, ConsoleSession},
        tries::{self, Door},
    },
    portal::when,
};

/// One input of a form.
#[derive(Debug)]
pub struct Field {
    /// Name and id.
    pub name: &'static str,
    /// Label.
    pub label: String,
    /// What to type; may be empty.
    pub hint: String,
    /// What was typed.
    pub value: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// `type` of the input.
    pub input: &'static str,
    /// `autocomplete` of the input (HTML, autofill).
    pub autocomplete: &'static str,
    /// Most characters.
    pub most: usize,
}

/// One choice of a list.
#[derive(Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What it says.
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// Name of a kind, in words.
#[must_use]
pub fn kind_name(kind: OrganisationKind, text: &Text) -> String {
    text.t(&format!("authz-kind-{}", kind.as_str().replace('_', "-")))
}

/// Status of an application, in words.
#[must_use]
pub fn status_name(status: ApplicationStatus, text: &Text) -> String {
    match status {
        ApplicationStatus::Applied => text.t("register-status-applied"),
        ApplicationStatus::Checked => text.t("register-status-checked"),
        ApplicationStatus::Approved => text.t("register-status-approved"),
        ApplicationStatus::Rejected => text.t("register-status-rejected"),
    }
}

#[derive(Template)]
#[template(path = "register-apply.html")]
struct ApplyPage {
    page: PageFrame,
    form: String,
    kinds: Vec<Choice>,
    kind_error: Option<String>,
    prefectures: Vec<Choice>,
    prefecture_error: Option<String>,
    names: Vec<Field>,
    codes: Vec<Field>,
    addresses: Vec<Field>,
    contact: Vec<Field>,
    wrong: usize,
}

fn apply_page(page: PageFrame, form: &ApplicationForm, errors: &Errors) -> ApplyPage {
    let text = page.text.clone();
    let error = |name| errors.get(name).map(|error: &FieldError| error.words(&text));
    let field = |name: &'static str, label: &str, hint: &str, value: &String| Field {
        name,
        label: text.t(label),
        hint: if hint.is_empty() { String::new() } else { text.t(hint) },
        value: value.clone(),
        error: error(name),
        input: "text",
        autocomplete: "off",
        most: 30,
    };
    ApplyPage {
        form: form.form.clone(),
        kinds: OrganisationKind::ALL
            .into_iter()
            .map(|kind| Choice {
                value: kind.as_str().to_owned(),
                label: kind_name(kind, &text),
                chosen: form.kind == kind.as_str(),
            })
            .collect(),
        kind_error: error("kind"),
        prefectures: (1..=prefecture::COUNT)
            .map(|number| Choice {
                value: number.to_string(),
                label: prefecture::name(number, text.lang()).to_owned(),
                chosen: prefecture::parse(&form.prefecture) == Some(number),
            })
            .collect(),
        prefecture_error: error("prefecture"),
        names: vec![
            Field {
                most: MOST_NAME,
                autocomplete: "organization",
                ..field("name", "register-field-name", "register-hint-name", &form.name)
            },
            Field {
                most: MOST_NAME,
                ..field("name_kana", "register-field-kana", "register-hint-kana", &form.name_kana)
            },
        ],
        codes: vec![
            field(
                "medical_institution_code",
                "register-scheme-medical-institution",
                "register-hint-medical-institution",
                &form.medical_institution_code,
            ),
            field(
                "medical_institution_code_2",
                "register-field-second-code",
                "register-hint-second-code",
                &form.medical_institution_code_2,
            ),
            field(
                "care_provider_code",
                "register-scheme-care-provider",
                "register-hint-care-provider",
                &form.care_provider_code,
            ),
            field(
                "operator_assigned_code",
                "register-scheme-operator-assigned",
                "register-hint-operator-assigned",
                &form.operator_assigned_code,
            ),
        ],
        addresses: vec![
            Field {
                autocomplete: "postal-code",
                ..field("postal_code", "register-field-postal-code", "", &form.postal_code)
            },
            Field {
                most: MOST_ADDRESS,
                autocomplete: "street-address",
                ..field("address", "register-field-address", "register-hint-address", &form.address)
            },
        ],
        contact: vec![
            Field {
                most: 60,
                autocomplete: "name",
                ..field("contact_name", "register-field-contact-name", "", &form.contact_name)
            },
            Field {
                input: "tel",
                autocomplete: "tel",
                ..field("contact_phone", "register-field-contact-phone", "", &form.contact_phone)
            },
            Field {
                input: "email",
                autocomplete: "email",
                most: 254,
                ..field("contact_email", "register-field-contact-email", "", &form.contact_email)
            },
        ],
        wrong: errors.len(),
        page,
    }
}

/// `GET /apply`.
///
/// # Errors
/// [`PageError`]: no randomness for the form.
pub async fn get(State(app): State<App>, page: PageFrame) -> Result<Response, PageError> {
    let mut octets = [0; FORM_OCTETS];
    app.random().fill(&mut octets).map_err(|error| PageError::internal(&error))?;
    let form = ApplicationForm {
        form: sekisho_protocol::octets::encode(octets),
        ..ApplicationForm::default()
    };
    Ok(Page(apply_page(page, &form, &Errors::new())).into_response())
}

/// A form's random octets. They are no secret: they tell two forms apart that were shown, so that
/// one that is sent twice (a double click, a reload, a second try after a broken line) is noticed.
const FORM_OCTETS: usize = 32;

fn form_hash(form: &ApplicationForm) -> Result<[u8; 32], FormError> {
    let field = "form";
    if form.form.is_empty() {
        return Err(FormError::Missing { field });
    }
    match sekisho_protocol::octets::decode(&form.form) {
        Ok(octets) if octets.len() == FORM_OCTETS => Ok(Sha256::digest(octets).into()),
        _ => Err(FormError::Unfit { field: field.to_owned(), detail: String::new() }),
    }
}

#[derive(Template)]
#[template(path = "register-receipt.html")]
struct ReceiptPage {
    page: PageFrame,
    receipt: String,
    name: String,
}

/// `POST /apply`: takes the application in and answers the receipt number.
///
/// The same form sent again makes nothing new and answers the same number; with other particulars
/// it is refused, so that nobody believes that a correction arrived. With `again` it is only shown
/// in the language of `?lang=`, with what was typed.
///
/// # Errors
/// [`PageError`]: too many from one address, a form sent before, or the database does not answer.
/// What is wrong with a field is the form again, with what was typed.
pub async fn post(
    State(app): State<App>,
    Address(address): Address,
    session: Result<ConsoleSession, ConsoleRejection>,
    page: PageFrame,
    StrictForm(form): StrictForm<ApplicationForm>,
) -> Result<Response, PageError> {
    let session = match session {
        Ok(session) => Some(session),
        Err(ConsoleRejection::SignIn { .. } | ConsoleRejection::Ended) => None,
        Err(ConsoleRejection::Store(error)) => return Err(error.into()),
    };
    let form_hash = form_hash(&form)?;
    let checked = form.check(app.config().register().code_check());
    if form.again {
        return Ok(
            Page(apply_page(page, &form, &checked.err().unwrap_or_default())).into_response()
        );
    }
    let particulars = match checked {
        Ok(particulars) => particulars,
        Err(errors) => {
            let body = apply_page(page, &form, &errors);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(body)).into_response());
        }
    };
    if let Some(earlier) = application::find_by_form(&mut app.store().read(), &form_hash).await? {
        return sent_before(page, earlier, &particulars);
    }
    // A city office behind one address that applies for its twenty institutions is no flood.
    tries::charge(&app, tries::applications(app.config(), &address)).await??;
    let now = app.now();
    let receipt = PaperCode::generate(app.random())
        .map_err(|error: RandomnessError| PageError::internal(&error))?
        .reveal();
    let applicant = session.map(|session| session.person_id);
    let actor = applicant.clone().map_or(Actor::Stranger, Actor::Person);
    let taken: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
        let id = application::create(tx, &receipt, &particulars, applicant.as_deref(), now).await?;
        application::consume_form(tx, &form_hash, &id).await?;
        let entry = Entry::done("application.submit", actor.clone(), now)
            .from_address(&address)
            .on("application", id)
            .fact("kind", particulars.kind.as_str())
            .personal("contact_email", &particulars.contact_email);
        Ok(Audited::new((), entry))
    });
    match taken {
        Ok(()) => {
            let name = particulars.name;
            let body = ReceiptPage { receipt: receipt.to_string(), name, page };
            Ok((StatusCode::CREATED, Page(body)).into_response())
        }
        // The same form, in the same moment.
        Err(error @ StoreError::AlreadyExists { .. }) => {
            let earlier = application::find_by_form(&mut app.store().read(), &form_hash).await?;
            sent_before(page, earlier.ok_or(error)?, &particulars)
        }
        Err(error) => Err(error.into()),
    }
}

fn sent_before(
    page: PageFrame,
    earlier: Application,
    particulars: &Particulars,
) -> Result<Response, PageError> {
    let sorted = |particulars: &Particulars| {
        let mut sorted = particulars.clone();
        sorted
            .codes
            .sort_by(|a, b| (a.scheme.as_str(), &a.value).cmp(&(b.scheme.as_str(), &b.value)));
        sorted
    };
    if sorted(&earlier.particulars) != sorted(particulars) {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "register-sent-before-title",
            "register-sent-before-text",
            "register-sent-before-help",
        ));
    }
    let name = earlier.particulars.name;
    Ok(Page(ReceiptPage { receipt: earlier.receipt, name, page }).into_response())
}

/// Where the answer's language switch leads: to the form, where the number is entered again.
const STATUS_PATH: &str = "/apply/status";

/// The form of `/apply/status`. The number stands in a body, never in an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusForm {
    receipt: String,
}

struct Standing {
    name: String,
    kind: String,
    status: String,
    token: &'static str,
    applied_at: String,
    reason: Option<String>,
}

#[derive(Template)]
#[template(path = "register-status.html")]
struct StatusPage {
    page: PageFrame,
    standing: Option<Standing>,
    unknown: bool,
}

/// `GET /apply/status`.
pub async fn get_status(page: PageFrame) -> Response {
    Page(StatusPage { page, standing: None, unknown: false }).into_response()
}

/// `POST /apply/status`, form field `receipt`.
///
/// # Errors
/// [`PageError`]: too many unknown numbers from this network, or the database does not answer. An
/// unknown number is the form again.
pub async fn post_status(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<StatusForm>,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let found = match PaperCode::parse(&form.receipt) {
        Ok(code) => application::find_by_receipt(&mut reader, &code.reveal()).await?,
        Err(_) => None,
    };
    let Some(found) = found else {
        // Whoever has a number that exists is never kept waiting.
        tries::charge(&app, tries::network(app.config(), Door::Receipt, &address)).await??;
        let page = page.switching_at(STATUS_PATH);
        let body = StatusPage { page, standing: None, unknown: true };
        return Ok((StatusCode::NOT_FOUND, Page(body)).into_response());
    };
    let reason = if found.status == ApplicationStatus::Rejected {
        let events = application::events(&mut reader, &found.id).await?;
        events.into_iter().find(|event| event.kind == "rejected").map(|event| event.note)
    } else {
        None
    };
    let standing = Standing {
        kind: kind_name(found.particulars.kind, &page.text),
        name: found.particulars.name,
        status: status_name(found.status, &page.text),
        token: found.status.as_str(),
        applied_at: when::shown(found.created_at, page.text.lang()),
        reason,
    };
    let page = page.switching_at(STATUS_PATH);
    Ok(Page(StatusPage { page, standing: Some(standing), unknown: false }).into_response())
}
