//! An address that a server listens on, with its settings.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path::Path;

use crate::server::net::door::Door;
use crate::server::net::listen::Bound;
use crate::server::net::proxy_header;
#[cfg(feature = "tls")]
use crate::server::net::tls::Tls;
use crate::start_error::cannot;

/// An address to listen on, with its settings. It is unencrypted unless `tls` is set.
///
/// It is open from the moment it is created: clients that connect wait until a [`Server`](crate::Server) accepts them.
/// Each listener has its own settings:
///
/// ```no_run
/// use hansel::{Listener, Server, Trust};
///
/// # fn main() -> hansel::Result {
/// Server::new(Listener::unix("/run/app.sock", 0o660)?)
///     .listen(Listener::tcp("10.0.0.7:8080")?.proxy_protocol())
///     .trust(Trust::peers(["10.0.0.1"])?)
///     .serve(|| "Hello, world!")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a listener accepts nobody before a server has it"]
pub struct Listener {
    pub(super) bound: Bound,
    pub(super) door: Door,
}

impl Listener {
    /// Listens on `address`.
    ///
    /// Port 0 selects any free port; [`local_addr`](Listener::local_addr) returns it. A name with several addresses, as
    /// `localhost` may have, means the first of them that is available, as for
    /// [`TcpListener::bind`](std::net::TcpListener::bind).
    ///
    /// # Errors
    /// Returns an error if the address is not available; the error names it.
    pub fn tcp(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Listener> {
        Bound::tcp(address).map(Listener::from)
    }

    /// Listens on this port of every address of this machine: IPv6 and IPv4, or only IPv4 where there is no IPv6.
    ///
    /// It is one listener, on `[::]`. Clients that connect by IPv4 are seen with their IPv4 address.
    ///
    /// # Errors
    /// Returns an error if the port is not available; the error names it.
    pub fn port(port: u16) -> io::Result<Listener> {
        Bound::port(port).map(Listener::from)
    }

    /// Listens on a Unix socket at `path` with the permissions `mode`, such as `0o660`.
    ///
    /// Its clients have no network address. At no moment is it open to more users than `mode` allows, whatever the
    /// umask.
    ///
    /// A socket that a dead server has left there is replaced; one that somebody listens on, and any other file, is
    /// not. Of several servers that start at once, one gets the path: they lock its directory (flock(2)) while they
    /// check. The path is removed when the server stops accepting, unless it belongs to another server by then, or was
    /// [handed on](crate::Handle::listeners). Whoever may write to the directory can replace the socket: keep it in a
    /// directory of its own.
    ///
    /// # Errors
    /// Returns an error if a server listens there, or there is another file; the error names the path.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>, mode: u32) -> io::Result<Listener> {
        Bound::unix(path.as_ref(), mode).map(Listener::from)
    }

    /// Listens by a socket that the program has opened, or was given: by a supervisor, or by the process that has started
    /// it. Several processes may have it. Each connection then goes to one of them.
    ///
    /// The socket becomes non-blocking, for everybody that has it.
    ///
    /// ```no_run
    /// use hansel::{Listener, Server};
    /// use std::net::TcpListener;
    ///
    /// # fn main() -> hansel::Result {
    /// let listener = TcpListener::bind("127.0.0.1:8080")?;
    /// Server::new(Listener::from_tcp(listener)?).serve(|| "Hello, world!")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if the socket does not listen, or is of another kind.
    pub fn from_tcp(listener: TcpListener) -> io::Result<Listener> {
        let bound =
            Bound::opened_tcp(listener).map_err(|error| cannot("listen on a socket of the program", &error, ""))?;
        Ok(Listener::from(bound))
    }

    /// Does what [`from_tcp`](Listener::from_tcp) does, for a Unix socket. Its path belongs to whoever has made it: it is
    /// neither given another mode nor removed.
    ///
    /// # Errors
    /// Returns an error if the socket does not listen, or is of another kind.
    #[cfg(unix)]
    pub fn from_unix(listener: UnixListener) -> io::Result<Listener> {
        let bound = Bound::opened_unix(listener, None)
            .map_err(|error| cannot("listen on a socket of the program", &error, ""))?;
        Ok(Listener::from(bound))
    }

    /// Encrypts the connections to this listener.
    ///
    /// A handshake has the time of a request's head. With the [PROXY protocol](Listener::proxy_protocol), its header
    /// comes first, as proxies send it.
    ///
    /// Requires the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Listener {
        self.door.tls = Some(tls);
        self
    }

    /// Expects a PROXY header, version 1 or 2, at the beginning of connections from [trusted](crate::Server::trust)
    /// peers. [`Request::client`](crate::Request::client) then is the address in the header. It is `None` if the header
    /// has none, as in `PROXY UNKNOWN` and in a proxy's own health checks (`LOCAL`); these are served all the same. What
    /// the request says about its client counts only if that address is trusted, too.
    ///
    /// Trusted peers must send a header: without one, or with a malformed one, the connection is closed. Other peers
    /// must not: a header from them is a bad request.
    pub fn proxy_protocol(mut self) -> Listener {
        self.door.proxy_protocol = Some(proxy_header::parse);
        self
    }

    /// Returns the network address, if it has one: a Unix socket has none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.bound.address()
    }
}

impl Listener {
    /// Writes it with the settings of this door.
    pub(super) fn write(&self, door: &Door, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", door.scheme(), self.bound)?;
        if door.proxy_protocol.is_some() {
            f.write_str(", behind a PROXY header")?;
        }
        Ok(())
    }
}

impl From<Bound> for Listener {
    fn from(bound: Bound) -> Listener {
        Listener {
            bound,
            door: Door::default(),
        }
    }
}

/// Writes a URL that can be opened, such as `http://127.0.0.1:8080`, and what else is expected there.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&self.door, f)
    }
}
