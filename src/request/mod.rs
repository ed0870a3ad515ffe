//! A request, as a handler sees it.

mod body;
mod build;
mod captures;
mod context;
mod copy;
mod early;
mod encodings;
mod entered;
mod entity_tags;
mod forwarded;
mod handler_time;
mod id;
mod innermost;
pub(crate) mod lists;
mod owned_body;
mod path;
mod query;
mod rfc7239;
mod single;
#[cfg(test)]
pub(crate) mod steps;
mod trust;

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;

use hansel_proto::{Head, Trailers};
use http::{Method, Version};

pub use body::{BodyError, BodyReader};
pub(crate) use body::{BodyLimit, Content, LiveBody, RequestBody};
pub use build::InvalidRequest;
#[cfg(feature = "tower")]
pub(crate) use build::head_text;
use captures::Captures;
pub(crate) use context::{Context, Mark, Shared, Values, shared_types};
pub(crate) use copy::RequestCopy;
pub(crate) use early::{EarlyCall, EarlyWay};
pub(crate) use entered::{Entered, Subtree};
pub(crate) use forwarded::Relayed;
pub(crate) use handler_time::{Allowed, HandlerTime, HandlerWatch, TimeLimits};
pub use id::RequestId;
pub(crate) use id::after_fork;
use innermost::{Innermost, Outer};
pub(crate) use owned_body::Gone;
pub use owned_body::OwnedBody;
pub use path::Segments;
pub(crate) use path::{BadPath, DecodedPath, segment_len};
pub use query::Pairs;
pub use single::HeaderError;
pub use trust::Trust;

/// A request: its head, its body, its client, and the values that hooks have set on it.
///
/// The head stays in the connection's buffer; nothing is copied or decoded before it is used. A handler gets `&Request`;
/// reading the body and setting values work through that shared reference.
///
/// ```
/// use hansel::Request;
///
/// let request = Request::post("/search?q=green+eggs").with_header("Accept", "text/plain").with_body("ham");
/// assert_eq!(request.method(), "POST");
/// assert_eq!(request.path(), "/search");
/// assert_eq!(request.query_value("q").as_deref(), Some("green eggs"));
/// assert_eq!(request.header("accept"), Some("text/plain"));
/// assert_eq!(request.text()?, "ham");
/// # Ok::<(), hansel::BodyError>(())
/// ```
pub struct Request {
    /// Contains the head and a body that has already arrived, from `origin` on. For a request that came over a
    /// connection it is that connection's receive buffer.
    pub(crate) buffer: Vec<u8>,
    pub(crate) origin: usize,
    pub(crate) head: Head,
    method: Method,
    decoded: DecodedPath,
    pub(crate) body: RequestBody,
    pub(crate) peer: Option<SocketAddr>,
    /// The client for which the peer speaks, by the PROXY protocol.
    pub(crate) relayed: Relayed,
    /// True if the connection is encrypted.
    pub(crate) is_secure: bool,
    /// The trust policy of the server, which all requests share.
    pub(crate) trust: Option<Arc<Trust>>,
    context: Context,
    captures: Captures,
    innermost: Innermost,
    endpoint: RefCell<String>,
    /// True if the endpoint will be read.
    records_endpoint: Cell<bool>,
    entered: Entered,
    /// Zero until the id is first read.
    serial: Cell<u64>,
    /// While a handler runs for which parts of the application may set another deadline than the server's.
    pub(crate) handler_time: Option<HandlerTime>,
    /// While a handler runs that may respond before it returns.
    pub(crate) early: EarlyWay,
    /// True if its path may be no text.
    pub(crate) takes_any_path: bool,
}

impl Request {
    /// Returns the method: any token, case-sensitive (RFC 9110 §9.1).
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path as it was sent, still percent-encoded: `/a%2Fb`. It is `*` for `OPTIONS *`, and empty for `CONNECT`.
    ///
    /// Use [`segments`](Request::segments) to decide what a path means.
    pub fn path(&self) -> &str {
        self.head.path(self.head_and_body())
    }

