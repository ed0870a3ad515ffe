//! A WSGI application as an application of hansel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hansel::{Application, Limiter, Request, Response, Scheduling, StatusCode};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::environ::Environ;
use crate::interpreter;
use crate::iterable;
use crate::start_response::Start;

pub(crate) struct Gateway {
    application: Py<PyAny>,
    /// `io.BytesIO`
    input: Py<PyAny>,
    /// Is called with the exception, when the application wants the process to end.
    stop: Py<PyAny>,
    environ: Environ,
    turns: Arc<Turns>,
}

/// The threads that take turns with the interpreter.
struct Turns {
    limiter: Arc<Limiter>,
    /// Calls that have begun and not ended.
    calls: AtomicUsize,
}

impl Gateway {
    pub(crate) fn new(py: Python<'_>, application: Py<PyAny>, stop: Py<PyAny>, environ: Environ) -> PyResult<Gateway> {
        Ok(Gateway {
            application,
            input: py.import("io")?.getattr("BytesIO")?.unbind(),
            stop,
            environ,
            turns: Arc::new(Turns {
                limiter: Arc::new(Limiter::new()),
                calls: AtomicUsize::new(0),
            }),
        })
    }

    fn run(&self, request: &Request) -> Response {
        let mut body = &[][..];
        if request.header_bytes("transfer-encoding").is_some() || request.header_bytes("content-length").is_some() {
            // It may have to be waited for.
            interpreter::give_back();
            body = match request.bytes() {
                Ok(body) => body,
                Err(error) => return Response::default().with_status(error.status()),
            };
        }
        interpreter::take(&self.turns.limiter);
        let others = self.turns.calls.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(&self.turns.calls);
        let response = Python::attach(|py| {
            self.call_application(py, request, body)
                .unwrap_or_else(|error| self.fail(py, error))
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
        let start = Bound::new(py, Start::default())?;
        let start_response = start.getattr(intern!(py, "start_response"))?;
        let result = self.application.bind(py).call1((environ, start_response))?;
        iterable::respond(request, &result, &start, &self.turns.limiter)
    }

    fn fail(&self, py: Python<'_>, error: PyErr) -> Response {
        if error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py) {
            if let Err(error) = self.stop.call1(py, (error.value(py),)) {
                error.display(py);
            }
        } else {
            error.display(py);
        }
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Response::new("Internal Server Error\n").with_status(status)
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
