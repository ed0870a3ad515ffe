//! The call that a thread is in, and what its handler says or shows of its pace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::pace::{Hook, Opinion, Pace};

use super::engine::Engine;
use crate::server::connection::link::Transport;
use crate::server::event_loop::pacing::LONG;
use crate::server::shared::tally::PassReason;

/// The call that this thread is in, as the hook sees it.
pub(crate) struct Call {
    engine: Arc<Engine>,
    pub(crate) index: Cell<usize>,
    /// This thread has put the loop down and nobody has been sent for it.
    pub(crate) is_expected_back: Cell<bool>,
    /// The loop's count of moves while it lies for this thread.
    moves: Cell<u64>,
    pub(crate) endpoint: Cell<Option<Pace>>,
    /// Since when an endpoint that is not held to be quick has been running.
    since: Cell<Option<Instant>>,
    pub(crate) earlier: RefCell<Option<Earlier>>,
}

/// Answers to earlier requests of the connection that is being answered, not yet sent.
pub(crate) struct Earlier {
    transport: Transport,
    out: Vec<u8>,
}

impl Call {
    pub(crate) fn new(engine: Arc<Engine>) -> Call {
        Call {
            engine,
            index: Cell::new(0),
            is_expected_back: Cell::new(false),
            moves: Cell::new(0),
            endpoint: Cell::new(None),
            since: Cell::new(None),
            earlier: RefCell::new(None),
        }
    }

    /// Its thread is about to put loop `index` down for it.
    pub(crate) fn leave_loop(&self, index: usize) {
        self.index.set(index);
        self.endpoint.set(None);
        self.is_expected_back.set(true);
        let cell = &self.engine.cells[index];
        cell.endpoint.store(0, Ordering::Relaxed);
        self.moves.set(cell.baton.moves() + 1);
    }

    /// Whether another thread may have the loop by now.
    pub(crate) fn has_lost_loop(&self) -> bool {
        let moves = || self.engine.cells[self.index.get()].baton.moves();
        !self.is_expected_back.get() || moves() != self.moves.get()
    }

    /// Keeps answers of the same connection in hand while the next request is handled: should its handler
    /// block, they need not wait for it.
    pub(crate) fn keep_earlier(&self, transport: &Transport, out: &mut Vec<u8>) {
        let mut earlier = self.earlier.borrow_mut();
        let earlier = earlier.get_or_insert_with(|| Earlier {
            transport: transport.clone(),
            out: Vec::new(),
        });
        std::mem::swap(&mut earlier.out, out);
    }

    /// What has been [kept](Call::keep_earlier) and is still not sent goes back into `out`.
    pub(crate) fn give_earlier_back(&self, out: &mut Vec<u8>) {
        if let Some(earlier) = &mut *self.earlier.borrow_mut() {
            std::mem::swap(&mut earlier.out, out);
        }
    }

    /// As [`give_earlier_back`](Call::give_earlier_back), if a panic has kept it from being called.
    pub(crate) fn recover_earlier(&self, out: &mut Vec<u8>) {
        if out.is_empty() {
            self.give_earlier_back(out);
        }
    }

    /// Has somebody take the loop over, at once.
    fn pass(&self, reason: PassReason) {
        if self.is_expected_back.replace(false) {
            self.send_earlier();
            self.engine.shared.send_to(self.index.get(), reason);
        }
    }

    /// Sends what is [kept](Call::keep_earlier), as far as the client takes it now.
    fn send_earlier(&self) {
        if let Some(Earlier { transport, out }) = &mut *self.earlier.borrow_mut()
            && !out.is_empty()
        {
            let link = Arc::clone(&transport.link);
            link.claim.write_before(|_| {
                // What does not go out now goes with the next answer.
                out.drain(..transport.try_write(out).done());
                (!out.is_empty(), ())
            });
        }
    }
}

impl Hook for Rc<Call> {
    fn starting(&self, pace: Pace) {
        self.endpoint.set(Some(pace));
        match pace.opinion() {
            // A call that panicked has left it.
            Opinion::Quick => self.since.set(None),
            Opinion::Unknown => {
                self.since.set(Some(Instant::now()));
                // It may block, and nobody else can send them then.
                self.send_earlier();
                self.engine.shared.watch.look_closely();
            }
            Opinion::Slow => {
                self.since.set(Some(Instant::now()));
                self.pass(PassReason::Slow);
                return;
            }
        }
        if self.is_expected_back.get() {
            let cell = &self.engine.cells[self.index.get()];
            cell.endpoint.store(u32::from(pace.index()) + 1, Ordering::Relaxed);
        }
    }

    fn finished(&self, pace: Pace) {
        if let Some(since) = self.since.take() {
            if since.elapsed() < LONG {
                pace.found_quick();
            } else if pace.opinion() == Opinion::Slow {
                pace.found_slow();
            }
        }
    }

    fn about_to_block(&self) {
        if let (true, Some(pace)) = (self.is_expected_back.get(), self.endpoint.get()) {
            // It will do so the next time as well.
            pace.found_slow();
        }
        self.pass(PassReason::Said);
    }
}
