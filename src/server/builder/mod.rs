//! `Server`: its addresses, threads and limits, and its life from start to end.

// Its documentation shows the methods of `Server` in the order of these modules, and those of this file at the end.
mod listening;

#[cfg(feature = "activation")]
mod activation;
mod banner;
mod listener;

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::report;
use crate::request::after_fork;
use crate::{AccessLog, Application, IntoApplication, Metrics, Response, Trust};

pub use listener::Listener;

use crate::server::handle::Handle;
use crate::server::limits::Limits;
use crate::server::net::descriptors::{self, Allowance, Lowered, Reserve};
use crate::server::net::door::Door;
use crate::server::net::entrance::Entrance;
use crate::server::net::listen::Bound;
use crate::server::net::peers::Peers;
use crate::server::net::room::Capacity;
use crate::server::probes;
#[cfg(unix)]
use crate::server::process::notify;
#[cfg(all(unix, feature = "activation"))]
use crate::server::process::passing::Predecessor;
use crate::server::process::signals::Signals;
use crate::server::shared::observer::{Expose, Observation};
use crate::server::shared::staffing::Staffing;
use crate::server::shared::{Operations, Probes};
use crate::server::threads::engine::Engine;
use crate::start_error::{cannot, start_error};

/// The longest drain after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// An HTTP/1.1 server that listens on its addresses and is not serving yet.
///
/// Handlers are plain functions and may block. A few event loops run them on their own threads, and another thread
/// takes a loop over when a handler blocks. Everything has a default.
///
/// ```no_run
/// use hansel::Server;
///
/// fn main() -> hansel::Result {
///     Ok(Server::bind("127.0.0.1:8080")?.serve(|| "Hello, world!")?)
/// }
/// ```
///
/// A closure shares what a function needs besides the request:
///
/// ```
/// use hansel::{Request, Server};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// let visits = AtomicU64::new(0);
/// let greeting = String::from("Hello");
/// let server = Server::bind("127.0.0.1:0")?.spawn(move |request: &Request| {
///     let visit = visits.fetch_add(1, Ordering::Relaxed) + 1;
///     format!("{greeting}, visitor {visit} of {}", request.path())
/// })?;
/// println!("listening on {}", server.local_addr());
/// server.shutdown(std::time::Duration::from_secs(1));
/// server.wait();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Until it serves, a server is listeners and settings: there is no thread of it. So a process may fork after it was made,
/// and each process may serve: they share the listeners, and each connection goes to one of them. A Unix socket's path
/// is removed by the process that has made it.
#[derive(Debug)]
#[must_use = "a server serves once `serve` or `spawn` is called"]
pub struct Server {
    listeners: Vec<Listener>,
    /// The settings of each listener that has none of its own.
    door: Door,
    probes: Option<Probes>,
    probes_beside_service: bool,
    status_page: Option<fn() -> Response>,
    health_listeners: Vec<Bound>,
    drain_delay: Duration,
    access_log: Option<AccessLog>,
    own_metrics: Option<Box<dyn Expose>>,
    sends_ids: bool,
    limits: Limits,
    /// Creates the counter of connections per peer. Referenced only where limits are set, because by default there is
    /// no such limit, and the linker drops it then.
    loops: usize,
    threads: usize,
    grace: Duration,
    trust: Option<Arc<Trust>>,
    is_quiet: bool,
    /// The program that SIGHUP starts.
    successor: Option<PathBuf>,
    /// The process that has passed the listeners.
    #[cfg(all(unix, feature = "activation"))]
    predecessor: Option<Predecessor>,
}

impl Server {
    /// A server without a listener.
    fn nowhere() -> Server {
        Server {
            listeners: Vec::new(),
            door: Door::default(),
            probes: None,
            probes_beside_service: false,
            status_page: None,
            health_listeners: Vec::new(),
            drain_delay: Duration::ZERO,
            access_log: None,
            own_metrics: None,
            sends_ids: false,
            limits: Limits::default(),
            loops: std::thread::available_parallelism().map_or(1, usize::from),
            threads: 256,
            grace: GRACE,
            trust: None,
            is_quiet: false,
            successor: None,
            #[cfg(all(unix, feature = "activation"))]
            predecessor: None,
        }
    }

