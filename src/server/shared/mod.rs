//! The state that all threads of a server share.

pub(crate) mod admission;
pub(crate) mod corks;
pub(crate) mod crew;
pub(crate) mod disk;
#[cfg(all(test, unix))]
pub(crate) mod fixture;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod lifecycle;
pub(crate) mod loop_link;
pub(crate) mod note;
pub(crate) mod observer;
pub(crate) mod runs;
pub(crate) mod share;
#[cfg(feature = "websocket")]
pub(crate) mod sockets;
pub(crate) mod staffing;
pub(crate) mod sync;
pub(crate) mod tally;
pub(crate) mod watch;
pub(crate) mod whole_pace;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::exchange::{Exchange, Pool};
use crate::operations::Count;
use crate::panics::contain;
use crate::report;
use crate::scheduling::{self, Scheduling};
use crate::seen::{ResponseHook, both, send_id};
use crate::server::connection::Connection;
use crate::server::connection::drop_queue::DropQueue;
use crate::server::connection::gathered::Gathered;
use crate::server::connection::link::Link;
use crate::server::connection::places::Places;
use crate::server::connection::work::Work;
use crate::server::limits::Limits;
use crate::server::net::entrance::Entrance;
use crate::server::net::peers::{Peers, Visitor};
use crate::server::net::room::{Capacity, Room};
use crate::topic::Topics;
use crate::{Application, IntoResponse, Request, Response};

use admission::Admission;
use corks::{Cork, Corks};
use crew::{Crew, Order};
use disk::DiskPlaces;
use health::Health;
use lifecycle::Lifecycle;
use loop_link::{Arrival, LoopLink};
use observer::Observation;
use runs::Runs;
use share::Share;
#[cfg(feature = "websocket")]
use sockets::Sockets;
use staffing::Staffing;
use tally::{PassReason, Tally};
use watch::Watch;
use whole_pace::WholePace;

pub(crate) struct Shared {
    pub(crate) application: Box<dyn Application>,
    pub(crate) scheduling: Option<Arc<dyn Scheduling>>,
    /// The pace of the whole application, if it does not time its calls itself.
    pub(crate) pace: WholePace,
    pub(crate) limits: Limits,
    protocol: Arc<hansel_proto::Limits>,
    /// The smallest limit of a body that a route has, and the shortest deadline.
    least_body: u64,
    pub(crate) shortest_deadline: Option<Duration>,
    /// The hook that sees each response before it is sent.
    pub(crate) response_hook: Option<ResponseHook>,
    /// Memory for large bodies that are gathered before their handlers start.
    pub(crate) pool: Arc<Pool>,
    pub(crate) entrance: Entrance,
    pub(crate) loops: Vec<Arc<LoopLink>>,
    /// Paths need not be text.
    takes_any_path: bool,
    /// Targets may have octets that no URI has.
    takes_raw_targets: bool,
    /// Handlers may respond before they return.
    pub(crate) responds_early: bool,
    /// Calls need more than their request: a hook sees responses, a route has a deadline, or handlers may respond early.
    pub(crate) prepares_calls: bool,
    pub(crate) crew: Crew<Box<Connection>>,
    /// Starts a thread of the crew, once the server has started.
    hire: OnceLock<Hire>,
    pub(crate) disk: DiskPlaces,
    pub(crate) admission: Admission<Box<Connection>>,
    pub(crate) watch: Watch,
    pub(crate) runs: Runs,
    pub(crate) corks: Corks<Gathered>,
    pub(crate) health: Health,
    probes: Option<Probes>,
    pub(crate) observation: Observation,
    pub(crate) tally: Tally,
    pub(crate) capacity: Capacity,
    peers: Option<Peers>,
    /// For handlers that read a body as it arrives, and for those whose response is a stream.
    pub(crate) uploads: Arc<Places>,
    pub(crate) downloads: Arc<Places>,
    /// For those who subscribe to topics.
    pub(crate) share: Share,
    pub(crate) topics: Topics,
    #[cfg(feature = "websocket")]
    pub(crate) sockets: Sockets,
    pub(crate) drop_queue: Arc<DropQueue>,
    /// The time between the beginning of a drain and the moment the listeners close.
    drain_delay: Duration,
    pub(crate) lifecycle: Lifecycle,
}

