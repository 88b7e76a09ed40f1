//! A connection on which nothing is said but what the door itself answers.
//!
//! An HTTP library answers octets that are no request by itself: 400, 414, 431, 100. Each tells a
//! stranger that something other than nothing stands here, and which library. Here such words are
//! swallowed; the connection ends in silence.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Lets the first answer through, once there is one.
#[derive(Clone, Default)]
pub struct Leave(Arc<AtomicBool>);

impl Leave {
    /// From now on octets go out.
    pub fn give(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_given(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// `inner`, mute until there is [`Leave`] to speak.
pub struct Muted<T> {
    inner: T,
    leave: Leave,
}

impl<T> Muted<T> {
    /// Mutes a connection.
    pub fn new(inner: T, leave: Leave) -> Self {
        Self { inner, leave }
    }
}

impl<T: Read + Unpin> Read for Muted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Muted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.leave.is_given() {
            Pin::new(&mut self.inner).poll_write(cx, buf)
        } else {
            Poll::Ready(Ok(buf.len()))
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
