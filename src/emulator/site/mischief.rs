//! Answers that arrive late, in part, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::line::Line;
use crate::model::clock::{Clock, Sleep};

/// How the connection fails an answer that is ready: the work was done, and the client cannot know.
///
/// Other connections are unaffected, and so are the earlier requests of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mischief {
    /// The connection is reset instead of answering.
    Reset,
    /// Nothing comes, and the connection stays open until the client goes.
    Hang,
    /// The connection closes without an answer.
    LoseAnswer,
    /// The connection closes after that many bytes of the body, though the headers promise all of it.
    TruncateAfter(usize),
    /// The body comes slowly, though whole.
    Drip {
        /// How many bytes come at a time.
        bytes: usize,
        /// How long the emulator's clock runs between two pieces.
        every: Duration,
    },
}

/// Sends a response as the mischief has it. To be awaited by the request's own handler or middleware:
/// it does not return where nothing is sent.
pub(in crate::emulator) async fn apply(
    response: Response,
    line: &Line,
    clock: &Arc<dyn Clock>,
    mischief: Mischief,
) -> Response {
    match mischief {
        Mischief::Reset => match line.reset().await {},
        Mischief::Hang => match line.hang().await {},
        Mischief::LoseAnswer => match line.cut().await {},
        Mischief::TruncateAfter(bytes) => {
            with_body(response, line, |whole| Body::new(Torn::new(whole, bytes, line))).await
        }
        Mischief::Drip { bytes, every } => {
            with_body(response, line, |whole| {
                Body::new(Drip::new(whole, bytes, every, clock, line))
            })
            .await
        }
    }
}

async fn with_body(
    response: Response,
    line: &Line,
    change: impl FnOnce(Bytes) -> Body,
) -> Response {
    let (head, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(whole) => Response::from_parts(head, change(whole)),
        Err(_) => match line.cut().await {}, // it broke without our help
    }
}

/// A body that ends too early.
struct Torn {
    rest: Bytes,
    promised: u64,
    line: Line,
}

impl Torn {
    fn new(whole: Bytes, bytes: usize, line: &Line) -> Self {
        let promised = whole.len() as u64;
        Self { rest: whole.slice(..bytes.min(whole.len())), promised, line: line.clone() }
    }
}

impl http_body::Body for Torn {
    type Data = Bytes;
    type Error = axum::Error;

    /// Hyper asks again only if more was promised; it sends what it has before the line is cut.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            self.line.cut_after_flush();
            return Poll::Pending;
        }
        let sent = std::mem::take(&mut self.rest);
        self.promised -= sent.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(sent))))
    }

    fn is_end_stream(&self) -> bool {
        self.promised == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

/// A body in small pieces.
struct Drip {
    rest: Bytes,
    piece: usize,
    every: Duration,
    clock: Arc<dyn Clock>,
    line: Line,
    pause: Option<Sleep>,
}

impl Drip {
    fn new(
        rest: Bytes,
        piece: usize,
        every: Duration,
        clock: &Arc<dyn Clock>,
        line: &Line,
    ) -> Self {
        let (piece, clock, line) = (piece.max(1), Arc::clone(clock), line.clone());
        Self { rest, piece, every, clock, line, pause: None }
    }
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        let (clock, line, every) = (Arc::clone(&self.clock), self.line.clone(), self.every);
        self.pause = Some(Box::pin(async move { line.pause(&*clock, every).await }));
        let piece = self.piece.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