    /// Sets the number of event loops, at least one. The default is the number of processors.
    pub fn loops(mut self, loops: usize) -> Server {
        self.loops = loops.max(1);
        self
    }

    /// Sets how many handlers may run at once, at least one. The default is 256.
    ///
    /// With 1, handlers run strictly one after the other, streams included. Threads start when they are needed, and a
    /// few more hold the loops. A quarter as many, at least one, may read files that are not in memory.
    pub fn threads(mut self, threads: usize) -> Server {
        self.threads = threads.max(1);
        self
    }

    /// Sets the limits on what clients may use, and for how long.
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Trusts these peers to name the client behind them: see [`Request::client`](crate::Request::client). By default
    /// no peer is trusted.
    pub fn trust(mut self, peers: Trust) -> Server {
        self.trust = Some(Arc::new(peers));
        self
    }

    /// Sets how long [`serve`](Server::serve) lets requests in flight go on after a signal. The default is 10 s.
    pub fn grace(mut self, grace: Duration) -> Server {
        self.grace = grace;
        self
    }

    /// Serves `/livez`, `/readyz` and `/metrics` beside the application, which then never sees a request for these
    /// three paths. Off by default, because the metrics are not for everybody.
    ///
    /// The event loops respond by themselves, so these responses come even if every handler hangs, every thread is
    /// taken and the queue is full. They are neither logged nor counted among the requests.
    ///
    /// | path | response |
    /// |---|---|
    /// | `/livez` | 200: an event loop is running |
    /// | `/readyz` | 200; 503 from the moment the server is told to stop, and while [`Handle::set_ready`] says so |
    /// | `/metrics` | 200, Prometheus text; counting begins with this switch |
    pub fn health(mut self) -> Server {
        self.probes = Some(probes::lane());
        self.probes_beside_service = true;
        self
    }

