//! A Unix socket at a path of the file system: at no moment open to more users than its mode allows, and removed only
//! while it is still the one that was bound.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::listen::{BACKLOG, Bound, BoundPath, must_listen};
use super::own_path::{Inode, OwnPath, replaced};
use super::socket::is;
use crate::start_error::cannot;

/// The number of tries to lock a directory that another process has locked, and the pause between them.
const TRIES: usize = 100;
const APART: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct UnixBound {
    /// `None` if somebody else removes it. It comes before the listener, so it is dropped first: as long as the socket
    /// is open its inode is not given to another file.
    path: Option<OwnPath>,
    listener: UnixListener,
}

impl Bound {
    /// Listens on a Unix socket at `path` with the permissions `mode`.
    pub(crate) fn unix(path: &Path, mode: u32) -> io::Result<Bound> {
        listen(path, mode)
            .map(|listener| Bound::Unix(Box::new(listener)))
            .map_err(|error| {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse if Inode::of_socket(path).is_some() => {
                        "another server has it: stop that one, or choose another path"
                    }
                    io::ErrorKind::AddrInUse => "a file that is no socket is there: remove it, or choose another path",
                    io::ErrorKind::NotFound => "its directory does not exist: create it",
                    io::ErrorKind::PermissionDenied => "the user of this process may not write to its directory",
                    _ => "",
                };
                cannot(format_args!("listen on {}", path.display()), &error, advice)
            })
    }

    /// Returns a listener that somebody else has opened, with its path if that came with it.
    pub(crate) fn opened_unix(listener: UnixListener, path: Option<OwnPath>) -> io::Result<Bound> {
        must_listen(&listener)?;
        // A socket of another kind has no such address.
        listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Ok(Bound::Unix(Box::new(UnixBound { path, listener })))
    }
}

impl BoundPath for UnixBound {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.listener.try_clone()?.into())
    }

    fn for_loop(&self) -> io::Result<mio::net::UnixListener> {
        Ok(mio::net::UnixListener::from_std(self.listener.try_clone()?))
    }

    fn leave_path(&mut self) {
        if let Some(path) = &mut self.path {
            path.leave();
        }
    }

    #[cfg(feature = "activation")]
    fn take_path(&mut self) {
        if let Some(path) = &mut self.path {
            path.take();
        }
    }

    #[cfg(feature = "activation")]
    fn own_path(&self) -> Option<&OwnPath> {
        self.path.as_ref().filter(|path| path.is_removed())
    }
}

impl fmt::Display for UnixBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.listener.local_addr().ok();
        match address.as_ref().and_then(SocketAddr::as_pathname) {
            Some(path) => path.display().fmt(f),
            None => f.write_str("a Unix socket without a path"),
        }
    }
}

fn listen(path: &Path, mode: u32) -> io::Result<UnixBound> {
    // Up to the end of this scope no other server takes this socket for an abandoned one, or replaces it.
    let _lock = lock_folder_of(path);
    let socket = bind(path, mode)?;
    let own = OwnPath::of(path)?;
    set_mode_after(path, mode)?;
    // connect(2): until it listens, clients are refused.
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixBound {
        path: Some(own),
        listener: OwnedFd::from(socket).into(),
    })
}

/// Binds a socket at `path` that is open to nobody else, and does not listen yet.
fn bind(path: &Path, mode: u32) -> io::Result<Socket> {
    // Refuses what is not a path: a name that begins with NUL would be outside of the file system.
    SocketAddr::from_pathname(path)?;
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    set_mode_before(&socket, mode)?;
    if let Err(error) = socket.bind(&address) {
        if !is(&error, io::ErrorKind::AddrInUse) || !is_left(path, &address) {
            return Err(error);
        }
        // A killed server leaves its socket behind, on which nobody listens.
        fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    Ok(socket)
}

/// Locks the directory against other servers that are about to bind there. If that fails, because the directory cannot
/// be read or stays locked, the server starts all the same. Then only two servers that start at once, where a dead one
/// has left its socket, could disturb each other.
fn lock_folder_of(path: &Path) -> Option<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).ok()?;
    for _ in 0..TRIES {
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) => thread::sleep(APART),
            Err(_) => return None,
        }
    }
    None
}

