//! Getting an address to listen on.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::socket::Listener;

/// Connections that may wait to be accepted. The system may set a lower bound of its own.
const BACKLOG: i32 = 1024;

/// An address that is listened on.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(unix::BoundPath),
}

impl Bound {
    /// Listens on the first address of `address` that can be had.
    pub(super) fn tcp(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Bound> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {address:?}: {error}"));
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for candidate in address.to_socket_addrs().map_err(named)? {
            match listen(candidate) {
                Ok(listener) => return Ok(Bound::Tcp(listener)),
                Err(error) => last = error,
            }
        }
        Err(named(last))
    }

    /// The same listener, for one of the loops.
    pub(super) fn for_loop(&self) -> io::Result<Listener> {
        Ok(match self {
            Bound::Tcp(listener) => Listener::Tcp(mio::net::TcpListener::from_std(listener.try_clone()?)),
            #[cfg(unix)]
            Bound::Unix(bound) => Listener::Unix(bound.for_loop()?),
        })
    }

    /// What must be kept until the server ends, though the listener itself is closed before.
    pub(super) fn into_place(self) -> Option<Place> {
        match self {
            Bound::Tcp(_) => None,
            #[cfg(unix)]
            Bound::Unix(bound) => Some(bound.into_place()),
        }
    }

    /// The network address, if it has one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Bound::Unix(_) => None,
        }
    }
}

/// A listener's place in the file system, removed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    path: std::path::PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // It may be gone, or another server's by now; then there is nothing to tidy up.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "http://{address}"),
                Err(error) => write!(f, "an address that can't be told: {error}"),
            },
            #[cfg(unix)]
            Bound::Unix(bound) => bound.fmt(f),
        }
    }
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

#[cfg(unix)]
mod unix {
    use std::fmt;
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use super::{Bound, Place};

    /// A Unix socket and its place in the file system.
    #[derive(Debug)]
    pub(in super::super) struct BoundPath {
        listener: UnixListener,
        place: Place,
    }

    impl Bound {
        /// Listens on a Unix socket at `path`, open to whom `mode` says.
        pub(in super::super) fn unix(path: &Path, mode: u32) -> io::Result<Bound> {
            listen(path, mode)
                .map(Bound::Unix)
                .map_err(|error| io::Error::new(error.kind(), format!("can't listen on {}: {error}", path.display())))
        }
    }

    impl BoundPath {
        pub(super) fn for_loop(&self) -> io::Result<mio::net::UnixListener> {
            Ok(mio::net::UnixListener::from_std(self.listener.try_clone()?))
        }

        pub(super) fn into_place(self) -> Place {
            self.place
        }
    }

    impl fmt::Display for BoundPath {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "unix:{}", self.place.path.display())
        }
    }

    fn listen(path: &Path, mode: u32) -> io::Result<BoundPath> {
        remove_what_is_left(path)?;
        let listener = UnixListener::bind(path)?;
        let place = Place { path: path.to_owned() };
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(BoundPath { listener, place })
    }

    /// A server that was killed leaves its socket behind, and nobody answers there.
    fn remove_what_is_left(path: &Path) -> io::Result<()> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        let is_left =
            is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if is_left { fs::remove_file(path) } else { Ok(()) }
    }
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

    #[test]
    fn a_name_without_an_address_is_named() {
        let error = Bound::tcp("no address").unwrap_err();
        assert!(error.to_string().contains("no address"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_taken_over_from_the_dead_and_not_from_the_living() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("hansel-listen-{}", std::process::id()));
        let first = Bound::unix(&path, 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Bound::unix(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // As a killed server leaves it: bound, and nobody there.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Bound::unix(&path, 0o660).unwrap());
        std::fs::write(&path, "a file").unwrap();
        assert!(Bound::unix(&path, 0o600).is_err(), "a file is never removed");
        std::fs::remove_file(&path).unwrap();
    }
}
