//! The loops, each with the baton by which it passes from thread to thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use super::baton::Baton;
use crate::Application;
use crate::server::event_loop::EventLoop;
use crate::server::limits::Limits;
use crate::server::net::entrance::Entrance;
use crate::server::shared::staffing::Staffing;
use crate::server::shared::{Operations, Shared};

pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) cells: Vec<LoopCell>,
}

/// One loop, and what the [watch](super::watching) must know of it.
pub(crate) struct LoopCell {
    pub(crate) baton: Baton<EventLoop>,
    /// The system's number of the thread that held it last; 0 if unknown.
    pub(crate) thread: AtomicU32,
    /// The endpoint that runs while the loop is released, as [`Pace::index`](crate::pace::Pace::index) plus one.
    pub(crate) endpoint: AtomicU32,
    /// True if that endpoint waits for something that others need as well.
    pub(crate) is_queueing: AtomicBool,
}

impl Engine {
    pub(crate) fn new(
        application: Box<dyn Application>,
        limits: Limits,
        staffing: Staffing,
        operations: Operations,
        entrance: Entrance,
    ) -> io::Result<Arc<Engine>> {
        let (mut cells, mut wakers) = (Vec::new(), Vec::new());
        for index in 0..staffing.loops {
            let (listeners, health_listeners) = entrance.for_loop()?;
            let reserve = staffing.has_reserve(index);
            let (event_loop, waker) = EventLoop::new(index, listeners, health_listeners, reserve)?;
            cells.push(LoopCell::new(event_loop));
            wakers.push(waker);
        }
        let shared = Shared::new(application, limits, staffing, operations, entrance, wakers);
        Ok(Arc::new(Engine { shared, cells }))
    }

    /// Returns true if loop `index` has a holder that is awake, and so will soon look at what was left for it.
    pub(crate) fn is_at_work(&self, index: usize) -> bool {
        self.cells[index].baton.is_held() && !self.shared.loops[index].inbox.is_asleep()
    }
}

impl LoopCell {
    pub(super) fn new(event_loop: EventLoop) -> LoopCell {
        LoopCell {
            baton: Baton::new(event_loop),
            thread: AtomicU32::new(0),
            endpoint: AtomicU32::new(0),
            is_queueing: AtomicBool::new(false),
        }
    }
}
