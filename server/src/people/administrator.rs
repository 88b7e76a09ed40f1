//! Ways in for administrators of the operating body that the operator of the host opens.
//!
//! For a first administrator who missed their link, and for the day on which no administrator can sign
//! in. Whoever runs the host holds database and keys anyway; here the act leaves its record, and those
//! whom it concerns find a notice of it.

use sekisho_key::{Randomness, RandomnessError};
use sekisho_output::OutputError;
use sekisho_store::{
    MayConflict, Queries, Store, StoreError, account,
    audit::{Actor, Audited, Entry},
    person,
    role_grant::{self, NamedGrant},
    transaction,
};
use time::OffsetDateTime;

use super::{
    link::{OneTimeLink, answers_for},
    role::Role,
    roles_page::{MOST_NAME, login_name_fits},
};
use crate::{
    config::Config,
    form::{self, LineError},
    notice::{self, Notice, To},
};

/// An operating body has a handful of administrators; more are not looked through.
const MOST_ADMINISTRATORS: i64 = 100;

/// What these acts need of an instance, whether or not it is being served.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The instance's database.
    pub store: &'a Store,
    /// Its configuration: how long a link is good.
    pub config: &'a Config,
    /// Where the link's token comes from.
    pub random: &'a dyn Randomness,
    /// Now.
    pub now: OffsetDateTime,
    /// Account of the operating system that acts.
    pub user: &'a str,
    /// Name of the machine on which it acts.
    pub machine: &'a str,
}

