//! A client's request to open a socket.

use std::sync::Arc;

use hansel_proto::websocket as proto;
use http::StatusCode;

use super::SocketSettings;
use crate::{Error, FromRequest, Request};

/// As an argument, a client's request to open a WebSocket: [`open`](WebSocket::open) accepts it, and any other response
/// refuses it.
///
/// The response is 426 to a request that asks for no WebSocket, and 403 to one by a page of another origin.
///
/// ```
/// use hansel::websocket::{Message, Opening, Socket, WebSocket};
/// use hansel::{Error, Request, Routes, StatusCode, test::Client};
///
/// fn chat(request: &Request, socket: WebSocket) -> Result<Opening<String>, Error> {
///     let name = request.header("X-Name").ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "who are you?"))?;
///     Ok(socket.open(name.to_owned()).on_message(|socket: &Socket<String>, message: Message<'_>| {
///         socket.send(format!("{} says {}", socket.state(), message.text().unwrap_or("")))
///     }))
/// }
///
/// let client = Client::new(Routes::new().get("/chat", chat));
/// assert_eq!(client.get("/chat").status(), 426);
/// ```
#[derive(Debug)]
pub struct WebSocket {
    pub(super) accept: [u8; 28],
    pub(super) settings: Arc<SocketSettings>,
    /// The subprotocols that the client speaks.
    offered: Vec<String>,
    pub(super) protocol: Option<String>,
    /// The page that asks, if it is one of another origin.
    pub(super) stranger: Option<String>,
    /// The terms of compression, if the client offers it and it is wanted.
    pub(super) deflate: Option<proto::Deflate>,
}

impl FromRequest for WebSocket {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<WebSocket, Error> {
        let opening = proto::Opening::of(request.method().as_str(), request.headers()).map_err(|bad| refusal(&bad))?;
        let offered = request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        Ok(WebSocket {
            accept: opening.accept,
            settings: Arc::default(),
            offered,
            protocol: None,
            stranger: stranger(request),
            deflate: opening.deflate.filter(|_| cfg!(feature = "compression")),
        })
    }
}

impl WebSocket {
    /// Sets the limits and times of this socket.
    ///
    /// ```
    /// use hansel::websocket::{Message, Opening, Socket, SocketSettings, WebSocket};
    ///
    /// fn small(socket: WebSocket) -> Opening {
    ///     let settings = SocketSettings::new().message(1024).rate(10);
    ///     socket.settings(settings).open(()).on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
    /// }
    /// # let _ = hansel::Routes::new().get("/", small);
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: impl Into<Arc<SocketSettings>>) -> WebSocket {
        self.settings = settings.into();
        self
    }

    /// Allows pages of these origins, such as `https://example.com`, to open the socket, beside those of the origin to which
    /// the request was sent. A request without an Origin is not a page's, and is allowed; `null` is refused.
    ///
    /// Without this rule every page in the world could open a socket with the cookies of its visitor: browsers do not keep
    /// pages from it.
    #[must_use]
    pub fn origins<T: AsRef<str>>(mut self, origins: impl IntoIterator<Item = T>) -> WebSocket {
        let is_listed = |stranger: &String| {
            origins
                .into_iter()
                .any(|origin| origin.as_ref().eq_ignore_ascii_case(stranger))
        };
        self.stranger = self.stranger.take().filter(|stranger| !is_listed(stranger));
        self
    }

    /// Allows pages of any origin. Only for sockets that give nothing to a visitor that they would not give to everybody.
    #[must_use]
    pub fn any_origin(mut self) -> WebSocket {
        self.stranger = None;
        self
    }

    /// Chooses the first of these subprotocols that the client speaks as well (RFC 6455 §1.9). The response names it.
    ///
    /// If there is none, the socket is opened without, and most clients close it then.
    #[must_use]
    pub fn protocols<T: AsRef<str>>(mut self, spoken: impl IntoIterator<Item = T>) -> WebSocket {
        self.protocol = spoken
            .into_iter()
            .find(|name| self.offered.iter().any(|offered| offered == name.as_ref()))
            .map(|name| name.as_ref().to_owned());
        self
    }

    /// Returns the subprotocol that was [chosen](WebSocket::protocols).
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

/// Returns the error for a request that opens no socket.
fn refusal(bad: &proto::BadOpening) -> Error {
    let status = StatusCode::from_u16(bad.status()).unwrap_or(StatusCode::BAD_REQUEST);
    bad.fields()
        .iter()
        .fold(Error::new(status, bad.to_string()), |error, (name, value)| {
            error.with_header(name, value)
        })
}

/// Returns the origin of the page that asks, if it is not that of the target. The scheme counts only if the request is known
/// to have come encrypted: a proxy in front may have decrypted it.
fn stranger(request: &Request) -> Option<String> {
    // No browser sends two, and of two nobody knows which was meant.
    let origin = request.single_header("Origin").unwrap_or(Some("null"))?;
    let is_here = origin.split_once("://").is_some_and(|(scheme, authority)| {
        let is_http = scheme.eq_ignore_ascii_case("http");
        let is_scheme = scheme.eq_ignore_ascii_case("https") || (is_http && request.scheme() == "http");
        let usual_port = if is_http { ":80" } else { ":443" };
        let plain = |authority: &str| {
            authority
                .strip_suffix(usual_port)
                .unwrap_or(authority)
                .to_ascii_lowercase()
        };
        is_scheme && request.host().is_some_and(|host| plain(host) == plain(authority))
    });
    (!is_here).then(|| origin.to_owned())
}
