//! Ctrl-C and SIGTERM, and SIGHUP where it is asked for.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::server::shared::Shared;

#[cfg(unix)]
pub(crate) use unix::Signals;

/// Without Unix signals, the system's own handling of Ctrl-C ends the process.
#[cfg(not(unix))]
pub(crate) struct Signals;

/// There is nothing to listen for.
#[cfg(not(unix))]
pub(crate) struct Listening;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen(_: bool) -> io::Result<(Signals, Listening)> {
        Ok((Signals, Listening))
    }

    pub(crate) fn drain_at_first(self, _: Arc<Shared>, _: Duration, _: bool, _: Option<PathBuf>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
impl Listening {
    pub(crate) fn await_told(&self) {}
}

#[cfg(unix)]
mod unix {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use signal_hook::SigId;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    use super::super::notify::{Notifier, STOPPING};
    #[cfg(feature = "activation")]
    use super::super::successor;
    use super::*;
    use crate::lock::lock;
    use crate::seconds::Seconds;
    use crate::server::net::socket::is;
    use crate::{report, threads};

    /// The status of a process that a second signal has ended, by the shell's convention: 128 plus the signal.
    const SIGNALLED: i32 = 128;

    /// For how long the first signal may be repeated. timeout(1) sends it to the process, and then to its group; a
    /// terminal sends Ctrl-C to all programs, some of which pass it on.
    const AGAIN: Duration = Duration::from_secs(1);

    /// The time that a successor may take until it serves.
    #[cfg(feature = "activation")]
    const PATIENCE: Duration = Duration::from_secs(30);

    /// The signals that are listened for.
    pub(crate) struct Signals {
        /// Each signal, and whether it has come.
        flags: Vec<(i32, Arc<AtomicBool>)>,
        /// The registered actions, to be unregistered in the end.
        actions: Vec<SigId>,
        /// Becomes readable when a signal has come, or listening has ended.
        bell: UnixStream,
        is_over: Arc<AtomicBool>,
        /// Locked until the message about the drain is out.
        telling: Arc<Mutex<()>>,
        /// Notifies the service manager of what signals mean.
        pub(crate) notifier: Arc<Notifier>,
    }

    /// Listens for signals until it is dropped.
    pub(crate) struct Listening {
        is_over: Arc<AtomicBool>,
        telling: Arc<Mutex<()>>,
        ring: UnixStream,
    }

    impl Listening {
        /// Waits until the message about the drain is out, if a signal drains the server. Only this caller waits, and
        /// only briefly.
        pub(crate) fn await_told(&self) {
            drop(self.telling.lock());
        }
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            self.is_over.store(true, Ordering::SeqCst);
            // If this fails, nobody listens any more.
            let _ = self.ring.write(b"X");
        }
    }

    impl Signals {
        /// Begins to listen, also for SIGHUP if that means something, until the second value is dropped.
        pub(crate) fn listen(to_hangup: bool) -> io::Result<(Signals, Listening)> {
            let (bell, ring) = UnixStream::pair()?;
            // If it is full, there is enough to be read.
            ring.set_nonblocking(true)?;
            let mut signals = Signals {
                flags: Vec::new(),
                actions: Vec::new(),
                bell,
                is_over: Arc::default(),
                telling: Arc::default(),
                notifier: Arc::new(Notifier::of_environment()?),
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
                telling: Arc::clone(&signals.telling),
                ring,
            };
            Ok((signals, listening))
        }

        /// Drains the server at the first signal, and ends the process at the second. With a `successor`, SIGHUP starts
        /// that before.
        ///
        /// Nothing that may wait comes between a signal and its effect: neither the standard error nor a logger.
        pub(crate) fn drain_at_first(
            mut self,
            shared: Arc<Shared>,
            grace: Duration,
            is_quiet: bool,
            successor: Option<PathBuf>,
        ) -> io::Result<()> {
            let listen = move || {
                if await_end(&mut self, &shared, successor) {
                    let first = Instant::now();
                    let telling = Arc::clone(&self.telling);
                    let telling = lock(&telling);
                    shared.drain(grace);
                    self.notifier.tell_now(STOPPING);
                    if !is_quiet {
                        report::print(farewell(shared.delay(), grace));
                    }
                    drop(telling);
                    self.end_at_second(first);
                }
            };
            threads::start("hansel-signals".into(), Box::new(listen))?;
            Ok(())
        }

        /// Ends the process at a signal that does not repeat the `first`.
        fn end_at_second(&mut self, first: Instant) {
            while let Some(signal) = self.wait() {
                if signal != SIGHUP && first.elapsed() >= AGAIN {
                    std::process::exit(SIGNALLED + signal);
                }
            }
        }
    }

    /// Returns the text that is printed when the server has begun to drain.
    fn farewell(delay: Duration, grace: Duration) -> String {
        let mut text = String::new();
        if !delay.is_zero() {
            text = format!(
                "hansel: reporting not ready, and still accepting for {}\n",
                Seconds(delay)
            );
        }
        text + &format!(
            "hansel: draining: finishing the requests in flight within {}; a second signal ends the process at once\n",
            Seconds(grace)
        )
    }

    /// Logs on a separate thread, because the program's logger may wait, and the next signal must not.
    #[cfg(feature = "activation")]
    fn log_meanwhile(log: impl FnOnce() + Send + 'static) {
        // Without a thread it is not logged.
        let _ = threads::start("hansel-tell".into(), Box::new(log));
    }

    /// Returns an error if the process with this number must not end when another takes its place.
    #[cfg(feature = "activation")]
    fn may_be_replaced(process: u32) -> io::Result<()> {
        // pid_namespaces(7): "If the "init" process of a PID namespace terminates, the kernel terminates all of the
        // processes in the namespace via a SIGKILL signal", including the successor.
        if process == 1 {
            let text = "the successor would end with this process, which is process 1 of a container; restart the container instead";
            return Err(io::Error::new(ErrorKind::Unsupported, text));
        }
        Ok(())
    }

    /// Waits until a signal ends the server. Returns true if one does: the server may end by itself.
    #[cfg_attr(not(feature = "activation"), expect(unused_variables))]
    fn await_end(signals: &mut Signals, shared: &Shared, successor: Option<PathBuf>) -> bool {
        while let Some(signal) = signals.wait() {
            if signal != SIGHUP {
                return true;
            }
            #[cfg(feature = "activation")]
            if let Some(program) = &successor {
                let mut command = std::process::Command::new(program);
                command.args(std::env::args_os().skip(1));
                let mut is_ending = false;
                let handed_over = may_be_replaced(std::process::id()).and_then(|()| {
                    successor::hand_over(shared, command, PATIENCE, || {
                        while let Some(signal) = signals.pending() {
                            is_ending |= signal != SIGHUP;
                        }
                        is_ending
                    })
                });
                match handed_over {
                    Ok(child) => log_meanwhile(move || report::info!("handed over to process {}", child.id())),
                    Err(_) if is_ending => {}
                    Err(error) => {
                        let program = program.clone();
                        log_meanwhile(move || {
                            report::error!(
                                "can't hand over to {}: {error}; this process keeps serving",
                                program.display()
                            );
                        });
                        continue;
                    }
                }
                return true;
            }
        }
        false
    }

    impl Signals {
        /// Listens for one more signal, which writes to `ring`.
        fn add(&mut self, signal: i32, ring: &UnixStream) -> io::Result<()> {
            let flag = Arc::new(AtomicBool::new(false));
            // They run in this order: whoever reads the bell finds the flag set.
            self.actions.push(flag::register(signal, Arc::clone(&flag))?);
            self.actions.push(low_level::pipe::register(signal, ring.try_clone()?)?);
            self.flags.push((signal, flag));
            Ok(())
        }

        /// Waits for a signal; `None` once listening has ended.
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
                        report::error!("can't wait for signals: {error}; signals no longer drain the server");
                        return None;
                    }
                }
            }
        }

        /// Returns a signal that has already come. However often it has, it is returned once.
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

    #[cfg(all(test, feature = "activation"))]
    mod tests {
        use super::*;

        #[test]
        fn a_farewell_tells_of_the_delay_if_there_is_one_and_of_the_grace() {
            let second = Duration::from_secs(1);
            let (with, without) = (farewell(5 * second, 30 * second), farewell(Duration::ZERO, 30 * second));
            assert!(with.ends_with(&without) && without.contains("30s"), "{with}");
            assert!(with.contains("5s") && without.lines().count() == 1, "{with}");
        }

        #[test]
        fn the_first_process_of_a_container_is_never_replaced() {
            let error = may_be_replaced(1).unwrap_err();
            assert!(error.to_string().contains("container"), "{error}");
            assert!(may_be_replaced(2).is_ok());
        }
    }
}
