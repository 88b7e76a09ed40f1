//! Console sessions: opened by password and second factor together, never by one alone.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, StatusCode, request::Parts};
use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{
    Reader, StoreError, Tx, notice, person, role_grant,
    session::{self, Realm, Session},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    account_page,
    role::{Acting, Inactive, Role, RoleMissing},
};
use crate::{
    app::App,
    console::{emergencies, groups, resets, router_models, simulator, whois},
    cookie::{self, SameSite},
    error::page::PageError,
    listener::Peer,
    login_time,
    page::PageFrame,
};

/// The cookie of a console session; a portal session has another one, on another name.
pub const COOKIE: &str = "__Host-console";
/// Path that a POST signs out at.
pub const SIGN_OUT_PATH: &str = "/console/logout";
/// Path of the sign-in page.
pub const SIGN_IN_PATH: &str = "/console/login";

/// Somebody who is signed in with both factors, with their roles as of *now*.
///
/// Extractor. Without a session a GET is led to the sign-in page and back, anything else gets a
/// page that explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSession {
    /// SHA-256 of the cookie's value.
    pub id_hash: [u8; 32],
    /// Who.
    pub person_id: String,
    /// The person's name.
    pub name: String,
    /// Roles in force at this request, at organisations that may act.
    pub roles: Vec<Role>,
    /// Organisations that may not act, at which the person has a role otherwise.
    pub inactive: Vec<Inactive>,
    /// Notices that the person has not read.
    pub unread: i64,
    /// Network address of this request.
    pub address: String,
}

impl ConsoleSession {
    /// The right to act in `role`.
    ///
    /// # Errors
    /// [`RoleMissing`].
    pub fn require(&self, role: &Role) -> Result<Acting, RoleMissing> {
        if self.roles.contains(role) {
            Ok(Acting::new(self.person_id.clone(), role.clone(), self.address.clone()))
        } else {
            Err(self.missing(role.token(), role.organisation()))
        }
    }

    /// Why a page for administrators of facilities has nothing to show.
    #[must_use]
    pub fn no_facility(&self) -> RoleMissing {
        RoleMissing {
            at_inactive: self.inactive.first().cloned().map(Box::new),
            ..self.missing("facility_administrator", None)
        }
    }

    /// The right to act as administrator of one's own facility, where there is exactly one.
    ///
    /// # Errors
    /// [`RoleMissing`]: administrator of no facility, or of several and it must be said which.
    pub fn require_facility(&self) -> Result<(Acting, String), RoleMissing> {
        let mut facilities = self.facilities();
        let (Some(id), None) = (facilities.next(), facilities.next()) else {
            return Err(self.no_facility());
        };
        let acting = self.require(&Role::FacilityAdministrator(id.to_owned()))?;
        Ok((acting, id.to_owned()))
    }

