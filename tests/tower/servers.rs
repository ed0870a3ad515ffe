//! The servers that an application can run under, and what a client receives from them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use hansel::test::Client;
use hansel::tower::Service;
use hansel::{Application, Handle, Limits, Server};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;

/// How long a client waits, for the test to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of hyper's, which ends when this is dropped.
pub(crate) struct Hyper {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hyper {
    /// Serves HTTP/1 and HTTP/2, on one thread or on several.
    pub(crate) fn serve<S, B>(service: S, on_one_thread: bool) -> Hyper
    where
        S: tower_service::Service<http::Request<Incoming>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S::Future: Send,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if on_one_thread {
            builder.worker_threads(1);
        }
        let runtime = builder.enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let mut connection = auto::Builder::new(TokioExecutor::new());
                connection.http1().half_close(true).max_headers(1000);
                tokio::spawn(async move {
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Hyper {
            address,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Hyper {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One application on all servers, with the same limits.
pub(crate) struct Servers {
    pub(crate) own: Handle,
    pub(crate) hyper: Hyper,
    /// Hansel's own server again, with the application behind both translations.
    pub(crate) there_and_back: Handle,
    pub(crate) client: Client,
}

impl Servers {
    pub(crate) fn of<A: Application>(app: fn() -> A, limits: Limits) -> Servers {
        let serve = |limits: &Limits| Server::bind("127.0.0.1:0").unwrap().limits(limits.clone());
        let service = Service::new(app()).with_limits(limits.clone());
        Servers {
            own: serve(&limits).spawn(app()).unwrap(),
            there_and_back: serve(&limits).spawn(service.clone()).unwrap(),
            hyper: Hyper::serve(service, false),
            client: Client::new(app()).with_limits(limits),
        }
    }

    /// What comes back for the same bytes: from our own server, from hyper, in the test client, through both translations.
    pub(crate) fn responses(&self, request: &[u8]) -> [Received; 4] {
        [
            asked(self.own.local_addr(), request),
            asked(self.hyper.address, request),
            Received::read(request, &self.client.converse(request)),
            asked(self.there_and_back.local_addr(), request),
        ]
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.own.shutdown(Duration::from_secs(10));
        self.there_and_back.shutdown(Duration::from_secs(10));
    }
}

/// Sends a request, and reads the response.
pub(crate) fn asked(address: SocketAddr, request: &[u8]) -> Received {
    Received::read(request, &exchanged(address, request))
}

/// Sends bytes, and returns all that comes back until the server closes.
fn exchanged(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    // A request that is refused need not be read to its end.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!(
            "{address} does not close: {}\n{}",
            request.escape_ascii(),
            received.escape_ascii()
        ),
        // A server that closes before it has read everything resets the connection.
        _ => received,
    }
}

/// A final response, without what is the connection's or of the moment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Names in lower case, in the order of their names.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) is_chunked: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) is_whole: bool,
}

/// The fields that each server sets as it does.
const OF_CONNECTION: [&str; 4] = ["date", "connection", "keep-alive", "transfer-encoding"];

impl Received {
    /// Reads what came back for a request.
    pub(crate) fn read(request: &[u8], received: &[u8]) -> Received {
        let mut rest = received;
        loop {
            let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Received::nothing();
            };
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 4..];
            let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
            let status = line.split(' ').nth(1).unwrap().parse().unwrap();
            // RFC 9110 §15.2: interim responses come before the final one, but for the one after which nothing is HTTP.
            if status < 200 && status != 101 {
                continue;
            }
            let fields = fields.split("\r\n").filter(|line| !line.is_empty()).map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_lowercase(), value.trim().to_owned())
            });
            return Received::of(request.starts_with(b"HEAD "), status, fields.collect(), rest);
        }
    }

    fn of(is_to_head: bool, status: u16, fields: Vec<(String, String)>, rest: &[u8]) -> Received {
        let is_chunked = fields.iter().any(|(name, _)| name == "transfer-encoding");
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let length = length.map(|(_, length)| length.parse::<usize>().unwrap());
        // RFC 9112 §6.3.
        let (body, is_whole) = match length {
            _ if is_to_head || matches!(status, 204 | 304) => (rest.to_vec(), rest.is_empty()),
            _ if is_chunked => content(rest),
            Some(length) => (rest.to_vec(), rest.len() == length),
            None => (rest.to_vec(), true),
        };
        Received {
            is_chunked,
            body,
            is_whole,
            ..Received::of_parts(status, fields)
        }
    }

    /// Returns a response without a body.
    pub(crate) fn of_parts(status: u16, mut fields: Vec<(String, String)>) -> Received {
        fields.retain(|(name, _)| !OF_CONNECTION.contains(&&**name));
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        Received {
            status,
            fields,
            is_chunked: false,
            body: Vec::new(),
            is_whole: true,
        }
    }

    /// Returns a response that says that it is empty.
    pub(crate) fn empty(status: u16) -> Received {
        Received::of_parts(status, vec![("content-length".to_owned(), "0".to_owned())])
    }

    /// The connection was closed without a response.
    pub(crate) fn nothing() -> Received {
        Received {
            is_whole: false,
            ..Received::of_parts(0, Vec::new())
        }
    }

    /// Returns the value of the first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = &self.body[..self.body.len().min(2000)];
        write!(
            f,
            "{} {:?} chunked: {} whole: {}\n{}",
            self.status,
            self.fields,
            self.is_chunked,
            self.is_whole,
            String::from_utf8_lossy(body)
        )
    }
}

/// Returns the content of a chunked body, and whether that is all of it.
fn content(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (content, true);
        }
        let Some(chunk) = body.get(end + 2..end + 2 + size) else {
            break;
        };
        content.extend_from_slice(chunk);
        body = body.get(end + 2 + size + 2..).unwrap_or(&[]);
    }
    (content, false)
}
