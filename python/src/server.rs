//! The classes `Server` and `Running` of the module.

use std::fs::OpenOptions;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hansel::{AccessLog, Handle, Limits, Listener, Tls, Trust};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::boundary;
use crate::environ::Environ;
use crate::gateway::Gateway;
use crate::input::Input;
use crate::logging;
use crate::mounts::Mounts;

/// Listeners that are open, and options. It may be made before a fork and started after it.
#[pyclass(frozen)]
pub(crate) struct Server {
    server: Mutex<Option<hansel::Server>>,
    #[pyo3(get)]
    addresses: Vec<(String, u16)>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (addresses, sockets, **options))]
    fn new(addresses: Vec<String>, sockets: Vec<(i32, bool)>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Server> {
        // All are taken before anything fails, so that each is closed.
        let sockets: Vec<_> = sockets
            .into_iter()
            .map(|(number, is_unix)| (boundary::given_away(number), is_unix))
            .collect();
        let mut listeners = Vec::new();
        for (socket, is_unix) in sockets {
            listeners.push(if is_unix {
                Listener::from_unix(socket.into())?
            } else {
                Listener::from_tcp(socket.into())?
            });
        }
        for address in &addresses {
            listeners.push(match address.strip_prefix("unix:") {
                Some(path) => Listener::unix(path, 0o660)?,
                None => Listener::tcp(address.as_str())?,
            });
        }
        // Those of a service manager, if there are no others.
        let server = match listeners.is_empty() {
            true => hansel::Server::activated()?,
            false => None,
        };
        let mut listeners = listeners.into_iter();
        let server = server.or_else(|| listeners.next().map(hansel::Server::new));
        let server = server.ok_or_else(|| {
            PyValueError::new_err(
                "a server needs an address to listen on, or a socket that a service manager has passed",
            )
        })?;
        let server = listeners.fold(server, hansel::Server::listen);
        // One interpreter runs one thread at a time: a second loop would gain nothing.
        let server = configured(server.loops(1).quiet(), options)?;
        let addresses = server.local_addrs();
        let addresses = addresses
            .iter()
            .map(|address| (address.ip().to_string(), address.port()));
        Ok(Server {
            addresses: addresses.collect(),
            server: Mutex::new(Some(server)),
        })
    }

    /// Serves `application` on threads of its own. `environ` is what every request has in its environ; `failed` is called
    /// with each exception that the application lets out, and where that happened; `mounts` is what is beside it.
    #[pyo3(signature = (application, environ, failed, mounts=None))]
    fn start(
        &self,
        py: Python<'_>,
        application: Py<PyAny>,
        environ: Py<PyDict>,
        failed: Py<PyAny>,
        mounts: Option<&Mounts>,
    ) -> PyResult<Running> {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        let server = server.ok_or_else(|| PyRuntimeError::new_err("the server was started already"))?;
        logging::begin();
        // For all requests without a body.
        environ
            .bind(py)
            .set_item("wsgi.input", Bound::new(py, Input::empty())?)?;
        let gateway = Gateway::new(
            py,
            application,
            failed,
            Environ::new(environ),
            mounts.map(Mounts::table),
        )?;
        let handle = py.detach(|| server.spawn(gateway))?;
        Ok(Running(handle))
    }
}

/// A server that is serving.
#[pyclass(frozen)]
pub(crate) struct Running(Handle);

#[pymethods]
impl Running {
    /// Stops accepting, and finishes what is in flight within `grace` seconds.
    fn shutdown(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = seconds(grace)?;
        py.detach(|| self.0.shutdown(grace));
        Ok(())
    }

    /// Waits for the end; returns how many connections were finished, how many were cut, and how many handlers still run.
    fn wait(&self, py: Python<'_>) -> (usize, usize, usize) {
        let drained = py.detach(|| self.0.wait());
        (drained.finished, drained.cut, drained.running.len())
    }

    fn set_ready(&self, is_ready: bool) {
        self.0.set_ready(is_ready);
    }
}

fn configured(mut server: hansel::Server, options: Option<&Bound<'_, PyDict>>) -> PyResult<hansel::Server> {
    // What ported programs expect: other servers of Python have no limit by default.
    let mut limits = Limits::new().body(1 << 30);
    let (mut certificate, mut key) = (None, None);
    for (name, value) in options.into_iter().flat_map(|options| options.iter()) {
        let name = name.extract::<String>()?;
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "threads" => server = server.threads(value.extract()?),
            "health" if value.extract()? => server = server.health(),
            "health_on" => server = server.health_on(value.extract::<String>()?.as_str())?,
            "proxy_protocol" if value.extract()? => server = server.proxy_protocol(),
            "request_ids" if value.extract()? => server = server.request_ids(),
            "status_page" if value.extract()? => server = server.status_page(),
            "health" | "proxy_protocol" | "request_ids" | "status_page" => {}
            "drain_delay" => server = server.drain_delay(seconds(value.extract()?)?),
            "trust" => {
                let peers = value.extract::<Vec<String>>()?;
                server = server.trust(Trust::peers(peers.iter().map(String::as_str))?.forwarded());
            }
            "certificate" => certificate = Some(value.extract::<String>()?),
            "key" => key = Some(value.extract::<String>()?),
            "access_log" => server = server.access_log(access_log(&value)?),
            _ => limits = limited(limits, &name, &value)?,
        }
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) => server = server.tls(Tls::from_pem_files(certificate, key)?),
        (None, None) => {}
        _ => return Err(PyValueError::new_err("TLS needs both `certificate` and `key`")),
    }
    Ok(server.limits(limits))
}

fn limited(limits: Limits, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let time = || seconds(value.extract()?);
    Ok(match name {
        "head" => limits.head(value.extract()?),
        "target" => limits.target(value.extract()?),
        "fields" => limits.fields(value.extract()?),
        "body" => limits.body(value.extract()?),
        "body_buffer" => limits.body_buffer(value.extract()?),
        "connections" => limits.connections(value.extract()?),
        "queue" => limits.queue(value.extract()?),
        "queue_time" => limits.queue_time(time()?),
        "idle" => limits.idle(time()?),
        "handler_time" => limits.handler(time()?),
        "head_time" => limits.head_time(time()?),
        "transfer_time" => limits.transfer_time(time()?),
        _ => return Err(PyTypeError::new_err(format!("there is no option {name}"))),
    })
}

/// `"-"` is the standard output, anything else a file that is appended to.
fn access_log(value: &Bound<'_, PyAny>) -> PyResult<AccessLog> {
    let path = value.cast::<PyString>()?.to_str()?;
    Ok(match path {
        "-" => AccessLog::combined(std::io::stdout()),
        path => AccessLog::combined(OpenOptions::new().append(true).create(true).open(path)?),
    })
}

fn seconds(number: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(number)
        .map_err(|error| PyValueError::new_err(format!("{number} is not a number of seconds: {error}")))
}
