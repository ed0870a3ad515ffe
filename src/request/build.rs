//! Requests that did not come over a connection: for tests, and from other servers.
//!
//! They are written as HTTP/1.1 and parsed by the protocol code. So what cannot arrive over a connection cannot be
//! built either.

use std::fmt;

use hansel_proto::{Connection, Head, Limits, Received, Refusal};
use http::{Method, Version};

use super::{BadPath, Content, Context, Relayed, Request, RequestBody};

/// The receiver limits the size of a request, not its builder.
const UNLIMITED: Limits = Limits::new()
    .head_bytes(usize::MAX)
    .target_bytes(usize::MAX)
    .fields(usize::MAX)
    .body_bytes(u64::MAX)
    .trailer_bytes(usize::MAX);

/// The error for a request that no client could have sent: see [`Request::try_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvalidRequest(Cause);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Cause {
    Refused(Refusal),
    Path(BadPath),
    /// The parts contain line ends or the like, and would have been parsed as something else.
    NotOneHead,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Refused(refusal) => refusal.fmt(f),
            Cause::Path(path) => path.fmt(f),
            Cause::NotOneHead => f.write_str("the method, the target and the headers do not form exactly one request head; one of them contains a line end"),
        }
    }
}

impl std::error::Error for InvalidRequest {}

/// Building requests by hand, for tests of handlers.
impl Request {
    /// Creates a request for `target`, a path with or without a query: `/people?page=2`.
    ///
    /// Its size is not limited: the server or [test client](crate::test::Client) that receives it does that.
    ///
    /// # Panics
    /// If no client could have sent it, for example because the target contains a space. See
    /// [`try_new`](Request::try_new).
    #[track_caller]
    pub fn new(method: Method, target: &str) -> Request {
        match Request::try_new(method, target) {
            Ok(request) => request,
            Err(error) => panic!("can't build a request for {target:?}: {error}"),
        }
    }

    /// Creates a request as [`new`](Request::new) does, for a target that may be invalid.
    ///
    /// # Errors
    /// If no client could have sent it; the error names the rule that it breaks.
    ///
    /// ```
    /// use hansel::{Method, Request};
    ///
    /// let error = Request::try_new(Method::GET, "/two words").unwrap_err();
    /// assert!(error.to_string().contains("RFC"), "{error}");
    /// ```
    pub fn try_new(method: Method, target: &str) -> Result<Request, InvalidRequest> {
        Request::assemble(
            &method,
            target,
            Version::HTTP_11,
            [("Host", &b"localhost"[..])],
            Vec::new(),
        )
    }

    /// Creates a GET request for `target`.
    ///
    /// # Panics
    /// Panics if [`new`](Request::new) does.
    #[track_caller]
    pub fn get(target: &str) -> Request {
        Request::new(Method::GET, target)
    }

    /// Creates a POST request for `target`.
    ///
    /// # Panics
    /// Panics if [`new`](Request::new) does.
    #[track_caller]
    pub fn post(target: &str) -> Request {
        Request::new(Method::POST, target)
    }

    /// Creates a PUT request for `target`.
    ///
    /// # Panics
    /// Panics if [`new`](Request::new) does.
    #[track_caller]
    pub fn put(target: &str) -> Request {
        Request::new(Method::PUT, target)
    }

    /// Creates a PATCH request for `target`.
    ///
    /// # Panics
    /// Panics if [`new`](Request::new) does.
    #[track_caller]
    pub fn patch(target: &str) -> Request {
        Request::new(Method::PATCH, target)
    }

    /// Creates a DELETE request for `target`.
    ///
    /// # Panics
    /// Panics if [`new`](Request::new) does.
    #[track_caller]
    pub fn delete(target: &str) -> Request {
        Request::new(Method::DELETE, target)
    }

    /// Adds a header. A second `Host` replaces the first.
    ///
    /// # Panics
    /// If no client could have sent such a header.
    #[track_caller]
    #[must_use]
    pub fn with_header(self, name: &str, value: impl AsRef<[u8]>) -> Request {
        let host = name.eq_ignore_ascii_case("host");
        let kept = self
            .headers()
            .filter(|(other, _)| !(host && other.eq_ignore_ascii_case("host")));
        let fields = kept.chain([(name, value.as_ref())]);
        let body = self.body.collected.clone();
        match Request::assemble(
            &self.method,
            self.head.target(self.head_and_body()),
            self.version(),
            fields,
            body,
        ) {
            Ok(request) => request,
            Err(error) => panic!("can't build a request with the header {name:?}: {error}"),
        }
    }

