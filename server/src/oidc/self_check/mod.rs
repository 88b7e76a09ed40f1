//! What a service of the sandbox is seen to do right, so that its owner knows before people depend on
//! it (`docs/decisions/0028-a-service-is-judged-by-what-it-does.md`).
//!
//! Nothing that its owner named is fetched to find out, but for the address that is told of logouts
//! anyway ([`notice`]). A live service is not looked at, and costs nothing.

pub mod notice;

use http::HeaderMap;
use sekisho_protocol::octets::{decode, encode};
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    service::{AuthMethod, Service},
    service_check::{self, Line, Seen, State},
    token_grant::{self, Grant},
    transaction,
};
use time::{Duration, OffsetDateTime};

use crate::{app::App, oidc::dpop};

/// For how long a login with a wrong signature can be had after it was asked for.
pub const TRIAL: Duration = Duration::minutes(10);
/// By how many seconds a service's clock may lie behind ours and ahead of it: what is signed lives
/// about a minute, and nobody's is taken that comes from further ahead (`client_authentication`,
/// `dpop`).
const AGREES: std::ops::RangeInclusive<i64> = -60..=30;
/// The access or refresh token of a login with a wrong signature was used.
pub const TAKEN: &str = "taken";

fn seen(state: State, detail: impl Into<String>, at: OffsetDateTime) -> Seen {
    Seen { state, detail: detail.into(), grant_id: None, at }
}

/// Notes what was seen, if it is not what was seen before; answers whether it is new.
async fn note(tx: &mut Tx, id: &str, line: Line, now: Seen) -> Result<bool, StoreError> {
    let before = service_check::find(tx, id, line).await?;
    if before.is_some_and(|before| (before.state, &before.detail) == (now.state, &now.detail)) {
        return Ok(false);
    }
    service_check::put(tx, id, line, &now).await?;
    Ok(true)
}

/// Notes it in a transaction of its own, with its record.
async fn note_alone(app: &App, id: &str, line: Line, now: Seen) -> Result<(), StoreError> {
    let before = service_check::find(&mut app.store().read(), id, line).await?;
    if before.is_some_and(|before| (before.state, &before.detail) == (now.state, &now.detail)) {
        return Ok(());
    }
    transaction!(app.store(), StoreError, |tx| {
        note(tx, id, line, now.clone()).await?;
        Ok(Audited::new((), entry(id, line, &now)))
    })
}

fn entry(id: &str, line: Line, seen: &Seen) -> Entry {
    Entry::done("service.check", Actor::System, seen.at)
        .on("service", id)
        .fact("line", line.as_str())
        .fact("state", seen.state.as_str())
}

