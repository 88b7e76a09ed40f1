//! Passkeys that stand for the one-time password of an account: beside its password, at terminals, at the level of
//! both (`docs/decisions/0050-…`).
//!
//! They lie apart from the passkeys that an HPKI card vouched for: none of these logs anybody in without the password,
//! names a profession, or is taken for one of those. Enrolling one wants both factors of the last five minutes
//! ([`enrolment`], on the page of [`page`]). Password and passkey are judged in one request ([`login`]), so that no
//! half session exists, and neither answer nor time tells which of them was wrong.

pub mod enrolment;
pub mod login;
pub mod page;

use sekisho_store::{
    Tx,
    account_passkey::{self, AccountPasskey, Use},
    audit::{Actor, Entry},
    session as sessions,
};
use sekisho_wire::acr;
use time::OffsetDateTime;

use super::{
    COPIED,
    assertion::{Assertion, Enrolled, Worth},
    relying_party::{Of, RelyingParty},
};
use crate::{
    app::App,
    config::Config,
    login::{refusal::LoginError, session::PortalSession, vouching::FRESH},
};

/// Whether passkeys stand for one-time passwords here: where people log in by either at all.
pub(in crate::login) fn allowed(config: &Config) -> bool {
    config.card_login().passwords() && config.card_login().passkeys()
}

/// Whether one can be enrolled in a session: both factors proved its person these minutes, by whatever stood for
/// the second.
fn may_enrol(session: &PortalSession, now: OffsetDateTime) -> bool {
    session.acr == acr::PASSWORD_TOTP && now - session.auth_time <= FRESH
}

impl<'a> From<&'a AccountPasskey> for Enrolled<'a> {
    fn from(passkey: &'a AccountPasskey) -> Self {
        Self {
            of: Of::SecondFactor,
            person_id: &passkey.person_id,
            credential: &passkey.credential,
        }
    }
}

/// Whose passkey answered, as far as its answer holds, or why it is worth nothing, for the trail. Nothing is written:
/// its counter is looked at again where it is ([`judge`]).
///
/// # Errors
/// The database.
pub(in crate::login) async fn holder(
    app: &App,
    assertion: &Assertion,
) -> Result<Result<String, &'static str>, LoginError> {
    let mut reader = app.store().read();
    let found = account_passkey::of_credential(&mut reader, assertion.credential_id()).await?;
    let Some(passkey) = found else { return Ok(Err("unknown")) };
    Ok(match assertion.verify(app, &RelyingParty::of(app)?, (&passkey).into())? {
        Worth::Nothing(why) => Err(why),
        Worth::Sound(_) | Worth::Copied => Ok(passkey.person_id),
    })
}

/// A passkey that stands for the second factor in the transaction that opens the session.
pub(in crate::login) struct Standing<'a> {
    assertion: &'a Assertion,
    passkey: AccountPasskey,
    /// The credential as it is to be kept now, JSON.
    credential: String,
}

/// What an answer comes to there.
pub(in crate::login) enum Judged<'a> {
    /// It stands.
    Sound(Standing<'a>),
    /// The passkey was removed in this moment, or is somebody else's.
    Unknown,
    /// There are two of it: it is held from now on, with the record where this call did so.
    Held(String, Option<Entry>),
}

/// Judges the answer once more.
///
/// # Errors
/// The database.
pub(in crate::login) async fn judge<'a>(
    tx: &mut Tx,
    app: &App,
    assertion: &'a Assertion,
    person_id: &str,
    now: OffsetDateTime,
) -> Result<Judged<'a>, LoginError> {
    let found = account_passkey::of_credential(tx, assertion.credential_id()).await?;
    let Some(passkey) = found.filter(|found| found.person_id == person_id) else {
        return Ok(Judged::Unknown);
    };
    match assertion.verify(app, &RelyingParty::of(app)?, (&passkey).into())? {
        Worth::Nothing(_) => Ok(Judged::Unknown),
        Worth::Sound(credential) if passkey.held_at.is_none() => {
            Ok(Judged::Sound(Standing { assertion, passkey, credential }))
        }
        Worth::Sound(_) | Worth::Copied => {
            let mut record = None;
            if account_passkey::hold(tx, &passkey.id, now).await? {
                let ended = sessions::end_of_second_factor(tx, &passkey.id, COPIED, now).await?;
                let held = Entry::done("second_factor.hold", Actor::System, now)
                    .on("account_passkey", &passkey.id)
                    .on("person", &passkey.person_id)
                    .fact("sessions_ended", ended.len());
                record = Some(held);
            }
            Ok(Judged::Held(passkey.id, record))
        }
    }
}

impl Standing<'_> {
    /// Its identifier.
    pub(in crate::login) fn id(&self) -> &str {
        &self.passkey.id
    }

    /// Keeps what it signed at a login.
    ///
    /// # Errors
    /// The database.
    pub(in crate::login) async fn keep(
        &self,
        tx: &mut Tx,
        login_id: &str,
        at: OffsetDateTime,
    ) -> Result<(), LoginError> {
        let response = &self.assertion.answer.response;
        let used = Use {
            account_passkey_id: &self.passkey.id,
            login_id,
            at,
            client_data: &response.client_data_json,
            authenticator_data: &response.authenticator_data,
            signature: &response.signature,
        };
        Ok(account_passkey::note_use(tx, used, &self.credential).await?)
    }
}
