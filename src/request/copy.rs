//! The copy of a request that is kept while its handler has it, for a response that is made without the handler.

use std::net::SocketAddr;
use std::sync::Arc;

use super::build::write_head;
use super::{Entered, Relayed, Request, Trust};

/// The fields that are kept.
const KEPT: [&str; 4] = ["host", "origin", "accept", "x-request-id"];

/// The fields of which an access log tells, or finds out the client.
const LOGGED: [&str; 5] = ["host", "referer", "user-agent", "forwarded", "x-forwarded-for"];

/// A request's method, target, id, and a few of its fields. It can be made again and again without allocating.
#[derive(Default)]
pub(crate) struct RequestCopy {
    head: Vec<u8>,
    fields: usize,
    peer: Option<SocketAddr>,
    relayed: Relayed,
    is_secure: bool,
    trust: Option<Arc<Trust>>,
    serial: u64,
    takes_any_path: bool,
    entered: Entered,
    /// The endpoint that was reached, if it was by then.
    endpoint: String,
}

impl RequestCopy {
    /// Copies `request` in place of what was there.
    pub(crate) fn copy(&mut self, request: &Request) {
        self.copy_with(request, &KEPT);
    }

    /// Returns what an access log tells of `request`, for later.
    pub(crate) fn for_log(request: &Request) -> RequestCopy {
        let mut copy = RequestCopy::default();
        copy.copy_with(request, &LOGGED);
        copy.endpoint = request.endpoint();
        copy
    }

    fn copy_with(&mut self, request: &Request, kept: &[&str]) {
        // From now on it has an id, which is the copy's as well.
        request.id();
        let is_kept = |name: &str| kept.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        let mut count = 0;
        let fields = request.headers().filter(|(name, _)| is_kept(name));
        let fields = fields.inspect(|_| count += 1);
        self.head.clear();
        write_head(
            &mut self.head,
            &request.method,
            request.target(),
            request.version(),
            fields,
        );
        self.fields = count;
        self.peer = request.peer;
        self.relayed = request.relayed;
        self.is_secure = request.is_secure;
        self.takes_any_path = request.takes_any_path;
        if self.trust.is_none() {
            self.trust.clone_from(&request.trust);
        }
        self.serial = request.serial.get();
        self.entered.share(request.entered());
    }

    /// The copy as a request. None if nothing was copied.
    pub(crate) fn to_request(&self) -> Option<Request> {
        let mut request = Request::read(self.head.clone(), self.fields, Vec::new(), self.takes_any_path).ok()?;
        request.peer = self.peer;
        request.relayed = self.relayed;
        request.is_secure = self.is_secure;
        request.trust.clone_from(&self.trust);
        request.serial.set(self.serial);
        request.entered.share(&self.entered);
        request.endpoint.borrow_mut().clone_from(&self.endpoint);
        Some(request)
    }
}