/// Starts a thread of the crew, with its first order.
pub(crate) type Hire = Box<dyn Fn(Order<Box<Connection>>) -> io::Result<()> + Send + Sync>;

/// Responds to the probes of the health lane, and counts for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probes {
    pub(crate) respond: fn(&Request, &Shared) -> Response,
    /// Creates the counters of that many loops.
    pub(crate) metrics: fn(usize) -> Box<dyn Count>,
    /// Returns the status page, if it is switched on.
    pub(crate) page: Option<fn() -> Response>,
}

/// The configuration by an operator.
pub(crate) struct Operations {
    pub(crate) probes: Option<Probes>,
    pub(crate) probes_beside_service: bool,
    pub(crate) drain_delay: Duration,
    pub(crate) observation: Observation,
    /// Responses contain the id of their request.
    pub(crate) sends_ids: bool,
    pub(crate) peers: Option<Peers>,
    pub(crate) capacity: Capacity,
}

impl Shared {
    /// Creates the state for loops that are woken by these wakers.
    pub(crate) fn new(
        application: Box<dyn Application>,
        limits: Limits,
        staffing: Staffing,
        operations: Operations,
        entrance: Entrance,
        wakers: Vec<mio::Waker>,
    ) -> Arc<Shared> {
        let of_routes = application.limit_extremes();
        let scheduling = application.scheduling();
        let responds_early = application.responds_early();
        let response_hook = match (operations.sends_ids, application.response_hook()) {
            (false, hook) => hook,
            (true, None) => Some(Arc::new(send_id) as ResponseHook),
            // First, so that the application sees the id.
            (true, Some(hook)) => Some(both(Arc::new(send_id), hook)),
        };
        Arc::new(Shared {
            protocol: limits.protocol(of_routes.largest_body()),
            least_body: of_routes.least_body(),
            takes_any_path: application.takes_any_path(),
            takes_raw_targets: application.takes_raw_targets(),
            prepares_calls: responds_early || response_hook.is_some() || of_routes.deadline.is_some(),
            responds_early,
            shortest_deadline: of_routes.deadline,
            response_hook,
            pace: WholePace::of(&*application),
            application,
            loops: wakers.into_iter().map(|waker| Arc::new(LoopLink::new(waker))).collect(),
            crew: Crew::new(staffing.most_alive(), staffing.most_replaced(), staffing.loops),
            hire: OnceLock::new(),
            disk: DiskPlaces::new(staffing.most_reading(), staffing.loops),
            admission: Admission::new(staffing.permits_beyond_reserves(), limits.queue)
                .asking(scheduling.clone(), limits.queue_time),
            scheduling,
            watch: Watch::new(),
            runs: Runs::new(),
            corks: Corks::new(),
            health: Health::new(operations.probes_beside_service),
            probes: operations.probes,
            observation: operations.observation,
            tally: Tally::default(),
            peers: operations.peers,
            uploads: Places::new(staffing.most_uploads()),
            downloads: Places::new(staffing.most_downloads()),
            share: Share::new(&limits),
            topics: Topics::default(),
            #[cfg(feature = "websocket")]
            sockets: Sockets::default(),
            drop_queue: Arc::default(),
            capacity: operations.capacity,
            drain_delay: operations.drain_delay,
            lifecycle: Lifecycle::new(staffing.loops),
            pool: Pool::new(limits.gathered(), limits.body_memory),
            entrance,
            limits,
        })
    }

    /// Has the application give back what it keeps on this thread between two calls, because the thread is about to wait.
    #[inline]
    pub(crate) fn rest(&self) {
        scheduling::rest(self.scheduling.as_ref());
    }

