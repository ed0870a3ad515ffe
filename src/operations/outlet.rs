//! Lines that wait for the thread that writes them: bounded, and nobody waits for it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::lock::lock;
use crate::panics::contain;
use crate::report;
use crate::threads;

/// The time that lines gather before they are written together.
const GATHERING: Duration = Duration::from_millis(20);

/// The time after a warning about lost lines in which no further one is logged.
const SILENCE: Duration = Duration::from_secs(10);

/// The number of bytes that are passed to the writer at once; more if a line is longer.
const AT_ONCE: usize = 64 * 1024;

/// Lines on their way to a writer.
pub(super) struct Outlet {
    /// One for each loop, so that loops do not share a lock.
    waiting: Vec<Mutex<Lines>>,
    /// The most bytes that may wait in each.
    most: usize,
    dropped: AtomicU64,
    thread: OnceLock<Thread>,
    /// True if the thread sleeps and must be woken.
    asleep: AtomicBool,
    is_closed: AtomicBool,
    has_ended: Mutex<bool>,
    ended: Condvar,
}

/// Lines, one after the other.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// The time of each line, and where it ends.
    each: Vec<(u64, usize)>,
}

/// Starts the thread that writes to `writer` what is put into the outlet.
pub(super) fn open(writer: Box<dyn Write + Send>, loops: usize, most: usize) -> io::Result<Arc<Outlet>> {
    let outlet = Arc::new(Outlet::new(loops, most));
    let kept = Arc::clone(&outlet);
    let writing = move || Writing::new(kept, writer).live();
    let thread = threads::start("hansel-access".into(), Box::new(writing))?;
    // Set before anything can be put in.
    let _ = outlet.thread.set(thread);
    Ok(outlet)
}

impl Outlet {
    fn new(loops: usize, most: usize) -> Outlet {
        Outlet {
            waiting: (0..loops.max(1)).map(|_| Mutex::default()).collect(),
            most,
            dropped: AtomicU64::new(0),
            thread: OnceLock::new(),
            asleep: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
        }
    }

    /// Adds a line with its time for loop `index`, or drops it if there is no room.
    pub(super) fn put(&self, index: usize, moment: u64, line: &[u8]) {
        let Some(place) = self.waiting.get(index % self.waiting.len()) else {
            return;
        };
        let is_half_full = {
            // Others hold this lock only while they copy a line or swap two buffers.
            let mut waiting = lock(place);
            let before = waiting.text.len();
            let after = before.saturating_add(line.len());
            if after > self.most {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            waiting.text.extend_from_slice(line);
            waiting.each.push((moment, after));
            (before..after).contains(&(self.most / 2))
        };
        // Checked after the line was added: a thread that falls asleep later sees the line.
        if is_half_full || (self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)) {
            self.wake();
        }
    }

    /// Returns how many lines were dropped, or lost with a writer that failed.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Makes the thread write what is here, and end.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.asleep.store(false, Ordering::SeqCst);
        self.wake();
    }

    /// Waits until everything is written, or until `deadline`.
    pub(super) fn wait_until_written(&self, deadline: Instant) {
        let mut has_ended = lock(&self.has_ended);
        while !*has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            has_ended = self
                .ended
                .wait_timeout(has_ended, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.iter().all(|waiting| lock(waiting).text.is_empty())
    }

    /// Waits until there is something to write.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        if !self.is_empty() || self.is_closed.load(Ordering::SeqCst) {
            self.asleep.store(false, Ordering::SeqCst);
        }
        while self.asleep.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

/// The thread that writes.
struct Writing {
    outlet: Arc<Outlet>,
    writer: Contained,
    /// The lines taken from each loop. They are swapped with the waiting ones, so nothing is allocated again.
    taken: Vec<Lines>,
    /// The lines of all loops, by their times.
    in_order: Vec<Line>,
    /// The bytes passed to the writer.
    batch: Vec<u8>,
    /// True if the last thing written was a part of a line.
    is_torn: bool,
    told: u64,
    tell_again: Instant,
}

/// One of the lines that were taken.
struct Line {
    moment: u64,
    /// Its loop, and where it is there.
    place: usize,
    start: usize,
    end: usize,
}

impl Writing {
    fn new(outlet: Arc<Outlet>, writer: Box<dyn Write + Send>) -> Writing {
        let taken = outlet.waiting.iter().map(|_| Lines::default()).collect();
        Writing {
            outlet,
            writer: Contained(writer),
            taken,
            in_order: Vec::new(),
            batch: Vec::new(),
            is_torn: false,
            told: 0,
            tell_again: Instant::now(),
        }
    }

    fn live(mut self) {
        let outlet = Arc::clone(&self.outlet);
        // However this thread ends, nobody waits for it any longer.
        let _end = End(&outlet);
        loop {
            // Read first: what was put before the outlet was closed is taken below.
            let is_last = outlet.is_closed.load(Ordering::SeqCst);
            self.take();
            self.write_taken();
            self.tell(is_last);
            if is_last {
                return;
            }
            outlet.sleep();
            if !outlet.is_closed.load(Ordering::SeqCst) {
                thread::park_timeout(GATHERING);
            }
        }
    }

