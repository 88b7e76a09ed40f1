//! A refused act of somebody who is logged in is part of the trail (who tried what).

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use http::Method;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    organisation, transaction,
};
use sha2::{Digest, Sha256};

use crate::{app::App, error::page::PageError, people::role::RoleMissing};

/// The longest path that a record keeps, in characters.
const MOST_PATH: usize = 200;

/// Somebody who is signed in at the console, in whose name another site sent a request. Left in the
/// response by whoever refuses it.
#[derive(Debug, Clone)]
pub(super) struct FromElsewhere {
    pub person_id: String,
    pub address: String,
}

/// What was refused, to whom.
pub(super) struct Refused {
    reason: &'static str,
    needed: Option<&'static str>,
    organisation_id: Option<String>,
    person_id: String,
    address: String,
}

impl Refused {
    pub(super) fn of(response: &Response) -> Option<Self> {
        let extensions = response.extensions();
        let missing = extensions.get::<PageError>().and_then(|error| error.role.as_deref());
        if let Some(missing) = missing {
            let RoleMissing { needed, organisation_id, person_id, address, .. } = missing.clone();
            let (reason, needed) = ("role_missing", Some(needed));
            return Some(Self { reason, needed, organisation_id, person_id, address });
        }
        let FromElsewhere { person_id, address } = extensions.get::<FromElsewhere>()?.clone();
        let (reason, needed, organisation_id) = ("from_elsewhere", None, None);
        Some(Self { reason, needed, organisation_id, person_id, address })
    }
}

/// What a request asks for, kept while it is answered.
pub(super) struct Act {
    method: Method,
    path: String,
    matched: Option<MatchedPath>,
}

impl Act {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().chars().take(MOST_PATH).collect(),
            matched: request.extensions().get::<MatchedPath>().cloned(),
        }
    }
}

/// Audits that somebody lacked the role for an act, or that another site tried it in their name.
///
/// Once a minute for each person, reason, role and kind of act on this node: one record tells of it,
/// and a page that reloads itself does not fill the trail. Strangers never come so far: without a
/// session they are led to the sign-in page and nothing is written.
pub(super) async fn note(app: &App, act: Act, refused: Refused) {
    let Some(matched) = act.matched else { return };
    let (method, path, matched) = (act.method, act.path, matched.as_str());
    let now = app.now();
    let key = Sha256::digest(format!("{} {method} {matched}", refused.person_id)).into();
    if !app.refusals().is_due((key, refused.needed.unwrap_or(refused.reason)), now) {
        return;
    }
    let organisation_id =
        refused.organisation_id.as_deref().or_else(|| organisation_named(matched, &path));
    let actor = Actor::Person(refused.person_id.clone());
    let mut entry = Entry::refused("console.act", actor, now, refused.reason)
        .from_address(&refused.address)
        .fact("method", method.as_str())
        .fact("act", matched)
        .fact("path", path.as_str());
    if let Some(needed) = refused.needed {
        entry = entry.fact("needed", needed);
    }
    let written: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
        let mut entry = entry.clone();
        // Found among the acts at the organisation, if there is one of what stands in the path.
        if let Some(id) = organisation_id
            && organisation::name(tx, id).await?.is_some()
        {
            entry = entry.at_organisation(id).on("organisation", id);
        }
        Ok(Audited::new((), entry))
    });
    if let Err(failure) = written {
        // The act stays refused all the same.
        tracing::error!(%failure, reason = refused.reason, "refusal could not be audited");
    }
}

/// The organisation that a path of its page names.
fn organisation_named<'p>(matched: &str, path: &'p str) -> Option<&'p str> {
    const PAGES: &str = "/console/organisations/";
    matched.starts_with(PAGES).then(|| path.strip_prefix(PAGES)?.split('/').next())?
}
