//! Whether there is a login that does for a request.

use super::{
    Origin,
    reply::RequestError,
    wanted::{Prompt, Wanted},
};
use crate::{
    login::{Least, session::PortalSession},
    oidc::subject,
};

/// Why the session, if any, does not do for this request.
pub(super) enum NotFresh {
    /// And no login may or can mend it.
    Told(RequestError),
    /// A login is needed first, of this level at least.
    Park(Option<Least>),
}

/// There is a session, as fresh and as strong as the client wants it, of whom the client expects.
pub(super) fn fresh_enough(
    session: Option<PortalSession>,
    wanted: &Wanted,
    sector: &str,
    origin: &Origin<'_>,
) -> Result<PortalSession, NotFresh> {
    let now = origin.app.now();
    let does = |level: &str| {
        wanted.essential_acr.iter().all(|demand| demand.iter().any(|named| named == level))
    };
    let demanded = Least::such_that(origin.app.config(), does);
    if demanded.is_none() {
        // OIDC Core §5.5.1.1: no login reaches it, so it counts as failed (OIDC Core Error Code
        // unmet_authentication_requirements §2).
        let description = "no login here reaches a level that the request demands";
        let unmet = RequestError::new("unmet_authentication_requirements", description);
        return Err(NotFresh::Told(unmet));
    }
    let fits = session.filter(|session| {
        // A login counts for `prompt=login` only if it came after the request.
        let after_request =
            || origin.resumed.is_some_and(|from| session.auth_time >= from.login_since);
        let sub = || subject::pairwise(origin.app, sector, &session.person_id);
        let expected = wanted.expected_subs.iter().all(|expected| *expected == sub());
        let again = wanted.prompt == Prompt::Login && !seeded!(PromptLoginIgnored);
        let max_age = wanted.max_age.filter(|_| !seeded!(MaxAgeIgnored));
        does(&session.acr)
            && expected
            && (!again || after_request())
            && max_age.is_none_or(|age| now - session.auth_time <= age || after_request())
    });
    match fits {
        Some(session) => Ok(session),
        None if wanted.prompt == Prompt::None && !seeded!(PromptNoneAsks) => {
            Err(NotFresh::Told(login_required()))
        }
        // Back from the login page without a login: asking again would go round for ever.
        None if origin.resumed.is_some() => Err(NotFresh::Told(login_required())),
        None => Err(NotFresh::Park(demanded.filter(|_| !wanted.essential_acr.is_empty()))),
    }
}

/// OIDC Core §3.1.2.6.
fn login_required() -> RequestError {
    RequestError::new("login_required", "the person is not logged in as the request demands")
}
