//! The counts of clients, in a table of fixed size.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The places among which a client is looked for.
const WAYS: usize = 8;

/// The rate at which what a client has used comes back. Times are nanoseconds since the limit began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// The time that one request takes to come back.
    interval: u64,
    /// The time that all of them take together.
    whole: u64,
}

impl Rate {
    pub(super) fn new(requests: u32, window: Duration) -> Rate {
        // Longer windows than a quarter of what fits, which is more than a century, would overflow below.
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 4);
        let interval = (window / u64::from(requests)).max(1);
        Rate {
            interval,
            whole: interval * u64::from(requests),
        }
    }
}

/// The result of counting a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It was counted: so many are left, and all are back after this time.
    Allowed { left: u64, restored: u64 },
    /// There is none left before this time.
    Refused { wait: u64, restored: u64 },
}

/// A client, by the hash of its key, and the moment at which all of its requests are back.
///
/// Two clients have the same hash once in 2^64 pairs, and nobody outside can compute it.
#[derive(Clone, Copy, Default)]
struct Entry {
    client: u64,
    restored_at: u64,
}

/// A part of the table.
#[derive(Default)]
struct Set {
    entries: [Entry; WAYS],
    /// Counts for all clients that found no place while none of the others had any request left.
    shared: Entry,
}

pub(super) struct Table {
    sets: Vec<Mutex<Set>>,
}

impl Table {
    /// Creates a table for about so many clients.
    pub(super) fn new(clients: usize) -> Table {
        let sets = clients.div_ceil(WAYS).max(1);
        Table {
            sets: std::iter::repeat_with(Mutex::default).take(sets).collect(),
        }
    }

    /// Counts a request of `client` at the moment `now`.
    pub(super) fn take(&self, client: u64, now: u64, rate: Rate) -> Taken {
        // The remainder of a division says nothing of the bits that tell clients of a set apart.
        let at = (client % self.sets.len() as u64) as usize;
        let Some(set) = self.sets.get(at) else {
            return Taken::Allowed { left: 0, restored: 0 };
        };
        // Nothing in here panics, so what a lock guards is whole.
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        set.entry(client, now, rate).take(now, rate)
    }
}

impl Set {
    /// Returns the entry of a client, or one that it may have.
    fn entry(&mut self, client: u64, now: u64, rate: Rate) -> &mut Entry {
        #[cfg(test)]
        steps::count(WAYS);
        let mut earliest = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.client == client && entry.restored_at > 0 {
                return &mut self.entries[at];
            }
            if entry.restored_at < self.entries[earliest].restored_at {
                earliest = at;
            }
        }
        let entry = &mut self.entries[earliest];
        if entry.is_limited(now, rate) {
            return &mut self.shared;
        }
        *entry = Entry { client, restored_at: 0 };
        entry
    }
}

impl Entry {
    /// Returns true if the client has no request left.
    fn is_limited(&self, now: u64, rate: Rate) -> bool {
        self.debt(now) > rate.whole - rate.interval
    }

    /// Returns how long it takes until all requests are back.
    fn debt(&self, now: u64) -> u64 {
        self.restored_at.saturating_sub(now)
    }

    fn take(&mut self, now: u64, rate: Rate) -> Taken {
        let debt = self.debt(now);
        if self.is_limited(now, rate) {
            return Taken::Refused {
                wait: debt - (rate.whole - rate.interval),
                restored: debt,
            };
        }
        let debt = debt + rate.interval;
        self.restored_at = now.saturating_add(debt);
        Taken::Allowed {
            left: (rate.whole - debt) / rate.interval,
            restored: debt,
        }
    }
}

#[cfg(test)]
mod steps {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    pub(super) fn taken_by(work: impl FnOnce()) -> usize {
        STEPS.set(0);
        work();
        STEPS.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn is_allowed(taken: Taken) -> bool {
        matches!(taken, Taken::Allowed { .. })
    }

