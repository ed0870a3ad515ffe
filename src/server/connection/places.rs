//! Places for handlers whose bodies are transferred while they run: a number for uploads, and a number for downloads.
//!
//! Such a handler has a thread that waits for its client, so only some of the threads may do that at once. Uploads and
//! downloads have separate places, and no peer gets all of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::link::{Link, OUSTED};
use crate::lock::lock;
use crate::server::limits::Limits;
use crate::server::net::peers::peer_of;

/// The places of one kind.
pub(crate) struct Places {
    most: usize,
    taken: Mutex<Vec<Arc<Holder>>>,
    /// True once somebody was told that all are taken.
    is_told: AtomicBool,
}

/// A place that is taken. Dropping it frees it.
pub(crate) struct Place {
    places: Arc<Places>,
    pub(crate) holder: Arc<Holder>,
}

/// The holder of a place.
pub(crate) struct Holder {
    peer: Option<IpAddr>,
    link: Arc<Link>,
    pub(crate) clock: Mutex<ClientClock>,
    is_ousted: AtomicBool,
}

impl Places {
    /// Creates this many places; at least one, or nobody could ever have one.
    pub(crate) fn new(most: usize) -> Arc<Places> {
        Arc::new(Places {
            most: most.max(1),
            taken: Mutex::default(),
            is_told: AtomicBool::new(false),
        })
    }

    /// Returns how many are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.taken).len()
    }

    /// Returns how many there are, if all are taken for the first time.
    pub(crate) fn used_up(&self) -> Option<usize> {
        let is_first = self.taken() >= self.most && !self.is_told.swap(true, Ordering::Relaxed);
        is_first.then_some(self.most)
    }

    /// Takes a place for the connection of `link`, if one is free. `peer` is `None` where clients are not
    /// distinguished.
    pub(crate) fn take(self: &Arc<Places>, peer: Option<SocketAddr>, link: &Arc<Link>) -> Option<Place> {
        let peer = peer.map(|peer| peer_of(peer.ip()));
        let mut taken = lock(&self.taken);
        if !self.has_room(&taken, peer) {
            return None;
        }
        let holder = Arc::new(Holder {
            peer,
            link: Arc::clone(link),
            clock: Mutex::default(),
            is_ousted: AtomicBool::new(false),
        });
        taken.push(Arc::clone(&holder));
        Some(Place {
            places: Arc::clone(self),
            holder,
        })
    }

    /// Makes the handler with the slowest client make room, if that client is slow.
    ///
    /// Returns true if somebody will make room. While one that was told to has not done so, no other is told.
    pub(crate) fn make_room(&self, peer: Option<SocketAddr>, now: Instant, limits: &Limits) -> bool {
        let peer = peer.map(|peer| peer_of(peer.ip()));
        let taken = lock(&self.taken);
        // If places are left, the peer has used up its share.
        let is_full = taken.len() >= self.most;
        let rivals = || taken.iter().filter(|holder| is_full || holder.peer == peer);
        if rivals().any(|holder| holder.is_ousted.load(Ordering::Relaxed)) {
            return true;
        }
        let slowest = rivals()
            .filter(|holder| holder.link.is_awaited())
            .filter_map(|holder| Some((holder.clock().pace_if_slow(now, limits)?, holder)))
            .min_by_key(|(pace, _)| *pace);
        if let Some((_, holder)) = slowest {
            holder.is_ousted.store(true, Ordering::Relaxed);
            holder.link.note(OUSTED);
        }
        slowest.is_some()
    }

    /// A quarter of the places stays for other peers.
    fn has_room(&self, taken: &[Arc<Holder>], peer: Option<IpAddr>) -> bool {
        let share = self.most - self.most / 4;
        let of_peer = |peer| taken.iter().filter(|holder| holder.peer == Some(peer)).count();
        taken.len() < self.most && peer.is_none_or(|peer| of_peer(peer) < share)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        taken.retain(|holder| !Arc::ptr_eq(holder, &self.holder));
    }
}

impl Holder {
    pub(crate) fn clock(&self) -> MutexGuard<'_, ClientClock> {
        lock(&self.clock)
    }
}

/// The time that is charged to a client which sends a body: only the time in which the reader of the body waits for it,
/// not the time that the handler takes before it reads or between two reads.
#[derive(Default)]
pub(crate) struct ClientClock {
    waited: Duration,
    /// Since when the reader is waiting now.
    since: Option<Instant>,
    received: u64,
}

impl ClientClock {
    /// Begins a wait. Returns when it must end.
    pub(crate) fn begin_wait(&mut self, now: Instant, limits: &Limits) -> Instant {
        self.since = Some(now);
        let start = now.checked_sub(self.waited).unwrap_or(now);
        limits.transfer_deadline(start, self.received)
    }

    pub(crate) fn end_wait(&mut self, now: Instant) {
        self.waited = self.waited_by(now);
        self.since = None;
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
    }

    fn waited_by(&self, now: Instant) -> Duration {
        let waits = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.waited.saturating_add(waits)
    }

    /// Returns how many bytes a second of waiting has brought, if that is too few while others wait.
    fn pace_if_slow(&self, now: Instant, limits: &Limits) -> Option<u64> {
        limits.pace_if_slow(self.waited_by(now), self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::connection::link::{AWAITED, Transport};
    use crate::server::net::channel::Channel;
    use crate::server::net::socket::Stream;
    use std::net::{TcpListener, TcpStream};

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            transfer_time: 10 * SECOND,
            rate: 1000,
            ..Limits::default()
        }
    }

