//! What all threads of a server share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Application, Trust};

use super::admission::Admission;
use super::baton::{Baton, Inbox};
use super::channel::Channel;
use super::connection::{Connection, Work};
use super::crew::Crew;
use super::door::{Door, Entrance};
use super::event_loop::EventLoop;
use super::health::Health;
use super::limits::Limits;
use super::listen::{Bound, Place};
use super::observer::Observation;
use super::socket::Accepted;
use super::tally::Tally;
use super::watch::Watch;

pub(super) struct Shared {
    pub(super) application: Box<dyn Application>,
    pub(super) limits: Limits,
    protocol: Arc<hansel_proto::Limits>,
    pub(super) trust: Option<Arc<Trust>>,
    /// One for each listener.
    pub(super) doors: Vec<Door>,
    pub(super) loops: Vec<LoopCell>,
    pub(super) crew: Crew,
    pub(super) admission: Admission<Box<Connection>>,
    pub(super) watch: Watch,
    pub(super) health: Health,
    pub(super) observation: Observation,
    pub(super) tally: Tally,
    /// Handlers that stream an answer or read a body as it arrives, and how many may.
    streaming: AtomicUsize,
    most_streaming: usize,
    phase: AtomicU8,
    /// Between the beginning of a drain and the moment the listeners close.
    pub(super) drain_delay: Duration,
    drain: Mutex<Option<Drain>>,
    /// Loops that may still accept connections, and give them to others.
    loops_accepting: AtomicUsize,
    loops_running: Mutex<usize>,
    loop_ended: Condvar,
    cut: AtomicUsize,
    /// The listeners, besides the loops' own, to be given to others. Not one may be left open when the
    /// loops stop accepting: who connected then would wait for nobody.
    listeners: Mutex<Vec<Bound>>,
    /// Whether somebody else has the Unix sockets too, and needs their paths.
    leaves_paths: AtomicBool,
    /// Removed when the last loop has ended.
    places: Mutex<Vec<Place>>,
}

/// One loop, and what others must know of it without holding it.
pub(super) struct LoopCell {
    pub(super) baton: Baton<EventLoop>,
    pub(super) inbox: Inbox<Arrival>,
    pub(super) waker: mio::Waker,
    /// The system's number of the thread that held it last; 0 if that is not known.
    pub(super) thread: AtomicU32,
    /// The endpoint that runs while it lies, as [`Pace::index`](crate::pace::Pace::index) plus one.
    pub(super) endpoint: AtomicU32,
    connections: AtomicUsize,
}

/// What comes to a loop from other threads.
pub(super) enum Arrival {
    /// A connection of this loop, answered by a thread that has lost the loop.
    Returned(Box<Connection>),
    /// The handler of a lost thread has returned; it was that of the connection at this place.
    Recovered(usize),
    /// A new connection that another loop has accepted.
    Accepted(Accepted),
}

/// What an operator has asked for.
pub(super) struct Operations {
    pub(super) health_beside_service: bool,
    pub(super) drain_delay: Duration,
    pub(super) observation: Observation,
}

/// How many connections may be on their way out with a 503, beyond those that are served.
const TURNED_AWAY: usize = 256;

/// Whether one more connection can be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    Enough,
    /// It can only be told that there is none.
    Scarce,
    None,
}

/// Where the server is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[repr(u8)]
pub(super) enum Phase {
    Running,
    /// Serving on as before, except that readiness is denied, so that balancers look elsewhere.
    Leaving,
    /// No new connections; what is in flight is finished.
    Draining,
    /// Everything ends now.
    Stopping,
}

/// The times of a drain.
#[derive(Clone, Copy)]
struct Drain {
    begins: Instant,
    ends: Instant,
}

/// How many threads a server has for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Staffing {
    pub(super) loops: usize,
    pub(super) threads: usize,
}

impl Staffing {
    /// Handlers that stream may take half the threads: the others stay for those that do not.
    fn most_streaming(self) -> usize {
        (self.threads / 2).max(1)
    }

    /// Each loop has a permit in reserve, as far as they go round.
    pub(super) fn has_reserve(self, index: usize) -> bool {
        index < self.threads
    }

    fn permits_beyond_reserves(self) -> usize {
        self.threads.saturating_sub(self.loops)
    }

    /// Those who are lost in handlers are replaced, up to half of all. A single thread never is: its handlers
    /// run strictly one after the other.
    fn most_replaced(self) -> usize {
        self.threads / 2
    }

    /// Those in handlers, those that hold loops, and for each loop one that can take it up.
    fn most_alive(self) -> usize {
        self.threads + 2 * self.loops
    }
}

