//! Dispatchers that are asked one after the other: whose 404, and whose handler for what is not found, is the response.

use super::Walk;
use crate::dispatch::{MethodSet, Miss, Reply};
use crate::{Method, Response};

impl<'r> Walk<'r> {
    /// Runs `inner`, in which no handler for what is not found is called.
    pub(crate) fn without_last_resort(&mut self, inner: impl FnOnce(&mut Walk<'r>) -> Reply) -> Reply {
        let before = std::mem::replace(&mut self.is_last_resort, false);
        let reply = inner(self);
        self.is_last_resort = before;
        reply
    }

    /// Runs `inner`, which asks several dispatchers. Handlers for what is not found are called only after all
    /// dispatchers have missed: otherwise the 404 of one would hide the endpoint or the 405 of another.
    #[inline(always)]
    pub(in crate::dispatch) fn with_rivals(&mut self, mut inner: impl FnMut(&mut Walk<'r>) -> Reply) -> Reply {
        let mut is_first = self.is_last_resort;
        if is_first {
            (self.is_last_resort, self.is_awaited) = (false, false);
            self.may_come_again = true;
        }
        // A loop, so that `inner` is compiled once.
        loop {
            let reply = inner(self);
            if !is_first {
                return reply;
            }
            (self.is_last_resort, is_first) = (true, false);
            match reply {
                Err(miss) if self.is_awaited && self.is_404(&miss) => {}
                reply => return reply,
            }
        }
    }

    /// Runs `inner` after others have `missed`. If an endpoint that takes any method responds with 404, as a user's
    /// catch-all does, and others have a method for the path, the result is their 405.
    #[inline(always)]
    pub(in crate::dispatch) fn behind_miss(
        &mut self,
        missed: &Miss,
        inner: impl FnOnce(&mut Walk<'r>) -> Reply,
    ) -> Reply {
        match missed {
            Miss::NotFound => inner(self),
            Miss::MethodNotAllowed(_) if self.is_404(missed) => inner(self),
            Miss::MethodNotAllowed(_) => self.unless_it_hides(inner),
        }
    }

    #[inline(never)]
    fn unless_it_hides(&mut self, inner: impl FnOnce(&mut Walk<'r>) -> Reply) -> Reply {
        let pattern = self.request.endpoint_record().map(|record| record.borrow().len());
        let before = self.position(pattern);
        let time = self.request.time_limits();
        self.follows_miss = true;
        let reply = inner(self);
        let is_404 = |response: &Response| response.status() == http::StatusCode::NOT_FOUND;
        if reply.is_ok() && self.has_taken_any && self.response.as_ref().is_some_and(is_404) {
            self.response = None;
            self.request.limit_time(time);
            self.go_back(before);
            return Err(Miss::NotFound);
        }
        reply
    }

    /// Returns the miss that the walk comes to, after all dispatchers have missed.
    #[inline]
    pub(crate) fn settled(&self, miss: Miss) -> Miss {
        if self.is_404(&miss) { Miss::NotFound } else { miss }
    }

    /// Returns true if the response to a miss is 404.
    #[inline]
    pub(in crate::dispatch) fn is_404(&self, miss: &Miss) -> bool {
        match miss {
            Miss::NotFound => true,
            Miss::MethodNotAllowed(allowed) => self.has_found_nothing && changes_what_get_shows(allowed),
        }
    }

    /// Returns whether a handler for what is not found, which the caller has, may be called now.
    pub(in crate::dispatch) fn is_last_resort(&mut self) -> bool {
        self.is_awaited |= !self.is_last_resort;
        // Such a handler adds nothing to the methods that a survey collects.
        self.is_last_resort && !self.purpose.is_survey()
    }

    #[cold]
    pub(super) fn note_any(&mut self, methods: &MethodSet) {
        self.has_taken_any = methods.is_any();
    }
}

/// RFC 9110 §9.3.4: "A successful PUT of a given representation would suggest that a subsequent GET on that same target
/// resource will result in an equivalent representation being sent". PATCH (RFC 5789) and DELETE act on that representation,
/// too, so GET is a method of such a path whether or not there is one at the moment. POST says nothing of GET.
#[cold]
fn changes_what_get_shows(allowed: &MethodSet) -> bool {
    [Method::PUT, Method::PATCH, Method::DELETE]
        .iter()
        .any(|method| allowed.contains(method))
}
