//! One connection, from its first request to its end.

use std::{convert::Infallible, future::poll_fn, pin::Pin, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderValue, Response, header};
use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Peer, unread::ReadToEnd};
use crate::config::Listen;

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// The end of the process, as its connections hear of it.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// No more requests are wanted; what arrives is still answered.
    pub(super) begins: CancellationToken,
    /// What is idle closes.
    pub(super) idle_closes: CancellationToken,
}

const MOST_HEAD_OCTETS: u32 = 32 * 1024;
const MOST_HEADERS: usize = 64;
const MOST_STREAMS: u32 = 100;

/// What is read, and thrown away, of a request that was answered before its end.
const MOST_UNWANTED_OCTETS: u64 = 32 * 1024 * 1024;
/// Whoever sends nothing for so long after our last octet has seen it, or never will.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(super) async fn serve<S>(
    stream: S,
    peer: Peer,
    version: Version,
    router: Router,
    listen: &Listen,
    ending: &Ending,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Who asks and does not read the answer is not waited for.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(listen.body()));
    let stream = TokioIo::new(Box::pin(stream));
    let addr = peer.addr;
    let begins = ending.begins.clone();
    let answered_within = listen.request();
    let handler = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let (router, begins) = (router.clone(), begins.clone());
        Box::pin(async move {
            let request = request.map(|body| match version {
                Version::Http1 => Body::new(body),
                Version::Http2 => {
                    Body::new(ReadToEnd::new(body, MOST_UNWANTED_OCTETS, answered_within))
                }
            });
            let answer = router.oneshot(request).await;
            answer.map(|mut answer: Response<Body>| {
                if version == Version::Http1 && begins.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(header::CONNECTION, close);
                }
                answer
            }) as Result<_, Infallible>
        })
    });
    let outcome = match version {
        Version::Http1 => {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(listen.head())
                .max_headers(MOST_HEADERS)
                .max_buf_size(MOST_HEAD_OCTETS as usize);
            let mut connection = builder.serve_connection(stream, handler);
            let mut end = poll_fn(|context| connection.poll_without_shutdown(context));
            let mut outcome = tokio::select! {
                outcome = &mut end => Some(outcome),
                () = ending.idle_closes.cancelled() => None,
            };
            if outcome.is_none() {
                Pin::new(&mut connection).graceful_shutdown();
                outcome = Some(poll_fn(|context| connection.poll_without_shutdown(context)).await);
            }
            let outcome = outcome.unwrap_or(Ok(()));
            // After a failure that is the peer's silence there is nobody to wait for.
            if outcome.as_ref().map_or_else(hyper::Error::is_parse, |()| true) {
                linger(connection.into_parts().io.into_inner(), listen).await;
            }
            outcome
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(MOST_STREAMS)
                .max_header_list_size(MOST_HEAD_OCTETS)
                .keep_alive_interval(listen.head())
                .keep_alive_timeout(listen.handshake());
            let mut connection = std::pin::pin!(builder.serve_connection(stream, handler));
            tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = ending.begins.cancelled() => {
                    // GOAWAY, twice: streams that cross the first one are still answered.
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%addr, %error, "connection ended");
    }
}

/// Closes our direction and then reads until the peer closes theirs (RFC 9112 §9.6): closing
/// both while octets arrive would be a reset, which takes from the peer the answer that is on its way.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, listen: &Listen) {
    let lingering = async {
        stream.shutdown().await?;
        let (mut unwanted, mut left) = (vec![0; 16 * 1024], MOST_UNWANTED_OCTETS);
        while left > 0 {
            let read = tokio::time::timeout(LINGER_PAUSE, stream.read(&mut unwanted)).await??;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read as u64);
        }
        std::io::Result::Ok(())
    };
    // Whatever goes wrong here goes wrong for somebody who has been answered.
    let _ = tokio::time::timeout(listen.request(), lingering).await;
}