    /// Sets how threads are started from now on.
    pub(crate) fn hire_by(&self, hire: Hire) {
        // A server starts only once.
        let _ = self.hire.set(hire);
    }

    /// Sends a thread to acquire loop `index`.
    ///
    /// # Errors
    /// Returns an error if there is no thread to send, or the server has not started.
    pub(crate) fn send(&self, index: usize) -> io::Result<()> {
        self.crew.send(index, |order| match self.hire.get() {
            Some(hire) => hire(order),
            None => Err(io::Error::other("the server has not started")),
        })
    }

    /// Sends a thread to take loop `index` over from a handler that blocks. Returns true if there was one.
    pub(crate) fn send_to(&self, index: usize, reason: PassReason) -> bool {
        self.tally.passed(reason);
        self.send(index)
            .inspect_err(|error| report::warn!("no thread can take an event loop over from a handler that blocks: {error}; its connections wait for that handler"))
            .is_ok()
    }

    /// Returns the status page, if it is switched on.
    pub(crate) fn status_page(&self) -> Option<Response> {
        self.probes?.page.map(|page| page())
    }

    /// Responds to a request of the health lane.
    pub(crate) fn respond_to_probe(&self, request: &Request) -> Response {
        let mut response = match self.probes {
            Some(probes) => (probes.respond)(request, self),
            None => http::StatusCode::NOT_FOUND.into_response(),
        };
        response.set_seen();
        response
    }

    /// Returns when to look at the call of the connection of `link` again, if ever.
    pub(crate) fn deadline(&self, link: &Link, now: Instant) -> Option<Instant> {
        link.claim.deadline(now, &self.limits, self.shortest_deadline)
    }

    /// Creates what a connection needs while something is in progress.
    pub(crate) fn new_work(&self) -> Box<Work> {
        let exchange = Exchange::new(
            Arc::clone(&self.protocol),
            self.limits.own_body(),
            Arc::clone(&self.pool),
        );
        let exchange = exchange
            .with_body_limits(self.limits.body, self.least_body)
            .with_paths(self.takes_any_path)
            .with_targets(self.takes_raw_targets)
            .with_hook(self.response_hook.clone());
        let mut work = Work::new(exchange, Arc::clone(&self.drop_queue));
        work.exchange.request.trust.clone_from(&self.entrance.trust);
        if self.observation.is_wanted() {
            work.exchange.request.record_endpoint();
        }
        Box::new(work)
    }

    /// Counts a connection for its peer, and returns whether the peer may have it. A trusted peer has many, which
    /// belong to others.
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

    /// Leaves something for a loop, and wakes its holder if needed.
    #[inline(never)]
    pub(crate) fn deliver(&self, index: usize, arrival: Arrival) {
        let cell = &self.loops[index];
        if cell.inbox.push(arrival) {
            cell.wake();
        }
        self.discard_left(index);
    }

    /// Drops what was left for a loop that has ended: a connection whose handler has returned too late, for one.
    pub(crate) fn discard_left(&self, index: usize) {
        while let Some(arrival) = self.loops[index].inbox.left() {
            self.drop_queue.push(Box::new(arrival));
        }
    }

    /// Notes that a thread has finished reading. The next one may read, on whichever loop it waits.
    pub(crate) fn release_disk(&self) {
        self.disk.release(|index| self.deliver(index, Arrival::ReadingPlace));
    }

    /// Wakes the loops other than `index` that sleep.
    pub(crate) fn wake_others(&self, index: usize) {
        for (other, cell) in self.loops.iter().enumerate() {
            if other != index && cell.inbox.rouse() {
                cell.wake();
            }
        }
    }

    /// Has what a stream has left sent at the next tick of the watch.
    pub(crate) fn send_later(&self, cork: &Arc<Cork<Gathered>>) {
        if self.corks.list(cork) {
            self.watch.look();
            self.watch.look_closely();
        }
    }

