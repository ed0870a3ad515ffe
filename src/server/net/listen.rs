//! Getting an address to listen on.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

#[cfg(all(unix, feature = "activation"))]
use super::own_path::OwnPath;
use super::socket::{Acceptor, is};
use crate::start_error::cannot;

/// The most connections that wait to be accepted, as many as Linux allows by default. One too many is not refused but
/// tries again, after one second, then two, and the server looks slow to that client.
pub(crate) const BACKLOG: i32 = 4096;

/// An address that is listened on.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    /// Named by a trait, so the linker drops `unix_path.rs` from programs without Unix sockets.
    #[cfg(unix)]
    Unix(Box<dyn BoundPath>),
}

/// A Unix socket and its path.
#[cfg(unix)]
pub(crate) trait BoundPath: fmt::Debug + fmt::Display + Send + Sync {
    fn descriptor(&self) -> io::Result<std::os::fd::OwnedFd>;
    fn for_loop(&self) -> io::Result<mio::net::UnixListener>;
    /// Leaves the path to somebody else; otherwise it is removed when the listener is dropped.
    fn leave_path(&mut self);
    /// Takes over the path that came with the listener: it is removed when that is dropped.
    #[cfg(feature = "activation")]
    fn take_path(&mut self);
    /// Returns the path that would be removed.
    #[cfg(feature = "activation")]
    fn own_path(&self) -> Option<&OwnPath>;
}

impl Bound {
    /// Listens on the first available address of `address`.
    pub(crate) fn tcp(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Bound> {
        let outcome = address
            .to_socket_addrs()
            .and_then(|mut candidates| Bound::first(&mut candidates));
        outcome.map_err(|error| named(&error, &address))
    }

    /// Listens on this port of every address of this machine.
    pub(crate) fn port(port: u16) -> io::Result<Bound> {
        everywhere(port, listen_on_both)
            .map(Bound::Tcp)
            .map_err(|error| named(&error, &format_args!("port {port} of every address")))
    }

    fn first(candidates: &mut dyn Iterator<Item = SocketAddr>) -> io::Result<Bound> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for candidate in candidates {
            match listen(candidate) {
                Ok(listener) => return Ok(Bound::Tcp(listener)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Returns a listener of either kind that another process has opened, with its path if that came with it.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn inherited(listener: std::os::fd::OwnedFd, path: Option<OwnPath>) -> io::Result<Bound> {
        // Anything but a socket has no address.
        let address = SockRef::from(&listener).local_addr()?;
        if address.is_unix() {
            Bound::opened_unix(listener.into(), path)
        } else {
            Bound::opened_tcp(listener.into())
        }
    }

    /// Returns a listener that somebody else has opened.
    pub(crate) fn opened_tcp(listener: TcpListener) -> io::Result<Bound> {
        #[cfg(unix)]
        must_listen(&listener)?;
        // A socket of another kind has no such address.
        listener.local_addr()?;
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Bound::Tcp(listener))
    }

    /// Returns another descriptor of it.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> io::Result<std::os::fd::OwnedFd> {
        Ok(match self {
            Bound::Tcp(listener) => listener.try_clone()?.into(),
            Bound::Unix(bound) => bound.descriptor()?,
        })
    }

    /// Returns the same listener, for one of the loops.
    pub(crate) fn for_loop(&self) -> io::Result<Acceptor> {
        Ok(match self {
            Bound::Tcp(listener) => Acceptor::Tcp(mio::net::TcpListener::from_std(listener.try_clone()?)),
            #[cfg(unix)]
            Bound::Unix(bound) => Acceptor::Unix(bound.for_loop()?),
        })
    }

    /// Leaves its path, if it has one, to whoever has the listener now.
    #[cfg(unix)]
    pub(crate) fn leave_path(&mut self) {
        if let Bound::Unix(bound) = self {
            bound.leave_path();
        }
    }

    /// Takes over the path that came with it, if one did.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn take_path(&mut self) {
        if let Bound::Unix(bound) = self {
            bound.take_path();
        }
    }

    /// Returns the path that would be removed in the end.
    #[cfg(all(unix, feature = "activation"))]
    pub(crate) fn own_path(&self) -> Option<&OwnPath> {
        match self {
            Bound::Tcp(_) => None,
            Bound::Unix(bound) => bound.own_path(),
        }
    }

    /// Returns true if a request for this address would get this listener.
    pub(crate) fn is_on(&self, asked: SocketAddr) -> bool {
        let is_same = |here: SocketAddr| here.ip() == asked.ip() || is_every(here) && is_every(asked);
        self.address()
            .is_some_and(|here| here.port() == asked.port() && is_same(here))
    }

    /// Returns the network address, if it has one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Bound::Unix(_) => None,
        }
    }
}

fn named(error: &io::Error, address: &dyn fmt::Debug) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrInUse => "another program has it: stop that one, or choose another port",
        io::ErrorKind::AddrNotAvailable => "no network interface of this machine has that address",
        io::ErrorKind::InvalidInput => "an address is written like 127.0.0.1:8080 or [::1]:8080",
        _ => "",
    };
    // A text is shown without quotes.
    let address = format!("{address:?}");
    cannot(format_args!("listen on {}", address.trim_matches('"')), error, advice)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(listener) => match listener.local_addr() {
                Ok(address) if is_every(address) => write_every(address, SockRef::from(listener).only_v6().ok(), f),
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "an unknown address ({error})"),
            },
            #[cfg(unix)]
            Bound::Unix(bound) => bound.fmt(f),
        }
    }
}

