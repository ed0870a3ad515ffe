//! Responses of the application: a head, and a body that is short or is sent after it.

use hansel_proto::{BodyLength, BodyPlan, Connection, ResponseHead};

use super::{Answered, Exchange, Payload, Source, Subscribed, Written};
use crate::date::Date;
use crate::request::Request;
use crate::response::body::Kind;
use crate::response::{Done, Response};
use crate::seen::{ResponseHook, show};

impl Exchange {
    /// Makes `response` what is to be sent: one that can be sent, and that a hook has seen. It does so once;
    /// [`respond`](Exchange::respond) does it for those that are not.
    #[inline]
    pub(crate) fn complete(&self, response: &mut Response) {
        if response.is_faulty() || self.hook.is_some() {
            complete(self.hook.as_ref(), &self.request, response);
        }
    }

    /// Appends the head of `response`, and its body if that is short. Otherwise the body is moved out of `response` and
    /// returned.
    pub(crate) fn respond(&mut self, response: &mut Response, date: &Date, out: &mut Vec<u8>) -> Option<Payload> {
        if self.has_live_body() {
            // RFC 9112 §9.3: "the server MUST read the entire request message body or close the
            // connection after sending its response".
            self.protocol.close_after_response();
        }
        self.complete(response);
        #[cfg(any(feature = "websocket", feature = "upgrade"))]
        if response.switches() {
            if let Some(payload) = self.switch(response, date, out) {
                return Some(payload);
            }
        }
        let len = response.body.len();
        if len.is_none() {
            self.begin_subscription(response);
        }
        let plan = encode_head(&mut self.protocol, &self.request, response, date, out);
        let is_omitted = plan == BodyPlan::Omit;
        self.answered = Some(Answered {
            status: response.status().as_u16(),
            content: if is_omitted { 0 } else { len.unwrap_or(0) },
            has_request: true,
        });
        let is_chunked = plan == BodyPlan::Chunked;
        match response.body.on_done.take() {
            None if is_omitted => None,
            None => self.payload(std::mem::take(&mut response.body.kind), is_chunked, out),
            Some(on_done) if is_omitted => {
                on_done.call(Done::Omitted);
                None
            }
            Some(on_done) => Payload::tell(
                self.payload(std::mem::take(&mut response.body.kind), is_chunked, out),
                on_done,
            ),
        }
    }

    /// Appends a body to `out`, or returns it.
    #[inline]
    fn payload(&mut self, kind: Kind, is_chunked: bool, out: &mut Vec<u8>) -> Option<Payload> {
        // Each kind is moved out of, so that nothing is left to be dropped.
        match kind {
            Kind::Empty => None,
            Kind::Static(bytes) => Payload::of_bytes(bytes, out),
            Kind::Bytes(bytes) => Payload::of_bytes(bytes, out),
            Kind::Shared(bytes) => Payload::of_bytes(bytes, out),
            Kind::Owned(bytes) => Payload::of_owned(bytes, out),
            Kind::File(part) => (part.left() > 0).then(|| Payload::File(*part, None)),
            Kind::Reader { reader, len } => Some(self.source(Written::Reader { reader, len }, is_chunked)),
            Kind::Stream { write, len } => Some(self.source(Written::Stream { write, len }, is_chunked)),
            Kind::Pushed(push) => Some(Payload::Pushed(Box::new(Subscribed {
                push,
                is_chunked,
                on_done: None,
                logged: None,
            }))),
            Kind::Early(sent) => {
                drop(sent);
                None
            }
            // A hook has given the response another status.
            #[cfg(feature = "websocket")]
            Kind::Socket(opened) => {
                drop(opened);
                None
            }
            #[cfg(feature = "upgrade")]
            Kind::Takeover(takeover) => {
                drop(takeover);
                None
            }
        }
    }

    fn source(&mut self, content: Written, is_chunked: bool) -> Payload {
        if let Some(answered) = &mut self.answered {
            // It is counted while it is sent.
            answered.content = 0;
        }
        Payload::Source(Source::new(content), is_chunked)
    }

    /// Finds out where a subscription begins, if the response is one.
    #[cold]
    fn begin_subscription(&mut self, response: &mut Response) {
        if let Some(push) = response.push() {
            push.begin(self.request.header("Last-Event-ID"));
            // It has no other end than that of the connection.
            self.protocol.close_after_response();
        }
    }
}

/// Makes `response` one that can be sent, and shows it to the hook.
#[cold]
pub(super) fn complete(hook: Option<&ResponseHook>, request: &Request, response: &mut Response) {
    if response.is_faulty() {
        response.report_fault(Some(request));
    }
    if let Some(hook) = hook {
        show(hook, Some(request), response);
        if response.is_faulty() {
            response.report_fault(Some(request));
        }
    }
}

/// Appends the head of `response`, and returns how its content is sent.
// Compiled into two places, one of them rare: another call would cost each request 1 %.
#[inline(always)]
pub(super) fn encode_head(
    protocol: &mut Connection,
    request: &Request,
    response: &Response,
    date: &Date,
    out: &mut Vec<u8>,
) -> BodyPlan {
    let version = match response.version() {
        http::Version::HTTP_10 | http::Version::HTTP_09 => hansel_proto::Version::Http10,
        _ => hansel_proto::Version::Http11,
    };
    let len = response.body.len();
    // RFC 9110 §8.6: to HEAD, a length is only sent if it "equals the decimal number of octets that would have been
    // sent in the content of a response if the same request had used the GET method". An endpoint that makes no
    // body may do so because the method is HEAD.
    let is_unknown = len == Some(0) && is_head(request) && response.body.is_none();
    let body_length = if is_unknown { None } else { len };
    let body_length = body_length.map_or(BodyLength::Unknown, BodyLength::Known);
    let mut head = ResponseHead::new(response.status().as_u16(), &response.fields, body_length);
    head.date = date.value();
    head.default_content_type = response.body.content_type;
    head.reason = response.own_reason();
    head.version = version;
    protocol.respond(&head, out)
}

pub(super) fn is_head(request: &Request) -> bool {
    *request.method() == http::Method::HEAD
}