    /// Serves `/livez`, `/readyz` and `/metrics` on an address of their own, and nothing else there; see
    /// [`health`](Server::health).
    ///
    /// That address has places when all [`Limits::connections`] are taken. It responds until the last request of a
    /// drain is finished, or until a successor responds there.
    ///
    /// # Errors
    /// Returns the errors of [`bind`](Server::bind).
    pub fn health_on(mut self, address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Server> {
        self.probes = Some(probes::lane());
        // A predecessor, or a service manager, may have opened it already.
        let asked = address.to_socket_addrs().into_iter().flatten();
        let is_here = |asked| self.health_listeners.iter().any(|here| here.is_on(asked));
        if !asked.into_iter().any(is_here) {
            self.health_listeners.push(Bound::tcp(address)?);
        }
        Ok(self)
    }

    /// Serves a page for people at the address of [`health_on`](Server::health_on), at the path `/`: requests, response
    /// times, connections and threads as plots, and routes with their counts. It is never served beside the application.
    ///
    /// The page asks for `/metrics` every two seconds and remembers five minutes by itself, so it costs nothing while nobody
    /// looks. It loads nothing from elsewhere. Whoever reaches the address can read it.
    ///
    /// ```no_run
    /// use hansel::Server;
    ///
    /// fn main() -> hansel::Result {
    ///     Ok(Server::bind("0.0.0.0:8080")?.health_on("127.0.0.1:9090")?.status_page().serve(|| "Hello")?)
    /// }
    /// ```
    pub fn status_page(mut self) -> Server {
        self.status_page = Some(probes::status_page);
        self
    }

    /// Sets how long the server goes on as before once it has been told to stop, with 503 from `/readyz`, before it
    /// stops accepting. By default there is no delay, and there is none if a successor serves already.
    ///
    /// A balancer keeps sending requests until its next health check or two, so the delay should be longer than those
    /// take. The [`grace`](Server::grace) begins after it.
    pub fn drain_delay(mut self, delay: Duration) -> Server {
        self.drain_delay = delay;
        self
    }

    /// Writes a line for every response to this log.
    pub fn access_log(mut self, log: AccessLog) -> Server {
        self.access_log = Some(log);
        self
    }

    /// Adds metrics of the program to `/metrics`, behind the server's own, which [`health`](Server::health) or
    /// [`health_on`](Server::health_on) must serve. Called again, it adds more.
    ///
    /// ```no_run
    /// use hansel::{Counter, Metrics, Routes, Server};
    ///
    /// static ORDERS: Counter = Counter::new("shop_orders_total", "Orders that were accepted.");
    ///
    /// fn order() -> &'static str {
    ///     ORDERS.add(1);
    ///     "thank you\n"
    /// }
    ///
    /// fn main() -> hansel::Result {
    ///     Server::bind("127.0.0.1:8080")?
    ///         .health_on("127.0.0.1:9090")?
    ///         .metrics(Metrics::new().with(&ORDERS))
    ///         .serve(Routes::new().post("/orders", order))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// If two of them have the same name. The message names the lines where they were declared.
    pub fn metrics(mut self, metrics: Metrics) -> Server {
        match &mut self.own_metrics {
            Some(own) => own.extend(metrics),
            None => self.own_metrics = Some(Box::new(metrics)),
        }
        self
    }

    /// Sends the [id](crate::Request::id) of each request with its response, as `X-Request-Id`, so that a client's
    /// complaint can be found in the logs.
    pub fn request_ids(mut self) -> Server {
        self.sends_ids = true;
        self
    }

    /// Prints nothing at start and end.
    pub fn quiet(mut self) -> Server {
        self.is_quiet = true;
        self
    }

    /// Serves until Ctrl-C or SIGTERM. Then it stops accepting, finishes what is in flight, and returns. A second
    /// signal, more than a second after the first, ends the process at once. One that comes sooner counts as the first,
    /// which some programs send twice.
    ///
    /// Prints addresses, limits, and the routes to the standard error. If that is broken, full or not read, the server
    /// serves and ends all the same. Notifies a service manager (`NOTIFY_SOCKET`, as with systemd's `Type=notify`) when
    /// it serves and when it stops.
    ///
    /// # Errors
    /// Returns an error if threads or a poll cannot be created.
    ///
    /// # Panics
    /// If it creates an [`App`](crate::App), and [`App::new`](crate::App::new) panics.
    #[track_caller]
    pub fn serve<S>(self, application: impl IntoApplication<S>) -> io::Result<()> {
        self.serve_boxed(Box::new(application.into_application()))
    }

    fn serve_boxed(mut self, application: Box<dyn Application>) -> io::Result<()> {
        let (grace, is_quiet) = (self.grace, self.is_quiet);
        let successor = self.successor.take();
        let (allowance, lowered) = self.fit();
        if !is_quiet {
            report::print(self.banner(lowered, &*application));
        }
        #[cfg(all(unix, feature = "activation"))]
        let predecessor = self.predecessor.take();
        let handle = self.prepare(application, allowance)?;
        // Before the first client connects, who might take the last descriptor.
        let unheard = |error| cannot("listen for signals, by which the server ends", &error, "");
        let (signals, listening) = Signals::listen(successor.is_some()).map_err(unheard)?;
        #[cfg(unix)]
        let notifier = Arc::clone(&signals.notifier);
        let drained = Arc::clone(&handle.engine.shared);
        signals
            .drain_at_first(drained, grace, is_quiet, successor)
            .map_err(unheard)?;
        handle.start().map_err(unthreaded)?;
        #[cfg(all(unix, feature = "activation"))]
        handle.succeed(predecessor);
        #[cfg(unix)]
        notifier.tell(notify::READY);
        let drained = handle.wait();
        listening.await_told();
        if !is_quiet {
            report::print(format!("hansel: stopped; {drained}\n"));
        }
        Ok(())
    }

    /// Returns the text that is printed at start.
    fn banner(&self, lowered: Option<Lowered>, application: &dyn Application) -> String {
        let mut text = format!("{self}\n");
        if let Some(lowered) = lowered {
            text += &format!("hansel: {lowered}\n");
        }
        for place in application.overview().lines() {
            text.push_str("  ");
            text.push_str(place);
            text.push('\n');
        }
        text
    }

    /// Starts serving, and returns at once. Signals are left to the caller.
    ///
    /// # Errors
    /// Returns the errors of [`serve`](Server::serve).
    ///
    /// # Panics
    /// If it creates an [`App`](crate::App), and [`App::new`](crate::App::new) panics.
    #[track_caller]
    pub fn spawn<S>(self, application: impl IntoApplication<S>) -> io::Result<Handle> {
        self.spawn_boxed(Box::new(application.into_application()))
    }

    fn spawn_boxed(mut self, application: Box<dyn Application>) -> io::Result<Handle> {
        let (allowance, _) = self.fit();
        #[cfg(all(unix, feature = "activation"))]
        let predecessor = self.predecessor.take();
        let handle = self.prepare(application, allowance)?;
        handle.start().map_err(unthreaded)?;
        #[cfg(all(unix, feature = "activation"))]
        handle.succeed(predecessor);
        Ok(handle)
    }

    /// Lowers the limit of connections to what the process has descriptors for. Says so if it did.
    fn fit(&mut self) -> (Allowance, Option<Lowered>) {
        let listeners = self.listeners.len() + self.health_listeners.len();
        let (allowance, lowered) = descriptors::fit(self.limits.connections, self.loops, listeners);
        self.limits.connections = allowance.connections;
        if let Some(lowered) = &lowered {
            report::warn!("{lowered}");
        }
        (allowance, lowered)
    }

    /// Creates everything that is needed to serve. Before, there are only listeners: neither threads nor anything else that
    /// processes could not share after a fork.
    fn prepare(self, application: Box<dyn Application>, allowance: Allowance) -> io::Result<Handle> {
        after_fork();
        // In the order in which the loops number their listeners: those of the health lane come first.
        let mut doors = vec![Door::default(); self.health_listeners.len()];
        doors.extend(self.listeners.iter().map(|listener| listener.door.or(&self.door)));
        if self.trust.is_none() && doors.iter().any(|door| door.proxy_protocol.is_some()) {
            return Err(start_error(
                io::ErrorKind::InvalidInput,
                "the PROXY protocol is on, but no peer is trusted to send it; name the proxies with `Server::trust`",
            ));
        }
        if self.own_metrics.is_some() && self.probes.is_none() {
            return Err(start_error(
                io::ErrorKind::InvalidInput,
                "there are metrics, but no `/metrics` that has them; serve it with `Server::health` or `Server::health_on`",
            ));
        }
        if self.status_page.is_some() && self.health_listeners.is_empty() {
            return Err(start_error(
                io::ErrorKind::InvalidInput,
                "there is a status page, but no address that has it; add one with `Server::health_on`",
            ));
        }
        let addresses = self.local_addrs();
        let health_addresses = self.health_listeners.iter().filter_map(Bound::address).collect();
        let operations = Operations {
            probes: self.probes.map(|lane| Probes {
                page: self.status_page,
                ..lane
            }),
            probes_beside_service: self.probes_beside_service,
            drain_delay: self.drain_delay,
            sends_ids: self.sends_ids,
            peers: self.limits.connections_per_peer.map(Peers::new),
            capacity: Capacity::new(allowance, self.loops, Reserve::new()),
            observation: Observation {
                log: self
                    .access_log
                    .map(|log| log.open(self.loops))
                    .transpose()
                    .map_err(unthreaded)?,
                metrics: self.probes.map(|lane| (lane.metrics)(self.loops)),
                own: self.own_metrics,
            },
        };
        let staffing = Staffing {
            loops: self.loops,
            threads: self.threads,
        };
        let bound = self.listeners.into_iter().map(|listener| listener.bound).collect();
        let entrance = Entrance::new(bound, self.health_listeners, doors, self.trust);
        let engine = Engine::new(application, self.limits, staffing, operations, entrance)
            .map_err(|error| cannot("create the event loops", &error, ""))?;
        Ok(Handle::new(engine, addresses, health_addresses))
    }
}

fn unthreaded(error: io::Error) -> io::Error {
    let advice = match error.kind() {
        // pthread_create(3): EAGAIN.
        io::ErrorKind::WouldBlock => "raise TasksMax= of its service, or ulimit -u",
        _ => "",
    };
    cannot("start a thread", &error, advice)
}
