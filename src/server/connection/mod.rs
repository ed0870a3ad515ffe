//! A connection as the server has it: its socket, the bytes under way, and what it waits for.

pub(crate) mod claim;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod places;
mod readiness;
mod receiving;
mod sending;
mod wait;
pub(crate) mod work;

use std::time::{Duration, Instant};

use crate::date::Date;
use crate::exchange::Step;
use crate::request::Relayed;

use crate::server::connection::lane::Lane;
use crate::server::limits::Limits;
use crate::server::net::proxy_header::{ParseProxyHeader, ProxyHeader};
use link::{Transport, WRITABLE};
use places::Place;
pub(crate) use wait::Waits;

use readiness::Readiness;
use sending::Flush;
use wait::Wait;
use work::Disk;
pub(crate) use work::Work;

/// The beginning of a head that is kept apart. Each time more of it comes it is read again, so it must not be
/// long.
const BEGUN: usize = 1024;

/// So many slow handlers, one behind the other, make the next one likely to be slow. One alone says little.
const LIKELY_SLOW: u8 = 2;

pub(crate) struct Connection {
    pub(crate) transport: Transport,
    /// What a connection needs only while something is under way; an idle one has none.
    pub(crate) work: Option<Box<Work>>,
    pub(crate) peer: Option<std::net::SocketAddr>,
    /// Whom the peer has connected for.
    pub(crate) relayed: Relayed,
    /// A PROXY header must come first, which this reads.
    pub(crate) proxy_header: Option<ParseProxyHeader>,
    /// What has arrived of that header, or of a request's head: a slow client takes up hardly more than it
    /// has sent.
    begun: Box<[u8]>,
    pub(crate) lane: Lane,
    /// Its next handler's place, if that needs one.
    pub(crate) place: Option<Place>,
    /// Where the loop keeps its place.
    pub(crate) key: usize,
    /// Which of the loops that is.
    pub(crate) home: usize,
    pub(crate) wait: Wait,
    readiness: Readiness,
    state: Life,
    /// Whether it has had an answer.
    pub(crate) is_used: bool,
    /// How many of its last handlers, one behind the other, were slow.
    slow_calls: u8,
    /// The loop has its answer, and sends that before anything else of it.
    pub(crate) has_unsent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Open,
    /// The last answer is on its way.
    Closing,
    /// All is sent, and the client has been told. RFC 9112 §9.6: "the server reads from the connection
    /// until it receives a corresponding close by the client", lest a reset destroy the last answer.
    Lingering,
    /// Nothing can be sent or received any more.
    Broken,
}

/// What became of a connection that was gone on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for an event, or its deadline.
    Wait,
    /// It waits, and nothing is under way.
    Rest,
    /// A request is ready for the application.
    Call,
    /// As before, or a response that waits; it needs a place among those whose bodies pass while their handlers run.
    CallWithPlace,
    /// The next piece of a file is to be read by a thread that may wait for a disk.
    Read,
    /// There is more to do, once others had their turn.
    Again,
    /// There is no memory for more of its body.
    Starved,
    /// It is over.
    Close,
}

impl Connection {
    pub(crate) fn new(
        transport: Transport,
        peer: Option<std::net::SocketAddr>,
        key: usize,
        home: usize,
        now: Instant,
        limits: &Limits,
    ) -> Connection {
        Connection {
            transport,
            work: None,
            peer,
            relayed: Relayed::No,
            proxy_header: None,
            begun: Box::default(),
            lane: Lane::Service,
            place: None,
            key,
            home,
            wait: Wait::new(Waits::Head, now, limits.head_time),
            readiness: Readiness::new(),
            state: Life::Open,
            is_used: false,
            slow_calls: 0,
            has_unsent: false,
        }
    }

    /// Gets what it needs to go on.
    pub(crate) fn equip(&mut self, mut work: Box<Work>) {
        if self.proxy_header.is_none() {
            work.exchange.receive_copy(&std::mem::take(&mut self.begun));
        }
        self.work = Some(work);
    }

