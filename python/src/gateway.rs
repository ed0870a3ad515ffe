//! A WSGI application as an application of hansel.

use std::sync::Arc;

use hansel::{Application, Request, Response, Scheduling, StatusCode};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::body_out::BodyOut;
use crate::boundary;
use crate::environ::Environ;
use crate::input::Input;
use crate::iterable;
use crate::mounts::Table;
use crate::start_response::Starter;
use crate::turns::Turns;

/// Bodies of so many bytes are read from where the server has them. Shorter ones are copied into Python's own file in memory,
/// whose calls are quicker.
const LENT_FROM: usize = 16 * 1024;

pub(crate) struct Gateway {
    application: Py<PyAny>,
    /// `io.BytesIO`
    in_memory: Py<PyAny>,
    environ: Environ,
    turns: Arc<Turns>,
}

impl Gateway {
    pub(crate) fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        failed: Py<PyAny>,
        environ: Environ,
        mounts: Option<Arc<Table>>,
    ) -> PyResult<Gateway> {
        Ok(Gateway {
            application,
            in_memory: py.import("io")?.getattr("BytesIO")?.unbind(),
            environ,
            turns: Arc::new(Turns::new(mounts, failed)),
        })
    }

    fn run(&self, request: &Request) -> Response {
        let (response, ending) = self
            .turns
            .take(|| boundary::with_request(request, || Python::attach(|py| self.call_application(py, request))));
        if let Some(body) = ending {
            // Nothing of Python is left to be done, so the lock need not be taken again after that.
            boundary::give_back();
            let _ = body.finish();
        }
        response
    }

    /// Returns the response, and the body that must still be ended if it has begun before.
    fn call_application(&self, py: Python<'_>, request: &Request) -> (Response, Option<BodyOut>) {
        let mut input: Option<Bound<'_, Input>> = None;
        let outcome = self.environ.of(py, request).and_then(|environ| {
            if has_body(request) {
                input = self.give_input(request, &environ)?;
            }
            self.call_with(request, &environ)
        });
        if let Some(input) = input.as_ref().filter(|input| boundary::owners(input.as_any()) > 1) {
            input.get().keep(request);
        }
        outcome.unwrap_or_else(|error| {
            let failure = input.and_then(|input| input.get().failure());
            let response = failure.map_or_else(
                || self.fail(py, request, &error),
                |status| Response::default().with_status(status),
            );
            (response, None)
        })
    }

    /// Sets `wsgi.input`. Returns it, unless it is Python's.
    fn give_input<'py>(&self, request: &Request, environ: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, Input>>> {
        let py = environ.py();
        let key = intern!(py, "wsgi.input");
        let short = request.body_is_here().then(|| request.bytes().unwrap_or(&[]));
        if let Some(body) = short.filter(|body| body.len() < LENT_FROM) {
            let body = self.in_memory.bind(py).call1((PyBytes::new(py, body),))?;
            environ.set_item(key, body)?;
            return Ok(None);
        }
        let input = Bound::new(py, Input::of(request))?;
        environ.set_item(key, &input)?;
        Ok(Some(input))
    }

    fn call_with(&self, request: &Request, environ: &Bound<'_, PyDict>) -> PyResult<(Response, Option<BodyOut>)> {
        let py = environ.py();
        let starter = Starter::new(py)?;
        let result = self.application.bind(py).call1((environ, &starter.function));
        let start = starter.start.get();
        let response = result.and_then(|result| iterable::respond(request, &result, start, &self.turns));
        if response.is_err() {
            // Its traceback may keep the object.
            start.give_up(py);
        }
        let ending = start.state().ending.take();
        starter.spare();
        response.map(|response| (response, ending))
    }

    fn fail(&self, py: Python<'_>, request: &Request, error: &PyErr) -> Response {
        let place = format!("{} {}", request.method(), request.path());
        let told = self.turns.report(py, error, &place);
        let text = told.unwrap_or_else(|| "Internal Server Error\n".to_owned());
        Response::new(text).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Application for Gateway {
    fn call(&self, request: &Request) -> Response {
        if let Some(mounts) = self.turns.mounts_with(request) {
            // Others may wait for the interpreter.
            boundary::give_back();
            return mounts.call(request);
        }
        hansel::paced(two_segments(request.path()), || self.run(request))
    }

    fn note_endpoint(&self, request: &Request) {
        if let Some(mounts) = self.turns.mounts_with(request) {
            mounts.note_endpoint(request);
        }
    }

    fn patterns_of(&self, pace: u16) -> String {
        let mounts = self.turns.mounts();
        mounts.map_or_else(String::new, |mounts| mounts.patterns_of(pace))
    }

    fn scheduling(&self) -> Option<Arc<dyn Scheduling>> {
        Some(Arc::clone(&self.turns) as Arc<dyn Scheduling>)
    }

    /// By `write`, and by what is iterated.
    fn responds_early(&self) -> bool {
        true
    }

    /// The octets of PATH_INFO may be any.
    fn takes_any_path(&self) -> bool {
        true
    }
}

fn has_body(request: &Request) -> bool {
    request.header_bytes("content-length").is_some() || request.header_bytes("transfer-encoding").is_some()
}

/// The first two segments: requests that share them probably run the same code.
fn two_segments(path: &str) -> &str {
    let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    &path[..end]
}
