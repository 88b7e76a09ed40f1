//! A call of a page's script: who calls, from where, with what.

use axum::{
    body::Bytes,
    extract::{Extension, FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::StoreError;
use serde::de::DeserializeOwned;

use super::{
    refusal::{LoginError, Refusal},
    session::{self, PortalSession},
};
use crate::{
    app::App,
    catalogue::{Language, Text},
    error::{login::problem, page::PageError},
    listener::{self, FacilityConnection, Peer},
    media_type,
};

/// The longest JSON body, in octets.
const MOST_OCTETS: usize = 32 * 1024;

/// A call with a JSON body, from a browser at a terminal.
pub struct Call {
    pub(super) app: App,
    pub(super) text: Text,
    pub(super) peer: Peer,
    pub(super) facility: FacilityConnection,
    pub(super) headers: HeaderMap,
    body: Result<Bytes, Refusal>,
}

impl FromRequest<App> for Call {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &App) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let Ok(Language(text)) = Language::from_request_parts(&mut parts, app).await;
        let facility = FacilityConnection::from_request_parts(&mut parts, app).await?;
        let Extension(peer) = Extension::<Peer>::from_request_parts(&mut parts, app)
            .await
            .map_err(|error| PageError::internal(&error))?;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), app).await;
        Ok(Self { app: app.clone(), text, peer, facility, headers, body: bounded(body) })
    }
}

impl Call {
    /// The body. Unknown and repeated members are refused by `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        parse(&self.headers, &self.body.clone()?)
    }

    /// The living session of a member in this browser at this terminal.
    pub(super) async fn session(&self) -> Result<Option<PortalSession>, StoreError> {
        session::current(&self.app, &self.peer, &self.headers, &self.facility).await
    }

    /// The living session of whoever is here, a visitor too.
    pub(super) async fn present(&self) -> Result<Option<PortalSession>, StoreError> {
        session::present(&self.app, &self.peer, &self.headers, &self.facility).await
    }

    /// The answer to an act; a refusal gets its audit record first.
    pub(super) async fn answer(
        &self,
        act: &'static str,
        outcome: Result<impl IntoResponse, LoginError>,
    ) -> Response {
        match outcome {
            Ok(answer) => answer.into_response(),
            Err(error) => self.refuse(self.note_refusal(act, error).await),
        }
    }

    /// The answer to an act that is refused and told of.
    pub(super) fn refuse(&self, error: LoginError) -> Response {
        problem(error, &self.text)
    }

    /// As [`note_refusal`].
    pub(super) async fn note_refusal(&self, act: &'static str, error: LoginError) -> LoginError {
        note_refusal(&self.app, act, &self.peer, &self.facility, error).await
    }
}

/// Writes the audit record of a refusal; another failure passes through.
///
/// Not every one: see [`listener::note_refusal`]. What a card or an invitation's code was brought to
/// is told of where it is judged, each time.
pub(super) async fn note_refusal(
    app: &App,
    act: &'static str,
    peer: &Peer,
    facility: &FacilityConnection,
    error: LoginError,
) -> LoginError {
    let LoginError::Refused(refusal) = error else { return error };
    let told = (act, refusal.code());
    match listener::note_refusal(app, peer, facility, told, |entry| entry).await {
        Ok(()) => LoginError::Refused(refusal),
        Err(error) => LoginError::Store(error),
    }
}

/// Reads a JSON body of a bounded size. Unknown and repeated members are refused by `T`.
pub(super) fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Refusal> {
    parse(headers, &bounded(body)?)
}

fn bounded(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::Malformed,
    })?;
    if body.len() > MOST_OCTETS {
        return Err(Refusal::TooLarge);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    let named = media_type::announced(headers).map_err(|_| Refusal::Malformed)?;
    if !named.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::Malformed);
    }
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed)
}