/// A connection is not a listener: `Accept=yes` in a systemd unit passes connections.
#[cfg(unix)]
pub(crate) fn must_listen(socket: impl std::os::fd::AsFd) -> io::Result<()> {
    if rustix::net::sockopt::socket_acceptconn(socket)? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a connection, or does not listen yet; a systemd unit needs Accept=no",
    ))
}

/// Writes "every address" as one that can be opened.
fn write_every(address: SocketAddr, only_v6: Option<bool>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let port = address.port();
    match (address, only_v6) {
        (SocketAddr::V4(_), _) => write!(f, "127.0.0.1:{port} (every IPv4 address of this machine)"),
        (SocketAddr::V6(_), Some(true)) => write!(f, "[::1]:{port} (every IPv6 address of this machine)"),
        (SocketAddr::V6(_), _) => write!(f, "localhost:{port} (every address of this machine)"),
    }
}

fn is_every(address: SocketAddr) -> bool {
    address.ip().is_unspecified()
}

/// Listens on a port of IPv6 and IPv4 if the system can, or only of IPv4 where there is no IPv6.
///
/// One socket serves both families, not one each: port 0 is one port, either everything is available or nothing, and
/// there is one listener to hand over.
fn everywhere(port: u16, on_both: fn(u16) -> io::Result<Option<TcpListener>>) -> io::Result<TcpListener> {
    match on_both(port)? {
        Some(listener) => Ok(listener),
        None => listen((Ipv4Addr::UNSPECIFIED, port).into()),
    }
}

/// Returns `None` where there is no IPv6, or where one socket cannot serve both.
fn listen_on_both(port: u16) -> io::Result<Option<TcpListener>> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let Ok(socket) = tcp_socket(address) else {
        return Ok(None);
    };
    // RFC 3493 §5.3: "this option is turned off" by default, but the system may be configured otherwise.
    if socket.set_only_v6(false).is_err() {
        return Ok(None);
    }
    match listen_by(socket, address) {
        Err(error) if is(&error, io::ErrorKind::AddrNotAvailable) => Ok(None),
        outcome => outcome.map(Some),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    listen_by(tcp_socket(address)?, address)
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
}

fn listen_by(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    // A restart must not wait until the last server's connections are forgotten (TIME_WAIT). On Windows the same option
    // would let two servers share the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    // Responses are sent in whole writes, so waiting for more gains nothing. Connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named() {
        let first = Bound::tcp("127.0.0.1:0").unwrap();
        let address = first.address().unwrap();
        let error = Bound::tcp(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[cfg(all(unix, feature = "activation"))]
    #[test]
    fn what_is_inherited_must_listen_and_is_made_ready_to_serve() {
        use std::os::fd::OwnedFd;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let unbound = tcp_socket((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        for socket in [OwnedFd::from(connection), OwnedFd::from(one), OwnedFd::from(unbound)] {
            let error = Bound::inherited(socket, None).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
        assert!(Bound::inherited(std::fs::File::open("/dev/null").unwrap().into(), None).is_err());
        let inherited = Bound::inherited(listener.into(), None).unwrap();
        let descriptor = inherited.descriptor().unwrap();
        let socket = SockRef::from(&descriptor);
        assert!(socket.nonblocking().unwrap(), "a loop must never wait for it");
        assert!(socket.tcp_nodelay().unwrap());
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        let error = Bound::tcp("no address").unwrap_err();
        assert!(error.to_string().contains("no address"), "{error}");
    }

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn without_ipv6_a_port_is_that_of_every_address_of_ipv4() {
        let listener = everywhere(0, |_| Ok(None)).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn a_port_that_is_taken_of_one_kind_of_addresses_is_not_had_of_the_other_alone() {
        let of_ipv4 = listen((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let error = Bound::port(port_of(&of_ipv4)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("of every address"), "{error}");
    }

    #[test]
    fn every_address_is_shown_as_one_that_can_be_opened() {
        let text = |bound: io::Result<Bound>| {
            let bound = bound.unwrap();
            let port = bound.address().unwrap().port();
            bound.to_string().replace(&port.to_string(), "PORT")
        };
        assert_eq!(
            text(Bound::tcp("0.0.0.0:0")),
            "127.0.0.1:PORT (every IPv4 address of this machine)"
        );
        assert_eq!(text(Bound::tcp("127.0.0.1:0")), "127.0.0.1:PORT");
        let Ok(socket) = tcp_socket((Ipv6Addr::UNSPECIFIED, 0).into()) else {
            return;
        };
        assert_eq!(text(Bound::port(0)), "localhost:PORT (every address of this machine)");
        socket.set_only_v6(true).unwrap();
        let only = listen_by(socket, (Ipv6Addr::UNSPECIFIED, 0).into()).map(Bound::Tcp);
        assert_eq!(text(only), "[::1]:PORT (every IPv6 address of this machine)");
    }

    #[test]
    fn a_listener_on_every_address_is_had_by_whoever_asks_for_that() {
        let bound = Bound::port(0).unwrap();
        let port = bound.address().unwrap().port();
        assert!(bound.is_on((Ipv4Addr::UNSPECIFIED, port).into()));
        assert!(bound.is_on((Ipv6Addr::UNSPECIFIED, port).into()));
        assert!(!bound.is_on((Ipv4Addr::LOCALHOST, port).into()));
        assert!(!bound.is_on((Ipv4Addr::UNSPECIFIED, port ^ 1).into()));
    }
}