    /// What this person lacks for an act that needs the role `needed`.
    #[must_use]
    pub fn missing(&self, needed: &'static str, organisation_id: Option<&str>) -> RoleMissing {
        RoleMissing {
            needed,
            // What was typed into a form is an object of the register only if it could be one.
            organisation_id: organisation_id
                .filter(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()))
                .map(str::to_owned),
            at_inactive: self
                .inactive
                .iter()
                .find(|inactive| organisation_id == Some(inactive.organisation_id.as_str()))
                .cloned()
                .map(Box::new),
            person_id: self.person_id.clone(),
            address: self.address.clone(),
        }
    }

    /// The facilities this person administers.
    pub fn facilities(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().filter_map(|role| match role {
            Role::FacilityAdministrator(id) => Some(id.as_str()),
            _ => None,
        })
    }

    /// Whether the list of relying services is for this person, in part or whole.
    #[must_use]
    pub fn sees_services(&self) -> bool {
        self.roles
            .iter()
            .any(|role| matches!(role, Role::OperatingAdministrator | Role::ServiceOwner(_)))
    }

    /// A page's frame with who is signed in and where they can go.
    #[must_use]
    pub fn frame(&self, page: PageFrame) -> PageFrame {
        let mut items = vec![("/console", page.t("people-nav-home"))];
        let notices = match self.unread {
            0 => page.t("console-nav-notices"),
            unread => page.t1("console-nav-notices-unread", "count", unread),
        };
        items.push(("/console/notices", notices));
        items.push((account_page::PATH, page.t("account-title")));
        if self.facilities().next().is_some() {
            items.push(("/console/terminals", page.t("people-nav-terminals")));
            items.push(("/console/routers", page.t("routers-nav")));
            items.push((groups::PATH, page.t("groups-nav")));
            items.push(("/console/members", page.t("people-nav-members")));
            items.push(("/console/staff", page.t("console-nav-staff")));
        }
        let runs = self.roles.contains(&Role::OperatingAdministrator);
        if runs || self.facilities().next().is_some() {
            items.push((emergencies::PATH, page.t("emergencies-nav")));
            items.push((resets::PATH, page.t("resets-title")));
        }
        if self.roles.contains(&Role::AccreditationOfficer) {
            items.push(("/console/applications", page.t("people-nav-applications")));
        }
        if runs || self.roles.contains(&Role::AccreditationOfficer) {
            items.push(("/console/organisations", page.t("console-nav-organisations")));
        }
        if runs {
            items.push(("/console/roles", page.t("people-nav-roles")));
            items.push((login_time::console::PATH, page.t("login-time-look-up")));
            items.push((router_models::PATH, page.t("models-nav")));
            if self.facilities().next().is_none() {
                items.push((groups::PATH, page.t("groups-nav")));
            }
        }
        if self.roles.contains(&Role::Auditor) {
            items.push(("/console/audit", page.t("console-nav-audit")));
        }
        if runs || self.roles.contains(&Role::Auditor) {
            items.push((whois::PATH, page.t("whois-title")));
        }
        if self.sees_services() {
            items.push(("/console/services", page.t("console-nav-services")));
        }
        if self.sees_services() || self.facilities().next().is_some() {
            items.push((simulator::PATH, page.t("simulator-title")));
        }
        let mut names: Vec<String> =
            self.roles.iter().map(|role| page.t(Role::name_key(role.token()))).collect();
        names.dedup();
        page.with_nav(&items).with_signed_in(&self.name, names.join(" / "), SIGN_OUT_PATH)
    }

    /// The session of a request, if it has one that is good now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find(app: &App, parts: &Parts) -> Result<Option<Self>, StoreError> {
        let Some(value) = cookie::read(&parts.headers, COOKIE).filter(|value| value.len() == 43)
        else {
            return Ok(None);
        };
        let id_hash = hash(value);
        let now = app.now();
        let mut reader = app.store().read();
        let found = session::find(&mut reader, Realm::Console, &id_hash).await?;
        let live = found.filter(|session| {
            session.ended.is_none()
                && session.expires_at > now
                && session.last_seen_at + app.config().session().console_idle() > now
        });
        let Some(session) = live else { return Ok(None) };
        let (roles, inactive) = roles_of(&mut reader, &session.person_id).await?;
        let unread = notice::count_unread(&mut reader, &session.person_id).await?;
        let name = person::name(&mut reader, &session.person_id).await?;
        if session.last_seen_at + time::Duration::minutes(1) <= now {
            app.store().note_activity(&id_hash, now).await?;
        }
        Ok(Some(Self {
            id_hash,
            name: name.map_or_else(String::new, |name| name.name),
            person_id: session.person_id,
            roles,
            inactive,
            unread,
            address: address(parts),
        }))
    }
}

/// Who turned out to be signed in, for the page that refuses the same request: it keeps name, menu
/// and the way out.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<OnceLock<ConsoleSession>>);

impl Known {
    fn tell(&self, session: &ConsoleSession) {
        // A second extractor of the same request finds the same session.
        self.0.get_or_init(|| session.clone());
    }

    /// The page's frame, of whoever is signed in.
    #[must_use]
    pub fn frame(&self, page: PageFrame) -> PageFrame {
        match self.0.get() {
            Some(session) => session.frame(page),
            None => page,
        }
    }
}

/// The roles in force of a person, and the organisations at which they are without effect for now.
async fn roles_of(
    reader: &mut Reader,
    person_id: &str,
) -> Result<(Vec<Role>, Vec<Inactive>), StoreError> {
    let (mut roles, mut inactive) = (Vec::new(), Vec::<Inactive>::new());
    for grant in role_grant::of_person(reader, person_id).await? {
        let Some(role) = Role::of_grant(&grant) else { continue };
        let halted = match role.organisation() {
            Some(id) => Inactive::find(reader, id).await?,
            None => None,
        };
        match halted {
            None => roles.push(role),
            Some(halted) if inactive.contains(&halted) => {}
            Some(halted) => inactive.push(halted),
        }
    }
    Ok((roles, inactive))
}

/// Why a request has no console session.
#[derive(Debug)]
pub enum ConsoleRejection {
    /// Not signed in; leads to the sign-in page, and back to this path.
    SignIn {
        /// Path and query of the request.
        return_to: String,
    },
    /// Not signed in, and what was sent cannot be asked for again.
    Ended,
    /// The database did not say.
    Store(StoreError),
}

