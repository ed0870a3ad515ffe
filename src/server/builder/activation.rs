//! Listeners that are already open when the process starts: from a predecessor, or by sd_listen_fds(3).
//!
//! Creating a socket from a bare number is not safe, because nothing says who owns it. The crate `listenfd` does it,
//! and checks that it is a socket of the right kind.

use std::io;

#[cfg(unix)]
use listenfd::ListenFd;

use super::Server;
use crate::server::net::listen::Bound;
use crate::server::probes;
#[cfg(unix)]
use crate::server::process::passing;
use crate::start_error::{cannot, start_error};

/// The variable with the names of the listeners, separated by colons; sd_listen_fds_with_names(3).
#[cfg(unix)]
const NAMES: &str = "LISTEN_FDNAMES";

/// The name of a listener of the health lane.
#[cfg(unix)]
const HEALTH: &str = "health";

/// The number of the first descriptor that is passed; sd_listen_fds(3).
#[cfg(unix)]
const FIRST: usize = 3;

impl Server {
    /// Creates a server on the listeners that this process was started with. Returns `None` if there are none.
    ///
    /// A service manager (systemd's `.socket` units), or a server that [hands over](crate::Handle::hand_over), keeps
    /// them open while one process ends and the next begins: clients that connect meanwhile wait, and none is refused.
    /// Call it first in `main`, once: it changes the environment, so that processes started from here do not use the
    /// listeners. After a hand-over it restores the predecessor's standard input, so nothing may have read from there
    /// before. The server then tells its predecessor when it serves ([`serve`](Server::serve),
    /// [`spawn`](Server::spawn)).
    ///
    /// A listener named `health` (`FileDescriptorName=health` in a `.socket` unit) belongs to the health lane, as by
    /// [`health_on`](Server::health_on). `health_on` may still be called with its address, and then uses that listener.
    ///
    /// Requires the feature `activation`.
    ///
    /// ```no_run
    /// use hansel::Server;
    ///
    /// fn main() -> hansel::Result {
    ///     let server = match Server::activated()? {
    ///         Some(server) => server,
    ///         None => Server::bind("127.0.0.1:8080")?,
    ///     };
    ///     server.serve(|| "Hello, world!")?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns an error if something was passed that is not a listening TCP or Unix socket; the error names it.
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
            let text = "all listeners that were passed are named `health`, so the application has none; pass one with another name";
            return Err(start_error(io::ErrorKind::InvalidInput, text));
        }
        Ok(Some(server))
    }

    /// Restarts the program on SIGHUP: starts it again with the same arguments, [hands over](crate::Handle::hand_over)
    /// to it, and ends as at SIGTERM. So a new version can be installed and started, and no client notices. If the new
    /// process does not serve within 30 s, this one keeps serving. Further hang-ups in the meantime belong to the same
    /// restart.
    ///
    /// The program must take its listeners by [`activated`](Server::activated). The service gets another process id, so
    /// a service manager must not watch that; a service manager restarts the service by itself, with its own sockets.
    /// As process 1 of a container, the server refuses the restart and keeps serving: its end would be the end of the
    /// successor, too.
    ///
    /// Requires the feature `activation`.
    ///
    /// # Errors
    /// Returns an error if the path of this program is unknown.
    pub fn restart_on_hangup(mut self) -> io::Result<Server> {
        // Now, because another file may replace it later.
        let path = std::env::current_exe();
        self.successor =
            Some(path.map_err(|error| cannot("find the path of this program, which SIGHUP starts again", &error, ""))?);
        Ok(self)
    }
}

impl Server {
    /// Takes all listeners that were passed to this process, once, from a predecessor or a service manager. The flag of
    /// each says whether it belongs to the health lane.
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

    /// On other systems none are passed.
    #[cfg(not(unix))]
    fn passed_listeners(&mut self) -> io::Result<Vec<(Bound, bool)>> {
        Ok(Vec::new())
    }
}

/// Takes the listeners of a service manager.
#[cfg(unix)]
fn listeners() -> io::Result<Vec<Bound>> {
    let mut passed = ListenFd::from_env();
    let listeners = (0..passed.len()).map(|index| {
        listener(&mut passed, index).map_err(|error| {
            let what = format!("listen on passed socket {index} (descriptor {})", FIRST + index);
            cannot(what, &error, "")
        })
    });
    listeners.collect()
}

#[cfg(unix)]
fn listener(passed: &mut ListenFd, index: usize) -> io::Result<Bound> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
        return Bound::opened_tcp(listener);
    }
    match passed.take_unix_listener(index)? {
        Some(listener) => Bound::opened_unix(listener, None),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "it was already taken: call `Server::activated` only once",
        )),
    }
}
