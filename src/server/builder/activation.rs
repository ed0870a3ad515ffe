//! Listeners that are already open when the process starts: of a predecessor, or as of sd_listen_fds(3).
//!
//! Making a socket of a bare number is not safe, since nothing says whose it is. The crate `listenfd`
//! does it, and looks whether it is a socket of the right kind.

use std::io;

#[cfg(unix)]
use listenfd::ListenFd;

use super::Server;
use crate::server::net::listen::Bound;
use crate::server::probes;
#[cfg(unix)]
use crate::server::process::passing;

/// Where it stands what each listener is called, with colons between; sd_listen_fds_with_names(3).
#[cfg(unix)]
const NAMES: &str = "LISTEN_FDNAMES";

/// What a listener of the health lane is called.
#[cfg(unix)]
const HEALTH: &str = "health";

/// The first number of a descriptor that is passed on; sd_listen_fds(3).
#[cfg(unix)]
const FIRST: usize = 3;

impl Server {
    /// A server on the listeners that this process was started with; none if there are none.
    ///
    /// A service manager (systemd's `.socket` units), or a server that
    /// [hands over](crate::Handle::hand_over), keeps them open while one process ends and the next
    /// begins: who connects meanwhile waits, and nobody is refused. To be called first in `main`, once:
    /// it changes the environment, so that processes started from here do not take them for theirs. After a hand-over it
    /// puts the predecessor's standard input back in its place, so nothing may have read from there before. The server
    /// then tells its predecessor that it serves, once it does ([`serve`](Server::serve), [`spawn`](Server::spawn)).
    ///
    /// A listener that is called `health` (`FileDescriptorName=health` in a `.socket` unit) is one of the
    /// health lane, as by [`health_on`](Server::health_on); that one may then be called with its address, and
    /// listens on it as it is.
    ///
    /// ```no_run
    /// use hansel::Server;
    ///
    /// fn main() -> std::io::Result<()> {
    ///     let server = match Server::activated()? {
    ///         Some(server) => server,
    ///         None => Server::bind("127.0.0.1:8080")?,
    ///     };
    ///     server.serve(|| "Hello, world!")
    /// }
    /// ```
    ///
    /// # Errors
    /// If something was passed that is not a listening TCP or Unix socket; the error names it.
    pub fn activated() -> io::Result<Option<Server>> {
        let mut server = Server::nowhere();
        let listeners = server.passed_listeners()?;
        if listeners.is_empty() {
            return Ok(None);
        }
        for (listener, is_health) in listeners {
            if is_health {
                server.probes = Some(probes::lane());
                server.health_listeners.push(listener);
            } else {
                server.listeners.push(listener.into());
            }
        }
        if server.listeners.is_empty() {
            let text = "of the listeners that were passed, none is the application's: all are called health";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Some(server))
    }

    /// On SIGHUP, starts this program anew with the same arguments, [hands over](crate::Handle::hand_over)
    /// to it, and ends as at SIGTERM: a new version is put in place and started, and nobody notices. If
    /// the new one does not come up within 30 s, this one serves on. Hang-ups that come meanwhile are part of the same
    /// restart.
    ///
    /// It must take its listeners by [`activated`](Server::activated). The service gets another process
    /// number, so a service manager must not watch that; it restarts by itself, with its own sockets. As process 1 of a
    /// container, it refuses and serves on: its end would be the successor's, too.
    ///
    /// # Errors
    /// If this program's file can't be told.
    pub fn restart_on_hangup(mut self) -> io::Result<Server> {
        // Now, for later another file may be in its place.
        self.successor = Some(std::env::current_exe()?);
        Ok(self)
    }
}

impl Server {
    /// Takes all listeners that were passed to this process, once: by a predecessor, or by a service manager. Beside each
    /// it says whether it is one of the health lane.
    #[cfg(unix)]
    fn passed_listeners(&mut self) -> io::Result<Vec<(Bound, bool)>> {
        if let Some(passed) = passing::receive()? {
            self.predecessor = Some(passed.predecessor);
            return Ok(passed.listeners);
        }
        let names = std::env::var(NAMES).unwrap_or_default();
        let names = names.split(':').chain(std::iter::repeat(""));
        let listeners = listeners()?;
        Ok(listeners.into_iter().zip(names.map(|name| name == HEALTH)).collect())
    }

    /// Elsewhere none are passed.
    #[cfg(not(unix))]
    fn passed_listeners(&mut self) -> io::Result<Vec<(Bound, bool)>> {
        Ok(Vec::new())
    }
}

/// Takes what a service manager has passed.
#[cfg(unix)]
fn listeners() -> io::Result<Vec<Bound>> {
    let mut passed = ListenFd::from_env();
    let listeners = (0..passed.len()).map(|index| {
        listener(&mut passed, index).map_err(|error| {
            let text = format!("can't listen on passed socket {} ({}): {error}", index, FIRST + index);
            io::Error::new(error.kind(), text)
        })
    });
    listeners.collect()
}

#[cfg(unix)]
fn listener(passed: &mut ListenFd, index: usize) -> io::Result<Bound> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
        return Bound::inherited_tcp(listener);
    }
    match passed.take_unix_listener(index)? {
        Some(listener) => Bound::inherited_unix(listener, None),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "it was taken before")),
    }
}