/// Returns true if there is a socket that nobody listens on.
fn is_left(path: &Path, address: &SockAddr) -> bool {
    let is_refused = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A live server with a full queue is not waited for.
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    Inode::of_socket(path).is_some() && is_refused().is_err_and(|error| is(&error, io::ErrorKind::ConnectionRefused))
}

/// unix(7) of Linux: the file is created with the mode of the socket, less the umask: never with more permissions.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_mode_before(socket: &Socket, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(socket, rustix::fs::Mode::from_raw_mode(mode))?)
}

/// On other systems a socket has no mode before it has a path. It does not listen before it has the right one.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_mode_before(_: &Socket, _: u32) -> io::Result<()> {
    Ok(())
}

/// Adds the permissions that the umask has removed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_mode_after(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;
    // Through a descriptor: through the path, a link put in its place would change the file that it leads to.
    let file = File::from(openat(
        CWD,
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?);
    let metadata = file.metadata()?;
    if !metadata.file_type().is_socket() {
        return Err(replaced());
    }
    if metadata.mode() & 0o7777 == mode {
        return Ok(());
    }
    let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(by_number, fs::Permissions::from_mode(mode))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_mode_after(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Mode, RawMode, chmodat};
    let mode = Mode::from_raw_mode(mode as RawMode);
    Ok(chmodat(CWD, path, mode, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::sync::Barrier;

    /// Returns a path that no other test has.
    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hansel-path-{name}-{}", std::process::id()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_path_is_taken_over_from_the_dead_and_not_from_the_living() {
        let path = path("dead");
        let first = Bound::unix(&path, 0o600).unwrap();
        assert_eq!(Bound::unix(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // As a killed server leaves it: bound, and nobody listens.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Bound::unix(&path, 0o660).unwrap());
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(Bound::unix(&path, 0o600).is_err(), "a file is never removed");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_living_server_whose_queue_is_full_is_not_waited_for_and_not_replaced() {
        let path = path("full");
        let living = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(&path).unwrap();
        living.bind(&address).unwrap();
        living.listen(0).unwrap();
        let _waits = UnixStream::connect(&path).unwrap();
        assert_eq!(Bound::unix(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn of_servers_that_find_a_dead_one_at_once_one_takes_its_path_and_is_reached() {
        let path = path("race");
        for _ in 0..200 {
            drop(UnixListener::bind(&path).unwrap());
            let all = Barrier::new(4);
            let start = || {
                all.wait();
                Bound::unix(&path, 0o600)
            };
            let bound: Vec<_> = thread::scope(|scope| {
                let starting: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starting.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1, "{bound:?}");
            UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn a_path_has_the_mode_that_was_asked_for_whatever_the_umask() {
        let path = path("mode");
        for asked in [0o600, 0o660, 0o666, 0o777, 0o400] {
            let _bound = Bound::unix(&path, asked).unwrap();
            assert_eq!(mode(&path), asked);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_is_created_with_its_mode_and_not_open_to_more_before() {
        let path = path("before");
        let _socket = bind(&path, 0o600).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(UnixStream::connect(&path).is_err(), "nor does it listen yet");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_a_socket_opens_nothing() {
        let (path, target) = (path("link"), path("target"));
        fs::write(&target, "secret").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(set_mode_after(&path, 0o666).is_err());
        assert_eq!(mode(&target), 0o600);
        fs::remove_file(&target).unwrap();
        let _anothers = Bound::unix(&target, 0o600).unwrap();
        assert!(set_mode_after(&path, 0o666).is_err());
        assert_eq!(mode(&target), 0o600);
        assert!(Bound::unix(&path, 0o666).is_err());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_another_has_put_in_its_place_stays() {
        let path = path("another");
        let first = Bound::unix(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let first = Bound::unix(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        drop(first);
        assert_eq!(fs::read(&path).unwrap(), b"a file");
        fs::remove_file(&path).unwrap();
        // Another name for the same path is a different file.
        let first = Bound::unix(&path, 0o600).unwrap();
        let moved = path.with_extension("moved");
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        drop(first);
        assert!(fs::symlink_metadata(&path).is_ok());
        fs::remove_file(&path).unwrap();
        fs::remove_file(&moved).unwrap();
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "\0hansel", "a\0b"] {
            assert!(Bound::unix(Path::new(text), 0o600).is_err(), "{text:?}");
        }
        assert!(
            bind(Path::new("\0hansel"), 0o600).is_err(),
            "nor is it bound for a moment"
        );
    }
}