    #[test]
    fn a_client_is_charged_the_time_in_which_somebody_waits_for_it_and_no_other() {
        let mut clock = ClientClock::default();
        let first = Instant::now() + 100 * SECOND;
        assert_eq!(clock.begin_wait(first, &limits()), first + 10 * SECOND);
        clock.end_wait(first + 4 * SECOND);
        clock.received(3000);
        // However long the handler does something else.
        for later in [first + 4 * SECOND, first + 60 * SECOND] {
            assert_eq!(clock.begin_wait(later, &limits()), later + 9 * SECOND);
            clock.end_wait(later);
        }
        clock.begin_wait(first + 70 * SECOND, &limits());
        clock.end_wait(first + 90 * SECOND);
        let last = first + 100 * SECOND;
        assert!(clock.begin_wait(last, &limits()) < last, "its time is up");
    }

    fn link() -> Arc<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Transport::new(Channel::plain(Stream::Tcp(mio::net::TcpStream::from_std(stream)))).link
    }

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn no_more_places_are_taken_than_there_are_and_they_come_back() {
        let places = Places::new(2);
        let first = places.take(None, &link()).unwrap();
        let _second = places.take(None, &link()).unwrap();
        assert!(places.take(None, &link()).is_none());
        assert_eq!(places.taken(), 2);
        drop(first);
        assert!(places.take(None, &link()).is_some());
        assert!(Places::new(0).take(None, &link()).is_some());
    }

    #[test]
    fn a_quarter_of_the_places_stays_for_other_peers() {
        let places = Places::new(8);
        let greedy: Vec<_> = (0..8)
            .map_while(|_| places.take(peer("192.0.2.1:1"), &link()))
            .collect();
        assert_eq!(greedy.len(), 6);
        let other = places.take(peer("192.0.2.2:1"), &link());
        let untold = places.take(None, &link());
        assert!(other.is_some() && untold.is_some());
        assert!(places.take(peer("192.0.2.3:1"), &link()).is_none(), "those were all");
    }

    /// Returns a place whose reader has waited that long for that many bytes.
    fn held(places: &Arc<Places>, peer: Option<SocketAddr>, waited: Duration, bytes: usize) -> Place {
        let link = link();
        link.note(AWAITED);
        let place = places.take(peer, &link).unwrap();
        let mut clock = place.holder.clock();
        let now = Instant::now();
        clock.begin_wait(now, &limits());
        clock.end_wait(now + waited);
        clock.received(bytes);
        drop(clock);
        place
    }

    fn is_ousted(place: &Place) -> bool {
        place.holder.is_ousted.load(Ordering::Relaxed)
    }

    #[test]
    fn the_slowest_makes_room_one_at_a_time() {
        let places = Places::new(4);
        let slow = held(&places, None, 10 * SECOND, 20_000);
        let slowest = held(&places, None, 2 * SECOND, 2000);
        let fast = held(&places, None, 2 * SECOND, 10_000_000);
        let new = held(&places, None, SECOND / 2, 0);
        let now = Instant::now();
        assert!(places.make_room(None, now, &limits()));
        assert!(places.make_room(None, now, &limits()), "it is about to go");
        assert!(is_ousted(&slowest) && !is_ousted(&slow));
        drop(slowest);
        let _next = held(&places, None, SECOND / 2, 0);
        assert!(places.make_room(None, now, &limits()));
        assert!(is_ousted(&slow));
        drop(slow);
        let _last = held(&places, None, SECOND / 2, 0);
        assert!(!places.make_room(None, now, &limits()), "nobody else is slow");
        assert!(!is_ousted(&fast) && !is_ousted(&new));
    }

    #[test]
    fn as_long_as_one_is_about_to_make_room_no_other_is_told_to_however_fast_that_one_becomes() {
        let places = Places::new(2);
        let slow = held(&places, None, 10 * SECOND, 20_000);
        let slowest = held(&places, None, 10 * SECOND, 0);
        assert!(places.make_room(None, Instant::now(), &limits()));
        slowest.holder.clock().received(10_000_000);
        assert!(places.make_room(None, Instant::now(), &limits()));
        assert!(is_ousted(&slowest) && !is_ousted(&slow));
    }

    #[test]
    fn a_handler_that_does_not_wait_for_its_client_makes_no_room() {
        let places = Places::new(1);
        let busy = held(&places, None, 10 * SECOND, 0);
        busy.holder.link.forget(AWAITED);
        assert!(!places.make_room(None, Instant::now(), &limits()));
        assert!(!is_ousted(&busy));
        busy.holder.link.note(AWAITED);
        assert!(places.make_room(None, Instant::now(), &limits()));
        assert!(is_ousted(&busy));
    }

    #[test]
    fn with_all_places_taken_any_peer_makes_room_for_another() {
        let places = Places::new(1);
        let other = held(&places, peer("192.0.2.2:1"), 9 * SECOND, 0);
        assert!(places.make_room(peer("192.0.2.1:1"), Instant::now(), &limits()));
        assert!(is_ousted(&other));
    }

    #[test]
    fn a_peer_that_has_its_share_makes_room_for_itself() {
        let places = Places::new(4);
        let mine = peer("192.0.2.1:1");
        let other = held(&places, peer("192.0.2.2:1"), 9 * SECOND, 0);
        let own: Vec<_> = (0..2).map(|_| held(&places, mine, 5 * SECOND, 0)).collect();
        let newest = held(&places, mine, 2 * SECOND, 100);
        drop(own);
        let _more = [held(&places, mine, 2 * SECOND, 100_000_000)];
        assert!(places.make_room(mine, Instant::now(), &limits()));
        assert!(is_ousted(&newest) && !is_ousted(&other));
    }
}
