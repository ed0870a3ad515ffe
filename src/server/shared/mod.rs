//! What all threads of a server share.

pub(crate) mod admission;
pub(crate) mod crew;
pub(crate) mod disk;
pub(crate) mod health;
pub(crate) mod observer;
pub(crate) mod sync;
pub(crate) mod tally;
pub(crate) mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::after;
use crate::exchange::Pool;
use crate::panics::contain;
use crate::report;
use crate::{Application, Request, Response};

use crate::server::connection::places::Places;
use crate::server::connection::{Connection, Work};
use crate::server::event_loop::EventLoop;
use crate::server::handle::Drained;
use crate::server::limits::Limits;
use crate::server::net::entrance::Entrance;
use crate::server::net::peers::{CountPeers, Visitor};
use crate::server::net::room::{Capacity, Room, Want};
use crate::server::net::socket::Accepted;
use crate::server::threads::baton::{Baton, Inbox};
use admission::Admission;
use crew::Crew;
use disk::DiskPlaces;
use health::{Health, HealthLane};
use observer::Observation;
use tally::Tally;
use watch::Watch;

pub(crate) struct Shared {
    pub(crate) application: Box<dyn Application>,
    pub(crate) limits: Limits,
    protocol: Arc<hansel_proto::Limits>,
    /// Memory for large bodies that are gathered before their handlers start.
    pub(crate) pool: Arc<Pool>,
    pub(crate) entrance: Entrance,
    pub(crate) loops: Vec<LoopCell>,
    pub(crate) crew: Crew<Box<Connection>>,
    pub(crate) disk: DiskPlaces,
    pub(crate) admission: Admission<Box<Connection>>,
    pub(crate) watch: Watch,
    pub(crate) health: Health,
    pub(crate) observation: Observation,
    pub(crate) tally: Tally,
    pub(crate) capacity: Capacity,
    peers: Option<Box<dyn CountPeers>>,
    /// For handlers that read a body as it arrives, and for those whose response is a stream.
    pub(crate) uploads: Arc<Places>,
    pub(crate) downloads: Arc<Places>,
    phase: AtomicU8,
    /// Between the beginning of a drain and the moment the listeners close.
    drain_delay: Duration,
    drain: Mutex<Option<Drain>>,
    /// Loops that may still accept connections, and give them to others.
    loops_accepting: AtomicUsize,
    loops_running: Mutex<usize>,
    loop_ended: Condvar,
    finished: AtomicUsize,
    cut: AtomicUsize,
}

/// One loop, and what others must know of it without holding it.
pub(crate) struct LoopCell {
    pub(crate) baton: Baton<EventLoop>,
    pub(crate) inbox: Inbox<Arrival>,
    pub(crate) waker: mio::Waker,
    /// The system's number of the thread that held it last; 0 if that is not known.
    pub(crate) thread: AtomicU32,
    /// The endpoint that runs while it lies, as [`Pace::index`](crate::pace::Pace::index) plus one.
    pub(crate) endpoint: AtomicU32,
    /// Another loop needs memory for bodies, and has nobody to take it from.
    pub(crate) is_asked_for_memory: AtomicBool,
    connections: AtomicUsize,
}

/// What comes to a loop from other threads.
pub(crate) enum Arrival {
    /// A connection of this loop, answered by a thread that has lost the loop.
    Returned(Box<Connection>),
    /// A connection of this loop, for which a piece of a file has been read.
    Read(Box<Connection>),
    /// One more file may be read.
    ReadingPlace,
    /// The handler of a lost thread has returned, or its read; it was that of the connection at this place.
    Recovered(usize),
    /// A new connection that another loop has accepted.
    Accepted(Accepted),
    /// Likewise, one that has a place only if another connection makes room for it.
    OneTooMany(Accepted, Want),
}

/// What an operator has asked for.
pub(crate) struct Operations {
    pub(crate) health: Option<HealthLane>,
    pub(crate) health_beside_service: bool,
    pub(crate) drain_delay: Duration,
    pub(crate) observation: Observation,
    pub(crate) peers: Option<Box<dyn CountPeers>>,
    pub(crate) capacity: Capacity,
}

/// Where the server is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
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
pub(crate) struct Staffing {
    pub(crate) loops: usize,
    pub(crate) threads: usize,
}

impl Staffing {
    /// A quarter of the threads may read bodies as they arrive, and half of them may stream responses: the others
    /// stay for those that do neither.
    fn most_uploads(self) -> usize {
        self.threads / 4
    }

    fn most_downloads(self) -> usize {
        self.threads / 2
    }