impl Shared {
    pub(super) fn new(
        application: Box<dyn Application>,
        limits: Limits,
        staffing: Staffing,
        operations: Operations,
        entrance: Entrance,
        loops: Vec<(EventLoop, mio::Waker)>,
    ) -> Arc<Shared> {
        let running = loops.len();
        let cells = loops.into_iter().map(|(event_loop, waker)| LoopCell {
            baton: Baton::new(event_loop),
            inbox: Inbox::new(),
            waker,
            thread: AtomicU32::new(0),
            endpoint: AtomicU32::new(0),
            connections: AtomicUsize::new(0),
        });
        Arc::new(Shared {
            application,
            loops: cells.collect(),
            crew: Crew::new(staffing.most_alive(), staffing.most_replaced(), staffing.loops),
            admission: Admission::new(staffing.permits_beyond_reserves(), limits.queue),
            watch: Watch::new(),
            health: Health::new(operations.health_beside_service),
            observation: operations.observation,
            tally: Tally::default(),
            streaming: AtomicUsize::new(0),
            most_streaming: staffing.most_streaming(),
            phase: AtomicU8::new(Phase::Running as u8),
            drain_delay: operations.drain_delay,
            drain: Mutex::new(None),
            loops_accepting: AtomicUsize::new(running),
            loops_running: Mutex::new(running),
            loop_ended: Condvar::new(),
            cut: AtomicUsize::new(0),
            listeners: Mutex::new(entrance.listeners),
            leaves_paths: AtomicBool::new(false),
            places: Mutex::new(Vec::new()),
            protocol: limits.protocol(),
            trust: entrance.trust,
            doors: entrance.doors,
            limits,
        })
    }

    /// What a connection needs to do something.
    pub(super) fn new_work(&self) -> Box<Work> {
        let mut work = Work::new(Arc::clone(&self.protocol), self.limits.body_buffer);
        work.exchange.request.trust.clone_from(&self.trust);
        if self.observation.is_wanted() {
            work.exchange.request.record_endpoint();
        }
        Box::new(work)
    }

    /// Whether a connection is to begin with a PROXY header.
    pub(super) fn expects_proxy_header(&self, accepted: &Accepted) -> bool {
        let is_on = self
            .doors
            .get(accepted.listener)
            .is_some_and(|door| door.proxy_protocol);
        is_on
            && self
                .trust
                .as_ref()
                .is_some_and(|trust| trust.admits_peer(accepted.peer))
    }

    /// Whether a connection is to be encrypted.
    pub(super) fn is_secure(&self, accepted: &Accepted) -> bool {
        self.doors.get(accepted.listener).is_some_and(Door::is_secure)
    }

    /// A new connection, as its listener has it come in.
    pub(super) fn open(&self, accepted: Accepted) -> io::Result<Channel> {
        match self.doors.get(accepted.listener) {
            Some(door) => door.open(accepted.stream),
            None => Ok(Channel::plain(accepted.stream)),
        }
    }

    /// Leaves something for a loop, and wakes its holder if need be.
    pub(super) fn leave(&self, index: usize, arrival: Arrival) {
        let cell = &self.loops[index];
        if cell.inbox.leave(arrival) {
            cell.wake();
        }
    }

    /// Wakes the loops other than `index` that sleep.
    pub(super) fn wake_others(&self, index: usize) {
        for (other, cell) in self.loops.iter().enumerate() {
            if other != index && cell.inbox.rouse() {
                cell.wake();
            }
        }
    }

    /// The loop with the fewest connections, or `own` if it has not many more.
    pub(super) fn least_busy(&self, own: usize, imbalance: usize) -> usize {
        let busyness = |index: usize| self.loops[index].connections.load(Ordering::Relaxed);
        let least = (0..self.loops.len())
            .min_by_key(|&index| busyness(index))
            .unwrap_or(own);
        if busyness(own) > busyness(least) + imbalance {
            least
        } else {
            own
        }
    }

    /// Counts a new connection on a loop, and says whether there is room for it.
    pub(super) fn connection_opened(&self, index: usize) -> Room {
        let all = self.connections();
        if all >= self.limits.connections + TURNED_AWAY {
            return Room::None;
        }
        self.loops[index].connections.fetch_add(1, Ordering::Relaxed);
        if all < self.limits.connections {
            Room::Enough
        } else {
            Room::Scarce
        }
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        let connections = self.loops.iter().map(|cell| cell.connections.load(Ordering::Relaxed));
        connections.sum()
    }

    /// How many handlers stream.
    pub(super) fn streaming(&self) -> usize {
        self.streaming.load(Ordering::Relaxed)
    }

    /// Whether more requests are welcome.
    pub(super) fn is_ready(&self) -> bool {
        self.health.is_ready() && !self.is_leaving()
    }