    /// Returns the loop with the fewest connections, or `own` if it has not many more.
    pub(crate) fn least_busy(&self, own: usize, imbalance: usize) -> usize {
        let busyness = |index: usize| self.loops[index].connections();
        let least = (0..self.loops.len())
            .min_by_key(|&index| busyness(index))
            .unwrap_or(own);
        if busyness(own) > busyness(least) + imbalance {
            least
        } else {
            own
        }
    }

    /// Returns whether there is room for one more connection.
    pub(crate) fn room(&self) -> Room {
        self.capacity.beside(self.connections())
    }

    /// Returns how many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.loops.iter().map(|link| link.connections()).sum()
    }

    /// Returns true if more requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.health.is_ready() && (!self.lifecycle.is_leaving() || self.health.has_successor())
    }

    /// Returns the places of which the connection's request needs one, if it does and has none.
    pub(crate) fn places_for(&self, connection: &Connection) -> Option<&Arc<Places>> {
        let work = connection.work.as_ref().filter(|_| connection.place.is_none())?;
        match (&work.parked, work.exchange.has_live_body()) {
            (Some(_), _) => Some(&self.downloads),
            (None, true) => Some(&self.uploads),
            (None, false) => None,
        }
    }

    /// Returns the peer, unless it is one that connects for others.
    pub(crate) fn told_apart(&self, peer: Option<SocketAddr>) -> Option<SocketAddr> {
        peer.filter(|_| !self.entrance.trusts(peer))
    }

    /// Begins to drain, after the delay. Another call ends the delay and can shorten the grace.
    pub(crate) fn drain(&self, grace: Duration) {
        self.lifecycle.drain(self.delay(), grace);
        self.wake_all();
    }

    /// Returns how long it goes on as before. If there is a successor, that takes what comes now.
    pub(crate) fn delay(&self) -> Duration {
        if self.health.has_successor() {
            Duration::ZERO
        } else {
            self.drain_delay
        }
    }

    /// Wakes all loops, whether or not they sleep: an unnecessary wake-up is harmless, a missing one is not.
    fn wake_all(&self) {
        for link in &self.loops {
            let _ = link.inbox.rouse();
            link.wake();
        }
    }

    /// Notes that a loop no longer accepts. The last one wakes the others, which have waited for that.
    pub(crate) fn loop_has_stopped_accepting(&self) {
        if self.lifecycle.loop_has_stopped_accepting() {
            self.wake_all();
        }
    }

    /// Notes that a loop has ended.
    pub(crate) fn loop_has_ended(&self) {
        if self.lifecycle.loop_has_ended() == 0 {
            self.crew.dismiss();
            for (_, waiting) in self.admission.give_up() {
                self.drop_queue.push(waiting);
            }
            if let Some(log) = &self.observation.log {
                log.close();
            }
            self.watch.end();
        }
        self.lifecycle.notify_end();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Dropping the application is the program's code, and the last thread that comes here is hansel's.
        let application = std::mem::replace(&mut self.application, Box::new(Gone));
        if let Err(panic) = contain(|| drop(application)) {
            report::error!("the application panicked when it was dropped: {panic}");
        }
    }
}

/// Replaces the application at the end. It is never called.
struct Gone;

