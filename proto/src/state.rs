//! Every transition of a connection, in one table.
//!
//! A connection is two halves that take turns (RFC 9112 §9.3): the request that comes in and the
//! answer that goes out. Neither half alone says what may happen next, both together do.

/// The incoming half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Nothing of the next request has been taken.
    Awaited,
    /// The head has; the end of the body has not.
    Arriving,
    /// All of it has.
    Whole,
    /// It broke a rule, or the server gave up on it: nothing is read any more.
    Refused,
}

/// The outgoing half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nobody has asked.
    Idle,
    /// A request or a refusal waits for its answer.
    Owed,
    /// The answer's head has been encoded.
    Begun,
    /// The answer is out, the rest of the request is not in.
    Early,
    /// The last answer of this connection is out.
    Closed,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A head was parsed.
    Head,
    /// The end of the body was found.
    End,
    /// The request was refused.
    Refusal,
    /// A final answer's head was encoded.
    AnswerHead,
    /// The answer was encoded whole, and the connection may live on.
    AnswerEnd,
    /// The answer was encoded whole, or cannot be, and the connection must end.
    Close,
}

pub(crate) type State = (Request, Answer);

/// What a connection starts as.
pub(crate) const START: State = (Request::Awaited, Answer::Idle);

/// What `event` makes of `state`; `None` if it cannot happen there.
pub(crate) const fn after(state: State, event: Event) -> Option<State> {
    use Answer::{Begun, Closed, Early, Idle, Owed};
    use Request::{Arriving, Awaited, Refused, Whole};
    Some(match (event, state) {
        (Event::Head, (Awaited, Idle)) => (Arriving, Owed),

        (Event::End, (Arriving, Owed)) => (Whole, Owed),
        (Event::End, (Arriving, Begun)) => (Whole, Begun),
        (Event::End, (Arriving, Early)) => START,

        // Before its answer has begun, a refused request is answered with the refusal.
        (Event::Refusal, (_, Idle | Owed)) => (Refused, Owed),
        (Event::Refusal, (_, Begun)) => (Refused, Begun),
        (Event::Refusal, (_, Early | Closed)) => (Refused, Closed),

        (Event::AnswerHead, (request, Owed)) => (request, Begun),
        // An answer nobody asked for (408 to a silent client, 503 at once) is the last one.
        (Event::AnswerHead, (Awaited, Idle)) => (Refused, Begun),

        (Event::AnswerEnd, (Whole, Begun)) => START,
        (Event::AnswerEnd, (Arriving, Begun)) => (Arriving, Early),
        (Event::AnswerEnd, (Refused, Begun)) => (Refused, Closed),

        (Event::Close, (request, _)) => (request, Closed),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [Request; 4] = [Request::Awaited, Request::Arriving, Request::Whole, Request::Refused];
    const ANSWERS: [Answer; 5] = [Answer::Idle, Answer::Owed, Answer::Begun, Answer::Early, Answer::Closed];
    const EVENTS: [Event; 6] = [
        Event::Head,
        Event::End,
        Event::Refusal,
        Event::AnswerHead,
        Event::AnswerEnd,
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
                if let Some((_, answer)) = after((request, Answer::Closed), event) {
                    assert_eq!(answer, Answer::Closed, "{request:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn a_refused_request_is_never_read_on() {
        for answer in ANSWERS {
            for event in EVENTS {
                if let Some((request, _)) = after((Request::Refused, answer), event) {
                    assert_eq!(request, Request::Refused, "{answer:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn only_sensible_states_are_reached() {
        for (request, answer) in reachable() {
            match answer {
                Answer::Idle => assert_eq!(request, Request::Awaited),
                Answer::Owed | Answer::Begun => assert_ne!(request, Request::Awaited),
                Answer::Early => assert_eq!(request, Request::Arriving),
                Answer::Closed => {}
            }
        }
    }

    #[test]
    fn every_state_but_closed_has_a_way_on_and_all_can_close() {
        for state in reachable() {
            assert!(
                matches!(after(state, Event::Close), Some((_, Answer::Closed))),
                "{state:?}"
            );
            let ways = EVENTS
                .iter()
                .filter(|&&event| event != Event::Close && after(state, event).is_some());
            assert!(state.1 == Answer::Closed || ways.count() > 0, "{state:?}");
        }
    }
}