    /// Takes the waiting lines.
    fn take(&mut self) {
        for (waiting, taken) in self.outlet.waiting.iter().zip(&mut self.taken) {
            std::mem::swap(&mut *lock(waiting), taken);
        }
    }

    /// Writes the lines in the order of their times. Lines of one loop with the same time stay in their order.
    fn write_taken(&mut self) {
        for (place, lines) in self.taken.iter().enumerate() {
            let mut start = 0;
            for (moment, end) in &lines.each {
                self.in_order.push(Line {
                    moment: *moment,
                    place,
                    start,
                    end: *end,
                });
                start = *end;
            }
        }
        // The sort detects runs that are already ordered, which most lines are.
        self.in_order.sort_by_key(|line| line.moment);
        let mut in_order = std::mem::take(&mut self.in_order);
        for line in in_order.drain(..) {
            if self.batch.len() + (line.end - line.start) > AT_ONCE {
                self.write();
            }
            let lines = self.taken.get(line.place);
            let text = lines.and_then(|lines| lines.text.get(line.start..line.end));
            self.batch.extend_from_slice(text.unwrap_or(&[]));
        }
        self.write();
        // Its memory is kept.
        self.in_order = in_order;
        for lines in &mut self.taken {
            lines.text.clear();
            lines.each.clear();
        }
    }

    /// Writes the batch. Lines that cannot be written count as dropped.
    fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.is_torn && self.writer.write_all(b"\n").is_ok() {
            self.is_torn = false;
        }
        let mut written = 0;
        let outcome = loop {
            let rest = self.batch.get(written..).unwrap_or(&[]);
            if rest.is_empty() {
                break self.writer.flush();
            }
            match self.writer.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The pipe was set to non-blocking by somebody. This thread is here to wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.is_closed() => {
                    thread::park_timeout(GATHERING);
                }
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = outcome {
            let lost = self.batch.get(written..).unwrap_or(&[]);
            let lines = lost.iter().filter(|octet| **octet == b'\n').count();
            self.outlet.dropped.fetch_add(lines as u64, Ordering::Relaxed);
            let before = written.checked_sub(1).and_then(|last| self.batch.get(last));
            self.is_torn |= before.is_some_and(|last| *last != b'\n');
            if self.tell_again <= Instant::now() {
                report::warn!("can't write the access log: {error}; its lines are dropped until writing works again");
            }
        }
        self.batch.clear();
    }

    fn is_closed(&self) -> bool {
        self.outlet.is_closed.load(Ordering::SeqCst)
    }

    fn tell(&mut self, is_last: bool) {
        let dropped = self.outlet.dropped();
        let now = Instant::now();
        if dropped > self.told && (is_last || self.tell_again <= now) {
            report::warn!("{} lines of the access log were dropped", dropped - self.told);
            self.told = dropped;
            self.tell_again = after(now, SILENCE);
        }
    }
}

/// The program's writer. A panic in it becomes an error, so that it costs only the lines being written.
struct Contained(Box<dyn Write + Send>);

impl Write for Contained {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        contain(|| self.0.write(bytes)).unwrap_or_else(panicked)
    }

    fn flush(&mut self) -> io::Result<()> {
        contain(|| self.0.flush()).unwrap_or_else(panicked)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let writer = std::mem::replace(&mut self.0, Box::new(io::sink()));
        // There is nothing left to write.
        let _ = contain(|| drop(writer));
    }
}

fn panicked<T>(panic: String) -> io::Result<T> {
    Err(io::Error::other(format!("its writer panicked: {panic}")))
}

/// Reports that the thread has ended, however it does.
struct End<'o>(&'o Outlet);

