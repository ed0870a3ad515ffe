//! How an application responds: a walk to an endpoint, and the response of whoever misses.

use super::{App, Slashes};
use crate::dispatch::{Dispatch, HookRuns, MethodSet, Miss, Observer, Purpose, Reply, Walk};
#[cfg(feature = "development")]
use crate::page;
use crate::response::Origin;
use crate::{Application, IntoResponse, Method, Request, Response, StatusCode};

impl App {
    pub(super) fn call_for(&self, request: &Request, observer: Option<&dyn Observer>) -> Response {
        let _outer = request.enter(&self.root);
        match self.in_development {
            Some(respond) => respond(self, request, observer),
            None => self.respond_and_note(request, observer),
        }
    }

    /// Responds. Where something has failed, the log will name the endpoint.
    #[inline]
    fn respond_and_note(&self, request: &Request, observer: Option<&dyn Observer>) -> Response {
        let response = self.dispatch_and_respond(request, observer);
        if response.is_faulty() {
            self.note_endpoint(request);
        }
        response
    }

    #[cfg(feature = "development")]
    pub(super) fn respond_in_development(&self, request: &Request, observer: Option<&dyn Observer>) -> Response {
        let respond = |witness: &dyn Observer| self.respond_and_note(request, Some(witness));
        page::respond(
            request,
            observer,
            respond,
            || self.routes(),
            || self.note_endpoint(request),
        )
    }

    fn dispatch_and_respond(&self, request: &Request, observer: Option<&dyn Observer>) -> Response {
        // RFC 9110 §9.3.7: "An OPTIONS request with an asterisk ("*") as the request target applies to
        // the server in general rather than to a specific resource."
        let segments = request.segments();
        if segments.is_asterisk() {
            return self.root.allowed_anywhere(options);
        }
        if let Some(observer) = observer {
            observer.begins(request);
        }
        let runs = HookRuns::default();
        let mut walk = Walk::new(request, segments, Purpose::Respond, observer, &runs);
        if self.allow_always {
            walk.expect_another();
        }
        let reply = self.dispatch(&mut walk);
        if let Some(observer) = observer {
            observer.ends(request, reply.as_ref().map(|_| ()));
        }
        match reply {
            Ok(arrived) => {
                let mut response = walk.into_response(arrived).unwrap_or_default();
                if self.allow_always {
                    self.allow(request, &mut response, &runs);
                }
                runs.end();
                response
            }
            Err(miss) => {
                let mut response = missed(request, &miss);
                runs.run_out(request, &mut response);
                response
            }
        }
    }

    /// Goes to an endpoint.
    #[inline]
    pub(super) fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        match self.slashes {
            Slashes::Strict => self.ask(walk),
            Slashes::Redirect | Slashes::Ignore => self.dispatch_either(walk),
        }
    }

    fn allow(&self, request: &Request, response: &mut Response, runs: &HookRuns) {
        if response.header("Allow").is_some() {
            return;
        }
        if let Err(Miss::MethodNotAllowed(allowed)) = self.survey(request, runs) {
            response.set_header("Allow", allowed.allow().to_string());
        }
    }

    /// Misses the methods that are answered at the path of a request; or at the other one, where slashes are not strict.
    fn survey(&self, request: &Request, runs: &HookRuns) -> Reply {
        let mut walk = Walk::new(request, request.segments(), Purpose::Survey, None, runs);
        walk.expect_another();
        match (self.root.dispatch.dispatch(&mut walk), self.slashes) {
            (Err(Miss::NotFound), Slashes::Ignore) => self.other_path(&mut walk),
            (reply, _) => reply,
        }
    }
}

#[inline(never)]
fn missed(request: &Request, miss: &Miss) -> Response {
    match miss {
        Miss::NotFound => StatusCode::NOT_FOUND.into_response().with_origin(Origin::Missed),
        Miss::MethodNotAllowed(allowed) => not_allowed(request, allowed),
    }
}

fn not_allowed(request: &Request, allowed: &MethodSet) -> Response {
    if *request.method() == Method::OPTIONS {
        return options(&allowed.allow().to_string());
    }
    // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
    naming(
        &allowed.allow().to_string(),
        StatusCode::METHOD_NOT_ALLOWED
            .into_response()
            .with_origin(Origin::Missed),
    )
}

fn options(allow: &str) -> Response {
    naming(allow, ().into_response().with_origin(Origin::Automatic))
}

#[inline(never)]
fn naming(allow: &str, response: Response) -> Response {
    response.with_header("Allow", allow)
}
