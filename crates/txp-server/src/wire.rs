//! A connection as the HTTP library sees it: it may read, and write answers of ours, but none of its
//! own.
//!
//! To a request that it cannot parse the library writes a bare status line. Nothing there can be
//! given a body, so its bytes are held back here, and [`crate::refuse`] answers with a problem
//! document once the library has given the connection up. Whose bytes they are is a matter of
//! counting: between the end of one answer and the next request, no service of ours has any.

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is shared by the parts of one connection, all of one task.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    asked: AtomicU64,
    answered: AtomicU64,
    sent: AtomicU64,
    has_begun: AtomicBool,
    stream: Mutex<Option<TcpStream>>,
}

impl Exchange {
    /// A request was parsed and goes to the service.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.has_begun.store(false, Ordering::Relaxed);
    }

    /// An answer of the service is, or may be, on its way.
    pub(crate) fn is_answering(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != self.sent.load(Ordering::Relaxed)
    }

    /// Something of a next request came.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// The stream, once the library has let go of it.
    pub(crate) fn take_stream(&self) -> Option<TcpStream> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<TcpStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// All that was written has gone out.
    fn flushed(&self) {
        let answered = self.answered.load(Ordering::Relaxed);
        if self.sent.swap(answered, Ordering::Relaxed) != answered {
            self.has_begun.store(false, Ordering::Relaxed);
        }
    }
}

/// The stream that the library is given; dropped, the stream goes back to the exchange.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Option<TcpStream>,
    exchange: Arc<Exchange>,
    is_held_back: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, exchange: Arc<Exchange>) -> Self {
        Self {
            stream: Some(stream),
            exchange,
            is_held_back: false,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.stream.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        *self.exchange.lock() = self.stream.take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.stream()?.poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.exchange.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.is_answering() {
            return self.stream()?.poll_write(context, bytes);
        }
        self.is_held_back = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.is_answering() {
            return self.stream()?.poll_write_vectored(context, pieces);
        }
        self.is_held_back = true;
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream()?.poll_flush(context))?;
        self.exchange.flushed();
        Poll::Ready(Ok(()))
    }

    /// An answer is still to be written where one was held back.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_held_back {
            return Poll::Ready(Ok(()));
        }
        self.stream()?.poll_shutdown(context)
    }
}

/// The body of an answer; its end, or its being given up, ends the answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Body,
    exchange: Arc<Exchange>,
}

impl AnswerBody {
    pub(crate) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.exchange.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
