//! File descriptors: for how many connections the process has enough, and a few in reserve.

use std::fmt;

#[cfg(unix)]
pub(crate) use unix::Reserve;

/// On other systems nothing is reserved.
#[cfg(not(unix))]
pub(crate) struct Reserve;

/// The number in reserve. When all others are used up, this many probes of the health lane have a place, and clients
/// get 503, one after the other.
#[cfg(unix)]
const RESERVE: usize = 8;

/// Everything else that a server opens before the first client connects: for signals, the service manager and the access log.
#[cfg(unix)]
const OTHERS: usize = 8;

/// One in this many of the available descriptors is left to the program: for files that are sent, and for what handlers
/// open. If that is not enough, the reserve lets the server still respond.
const LEFT: u64 = 8;

/// Even of a few descriptors this many are left, as far as that is not more than half.
const LEAST_LEFT: u64 = 8;

/// The most connections beyond those that are served that may be getting a 503, if there are descriptors.
const TURNED_AWAY: usize = 256;

/// The permitted number of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    /// Connections that are served.
    pub(crate) connections: usize,
    /// Connections beyond them that may be getting a 503.
    pub(crate) turned_away: usize,
}

/// A limit of connections that was lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lowered {
    asked: usize,
    given: usize,
    /// The number of descriptors that the process may have.
    limit: u64,
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "only {} of {} connections: the process may have only {} descriptors; raise LimitNOFILE= of its service, or ulimit -n",
            self.given, self.asked, self.limit
        )
    }
}

/// Returns for how many connections `limit` descriptors are enough, if `asked` connections are wanted and `taken`
/// descriptors are used by others.
fn allowance(asked: usize, taken: u64, limit: u64) -> Allowance {
    let free = limit.saturating_sub(taken);
    let left = (free / LEFT).max(LEAST_LEFT.min(free / 2));
    let connections = asked.min(usize::try_from(free - left).unwrap_or(usize::MAX).max(1));
    let beyond = free.saturating_sub(connections as u64) / 2;
    Allowance {
        connections,
        turned_away: usize::try_from(beyond).unwrap_or(usize::MAX).clamp(1, TURNED_AWAY),
    }
}

/// Returns how many descriptors are enough for all wanted connections.
#[cfg(any(unix, test))]
fn wanted(asked: usize, taken: u64) -> u64 {
    let asked = asked as u64;
    let left = (asked / (LEFT - 1)).saturating_add(1).max(2 * TURNED_AWAY as u64);
    asked.saturating_add(left).saturating_add(taken)
}

