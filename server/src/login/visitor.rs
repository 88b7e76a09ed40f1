//! Somebody who is no member here, in an emergency: a licensed person at an accredited terminal has a session that
//! opens nothing but [`crate::emergency`], and by that what opted in (`docs/decisions/0049-…`).
//!
//! They ask for it by where their login leads. Whoever did not is refused as ever, and read where it is: nobody
//! becomes a visitor, or known to the register at all, by having put a card into a reader.

use sekisho_store::{
    StoreError, Tx, emergency_access,
    session::{Ground, Session},
};
use time::{Duration, OffsetDateTime};

use super::{
    admission::{Arrival, why_no_member},
    refusal::Refusal,
};
use crate::{
    app::App,
    config::EmergencyPolicy,
    emergency::{self, Unfit},
};

/// How long a visitor has to say what happened; then their session is over.
pub const TIME_TO_SAY_WHY: Duration = Duration::minutes(15);

/// Who is no member here.
pub(super) struct Stranger<'a> {
    /// Their identifier, unless nobody knew them until now.
    pub(super) person_id: Option<&'a str>,
    /// What they are by a card, as it counts now; verbatim.
    pub(super) roles: &'a [String],
    /// How they proved themself.
    pub(super) acr: &'a str,
}

/// Whether a login that leads there is for an emergency.
pub(super) fn leads_to_emergency(return_to: Option<&str>) -> bool {
    return_to.is_some_and(|path| path.split('?').next() == Some(emergency::PATH))
}

/// Where somebody logs in for an emergency, if people who are no members can; and the path of ours at which what
/// they came for goes on.
pub(super) fn address(policy: &EmergencyPolicy, return_to: Option<&str>) -> Option<String> {
    let onwards = return_to.filter(|path| *path != "/" && !leads_to_emergency(Some(path)));
    let return_to = emergency::address(onwards);
    let return_to: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    policy.visitors().then(|| format!("/login?return_to={return_to}"))
}

/// On what ground somebody has a session here who is no member, or why they have none.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn ground(
    tx: &mut Tx,
    app: &App,
    arrival: Arrival<'_>,
    previous: Option<&Session>,
    who: Stranger<'_>,
    now: OffsetDateTime,
) -> Result<Result<Ground, Refusal>, StoreError> {
    let fit = emergency::fit(who.roles, who.acr);
    if app.config().emergency().visitors() {
        let goes_on = previous.is_some_and(|previous| is_visit_of(previous, &who, arrival, now));
        match fit {
            Ok(()) if arrival.for_emergency || goes_on => return Ok(Ok(Ground::Emergency)),
            Err(Unfit::NotLicensed | Unfit::NotTwoFactor) if arrival.for_emergency => {
                return Ok(Err(Refusal::NoMemberUnlicensed));
            }
            _ => {}
        }
    }
    let here = &arrival.facility.organisation_id;
    let refusal = match who.person_id {
        Some(person_id) => why_no_member(tx, person_id, here).await?,
        None => Refusal::NotAMember,
    };
    Ok(Err(match refusal {
        // Where it is, for whom there is one.
        Refusal::NotAMember if fit.is_ok() && app.config().emergency().visitors() => {
            Refusal::NoMemberLicensed
        }
        refusal => refusal,
    }))
}

/// Whether a session is a visit of this person at this terminal that goes on, locked or not.
fn is_visit_of(
    session: &Session,
    who: &Stranger<'_>,
    arrival: Arrival<'_>,
    now: OffsetDateTime,
) -> bool {
    let here = session
        .at_terminal
        .as_ref()
        .is_some_and(|at| at.ground.is_visit() && at.fingerprint == arrival.facility.fingerprint);
    here && session.ended.is_none()
        && now < session.expires_at
        && who.person_id == Some(&session.person_id)
}

/// When a visit is over that is renewed: with the emergency access that runs in it.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn renewed_until(
    tx: &mut Tx,
    session: &Session,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, StoreError> {
    let running = emergency_access::in_force(tx, &session.id_hash, now).await?;
    Ok(running.map_or(now + TIME_TO_SAY_WHY, |running| running.ends_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_emergency_s_own_path_asks_for_one() {
        for path in ["/emergency", "/emergency?return_to=%2Fauthorize%2Fresume%3Frequest%3Dx"] {
            assert!(leads_to_emergency(Some(path)), "{path}");
        }
        for path in
            ["/", "/emergency/", "/emergency/end", "/emergencyx", "/?/emergency", "/a#/emergency"]
        {
            assert!(!leads_to_emergency(Some(path)), "{path}");
        }
        assert!(!leads_to_emergency(None));
    }
}
