//! The addresses and sockets at which a server listens.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;

use super::{Listener, Server};
use crate::server::net::proxy_header;
#[cfg(feature = "tls")]
use crate::server::net::tls::Tls;

impl Server {
    /// Creates a server that listens on `address`, unencrypted: [`new`](Server::new) with [`Listener::tcp`].
    ///
    /// # Errors
    /// Returns an error if the address is not available; the error names it.
    pub fn bind(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Server> {
        Ok(Server::new(Listener::tcp(address)?))
    }

    /// Creates a server that listens on this port of every address of this machine: [`new`](Server::new) with
    /// [`Listener::port`].
    ///
    /// ```
    /// use std::net::TcpStream;
    ///
    /// let server = hansel::Server::port(0)?.spawn(|| "Hello, world!")?;
    /// TcpStream::connect(("127.0.0.1", server.local_addr().port()))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the port is not available; the error names it.
    pub fn port(port: u16) -> io::Result<Server> {
        Ok(Server::new(Listener::port(port)?))
    }

    /// Creates a server that listens on a Unix socket at `path`: [`new`](Server::new) with [`Listener::unix`].
    ///
    /// # Errors
    /// Returns an error if a server listens there, or there is another file; the error names the path.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>, mode: u32) -> io::Result<Server> {
        Ok(Server::new(Listener::unix(path, mode)?))
    }

    /// Creates a server that listens here. Clients that connect from now on wait until it serves.
    pub fn new(listener: Listener) -> Server {
        Server::nowhere().listen(listener)
    }

    /// Listens here as well.
    pub fn listen(mut self, listener: Listener) -> Server {
        self.listeners.push(listener);
        self
    }

    /// Listens on one more address, unencrypted unless `tls` is set.
    ///
    /// # Errors
    /// Returns the errors of [`bind`](Server::bind).
    pub fn and_bind(self, address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Server> {
        Ok(self.listen(Listener::tcp(address)?))
    }

    /// Listens on a Unix socket as well.
    ///
    /// # Errors
    /// Returns the errors of [`unix`](Server::unix).
    #[cfg(unix)]
    pub fn and_unix(self, path: impl AsRef<Path>, mode: u32) -> io::Result<Server> {
        Ok(self.listen(Listener::unix(path, mode)?))
    }

    /// Expects a PROXY header on connections to every listener, whether it is added before or after. See
    /// [`Listener::proxy_protocol`], which does so for one of them.
    pub fn proxy_protocol(mut self) -> Server {
        self.door.proxy_protocol = Some(proxy_header::parse);
        self
    }

    /// Encrypts connections to every listener, whether it is added before or after, except those of the health lane.
    /// [`Listener::tls`] does so for one of them, and takes precedence there.
    ///
    /// Requires the feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Server {
        self.door.tls = Some(tls);
        self
    }

    /// Returns the network addresses it listens on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::local_addr).collect()
    }
}
