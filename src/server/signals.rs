//! Ctrl-C and SIGTERM.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Handle;

/// The status of a process that a second signal has ended, by the shell's custom: 128 and the signal.
const SIGNALLED: i32 = 128;

/// Listens for signals until it is dropped.
pub(super) struct Listening {
    #[cfg(unix)]
    handle: signal_hook::iterator::Handle,
}

#[cfg(unix)]
impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Drains the server at the first signal, and ends the process at the second.
#[cfg(unix)]
pub(super) fn drain_on_signal(handle: &Handle, grace: Duration, is_quiet: bool) -> io::Result<Listening> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listening = Listening {
        handle: signals.handle(),
    };
    let shared = Arc::clone(&handle.shared);
    thread::Builder::new().name("hansel-signals".into()).spawn(move || {
        let mut received = signals.forever();
        if received.next().is_some() {
            if !is_quiet {
                if !shared.drain_delay.is_zero() {
                    eprintln!(
                        "hansel: not ready any more, and serving on for {:?}",
                        shared.drain_delay
                    );
                }
                eprintln!(
                    "hansel: finishing what is in flight, for {grace:?} at most; a second signal ends it at once"
                );
            }
            shared.drain(grace);
        }
        if let Some(signal) = received.next() {
            std::process::exit(SIGNALLED + signal);
        }
    })?;
    Ok(listening)
}

/// Without Unix signals, the system's own handling of Ctrl-C ends the process.
#[cfg(not(unix))]
pub(super) fn drain_on_signal(_: &Handle, _: Duration, _: bool) -> io::Result<Listening> {
    Ok(Listening {})
}
