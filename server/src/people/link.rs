//! One-time links: a fresh start for an account, by which whoever has it sets both factors.
//!
//! Until the link is used the account stays as it was; using it replaces both factors and ends
//! every session ([`super::first_use`]).

use askama::Template;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{
    MayConflict, StoreError, Tx, account,
    audit::Audited,
    first_administrator::token_hash,
    person,
    role_grant::{self, RoleGrant},
    transaction,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::role::{Acting, Role};
use crate::{
    app::App,
    config::Config,
    instance::FIRST_USE_PATH,
    notice::{self, Notice, To},
    page::PageFrame,
};

/// A link about to be issued. Only its hash is kept.
pub struct OneTimeLink {
    token: Zeroizing<String>,
    expires_at: OffsetDateTime,
}

impl OneTimeLink {
    /// With a token of 32 random octets, good for as long as the configuration says.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn draw(
        random: &dyn Randomness,
        config: &Config,
        now: OffsetDateTime,
    ) -> Result<Self, RandomnessError> {
        let mut octets = Zeroizing::new([0; 32]);
        random.fill(&mut *octets)?;
        Ok(Self {
            token: Zeroizing::new(URL_SAFE_NO_PAD.encode(*octets)),
            expires_at: now + config.people().one_time_link_lifetime(),
        })
    }

    /// What the person opens, at the public name's origin.
    #[must_use]
    pub fn address(&self, public_origin: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{public_origin}{FIRST_USE_PATH}?token={}", *self.token))
    }

    /// Until when it is good.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at
    }

    /// Keeps its hash for a person, and who issued it; earlier links of the person end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(
        &self,
        tx: &mut Tx,
        person_id: &str,
        issued_by: Option<&str>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let hash = token_hash(&self.token);
        account::issue_link(tx, &hash, person_id, issued_by, at, self.expires_at).await
    }

    /// The page that shows it, once.
    #[must_use]
    pub fn page(&self, app: &App, page: PageFrame, made: &Made) -> impl Template + use<> {
        LinkPage {
            for_new_account: made.purpose == Purpose::NewAccount,
            means: made.purpose.means().map(|key| page.t(key)),
            page,
            name: made.name.clone(),
            login_name: made.login_name.clone(),
            link: self.address(&app.names().public).to_string(),
            minutes: app.config().people().one_time_link_lifetime().whole_minutes(),
            back: made.back,
        }
    }
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The account was made with it.
    NewAccount,
    /// New factors, by one who answers for the account: the old ones end when it is used.
    Again,
    /// New factors of a member, approved by a second person: the old ones have ended by that.
    Reset,
}

impl Purpose {
    /// The message key of what it ends, and when.
    const fn means(self) -> Option<&'static str> {
        match self {
            Self::NewAccount => None,
            Self::Again => Some("people-link-again-means"),
            Self::Reset => Some("people-link-reset-means"),
        }
    }
}

/// Whom a link is for, and where the page that shows it leads back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The person's name.
    pub name: String,
    /// The person's login name.
    pub login_name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Path of the list that the person stands in.
    pub back: &'static str,
}

#[derive(Template)]
#[template(path = "people/link.html")]
struct LinkPage {
    page: PageFrame,
    for_new_account: bool,
    /// What it ends, and when.
    means: Option<String>,
    name: String,
    login_name: String,
    link: String,
    minutes: i64,
    back: &'static str,
}

/// Why no link was issued for an existing account.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody makes a way into their own account: a session left open would become a new password.
    #[error("a one-time link for one's own account")]
    OwnAccount,
    /// The person has no account here, or none that this role answers for.
    #[error("no such account for this role")]
    NotFound,
    /// The person has a further role that somebody else answers for.
    #[error("the person has a role that another role answers for")]
    FurtherRole,
    /// No randomness for a link.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for LinkError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl LinkError {
    /// As in audit records; `None` for a failure that is nobody's act.
    const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::OwnAccount => Some("own_account"),
            Self::NotFound => Some("not_found"),
            Self::FurtherRole => Some("further_role"),
            Self::Randomness(_) | Self::Store(_) => None,
        }
    }
}

/// Whether `role` answers for a role that somebody has: the operating body's administrator for the
/// operating body's own and those of services' owners, whom it appoints; a facility's administrator for those of that facility.
pub(super) fn answers_for(role: &Role, grant: &RoleGrant) -> bool {
    match role {
        Role::OperatingAdministrator => Role::is_grantable(&grant.role),
        Role::FacilityAdministrator(id) => {
            grant.role == role.token() && grant.organisation_id.as_deref() == Some(id)
        }
        Role::AccreditationOfficer | Role::ServiceOwner(_) | Role::Auditor => false,
    }
}

/// Issues a link for the existing account of a person all of whose roles this role answers for: who
/// holds the link can sign in as that person, so it must not open more than the issuer governs. The
/// person finds a notice of it.
///
/// # Errors
/// [`LinkError`]; a refusal is audited.
pub async fn issue(
    app: &App,
    acting: &Acting,
    person_id: &str,
    back: &'static str,
) -> Result<(OneTimeLink, Made), LinkError> {
    let link = OneTimeLink::draw(app.random(), app.config(), app.now())?;
    let (now, act) = (app.now(), "account.issue_link");
    let outcome = transaction!(app.store(), LinkError, |tx| {
        if person_id == acting.person_id() {
            return Err(LinkError::OwnAccount);
        }
        let grants = role_grant::of_person(tx, person_id).await?;
        if !grants.iter().any(|grant| answers_for(acting.role(), grant)) {
            return Err(LinkError::NotFound);
        }
        if !grants.iter().all(|grant| answers_for(acting.role(), grant)) {
            return Err(LinkError::FurtherRole);
        }
        let account = account::of_person(tx, person_id).await?.ok_or(LinkError::NotFound)?;
        let name_of = async |tx: &mut Tx, id: &str| -> Result<String, StoreError> {
            Ok(person::name(tx, id).await?.map_or_else(String::new, |found| found.name))
        };
        let name = name_of(tx, person_id).await?;
        let by = name_of(tx, acting.person_id()).await?;
        link.keep(tx, person_id, Some(acting.person_id()), now).await?;
        let to = To::Person(person_id.to_owned());
        notice::put(tx, to, Notice::LinkIssued { by }, now).await?;
        let entry = acting
            .done(act, now)
            .on("person", person_id)
            .fact("link_expires_at", link.expires_at().unix_timestamp())
            .personal("login_name", &account.login_name);
        let made = Made { name, login_name: account.login_name, purpose: Purpose::Again, back };
        Ok(Audited::new(made, entry))
    });
    match outcome {
        Ok(made) => Ok((link, made)),
        Err(error) => {
            if let Some(reason) = error.refusal() {
                let entry = acting.refused(act, now, reason).on("person", person_id);
                transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?;
            }
            Err(error)
        }
    }
}