    /// Each loop has a permit in reserve, as far as they go round.
    fn has_reserve(self, index: usize) -> bool {
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

    /// Files that are not in memory are read by so many at once, beside those in handlers: a disk that hangs takes no
    /// handler's thread, and handlers that hang keep no file from being read.
    fn most_reading(self) -> usize {
        (self.threads / 4).max(1)
    }

    /// Those in handlers, those that read files, those that hold loops, and for each loop one that can take it up.
    fn most_alive(self) -> usize {
        self.threads + self.most_reading() + 2 * self.loops
    }
}

impl Shared {
    pub(crate) fn new(
        application: Box<dyn Application>,
        limits: Limits,
        staffing: Staffing,
        operations: Operations,
        entrance: Entrance,
    ) -> io::Result<Arc<Shared>> {
        let running = staffing.loops;
        let mut loops = Vec::with_capacity(running);
        for index in 0..running {
            loops.push(LoopCell::new(index, &entrance, staffing.has_reserve(index))?);
        }
        Ok(Arc::new(Shared {
            application,
            loops,
            crew: Crew::new(staffing.most_alive(), staffing.most_replaced(), staffing.loops),
            disk: DiskPlaces::new(staffing.most_reading(), staffing.loops),
            admission: Admission::new(staffing.permits_beyond_reserves(), limits.queue),
            watch: Watch::new(),
            health: Health::new(operations.health, operations.health_beside_service),
            observation: operations.observation,
            tally: Tally::default(),
            peers: operations.peers,
            uploads: Places::new(staffing.most_uploads()),
            downloads: Places::new(staffing.most_downloads()),
            capacity: operations.capacity,
            phase: AtomicU8::new(Phase::Running as u8),
            drain_delay: operations.drain_delay,
            drain: Mutex::new(None),
            loops_accepting: AtomicUsize::new(running),
            loops_running: Mutex::new(running),
            loop_ended: Condvar::new(),
            finished: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            protocol: limits.protocol(),
            pool: Pool::new(limits.gathered(), limits.body_memory),
            entrance,
            limits,
        }))
    }

    /// What a connection needs to do something.
    pub(crate) fn new_work(&self) -> Box<Work> {
        let mut work = Work::new(Arc::clone(&self.protocol), self.limits.own_body(), &self.pool);
        work.exchange.request.trust.clone_from(&self.entrance.trust);
        if self.observation.is_wanted() {
            work.exchange.request.record_endpoint();
        }
        Box::new(work)
    }

    /// Counts a connection for its peer, and says whether that may have it. A trusted peer has many, which
    /// are others'.
    pub(crate) fn admit(&self, visitor: &mut Visitor) -> Room {
        if self.entrance.trusts(visitor.address) {
            return Room::Enough;
        }
        let Some(peers) = &self.peers else {
            return Room::Enough;
        };
        let (counted, room) = peers.admit(visitor.address);
        *visitor = counted;
        room
    }

    /// Leaves something for a loop, and wakes its holder if need be.
    #[inline(never)]
    pub(crate) fn leave(&self, index: usize, arrival: Arrival) {
        let cell = &self.loops[index];
        if cell.inbox.leave(arrival) {
            cell.wake();
        }
    }

    /// A thread has read what it was to read. The next one may read, on whichever loop it waits.
    pub(crate) fn leave_disk(&self) {
        self.disk.leave(|index| self.leave(index, Arrival::ReadingPlace));
    }

    /// Wakes the loops other than `index` that sleep.
    pub(crate) fn wake_others(&self, index: usize) {
        for (other, cell) in self.loops.iter().enumerate() {
            if other != index && cell.inbox.rouse() {
                cell.wake();
            }
        }
    }

    /// The loop with the fewest connections, or `own` if it has not many more.
    pub(crate) fn least_busy(&self, own: usize, imbalance: usize) -> usize {
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

    /// Whether there is room for one more connection.
    pub(crate) fn room(&self) -> Room {
        self.capacity.beside(self.connections())
    }

    /// Counts a new connection on a loop.
    pub(crate) fn connection_opened(&self, index: usize) {
        self.loops[index].connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        let connections = self.loops.iter().map(|cell| cell.connections.load(Ordering::Relaxed));
        connections.sum()
    }

    /// Whether more requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.health.is_ready() && (!self.is_leaving() || self.health.has_successor())
    }