    pub(super) fn connection_closed(&self, index: usize) {
        self.loops[index].connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a place among the handlers that stream, if there is one. It is given back by dropping it.
    pub(super) fn streaming_place(&self) -> Option<StreamingPlace<'_>> {
        let taken = self.streaming.fetch_add(1, Ordering::SeqCst);
        let place = StreamingPlace(&self.streaming);
        (taken < self.most_streaming).then_some(place)
    }

    /// Where the server is; what has taken its time passes into the next phase here.
    pub(super) fn phase(&self, now: Instant) -> Phase {
        if self.phase.load(Ordering::SeqCst) == Phase::Running as u8 {
            return Phase::Running;
        }
        let phase = match *self.lock_drain() {
            Some(drain) if now < drain.begins => Phase::Leaving,
            Some(drain) if now < drain.ends => Phase::Draining,
            _ => Phase::Stopping,
        };
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        phase
    }

    /// Whether connections go on after an answer.
    pub(super) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) <= Phase::Leaving as u8
    }

    /// Whether the server has been told to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != Phase::Running as u8
    }

    /// When the next phase begins, if that is known.
    pub(super) fn next_phase(&self, phase: Phase) -> Option<Instant> {
        let drain = (*self.lock_drain())?;
        match phase {
            Phase::Running | Phase::Leaving => Some(drain.begins),
            Phase::Draining => Some(drain.ends),
            Phase::Stopping => None,
        }
    }

    /// Begins to drain, after the delay. Called again, it ends the delay and can shorten the grace.
    pub(super) fn drain(&self, grace: Duration) {
        {
            let mut drain = self.lock_drain();
            let now = Instant::now();
            *drain = Some(match *drain {
                None => Drain {
                    begins: now + self.drain_delay,
                    ends: now + self.drain_delay + grace,
                },
                Some(set) => Drain {
                    begins: set.begins.min(now),
                    ends: set.ends.min(now + grace),
                },
            });
        }
        self.phase.fetch_max(Phase::Leaving as u8, Ordering::SeqCst);
        self.wake_all();
    }

    /// Wakes all loops, whether or not they sleep: a wake-up too many is harmless, and one too few is not.
    fn wake_all(&self) {
        for cell in &self.loops {
            let _ = cell.inbox.rouse();
            cell.wake();
        }
    }

    /// The listeners, for another process.
    #[cfg(unix)]
    pub(super) fn listeners(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the server has stopped listening",
            ));
        }
        listeners.iter().map(Bound::descriptor).collect()
    }

    /// Leaves the paths of Unix sockets to whoever has them now.
    #[cfg(unix)]
    pub(super) fn leave_paths(&self) {
        self.leaves_paths.store(true, Ordering::SeqCst);
    }

    /// Gives up what was kept of the listeners, before the loops take what waits there and close theirs.
    pub(super) fn stop_listening(&self) {
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        let places = listeners.into_iter().filter_map(Bound::into_place);
        if self.leaves_paths.load(Ordering::SeqCst) {
            places.for_each(Place::leave);
        } else {
            self.places
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(places);
        }
    }

    /// A loop accepts no more. The last one to say so wakes the others, which have waited for that.
    pub(super) fn loop_has_stopped_accepting(&self) {
        if self.loops_accepting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.wake_all();
        }
    }

    /// Whether a loop may still accept connections and give them to another.
    pub(super) fn is_accepting(&self) -> bool {
        self.loops_accepting.load(Ordering::SeqCst) > 0
    }

    fn lock_drain(&self) -> MutexGuard<'_, Option<Drain>> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop has come to its end.
    pub(super) fn loop_has_ended(&self) {
        let left = {
            let mut running = self.loops_running.lock().unwrap_or_else(PoisonError::into_inner);
            *running -= 1;
            *running
        };
        if left == 0 {
            self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.crew.dismiss();
            if let Some(log) = &self.observation.log {
                log.outlet.close();
            }
            self.watch.end();
        }
        self.loop_ended.notify_all();
    }

    pub(super) fn have_all_ended(&self) -> bool {
        *self.loops_running.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Waits until all loops have ended.
    pub(super) fn wait(&self) {
        let mut running = self.loops_running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running > 0 {
            running = self.loop_ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that the end of the grace has cut off.
    pub(super) fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }
}

impl LoopCell {
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            // It comes round by its next event or deadline.
            log::error!("can't wake an event loop: {error}");
        }
    }
}

/// See [`Shared::streaming_place`].
pub(super) struct StreamingPlace<'s>(&'s AtomicUsize);

impl Drop for StreamingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a thread of the crew.
pub(super) fn hire(shared: &Arc<Shared>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let number = shared.crew.alive();
    std::thread::Builder::new()
        .name(format!("hansel-{number}"))
        .spawn(work)?;
    Ok(())
}
