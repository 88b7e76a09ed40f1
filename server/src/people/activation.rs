//! `/activate`: the code on the letter makes an administrator of the facility, mostly the first one.
//!
//! Two forms: the code alone, then the account that it opens. Only the second one spends the code,
//! in the transaction that makes the person, the account with both factors, and the role.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use sekisho_store::{
    MayConflict, StoreError, account,
    activation_code::{self, Redemption},
    audit::{Actor, Audited, Entry},
    facility_prefix::Assigned,
    organisation, party, person, role_grant, transaction,
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    account_page::CodesPage,
    factors::{FactorsError, Proven, Setup, StoreFactorsError, Typed},
    field::FieldErrors,
    likeness::{Identity, Likeness},
    mailbox,
    recovery::NewCodes,
    role::Inactive,
    roles_page::{MOST_NAME, login_name_fits},
    session::{Address, NewSession},
    tries::{self, Door, Resting},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm},
    network::prefix,
    notice::{self, Notice, To},
    page::{Page, PageFrame},
    paper_code::PaperCode,
    register::{
        separation::{self, Bearer},
        typed,
    },
};

/// What the fields are called on the second form.
const LABELS: &[(&str, &str)] =
    &[("name", "activate-name"), ("name_kana", "activate-name-kana"), ("email", "activate-email")];
/// Path of the first form.
const PATH: &str = "/activate";
/// Where the new administrator goes on.
const CONSOLE: &str = "/console";
/// The role that the letter's code gives at its organisation.
const ROLE: &str = "facility_administrator";

/// Why nobody was made administrator.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The code is unknown, used, withdrawn or expired.
    #[error("the activation code is not good")]
    CodeNotGood,
    /// The facility may not act for now. Nothing is spent: its code is good when it is released.
    #[error("the facility is on hold")]
    OnHold(Inactive),
    /// Too many codes were tried from this address.
    #[error(transparent)]
    Resting(#[from] Resting),
    /// Whoever brings the code is, or cannot be told from, an officer who examined the facility or
    /// made a letter to it.
    #[error("the bearer of the code is like an officer of the facility, by {}", .0.as_str())]
    Officer(Likeness),
    /// Somebody has this login name.
    #[error("the login name is taken")]
    LoginNameTaken,
    /// A factor could not be prepared.
    #[error(transparent)]
    Factors(#[from] FactorsError),
    /// A factor could not be stored.
    #[error(transparent)]
    StoreFactors(#[from] StoreFactorsError),
    /// No randomness for a session.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ActivationError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Store(error) | Self::StoreFactors(StoreFactorsError::Store(error)) => {
                error.is_conflict()
            }
            _ => false,
        }
    }
}

impl IntoResponse for ActivationError {
    fn into_response(self) -> Response {
        PageError::from(self).into_response()
    }
}

#[derive(Template)]
#[template(path = "people/activate.html")]
struct CodePage {
    page: PageFrame,
    refused: bool,
}

#[derive(Template)]
#[template(path = "people/activate_account.html")]
struct AccountPage {
    page: PageFrame,
    organisation_id: String,
    organisation_name: String,
    least: usize,
    setup: Setup,
    form: AccountForm,
    errors: FieldErrors,
}

/// The first form.
#[derive(Debug, Deserialize)]
pub struct CodeForm {
    code: String,
}

/// The second form. The code travels with it, so nothing has to be remembered in between.
#[derive(Default, Deserialize)]
pub struct AccountForm {
    code: String,
    setup: String,
    login_name: String,
    name: String,
    name_kana: String,
    email: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    password_again: Zeroizing<String>,
    totp_code: String,
}

/// `GET /activate`.
pub async fn get(page: PageFrame) -> Page<impl Template> {
    Page(CodePage { page, refused: false })
}

/// `POST /activate`: the code; nothing is spent yet. A facility on hold is told so here, before
/// anybody fills in the second form.
pub async fn post_code(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<CodeForm>,
) -> Result<Response, ActivationError> {
    match good(&app, &form.code).await? {
        Some((_, facility)) => {
            released(&app, &address, &facility).await?;
            let form = AccountForm { code: form.code, ..AccountForm::default() };
            show(&app, page, form, FieldErrors::default(), StatusCode::OK).await
        }
        None => {
            count_refusal(&app, &address).await?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok((status, Page(CodePage { page: page.switching_at(PATH), refused: true }))
                .into_response())
        }
    }
}

