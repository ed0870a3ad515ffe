//! Ctrl-C and SIGTERM, and SIGHUP where it is asked for.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Handle;

#[cfg(unix)]
pub(super) use unix::drain_on_signal;

/// Without Unix signals, the system's own handling of Ctrl-C ends the process.
#[cfg(not(unix))]
pub(super) fn drain_on_signal(_: &Handle, _: Duration, _: bool, _: Option<PathBuf>) -> io::Result<Listening> {
    Ok(Listening)
}

/// What there is to listen to.
#[cfg(not(unix))]
pub(super) struct Listening;

#[cfg(unix)]
mod unix {
    use std::sync::Arc;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    use super::super::notify;
    use super::super::shared::{Shared, spawn};
    use super::*;

    /// The status of a process that a second signal has ended, by the shell's custom: 128 and the signal.
    const SIGNALLED: i32 = 128;

    /// How long a successor may take until it serves.
    #[cfg(feature = "activation")]
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Listens for signals until it is dropped.
    pub(in super::super) struct Listening {
        handle: signal_hook::iterator::Handle,
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            self.handle.close();
        }
    }

    /// Drains the server at the first signal, and ends the process at the second. With a `successor`, a
    /// hang-up starts that before.
    pub(in super::super) fn drain_on_signal(
        handle: &Handle,
        grace: Duration,
        is_quiet: bool,
        successor: Option<PathBuf>,
    ) -> io::Result<Listening> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        if successor.is_some() {
            signals.add_signal(SIGHUP)?;
        }
        let listening = Listening {
            handle: signals.handle(),
        };
        let shared = Arc::clone(&handle.shared);
        let listen = move || {
            if await_end(&mut signals, &shared, successor) {
                if !is_quiet {
                    let delay = shared.delay();
                    if !delay.is_zero() {
                        eprintln!("hansel: not ready any more, and serving on for {delay:?}");
                    }
                    eprintln!(
                        "hansel: finishing what is in flight, for {grace:?} at most; a second signal ends it at once"
                    );
                }
                notify::tell(notify::STOPPING);
                shared.drain(grace);
            }
            if let Some(signal) = signals.forever().find(|signal| *signal != SIGHUP) {
                std::process::exit(SIGNALLED + signal);
            }
        };
        spawn("hansel-signals".into(), Box::new(listen))?;
        Ok(listening)
    }

    /// Waits until a signal ends the server. Says whether one does: the server may end by itself.
    #[cfg_attr(not(feature = "activation"), expect(unused_variables))]
    fn await_end(signals: &mut Signals, shared: &Shared, successor: Option<PathBuf>) -> bool {
        while let Some(signal) = signals.forever().next() {
            if signal != SIGHUP {
                return true;
            }
            #[cfg(feature = "activation")]
            if let Some(program) = &successor {
                let mut successor = std::process::Command::new(program);
                successor.args(std::env::args_os().skip(1));
                let mut is_ending = false;
                let handed_over = shared.hand_over(successor, PATIENCE, || {
                    is_ending |= signals.pending().any(|signal| signal != SIGHUP);
                    is_ending
                });
                match handed_over {
                    Ok(child) => log::info!("handed over to process {}", child.id()),
                    Err(_) if is_ending => {}
                    Err(error) => {
                        log::error!("can't hand over to {}, serving on: {error}", program.display());
                        continue;
                    }
                }
                return true;
            }
        }
        false
    }
}