    /// Returns the target as it was sent: usually a path and a query.
    pub fn target(&self) -> &str {
        self.head.target(self.head_and_body())
    }

    /// Returns the segments of the path, each percent-decoded once.
    pub fn segments(&self) -> Segments<'_> {
        self.decoded.segments()
    }

    /// Returns the decoded segment at `index`, counted from 0.
    ///
    /// ```
    /// let request = hansel::Request::get("/hello/world");
    /// assert_eq!(request.segment(1), Some("world"));
    /// assert_eq!(request.segment(2), None);
    /// ```
    pub fn segment(&self, index: usize) -> Option<&str> {
        self.segments().nth(index)
    }

    /// Returns the query as it was sent, without its `?`.
    pub fn query(&self) -> Option<&str> {
        self.head.query(self.head_and_body())
    }

    /// Returns the decoded pairs of the query, in order.
    pub fn query_pairs(&self) -> Pairs<'_> {
        Pairs::of(self.query().unwrap_or(""))
    }

    /// Returns the first value of that name in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the version that the client speaks: HTTP/1.0 or HTTP/1.1.
    pub fn version(&self) -> Version {
        match self.head.version() {
            hansel_proto::Version::Http10 => Version::HTTP_10,
            hansel_proto::Version::Http11 => Version::HTTP_11,
        }
    }

    /// Returns the host that the client asked for, with its port if it sent one: that of an absolute target, else the value of
    /// Host (RFC 9112 §3.3).
    ///
    /// `X-Forwarded-Host`, and `host` in `Forwarded`, count only with [`Trust::forwarded_host`].
    pub fn host(&self) -> Option<&str> {
        let told = self.host_trust().and_then(|trust| forwarded::host(self, trust));
        told.or_else(|| self.head.authority(self.head_and_body()))
    }

    /// Returns the value of the first header of that name, in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// Returns the value of the first header of that name, in any case.
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.head.field(self.head_and_body(), name)
    }

    /// Returns the value of a header that may come only once, in any case, or `None` if it does not come.
    ///
    /// Use it for whatever decides about access or meaning: of two values, a proxy in front may have read the other one.
    ///
    /// # Errors
    /// Returns an error, whose response is 400, if the header comes more than once or is not UTF-8.
    pub fn single_header(&self, name: &str) -> Result<Option<&str>, HeaderError> {
        single::single_text(self, name)
    }

    /// Returns the value of a header that may come only once as octets, which may be no text.
    ///
    /// # Errors
    /// Returns an error, whose response is 400, if the header comes more than once.
    pub fn single_header_bytes(&self, name: &str) -> Result<Option<&[u8]>, HeaderError> {
        single::single(self, name)
    }

    /// Returns the names and values of all headers as they were sent, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.fields(self.head_and_body())
    }

    /// Returns those of the `offered` content codings that the client accepts and does not like less than none
    /// (RFC 9110 §12.5.3), the one that it likes best first. Of those that it likes equally, the order is that of the offer.
    ///
    /// A response that depends on it must say so: `response.vary_by("Accept-Encoding")`.
    ///
    /// ```
    /// use hansel::Request;
    ///
    /// let request = Request::get("/").with_header("Accept-Encoding", "gzip, deflate, br;q=0.5, zstd;q=0");
    /// assert_eq!(request.accepted_encodings(&["br", "zstd", "gzip"]), ["gzip", "br"]);
    /// ```
    pub fn accepted_encodings<'o>(&self, offered: &[&'o str]) -> Vec<&'o str> {
        encodings::accepted(self, offered)
    }

    /// Returns whether `If-Match` lists this entity tag, which is that of what exists now, or is `*`. It is `None` if the
    /// request has no such header. Tags are compared strongly (RFC 9110 §13.1.1).
    ///
    /// A client sends it so as not to overwrite what others have changed meanwhile:
    ///
    /// ```
    /// use hansel::{Request, StatusCode};
    ///
    /// fn may_write(request: &Request) -> Result<(), StatusCode> {
    ///     match request.if_match(Some("\"version-7\"")) {
    ///         Some(true) => Ok(()),
    ///         Some(false) => Err(StatusCode::PRECONDITION_FAILED),
    ///         None => Err(StatusCode::PRECONDITION_REQUIRED),
    ///     }
    /// }
    /// # let put = |tag| Request::post("/").with_header("If-Match", tag);
    /// # assert!(may_write(&put("\"version-7\"")).is_ok());
    /// # assert_eq!(may_write(&put("\"version-6\"")).unwrap_err(), 412);
    /// # assert_eq!(may_write(&Request::post("/")).unwrap_err(), 428);
    /// ```
    pub fn if_match(&self, current: Option<&str>) -> Option<bool> {
        entity_tags::if_match(self, current)
    }

    /// Returns whether `If-None-Match` lists this entity tag, which is that of what exists now, or is `*`: then the response
    /// to GET and HEAD is 304, and 412 to other methods. It is `None` if the request has no such header. Tags are compared
    /// weakly (RFC 9110 §13.1.2).
    pub fn if_none_match(&self, current: Option<&str>) -> Option<bool> {
        entity_tags::if_none_match(self, current)
    }

    /// Returns the address at the other end of the connection: that of the client, or of a proxy in front of this server.
    /// Clients on Unix sockets and in tests have none.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns the address of the client: that of the peer, or the one that a [trusted](Trust) peer names.
    ///
    /// If proxies name several addresses, it is the last one that is not a trusted proxy itself. It is `None` if the client
    /// has no address, and if a trusted peer hides it, does not know it or sends something invalid: the address of a proxy is
    /// never returned as the client's. [`Trust`] has the complete table.
    pub fn client(&self) -> Option<IpAddr> {
        match self.sender() {
            (source, Some(trust)) => forwarded::client(self, trust, source),
            (source, None) => source,
        }
    }

    /// Returns `https` if the client's connection is encrypted, else `http`.
    ///
    /// It is the scheme of this connection, or the one that a [trusted](Trust) peer names, even if that peer does not name the
    /// client.
    pub fn scheme(&self) -> &'static str {
        let told = self.sender().1.and_then(|trust| forwarded::is_secure(self, trust));
        let is_secure = told.unwrap_or(self.is_secure);
        if is_secure { "https" } else { "http" }
    }

    /// The verified sender, and the trust policy that applies to the fields of the request, if one does.
    fn sender(&self) -> (Option<IpAddr>, Option<&Trust>) {
        let peer = self.peer.map(|peer| peer.ip().to_canonical());
        let trust = self.trust.as_deref();
        match self.relayed {
            Relayed::No => (peer, trust.filter(|trust| trust.admits_peer(self.peer))),
            // There may be more proxies behind the one that has connected. An unknown client is not one of them.
            Relayed::For(source) => {
                let admits = |trust: &&Trust| source.is_some_and(|source| trust.admits(source));
                (source, trust.filter(admits))
            }
        }
    }

    /// Does what [`sender`](Request::sender) does, for the host.
    fn host_trust(&self) -> Option<&Trust> {
        self.trust.as_ref().filter(|trust| trust.takes_host)?;
        self.sender().1
    }

    /// Returns true if a trusted peer says that it speaks for another client.
    pub(crate) fn has_proxy(&self) -> bool {
        self.relayed != Relayed::No || self.sender().1.is_some()
    }

    /// Returns a reader of the body, which continues where earlier readers stopped.
    ///
    /// A body up to [`Limits::body_buffer`](field@crate::Limits::body_buffer) is complete before the handler starts. A larger
    /// one is read from the connection as it arrives, which may take as long as the client takes, within the server's limits.
    ///
    /// ```
    /// use std::io::{BufRead, Read};
    ///
    /// let request = hansel::Request::post("/").with_body("ham\neggs\n");
    /// let mut line = String::new();
    /// request.body().read_line(&mut line)?;
    /// assert_eq!(line, "ham\n");
    /// let mut rest = String::new();
    /// request.body().read_to_string(&mut rest)?;
    /// assert_eq!(rest, "eggs\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn body(&self) -> BodyReader<'_> {
        BodyReader::new(&self.body, self.head_and_body())
    }

    /// Returns what is left of the body, to be read on another thread or kept by an object of another language. It is read as
    /// it arrives, and like [`body`](Request::body) takes what others have not read yet. What has arrived already is copied.
    ///
    /// ```
    /// use hansel::{Request, test::Client};
    /// use std::io::Read;
    ///
    /// let client = Client::new(|request: &Request| {
    ///     let mut body = request.owned_body();
    ///     let counting = std::thread::spawn(move || body.by_ref().bytes().count());
    ///     counting.join().unwrap().to_string()
    /// });
    /// assert_eq!(client.post("/", "ham").text(), "3");
    /// ```
    pub fn owned_body(&self) -> OwnedBody {
        OwnedBody::of(&self.body, self.head_and_body())
    }

    /// Returns the octets of the head.
    pub(crate) fn head_octets(&self) -> &[u8] {
        self.head_and_body().get(..self.head.len()).unwrap_or(&[])
    }

    /// Returns true if the whole body has arrived, and was read if a handler had to.
    pub(crate) fn has_whole_body(&self) -> bool {
        self.body.is_whole()
    }

    /// Returns the whole body, waiting for it if it is still arriving.
    ///
    /// Parts that were read from [`body`](Request::body) while it was arriving are missing.
    ///
    /// # Errors
    /// If the body cannot be read. Passed on from a handler with `?`, the error becomes the right response.
    pub fn bytes(&self) -> Result<&[u8], BodyError> {
        self.body.bytes(self.head_and_body())
    }

    /// Makes `bytes` the body: for a hook that decompresses, decrypts or checks it before a handler reads it. The headers stay
    /// as they were sent.
    ///
    /// ```
    /// use hansel::{App, BodyError, Hooks, Request, Routes, test::Client};
    ///
    /// fn reverse(request: &Request) -> Result<(), BodyError> {
    ///     let mut bytes = Vec::new();
    ///     std::io::Read::read_to_end(&mut request.body(), &mut bytes).map_err(|_| BodyError::Disconnected)?;
    ///     bytes.reverse();
    ///     request.replace_body(bytes)
    /// }
    ///
    /// let echo = |request: &Request| -> hansel::Result<String> { Ok(request.text()?.to_owned()) };
    /// let client = Client::new(App::new(Hooks::on(Routes::new().post("/", echo)).before(reverse)));
    /// assert_eq!(client.post("/", "ham").text(), "mah");
    /// ```
    ///
    /// # Errors
    /// [`BodyError::InUse`] if the body was replaced before, if it was still arriving when [`bytes`](Request::bytes) or
    /// [`text`](Request::text) returned it, and while a reader looks at it.
    pub fn replace_body(&self, bytes: impl Into<Vec<u8>>) -> Result<(), BodyError> {
        self.body.replace(bytes.into())
    }

    /// Returns true if a hook has replaced the body.
    #[cfg(feature = "tower")]
    pub(crate) fn has_replaced_body(&self) -> bool {
        self.body.is_replaced()
    }

    /// Returns true if all of the body is here, so that reading it waits for nobody.
    ///
    /// ```
    /// # use hansel::Request;
    /// /// A body that has arrived is read at once, and another one elsewhere.
    /// fn is_quick(request: &Request) -> bool {
    ///     request.body_is_here()
    /// }
    /// assert!(is_quick(&Request::post("/").with_body("ham")));
    /// ```
    pub fn body_is_here(&self) -> bool {
        self.body.here(self.head_and_body()).is_some()
    }

    /// Returns the whole body as text.
    ///
    /// # Errors
    /// Those of [`bytes`](Request::bytes), and [`BodyError::NotText`] if the body is not UTF-8.
    pub fn text(&self) -> Result<&str, BodyError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BodyError::NotText)
    }

    /// Returns the trailer fields, in order: those that a client sent after a chunked body, such as its checksum.
    ///
    /// There are none before the body has been read to its end. They are never among the [`headers`](Request::headers)
    /// (RFC 9110 §6.5). Fields that decide how a request is framed, routed, authenticated or understood are left out, because
    /// they come too late for that (§6.5.1).
    ///
    /// ```
    /// use hansel::Request;
    ///
    /// fn checksum(request: &Request) -> hansel::Result<Option<Vec<u8>>> {
    ///     request.bytes()?; // waits for the end of the body
    ///     let mut trailers = request.trailers();
    ///     let checksum = trailers.find(|(name, _)| name.eq_ignore_ascii_case("Checksum"));
    ///     Ok(checksum.map(|(_, value)| value.to_vec()))
    /// }
    /// # assert_eq!(checksum(&Request::post("/").with_body("ham")).unwrap(), None);
    /// ```
    pub fn trailers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        Trailers::of(self.body.trailers(self.head_and_body()))
    }

    /// Sets a value for everyone who handles this request from now on. Handlers take it as an
    /// [`Extension<T>`](crate::Extension).
    ///
    /// There is one value per type: a second one hides the first.
    ///
    /// ```
    /// struct User(&'static str);
    ///
    /// let request = hansel::Request::get("/");
    /// request.set(User("gretel"));
    /// assert_eq!(request.value::<User>().map(|user| user.0), Some("gretel"));
    /// ```
    pub fn set<T: Any + Send + Sync>(&self, value: T) {
        self.context.set(value);
    }

    /// Returns the value of that type, if one was [set](Request::set).
    pub fn value<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.context.value()
    }

    /// Returns the value of that type that the application shares by [`Hooks::state`](crate::Hooks::state), if it does.
    /// This is how hooks read it; handlers take a [`State<T>`](crate::State).
    ///
    /// ```
    /// use hansel::{App, Hooks, Request, Routes, StatusCode};
    ///
    /// struct Keys { known: Vec<String> }
    ///
    /// fn check(request: &Request) -> Result<(), StatusCode> {
    ///     let keys = request.state::<Keys>().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    ///     let is_known = |key: &str| keys.known.iter().any(|known| known == key);
    ///     request.header("X-Key").is_some_and(is_known).then_some(()).ok_or(StatusCode::UNAUTHORIZED)
    /// }
    ///
    /// let hooked = Hooks::on(Routes::new().get("/", || "inside")).state(Keys { known: vec!["crumb".into()] }).before(check);
    /// # use hansel::Application;
    /// # let app = App::new(hooked);
    /// # assert_eq!(app.call(&Request::get("/")).status(), 401);
    /// # assert_eq!(app.call(&Request::get("/").with_header("X-Key", "crumb")).status(), 200);
    /// ```
    pub fn state<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.context.state()
    }

    /// Returns the decoded part of the path that a pattern captured under this name. If two patterns use the same name, the
    /// inner one counts.
    ///
    /// This is how a handler reads the captures of a mount. Those of its own pattern are its arguments; a handler that takes
    /// the request, and hooks that run after it, can read them here too. The value is the text that the argument is parsed
    /// from.
    ///
    /// ```
    /// use hansel::{Application, IntoApplication, Request, Routes};
    ///
    /// let files = Routes::new().get("/files/{name}", |request: &Request, name: String| {
    ///     format!("{name} of {}", request.capture("user").unwrap_or("nobody"))
    /// });
    /// let app = Routes::new().mount("/users/{user}", files).into_application();
    /// let response = app.call(&Request::get("/users/gretel/files/crumbs.txt"));
    /// assert_eq!(response.body().bytes(), Some(&b"crumbs.txt of gretel"[..]));
    /// ```
    pub fn capture(&self, name: &str) -> Option<&str> {
        // If a slash policy has added a slash at the end, it is the one that follows each path.
        self.decoded.segments().whole().get(self.captures.find(name)?)
    }

    /// Returns the values of all captures, in order, without those of groups that took no part in a match.
    pub(crate) fn captured(&self) -> impl Iterator<Item = &str> {
        let whole = self.decoded.segments().whole();
        self.captures.places().into_iter().filter_map(|place| whole.get(place?))
    }

    /// Returns the pattern of the endpoint that was reached, such as `/people/{id}`. It is empty before that, if no endpoint was
    /// reached, and if nothing records it. It is a safe label for logs and metrics, because clients cannot invent one.
    pub fn endpoint(&self) -> String {
        self.endpoint.borrow().clone()
    }

    /// Does what [`endpoint`](Request::endpoint) does, without copying.
    pub(crate) fn endpoint_text(&self) -> Ref<'_, String> {
        self.endpoint.borrow()
    }

    /// Returns the id of this request in log lines. It never changes, and is created at the first call.
    ///
    /// The `X-Request-Id` of a [trusted](Trust) peer becomes the id if it consists of at most 128 letters, digits and
    /// `-_.:+/=@~`. If there are several, only the last one counts, which is the peer's own: it passed on the others.
    pub fn id(&self) -> RequestId<'_> {
        let given = self.sender().1.and_then(|_| lists::last_element(self, "x-request-id"));
        given.and_then(RequestId::given).unwrap_or_else(|| {
            let serial = NonZeroU64::new(self.serial.get()).unwrap_or_else(id::next_serial);
            self.serial.set(serial.get());
            RequestId::own(serial)
        })
    }

    /// Returns its description in a log: its method, path, id, and pattern if that is known.
    pub(crate) fn described(&self) -> Described<'_> {
        Described(self)
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Makes `app` the application that handles it, until the result is dropped.
    #[inline]
    pub(crate) fn enter<T: Any + Send + Sync>(&self, app: &Arc<T>) -> Outer<'_> {
        self.innermost.enter(app)
    }

    /// Returns the application that handles it.
    pub(crate) fn innermost(&self) -> &Innermost {
        &self.innermost
    }

    pub(crate) fn captures(&self) -> &Captures {
        &self.captures
    }

    /// Returns how long the handler may take.
    pub(crate) fn time_limits(&self) -> TimeLimits {
        self.handler_time.as_ref().map(HandlerTime::get).unwrap_or_default()
    }

    /// Sets how long the handler may take, counted from its beginning.
    pub(crate) fn limit_time(&self, limits: TimeLimits) {
        if let Some(time) = &self.handler_time {
            time.set(limits);
        }
    }

    /// Makes dispatch record the pattern of the endpoint it reaches, from here on.
    pub(crate) fn record_endpoint(&self) {
        self.records_endpoint.set(true);
    }

    /// Returns where the pattern of the endpoint is recorded, if it will be read.
    pub(crate) fn endpoint_record(&self) -> Option<&RefCell<String>> {
        self.records_endpoint.get().then_some(&self.endpoint)
    }

    /// The subtrees with hooks for responses that it has entered.
    pub(crate) fn entered(&self) -> &Entered {
        &self.entered
    }

    /// Notes that it has entered `subtree`.
    pub(crate) fn enter_subtree(&self, subtree: &Subtree) {
        self.entered.enter(subtree, self.innermost.app());
    }

    /// Calls `show` with the subtrees whose hooks see the response, each within its application.
    pub(crate) fn show_subtrees(&self, has_endpoint: bool, mut show: impl FnMut(&Subtree)) {
        self.entered.show_each(has_endpoint, |subtree, app| {
            let _outer = app.map(|app| self.innermost.enter_again(app));
            show(subtree);
        });
    }

    /// Returns the header section as it was sent: the lines of all headers with their line ends, in order, without the
    /// request line and without the empty line at the end. A request that was [built](Request::new), or came from another
    /// server, has the lines that it would be sent with.
    ///
    /// ```
    /// use hansel::Request;
    ///
    /// let request = Request::get("/").with_header("X-Crumb", "1");
    /// assert_eq!(request.header_section(), b"Host: localhost\r\nX-Crumb: 1\r\n");
    /// ```
    pub fn header_section(&self) -> &[u8] {
        let head = self.head_bytes();
        // The target is followed by a version of nine bytes, and a line end.
        let begin = self.head.target_end() + " HTTP/1.1\r\n".len();
        head.get(begin..head.len().saturating_sub(2)).unwrap_or(&[])
    }

    /// Returns the octets of the path, percent-decoded once, as gateways to other languages need them. They may be no
    /// text: see [`Application::takes_any_path`](crate::Application::takes_any_path).
    ///
    /// An encoded slash becomes one that nobody can tell from others, so use [`segments`](Request::segments) to decide what
    /// a path means.
    ///
    /// ```
    /// assert_eq!(&*hansel::Request::get("/a%2Fb%20c?d").path_octets(), b"/a/b c");
    /// ```
    pub fn path_octets(&self) -> Cow<'_, [u8]> {
        percent_encoding::percent_decode(self.head.path_bytes(self.head_and_body())).into()
    }

    /// Returns the head as it was sent.
    pub(crate) fn head_bytes(&self) -> &[u8] {
        self.head_and_body().get(..self.head.len()).unwrap_or(&[])
    }

    fn head_and_body(&self) -> &[u8] {
        self.buffer.get(self.origin..).unwrap_or(&[])
    }

    /// Prepares the head that was just parsed at `origin`.
    #[inline]
    pub(crate) fn begin(&mut self) -> Result<(), BadPath> {
        // Clients repeat methods, so a repeated one is kept.
        if !self.head.is_method(self.head_and_body(), self.method.as_str()) {
            self.take_method();
        }
        if self.head.path_has_escapes() || !self.decoded.is_of(self.head.path_bytes(self.head_and_body())) {
            return self.take_path();
        }
        Ok(())
    }

    #[inline(never)]
    fn take_method(&mut self) {
        let method = self.head.method(self.head_and_body());
        // A token of the protocol is also one for `http`.
        self.method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    }

    #[inline(never)]
    fn take_path(&mut self) -> Result<(), BadPath> {
        let bytes = self.buffer.get(self.origin..).unwrap_or(&[]);
        let path = self.head.path(bytes);
        if self.head.path_has_escapes() {
            let decoded = self.decoded.decode(path);
            return match decoded {
                Err(BadPath::NotUtf8) if self.takes_any_path => {
                    self.decoded.decode_lossy(path);
                    Ok(())
                }
                decoded => decoded,
            };
        }
        self.decoded.take_plain(path);
        Ok(())
    }

    /// Prepares it for the connection's next request.
    pub(crate) fn clear(&mut self) {
        self.body.clear();
        self.context.clear();
        self.captures.truncate(0);
        self.endpoint.get_mut().clear();
        self.entered.clear();
        self.serial.set(0);
    }
}

/// The description of a request in a log: its method, path, id, and pattern if that is known.
pub(crate) struct Described<'r>(&'r Request);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.0;
        write!(f, "{} {} (request {}", request.method(), request.path(), request.id())?;
        match &**request.endpoint_text() {
            "" => f.write_str(")"),
            pattern => write!(f, ", pattern {pattern})"),
        }
    }
}

/// Shows the names of the headers and the length of the query, but not their values: they may be secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("query", &self.query().map(Pairs::of))
            .field("version", &self.version())
            .field("headers", &names)
            .field("body", &self.body)
            .field("peer", &self.peer)
            .field("client", &self.client())
            .finish_non_exhaustive()
    }
}
