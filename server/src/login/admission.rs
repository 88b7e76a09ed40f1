//! May whoever proved themself have a session here? Decided and opened in one transaction, by
//! [`hpki::admission`], [`jpki::admission`], [`passkey::admission`], [`day_pass::admission`] or
//! [`password::admission`].

use super::{
    challenge::BROWSER_COOKIE,
    day_pass, handover,
    hpki::{self, VerifiedCardHolder},
    jpki::{self, holder::VerifiedJpkiHolder},
    opening::Opening,
    passkey::{self, assertion::Assertion},
    password,
    refusal::{LoginError, Refusal},
};
use crate::{
    app::App,
    cookie,
    listener::{FacilityConnection, Peer},
    login_time::Stopwatch,
    people::proof::Verified,
};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use sekisho_protocol::{Sha256Digest, octets::encode, request::ExpectedSubject};
use sekisho_store::{
    StoreError, Tx,
    audit::{Audited, Entry},
    day_pass::DayPass,
    invitation,
    session::{self as sessions, Realm, Session},
    transaction,
};

/// What proved whom.
#[derive(Debug)]
pub enum Holder {
    /// An HPKI card.
    Hpki(Box<VerifiedCardHolder>),
    /// A My Number card.
    Jpki(Box<VerifiedJpkiHolder>),
    /// A passkey's answer; it is verified where its counter is read and written.
    Passkey(Box<Assertion>),
    /// The slip of a pass for a day whose PIN fits.
    DayPass(Box<DayPass>),
    /// A password that fits, and the code typed with it; that is consumed here. Or else the answer of the person's
    /// passkey, which is verified where its counter is read and written.
    Password(Box<Verified>, Option<Box<Assertion>>),
}

/// The person whose card was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Their HPKI card.
    pub subject: &'a ExpectedSubject,
    /// SHA-256 of their My Number card's certificate, where that card does as well.
    pub certificate: Option<Sha256Digest>,
}

/// How and where the holder arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The connection.
    pub peer: &'a Peer,
    /// The facility, judged on this request.
    pub facility: &'a FacilityConnection,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: &'a [u8; 32],
    /// Whether the way leads to an emergency access, for which nobody has to be a member.
    pub for_emergency: bool,
    /// The invitation whose code was entered in this browser.
    pub invitation_id: Option<&'a str>,
    /// The person whose card was asked for, within a living session.
    pub expected: Option<Expected<'a>>,
    /// The living session within which a passkey, pass or password was asked for.
    pub within: Option<[u8; 32]>,
    /// SHA-256 of the session cookie that this browser held until now.
    pub previous_cookie: Option<[u8; 32]>,
    /// What the browser sent: the name of its profile is in it.
    pub headers: &'a HeaderMap,
    /// How long the page of a login by card waited for what.
    pub stopwatch: Option<&'a Stopwatch>,
}

/// What the transaction decided, with the records that tell of it.
pub(super) struct Decided {
    pub(super) outcome: Result<(), Refusal>,
    pub(super) entries: Vec<Entry>,
}

impl Decided {
    /// A refusal with its record; with the session that stays as it was.
    pub(super) fn refused(
        arrival: Arrival<'_>,
        record: Entry,
        refusal: Refusal,
        stays: Option<&Session>,
    ) -> Self {
        let record = match stays {
            Some(session) => record.on("session", hex::encode(session.id_hash)),
            None => record,
        };
        let record = arrival.facility.place(record, arrival.peer);
        Self { outcome: Err(refusal), entries: vec![record] }
    }
}

/// A login that was admitted.
pub struct Entered {
    cookies: [HeaderValue; 2],
    /// Whether something is withheld that the person is to read of first.
    withheld: bool,
}

impl Entered {
    /// Into the session that was just opened, once the services have confirmed that others in this browser are
    /// logged out, or had their time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn by(
        app: &App,
        arrival: Arrival<'_>,
        opening: Opening,
        cookies: [HeaderValue; 2],
    ) -> Result<Self, StoreError> {
        let Arrival { peer, facility, .. } = arrival;
        let cookie = &opening.id_hash;
        let opened =
            sessions::find_by_cookie(&mut app.store().read(), Realm::Portal, cookie).await?;
        let withheld = match opened {
            Some(session) => handover::settle(app, (peer, facility), &session).await?,
            // It ended in this very moment; the next page says so.
            None => false,
        };
        Ok(Self { cookies, withheld })
    }

    /// Where the way goes on.
    pub(super) fn next(&self, return_to: Option<String>) -> String {
        let return_to = return_to.unwrap_or_else(|| "/".to_owned());
        if self.withheld { handover::address(&return_to) } else { return_to }
    }

    /// Gives the browser its cookies: of the session, and of its profile; its name of before the login ends.
    pub(super) fn give(self, response: &mut Response) {
        for cookie in self.cookies.into_iter().chain(cookie::clear(BROWSER_COOKIE)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

/// Admits the holder and opens a session under a new identifier, or renews under one the session
/// that the same person has here. Whatever else lived in this browser profile ends.
///
/// # Errors
/// [`LoginError::Refused`] with the reason, already audited; else the database or randomness.
pub async fn admit(
    app: &App,
    holder: &Holder,
    arrival: Arrival<'_>,
) -> Result<Entered, LoginError> {
    let (opening, cookies) = Opening::draw(app, arrival)?;
    let outcome = transaction!(app.store(), LoginError, |tx| {
        let previous = match arrival.previous_cookie {
            Some(cookie) => sessions::find_by_cookie(tx, Realm::Portal, &cookie).await?,
            None => None,
        };
        let previous = previous.as_ref();
        let decided = match holder {
            Holder::Hpki(holder) => {
                hpki::admission::decide(tx, app, holder, arrival, previous, opening).await?
            }
            Holder::Jpki(holder) => {
                let trust = app.card_trust().at(&arrival.facility.organisation_id);
                jpki::admission::decide(tx, app, &trust, holder, arrival, previous, opening).await?
            }
            Holder::Passkey(assertion) => {
                passkey::admission::decide(tx, app, assertion, arrival, previous, opening).await?
            }
            Holder::DayPass(pass) => {
                day_pass::admission::decide(tx, app, pass, arrival, previous, opening).await?
            }
            Holder::Password(verified, passkey) => {
                let both = (verified.as_ref(), passkey.as_deref());
                password::admission::decide(tx, app, both, arrival, previous, opening).await?
            }
        };
        let mut entries = decided.entries.into_iter();
        let Some(first) = entries.next() else {
            // Every branch of a decision writes at least one record.
            return Err(Refusal::Malformed.into());
        };
        let audited = entries.fold(Audited::new(decided.outcome, first), Audited::and);
        Ok(audited)
    })?;
    outcome?;
    Ok(Entered::by(app, arrival, opening, cookies).await?)
}

/// What somebody is told who is known, but no member here.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn why_no_member(
    tx: &mut Tx,
    person_id: &str,
    organisation_id: &str,
) -> Result<Refusal, StoreError> {
    let waits = invitation::has_pending_claim(tx, person_id, organisation_id).await?;
    Ok(if waits { Refusal::ClaimWaiting } else { Refusal::NotAMember })
}

/// Text of a random identifier for a cookie.
pub(super) fn cookie_text(identifier: &[u8; 32]) -> String {
    encode(identifier)
}