impl Application for Gone {
    fn call(&self, _: &Request) -> Response {
        Response::default()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::fixture::{connection, serving};
    use super::*;
    use crate::IntoApplication;
    use crate::Trust;
    use std::io::Read;
    use std::sync::mpsc::{Sender, channel};

    const HOUR: Duration = Duration::from_secs(3600);

    fn of_one_thread(loops: usize) -> Staffing {
        Staffing { loops, threads: 1 }
    }

    fn shared_by(loops: usize) -> Arc<Shared> {
        serving(
            (|| "unused").into_application(),
            of_one_thread(loops),
            Limits::default(),
            None,
        )
    }

    fn shared() -> Arc<Shared> {
        shared_by(1)
    }

    fn of(last: u8) -> Option<SocketAddr> {
        Some(SocketAddr::from(([192, 0, 2, last], 1)))
    }

    /// Returns a shared state that nobody else has yet, to change it.
    fn own(loops: usize) -> Shared {
        Arc::into_inner(shared_by(loops)).unwrap()
    }

    /// Marks all loops as asleep.
    fn fall_asleep(shared: &Shared) {
        for link in &shared.loops {
            assert!(link.inbox.fall_asleep());
        }
    }

    fn asleep(shared: &Shared) -> Vec<bool> {
        shared.loops.iter().map(|link| link.inbox.is_asleep()).collect()
    }

    #[test]
    fn the_least_busy_loop_has_the_next_connection_if_one_has_many_more() {
        let shared = shared_by(3);
        for (index, connections) in [5, 3, 2].into_iter().enumerate() {
            (0..connections).for_each(|_| shared.loops[index].connection_opened());
        }
        assert_eq!(shared.connections(), 10);
        assert_eq!(shared.least_busy(0, 2), 2);
        assert_eq!(shared.least_busy(0, 3), 0, "it has not so many more");
        assert_eq!(shared.least_busy(1, 1), 1);
        assert_eq!(shared.least_busy(2, 0), 2);
        shared.loops[0].connection_closed();
        assert_eq!((shared.connections(), shared.loops[0].connections()), (9, 4));
    }

    #[test]
    fn there_is_room_up_to_the_limit_of_all_loops_together() {
        let shared = shared_by(2);
        for (others, room) in [(8, Room::Enough), (9, Room::Scarce), (10, Room::None)] {
            while shared.connections() < others {
                shared.loops[others % 2].connection_opened();
            }
            assert_eq!(shared.room(), room, "{others}");
        }
    }

    #[test]
    fn each_peer_has_its_number_of_connections_but_for_those_that_are_trusted() {
        let mut shared = own(1);
        let admit = |shared: &Shared, last| {
            let mut visitor = Visitor::of(of(last));
            (shared.admit(&mut visitor), visitor)
        };
        assert_eq!(admit(&shared, 1).0, Room::Enough, "none is limited");
        shared.peers = Some(Peers::new(1));
        let (room, first) = admit(&shared, 1);
        assert_eq!((room, first.address), (Room::Enough, of(1)));
        assert_eq!(admit(&shared, 1).0, Room::Scarce);
        assert_eq!(admit(&shared, 2).0, Room::Enough);
        assert_eq!([shared.told_apart(of(1)), shared.told_apart(None)], [of(1), None]);
        drop(first);
        assert_eq!(admit(&shared, 1).0, Room::Enough);
        shared.entrance.trust = Some(Arc::new(Trust::peers(["192.0.2.1"]).unwrap()));
        let crowd = [(); 3].map(|()| admit(&shared, 1));
        assert!(crowd.iter().all(|(room, _)| *room == Room::Enough));
        assert_eq!([shared.told_apart(of(1)), shared.told_apart(of(2))], [None, of(2)]);
    }

    #[test]
    fn requests_are_welcome_while_it_runs_and_is_ready() {
        let shared = shared();
        assert!(shared.is_ready());
        shared.health.set_ready(false);
        assert!(!shared.is_ready());
        shared.health.set_ready(true);
        shared.drain(HOUR);
        assert!(!shared.is_ready());
    }

    #[test]
    #[cfg(feature = "activation")]
    fn with_a_successor_requests_are_welcome_and_nothing_is_waited_for() {
        let mut shared = own(1);
        shared.drain_delay = HOUR;
        assert_eq!(shared.delay(), HOUR);
        shared.health.hand_over();
        assert_eq!(shared.delay(), Duration::ZERO);
        shared.drain(HOUR);
        assert!(shared.is_ready(), "the successor serves them");
        assert_eq!(shared.lifecycle.phase(Instant::now()), lifecycle::Phase::Draining);
        shared.health.set_ready(false);
        assert!(!shared.is_ready());
    }

    #[test]
    fn before_a_drain_it_goes_on_for_as_long_as_was_set_and_every_loop_is_woken() {
        let mut shared = own(2);
        shared.drain_delay = HOUR;
        fall_asleep(&shared);
        shared.drain(HOUR);
        assert_eq!(shared.lifecycle.phase(Instant::now()), lifecycle::Phase::Leaving);
        assert_eq!(asleep(&shared), [false, false]);
    }

    #[test]
    fn what_is_left_for_a_loop_wakes_that_one_and_other_wake_ups_the_others() {
        let shared = shared_by(3);
        fall_asleep(&shared);
        shared.deliver(1, Arrival::Recovered(7));
        assert_eq!(asleep(&shared), [true, false, true]);
        assert!(matches!(shared.loops[1].inbox.pop(), Some(Arrival::Recovered(7))));
        shared.wake_others(0);
        assert_eq!(asleep(&shared), [true, false, false]);
    }

    #[test]
    fn what_is_left_for_a_loop_that_has_ended_is_dropped() {
        let shared = shared();
        let [(one, first), (other, second)] = [0, 1].map(connection);
        shared.deliver(0, Arrival::Returned(first));
        shared.discard_left(0);
        assert!(!shared.loops[0].inbox.is_empty(), "it has not ended");
        shared.loops[0].inbox.end();
        shared.deliver(0, Arrival::Returned(second));
        assert!(shared.loops[0].inbox.is_empty());
        for mut client in [one, other] {
            // Its connection is dropped on another thread.
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn a_thread_is_sent_only_once_the_server_has_started() {
        let shared = shared();
        let reason = PassReason::Watched;
        assert!(!shared.send_to(0, reason));
        let (tell, told) = channel();
        let tell = std::sync::Mutex::new(tell);
        shared.hire_by(Box::new(move |order| {
            let is_for_loop = matches!(order, Order::TakeUp(0));
            crate::lock::lock(&tell).send(is_for_loop).unwrap();
            Ok(())
        }));
        assert!(shared.send_to(0, reason));
        assert!(told.recv().unwrap());
        assert_eq!(shared.tally.passes(reason), 2);
    }

    #[test]
    fn the_last_loop_that_stops_accepting_wakes_those_that_have_waited_for_it() {
        let shared = shared_by(2);
        fall_asleep(&shared);
        shared.loop_has_stopped_accepting();
        assert_eq!(asleep(&shared), [true, true]);
        shared.loop_has_stopped_accepting();
        assert_eq!(asleep(&shared), [false, false]);
    }

    #[test]
    fn the_end_of_the_last_loop_is_that_of_all_that_waits() {
        let shared = shared_by(2);
        let (mut client, waiting) = connection(0);
        assert!(matches!(
            shared.admission.acquire(waiting, Instant::now(), false, true),
            admission::Admitted::Queued
        ));
        let hired = || shared.crew.reinforce(|| Ok(())).unwrap();
        shared.loop_has_ended();
        assert!(shared.admission.has_waiting() && hired());
        shared.loop_has_ended();
        assert!(!shared.admission.has_waiting() && !hired());
        assert!(shared.lifecycle.have_all_ended());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn an_application_is_dropped_at_the_end_and_its_panic_ends_nothing() {
        struct Last(Sender<()>);
        impl Drop for Last {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
                panic!("as it is dropped");
            }
        }
        let (tell, told) = channel();
        let last = Last(tell);
        let handler = move || {
            let _ = &last;
            "unused"
        };
        drop(serving(
            handler.into_application(),
            of_one_thread(1),
            Limits::default(),
            None,
        ));
        told.recv().unwrap();
    }

    #[test]
    fn the_status_page_is_there_if_it_is_switched_on() {
        let mut shared = own(1);
        assert!(shared.status_page().is_none());
        for (page, is_there) in [
            (None, false),
            (Some((|| Response::new("page")) as fn() -> Response), true),
        ] {
            shared.probes = Some(Probes {
                respond: |_, _| Response::default(),
                metrics: |_| unreachable!("nobody asks"),
                page,
            });
            assert_eq!(shared.status_page().is_some(), is_there);
        }
    }
}