/// A code that was sent to the redirect URI came back, in the transaction that exchanges it. Answers
/// whether the ID token of this login shall be signed wrongly, as the owner asked.
///
/// # Errors
/// [`StoreError`].
pub async fn code_came_back(
    tx: &mut Tx,
    service: &Service,
    grant: &Grant,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    if service.live_at.is_some() {
        return Ok(false);
    }
    let id = &service.id;
    note(tx, id, Line::Redirect, seen(State::Good, "", now)).await?;
    let Some(trial) = service_check::find(tx, id, Line::Signature).await? else {
        return Ok(false);
    };
    match trial.state {
        State::Asked if trial.at + TRIAL > now => {
            let open = Seen { grant_id: Some(grant.id.clone()), ..seen(State::Open, "", now) };
            service_check::turn(tx, id, Line::Signature, State::Asked, &open).await
        }
        // Whoever had let the person in would not ask for them again.
        State::Open if is_of_login(tx, trial.grant_id.as_deref(), grant).await? => {
            let good = Seen { grant_id: trial.grant_id, ..seen(State::Good, "", now) };
            service_check::turn(tx, id, Line::Signature, State::Open, &good).await?;
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Whether two grants came of one login at the portal.
async fn is_of_login(
    queries: &mut impl Queries,
    earlier: Option<&str>,
    grant: &Grant,
) -> Result<bool, StoreError> {
    let Some(earlier) = earlier else { return Ok(false) };
    let earlier = token_grant::live(queries, earlier).await?;
    Ok(earlier.is_some_and(|earlier| earlier.session_hash == grant.session_hash))
}

/// A code came back and was refused, for the reason of this code.
///
/// # Errors
/// [`StoreError`].
pub async fn code_refused(
    tx: &mut Tx,
    service: &Service,
    reason: &'static str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if service.live_at.is_none() {
        note(tx, &service.id, Line::Redirect, seen(State::Bad, reason, now)).await?;
    }
    Ok(())
}

/// A token of this grant was used: if its ID token was signed wrongly, the service let somebody in by
/// it all the same.
///
/// # Errors
/// [`StoreError`].
pub async fn token_used(app: &App, service: &Service, grant_id: &str) -> Result<(), StoreError> {
    if service.live_at.is_some() {
        return Ok(());
    }
    let line = Line::Signature;
    if !is_of_trial(&mut app.store().read(), service, grant_id).await? {
        return Ok(());
    }
    note_alone(app, &service.id, line, seen(State::Bad, TAKEN, app.now())).await
}

/// The same in the transaction that uses the token up; answers the record of what is new.
///
/// # Errors
/// [`StoreError`].
pub async fn token_used_up(
    tx: &mut Tx,
    service: &Service,
    grant_id: &str,
    now: OffsetDateTime,
) -> Result<Option<Entry>, StoreError> {
    let line = Line::Signature;
    if service.live_at.is_some() || !is_of_trial(tx, service, grant_id).await? {
        return Ok(None);
    }
    let taken = seen(State::Bad, TAKEN, now);
    let new = note(tx, &service.id, line, taken.clone()).await?;
    Ok(new.then(|| entry(&service.id, line, &taken)))
}

/// Whether the ID token of this grant was signed wrongly.
async fn is_of_trial(
    queries: &mut impl Queries,
    service: &Service,
    grant_id: &str,
) -> Result<bool, StoreError> {
    let trial = service_check::find(queries, &service.id, Line::Signature).await?;
    Ok(trial.is_some_and(|trial| trial.grant_id.as_deref() == Some(grant_id)))
}

/// What the service signed or sent says that its clock is so many seconds ahead of ours.
///
/// # Errors
/// [`StoreError`].
pub async fn clock_seen(app: &App, service: &Service, ahead: i64) -> Result<(), StoreError> {
    if service.live_at.is_some() {
        return Ok(());
    }
    let agrees = AGREES.contains(&ahead);
    let (state, detail) =
        if agrees { (State::Good, String::new()) } else { (State::Bad, ahead.to_string()) };
    note_alone(app, &service.id, Line::Clock, seen(state, detail, app.now())).await
}

/// A proof of possession (RFC 9449) came with a request of the service: its time tells of its clock. Of a
/// client that does not authenticate it does not: anybody could send one and write what they like.
///
/// # Errors
/// [`StoreError`].
pub async fn proof_seen(
    app: &App,
    service: &Service,
    headers: &HeaderMap,
) -> Result<(), StoreError> {
    // A live service's proof is verified once.
    if service.live_at.is_some() || service.auth_method == AuthMethod::None {
        return Ok(());
    }
    match dpop::ahead(headers, app.now()) {
        Some(ahead) => clock_seen(app, service, ahead).await,
        None => Ok(()),
    }
}

/// A signed object (JWS) that is right in everything but its signature.
#[must_use]
pub fn with_wrong_signature(jws: &str) -> String {
    let Some((signed, signature)) = jws.rsplit_once('.') else { return jws.to_owned() };
    // Ours always decode.
    let mut octets = decode(signature).unwrap_or_default();
    if let Some(last) = octets.last_mut() {
        *last ^= 1;
    }
    format!("{signed}.{}", encode(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_signature_has_the_form_of_a_right_one() {
        assert_eq!(with_wrong_signature("a.b.AAAA"), "a.b.AAAB");
        assert_eq!(with_wrong_signature("a.b.AAAB"), "a.b.AAAA");
    }
}