    /// Sets the body. No Content-Length is added; the [test client](crate::test::Client) sends one.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body.collected = body.into();
        self.body.content = Content::Collected;
        self
    }

    /// Sets the body to the JSON of a value, and the Content-Type to `application/json`.
    ///
    /// Requires the feature `json`.
    ///
    /// # Panics
    /// If the value can't be JSON, such as a map whose keys are no text.
    ///
    /// ```
    /// use hansel::{Json, Request, Routes, test::Client};
    ///
    /// let client = Client::new(Routes::new().put("/sum", |Json(numbers): Json<Vec<u32>>| numbers.iter().sum::<u32>().to_string()));
    /// assert_eq!(client.send(Request::put("/sum").with_json([1, 2, 3])).text(), "6");
    /// ```
    #[cfg(feature = "json")]
    #[track_caller]
    #[must_use]
    pub fn with_json(self, value: impl serde::Serialize) -> Request {
        match serde_json::to_vec(&value) {
            Ok(json) => self.with_header("Content-Type", "application/json").with_body(json),
            Err(error) => panic!("can't build a request with this value as its JSON: {error}"),
        }
    }

    /// Writes a head from its parts and parses it. The body is not framed: it is just attached.
    pub(crate) fn assemble<'f>(
        method: &Method,
        target: &str,
        version: Version,
        fields: impl IntoIterator<Item = (&'f str, &'f [u8])>,
        body: Vec<u8>,
    ) -> Result<Request, InvalidRequest> {
        let mut count = 0;
        let buffer = head_text(method, target, version, fields.into_iter().inspect(|_| count += 1));
        Request::read(buffer, count, body, false)
    }

    pub(super) fn read(
        buffer: Vec<u8>,
        fields: usize,
        body: Vec<u8>,
        takes_any_path: bool,
    ) -> Result<Request, InvalidRequest> {
        let mut head = Head::new();
        match Connection::new(UNLIMITED).receive(&buffer, &mut head) {
            Ok(Received::Head { len }) if len == buffer.len() && head.fields(&buffer).len() == fields => {}
            Ok(_) => return Err(InvalidRequest(Cause::NotOneHead)),
            Err(refusal) => return Err(InvalidRequest(Cause::Refused(refusal))),
        }
        let mut request = Request {
            buffer,
            head,
            takes_any_path,
            ..Request::empty()
        };
        request.begin().map_err(|bad| InvalidRequest(Cause::Path(bad)))?;
        Ok(if body.is_empty() {
            request
        } else {
            request.with_body(body)
        })
    }

    /// Returns the request of a connection that has received none yet.
    pub(crate) fn empty() -> Request {
        Request {
            early: None,
            buffer: Vec::new(),
            origin: 0,
            head: Head::new(),
            method: Method::GET,
            decoded: Default::default(),
            body: RequestBody::default(),
            peer: None,
            relayed: Relayed::No,
            is_secure: false,
            trust: None,
            context: Context::default(),
            captures: Default::default(),
            innermost: Default::default(),
            endpoint: Default::default(),
            records_endpoint: Default::default(),
            entered: Default::default(),
            serial: Default::default(),
            handler_time: None,
            takes_any_path: false,
        }
    }
}

/// Returns the head of a request as text, for HTTP/1.1 or HTTP/1.0.
pub(crate) fn head_text<'f>(
    method: &Method,
    target: &str,
    version: Version,
    fields: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> Vec<u8> {
    let mut text = Vec::new();
    write_head(&mut text, method, target, version, fields);
    text
}

/// Appends the head of a request to `text`.
pub(super) fn write_head<'f>(
    text: &mut Vec<u8>,
    method: &Method,
    target: &str,
    version: Version,
    fields: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) {
    let version: &[u8] = if version == Version::HTTP_10 {
        b" HTTP/1.0\r\n"
    } else {
        b" HTTP/1.1\r\n"
    };
    for part in [method.as_str().as_bytes(), b" ", target.as_bytes(), version] {
        text.extend_from_slice(part);
    }
    for (name, value) in fields {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel_proto::Span;

    #[test]
    fn a_built_request_reads_like_one_that_arrived() {
        let request = Request::put("/a/b%20c?x=1")
            .with_header("Host", "example.org")
            .with_header("X-Two", "2")
            .with_body("content");
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.path(), "/a/b%20c");
        assert_eq!(request.segments().collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(request.query(), Some("x=1"));
        assert_eq!(request.host(), Some("example.org"));
        assert_eq!(request.header("x-two"), Some("2"));
        assert_eq!(request.headers().count(), 2);
        assert_eq!(request.bytes(), Ok(&b"content"[..]));
        assert_eq!(request.peer(), None);
    }

    #[test]
    fn the_authority_of_an_absolute_target_beats_the_host_field() {
        let request = Request::get("http://good.test:81/a").with_header("Host", "evil.test");
        assert_eq!((request.host(), request.path()), (Some("good.test:81"), "/a"));
        let client = crate::test::Client::new(|request: &Request| request.host().map(str::to_owned));
        assert_eq!(client.send(request).text(), "good.test:81");
    }

    #[test]
    fn parts_cannot_smuggle_a_second_request_or_field() {
        let built = |target: &str| Request::try_new(Method::GET, target).map(|_| ());
        assert!(built("/ HTTP/1.1\r\nHost: a\r\n\r\nGET /").is_err());
        assert!(built("/\r\nX: y").is_err());
        let fields = [("Host", &b"a"[..]), ("X", &b"1\r\nY: 2"[..])];
        assert!(Request::assemble(&Method::GET, "/", Version::HTTP_11, fields, vec![]).is_err());
    }

    #[test]
    fn what_is_built_is_as_large_as_its_receiver_may_take() {
        let mut request = Request::post(&format!("/{}", "a".repeat(100_000))).with_header("Content-Length", "3000000");
        assert_eq!(request.target().len(), 100_001);
        for n in 0..300 {
            request = request.with_header(&format!("X-{n}"), "x");
        }
        assert_eq!(request.headers().count(), 302);
        let huge = request.with_header("Content-Length-Of-All", "x".repeat(100_000));
        assert_eq!(huge.headers().last().map(|(_, value)| value.len()), Some(100_000));
    }

    #[test]
    fn a_path_that_is_not_text_is_an_error() {
        let error = Request::try_new(Method::GET, "/%FF").unwrap_err();
        assert_eq!(error.to_string(), "a path segment is not UTF-8 after percent-decoding");
    }

    #[test]
    fn clearing_the_span_of_a_body_leaves_none() {
        let mut request = Request::post("/").with_body("x");
        request.clear();
        assert_eq!(request.bytes(), Ok(&b""[..]));
        assert_eq!(Span { start: 0, end: 0 }.of(b"abc"), b"");
    }
}
