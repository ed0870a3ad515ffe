//! Every transition of a connection, in one table.
//!
//! A connection has two halves that take turns (RFC 9112 §9.3): the incoming request and the outgoing response. What
//! may happen next follows only from both together.

/// The incoming half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Nothing of the next request has been taken.
    Awaited,
    /// The head has arrived, the end of the body has not.
    Arriving,
    /// All of it has arrived.
    Whole,
    /// It broke a rule, or the server refused it: nothing more is read.
    Refused,
}

/// The outgoing half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// No request is waiting.
    Idle,
    /// A request or a refusal waits for its response.
    Owed,
    /// The head of the response has been encoded.
    Begun,
    /// The response is complete, but the request is not.
    Early,
    /// The last response of this connection is complete.
    Closed,
}

/// An event of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A head was parsed.
    Head,
    /// The end of the body was found.
    End,
    /// The request was refused.
    Refusal,
    /// The head of a final response was encoded.
    ResponseHead,
    /// The response is completely encoded, and the connection may go on.
    ResponseEnd,
    /// The response is completely encoded, or cannot be sent, and the connection must end.
    Close,
}

pub(crate) type State = (Request, Response);

/// The state of a new connection.
pub(crate) const START: State = (Request::Awaited, Response::Idle);

/// Returns the state that follows `state` after `event`; `None` if the event cannot happen there.
pub(crate) const fn after(state: State, event: Event) -> Option<State> {
    use Request::{Arriving, Awaited, Refused, Whole};
    use Response::{Begun, Closed, Early, Idle, Owed};
    Some(match (event, state) {
        (Event::Head, (Awaited, Idle)) => (Arriving, Owed),

        (Event::End, (Arriving, Owed)) => (Whole, Owed),
        (Event::End, (Arriving, Begun)) => (Whole, Begun),
        (Event::End, (Arriving, Early)) => START,

        // Until its response has begun, a refused request gets the refusal as its response.
        (Event::Refusal, (_, Idle | Owed)) => (Refused, Owed),
        (Event::Refusal, (_, Begun)) => (Refused, Begun),
        (Event::Refusal, (_, Early | Closed)) => (Refused, Closed),

        (Event::ResponseHead, (request, Owed)) => (request, Begun),
        // A response without a request (408 to a silent client, 503 at once) is the last one.
        (Event::ResponseHead, (Awaited, Idle)) => (Refused, Begun),

        (Event::ResponseEnd, (Whole, Begun)) => START,
        (Event::ResponseEnd, (Arriving, Begun)) => (Arriving, Early),
        (Event::ResponseEnd, (Refused, Begun)) => (Refused, Closed),

        (Event::Close, (request, _)) => (request, Closed),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [Request; 4] = [Request::Awaited, Request::Arriving, Request::Whole, Request::Refused];
    const RESPONSES: [Response; 5] = [
        Response::Idle,
        Response::Owed,
        Response::Begun,
        Response::Early,
        Response::Closed,
    ];
    const EVENTS: [Event; 6] = [
        Event::Head,
        Event::End,
        Event::Refusal,
        Event::ResponseHead,
        Event::ResponseEnd,
        Event::Close,
    ];

    fn reachable() -> Vec<State> {
        let mut states = vec![START];
        let mut at = 0;
        while at < states.len() {
            for event in EVENTS {
                if let Some(next) = after(states[at], event).filter(|next| !states.contains(next)) {
                    states.push(next);
                }
            }
            at += 1;
        }
        states
    }

    #[test]
    fn a_closed_connection_stays_closed() {
        for request in REQUESTS {
            for event in EVENTS {
                if let Some((_, response)) = after((request, Response::Closed), event) {
                    assert_eq!(response, Response::Closed, "{request:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn a_refused_request_is_never_read_on() {
        for response in RESPONSES {
            for event in EVENTS {
                if let Some((request, _)) = after((Request::Refused, response), event) {
                    assert_eq!(request, Request::Refused, "{response:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn only_sensible_states_are_reached() {
        for (request, response) in reachable() {
            match response {
                Response::Idle => assert_eq!(request, Request::Awaited),
                Response::Owed | Response::Begun => assert_ne!(request, Request::Awaited),
                Response::Early => assert_eq!(request, Request::Arriving),
                Response::Closed => {}
            }
        }
    }

    #[test]
    fn every_state_but_closed_has_a_way_on_and_all_can_close() {
        for state in reachable() {
            assert!(
                matches!(after(state, Event::Close), Some((_, Response::Closed))),
                "{state:?}"
            );
            let ways = EVENTS
                .iter()
                .filter(|&&event| event != Event::Close && after(state, event).is_some());
            assert!(state.1 == Response::Closed || ways.count() > 0, "{state:?}");
        }
    }
}
