//! The end of a body, for those who want to know.

use std::sync::{Mutex, PoisonError};

use crate::panics::contain;
use crate::report;

type Hook = Box<dyn FnOnce(Done) + Send>;

/// The end of the body of a response: see [`Body::on_done`](crate::Body::on_done).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Done {
    /// All of it was sent, or is in the buffer of its connection. Only the client knows what has arrived.
    Sent,
    /// Nothing of it is to be sent: the method is HEAD, or the status has no content, such as 304.
    Omitted,
    /// The client has left or is too slow, the server stops, the body failed, or another response was sent.
    GivenUp,
}

/// A function that learns what became of a body. It is called exactly once, at the latest when this is dropped.
pub(crate) struct OnDone {
    /// Taken when it is called. The lock is never contended: it makes bodies `Sync`, as some servers want them.
    hook: Mutex<Option<Hook>>,
    outcome: Done,
}

impl OnDone {
    pub(crate) fn new(hook: impl FnOnce(Done) + Send + 'static) -> Box<OnDone> {
        Box::new(OnDone {
            hook: Mutex::new(Some(Box::new(hook))),
            outcome: Done::GivenUp,
        })
    }

    /// Sets what became of the body. The function is called when this is dropped, on whichever thread that happens.
    pub(crate) fn set(&mut self, outcome: Done) {
        self.outcome = outcome;
    }

    /// Calls the function now.
    pub(crate) fn call(mut self, outcome: Done) {
        self.set(outcome);
    }
}

impl Drop for OnDone {
    fn drop(&mut self) {
        let hook = self.hook.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(hook) = hook else { return };
        let outcome = self.outcome;
        // It may be dropped while something else panics.
        if let Err(panic) = contain(|| hook(outcome)) {
            report::error!("the function of `Body::on_done` panicked: {panic}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Client;
    use crate::{Body, Request, Response, StatusCode};
    use std::io::Write;
    use std::sync::mpsc::channel;

    #[test]
    fn who_waits_for_the_end_of_a_body_is_told_once_whatever_becomes_of_it() {
        use Done::{GivenUp, Omitted, Sent};
        let (tell, told) = channel();
        let client = Client::new(move |request: &Request| {
            let tell = tell.clone();
            let body: Body = match request.path() {
                "/long" => vec![b'x'; 100_000].into(),
                "/owned" => Body::owned(vec![b'x'; 100_000]),
                "/file" => Body::file(std::fs::File::open("Cargo.toml").unwrap()).unwrap(),
                "/stream" => Body::stream(|client| client.write_all(b"ham")),
                "/fails" => Body::stream(|_| Err(std::io::Error::other("no ham"))),
                "/panics" => Body::stream(|_| panic!("on purpose")),
                "/short" => Body::sized_stream(4, |client| client.write_all(b"ham")),
                _ => "ham".into(),
            };
            let response = Response::new(body.on_done(move |done| {
                tell.send(done).unwrap();
                panic!("on purpose");
            }));
            match request.path() {
                "/304" => response.with_status(StatusCode::NOT_MODIFIED),
                "/replaced" => response.with_body("eggs"),
                "/unsendable" => response.with_header("X", "\n"),
                _ => response,
            }
        });
        for (path, done) in [
            ("/", Sent),
            ("/long", Sent),
            ("/owned", Sent),
            ("/file", Sent),
            ("/stream", Sent),
            ("/fails", GivenUp),
            ("/panics", GivenUp),
            ("/short", GivenUp),
            ("/304", Omitted),
            ("/replaced", GivenUp),
            ("/unsendable", GivenUp),
        ] {
            client.get(path);
            assert_eq!(told.try_iter().collect::<Vec<_>>(), [done], "{path}");
            let is_of_endpoint = matches!(path, "/replaced" | "/unsendable");
            client.call("HEAD", path);
            let expected = if is_of_endpoint { GivenUp } else { Omitted };
            assert_eq!(told.try_iter().collect::<Vec<_>>(), [expected], "HEAD {path}");
        }
    }
}