/// Why no way in was opened.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// Nobody administers the operating body's instance under this login name.
    #[error("no administrator of the operating body has the login name {login_name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        login_name: String,
        /// Login names of those there are.
        known: Vec<String>,
    },
    /// It must be said for whom.
    #[error("there are several administrators; name one of: {}", known.join(", "))]
    Several {
        /// Their login names.
        known: Vec<String>,
    },
    /// The person has a further role, which the link would open as well.
    #[error(
        "{login_name:?} also has a role at a facility or for a service; add another administrator instead"
    )]
    FurtherRole {
        /// Whose link was asked for.
        login_name: String,
    },
    /// The login name of somebody new cannot be one.
    #[error(transparent)]
    LoginNameUnfit(#[from] LoginNameUnfit),
    /// The name of somebody new cannot be one.
    #[error("the name {0}")]
    NameUnfit(#[source] LineError),
    /// Somebody has the login name of somebody new.
    #[error("the login name {login_name:?} is taken")]
    LoginNameTaken {
        /// As given.
        login_name: String,
    },
    /// The link could not be shown, so it was not made.
    #[error(transparent)]
    NotShown(#[from] OutputError),
    /// The link was shown, and then could not be stored.
    #[error("the link that was shown does not work: nothing was stored")]
    NotStored(#[source] Box<Self>),
    /// No randomness for a link.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A text that the console would not take as a login name either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{login_name:?} is no login name: 3 to 64 of a-z, 0-9, '.', '-', '_'")]
pub struct LoginNameUnfit {
    /// As given.
    login_name: String,
}

impl LoginNameUnfit {
    /// Holds a login name against the one rule of the instance.
    ///
    /// # Errors
    /// [`LoginNameUnfit`].
    pub fn check(login_name: &str) -> Result<(), Self> {
        if login_name_fits(login_name) {
            Ok(())
        } else {
            Err(Self { login_name: login_name.to_owned() })
        }
    }
}

impl AdministratorError {
    /// Whether another name, or one where none was given, would help.
    #[must_use]
    pub const fn is_of_the_name(&self) -> bool {
        matches!(
            self,
            Self::Unknown { .. }
                | Self::Several { .. }
                | Self::LoginNameUnfit(_)
                | Self::NameUnfit(_)
        )
    }
}

impl MayConflict for AdministratorError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl Host<'_> {
    fn done(&self, act: &'static str) -> Entry {
        let (user, host) = (self.user.to_owned(), self.machine.to_owned());
        Entry::done(act, Actor::Operator { user, host }, self.now)
    }
}

/// Shows a link and the login name it is for, before anything is stored: a link that was never shown
/// would have ended the earlier ones, or entered somebody who has no way in.
pub type Show<'a> = &'a dyn Fn(&OneTimeLink, &str) -> Result<(), OutputError>;

/// A new link for an administrator of the operating body: of this login name, or the only one. Their
/// earlier unused links end. Every administrator gets a notice.
///
/// # Errors
/// [`AdministratorError`]; nothing was changed.
pub async fn issue_link(
    host: &Host<'_>,
    login_name: Option<&str>,
    show: Show<'_>,
) -> Result<(), AdministratorError> {
    let link = OneTimeLink::draw(host.random, host.config, host.now)?;
    let login_name = choose(&mut host.store.read(), login_name).await?.login_name;
    show(&link, &login_name)?;
    let stored = transaction!(host.store, AdministratorError, |tx| {
        let chosen = choose(tx, Some(&login_name)).await?;
        link.keep(tx, &chosen.person_id, None, host.now).await?;
        let told = Notice::OperatingAdministratorLink {
            login_name: chosen.login_name.clone(),
            by: host.user.to_owned(),
        };
        notice::put(tx, To::OperatingAdministrators, told, host.now).await?;
        let entry = host
            .done("account.issue_link")
            .on("person", chosen.person_id)
            .fact("link_expires_at", link.expires_at().unix_timestamp())
            .personal("login_name", &chosen.login_name);
        Ok(Audited::new((), entry))
    });
    stored.map_err(after_it_was_shown)
}

fn after_it_was_shown(error: AdministratorError) -> AdministratorError {
    AdministratorError::NotStored(Box::new(error))
}

/// Whose link it is to be: the one of this name, or the only one.
async fn choose(
    queries: &mut impl Queries,
    login_name: Option<&str>,
) -> Result<NamedGrant, AdministratorError> {
    let role = Role::OperatingAdministrator;
    let mut all = role_grant::of_role(queries, role.token(), MOST_ADMINISTRATORS).await?;
    let known = all.iter().map(|grant| grant.login_name.clone()).collect();
    let chosen = match login_name {
        None if all.len() > 1 => Err(AdministratorError::Several { known }),
        None => all.pop().ok_or(AdministratorError::Unknown { login_name: String::new(), known }),
        Some(name) => all
            .into_iter()
            .find(|grant| grant.login_name == name)
            .ok_or_else(|| AdministratorError::Unknown { login_name: name.to_owned(), known }),
    }?;
    let grants = role_grant::of_person(queries, &chosen.person_id).await?;
    if !grants.iter().all(|grant| answers_for(&role, grant)) {
        return Err(AdministratorError::FurtherRole { login_name: chosen.login_name });
    }
    Ok(chosen)
}

/// Enters a further administrator of the operating body with a link. Every administrator gets a notice.
///
/// # Errors
/// [`AdministratorError`]; nothing was changed.
pub async fn add(
    host: &Host<'_>,
    login_name: &str,
    name: &str,
    show: Show<'_>,
) -> Result<(), AdministratorError> {
    LoginNameUnfit::check(login_name)?;
    let name = form::line(name, MOST_NAME).map_err(AdministratorError::NameUnfit)?;
    let link = OneTimeLink::draw(host.random, host.config, host.now)?;
    check_free(&mut host.store.read(), login_name).await?;
    show(&link, login_name)?;
    let stored = transaction!(host.store, AdministratorError, |tx| {
        check_free(tx, login_name).await?;
        let role = Role::OperatingAdministrator.token();
        let person_id = person::enter(tx, &name, "", host.now).await?;
        account::open(tx, &person_id, login_name, "").await?;
        let grant = role_grant::grant(tx, &person_id, role, None, None, host.now).await?;
        link.keep(tx, &person_id, None, host.now).await?;
        let told = Notice::OperatingAdministratorAdded {
            login_name: login_name.to_owned(),
            by: host.user.to_owned(),
        };
        notice::put(tx, To::OperatingAdministrators, told, host.now).await?;
        let entry = host
            .done("person.add_administrator")
            .on("person", person_id)
            .on("role_grant", grant)
            .fact("role", role)
            .fact("link_expires_at", link.expires_at().unix_timestamp())
            .personal("login_name", login_name)
            .personal("name", &name);
        Ok(Audited::new((), entry))
    });
    stored.map_err(after_it_was_shown)
}

async fn check_free(
    queries: &mut impl Queries,
    login_name: &str,
) -> Result<(), AdministratorError> {
    match account::find(queries, login_name).await? {
        Some(_) => Err(AdministratorError::LoginNameTaken { login_name: login_name.to_owned() }),
        None => Ok(()),
    }
}
