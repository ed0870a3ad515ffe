//! What development mode shows in place of a 404, 405 or 500: how it came to that.
//!
//! A browser gets a page, anybody else the same as text. Nothing of this module runs unless
//! [`App::development`](crate::App::development) was switched on.

mod escape;
mod html;
mod near;
mod panics;
mod part;
mod text;

use std::cell::RefCell;

use crate::dispatch::{Crumb, Listener, Map, Miss, Outcome, Recorder, Trail};
use crate::{Html, IntoResponse, Request, Response, StatusCode};
use near::Near;
use panics::Panic;

/// Own answers that are larger than this are not shown on the page.
const LARGEST_OWN: usize = 64 * 1024;

/// What happened to a request, for the page to tell.
struct Story<'a> {
    request: &'a Request,
    status: StatusCode,
    trail: &'a Trail,
    map: &'a Map,
    near: Vec<Near<'a>>,
    /// How many segments lead somewhere.
    known: usize,
    panic: Option<&'a Panic>,
    /// Why the answer is a 500, where the log says it.
    failure: Option<String>,
    /// The answer that the application made of its own accord.
    own: Option<Own>,
}

/// An answer that the page stands in place of.
struct Own {
    is_html: bool,
    text: String,
}

/// Answers a request by `answer`, and tells how it came to that if it came to nothing good.
pub(crate) fn answer(
    request: &Request,
    listener: Option<&dyn Listener>,
    answer: impl FnOnce(&dyn Listener) -> Response,
    map: impl FnOnce() -> Map,
) -> Response {
    let witness = Witness {
        recorder: Recorder::default(),
        outcome: RefCell::new(Outcome::Found),
        listener,
    };
    let (response, panic) = match panics::catch(|| answer(&witness)) {
        Ok(response) => (response, None),
        Err(panic) => {
            log::error!(
                "handler panicked at {} {}: {}",
                request.method(),
                request.path(),
                panic.message
            );
            (StatusCode::INTERNAL_SERVER_ERROR.into_response(), Some(panic))
        }
    };
    let failure = response.failure();
    let response = response.sendable();
    let is_told = matches!(
        response.status(),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::INTERNAL_SERVER_ERROR
    );
    // What is not in memory stays what it is: a stream may be anything, and can't be had twice.
    if !is_told || response.body().bytes().is_none() {
        return response;
    }
    let trail = witness.into_trail(request);
    let map = map();
    let story = Story::new(request, &response, &trail, &map, panic.as_ref(), failure);
    story.tell(response)
}

impl<'a> Story<'a> {
    fn new(
        request: &'a Request,
        response: &Response,
        trail: &'a Trail,
        map: &'a Map,
        panic: Option<&'a Panic>,
        failure: Option<String>,
    ) -> Story<'a> {
        let segments: Vec<&str> = request.segments().collect();
        let missed = matches!(trail.outcome, Outcome::Missed(_));
        let is_lost = matches!(trail.outcome, Outcome::Missed(Miss::NotFound));
        Story {
            request,
            status: response.status(),
            trail,
            map,
            near: match missed {
                true => near::near(map.places(), request.method(), &segments),
                false => Vec::new(),
            },
            known: match is_lost {
                true => reached(trail, &segments).max(near::known(map.places(), &segments)),
                false => segments.len(),
            },
            panic,
            failure,
            own: own(response),
        }
    }

    fn tell(&self, response: Response) -> Response {
        let told = if wants_html(self.request) {
            Html(html::page(self)).into_response()
        } else if self.own.is_some() {
            // Whoever talks to an interface of yours gets to hear what you have to say.
            return response;
        } else {
            text::text(self).into_response()
        };
        let mut told = told.with_status(self.status);
        for (name, value) in response.headers() {
            let is_replaced = [
                "Content-Type",
                "Content-Length",
                "Content-Encoding",
                "ETag",
                "Cache-Control",
            ]
            .iter()
            .any(|replaced| replaced.eq_ignore_ascii_case(name));
            if !is_replaced {
                told.append_header(name, value);
            }
        }
        // Nothing on the page comes from elsewhere or runs, whatever a request contains.
        told.with_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        )
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("Cache-Control", "no-store")
    }

    /// The endpoint that was reached, by name.
    fn endpoint(&self) -> Option<&'a str> {
        self.trail.endpoint().map(|crumb| crumb.handler.as_str())
    }
}

/// How many segments dispatch has taken at most.
fn reached(trail: &Trail, segments: &[&str]) -> usize {
    let mut taken: Vec<usize> = Vec::new();
    let mut farthest = 0;
    for crumb in &trail.crumbs {
        taken.truncate(crumb.depth);
        if crumb.declined.is_none() && !crumb.is_endpoint {
            taken.push(crumb.taken.as_ref().map_or(0, String::len));
            farthest = farthest.max(taken.iter().sum());
        }
    }
    let mut end = 0;
    let ends = segments.iter().map(|segment| {
        end += 1 + segment.len();
        end
    });
    ends.take_while(|&end| end <= farthest).count()
}

/// What the application answered itself, unless it is no more than the name of the status.
fn own(response: &Response) -> Option<Own> {
    let bytes = response.body().bytes()?;
    let is_bare = bytes == response.status().canonical_reason().unwrap_or("").as_bytes();
    if bytes.is_empty() || is_bare || bytes.len() > LARGEST_OWN {
        return None;
    }
    Some(Own {
        is_html: response
            .header("Content-Type")
            .is_some_and(|kind| kind.starts_with("text/html")),
        text: std::str::from_utf8(bytes).ok()?.to_owned(),
    })
}

/// Whether the client is a browser that goes to a page, which says so (RFC 9110 §12.5.1); a script's
/// request does not.
fn wants_html(request: &Request) -> bool {
    let accept = request.header("Accept").unwrap_or("").to_ascii_lowercase();
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        // RFC 9110 §12.4.2: "a value of 0 means "not acceptable"".
        let is_refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        parts.next() == Some("text/html") && !parts.any(is_refused)
    })
}

/// Keeps the trail, and passes on what it hears.
struct Witness<'l> {
    recorder: Recorder,
    outcome: RefCell<Outcome>,
    listener: Option<&'l dyn Listener>,
}

impl Witness<'_> {
    fn into_trail(self, request: &Request) -> Trail {
        let outcome = self.outcome.into_inner();
        self.recorder
            .into_trail(request.method().clone(), request.path().to_owned(), outcome)
    }
}

impl Listener for Witness<'_> {
    fn begins(&self, request: &Request) {
        self.recorder.begins(request);
        if let Some(listener) = self.listener {
            listener.begins(request);
        }
    }

    fn crumb(&self, crumb: &Crumb<'_>) {
        self.recorder.crumb(crumb);
        if let Some(listener) = self.listener {
            listener.crumb(crumb);
        }
    }

    fn ends(&self, request: &Request, outcome: Result<(), &Miss>) {
        if let Err(miss) = outcome {
            self.outcome.replace(Outcome::Missed(miss.clone()));
        }
        if let Some(listener) = self.listener {
            listener.ends(request, outcome);
        }
    }
}