/// The code's hash and its organisation, if it is good now.
async fn good(app: &App, code: &str) -> Result<Option<([u8; 32], String)>, StoreError> {
    let Ok(code) = PaperCode::parse(code) else { return Ok(None) };
    let hash = code.hash();
    let organisation = activation_code::find(&mut app.store().read(), &hash, app.now()).await?;
    Ok(organisation.map(|organisation| (hash, organisation)))
}

/// Whether a facility may be activated: refused and recorded while it is on hold.
async fn released(app: &App, address: &str, facility: &str) -> Result<(), ActivationError> {
    match Inactive::find(&mut app.store().read(), facility).await? {
        None => Ok(()),
        Some(inactive) => {
            record_hold(app, address, &inactive).await?;
            Err(ActivationError::OnHold(inactive))
        }
    }
}

async fn record_hold(app: &App, address: &str, inactive: &Inactive) -> Result<(), ActivationError> {
    let facility = &inactive.organisation_id;
    let entry = refused(app, address, "facility_on_hold").at_organisation(facility);
    charge_and_record(app, address, entry.on("organisation", facility)).await
}

/// Counts and records a code that is not good.
async fn count_refusal(app: &App, address: &str) -> Result<(), ActivationError> {
    charge_and_record(app, address, refused(app, address, "code_not_good")).await
}

fn refused(app: &App, address: &str, reason: &str) -> Entry {
    Entry::refused("organisation.activate", Actor::Stranger, app.now(), reason)
        .from_address(address)
}

async fn charge_and_record(app: &App, address: &str, entry: Entry) -> Result<(), ActivationError> {
    tries::charge(app, tries::network(app.config(), Door::Code, address)).await??;
    Ok(transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?)
}

async fn show(
    app: &App,
    page: PageFrame,
    form: AccountForm,
    errors: FieldErrors,
    status: StatusCode,
) -> Result<Response, ActivationError> {
    let Some((hash, organisation_id)) = good(app, &form.code).await? else {
        return Err(ActivationError::CodeNotGood);
    };
    let found = organisation::find(&mut app.store().read(), &organisation_id).await?;
    let organisation_name = found.map(|found| found.name).unwrap_or_default();
    let previous = (!form.setup.is_empty()).then_some(form.setup.as_str());
    let setup = Setup::prepare(app, &hash, previous, &page.operator, &organisation_id)?;
    let least = app.config().people().password_least_characters();
    let page = page.switching_at(PATH);
    let page = AccountPage { page, organisation_id, organisation_name, least, setup, form, errors };
    Ok((status, Page(page)).into_response())
}

