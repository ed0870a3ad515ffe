//! A response in the other vocabulary. Its head is written as HTTP/1.1 and parsed again, so that it is the same as on
//! hansel's own connections.

use std::sync::Arc;

use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};

use super::alarm::Clock;
use super::body::Body;
use super::pool::Pool;
use crate::date::Date;
use crate::exchange::{Exchange, Payload, Source};
use crate::pipe::{Writer, pipe};
use crate::response::Origin;
use crate::{IntoResponse, Request, Response};

pub(super) type Reply = http::Response<Body>;

/// The properties of a request that decide about its response.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    is_head: bool,
    is_http1: bool,
}

impl Asked {
    pub(super) fn by(head: &http::request::Parts) -> Asked {
        Asked {
            is_head: head.method == Method::HEAD,
            is_http1: head.version < Version::HTTP_2,
        }
    }

    /// Returns true if sending a response's body needs a thread.
    pub(super) fn needs_thread(self, response: &Response) -> bool {
        response.body.needs_thread() && !self.is_head
    }

    /// Converts a response into the other vocabulary. Also returns what the thread that made it must still write.
    pub(super) fn respond(
        self,
        exchange: &mut Exchange,
        response: &mut Response,
        (pool, clock): (&Arc<Pool>, &Arc<Clock>),
    ) -> (Reply, Option<(Source, Writer)>) {
        #[cfg(any(feature = "websocket", feature = "upgrade"))]
        if response.switches() {
            // The connection belongs to the other server.
            let reason = "here connections belong to another server, and can't switch to another protocol";
            *response = Response::refusal(StatusCode::NOT_IMPLEMENTED, &reason);
        }
        let mut out = Vec::new();
        let payload = exchange.respond(response, &Date::now(), &mut out);
        let (reply, begun) = self.read(&out);
        let mut rest = None;
        let body = match payload {
            None => Body::from(begun.to_vec()),
            Some(Payload::Bytes { bytes, on_done, .. }) => {
                Body::whole(bytes::Bytes::from_owner(Owned(bytes))).telling(on_done, pool)
            }
            Some(Payload::File(part, on_done)) => Body::file(part, Arc::clone(pool)).telling(on_done, pool),
            Some(Payload::Pushed(pushed)) => {
                Body::pushed(pushed.push.into_feed(), Arc::clone(clock)).telling(pushed.on_done, pool)
            }
            #[cfg(feature = "websocket")]
            Some(Payload::Socket(_)) => Body::from(Vec::new()),
            #[cfg(feature = "upgrade")]
            Some(Payload::Takeover(_)) => Body::from(Vec::new()),
            Some(Payload::Source(source, _)) => {
                let (writer, reader) = pipe();
                let len = source.len();
                rest = Some((source, writer));
                Body::arriving(reader, len)
            }
        };
        (reply.map(|()| body), rest)
    }

    /// Returns a response that `write` has written completely.
    pub(super) fn written(self, write: impl FnOnce(&Date, &mut Vec<u8>)) -> Reply {
        let mut out = Vec::new();
        write(&Date::now(), &mut out);
        let (reply, body) = self.read(&out);
        let body = if self.is_head { Vec::new() } else { body.to_vec() };
        reply.map(|()| Body::from(body))
    }

    /// Parses a head, and returns what follows it.
    pub(super) fn read(self, out: &[u8]) -> (http::Response<()>, &[u8]) {
        // This crate can parse what it writes.
        self.try_read(out).unwrap_or_else(|| {
            let mut broken = http::Response::new(());
            *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (broken, &[])
        })
    }

    fn try_read(self, out: &[u8]) -> Option<(http::Response<()>, &[u8])> {
        let end = out.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut reply = http::Response::new(());
        let mut rest = out.get(..end + 2)?;
        let line = next_line(&mut rest)?;
        *reply.status_mut() = StatusCode::from_bytes(line.get(9..12)?).ok()?;
        if self.is_http1 && line.starts_with(b"HTTP/1.0") {
            *reply.version_mut() = Version::HTTP_10;
        }
        while let Some(line) = next_line(&mut rest) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
            if self.leaves_out(&name) {
                continue;
            }
            let value = HeaderValue::from_bytes(line.get(colon + 2..)?).ok()?;
            reply.headers_mut().try_append(name, value).ok()?;
        }
        Some((reply, out.get(end + 4..)?))
    }

    /// The outer server frames the body. RFC 9113 §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing
    /// connection-specific header fields."
    fn leaves_out(self, name: &HeaderName) -> bool {
        *name == TRANSFER_ENCODING || (!self.is_http1 && (*name == CONNECTION || *name == UPGRADE))
    }
}

/// Bytes that stay where the handler has put them.
struct Owned(Box<dyn AsRef<[u8]> + Send>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// Responses without a request.
pub(super) enum Instead<'r> {
    /// The request is refused for this reason.
    Refused(StatusCode, &'r str),
    /// Its handler takes too long.
    Overdue,
    Failed,
}

impl Instead<'_> {
    /// `copy` is what a hook for responses sees of the request.
    pub(super) fn reply(self, mut exchange: Exchange, copy: Option<Request>, asked: Asked) -> Reply {
        asked.written(|date, out| match self {
            Instead::Refused(status, reason) => {
                if let Some(copy) = copy {
                    exchange.stand_in_for(copy);
                }
                exchange.refuse_with(status, reason, date, out);
            }
            Instead::Overdue => exchange.refuse_unseen(copy.as_ref(), date, out),
            Instead::Failed => {
                if let Some(copy) = copy {
                    exchange.stand_in_for(copy);
                }
                let mut response = StatusCode::INTERNAL_SERVER_ERROR
                    .into_response()
                    .with_origin(Origin::Panicked);
                exchange.respond(&mut response, date, out);
            }
        })
    }
}

fn next_line<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    let line = rest.get(..end)?;
    *rest = rest.get(end + 2..)?;
    Some(line)
}
