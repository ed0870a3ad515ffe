//! Ctrl-C and SIGTERM, and SIGHUP where it is asked for.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Handle;

#[cfg(unix)]
pub(super) use unix::Signals;

/// Without Unix signals, the system's own handling of Ctrl-C ends the process.
#[cfg(not(unix))]
pub(super) struct Signals;

/// What there is to listen to.
#[cfg(not(unix))]
pub(super) struct Listening;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen(_: bool) -> io::Result<(Signals, Listening)> {
        Ok((Signals, Listening))
    }

    pub(super) fn drain_at_first(self, _: &Handle, _: Duration, _: bool, _: Option<PathBuf>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::SigId;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    use super::super::notify::{Notifier, STOPPING};
    use super::super::seconds::Seconds;
    use super::super::shared::{Shared, spawn};
    use super::super::socket::is;
    use super::*;

    /// The status of a process that a second signal has ended, by the shell's custom: 128 and the signal.
    const SIGNALLED: i32 = 128;

    /// How long a successor may take until it serves.
    #[cfg(feature = "activation")]
    const PATIENCE: Duration = Duration::from_secs(30);

    /// The signals that are listened for.
    pub(in super::super) struct Signals {
        /// Each, and whether it has come.
        flags: Vec<(i32, Arc<AtomicBool>)>,
        /// What is done when they come, until it is taken back.
        actions: Vec<SigId>,
        /// Something to read: one has come, or it is over.
        bell: UnixStream,
        is_over: Arc<AtomicBool>,
        /// Who is told what they mean.
        pub(in super::super) notifier: Notifier,
    }

    /// Listens for signals until it is dropped.
    pub(in super::super) struct Listening {
        is_over: Arc<AtomicBool>,
        ring: UnixStream,
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            self.is_over.store(true, Ordering::SeqCst);
            // Where this fails nobody listens any more.
            let _ = self.ring.write(b"X");
        }
    }

    impl Signals {
        /// Begins to listen, to a hang-up as well where that means something, until what is returned beside is dropped.
        pub(in super::super) fn listen(to_hangup: bool) -> io::Result<(Signals, Listening)> {
            let (bell, ring) = UnixStream::pair()?;
            // Where it is full, there is enough to be heard.
            ring.set_nonblocking(true)?;
            let mut signals = Signals {
                flags: Vec::new(),
                actions: Vec::new(),
                bell,
                is_over: Arc::default(),
                notifier: Notifier::of_environment()?,
            };
            let wanted: &[i32] = if to_hangup {
                &[SIGINT, SIGTERM, SIGHUP]
            } else {
                &[SIGINT, SIGTERM]
            };
            for signal in wanted {
                signals.add(*signal, &ring)?;
            }
            let listening = Listening {
                is_over: Arc::clone(&signals.is_over),
                ring,
            };
            Ok((signals, listening))
        }

        /// Drains the server at the first signal, and ends the process at the second. With a `successor`, a
        /// hang-up starts that before.
        pub(in super::super) fn drain_at_first(
            mut self,
            handle: &Handle,
            grace: Duration,
            is_quiet: bool,
            successor: Option<PathBuf>,
        ) -> io::Result<()> {
            let shared = Arc::clone(&handle.shared);
            let listen = move || {
                if await_end(&mut self, &shared, successor) {
                    if !is_quiet {
                        let delay = shared.delay();
                        if !delay.is_zero() {
                            eprintln!("hansel: not ready any more, and serving on for {}", Seconds(delay));
                        }
                        eprintln!(
                            "hansel: finishing what is in flight, for {} at most; a second signal ends it at once",
                            Seconds(grace)
                        );
                    }
                    self.notifier.tell(STOPPING);
                    shared.drain(grace);
                }
                while let Some(signal) = self.wait() {
                    if signal != SIGHUP {
                        std::process::exit(SIGNALLED + signal);
                    }
                }
            };
            spawn("hansel-signals".into(), Box::new(listen))
        }
    }

    /// Waits until a signal ends the server. Says whether one does: the server may end by itself.
    #[cfg_attr(not(feature = "activation"), expect(unused_variables))]
    fn await_end(signals: &mut Signals, shared: &Shared, successor: Option<PathBuf>) -> bool {
        while let Some(signal) = signals.wait() {
            if signal != SIGHUP {
                return true;
            }
            #[cfg(feature = "activation")]
            if let Some(program) = &successor {
                let mut successor = std::process::Command::new(program);
                successor.args(std::env::args_os().skip(1));
                let mut is_ending = false;
                let handed_over = shared.hand_over(successor, PATIENCE, || {
                    while let Some(signal) = signals.pending() {
                        is_ending |= signal != SIGHUP;
                    }
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

    impl Signals {
        /// Listens for one more, which is to `ring`.
        fn add(&mut self, signal: i32, ring: &UnixStream) -> io::Result<()> {
            let flag = Arc::new(AtomicBool::new(false));
            // They are done in this order: whoever hears the bell finds the flag up.
            self.actions.push(flag::register(signal, Arc::clone(&flag))?);
            self.actions.push(low_level::pipe::register(signal, ring.try_clone()?)?);
            self.flags.push((signal, flag));
            Ok(())
        }

        /// Waits for a signal; None once it is over.
        fn wait(&mut self) -> Option<i32> {
            loop {
                if self.is_over.load(Ordering::SeqCst) {
                    return None;
                }
                if let Some(signal) = self.pending() {
                    return Some(signal);
                }
                match self.bell.read(&mut [0; 16]) {
                    Ok(_) => {}
                    Err(error) if is(&error, ErrorKind::Interrupted) => {}
                    Err(error) => {
                        log::error!("can't wait for signals any more: {error}");
                        return None;
                    }
                }
            }
        }

        /// A signal that has come already. However often it has, it is told once.
        fn pending(&mut self) -> Option<i32> {
            let (signal, _) = self.flags.iter().find(|(_, flag)| flag.swap(false, Ordering::SeqCst))?;
            Some(*signal)
        }
    }

    impl Drop for Signals {
        fn drop(&mut self) {
            for action in &self.actions {
                low_level::unregister(*action);
            }
        }
    }
}
