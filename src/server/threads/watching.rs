//! The watch: a thread that checks loops that stay released while a handler blocks, and sends what streams have left.
//!
//! It ticks only while handlers run. On an idle server it sleeps and costs nothing.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use super::engine::{Engine, LoopCell};
use crate::pace::Pace;
use crate::server::shared::Shared;
use crate::server::shared::tally::PassReason;

/// The time between two checks while an unknown endpoint runs, or a loop stays released. A blocking handler delays
/// others for about two ticks.
const TICK: Duration = Duration::from_millis(1);

/// The time between two checks while everything that runs is known to be fast. A tick costs a busy processor as much as
/// one or two requests, so ticks of a millisecond would cost it one request in twenty.
const CALM_TICK: Duration = Duration::from_millis(8);

/// For how many ticks it checks closely after it had a reason to.
const CLOSE_TICKS: u32 = 64;

/// After how many ticks a handler that is still computing loses the loop as well.
const PATIENCE: u32 = 4;

/// After how many ticks a loop is passed on although its handler waits for something that others need as well.
const PATIENCE_WITH_QUEUES: u32 = 30;

/// After how many calm ticks without any handler it goes to sleep.
const IDLE_TICKS: u32 = 8;

/// The state of one loop, as the watch has seen it.
#[derive(Clone, Copy, Default)]
struct Sight {
    moves: u64,
    ticks: u32,
    /// Ticks during which its handler has waited for something that others need as well.
    queueing_ticks: u32,
    was_passed: bool,
}

/// Runs the watch.
pub(crate) fn keep(engine: &Engine) {
    let shared = &engine.shared;
    shared.watch.begin();
    let mut sights = vec![Sight::default(); engine.cells.len()];
    let (mut close_ticks, mut idle_ticks) = (0, 0);
    let mut lies = false;
    // Up to the very end: a loop that a handler delays must be taken over even to be stopped.
    while !shared.lifecycle.have_all_ended() {
        let is_close = shared.watch.is_close();
        park_timeout(if is_close || lies { TICK } else { CALM_TICK });
        let mut is_idle = true;
        lies = false;
        for (index, (cell, sight)) in engine.cells.iter().zip(&mut sights).enumerate() {
            is_idle &= !look_at(index, cell, sight, shared);
            lies |= sight.moves % 2 == 1;
        }
        close_ticks = if is_close { close_ticks + 1 } else { 0 };
        if close_ticks == CLOSE_TICKS {
            close_ticks = 0;
            shared.watch.set_close(false);
        }
        shared.corks.send();
        is_idle &= shared.corks.is_empty();
        idle_ticks = if is_idle && !is_close { idle_ticks + 1 } else { 0 };
        if idle_ticks >= IDLE_TICKS && sleep(engine, &sights) {
            idle_ticks = 0;
        }
    }
}

/// Checks one loop. Returns true if handlers run on it.
fn look_at(index: usize, cell: &LoopCell, sight: &mut Sight, shared: &Shared) -> bool {
    let moves = cell.baton.moves();
    if moves != sight.moves {
        *sight = Sight {
            moves,
            ..Sight::default()
        };
        return true;
    }
    let lies = moves % 2 == 1;
    if !lies {
        return false;
    }
    let is_queueing = || cell.is_queueing.load(Ordering::Relaxed);
    if is_queueing() {
        sight.queueing_ticks += 1;
    } else {
        sight.ticks += 1;
    }
    let is_stuck = sight.ticks >= PATIENCE
        || sight.queueing_ticks >= PATIENCE_WITH_QUEUES
        || is_sleeping(cell.thread.load(Ordering::Relaxed));
    // It may have begun to wait after its thread was seen to sleep.
    let is_queueing = is_queueing();
    if is_queueing && sight.queueing_ticks < PATIENCE_WITH_QUEUES {
        // Other handlers would wait for the same.
        return true;
    }
    if is_stuck && !sight.was_passed {
        let endpoint = cell.endpoint.load(Ordering::Relaxed).checked_sub(1);
        if let Some(endpoint) = endpoint.filter(|_| !is_queueing) {
            // Marked before the call returns, so that the next one delays nobody.
            Pace::of_index(endpoint as u16).found_slow();
            let since = Instant::now().checked_sub(TICK * sight.ticks);
            if let Some(since) = since {
                shared.runs.found_blocked(cell.thread.load(Ordering::Relaxed), since);
            }
        }
        sight.was_passed = shared.send_to(index, PassReason::Watched);
        // There may be more like this.
        shared.watch.set_close(true);
    }
    true
}