impl Drop for End<'_> {
    fn drop(&mut self) {
        *lock(&self.0.has_ended) = true;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A writer that accepts what it is allowed to: a number of bytes, or an error.
    struct Gated {
        allowed: Receiver<io::Result<usize>>,
        asked: Sender<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asked.send(());
            let n = self.allowed.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            lock(&self.taken).extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Fixture {
        outlet: Arc<Outlet>,
        allow: Sender<io::Result<usize>>,
        asked: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    fn fixture(most: usize) -> Fixture {
        let (allow, allowed) = channel();
        let (asks, asked) = channel();
        let taken = Arc::default();
        let writer = Gated {
            allowed,
            asked: asks,
            taken: Arc::clone(&taken),
        };
        Fixture {
            outlet: open(Box::new(writer), 1, most).unwrap(),
            allow,
            asked,
            taken,
        }
    }

    impl Fixture {
        /// Lets the writer accept everything, and returns what it accepted.
        fn end(self) -> (String, u64) {
            drop(self.allow);
            self.outlet.close();
            self.outlet.wait_until_written(Instant::now() + PATIENCE);
            assert!(*lock(&self.outlet.has_ended));
            let taken = String::from_utf8(lock(&self.taken).clone()).unwrap();
            (taken, self.outlet.dropped())
        }
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_no_time() {
        let fixture = fixture(20);
        fixture.outlet.put(0, 0, b"line 0\n");
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        // It hangs with the first line. Two more find room, and the others are dropped without waiting.
        for n in 1..10 {
            fixture.outlet.put(0, 0, format!("line {n}\n").as_bytes());
        }
        assert_eq!(fixture.outlet.dropped(), 7);
        assert_eq!(fixture.end(), ("line 0\nline 1\nline 2\n".to_owned(), 7));
    }

    #[test]
    fn a_full_disk_costs_the_lines_it_does_not_take_and_the_next_begins_afresh() {
        let fixture = fixture(1000);
        fixture.outlet.put(0, 0, b"line 0\nline 1\nline 2\n");
        fixture.allow.send(Ok(9)).unwrap();
        fixture.allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        fixture.outlet.put(0, 0, b"line 3\n");
        assert_eq!(fixture.end(), ("line 0\nli\nline 3\n".to_owned(), 2));
    }

    #[test]
    fn as_many_bytes_may_wait_as_is_said_and_no_more() {
        let outlet = Outlet::new(1, 4);
        outlet.put(0, 0, b"abc\n");
        assert_eq!(outlet.dropped(), 0);
        outlet.put(0, 0, b"\n");
        assert_eq!(outlet.dropped(), 1);
    }

    #[test]
    fn the_thread_does_not_fall_asleep_over_a_line_that_waits() {
        let outlet = Outlet::new(2, 100);
        outlet.put(1, 0, b"line\n");
        outlet.sleep();
        assert!(!outlet.asleep.load(Ordering::SeqCst));
    }

    #[test]
    fn a_writer_that_never_takes_anything_does_not_hold_up_the_end() {
        struct Blocked;
        impl Write for Blocked {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outlet = open(Box::new(Blocked), 1, 1000).unwrap();
        outlet.put(0, 0, b"line\n");
        outlet.close();
        outlet.wait_until_written(Instant::now() + PATIENCE);
        assert!(*lock(&outlet.has_ended));
        assert_eq!(outlet.dropped(), 1);
    }

    #[test]
    fn what_is_put_before_the_end_is_written() {
        let fixture = fixture(1_000_000);
        let outlet = Arc::clone(&fixture.outlet);
        let putting = thread::spawn(move || (0..1000).for_each(|n| outlet.put(n, 0, format!("{n}\n").as_bytes())));
        putting.join().unwrap();
        let (taken, dropped) = fixture.end();
        assert_eq!(dropped, 0);
        assert_eq!(taken.lines().count(), 1000);
    }

    /// Keeps what is written, in pieces.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn whatever_loops_put_a_batch_is_in_the_order_of_its_moments_and_nothing_is_lost(
            puts in proptest::collection::vec((0..4_usize, 0..20_u64, prop_oneof![8 => 0..50_usize, 1 => 20_000..70_000_usize]), 0..60),
        ) {
            let outlet = Arc::new(Outlet::new(4, usize::MAX));
            let kept = Kept::default();
            let mut writing = Writing::new(Arc::clone(&outlet), Box::new(kept.clone()));
            // Several batches: leftovers of one would show in the one after the next, when its memory is reused.
            for puts in puts.chunks(puts.len().div_ceil(5).max(1)) {
                let mut expected = Vec::new();
                for (number, (index, moment, length)) in puts.iter().enumerate() {
                    let line = format!("{moment} {index} {number} {}\n", "x".repeat(*length));
                    outlet.put(*index, *moment, line.as_bytes());
                    expected.push((*moment, *index, line));
                }
                writing.take();
                writing.write_taken();
                let pieces = std::mem::take(&mut *lock(&kept.0));
                let mut lengths = pieces.iter().map(Vec::len).zip(pieces.iter());
                prop_assert!(lengths.all(|(n, piece)| n <= AT_ONCE || piece.iter().filter(|octet| **octet == b'\n').count() == 1));
                // Lines of one loop with the same time stay in their order.
                expected.sort_by_key(|(moment, index, _)| (*moment, *index));
                let expected: String = expected.into_iter().map(|(_, _, line)| line).collect();
                prop_assert_eq!(String::from_utf8(pieces.concat()).unwrap(), expected);
            }
            prop_assert_eq!(outlet.dropped(), 0);
        }
    }

    #[test]
    fn a_writer_that_panics_costs_its_lines_and_no_others() {
        struct Panicking(Arc<Mutex<Vec<u8>>>, bool);
        impl Write for Panicking {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                assert!(std::mem::replace(&mut self.1, true), "the first time");
                lock(&self.0).extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Drop for Panicking {
            fn drop(&mut self) {
                panic!("and at its end");
            }
        }
        let taken = Arc::default();
        let outlet = open(Box::new(Panicking(Arc::clone(&taken), false)), 1, 1000).unwrap();
        outlet.put(0, 0, b"line 0\n");
        while outlet.dropped() == 0 {
            thread::yield_now();
        }
        outlet.put(0, 1, b"line 1\n");
        outlet.close();
        outlet.wait_until_written(Instant::now() + PATIENCE);
        assert!(*lock(&outlet.has_ended));
        assert_eq!(String::from_utf8_lossy(&lock(&taken)), "line 1\n");
        assert_eq!(outlet.dropped(), 1);
    }
}