    pub(crate) fn connection_closed(&self, index: usize) {
        self.loops[index].connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The places of which the connection's request needs one, if it does and has none.
    pub(crate) fn places_for(&self, connection: &Connection) -> Option<&Arc<Places>> {
        let work = connection.work.as_ref().filter(|_| connection.place.is_none())?;
        match (&work.parked, work.exchange.has_live_body()) {
            (Some(_), _) => Some(&self.downloads),
            (None, true) => Some(&self.uploads),
            (None, false) => None,
        }
    }

    /// The peer, unless it is one that connects for others.
    pub(crate) fn told_apart(&self, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        peer.filter(|_| !self.entrance.trusts(peer))
    }

    /// Where the server is; what has taken its time passes into the next phase here.
    pub(crate) fn phase(&self, now: Instant) -> Phase {
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
    pub(crate) fn is_running(&self) -> bool {
        self.phase.load(Ordering::Relaxed) <= Phase::Leaving as u8
    }

    /// Whether the server has been told to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != Phase::Running as u8
    }

    /// When the next phase begins, if that is known.
    pub(crate) fn next_phase(&self, phase: Phase) -> Option<Instant> {
        let drain = (*self.lock_drain())?;
        match phase {
            Phase::Running | Phase::Leaving => Some(drain.begins),
            Phase::Draining => Some(drain.ends),
            Phase::Stopping => None,
        }
    }

    /// Begins to drain, after the delay. Called again, it ends the delay and can shorten the grace.
    pub(crate) fn drain(&self, grace: Duration) {
        {
            let mut drain = self.lock_drain();
            let now = Instant::now();
            *drain = Some(match *drain {
                None => {
                    let begins = after(now, self.delay());
                    let ends = after(begins, grace);
                    Drain { begins, ends }
                }
                Some(set) => Drain {
                    begins: set.begins.min(now),
                    ends: set.ends.min(after(now, grace)),
                },
            });
        }
        self.phase.fetch_max(Phase::Leaving as u8, Ordering::SeqCst);
        self.wake_all();
    }

    /// How long it goes on as before. A successor takes what comes now.
    pub(crate) fn delay(&self) -> Duration {
        if self.health.has_successor() {
            Duration::ZERO
        } else {
            self.drain_delay
        }
    }

    /// Wakes all loops, whether or not they sleep: a wake-up too many is harmless, and one too few is not.
    fn wake_all(&self) {
        for cell in &self.loops {
            let _ = cell.inbox.rouse();
            cell.wake();
        }
    }

    /// A loop accepts no more. The last one to say so wakes the others, which have waited for that.
    pub(crate) fn loop_has_stopped_accepting(&self) {
        if self.loops_accepting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.wake_all();
        }
    }

    /// Whether a loop may still accept connections and give them to another.
    pub(crate) fn is_accepting(&self) -> bool {
        self.loops_accepting.load(Ordering::SeqCst) > 0
    }

    fn lock_drain(&self) -> MutexGuard<'_, Option<Drain>> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop has come to its end.
    pub(crate) fn loop_has_ended(&self) {
        let left = {
            let mut running = self.loops_running.lock().unwrap_or_else(PoisonError::into_inner);
            *running -= 1;
            *running
        };
        if left == 0 {
            self.crew.dismiss();
            if let Some(log) = &self.observation.log {
                log.close();
            }
            self.watch.end();
        }
        self.loop_ended.notify_all();
    }

    // In several places, none of which is on the way of a usual request.
    #[inline(never)]
    pub(crate) fn have_all_ended(&self) -> bool {
        *self.loops_running.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Waits until all loops have ended.
    pub(crate) fn wait(&self) {
        let mut running = self.loops_running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running > 0 {
            running = self.loop_ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn count_finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// What has become of the connections that were busy at the end.
    pub(crate) fn drained(&self) -> Drained {
        Drained {
            finished: self.finished.load(Ordering::Relaxed),
            cut: self.cut.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Dropping the application is the program's code, and whichever thread comes here last is ours.
        let application = std::mem::replace(&mut self.application, Box::new(Gone));
        if let Err(panic) = contain(|| drop(application)) {
            report::error!("dropping the application panicked: {panic}");
        }
    }
}

/// What is left of an application at the end. It is never called.
struct Gone;

impl Application for Gone {
    fn call(&self, _: &Request) -> Response {
        Response::default()
    }
}

impl LoopCell {
    fn new(index: usize, entrance: &Entrance, reserve: bool) -> io::Result<LoopCell> {
        let (listeners, health_listeners) = entrance.for_loop()?;
        let (event_loop, waker) = EventLoop::new(index, listeners, health_listeners, reserve)?;
        Ok(LoopCell {
            baton: Baton::new(event_loop),
            inbox: Inbox::new(),
            waker,
            thread: AtomicU32::new(0),
            endpoint: AtomicU32::new(0),
            is_asked_for_memory: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        })
    }

    /// Whether its holder is there and awake, and so will soon look what has been left for it.
    pub(crate) fn is_at_work(&self) -> bool {
        self.baton.is_held() && !self.inbox.is_asleep()
    }

    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            asleep_for_now(&error);
        }
    }
}

#[cold]
fn asleep_for_now(error: &io::Error) {
    // It comes round by its next event or deadline.
    report::error!("can't wake an event loop: {error}");
}