/// Sleeps until a handler runs, unless one has run meanwhile or the server has ended. Returns true if it slept.
fn sleep(engine: &Engine, sights: &[Sight]) -> bool {
    let shared = &engine.shared;
    let have_moved = || {
        let mut seen = engine.cells.iter().zip(sights);
        seen.any(|(cell, sight)| cell.baton.moves_at_last_look() != sight.moves)
    };
    shared
        .watch
        .sleep_unless(|| have_moved() || !shared.corks.is_empty() || shared.lifecycle.have_all_ended())
}

/// Returns true if the system has put a thread of this process to sleep, as opposed to running it or letting it wait
/// for a processor. False where this is unknown.
fn is_sleeping(thread: u32) -> bool {
    if thread == 0 {
        return false;
    }
    // proc_pid_stat(5): "pid (comm) state": S is sleeping, D waiting for a disk. A name has at most 15 bytes.
    let mut stat = [0; 64];
    if File::open(format!("/proc/self/task/{thread}/stat"))
        .and_then(|mut file| file.read(&mut stat))
        .is_err()
    {
        return false;
    }
    let name_end = stat.iter().rposition(|&byte| byte == b')');
    let state = name_end.and_then(|end| stat.get(end + 2));
    matches!(state, Some(b'S' | b'D'))
}

/// Returns the system's number of the calling thread; 0 where this is unknown.
pub(crate) fn thread_number() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::pace::Opinion;
    use crate::server::event_loop::{EventLoop, fixture};
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_thread_that_waits_is_told_from_one_that_works() {
        let (tell, told) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let waiting = thread::spawn(move || {
            tell.send(thread_number()).unwrap();
            released.recv().unwrap();
        });
        let number = told.recv().unwrap();
        assert_ne!(number, 0);
        // It is about to wait; when it does is up to the system, so look until it does.
        while !is_sleeping(number) {
            thread::yield_now();
        }
        assert!(!is_sleeping(thread_number()), "the one that asks is awake");
        release.send(()).unwrap();
        waiting.join().unwrap();
        assert!(!is_sleeping(0));
    }

    #[test]
    fn a_wait_for_what_others_need_as_well_counts_apart_and_blames_nobody() {
        let (event_loop, _waker) = EventLoop::new(0, Vec::new(), 0, false).unwrap();
        let cell = LoopCell::new(event_loop);
        let shared = fixture::shared();
        let pace = Pace::new();
        cell.endpoint.store(u32::from(pace.index()) + 1, Ordering::Relaxed);
        cell.baton.put_down(cell.baton.take_up().unwrap());
        let mut sight = Sight::default();
        let mut passes = |ticks: u32, is_queueing: bool| {
            cell.is_queueing.store(is_queueing, Ordering::Relaxed);
            (0..ticks).for_each(|_| assert!(look_at(0, &cell, &mut sight, &shared)));
            shared.tally.passes(PassReason::Watched)
        };
        // The first look only sees that the loop has moved.
        assert_eq!(passes(PATIENCE_WITH_QUEUES, true), 0);
        assert_eq!(passes(PATIENCE - 1, false), 0, "the wait does not count as work");
        assert_ne!(pace.opinion(), Opinion::Slow);
        let passed = passes(1, true);
        assert!(passed > 0, "it has waited for long enough");
        assert_ne!(pace.opinion(), Opinion::Slow, "others may be quick");
        assert!(passes(1, false) > passed);
        assert_eq!(pace.opinion(), Opinion::Slow);
    }
}