impl IntoResponse for ConsoleRejection {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn { return_to } => Redirect::to(&sign_in_path(&return_to)).into_response(),
            Self::Ended => PageError::new(
                StatusCode::UNAUTHORIZED,
                "people-session-ended-title",
                "people-session-ended-text",
                "people-session-ended-help",
            )
            .into_response(),
            Self::Store(error) => PageError::from(error).into_response(),
        }
    }
}

impl<S> FromRequestParts<S> for ConsoleSession
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ConsoleRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ConsoleRejection> {
        let app = App::from_ref(state);
        match Self::find(&app, parts).await.map_err(ConsoleRejection::Store)? {
            Some(session) => {
                if let Some(known) = parts.extensions.get::<Known>() {
                    known.tell(&session);
                }
                Ok(session)
            }
            None if parts.method == Method::GET => Err(ConsoleRejection::SignIn {
                return_to: parts.uri.path_and_query().map_or("/console", |pq| pq.as_str()).into(),
            }),
            None => Err(ConsoleRejection::Ended),
        }
    }
}

/// Extractor: the network address of this request, without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(address(parts)))
    }
}

fn address(parts: &Parts) -> String {
    // An IPv4 client on a dual-stack socket counts as the IPv4 address it is.
    parts
        .extensions
        .get::<Peer>()
        .map_or_else(|| "unknown".to_owned(), |peer| peer.addr.ip().to_canonical().to_string())
}

/// A session about to be opened: the row's identifier and the cookie for the browser.
pub struct NewSession {
    /// SHA-256 of the identifier.
    pub id_hash: [u8; 32],
    /// The `Set-Cookie` value.
    pub cookie: HeaderValue,
}

impl NewSession {
    /// A fresh identifier of 32 random octets.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn draw(random: &dyn Randomness) -> Result<Self, RandomnessError> {
        let mut octets = zeroize::Zeroizing::new([0; 32]);
        random.fill(&mut *octets)?;
        let value = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.encode(*octets));
        // base64url is what cookie values may hold, so the cookie is always made.
        let cookie = cookie::set(COOKIE, &value, None, SameSite::Lax).ok_or(RandomnessError)?;
        Ok(Self { id_hash: hash(&value), cookie })
    }

    /// Opens it for a person whose both factors were proven in the same transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(&self, tx: &mut Tx, app: &App, person_id: &str) -> Result<(), StoreError> {
        let now = app.now();
        session::open(
            tx,
            &Session {
                id_hash: self.id_hash,
                realm: Realm::Console,
                person_id: person_id.to_owned(),
                at_terminal: None,
                hc_roles: Vec::new(),
                acr: sekisho_wire::acr::PASSWORD_TOTP.to_owned(),
                amr: vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()],
                auth_time: now,
                created_at: now,
                last_seen_at: now,
                expires_at: now + app.config().session().console_lifetime(),
                locked_at: None,
                ended: None,
            },
        )
        .await
    }
}

/// Ends every session of a person, at the console and at terminals, with what services got from it: their factors
/// are others from now on. Answers how many.
///
/// # Errors
/// [`StoreError`].
pub async fn end_all(
    tx: &mut Tx,
    person_id: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<usize, StoreError> {
    let console = session::end_of_person(tx, Realm::Console, person_id, reason, at).await?;
    let portal = session::end_of_person(tx, Realm::Portal, person_id, reason, at).await?;
    Ok(console.len() + portal.len())
}

fn hash(value: &str) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// The sign-in page that leads on to this path.
#[must_use]
pub fn sign_in_path(return_to: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", return_to)
        .finish();
    format!("{SIGN_IN_PATH}?{query}")
}

/// Where to go after signing in: a path of the console, never another origin.
#[must_use]
pub fn safe_return_to(asked: Option<&str>) -> &str {
    asked
        .filter(|path| {
            path.len() <= 512
                && (*path == "/console" || path.starts_with("/console/"))
                && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
                && !path.starts_with(SIGN_IN_PATH)
                && !path.starts_with(SIGN_OUT_PATH)
        })
        .unwrap_or("/console")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_console_are_returned_to() {
        assert_eq!(safe_return_to(Some("/console/roles?x=1")), "/console/roles?x=1");
        for other in [
            None,
            Some("https://evil.example/console"),
            Some("//evil.example"),
            Some("/consolex"),
            Some("/console/\\evil"),
            Some("/console/login?return_to=/console/login"),
            Some("/console/a\r\nx: y"),
        ] {
            assert_eq!(safe_return_to(other), "/console", "{other:?}");
        }
    }
}
