//! A connection whose handlers can break it.
//!
//! An order is obeyed when the connection next flushes, which it does after every turn of the handler
//! that gave it: the connection, and the handler with it, are dropped there and then. So it is when the
//! server gives its clients up.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::model::clock::Clock;

/// What a handler holds of the connection that its request came by.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct Line(Arc<Ends>);

/// How it may end.
#[derive(Debug)]
struct Ends {
    order: AtomicU8,
    stopped: watch::Receiver<bool>,
}

impl Line {
    pub(super) fn new(stopped: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Ends { order: AtomicU8::new(NONE), stopped }))
    }

    /// Breaks the connection with a TCP reset. To be awaited by its handler, which ends there.
    pub(in crate::emulator) async fn reset(&self) -> Infallible {
        self.0.order.store(RESET, Ordering::Relaxed);
        pending().await
    }

    /// Closes the connection without another byte, and under TLS without a farewell: what a server
    /// that died leaves. To be awaited by its handler, which ends there.
    pub(in crate::emulator) async fn cut(&self) -> Infallible {
        self.cut_after_flush();
        pending().await
    }

    /// Says nothing more until the client goes or the emulator stops.
    pub(in crate::emulator) async fn hang(&self) -> Infallible {
        self.stopped().await;
        self.cut().await
    }

    /// Waits by the emulator's clock, or until the emulator stops: a clock that stands still would
    /// keep it from ending.
    pub(in crate::emulator) async fn pause(&self, clock: &dyn Clock, duration: Duration) {
        tokio::select! {
            () = clock.sleep(duration) => {}
            () = self.stopped() => {}
        }
    }

    pub(in crate::emulator) async fn stopped(&self) {
        let mut stopped = self.0.stopped.clone();
        let _ = stopped.wait_for(|stop| *stop).await; // an error: nobody is left to stop it
    }

    /// Closes it once what was written so far is out.
    pub(super) fn cut_after_flush(&self) {
        self.0.order.store(CUT, Ordering::Relaxed);
    }

    fn obey(&self, tcp: &TcpStream) -> io::Result<()> {
        match self.0.order.load(Ordering::Relaxed) {
            NONE => Ok(()),
            RESET => {
                tcp.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Line {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What the bytes go over.
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn bytes(&mut self) -> Pin<&mut dyn Duplex> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp),
            Self::Secure(tls) => Pin::new(tls.as_mut()),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secure(tls) => tls.get_ref().0,
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A connection that obeys the orders given on its [`Line`], and waits for its client no longer than
/// the server does.
pub(super) struct Wire {
    stream: Stream,
    line: Line,
    given_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Wire {
    pub(super) fn new(stream: Stream, line: Line, mut given_up: watch::Receiver<bool>) -> Self {
        let given_up = Box::pin(async move {
            let _ = given_up.wait_for(|over| *over).await; // an error: the server is gone
        });
        Self { stream, line, given_up: Some(given_up) }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// What the stream says, or an end to waiting for it.
    fn unless_given_up<T>(
        &mut self,
        context: &mut Context<'_>,
        said: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if said.is_pending() && self.is_given_up(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        said
    }

    /// Once it is, it stays so; until then, the task that asks is woken when it comes.
    fn is_given_up(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(given_up) = &mut self.given_up
            && given_up.as_mut().poll(context).is_ready()
        {
            self.given_up = None;
        }
        self.given_up.is_none()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.stream.bytes().poll_read(context, into);
        self.unless_given_up(context, read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.bytes().poll_write(context, bytes);
        self.unless_given_up(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.bytes().poll_write_vectored(context, pieces);
        self.unless_given_up(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Secure(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_given_up(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        ready!(self.stream.bytes().poll_flush(context))?;
        Poll::Ready(self.line.obey(self.stream.tcp()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.stream.bytes().poll_shutdown(context);
        self.unless_given_up(context, shut)
    }
}

const NONE: u8 = 0;
const CUT: u8 = 1;
const RESET: u8 = 2;
