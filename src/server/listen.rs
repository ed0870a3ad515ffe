//! Listening sockets.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted. The system may set a lower bound of its own.
const BACKLOG: i32 = 1024;

/// Listens on the first address of `address` that can be had.
pub(super) fn bind(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {address:?}: {error}"));
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for candidate in address.to_socket_addrs().map_err(named)? {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(named(last))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last server's connections to be forgotten (TIME_WAIT). On
    // Windows the same option would let two servers share the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    // Answers leave in whole writes: nothing is gained by waiting for more. Connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The same listener for one more loop.
pub(super) fn for_loop(listener: &TcpListener) -> io::Result<mio::net::TcpListener> {
    Ok(mio::net::TcpListener::from_std(listener.try_clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        let error = bind("no address").unwrap_err();
        assert!(error.to_string().contains("no address"), "{error}");
    }
}
