//! Subscriptions to topics, as responses.

use hansel_proto::FieldValue;
use http::StatusCode;

use super::body::Kind;
use super::{Body, IntoResponse, Response};
use crate::topic::{Form, Push, Subscription};

const EVENTS: FieldValue<'static> = FieldValue::new(b"text/event-stream").unwrap();
const OCTETS: FieldValue<'static> = FieldValue::new(b"application/octet-stream").unwrap();

impl IntoResponse for Subscription {
    const LASTS: &'static str = " pushes";

    fn into_response(self) -> Response {
        if self.is_too_many() {
            return Response::refusal(StatusCode::SERVICE_UNAVAILABLE, &"too many subscribe to the topic");
        }
        let is_events = self.subscriber.form == Form::EventStream;
        let mut response = Response::new(Body::from(self));
        if is_events {
            // Caches must not keep it, and proxies not hold it back.
            response.set_header("Cache-Control", "no-store");
            response.set_header("X-Accel-Buffering", "no");
        }
        response
    }
}

impl From<Subscription> for Body {
    fn from(subscription: Subscription) -> Body {
        let content_type = match subscription.subscriber.form {
            Form::EventStream => EVENTS,
            Form::Plain => OCTETS,
            #[cfg(feature = "websocket")]
            Form::Frame => OCTETS,
        };
        Body {
            kind: Kind::Pushed(Box::new(subscription)),
            content_type: Some(content_type),
            on_done: None,
        }
    }
}

impl Response {
    /// Returns the subscription, if it is one.
    pub(crate) fn push(&mut self) -> Option<&mut dyn Push> {
        match &mut self.body.kind {
            Kind::Pushed(push) => Some(&mut **push),
            _ => None,
        }
    }
}