/// `POST /activate/account`: spends the code.
pub async fn post_account(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<AccountForm>,
) -> Result<Response, ActivationError> {
    let mut form = AccountForm {
        login_name: form.login_name.trim().to_lowercase(),
        email: form.email.trim().to_owned(),
        ..form
    };
    let Some((hash, facility)) = good(&app, &form.code).await? else {
        count_refusal(&app, &address).await?;
        return Err(ActivationError::CodeNotGood);
    };
    released(&app, &address, &facility).await?;
    let mut errors = mistakes(&mut form, &page);
    let typed = Typed {
        password: &form.password,
        password_again: &form.password_again,
        totp_code: &form.totp_code,
        setup: &form.setup,
        login_name: &form.login_name,
    };
    let proven = Proven::check(&app, &typed, &hash, &page.text, &mut errors).await?;
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(proven) = proven.filter(|_| errors.is_empty()) else {
        return show(&app, page, form, errors, status).await;
    };
    let prepared = proven.prepare(&app).await?;
    let new = NewSession::draw(app.random())?;
    let codes = NewCodes::draw(app.random())?;
    let now = app.now();
    let outcome = transaction!(app.store(), ActivationError, |tx| {
        // 1. The person, for whom 2. the code is spent, once; the organisation becomes active.
        // 3. Nobody who examined it. 4. The account with both factors. 5. The role; whoever has it
        // already is told. 6. The session.
        let person_id = person::enter(tx, &form.name, &form.name_kana, now).await?;
        let redemption = activation_code::redeem(tx, &hash, &person_id, now).await?;
        let Redemption::Redeemed { organisation_id, issued_by } = redemption else {
            // Stopped in this very moment, it is on hold; any other code is not good.
            return Err(match Inactive::find(tx, &facility).await? {
                Some(inactive) if matches!(redemption, Redemption::OrganisationInactive { .. }) => {
                    ActivationError::OnHold(inactive)
                }
                _ => ActivationError::CodeNotGood,
            });
        };
        let bearer = Identity::told(&form.name, &form.name_kana, &form.email);
        let bearer =
            separation::of_bearer(tx, &organisation_id, issued_by.as_deref(), &bearer).await?;
        if let Bearer::Officer(likeness) = bearer {
            return Err(ActivationError::Officer(likeness));
        }
        if account::find(tx, &form.login_name).await?.is_some() {
            return Err(ActivationError::LoginNameTaken);
        }
        let opened = account::open(tx, &person_id, &form.login_name, &form.email).await;
        opened.map_err(|error| match error {
            // Somebody chose it in this very moment.
            StoreError::AlreadyExists { .. } => ActivationError::LoginNameTaken,
            error => error.into(),
        })?;
        prepared.store(tx, &app, &person_id).await?;
        codes.keep(tx, &person_id, now).await?;
        if !party::administrators(tx, &organisation_id).await?.is_empty() {
            let to = To::FacilityAdministrators(organisation_id.clone());
            let (name, login_name) = (form.name.clone(), form.login_name.clone());
            notice::put(tx, to, Notice::AdministratorAdded { name, login_name }, now).await?;
        }
        role_grant::grant(tx, &person_id, ROLE, Some(&organisation_id), None, now).await?;
        new.open(tx, &app, &person_id).await?;
        let entry = Entry::done("organisation.activate", Actor::Person(person_id.clone()), now)
            .in_role(ROLE)
            .from_address(&address)
            .at_organisation(&organisation_id)
            .on("organisation", &organisation_id)
            .on("person", &person_id)
            .personal("login_name", &form.login_name)
            .personal("name", &form.name);
        let entry = match bearer {
            Bearer::VouchedNamesake => entry.fact("namesake_of_officer", "vouched"),
            Bearer::Apart | Bearer::Officer(_) => entry,
        };
        let audited = Audited::new((), entry);
        // With a further letter it has one.
        let Some(plan) = app.config().network().plan() else { return Ok(audited) };
        let by = (person_id.as_str(), Actor::Person(person_id.clone()));
        Ok(match prefix::assign(tx, &organisation_id, plan, by, now).await? {
            (Assigned::Had(_), _) => audited,
            (Assigned::New(_) | Assigned::Full, record) => {
                audited.and(record.in_role(ROLE).from_address(&address))
            }
        })
    });
    match outcome {
        Ok(()) => {
            let cookie = [(header::SET_COOKIE, new.cookie.clone())];
            let page = page.switching_at(CONSOLE);
            let shown = CodesPage { page, codes: codes.reveal(), next: CONSOLE };
            Ok((cookie, Page(shown)).into_response())
        }
        Err(ActivationError::LoginNameTaken) => {
            errors.add("login_name", page.t("people-error-login-name-taken"));
            show(&app, page, form, errors, status).await
        }
        Err(ActivationError::CodeNotGood) => {
            count_refusal(&app, &address).await?;
            Err(ActivationError::CodeNotGood)
        }
        Err(ActivationError::OnHold(inactive)) => {
            record_hold(&app, &address, &inactive).await?;
            Err(ActivationError::OnHold(inactive))
        }
        Err(ActivationError::Officer(likeness)) => {
            let entry = refused(&app, &address, "officer_of_facility");
            let entry = entry.at_organisation(&facility).on("organisation", &facility);
            let entry = entry
                .fact("like_by", likeness.as_str())
                .personal("name", &form.name)
                .personal("email", &form.email);
            charge_and_record(&app, &address, entry).await?;
            // The code is still good: somebody else, or another mailbox, can go on from here.
            let (field, words) = match likeness {
                Likeness::Person | Likeness::Mailbox => ("email", "activate-officer-mailbox"),
                Likeness::Name => ("name", "activate-officer-name"),
            };
            errors.add(field, page.t(words));
            show(&app, page, form, errors, StatusCode::FORBIDDEN).await
        }
        Err(error) => Err(error),
    }
}

/// Notes what is wrong with the fields; names and mailbox are left as they were read.
fn mistakes(form: &mut AccountForm, page: &PageFrame) -> FieldErrors {
    let mut errors = FieldErrors::of_form(LABELS);
    if !login_name_fits(&form.login_name) {
        errors.add("login_name", page.t("people-error-login-name"));
    }
    if let Some(name) = errors.keep("name", form::line(&form.name, MOST_NAME), &page.text) {
        form.name = name;
    }
    let kana = typed::kana(&form.name_kana, MOST_NAME);
    if let Some(name_kana) = errors.keep("name_kana", kana, &page.text) {
        form.name_kana = name_kana;
    }
    match mailbox::read(&form.email) {
        Ok(email) => form.email = email,
        Err(error) => errors.add("email", page.t(error.key())),
    }
    errors
}