/// Fits the limit of connections to the descriptors that the process may have, after raising their limit as far as
/// needed and allowed. Also returns by how much connections had to be lowered.
#[cfg(unix)]
pub(crate) fn fit(asked: usize, loops: usize, listeners: usize) -> (Allowance, Option<Lowered>) {
    // A loop has one descriptor for its poll, one for its waker, and the listeners.
    let own = loops.saturating_mul(2 + listeners) + RESERVE + 1 + OTHERS;
    let taken = (unix::open() + own) as u64;
    let limit = unix::raise(wanted(asked, taken));
    let allowance = allowance(asked, taken, limit);
    let lowered = (allowance.connections < asked).then_some(Lowered {
        asked,
        given: allowance.connections,
        limit,
    });
    (allowance, lowered)
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(crate) fn fit(asked: usize, _: usize, _: usize) -> (Allowance, Option<Lowered>) {
    (allowance(asked, 0, u64::MAX), None)
}

#[cfg(not(unix))]
impl Reserve {
    pub(crate) fn new() -> Reserve {
        Reserve
    }

    #[cfg(test)]
    pub(crate) fn none() -> Reserve {
        Reserve
    }

    pub(crate) fn gives_up_one(&self, _: &std::io::Error) -> bool {
        false
    }

    pub(crate) fn is_short(&self) -> bool {
        false
    }

    pub(crate) fn refill(&self) -> bool {
        true
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, MutexGuard};

    use rustix::io::Errno;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::RESERVE;
    use crate::lock::lock;
    use crate::report;

    /// The number of descriptors assumed to be open if the system does not say.
    const UNKNOWN: usize = 64;

    /// Returns how many descriptors the process has open.
    pub(crate) fn open() -> usize {
        fs::read_dir("/dev/fd").map_or(UNKNOWN, |entries| entries.count())
    }

    /// Raises the process's limit to the wanted number of descriptors, if allowed. Returns the limit.
    pub(crate) fn raise(wanted: u64) -> u64 {
        let before = getrlimit(Resource::Nofile);
        let allowed = before.current.unwrap_or(u64::MAX);
        let within_reach = wanted.min(before.maximum.unwrap_or(u64::MAX));
        if within_reach <= allowed {
            return allowed;
        }
        let raised = Rlimit {
            current: Some(within_reach),
            ..before
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => {
                report::info!(
                    "raised the limit of descriptors (RLIMIT_NOFILE) from {allowed} to {within_reach}, for connections"
                );
                within_reach
            }
            Err(error) => {
                report::debug!("can't raise the limit of descriptors (RLIMIT_NOFILE) to {within_reach}: {error}");
                allowed
            }
        }
    }

    /// Descriptors without a purpose, to be closed when the process has no others.
    pub(crate) struct Reserve {
        /// The file of which they are copies. It is never closed.
        source: Option<File>,
        spare: Mutex<Vec<File>>,
        /// True if some are closed.
        is_short: AtomicBool,
    }

    impl Reserve {
        pub(crate) fn new() -> Reserve {
            let reserve = Reserve::of(File::open("/dev/null").ok());
            reserve.refill_now();
            reserve
        }

        /// Returns an empty reserve that stays empty.
        #[cfg(test)]
        pub(crate) fn none() -> Reserve {
            Reserve::of(None)
        }

        fn of(source: Option<File>) -> Reserve {
            Reserve {
                source,
                spare: Mutex::new(Vec::with_capacity(RESERVE)),
                is_short: AtomicBool::new(false),
            }
        }

        /// Closes one if this error says that there are no others. Returns true if it did.
        pub(crate) fn gives_up_one(&self, error: &io::Error) -> bool {
            let are_none = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
            if !error.raw_os_error().is_some_and(|number| are_none.contains(&number)) {
                return false;
            }
            let is_given_up = self.spare().pop().is_some();
            if is_given_up {
                self.is_short.store(true, Ordering::Relaxed);
            }
            is_given_up
        }

        /// Returns true if some are closed.
        pub(crate) fn is_short(&self) -> bool {
            self.is_short.load(Ordering::Relaxed)
        }

        /// Refills the reserve, as far as there are descriptors again. Returns true if it is full.
        pub(crate) fn refill(&self) -> bool {
            // The usual case, without a lock.
            !self.is_short() || self.refill_now()
        }

        #[cold]
        fn refill_now(&self) -> bool {
            let Some(source) = &self.source else { return false };
            let mut spare = self.spare();
            while spare.len() < RESERVE {
                match source.try_clone() {
                    Ok(copy) => spare.push(copy),
                    Err(_) => return false,
                }
            }
            self.is_short.store(false, Ordering::Relaxed);
            true
        }

        fn spare(&self) -> MutexGuard<'_, Vec<File>> {
            lock(&self.spare)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_reserve_is_given_up_for_want_of_descriptors_only_and_taken_back() {
            let reserve = Reserve::new();
            assert!(!reserve.is_short());
            assert!(!reserve.gives_up_one(&io::ErrorKind::WouldBlock.into()));
            assert!(!reserve.gives_up_one(&Errno::NOMEM.into()));
            assert!(!reserve.is_short());
            for error in [Errno::MFILE, Errno::NFILE].into_iter().cycle().take(RESERVE) {
                assert!(reserve.gives_up_one(&error.into()));
                assert!(reserve.is_short());
            }
            assert!(!reserve.gives_up_one(&Errno::MFILE.into()), "it has no more");
            assert!(reserve.refill());
            assert!(!reserve.is_short());
            assert_eq!(reserve.spare().len(), RESERVE);
        }

        #[test]
        fn a_limit_is_never_lowered() {
            let allowed = raise(1);
            assert_eq!(raise(0), allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_enough_and_one_less_is_not() {
        for asked in [0, 1, 3, 100, 1000, 4000, 16 * 1024, 1_000_000] {
            for taken in [0, 7, 1000] {
                let enough = allowance(asked, taken, wanted(asked, taken));
                assert_eq!(enough.connections, asked, "{asked} with {taken} taken");
                assert_eq!(enough.turned_away, TURNED_AWAY, "{asked} with {taken} taken");
                let fewer = allowance(asked, taken, wanted(asked, taken) - 2);
                assert!(fewer.connections < asked || fewer.turned_away < TURNED_AWAY);
            }
        }
    }

    #[test]
    fn connections_and_those_turned_away_leave_some_to_the_program() {
        for limit in [0, 10, 40, 64, 256, 1024, 100_000] {
            for taken in [0, 30, 200] {
                let allowance = allowance(usize::MAX, taken, limit);
                let free = limit.saturating_sub(taken) as usize;
                assert!(allowance.connections >= 1 && allowance.turned_away >= 1);
                if free >= 10 {
                    let left = free - allowance.connections - allowance.turned_away;
                    assert!(left >= (free / 16).max(2), "{left} of {free}");
                }
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_said_of_a_limit_that_is_not_lowered() {
        let (allowance, lowered) = fit(1, 1, 1);
        assert_eq!((allowance.connections, lowered), (1, None));
    }

    #[test]
    fn any_number_of_connections_can_be_asked_for() {
        assert_eq!(wanted(usize::MAX, u64::MAX), u64::MAX);
        assert_eq!(allowance(usize::MAX, 0, u64::MAX).turned_away, TURNED_AWAY);
        assert_eq!(allowance(usize::MAX, 9, 0).connections, 1);
    }
}
