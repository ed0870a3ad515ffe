//! A loop for tests, without a thread that runs it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use crate::server::connection::Connection;
use crate::server::net::peers::Visitor;
use crate::server::net::socket::{Accepted, Stream};
use crate::server::probes;
use crate::server::shared::Shared;
use crate::server::shared::fixture::serving;
use crate::server::shared::staffing::Staffing;
use crate::{Application, IntoApplication, Limits};

/// The time by which each client has been idle longer than the next one.
const APART: Duration = Duration::from_millis(100);

pub(super) fn event_loop() -> EventLoop {
    EventLoop::new(0, Vec::new(), 0, false).unwrap().0
}

/// Returns a client, and its connection as a listener has it.
pub(super) fn connected() -> (UnixStream, Accepted) {
    let (client, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    let accepted = Accepted {
        stream: Stream::Unix(mio::net::UnixStream::from_std(stream)),
        visitor: Visitor::of(None),
        listener: 0,
    };
    (client, accepted)
}

/// Returns the shared state of a single loop.
pub(crate) fn shared() -> Arc<Shared> {
    shared_by(1)
}

/// Returns the shared state of that many loops.
pub(super) fn shared_by(loops: usize) -> Arc<Shared> {
    shared_with(loops, Limits::default())
}

/// The same, with other limits.
pub(super) fn shared_with(loops: usize, limits: Limits) -> Arc<Shared> {
    shared_serving((|| "unused").into_application(), loops, limits)
}

/// The same, with another application.
pub(super) fn shared_serving(application: impl Application, loops: usize, limits: Limits) -> Arc<Shared> {
    let staffing = Staffing { loops, threads: 1 };
    serving(application, staffing, limits, Some(probes::lane()))
}

/// Takes the connection at `key` out of its slot, to change it.
pub(super) fn taken(event_loop: &mut EventLoop, key: usize) -> Box<Connection> {
    event_loop.slots.take(key).unwrap()
}

/// Returns clients of a loop by their keys, each idle a little longer than the next.
pub(super) fn clients(event_loop: &mut EventLoop, shared: &Shared, count: usize) -> Vec<(usize, UnixStream)> {
    let mut connect = || {
        event_loop.now += APART;
        let (client, accepted) = connected();
        shared.loops[0].connection_opened();
        let key = event_loop.welcome(accepted, shared).unwrap();
        assert!(event_loop.go_on(key, shared).is_none());
        (key, client)
    };
    (0..count).map(|_| connect()).collect()
}
