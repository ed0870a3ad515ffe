//! Refusals: responses to requests that no application sees.

use hansel_proto::{BodyLength, BodyPlan, FieldBlock, Reason, Refusal, ResponseHead};
use http::StatusCode;

use super::responding::is_head;
use super::{Answered, Cause, Exchange, Stage, Step};
use crate::date::Date;
use crate::report;
use crate::request::Request;
use crate::response::body::TEXT;
use crate::response::{Done, Origin, Response, status_text};
use crate::seen::show;

impl Exchange {
    pub(super) fn refuse(&mut self, cause: Cause, date: &Date, out: &mut Vec<u8>) -> Step {
        let (status, reason) = match cause {
            Cause::Refused(refusal) => {
                self.take_refused_head(&refusal);
                (refusal.status(), refusal.to_string())
            }
            Cause::Path(bad) => (400, bad.to_string()),
        };
        if self.stage == Stage::Head {
            report::debug!("refused a request with {status}: {reason}");
        } else {
            report::debug!("refused {} with {status}: {reason}", self.request.described());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        self.refuse_with(status, &reason, date, out);
        Step::Refused(status)
    }

    /// Takes the head of a request that is refused only because it announces too much content: logs and hooks see it.
    fn take_refused_head(&mut self, refusal: &Refusal) {
        if self.stage == Stage::Head && refusal.reason() == Reason::ContentTooLarge {
            self.request.origin = self.position;
            if self.request.begin().is_ok() {
                self.stage = Stage::Handed;
            }
        }
    }

    /// Appends a final response that ends the connection, for a request that the application never sees.
    pub(crate) fn refuse_with(&mut self, status: StatusCode, reason: &str, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        let mut fields = FieldBlock::new();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110 §15.6.4: "MAY send a Retry-After". A constant is a valid field.
            let _ = fields.set("Retry-After", b"1");
        }
        let text = format!("{}: {reason}\n", status_text(status));
        if self.hook.is_some() {
            let request = (self.stage != Stage::Head).then_some(&self.request);
            let response = self.shown(request, Response::refusal_of(status, text));
            let is_head = request.is_some_and(is_head);
            return self.refuse_by(response, is_head, date, out);
        }
        self.refuse_text(status, &fields, &text, date, out);
    }

    /// Appends a final 503 that ends the connection, for a request that is not available here. Where a hook sees
    /// responses, `copy` is what it sees of the request.
    pub(crate) fn refuse_unseen(&mut self, copy: Option<&Request>, date: &Date, out: &mut Vec<u8>) {
        self.protocol.close_after_response();
        if let (Some(_), Some(copy)) = (&self.hook, copy) {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let text = format!("{}\n", status_text(status));
            let response = Response::refusal_of(status, text).with_origin(Origin::Overdue);
            let response = self.shown(Some(copy), response);
            return self.refuse_by(response, is_head(copy), date, out);
        }
        let mut fields = FieldBlock::new();
        let _ = fields.set("Retry-After", b"1");
        // Without a text, because the request may have been a HEAD.
        self.refuse_text(StatusCode::SERVICE_UNAVAILABLE, &fields, "", date, out);
    }

    fn refuse_text(&mut self, status: StatusCode, fields: &FieldBlock, text: &str, date: &Date, out: &mut Vec<u8>) {
        let head = ResponseHead::new(status.as_u16(), fields, BodyLength::Known(text.len() as u64))
            .date(date.value())
            .default_content_type(TEXT);
        let plan = self.protocol.respond(&head, out);
        if plan == BodyPlan::Plain {
            out.extend_from_slice(text.as_bytes());
        }
        self.answered = Some(Answered {
            status: status.as_u16(),
            content: if plan == BodyPlan::Plain { text.len() as u64 } else { 0 },
            has_request: self.stage != Stage::Head,
        });
    }

    /// A refusal, as the hook has left it.
    #[cold]
    fn shown(&self, request: Option<&Request>, mut response: Response) -> Response {
        if let Some(hook) = &self.hook {
            show(hook, request, &mut response);
            if response.is_faulty() {
                response.report_fault(request);
            }
        }
        response
    }

    /// Appends a final response, whose body must be bytes: nobody would read a file or write a stream here.
    #[cold]
    fn refuse_by(&mut self, mut response: Response, is_head: bool, date: &Date, out: &mut Vec<u8>) {
        let content = response.body.bytes().unwrap_or_else(|| {
            report::error!("the body of a refusal must be bytes; it was left out");
            &[]
        });
        let head = ResponseHead::new(
            response.status().as_u16(),
            &response.fields,
            BodyLength::Known(content.len() as u64),
        )
        .date(date.value())
        .reason(response.own_reason())
        .default_content_type(response.body.content_type);
        let plan = self.protocol.respond(&head, out);
        let is_sent = plan == BodyPlan::Plain && !is_head;
        if is_sent {
            out.extend_from_slice(content);
        }
        self.answered = Some(Answered {
            status: head.status,
            content: if is_sent { content.len() as u64 } else { 0 },
            has_request: self.stage != Stage::Head,
        });
        if let Some(on_done) = response.body.on_done.take() {
            on_done.call(if is_sent { Done::Sent } else { Done::Omitted });
        }
    }
}
