//! Getting an address to listen on.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::socket::Listener;

/// Connections that may wait to be accepted, as many as Linux has for its default bound. One too many is not
/// refused but tries again, after one second, then two: for a client that is a slow server.
const BACKLOG: i32 = 4096;

/// An address that is listened on.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    /// What it is made of is named where such a one is asked for and nowhere else: a program without Unix sockets has
    /// nothing of it in it.
    #[cfg(unix)]
    Unix(Box<dyn BoundPath>),
}

/// A Unix socket and its place in the file system.
#[cfg(unix)]
pub(super) trait BoundPath: fmt::Debug + fmt::Display + Send {
    fn descriptor(&self) -> io::Result<std::os::fd::OwnedFd>;
    fn for_loop(&self) -> io::Result<mio::net::UnixListener>;
    /// Closes the listener. No place is left if it belongs to somebody else.
    fn into_place(self: Box<Self>) -> Option<Box<dyn Place>>;
}

/// A listener's place in the file system, removed when this is dropped.
pub(super) trait Place: fmt::Debug + Send {
    /// Leaves it to somebody else.
    fn leave(self: Box<Self>);
}

impl Bound {
    /// Listens on the first address of `address` that can be had.
    pub(super) fn tcp(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Bound> {
        let outcome = address
            .to_socket_addrs()
            .and_then(|mut candidates| Bound::first(&mut candidates));
        outcome.map_err(|error| named(&error, &address))
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

    /// A listener that another process has opened.
    #[cfg(all(unix, feature = "activation"))]
    pub(super) fn inherited_tcp(listener: TcpListener) -> io::Result<Bound> {
        let socket = socket2::SockRef::from(&listener);
        must_listen(&socket)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Bound::Tcp(listener))
    }

    /// One more descriptor of it.
    #[cfg(unix)]
    pub(super) fn descriptor(&self) -> io::Result<std::os::fd::OwnedFd> {
        Ok(match self {
            Bound::Tcp(listener) => listener.try_clone()?.into(),
            Bound::Unix(bound) => bound.descriptor()?,
        })
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
    pub(super) fn into_place(self) -> Option<Box<dyn Place>> {
        match self {
            Bound::Tcp(_) => None,
            #[cfg(unix)]
            Bound::Unix(bound) => bound.into_place(),
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

fn named(error: &io::Error, address: &dyn fmt::Debug) -> io::Error {
    io::Error::new(error.kind(), format!("can't listen on {address:?}: {error}"))
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "an address that can't be told: {error}"),
            },
            #[cfg(unix)]
            Bound::Unix(bound) => bound.fmt(f),
        }
    }
}

/// A connection is no listener: `Accept=yes` in a systemd unit passes such.
#[cfg(all(unix, feature = "activation"))]
fn must_listen(socket: &Socket) -> io::Result<()> {
    if socket.is_listener()? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a connection, not a listener",
    ))
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
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use super::super::socket::is;
    use super::{Bound, BoundPath, Place};

    #[derive(Debug)]
    struct Listener {
        listener: UnixListener,
        /// None if it belongs to somebody else.
        place: Option<OwnPlace>,
    }

    impl Bound {
        /// Listens on a Unix socket at `path`, open to whom `mode` says.
        pub(in super::super) fn unix(path: &Path, mode: u32) -> io::Result<Bound> {
            listen(path, mode)
                .map(|listener| Bound::Unix(Box::new(listener)))
                .map_err(|error| io::Error::new(error.kind(), format!("can't listen on {}: {error}", path.display())))
        }

        /// A listener that another process has opened, and will tidy up.
        #[cfg(feature = "activation")]
        pub(in super::super) fn inherited_unix(listener: UnixListener) -> io::Result<Bound> {
            super::must_listen(&socket2::SockRef::from(&listener))?;
            listener.set_nonblocking(true)?;
            Ok(Bound::Unix(Box::new(Listener { listener, place: None })))
        }
    }

    impl BoundPath for Listener {
        fn descriptor(&self) -> io::Result<OwnedFd> {
            Ok(self.listener.try_clone()?.into())
        }

        fn for_loop(&self) -> io::Result<mio::net::UnixListener> {
            Ok(mio::net::UnixListener::from_std(self.listener.try_clone()?))
        }

        fn into_place(self: Box<Self>) -> Option<Box<dyn Place>> {
            Some(Box::new(self.place?))
        }
    }

    impl fmt::Display for Listener {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let address = self.listener.local_addr().ok();
            match address.as_ref().and_then(SocketAddr::as_pathname) {
                Some(path) => path.display().fmt(f),
                None => f.write_str("a Unix socket without a path"),
            }
        }
    }

    #[derive(Debug)]
    struct OwnPlace {
        path: PathBuf,
    }

    impl Place for OwnPlace {
        fn leave(mut self: Box<Self>) {
            self.path.clear();
        }
    }

    impl Drop for OwnPlace {
        fn drop(&mut self) {
            if self.path.as_os_str().is_empty() {
                return;
            }
            // It may be gone, or another server's by now; then there is nothing to tidy up.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn listen(path: &Path, mode: u32) -> io::Result<Listener> {
        remove_what_is_left(path)?;
        let listener = UnixListener::bind(path)?;
        let place = Some(OwnPlace { path: path.to_owned() });
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(Listener { listener, place })
    }

    /// A server that was killed leaves its socket behind, and nobody answers there.
    fn remove_what_is_left(path: &Path) -> io::Result<()> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        let is_left =
            is_socket && UnixStream::connect(path).is_err_and(|error| is(&error, io::ErrorKind::ConnectionRefused));
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
