//! Where lines wait for the thread that writes them: bounded, and never waited for.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long lines gather before they are written together.
const GATHERING: Duration = Duration::from_millis(20);

/// How long there is silence about lines that are lost, after it was said that some are.
const SILENCE: Duration = Duration::from_secs(10);

/// Lines on their way to a writer.
pub(super) struct Outlet {
    /// One for each loop, so that loops do not meet here.
    waiting: Vec<Mutex<Vec<u8>>>,
    /// How many bytes may wait in each.
    most: usize,
    dropped: AtomicU64,
    thread: OnceLock<Thread>,
    /// The thread sleeps, and must be woken.
    asleep: AtomicBool,
    is_closed: AtomicBool,
    has_ended: Mutex<bool>,
    ended: Condvar,
}

/// Starts the thread that writes to `writer` what is put into the outlet.
pub(super) fn open(writer: Box<dyn Write + Send>, loops: usize, most: usize) -> io::Result<Arc<Outlet>> {
    let outlet = Arc::new(Outlet {
        waiting: (0..loops.max(1)).map(|_| Mutex::default()).collect(),
        most,
        dropped: AtomicU64::new(0),
        thread: OnceLock::new(),
        asleep: AtomicBool::new(false),
        is_closed: AtomicBool::new(false),
        has_ended: Mutex::new(false),
        ended: Condvar::new(),
    });
    let kept = Arc::clone(&outlet);
    let spawned = thread::Builder::new()
        .name("hansel-access".into())
        .spawn(move || Writing::new(kept, writer).live())?;
    // Set before anybody can put something in.
    let _ = outlet.thread.set(spawned.thread().clone());
    Ok(outlet)
}

impl Outlet {
    /// Puts a line into the place of loop `index`, or drops it if that is full.
    pub(super) fn put(&self, index: usize, line: &[u8]) {
        let Some(place) = self.waiting.get(index % self.waiting.len()) else {
            return;
        };
        let is_half_full = {
            // Held by others only while they copy a line or swap two buffers.
            let mut waiting = lock(place);
            let before = waiting.len();
            if before + line.len() > self.most {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            waiting.extend_from_slice(line);
            (before..waiting.len()).contains(&(self.most / 2))
        };
        // Looked at after the line was put: a thread that falls asleep later sees the line.
        if is_half_full || (self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst)) {
            self.wake();
        }
    }

    /// How many lines were dropped, or lost with a writer that failed.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Has the thread write what is here, and end.
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
        self.waiting.iter().all(|waiting| lock(waiting).is_empty())
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
    writer: Box<dyn Write + Send>,
    /// Swapped with those that wait, so that none is ever allocated anew.
    batch: Vec<u8>,
    /// The last thing written was a part of a line.
    is_torn: bool,
    told: u64,
    tell_again: Instant,
}

impl Writing {
    fn new(outlet: Arc<Outlet>, writer: Box<dyn Write + Send>) -> Writing {
        Writing {
            outlet,
            writer,
            batch: Vec::new(),
            is_torn: false,
            told: 0,
            tell_again: Instant::now(),
        }
    }

    fn live(mut self) {
        let outlet = Arc::clone(&self.outlet);
        // A writer that panics ends this thread, and nobody need wait for it any longer.
        let _end = End(&outlet);
        loop {
            // Looked at before: what was put before it was closed is taken below.
            let is_last = outlet.is_closed.load(Ordering::SeqCst);
            for waiting in &outlet.waiting {
                std::mem::swap(&mut *lock(waiting), &mut self.batch);
                self.write();
                self.batch.clear();
            }
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

    /// Writes the batch. Lines that can't be written are counted as dropped.
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
                // A pipe that somebody has set not to block: this thread is here to wait.
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
                log::warn!("can't write the access log: {error}");
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.outlet.is_closed.load(Ordering::SeqCst)
    }

    fn tell(&mut self, is_last: bool) {
        let dropped = self.outlet.dropped();
        let now = Instant::now();
        if dropped > self.told && (is_last || self.tell_again <= now) {
            log::warn!("{} lines of the access log were dropped", dropped - self.told);
            self.told = dropped;
            self.tell_again = now + SILENCE;
        }
    }
}

/// Says that the thread has ended, however it does.
struct End<'o>(&'o Outlet);

impl Drop for End<'_> {
    fn drop(&mut self) {
        *lock(&self.0.has_ended) = true;
        self.0.ended.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A writer that takes what it is allowed to: so many bytes, or an error.
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
        /// Lets the writer take everything, and says what it took.
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
        fixture.outlet.put(0, b"line 0\n");
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        // It hangs with the first line. Two more find room, and nobody waits for the others.
        for n in 1..10 {
            fixture.outlet.put(0, format!("line {n}\n").as_bytes());
        }
        assert_eq!(fixture.outlet.dropped(), 7);
        assert_eq!(fixture.end(), ("line 0\nline 1\nline 2\n".to_owned(), 7));
    }

    #[test]
    fn a_full_disk_costs_the_lines_it_does_not_take_and_the_next_begins_afresh() {
        let fixture = fixture(1000);
        fixture.outlet.put(0, b"line 0\nline 1\nline 2\n");
        fixture.allow.send(Ok(9)).unwrap();
        fixture.allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        fixture.asked.recv_timeout(PATIENCE).unwrap();
        fixture.outlet.put(0, b"line 3\n");
        assert_eq!(fixture.end(), ("line 0\nli\nline 3\n".to_owned(), 2));
    }

    #[test]
    fn what_is_put_before_the_end_is_written() {
        let fixture = fixture(1_000_000);
        let outlet = Arc::clone(&fixture.outlet);
        let putting = thread::spawn(move || (0..1000).for_each(|n| outlet.put(n, format!("{n}\n").as_bytes())));
        putting.join().unwrap();
        let (taken, dropped) = fixture.end();
        assert_eq!(dropped, 0);
        assert_eq!(taken.lines().count(), 1000);
    }
}
