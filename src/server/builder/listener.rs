//! An address that a server listens on, and what is spoken there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;

use crate::server::net::door::Door;
use crate::server::net::listen::Bound;
use crate::server::net::proxy_header;
#[cfg(feature = "tls")]
use crate::server::net::tls::Tls;

/// An address to listen on, and what is spoken there: HTTP in clear text, unless `tls` says otherwise.
///
/// It is open from the moment it is made: clients that connect wait until a [`Server`](crate::Server) accepts them. Each
/// listener has its own settings:
///
/// ```no_run
/// use hansel::{Listener, Server, Trust};
///
/// # fn main() -> std::io::Result<()> {
/// Server::new(Listener::unix("/run/app.sock", 0o660)?)
///     .listen(Listener::tcp("10.0.0.7:8080")?.proxy_protocol())
///     .trust(Trust::peers(["10.0.0.1"])?)
///     .serve(|| "Hello, world!")
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
    /// Port 0 takes any port that is free; [`local_addr`](Listener::local_addr) tells which. A name that has several
    /// addresses, as `localhost` may, stands for the first of them that can be had, as it does for
    /// [`TcpListener::bind`](std::net::TcpListener::bind).
    ///
    /// # Errors
    /// If the address can't be had; the error names it.
    pub fn tcp(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Listener> {
        Bound::tcp(address).map(Listener::from)
    }

    /// Listens on this port of every address of this machine, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
    ///
    /// It is one listener, on `[::]`. Clients that come by IPv4 are seen with their IPv4 address.
    ///
    /// # Errors
    /// If the port can't be had; the error names it.
    pub fn port(port: u16) -> io::Result<Listener> {
        Bound::port(port).map(Listener::from)
    }

    /// Listens on a Unix socket at `path`, open to whom `mode` says, such as `0o660`.
    ///
    /// Its clients have no network address. At no moment is it open to more than `mode`, whatever the umask.
    ///
    /// A socket that a dead server has left there is replaced; one that somebody listens on, and any other file, is
    /// not. Of several servers that start at once, one gets the path: they lock its folder (flock(2)) while they look.
    /// The path is removed when the server stops accepting, unless it is another's by then, or was
    /// [handed on](crate::Handle::listeners). Whoever may write to the folder can replace the socket: keep it in one of
    /// its own.
    ///
    /// # Errors
    /// If somebody listens there, or there is a file; the error names the path.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>, mode: u32) -> io::Result<Listener> {
        Bound::unix(path.as_ref(), mode).map(Listener::from)
    }

    /// Encrypts the connections to this listener.
    ///
    /// A handshake has the time of a request's head. With the [PROXY protocol](Listener::proxy_protocol), its header
    /// comes first, as the proxies send it.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Listener {
        self.door.tls = Some(tls);
        self
    }

    /// Has connections to this listener begin with a PROXY header, version 1 or 2, where they come from
    /// [trusted](crate::Server::trust) peers. [`Request::client`](crate::Request::client) then is the address that the
    /// header names; none if it names nobody, as in `PROXY UNKNOWN` and a proxy's own health checks (`LOCAL`), which are
    /// served all the same. What the request says of its client counts only if the address is trusted, too.
    ///
    /// Trusted peers must send one: without, or with a malformed one, the connection is closed. From others none is
    /// expected, and one that comes is a bad request.
    pub fn proxy_protocol(mut self) -> Listener {
        self.door.proxy_protocol = Some(proxy_header::parse);
        self
    }

    /// The network address, if it has one: a Unix socket has none.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.bound.address()
    }
}

impl Listener {
    /// As what is spoken there if it has this door.
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

/// As a URL that can be opened, such as `http://127.0.0.1:8080`, and what else is expected there.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&self.door, f)
    }
}
