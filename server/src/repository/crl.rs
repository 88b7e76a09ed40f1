//! `GET /crl/{file}`: an authority's newest lists, DER (RFC 5280 §5, RFC 2585 §4.2).

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use sekisho_ca::revocation::CrlPartition;
use sekisho_store::{
    StoreError,
    crl::{self, COMPLETE, DELTA, Published},
};
use time::Duration;

use super::conditional::Validators;
use crate::{app::App, error::page::Chain, form::PathId};

/// A cache in between hides a revocation for at most so long.
const MOST_AGE: Duration = Duration::seconds(30);

/// Answers `root.crl`, `terminals.crl`, `terminals-delta.crl`, `terminals-57of128.crl` and so on.
pub async fn crl(
    State(app): State<App>,
    method: Method,
    PathId(file): PathId,
    headers: HeaderMap,
) -> Response {
    let Some((issuer_id, scope)) = file.strip_suffix(".crl").map(named) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match answer(&app, &method, issuer_id, scope, &headers).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "CRL not to be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Issuer and scope of a file's name without its ending.
fn named(stem: &str) -> (&str, &str) {
    match stem.rsplit_once('-') {
        Some((issuer_id, scope)) if scope == DELTA || scope.parse::<CrlPartition>().is_ok() => {
            (issuer_id, scope)
        }
        _ => (stem, COMPLETE),
    }
}

async fn answer(
    app: &App,
    method: &Method,
    issuer_id: &str,
    scope: &str,
    asked: &HeaderMap,
) -> Result<Response, StoreError> {
    let mut reader = app.store().read();
    let Some(list) = crl::newest(&mut reader, issuer_id, scope).await? else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let validators = Validators {
        // The number never goes back, so it names the content.
        tag: format!("{issuer_id}-{scope}-{}", list.number),
        modified: list.this_update,
        max_age: MOST_AGE.min(list.next_update - app.now()),
    };
    if let Some(response) = validators.not_modified(asked) {
        return Ok(response);
    }
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => body(app, issuer_id, &list).await?,
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(list.length));
    validators.apply(headers);
    Ok(response)
}

/// The newest complete list of an authority as one; `None` where there is none, or it is longer than
/// `most_octets`.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn complete_list(
    app: &App,
    issuer_id: &str,
    most_octets: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let list = crl::newest(&mut app.store().read(), issuer_id, COMPLETE).await?;
    let Some(list) = list else { return Ok(None) };
    let body = body(app, issuer_id, &list).await?;
    let whole = Limited::new(body, most_octets).collect().await;
    // A list that was followed by another meanwhile breaks off, as at its address: it is asked for again.
    Ok(whole.ok().map(|whole| whole.to_bytes().to_vec()))
}

/// The list chunk by chunk, so that a long one is never in memory.
async fn body(app: &App, issuer_id: &str, list: &Published) -> Result<Body, StoreError> {
    let mut reader = app.store().read();
    let gone = || StoreError::Corrupt { what: "CRL", detail: "its head is gone".to_owned() };
    let (head, tail) = crl::frame(&mut reader, issuer_id, list).await?.ok_or_else(gone)?;
    let chunks = match &list.chunks {
        Some((first, last)) => {
            crl::chunks(&mut reader, issuer_id, (first, last), list.number).await?
        }
        None => Vec::new(),
    };
    let (store, issuer_id) = (app.store().clone(), issuer_id.to_owned());
    let entries = stream::iter(chunks).then(move |(chunk, number, _)| {
        let (mut reader, issuer_id) = (store.read(), issuer_id.clone());
        async move { crl::chunk_entries(&mut reader, &issuer_id, &chunk, number).await }
    });
    let ends = |octets| stream::once(async { Ok(octets) });
    Ok(Body::from_stream(ends(head).chain(entries).chain(ends(tail))))
}
