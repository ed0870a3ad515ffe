//! Shared state and connections for tests, without a loop.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::observer::Observation;
use super::staffing::Staffing;
use super::{Operations, Probes, Shared};
use crate::server::connection::Connection;
use crate::server::connection::link::Transport;
use crate::server::net::channel::Channel;
use crate::server::net::descriptors::{Allowance, Reserve};
use crate::server::net::entrance::Entrance;
use crate::server::net::room::Capacity;
use crate::server::net::socket::Stream;
use crate::{Application, Limits};

/// Returns the shared state of loops with nine places for connections.
pub(crate) fn serving(
    application: impl Application,
    staffing: Staffing,
    limits: Limits,
    probes: Option<Probes>,
) -> Arc<Shared> {
    let loops = staffing.loops;
    let allowance = Allowance {
        connections: 9,
        turned_away: 1,
    };
    let operations = Operations {
        probes,
        probes_beside_service: true,
        drain_delay: Duration::ZERO,
        observation: Observation {
            log: None,
            metrics: None,
            own: None,
        },
        sends_ids: false,
        peers: None,
        capacity: Capacity::new(allowance, loops, Reserve::none()),
    };
    let entrance = Entrance::new(Vec::new(), Vec::new(), Vec::new(), None);
    let waker = |_| mio::Waker::new(mio::Poll::new().unwrap().registry(), mio::Token(0)).unwrap();
    let wakers = (0..loops).map(waker).collect();
    Shared::new(Box::new(application), limits, staffing, operations, entrance, wakers)
}

/// Returns a client, and its connection, which has this key.
pub(crate) fn connection(key: usize) -> (UnixStream, Box<Connection>) {
    let (client, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
    let transport = Transport::new(Channel::plain(stream));
    let connection = Connection::new(transport, None, key, 0, Instant::now(), &Limits::default());
    (client, Box::new(connection))
}
