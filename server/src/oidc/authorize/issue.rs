//! A code, kept in the transaction that uses up the request which was sent ahead.

use axum::response::Response;
use http::header;
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    authorization_code::{self, Code},
    login_time,
    pushed_request::{self, Pushed},
    service, transaction,
};
use sha2::{Digest, Sha256};

use super::{Origin, Refusal, Reply, RequestError, resume};
use crate::{
    emergency::{self, InForce},
    login::session::PortalSession,
    oidc::{session_state, token::issue::random_text},
};

/// What a code is issued for.
pub(super) struct Issue<'a> {
    pub(super) client: &'a service::Service,
    pub(super) reply: &'a Reply,
    pub(super) session: &'a PortalSession,
    pub(super) scopes: Vec<&'static str>,
    pub(super) code_challenge: Option<String>,
    pub(super) details: String,
    pub(super) claims: serde_json::Map<String, serde_json::Value>,
    /// The emergency access by which alone the person is admitted.
    pub(super) emergency: Option<InForce>,
    pub(super) pushed: Option<&'a Pushed>,
}

/// Why no code was kept.
#[derive(Debug, thiserror::Error)]
enum IssueError {
    /// The request that was sent ahead was answered meanwhile.
    #[error("the request was used before")]
    RequestUsed,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for IssueError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// The code, with the answer that carries it.
pub(super) async fn issue_code(origin: &Origin<'_>, issue: Issue<'_>) -> Result<Response, Refusal> {
    let app = origin.app;
    let text = random_text(app)?;
    let now = app.now();
    let code = Code {
        code_hash: Sha256::digest(&text).into(),
        service_id: issue.client.id.clone(),
        session_hash: issue.session.id_hash,
        redirect_uri: issue.reply.redirect_uri().to_owned(),
        code_challenge: issue.code_challenge,
        scope: issue.scopes.join(" "),
        claims: serde_json::Value::Object(issue.claims).to_string(),
        details: issue.details,
        created_at: now,
        expires_at: now + app.config().oidc().code_lifetime(),
        consumed_at: None,
    };
    let person = Actor::Person(issue.session.person_id.clone());
    let record = Entry::done("authorization.code", person, now)
        .on("service", &issue.client.id)
        .on("session", hex::encode(issue.session.id_hash))
        .fact("scope", code.scope.clone());
    let record = issue.session.ground.named(record);
    let record = emergency::named(record, issue.emergency.as_ref());
    let record = origin.facility.place(record, origin.peer);
    let kept = transaction!(app.store(), IssueError, |tx| {
        if let Some(pushed) = issue.pushed
            && !seeded!(PushedRequestReusable)
            && !pushed_request::consume(tx, &pushed.id_hash, now).await?
        {
            return Err(IssueError::RequestUsed);
        }
        authorization_code::add(tx, &code).await?;
        login_time::note_service_asked(tx, &code.session_hash, &code.service_id, now).await?;
        Ok(Audited::new((), record.clone()))
    });
    match kept {
        Ok(()) => {}
        Err(IssueError::Store(error)) => return Err(error.into()),
        Err(IssueError::RequestUsed) => {
            let description = "the request that was sent ahead was used before";
            return Err(RequestError::new("invalid_request_uri", description).into());
        }
    }
    let page = resume::without_address(origin.page.clone());
    let session_hash = &issue.session.id_hash;
    let mut response = issue.reply.code(app, page, &text, session_hash).await?;
    if let Some(cookie) = session_state::set(session_hash) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
