//! An application as a dispatcher, so that it can be mounted under others.

use crate::Application;
use crate::dispatch::{Dispatch, Endpoint, IntoDispatch, LimitExtremes, Map, MethodSet, Reply, Step, Walk};
use crate::pace::Pace;
use crate::request::Subtree;
use crate::sealed::Seal;
use crate::seen::subtree;

/// The kind of an application.
#[doc(hidden)]
#[derive(Debug)]
pub struct AnApplication(());

impl<A: Application> IntoDispatch<AnApplication> for A {
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        Mounted {
            response_hook: self.response_hook().map(subtree),
            limits: self.limit_extremes(),
            application: self,
            pace: Pace::new(),
        }
    }
}

struct Mounted<A> {
    application: A,
    pace: Pace,
    /// Its own, for what comes of the requests that it gets.
    response_hook: Option<Subtree>,
    limits: LimitExtremes,
}

impl<A: Application> Dispatch for Mounted<A> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let name = std::any::type_name::<A>();
        let any = MethodSet::any();
        let endpoint = Endpoint::with_pace("Application", name, &any, self.pace);
        let rest = walk.segments();
        let all = Step::taking_text("Application", "", rest.text().len());
        walk.descend(all, |walk| {
            // Its routes may take more than what is set around it, or less.
            let checks_body = self.limits.body.is_none();
            walk.arrive_by(endpoint, checks_body, |request| {
                if let Some(hook) = &self.response_hook {
                    request.enter_subtree(hook);
                }
                self.application.call_mounted(request, rest)
            })
        })
    }

    fn describe(&self, map: &mut Map) {
        if self.response_hook.is_some() {
            map.note_response_hook();
        }
        if self.application.responds_early() {
            map.note_early_responses();
        }
        map.application(&self.limits);
    }
}
