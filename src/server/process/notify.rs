//! Notifies the service manager, as sd_notify(3) does, for `Type=notify` services.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::report;

/// The variable with the address of the service manager.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";

/// The service serves.
pub(crate) const READY: &str = "READY=1";
/// It is stopping.
pub(crate) const STOPPING: &str = "STOPPING=1";

/// The time that a notification may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Notifies the service manager, if there is one, by its address and a socket.
pub(crate) struct Notifier(Option<(OsString, UnixDatagram)>);

impl Notifier {
    /// Creates the notifier from the environment. Later, with clients connected, there may be no descriptor for its
    /// socket.
    pub(crate) fn of_environment() -> io::Result<Notifier> {
        match env::var_os(SOCKET) {
            Some(address) if !address.is_empty() => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Ok(Notifier(Some((address, socket))))
            }
            _ => Ok(Notifier(None)),
        }
    }

    /// Does what [`tell`](Notifier::tell) does, without waiting: a service manager that cannot be notified now is not.
    pub(crate) fn tell_now(&self, state: &str) {
        if let Some((address, socket)) = &self.0 {
            let _ = socket.set_nonblocking(true);
            let _ = send(socket, address, state);
        }
    }

    pub(crate) fn tell(&self, state: &str) {
        let Some((address, socket)) = &self.0 else { return };
        if let Err(error) = send(socket, address, state) {
            report::warn!(
                "can't send {state} to the service manager at {}: {error}",
                Path::new(address).display()
            );
        }
    }
}

fn send(socket: &UnixDatagram, address: &OsStr, state: &str) -> io::Result<()> {
    let sent = match address.as_bytes() {
        // sd_notify(3): "a leading "@" ... refers to an abstract socket".
        [b'@', name @ ..] => send_to_abstract(socket, name, state),
        _ => socket.send_to(state.as_bytes(), address),
    };
    sent.map(|_| ())
}

#[cfg(target_os = "linux")]
fn send_to_abstract(socket: &UnixDatagram, name: &[u8], state: &str) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(state.as_bytes(), &address)
}

#[cfg(not(target_os = "linux"))]
fn send_to_abstract(_: &UnixDatagram, _: &[u8], _: &str) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 64];
        let n = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..n]).into_owned()
    }

    #[test]
    fn the_manager_hears_at_a_path() {
        let path = env::temp_dir().join(format!("hansel-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        send(&socket, path.as_os_str(), READY).unwrap();
        assert_eq!(received(&manager), "READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(
            send(&socket, path.as_os_str(), READY).is_err(),
            "nobody listens any more"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_manager_hears_at_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("hansel-notify-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        send(&socket, OsStr::new(&format!("@{name}")), STOPPING).unwrap();
        assert_eq!(received(&manager), "STOPPING=1");
    }
}
