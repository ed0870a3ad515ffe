//! A connection: its socket, the bytes in progress, and what it waits for.

mod call_time;
pub(crate) mod claim;
#[cfg(feature = "websocket")]
pub(crate) mod conversing;
pub(crate) mod drop_queue;
pub(crate) mod gathered;
pub(crate) mod lane;
pub(crate) mod link;
#[cfg(feature = "websocket")]
pub(crate) mod open_socket;
pub(crate) mod places;
pub(crate) mod pushed;
pub(crate) mod pushing;
mod readiness;
mod receiving;
mod sending;
mod wait;
pub(crate) mod work;

use std::time::{Duration, Instant};

use crate::date::Date;
use crate::exchange::{Payload, Step};
use crate::request::Relayed;

use crate::server::connection::lane::Lane;
use crate::server::limits::Limits;
use crate::server::net::proxy_header::{ParseProxyHeader, ProxyHeader};
use link::{Transport, WRITABLE};
#[cfg(feature = "websocket")]
use open_socket::OpenSocket;
use places::Place;
use pushed::Pushed;
pub(crate) use wait::Waits;

use readiness::Readiness;
use sending::Flush;
use wait::Wait;
use work::Disk;
pub(crate) use work::Work;

/// The longest beginning of a head that is stored without a buffer. It is parsed again each time more of it arrives, so
/// it must be short.
const BEGUN: usize = 1024;

/// This many slow handlers in a row make the next one likely to be slow. A single one says little.
const LIKELY_SLOW: u8 = 2;

pub(crate) struct Connection {
    pub(crate) transport: Transport,
    /// State that a connection needs only while something is in progress; an idle one has none.
    pub(crate) work: Option<Box<Work>>,
    pub(crate) peer: Option<std::net::SocketAddr>,
    /// The client for which the peer has connected.
    pub(crate) relayed: Relayed,
    /// Parses the PROXY header that must come first, if one must.
    pub(crate) proxy_header: Option<ParseProxyHeader>,
    /// The beginning of that header, or of a request's head: a slow client uses hardly more memory than it has sent.
    begun: Box<[u8]>,
    pub(crate) lane: Lane,
    /// The place for its next handler, if that needs one.
    pub(crate) place: Option<Place>,
    /// The key of its slot.
    pub(crate) key: usize,
    /// The index of its loop.
    pub(crate) home: usize,
    pub(crate) wait: Wait,
    readiness: Readiness,
    state: Life,
    /// True once it has had a response.
    pub(crate) is_used: bool,
    /// The number of its last handlers in a row that were slow.
    slow_calls: u8,
    /// True if the loop has its response, and sends that before anything else of it.
    pub(crate) has_unsent: bool,
    /// Its subscription, if it has one. It has no work then.
    pub(crate) pushed: Option<Box<Pushed>>,
    /// Its socket, if it belongs to one.
    #[cfg(feature = "websocket")]
    pub(crate) socket: Option<Box<OpenSocket>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Open,
    /// The last response is being sent.
    Closing,
    /// Everything is sent, and the client has been told. RFC 9112 §9.6: "the server reads from the connection until it
    /// receives a corresponding close by the client", lest a reset destroy the last response.
    Lingering,
    /// Nothing can be sent or received any more.
    Broken,
}