    #[test]
    fn a_client_may_send_all_at_once_and_then_as_they_come_back() {
        let (table, rate) = (Table::new(8), Rate::new(3, Duration::from_secs(3)));
        let taken: Vec<_> = (0..4).map(|_| table.take(7, 5 * SECOND, rate)).collect();
        assert_eq!(
            taken,
            [
                Taken::Allowed {
                    left: 2,
                    restored: SECOND
                },
                Taken::Allowed {
                    left: 1,
                    restored: 2 * SECOND
                },
                Taken::Allowed {
                    left: 0,
                    restored: 3 * SECOND
                },
                Taken::Refused {
                    wait: SECOND,
                    restored: 3 * SECOND
                },
            ]
        );
        // Being refused costs nothing.
        assert!(!is_allowed(table.take(7, 6 * SECOND - 1, rate)));
        assert!(is_allowed(table.take(7, 6 * SECOND, rate)));
        assert!(!is_allowed(table.take(7, 6 * SECOND, rate)));
        assert_eq!(
            table.take(7, 60 * SECOND, rate),
            Taken::Allowed {
                left: 2,
                restored: SECOND
            }
        );
    }

    #[test]
    fn in_no_window_a_client_gets_more_than_its_limit_and_what_comes_back_within_it() {
        let (table, rate) = (Table::new(8), Rate::new(10, Duration::from_secs(10)));
        let mut allowed = Vec::new();
        for step in 0..1000 {
            let now = step * SECOND / 20;
            if is_allowed(table.take(1, now, rate)) {
                allowed.push(now);
            }
        }
        for (at, from) in allowed.iter().enumerate() {
            let within = allowed[at..].iter().take_while(|now| *now - from < 10 * SECOND).count();
            assert!(within <= 20, "{within}");
        }
        assert_eq!(allowed.len(), 10 + 49);
    }

    #[test]
    fn one_that_is_limited_is_never_forgotten_however_many_others_come() {
        let (table, rate) = (Table::new(64), Rate::new(2, Duration::from_secs(100)));
        let limited: Vec<u64> = (0..8).map(|set| set * 1_000_003).collect();
        for client in limited.iter().flat_map(|client| [client; 2]) {
            assert!(is_allowed(table.take(*client, 0, rate)));
        }
        for other in 0..100_000 {
            table.take(other * 7919 + 1, SECOND, rate);
        }
        for client in limited {
            assert!(!is_allowed(table.take(client, SECOND, rate)), "{client}");
        }
    }

    #[test]
    fn clients_that_find_no_place_share_one_limit() {
        let (table, rate) = (Table::new(WAYS), Rate::new(1, Duration::from_secs(100)));
        assert!((0..WAYS as u64).all(|client| is_allowed(table.take(client, 0, rate))));
        let late: Vec<bool> = (100..1100)
            .map(|client| is_allowed(table.take(client, 0, rate)))
            .collect();
        assert_eq!(late.iter().filter(|allowed| **allowed).count(), 1);
        // Once a place is free, a client has its own again.
        assert!(is_allowed(table.take(500, 100 * SECOND, rate)));
    }

    #[test]
    fn a_call_takes_as_many_steps_with_a_million_clients_as_with_one() {
        let rate = Rate::new(5, Duration::from_secs(60));
        let one = Table::new(1_000_000);
        let few = steps::taken_by(|| {
            one.take(1, 0, rate);
        });
        for client in 0..1_000_000_u64 {
            one.take(client.wrapping_mul(0x9E37_79B9_7F4A_7C15), 1, rate);
        }
        let many = steps::taken_by(|| {
            one.take(2, 2, rate);
        });
        assert_eq!(many, few);
        assert!(size_of::<Set>() <= 16 * (WAYS + 1) && one.sets.len() == 125_000);
    }

    #[test]
    fn times_never_overflow() {
        for (requests, window) in [
            (1, Duration::MAX),
            (u32::MAX, Duration::MAX),
            (u32::MAX, Duration::from_nanos(u64::from(u32::MAX))),
        ] {
            let rate = Rate::new(requests, window);
            let table = Table::new(1);
            for now in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
                table.take(1, now, rate);
            }
        }
    }
}
