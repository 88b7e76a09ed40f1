//! Request bodies of HTTP/2 that were answered before their end.
//!
//! Whoever drops such a body resets its stream. RFC 9113 §8.1 lets a server do so after a whole answer
//! and forbids clients to discard the answer then; some discard it all the same. So what still arrives
//! is read and thrown away, within bounds, until the client has said everything.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// A request body that is read to its end, by its handler or after it.
pub(super) struct ReadToEnd {
    body: Option<Incoming>,
    most_octets: u64,
    within: Duration,
}

impl ReadToEnd {
    /// After the handler at most `most_octets` are read, for as long as `within`.
    pub(super) fn new(body: Incoming, most_octets: u64, within: Duration) -> Self {
        Self { body: Some(body), most_octets, within }
    }
}

impl Body for ReadToEnd {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        // Without a runtime the process is ending, and the connection with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (mut left, within) = (self.most_octets, self.within);
        runtime.spawn(async move {
            let reading = async {
                while let Some(Ok(frame)) = body.frame().await {
                    let octets = frame.data_ref().map_or(0, Bytes::len) as u64;
                    left = left.saturating_sub(octets);
                    if left == 0 {
                        break;
                    }
                }
            };
            // What is longer, or slower, is reset then.
            let _ = tokio::time::timeout(within, reading).await;
        });
    }
}
