//! A response that begins while the handler of its request runs.

use std::any::Any;
use std::io;
use std::sync::Arc;

use super::{Response, ResponseWriter};
use crate::Request;
use crate::request::{BodyError, EarlyCall, EarlyWay};

/// Begins the response to a request, for whoever has called its handler.
pub(crate) trait Begin: Send + Sync {
    /// Begins it with the head of `response`, and a body of `len` bytes if that is known.
    fn begin(&self, request: &Request, response: Response, len: Option<u64>) -> io::Result<ResponseWriter>;

    /// Sends what comes before the response, by `send`. If the response has begun already, it is not sent.
    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError>;
}

/// Returns the way to respond by `begin`.
pub(crate) fn early_by(begin: Arc<dyn Begin>) -> EarlyWay {
    Some(Arc::new(Early(begin)))
}

struct Early(Arc<dyn Begin>);

impl EarlyCall for Early {
    fn before(&self, send: &mut dyn FnMut() -> Result<(), BodyError>) -> Result<(), BodyError> {
        self.0.before(send)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Request {
    /// Begins the response now, while the handler runs, and returns what writes its body. The head is that of `response`,
    /// which must have no body. If `len` is known, it is announced as Content-Length, and exactly that many bytes must be
    /// written.
    ///
    /// Pieces are sent as those of a [stream](crate::Body::stream): at once or, if they come quickly, together. Writing waits
    /// while the client does not read. The body is complete by
    /// [`ResponseWriter::finish`]; whatever the handler returns after that is dropped. Use
    /// [`Body::stream`](crate::Body::stream) where you can: this is for gateways to interfaces in which a program writes before
    /// it returns, such as CGI and WSGI.
    ///
    /// [`App::respond`](crate::App::respond) and compression see this response, and not what the handler returns; what
    /// [`Hooks`](crate::Hooks) do after the handler has no effect on it. A response to HEAD, and one that has no content,
    /// swallows what is written.
    ///
    /// If the body of the request is still arriving, its rest may be read after that, on this or
    /// [another thread](Request::owned_body). hansel's own server closes the connection in the end.
    ///
    /// The application must say that it does so: [`App::responds_early`](crate::App::responds_early), or
    /// [`Application::responds_early`](crate::Application::responds_early).
    ///
    /// ```
    /// use hansel::{App, Request, Response, test::Client};
    /// use std::io::{self, Write};
    ///
    /// fn count(request: &Request) -> io::Result<()> {
    ///     let mut body = request.respond_now(Response::default().with_header("Content-Type", "text/plain"), None)?;
    ///     for number in 1..4 {
    ///         writeln!(body, "{number}")?;
    ///     }
    ///     body.finish()
    /// }
    ///
    /// let client = Client::new(App::new(count).responds_early());
    /// assert_eq!(client.get("/").text(), "1\n2\n3\n");
    /// ```
    ///
    /// # Errors
    /// Returns an error if the response has begun already, has a body, or comes too late because of the handler's deadline; if
    /// the connection has failed; and where nobody responds early.
    pub fn respond_now(&self, response: Response, len: Option<u64>) -> io::Result<ResponseWriter> {
        let early = self.early.as_ref().and_then(|early| early.as_any().downcast_ref());
        let Some(Early(early)) = early else {
            let error = "nobody expects a response before the handler has returned; the application must say so \
                         (`App::responds_early`)";
            return Err(io::Error::new(io::ErrorKind::Unsupported, error));
        };
        if !response.body().is_empty() {
            let error = "a response that is written before the handler has returned must have no body of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        early.begin(self, response, len)
    }
}
