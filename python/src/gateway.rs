//! A WSGI application as an application of hansel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hansel::{Application, Limiter, Request, Response, Scheduling, StatusCode};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::environ::Environ;
use crate::interpreter;
use crate::iterable;
use crate::start_response::Starter;

pub(crate) struct Gateway {
    application: Py<PyAny>,
    /// `io.BytesIO`
    input: Py<PyAny>,
    environ: Environ,
    turns: Arc<Turns>,
}

/// The threads that take turns with the interpreter.
pub(crate) struct Turns {
    pub(crate) limiter: Arc<Limiter>,
    /// Calls that have begun and not ended.
    calls: AtomicUsize,
    /// Is called with each exception that an application lets out, and where that happened.
    failed: Py<PyAny>,
}

impl Gateway {
    pub(crate) fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        failed: Py<PyAny>,
        environ: Environ,
    ) -> PyResult<Gateway> {
        Ok(Gateway {
            application,
            input: py.import("io")?.getattr("BytesIO")?.unbind(),
            environ,
            turns: Arc::new(Turns {
                limiter: Arc::new(Limiter::new()),
                calls: AtomicUsize::new(0),
                failed,
            }),
        })
    }

    fn run(&self, request: &Request) -> Response {
        let mut body = &[][..];
        if request.header_bytes("transfer-encoding").is_some() || request.header_bytes("content-length").is_some() {
            if !request.body_is_here() {
                interpreter::give_back();
            }
            body = match request.bytes() {
                Ok(body) => body,
                Err(error) => return Response::default().with_status(error.status()),
            };
        }
        interpreter::take(&self.turns.limiter);
        let others = self.turns.calls.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(&self.turns.calls);
        let response = Python::attach(|py| {
            self.call_application(py, request, body).unwrap_or_else(|error| {
                let place = format!("{} {}", request.method(), request.path());
                let told = self.turns.report(py, &error, &place);
                let text = told.unwrap_or_else(|| "Internal Server Error\n".to_owned());
                Response::new(text).with_status(StatusCode::INTERNAL_SERVER_ERROR)
            })
        });
        drop(counted);
        // Kept for the next call, unless somebody waits for it.
        if others > 0 || response.body().len().is_none() {
            interpreter::give_back();
        }
        response
    }

    fn call_application(&self, py: Python<'_>, request: &Request, body: &[u8]) -> PyResult<Response> {
        let environ = self.environ.of(py, request)?;
        let input = self.input.bind(py).call1((PyBytes::new(py, body),))?;
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        let starter = Starter::new(py)?;
        let result = self.application.bind(py).call1((environ, &starter.function))?;
        let response = iterable::respond(request, &result, starter.start.get(), &self.turns);
        drop(result);
        starter.spare();
        response
    }
}

impl Turns {
    /// Reports what an application has raised, and returns what the client may be told of it. `SystemExit` and
    /// `KeyboardInterrupt` end the server.
    pub(crate) fn report(&self, py: Python<'_>, error: &PyErr, place: &str) -> Option<String> {
        // If the report fails, there is nobody left to tell.
        let told = self.failed.call1(py, (error.value(py), place)).ok()?;
        told.extract(py).ok().flatten()
    }
}

struct Counted<'c>(&'c AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Application for Gateway {
    fn call(&self, request: &Request) -> Response {
        hansel::paced(two_segments(request.path()), || self.run(request))
    }

    fn scheduling(&self) -> Option<Arc<dyn Scheduling>> {
        Some(Arc::clone(&self.turns) as Arc<dyn Scheduling>)
    }

    /// The octets of PATH_INFO may be any.
    fn takes_any_path(&self) -> bool {
        true
    }
}

/// What requests have in common that probably run the same code: the first two segments.
fn two_segments(path: &str) -> &str {
    let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

impl Scheduling for Turns {
    fn run_thread(&self, run: &mut dyn FnMut()) {
        interpreter::run_thread(run);
    }

    fn may_begin(&self) -> bool {
        self.limiter.may_begin()
    }

    fn rest(&self) {
        interpreter::give_back();
    }
}
