//! The system's events on sockets, one round at a time.

use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use crate::report;
#[cfg(unix)]
use crate::server::connection::link::Link;
use crate::server::connection::link::{FINISHED, GONE, READABLE, WRITABLE};
use crate::server::net::socket::{Acceptor, is};

/// The most events that are taken from the system at once.
const EVENTS: usize = 1024;

const WAKER: usize = usize::MAX;
/// Listeners have the tokens from this one downwards.
const LISTENERS: usize = usize::MAX - 1;
/// Connections have the tokens up to this one.
const LAST_KEY: usize = usize::MAX / 2;

/// The poll, and the events of this round. They belong to the loop, so that the next holder continues with them.
pub(super) struct Poller {
    poll: Poll,
    events: Events,
    batch: Vec<(usize, u8)>,
    /// The number of events of the round that were handled.
    seen: usize,
}

/// The source of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Connection(usize),
    Listener(usize),
    /// Another thread has left something.
    Waker,
}

impl Source {
    fn of(token: usize) -> Source {
        if token <= LAST_KEY {
            Source::Connection(token)
        } else {
            Source::of_loop(token)
        }
    }

    /// Returns which source of the loop's own has this token.
    #[cold]
    fn of_loop(token: usize) -> Source {
        match token {
            WAKER => Source::Waker,
            _ => Source::Listener(LISTENERS - token),
        }
    }
}

impl Poller {
    pub(super) fn new(listeners: &mut [Acceptor]) -> io::Result<(Poller, mio::Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), Token(WAKER))?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            let token = Token(LISTENERS - index);
            poll.registry().register(listener, token, Interest::READABLE)?;
        }
        let poller = Poller {
            poll,
            events: Events::with_capacity(EVENTS),
            batch: Vec::with_capacity(EVENTS),
            seen: 0,
        };
        Ok((poller, waker))
    }

    /// Registers a connection, so that its events come from now on.
    #[cfg(unix)]
    pub(super) fn register(&self, link: &Link, key: usize) -> io::Result<()> {
        link.register(self.poll.registry(), Token(key))
    }

    /// The same, before anybody else has its socket.
    #[cfg(not(unix))]
    pub(super) fn register(&self, channel: &mut crate::server::net::channel::Channel, key: usize) -> io::Result<()> {
        channel.register(self.poll.registry(), Token(key))
    }

    /// Returns true if there are events that were not handled.
    pub(super) fn has_next(&self) -> bool {
        self.seen < self.batch.len()
    }

    /// Returns the next event of this round: its source and its readiness.
    pub(super) fn next(&mut self) -> Option<(Source, u8)> {
        let &(token, readiness) = self.batch.get(self.seen)?;
        self.seen += 1;
        Some((Source::of(token), readiness))
    }

    /// Returns how many events this round had.
    pub(super) fn batch_size(&self) -> usize {
        self.batch.len()
    }

    /// Waits for events, up to `timeout`.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if !is(&error, io::ErrorKind::Interrupted) => {
                report::error!("an event loop can't wait for events: {error}");
            }
            _ => {}
        }
    }

    /// Begins a round with the events that have come.
    pub(super) fn begin_round(&mut self) {
        self.batch.clear();
        self.seen = 0;
        let events = self.events.iter();
        self.batch
            .extend(events.map(|event| (event.token().0, readiness_of(event))));
    }
}

fn readiness_of(event: &Event) -> u8 {
    let mut readiness = 0;
    if event.is_readable() || event.is_error() {
        readiness |= READABLE;
    }
    if event.is_writable() || event.is_error() {
        readiness |= WRITABLE;
    }
    if event.is_write_closed() || event.is_error() {
        readiness |= GONE;
    }
    if event.is_read_closed() || event.is_error() {
        readiness |= FINISHED | READABLE;
    }
    readiness
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::server::event_loop::fixture::connected;
    use crate::server::net::channel::Channel;
    use std::io::Write;
    use std::net::{Shutdown, TcpStream};

    /// Returns the events of the next round that has any.
    fn round(poller: &mut Poller) -> Vec<(Source, u8)> {
        poller.wait(Some(Duration::from_secs(60)));
        poller.begin_round();
        assert!(poller.has_next());
        let events: Vec<_> = std::iter::from_fn(|| poller.next()).collect();
        assert_eq!((poller.batch_size(), poller.has_next()), (events.len(), false));
        events
    }

    #[test]
    fn each_event_tells_of_its_source() {
        let listener = || mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let addresses_of = |listeners: &[mio::net::TcpListener]| -> Vec<_> {
            listeners
                .iter()
                .map(|listener| listener.local_addr().unwrap())
                .collect()
        };
        let listeners = [listener(), listener()];
        let addresses = addresses_of(&listeners);
        let mut listeners = listeners.map(Acceptor::Tcp);
        let (mut poller, waker) = Poller::new(&mut listeners).unwrap();
        assert!(!poller.has_next() && poller.next().is_none());
        for (index, address) in addresses.into_iter().enumerate() {
            let _client = TcpStream::connect(address).unwrap();
            assert_eq!(round(&mut poller), [(Source::Listener(index), READABLE)]);
        }
        waker.wake().unwrap();
        assert_eq!(round(&mut poller), [(Source::Waker, READABLE)]);
    }

    #[test]
    fn what_a_client_does_is_told_as_what_it_makes_possible() {
        let (mut poller, _waker) = Poller::new(&mut []).unwrap();
        let (mut client, accepted) = connected();
        let link = crate::server::connection::link::Transport::new(Channel::plain(accepted.stream)).link;
        poller.register(&link, 7).unwrap();
        let mut told = move || {
            let events = round(&mut poller);
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].0, Source::Connection(7));
            events[0].1
        };
        assert_eq!(told(), WRITABLE);
        client.write_all(b"GET").unwrap();
        assert_eq!(told(), READABLE | WRITABLE);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(told(), READABLE | WRITABLE | FINISHED);
        drop(client);
        assert_eq!(told(), READABLE | WRITABLE | FINISHED | GONE);
    }

    #[test]
    fn a_round_without_events_ends_when_its_time_is_up() {
        let (mut poller, _waker) = Poller::new(&mut []).unwrap();
        poller.wait(Some(Duration::ZERO));
        poller.begin_round();
        assert_eq!((poller.batch_size(), poller.has_next()), (0, false));
    }

    #[test]
    fn tokens_of_connections_and_listeners_never_meet() {
        assert_eq!(Source::of(LAST_KEY), Source::Connection(LAST_KEY));
        assert_eq!(Source::of(LAST_KEY + 1), Source::Listener(LISTENERS - LAST_KEY - 1));
        assert_eq!(Source::of(LISTENERS), Source::Listener(0));
        assert_eq!(Source::of(WAKER), Source::Waker);
    }
}
