//! hyper's reading of the same bytes: its server for one connection, on memory instead of a socket.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};

use crate::verdict::{Accepted, Content, Verdict};

/// Returns hyper's verdict on the first head in `bytes`.
pub fn verdict(bytes: &[u8]) -> Verdict {
    let mut sent = Vec::new();
    let first = RefCell::new(None);
    let wire = Wire {
        unread: bytes,
        sent: &mut sent,
    };
    let service = service_fn(|request: Request<Incoming>| {
        first.borrow_mut().get_or_insert_with(|| accepted(&request));
        // Of a kind that never upgrades a connection.
        let response = Response::builder().status(404).body(String::new());
        async move {
            // Only once the response is made: leaving a body unread closes the connection.
            drop(request);
            Ok::<_, Infallible>(response.expect("a good response"))
        }
    });
    let outcome = {
        let connection = http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(wire, service);
        // Everything that will ever come is here, so one poll decides; what still waits then waits for more bytes.
        std::pin::pin!(connection).poll(&mut Context::from_waker(Waker::noop()))
    };
    match (first.into_inner(), outcome) {
        (Some(request), _) => Verdict::Accepted(Accepted {
            keep_alive: lives_on(&sent, request.minor),
            ..request
        }),
        (None, Poll::Ready(Err(error))) => Verdict::Refused(reason(&error)),
        (None, _) => Verdict::Partial,
    }
}

fn accepted(request: &Request<Incoming>) -> Accepted {
    let uri = request.uri();
    let body = request.body();
    let mut fields: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
        .collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Accepted {
        method: request.method().as_str().to_owned(),
        scheme: uri.scheme_str().map(str::to_ascii_lowercase),
        authority: uri.authority().map(|authority| authority.as_str().to_owned()),
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
        minor: u8::from(request.version() == Version::HTTP_11),
        fields,
        content: match body.size_hint().exact() {
            Some(0) => Content::None,
            Some(length) => Content::Length(length),
            None => Content::Chunked,
        },
        keep_alive: false,
    }
}

/// Returns true if a response says that its connection persists.
fn lives_on(response: &[u8], minor: u8) -> bool {
    let head = String::from_utf8_lossy(response).to_ascii_lowercase();
    let head = head.split("\r\n\r\n").next().unwrap_or_default();
    if minor == 0 {
        head.contains("\r\nconnection: keep-alive")
    } else {
        !head.contains("\r\nconnection: close")
    }
}

fn reason(error: &hyper::Error) -> String {
    let source = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

/// Bytes to read, after which neither more bytes nor an end will come, and bytes that were written.
struct Wire<'w> {
    unread: &'w [u8],
    sent: &'w mut Vec<u8>,
}

impl Read for Wire<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let (now, later) = self.unread.split_at(self.unread.len().min(into.remaining()));
        self.unread = later;
        if now.is_empty() {
            return Poll::Pending;
        }
        into.put_slice(now);
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