    /// Since when it has been idle: its client has sent nothing since the last answer, or nothing at all. None if
    /// anything is under way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.work.is_none() && self.begun.is_empty() && !self.has_unsent && !self.readiness.readable;
        (is_idle && self.state == Life::Open).then_some(self.wait.since())
    }

    /// Whether the beginning of a request is all there is of it so far, and no work is under way.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty() && self.proxy_header.is_none()
    }

    /// Takes note of an event.
    pub(crate) fn note(&mut self, readiness: u8) {
        self.readiness.note(readiness);
        // A handshake goes on by reading, whichever way it was held up.
        self.readiness.readable |= readiness & WRITABLE != 0 && self.transport.channel().has_unsent();
    }

    /// Whether an event has made it worth going on.
    pub(crate) fn is_ready(&self) -> bool {
        if self.readiness.readable {
            self.wait.reason != Waits::Place
        } else {
            self.readiness.writable && self.wait.reason == Waits::Client
        }
    }

    /// Makes the answer that is being sent the last one.
    pub(crate) fn close_after_sending(&mut self) {
        self.place = None;
        if self.state == Life::Open {
            self.state = Life::Closing;
        }
    }

    /// It waits for its turn to have a file read. Its client's time does not run meanwhile.
    pub(crate) fn wait_for_disk(&mut self, now: Instant, limits: &Limits) {
        self.wait
            .begin(Waits::Disk, now, limits.handler.unwrap_or(Duration::MAX));
    }

    /// A piece of a file has been read, or its turn has come: its client's time begins now.
    pub(crate) fn leave_disk(&mut self, now: Instant) {
        self.wait.begin(Waits::Client, now, Duration::ZERO);
    }

    /// Whether there is nothing to do for it until an event comes, and nothing is under way.
    pub(crate) fn can_rest(&self) -> bool {
        self.is_quiet() && self.work.as_ref().is_some_and(|work| work.is_idle())
    }

    /// What is to be sent, if it could rest but for that.
    pub(crate) fn lone_response(&mut self) -> Option<&mut Vec<u8>> {
        if !self.is_quiet() {
            return None;
        }
        self.work.as_mut()?.lone_output()
    }

    fn is_quiet(&self) -> bool {
        self.state == Life::Open && !self.readiness.readable && !self.readiness.peer_finished
    }

    /// Gives the connection up: what was sent is not whole, and must not look whole by what might
    /// still be sent.
    pub(crate) fn break_off(&mut self) {
        self.place = None;
        self.state = Life::Broken;
        if let Some(work) = &mut self.work {
            work.send_nothing();
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state == Life::Broken
    }

    /// Drops what hooks and handlers have set on the request.
    pub(crate) fn forget_request(&mut self) {
        if let Some(work) = &mut self.work {
            work.exchange.request.clear();
        }
    }

    /// The server closes it, although nothing is wrong with it. RFC 9112 §9.8: "Servers MUST attempt to
    /// initiate an exchange of closure alerts with the client before closing the connection."
    pub(crate) fn end_in_order(&self) {
        let is_idle = self.work.as_ref().is_none_or(|work| work.is_idle());
        if self.state == Life::Open && is_idle && self.transport.channel().is_secure() {
            self.transport.finish_sending();
        }
    }

    /// A deadline has passed. Says whether an answer tells so, or the connection just ends.
    pub(crate) fn overdue(&mut self, date: &Date) -> bool {
        if self.wait.reason == Waits::Place {
            self.refuse_unavailable("the request waited too long for a place", date);
            return true;
        }
        let (Some(work), Waits::Head | Waits::Body, Life::Open) = (&mut self.work, self.wait.reason, self.state) else {
            return false;
        };
        if work.exchange.is_idle() {
            // Nobody asked anything, so nobody gets an answer.
            return false;
        }
        // RFC 9110 §15.5.9: "did not receive a complete request message within the time that it was prepared to wait".
        let status = http::StatusCode::REQUEST_TIMEOUT;
        work.exchange
            .refuse_with(status, "the request did not arrive in time", date, &mut work.out);
        self.state = Life::Closing;
        true
    }

    /// Answers 503 in place of the application, and closes.
    #[cold]
    pub(crate) fn refuse_unavailable(&mut self, reason: &str, date: &Date) {
        if let Some(work) = &mut self.work {
            // What has been made and not been sent is not sent any more.
            work.send_nothing();
            work.exchange
                .refuse_with(http::StatusCode::SERVICE_UNAVAILABLE, reason, date, &mut work.out);
        }
        self.close_after_sending();
    }

    /// Sends what there is to be sent, without waiting.
    #[inline]
    pub(crate) fn send_now(&mut self) {
        if let Flush::Failed = self.flush() {
            self.break_off();
        }
    }

    /// Reads and sends more of a file, without waiting for the client. For a thread that may wait for a disk.
    pub(crate) fn send_from_disk(&mut self) {
        if let Flush::Failed = self.flush_output(Disk::MayWait) {
            self.break_off();
        }
    }

    /// The answer that is being made can't be made whole. Those before it are sent, and one that is whole.
    pub(crate) fn fail_response(&mut self) {
        if self.work.as_mut().is_some_and(|work| work.withdraw_response()) {
            self.close_after_sending();
        } else {
            self.break_off();
        }
    }

    /// Sends what is there to be sent, as far as the client takes it.
    #[inline]
    fn flush(&mut self) -> Flush {
        match &self.work {
            Some(work) if work.has_output() => self.flush_output(Disk::Never),
            _ => Flush::Done,
        }
    }

    fn flush_output(&mut self, disk: Disk) -> Flush {
        match &mut self.work {
            Some(work) => sending::flush(work, &mut self.transport, &mut self.readiness, &mut self.wait, disk),
            None => Flush::Done,
        }
    }

    /// Does all that can be done without the application and without waiting.
    pub(crate) fn progress(&mut self, now: Instant, limits: &Limits, date: &Date) -> Progress {
        if let (Some(parse), Life::Open) = (self.proxy_header, self.state) {
            match self.receive_proxy_header(parse) {
                Some(ProxyHeader::Whole { .. }) => {}
                // It has the time of a head.
                Some(ProxyHeader::Partial) => return Progress::Rest,
                None => return Progress::Close,
            }
        }
        loop {
            if self.state == Life::Broken {
                return Progress::Close;
            }
            match self.flush() {
                Flush::Failed => return Progress::Close,
                Flush::Blocked => return self.wait_for_client(now, limits),
                Flush::OnDisk => return Progress::Read,
                Flush::Enough => return Progress::Again,
                Flush::Done => {}
            }
            let Some(work) = &mut self.work else {
                return Progress::Rest;
            };
            let is_at_rest = self.state == Life::Open && work.exchange.is_idle();
            if is_at_rest && self.readiness.readable && !self.readiness.peer_finished {
                // There is nothing to go on with but what the socket has.
                self.receive();
                continue;
            }
            match self.state {
                Life::Broken => return Progress::Close,
                Life::Closing => {
                    if self.readiness.peer_finished || self.client_is_done() {
                        return Progress::Close;
                    }
                    self.transport.finish_sending();
                    self.state = Life::Lingering;
                    self.wait.begin(Waits::End, now, limits.linger);
                }
                Life::Lingering => return self.discard(),
                Life::Open if work.needs_place() => return Progress::CallWithPlace,
                Life::Open => match work.exchange.advance(date, &mut work.out) {
                    Step::Call => return Progress::Call,
                    Step::CallLive => return Progress::CallWithPlace,
                    Step::Refused(_) => self.state = Life::Closing,
                    Step::Receive if !work.out.is_empty() => {} // an interim answer goes out first
                    Step::Receive if self.readiness.peer_finished => return Progress::Close,
                    Step::Receive if !self.readiness.readable => return self.wait_for_request(now, limits),
                    Step::Receive if !work.exchange.finds_room() => return Progress::Starved,
                    Step::Receive => {
                        if self.wait.reason == Waits::Place {
                            // What it has waited for is there: now others wait for its client.
                            self.wait.begin(Waits::Body, now, Duration::ZERO);
                        }
                        self.receive();
                    }
                },
            }
        }
    }

    /// Whether the client will send no more, not even an alert, so that nothing can destroy what is on its way to it.
    fn client_is_done(&self) -> bool {
        let has_sent_all = self.work.as_ref().is_some_and(|work| work.exchange.client_is_done());
        has_sent_all && !self.readiness.readable && !self.transport.channel().is_secure()
    }

    fn wait_for_client(&mut self, now: Instant, limits: &Limits) -> Progress {
        self.wait.go_on(Waits::Client, now, limits);
        Progress::Wait
    }

    fn wait_for_request(&mut self, now: Instant, limits: &Limits) -> Progress {
        let Some(work) = &self.work else { return Progress::Rest };
        if work.exchange.is_in_body() {
            self.wait.go_on(Waits::Body, now, limits);
            return Progress::Wait;
        }
        if !work.exchange.is_idle() {
            let begun = work.exchange.beginning(BEGUN).map(Box::from);
            // A total: later bytes of the same head do not prolong it.
            if self.wait.reason != Waits::Head {
                self.wait.begin(Waits::Head, now, limits.head_time);
            }
            let Some(begun) = begun else { return Progress::Wait };
            self.begun = begun;
            return Progress::Rest;
        }
        if self.is_used && self.wait.reason != Waits::Idle {
            self.wait.begin(Waits::Idle, now, limits.idle);
        }
        Progress::Rest
    }

    /// How slowly it sends a body, if it is slow and holds memory that others wait for: bytes per second.
    pub(crate) fn pace_if_slow(&self, now: Instant, limits: &Limits) -> Option<u64> {
        self.work.as_ref().filter(|work| work.exchange.holds_shared())?;
        self.wait.pace_if_slow(now, limits)
    }

    /// Its request waits for a place, or for memory: it is not read meanwhile, and no time is charged to its client.
    pub(crate) fn wait_for_place(&mut self, now: Instant, limits: &Limits) {
        self.wait.begin(Waits::Place, now, limits.queue_time);
    }

    /// Leaves the present wait at most this long, counted from its beginning.
    pub(crate) fn shorten(&mut self, most: Duration) {
        self.wait.shorten(most);
    }

    /// Takes note of whether the handler of its last request was slow.
    pub(crate) fn note_pace(&mut self, was_slow: bool) {
        self.slow_calls = if was_slow { self.slow_calls.saturating_add(1) } else { 0 };
    }

    /// Whether the handler of its next request is likely to be slow.
    pub(crate) fn is_likely_slow(&self) -> bool {
        self.slow_calls >= LIKELY_SLOW
    }

    /// A request has been answered: what the next wait is for starts anew.
    pub(crate) fn answered(&mut self, now: Instant, limits: &Limits) {
        self.is_used = true;
        self.wait.begin(Waits::Idle, now, limits.idle);
    }
}
