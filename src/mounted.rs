//! An application as a dispatcher, so that it can be mounted under others.

use crate::Application;
use crate::dispatch::{Dispatch, Endpoint, IntoDispatch, MethodSet, Reply, Step, Walk};
use crate::pace::Pace;
use crate::sealed::Seal;
use crate::seen::{ResponseHook, show};

/// The kind of an application.
#[doc(hidden)]
#[derive(Debug)]
pub struct AnApplication(());

impl<A: Application> IntoDispatch<AnApplication> for A {
    const SEAL: Seal = Seal;

    fn into_dispatch(self) -> impl Dispatch + 'static {
        Mounted {
            response_hook: self.response_hook(),
            application: self,
            pace: Pace::new(),
        }
    }
}

struct Mounted<A> {
    application: A,
    pace: Pace,
    /// Its own, for its own responses.
    response_hook: Option<ResponseHook>,
}

impl<A: Application> Dispatch for Mounted<A> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let name = std::any::type_name::<A>();
        let any = MethodSet::any();
        let endpoint = Endpoint::with_pace("Application", name, &any, self.pace);
        let all = Step::taking_text("Application", "", walk.segments().text().len());
        walk.descend(all, |walk| {
            walk.arrive(endpoint, |request| {
                let mut response = self.application.call(request);
                if let Some(hook) = &self.response_hook {
                    show(hook, Some(request), &mut response);
                }
                response
            })
        })
    }
}