/// The next step of a connection that has continued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for an event, or its deadline.
    Wait,
    /// It waits, and nothing is in progress.
    Rest,
    /// A request is ready for the application.
    Call,
    /// The same, or for a response that waits; it needs a place among those whose bodies are transferred while their
    /// handlers run.
    CallWithPlace,
    /// A thread that may wait for a disk must read the next piece of a file.
    Read,
    /// A thread that has released the loop may send much of a file without copying it.
    Send,
    /// There is more to do, after others had their turn.
    Again,
    /// There is no memory for more of its body.
    Starved,
    /// It subscribes to a topic.
    Subscribe,
    /// It has ended.
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
            pushed: None,
            #[cfg(feature = "websocket")]
            socket: None,
        }
    }

    /// Receives what it needs to continue.
    pub(crate) fn equip(&mut self, mut work: Box<Work>) {
        if self.proxy_header.is_none() {
            work.exchange.receive_copy(&std::mem::take(&mut self.begun));
        }
        self.work = Some(work);
    }

    /// Returns since when it has been idle: its client has sent nothing since the last response, or nothing at all.
    /// `None` if anything is in progress.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.work.is_none() && self.begun.is_empty() && !self.has_unsent && !self.readiness.readable;
        (is_idle && self.state == Life::Open && !self.lasts()).then_some(self.wait.since())
    }

    /// Returns true if it belongs to a socket.
    pub(crate) fn is_conversing(&self) -> bool {
        #[cfg(feature = "websocket")]
        if self.socket.is_some() {
            return true;
        }
        false
    }

    /// Returns true if it has something to send although nothing is in progress: it is never closed to make room.
    fn lasts(&self) -> bool {
        self.pushed.is_some() || self.is_conversing()
    }

    /// Returns true if it has only the beginning of a request, and no work.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty() && self.proxy_header.is_none()
    }

    /// Records an event.
    pub(crate) fn note(&mut self, readiness: u8) {
        self.readiness.note(readiness);
        // A handshake continues by reading, in whichever direction it was blocked.
        self.readiness.readable |= readiness & WRITABLE != 0 && self.transport.channel().has_unsent();
    }

    /// Returns true if an event has made continuing worthwhile.
    pub(crate) fn is_ready(&self) -> bool {
        if self.readiness.readable {
            self.wait.reason != Waits::Place
        } else {
            self.readiness.writable && self.wait.reason == Waits::Client
        }
    }

    /// Returns true if it subscribes to a topic, or is about to.
    pub(crate) fn subscribes(&self) -> bool {
        let is_about_to = |work: &Work| matches!(work.payload, Some(Payload::Pushed(_)));
        self.pushed.is_some() || self.work.as_deref().is_some_and(is_about_to)
    }

    /// Makes the response that is being sent the last one.
    pub(crate) fn close_after_sending(&mut self) {
        self.place = None;
        if self.state == Life::Open {
            self.state = Life::Closing;
        }
    }

    /// Makes it wait for its turn to have a file read. The time of its client does not run meanwhile.
    pub(crate) fn wait_for_disk(&mut self, now: Instant, limits: &Limits) {
        self.wait
            .begin(Waits::Disk, now, limits.handler.unwrap_or(Duration::MAX));
    }

    /// Notes that a piece of a file has been read, or that its turn has come: the time of its client begins now.
    pub(crate) fn leave_disk(&mut self, now: Instant) {
        self.wait.begin(Waits::Client, now, Duration::ZERO);
    }

    /// Returns true if nothing is in progress, and nothing needs to be done until an event comes.
    pub(crate) fn can_rest(&self) -> bool {
        self.is_quiet() && self.work.as_ref().is_some_and(|work| work.is_idle())
    }

    /// Returns what is to be sent, if nothing else is in progress.
    pub(crate) fn lone_response(&mut self) -> Option<&mut Vec<u8>> {
        if !self.is_quiet() {
            return None;
        }
        self.work.as_mut()?.lone_output()
    }

    fn is_quiet(&self) -> bool {
        self.state == Life::Open && !self.readiness.readable
    }

    /// Gives the connection up: what was sent is incomplete, and nothing sent later may make it look complete.
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

    /// Closes a healthy connection. RFC 9112 §9.8: "Servers MUST attempt to initiate an exchange of closure alerts with
    /// the client before closing the connection."
    pub(crate) fn end_in_order(&self) {
        let is_idle = self.work.as_ref().is_none_or(|work| work.is_idle());
        if self.state == Life::Open && is_idle && self.transport.channel().is_secure() {
            self.transport.finish_sending();
        }
    }

    /// Handles a passed deadline. Returns true if a response tells the client, and false if the connection just ends.
    pub(crate) fn overdue(&mut self, date: &Date) -> bool {
        if self.wait.reason == Waits::Place {
            self.refuse_unavailable("the request waited too long for a place", date);
            return true;
        }
        let (Some(work), Waits::Head | Waits::Body, Life::Open) = (&mut self.work, self.wait.reason, self.state) else {
            return false;
        };
        if work.exchange.is_idle() {
            // There was no request, so there is no response.
            return false;
        }
        // RFC 9110 §15.5.9: "did not receive a complete request message within the time that it was prepared to wait".
        let status = http::StatusCode::REQUEST_TIMEOUT;
        work.exchange
            .refuse_with(status, "the request did not arrive in time", date, &mut work.out);
        self.state = Life::Closing;
        true
    }

    /// Responds with 503 in place of the application, and closes.
    #[cold]
    pub(crate) fn refuse_unavailable(&mut self, reason: &str, date: &Date) {
        if let Some(work) = &mut self.work {
            // What has been made and not sent is no longer sent.
            work.send_nothing();
            work.exchange
                .refuse_with(http::StatusCode::SERVICE_UNAVAILABLE, reason, date, &mut work.out);
        }
        self.close_after_sending();
    }

    /// Sends what is to be sent, without waiting.
    #[inline]
    pub(crate) fn send_now(&mut self) {
        if let Flush::Failed = self.flush() {
            self.break_off();
        }
    }

    /// Sends what is in memory of a large file, without copying it and without waiting for the client. For a thread that holds no
    /// loop, because the file may have left the memory meanwhile.
    #[inline(never)]
    pub(crate) fn send_large_file(&mut self) {
        if let Flush::Failed = self.flush_output(Disk::Hardly) {
            self.break_off();
        }
    }

    /// Has the large file that it sends copied from here on, so any thread can send it.
    pub(crate) fn copy_file(&mut self) {
        if let Some(work) = &mut self.work {
            work.copy_file();
        }
    }

    /// Reads and sends more of a file, without waiting for the client. For a thread that may wait for a disk.
    pub(crate) fn send_from_disk(&mut self) {
        if let Flush::Failed = self.flush_output(Disk::MayWait) {
            self.break_off();
        }
    }

    /// Handles a response that cannot be completed. The responses before it are sent, and so is a complete one.
    pub(crate) fn fail_response(&mut self) {
        if self.work.as_mut().is_some_and(|work| work.withdraw_response()) {
            self.close_after_sending();
        } else {
            self.break_off();
        }
    }

    /// Sends what is to be sent, as far as the client accepts it.
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

    /// Does everything that is possible without the application and without waiting.
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
                Flush::Large => return Progress::Send,
                Flush::Enough => return Progress::Again,
                Flush::Subscribed => return Progress::Subscribe,
                Flush::Done => {}
            }
            let Some(work) = &mut self.work else {
                return Progress::Rest;
            };
            let is_at_rest = self.state == Life::Open && work.exchange.is_idle();
            if is_at_rest && self.readiness.readable && !self.readiness.peer_finished {
                // Only the socket can have anything to continue with.
                self.receive();
                continue;
            }
            match self.state {
                Life::Broken => return Progress::Close,
                Life::Closing => {
                    if self.client_is_done() {
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
                            // What it has waited for is there. From now on others wait for its client.
                            self.wait.begin(Waits::Body, now, Duration::ZERO);
                        }
                        self.receive();
                    }
                },
            }
        }
    }

    /// Returns true if the client will send nothing more, not even an alert, so that nothing can destroy what is on its
    /// way to it.
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

    /// Returns how slowly it sends a body, in bytes per second, if it is slow and holds memory for which others wait.
    pub(crate) fn pace_if_slow(&self, now: Instant, limits: &Limits) -> Option<u64> {
        self.work.as_ref().filter(|work| work.exchange.holds_shared())?;
        self.wait.pace_if_slow(now, limits)
    }

    /// Makes its request wait for a place, or for memory. It is not read meanwhile, and its client is charged no time.
    pub(crate) fn wait_for_place(&mut self, now: Instant, limits: &Limits) {
        self.wait.begin(Waits::Place, now, limits.queue_time);
    }

    /// Limits the current wait to this long, counted from its beginning.
    pub(crate) fn shorten(&mut self, most: Duration) {
        self.wait.shorten(most);
    }

    /// Records whether the handler of its last request was slow.
    pub(crate) fn note_pace(&mut self, was_slow: bool) {
        self.slow_calls = if was_slow { self.slow_calls.saturating_add(1) } else { 0 };
    }

    /// Returns true if the handler of its next request is likely to be slow.
    pub(crate) fn is_likely_slow(&self) -> bool {
        self.slow_calls >= LIKELY_SLOW
    }

    /// Notes that a request has its response: the next wait begins anew.
    pub(crate) fn answered(&mut self, now: Instant, limits: &Limits) {
        self.is_used = true;
        self.wait.begin(Waits::Idle, now, limits.idle);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::link::READABLE;
    use super::*;
    use crate::Topic;
    use crate::exchange::{Exchange, Pool, Subscribed};
    use crate::server::net::channel::Channel;
    use crate::server::net::socket::Stream;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    fn work() -> Box<Work> {
        let exchange = Exchange::new(Arc::default(), 1024, Pool::new(0, 0));
        Box::new(Work::new(exchange, Arc::default()))
    }

    /// A connection that has what it needs to continue, its client, and the time.
    struct Fixture {
        client: UnixStream,
        connection: Connection,
        limits: Limits,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Fixture {
            let (client, stream) = UnixStream::pair().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
            Fixture::of(client, Channel::plain(stream))
        }

        fn of(client: UnixStream, channel: Channel) -> Fixture {
            let (limits, now) = (Limits::default(), Instant::now());
            let transport = Transport::new(channel);
            let mut connection = Connection::new(transport, None, 0, 0, now, &limits);
            connection.equip(work());
            Fixture {
                client,
                connection,
                limits,
                now,
            }
        }

        /// The same, but it was found that its client has sent nothing yet.
        fn silent() -> Fixture {
            let mut fixture = Fixture::new();
            assert_eq!(fixture.go_on(), Progress::Rest);
            fixture
        }

        fn go_on(&mut self) -> Progress {
            self.connection.progress(self.now, &self.limits, &Date::now())
        }

        /// Has the client send this, and goes on.
        fn receive(&mut self, bytes: &str) -> Progress {
            self.client.write_all(bytes.as_bytes()).unwrap();
            self.connection.note(READABLE);
            self.go_on()
        }

        /// Returns why it waits, and for how long from now.
        fn wait(&self) -> (Waits, Duration) {
            let left = self.connection.wait.deadline.saturating_duration_since(self.now);
            (self.connection.wait.reason, left)
        }

        fn out(&mut self) -> &mut Vec<u8> {
            &mut self.connection.work.as_mut().unwrap().out
        }
    }

    fn subscribed() -> Subscribed {
        Subscribed {
            push: Box::new(Topic::new().subscribe()),
            is_chunked: false,
            on_done: None,
            logged: None,
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_handshake_that_its_client_did_not_take_goes_on_once_it_can_be_sent() {
        use crate::server::net::tls_session::TlsSession;
        use rustls::pki_types::PrivateKeyDer;
        use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.clone()],
                PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
            )
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tls = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();

        // Nothing more can be sent until the client has read this.
        let (client, mut stream) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut before = Vec::new();
        while let Ok(count) = stream.write(&[0; 4096]) {
            before.resize(before.len() + count, 1);
        }
        let session = TlsSession::new(ServerConnection::new(Arc::new(server)).unwrap());
        let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
        let mut fixture = Fixture::of(client, Channel::secure(stream, session));
        tls.write_tls(&mut fixture.client).unwrap();
        fixture.connection.note(READABLE);
        assert_eq!(fixture.go_on(), Progress::Rest);
        assert!(fixture.connection.transport.channel().has_unsent());
        assert!(!fixture.connection.is_ready());

        fixture.client.read_exact(&mut before).unwrap();
        fixture.connection.note(WRITABLE);
        assert!(fixture.connection.is_ready());
        assert_eq!(fixture.go_on(), Progress::Rest);
        while tls.is_handshaking() {
            assert_ne!(tls.read_tls(&mut fixture.client).unwrap(), 0);
            tls.process_new_packets().unwrap();
        }

        fixture.connection.note(WRITABLE);
        assert!(!fixture.connection.is_ready(), "nothing was blocked");
    }

    #[test]
    fn only_a_connection_with_nothing_in_progress_is_idle() {
        let idle = || {
            let mut connection = Fixture::silent().connection;
            connection.work = None;
            connection
        };
        let is_idle = |connection: Connection| connection.idle_since() == Some(connection.wait.since());
        assert!(is_idle(idle()));
        let changes: [fn(&mut Connection); 6] = [
            |connection| connection.work = Some(work()),
            |connection| connection.begun = Box::from(*b"GET"),
            |connection| connection.has_unsent = true,
            |connection| connection.note(READABLE),
            |connection| connection.close_after_sending(),
            |connection| connection.pushed = Some(Box::new(Pushed::new(subscribed()))),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut connection = idle();
            change(&mut connection);
            assert_eq!(connection.idle_since(), None, "{number}");
        }
    }

    #[test]
    fn an_event_is_worthwhile_for_who_waits_for_it() {
        for (event, reason, is_ready) in [
            (READABLE, Waits::Head, true),
            (READABLE, Waits::Client, true),
            (READABLE, Waits::Place, false),
            (WRITABLE, Waits::Client, true),
            (WRITABLE, Waits::Head, false),
            (0, Waits::Client, false),
        ] {
            let mut connection = Fixture::silent().connection;
            connection.readiness.writable = false;
            connection.wait.reason = reason;
            connection.note(event);
            assert_eq!(connection.is_ready(), is_ready, "{event} for {reason:?}");
            assert_eq!(connection.readiness.readable, event == READABLE);
        }
    }

    #[test]
    fn a_response_is_alone_if_nothing_else_is_in_progress_and_nothing_has_come() {
        let mut fixture = Fixture::silent();
        assert!(fixture.connection.can_rest());
        assert_eq!(fixture.connection.lone_response(), None);
        fixture.out().extend(b"response");
        assert!(!fixture.connection.can_rest());
        assert_eq!(fixture.connection.lone_response().cloned(), Some(b"response".to_vec()));
        fixture.connection.note(READABLE);
        assert_eq!(fixture.connection.lone_response(), None);
        fixture.out().clear();
        assert!(!fixture.connection.can_rest());

        let mut fixture = Fixture::silent();
        fixture.out().extend(b"response");
        fixture.connection.close_after_sending();
        assert_eq!(fixture.connection.lone_response(), None);
    }

    #[test]
    fn a_head_has_its_time_from_its_first_byte_and_later_ones_do_not_prolong_it() {
        let mut fixture = Fixture::silent();
        let (head_time, second) = (fixture.limits.head_time, Duration::from_secs(1));
        assert_eq!(fixture.wait(), (Waits::Head, head_time), "from the beginning");
        fixture.now += second;
        assert_eq!(fixture.go_on(), Progress::Rest);
        assert_eq!(fixture.wait(), (Waits::Head, head_time - second));

        let (now, limits) = (fixture.now, Limits::default());
        fixture.connection.answered(now, &limits);
        assert_eq!(fixture.wait(), (Waits::Idle, limits.idle));
        fixture.now += second;
        assert_eq!(fixture.go_on(), Progress::Rest);
        assert_eq!(fixture.wait(), (Waits::Idle, limits.idle - second));

        assert_eq!(fixture.receive("GET / HT"), Progress::Rest);
        assert_eq!(fixture.wait(), (Waits::Head, head_time));
        assert!(fixture.connection.has_begun());
        fixture.now += second;
        fixture.connection.equip(work());
        assert!(!fixture.connection.has_begun());
        assert_eq!(fixture.receive("TP/1.1\r\n"), Progress::Rest);
        assert_eq!(fixture.wait(), (Waits::Head, head_time - second));
        fixture.connection.equip(work());
        assert_eq!(fixture.receive("Host: a\r\n\r\n"), Progress::Call);
    }

    #[test]
    fn a_request_that_does_not_arrive_in_time_gets_408_and_one_that_waits_for_a_place_503() {
        let date = Date::now();
        let mut fixture = Fixture::silent();
        assert!(!fixture.connection.overdue(&date), "there is no request");
        let _ = fixture.receive("GET / HT");
        assert!(fixture.connection.overdue(&date));
        assert!(fixture.out().starts_with(b"HTTP/1.1 408 "));
        assert!(!fixture.connection.overdue(&date), "which is its last response");

        let mut fixture = Fixture::silent();
        fixture.out().extend(b"not sent any more");
        let (now, limits) = (fixture.now, Limits::default());
        fixture.connection.wait_for_place(now, &limits);
        assert!(fixture.connection.overdue(&date));
        assert!(fixture.out().starts_with(b"HTTP/1.1 503 "));
        assert_eq!(fixture.connection.state, Life::Closing);
    }

    #[test]
    fn behind_the_last_response_it_reads_until_its_client_has_closed() {
        let mut fixture = Fixture::silent();
        fixture.out().extend(b"last");
        fixture.connection.close_after_sending();
        assert_eq!(fixture.go_on(), Progress::Wait);
        assert_eq!(fixture.wait(), (Waits::End, fixture.limits.linger));
        let mut sent = Vec::new();
        fixture.client.read_to_end(&mut sent).unwrap();
        assert_eq!(sent, b"last");
        assert_eq!(fixture.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Progress::Wait);
        fixture.client.shutdown(std::net::Shutdown::Write).unwrap();
        fixture.connection.note(READABLE);
        assert_eq!(fixture.go_on(), Progress::Close);
    }

    #[test]
    fn a_connection_that_is_broken_off_sends_nothing_more_and_stays_broken() {
        let mut fixture = Fixture::silent();
        fixture.out().extend(b"incomplete");
        assert!(!fixture.connection.is_broken());
        fixture.connection.break_off();
        fixture.connection.close_after_sending();
        assert!(fixture.connection.is_broken());
        assert_eq!(fixture.go_on(), Progress::Close);
        fixture.client.set_nonblocking(true).unwrap();
        assert!(fixture.client.read(&mut [0]).is_err());
    }

    #[test]
    fn a_response_that_fails_is_withdrawn_if_nothing_of_it_was_sent() {
        for (before, is_broken) in [(&b"whole"[..], false), (&b""[..], true)] {
            let mut fixture = Fixture::silent();
            fixture.out().extend(before);
            fixture.connection.work.as_mut().unwrap().begin_response();
            fixture.out().extend(b"a part");
            fixture.connection.fail_response();
            assert_eq!(fixture.connection.is_broken(), is_broken);
            assert_eq!(fixture.out(), before);
            assert_ne!(fixture.connection.state, Life::Open);
        }
    }

    #[test]
    fn it_subscribes_from_when_its_response_says_so() {
        let mut connection = Fixture::silent().connection;
        assert!(!connection.subscribes());
        connection.work.as_mut().unwrap().payload = Some(Payload::Pushed(Box::new(subscribed())));
        assert!(connection.subscribes(), "it is about to");
        assert!(connection.subscribe());
        connection.work = None;
        assert!(connection.subscribes());
    }

    #[test]
    fn slow_handlers_in_a_row_make_the_next_likely_to_be_slow() {
        let mut connection = Fixture::new().connection;
        for (was_slow, is_likely) in [(true, false), (true, true), (false, false), (true, false), (true, true)] {
            connection.note_pace(was_slow);
            assert_eq!(connection.is_likely_slow(), is_likely);
        }
    }
}
