//! `start_response` and `write`: what an application says about its response.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hansel::{Response, StatusCode};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::body_out::BodyOut;
use crate::boundary;

/// The object behind one call's `start_response`.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct Start(Mutex<Started>);

#[derive(Default)]
pub(crate) struct Started {
    pub(crate) response: Option<Response>,
    /// The Content-Length that the application has set.
    pub(crate) length: Option<u64>,
    /// The head can't be replaced any more.
    pub(crate) is_sent: bool,
    /// The writer of the body, as soon as some of it is sent. A thread that writes has taken it.
    pub(crate) body: Option<BodyOut>,
    /// The same, when nothing is left but to end the body.
    pub(crate) ending: Option<BodyOut>,
}

/// A `Start`, and its bound method `start_response`. A thread uses them again, unless an application has kept one.
pub(crate) struct Starter<'py> {
    pub(crate) start: Bound<'py, Start>,
    pub(crate) function: Bound<'py, PyAny>,
}

thread_local! {
    static SPARE: Cell<Option<(Py<Start>, Py<PyAny>)>> = const { Cell::new(None) };
}

impl<'py> Starter<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Starter<'py>> {
        if let Some((start, function)) = SPARE.take() {
            return Ok(Starter {
                start: start.into_bound(py),
                function: function.into_bound(py),
            });
        }
        let start = Bound::new(py, Start::default())?;
        let function = start.getattr(intern!(py, "start_response"))?;
        Ok(Starter { start, function })
    }

    /// Keeps it for the next call of this thread, if nobody else has it.
    pub(crate) fn spare(self) {
        // The other owner of the object is its method.
        if boundary::owners(&self.function) == 1 && boundary::owners(self.start.as_any()) == 2 {
            *self.start.get().state() = Started::default();
            SPARE.set(Some((self.start.unbind(), self.function.unbind())));
        }
    }
}

impl Start {
    /// No Python runs while this is locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what sends the body, and begins the response if that has not begun.
    pub(crate) fn begin(&self) -> PyResult<BodyOut> {
        let started = {
            let mut state = self.state();
            if let Some(body) = state.body.take() {
                return Ok(body);
            }
            if state.is_sent {
                return Err(PyRuntimeError::new_err(
                    "the response is over, or another thread writes",
                ));
            }
            std::mem::take(&mut *state)
        };
        let response = started.response.ok_or_else(not_started)?;
        self.state().is_sent = true;
        BodyOut::begin(response, started.length)
    }

    /// Sends what was written, if a response has begun, and cuts the connection.
    pub(crate) fn give_up(&self, py: Python<'_>) {
        let body = self.state().body.take();
        if let Some(mut body) = body {
            body.flush(py);
        }
    }

    /// Takes what `start_response` was told. From here on the head counts as sent.
    pub(crate) fn take(&self) -> PyResult<Started> {
        let mut state = self.state();
        let started = std::mem::take(&mut *state);
        state.is_sent = true;
        if started.response.is_none() {
            return Err(not_started());
        }
        Ok(started)
    }
}

fn not_started() -> PyErr {
    PyRuntimeError::new_err("the application did not call start_response")
}

#[pymethods]
impl Start {
    #[pyo3(signature = (status, headers, exc_info=None, /))]
    fn start_response<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let start = slf.get();
        let (is_started, is_sent) = {
            let state = start.state();
            (state.response.is_some(), state.is_sent)
        };
        match exc_info {
            // PEP 3333: "if exc_info is provided, and the HTTP headers have already been output, start_response must
            // raise an error, and should raise the exc_info tuple".
            Some(exc_info) if is_sent => return Err(PyErr::from_value(exc_info.get_item(1)?)),
            None if is_started || is_sent => {
                return Err(PyRuntimeError::new_err(
                    "start_response was called twice, and not with exc_info",
                ));
            }
            _ => {}
        }
        let (response, length) = response_of(status, headers)?;
        {
            let mut state = start.state();
            state.response = Some(response);
            state.length = length;
        }
        slf.getattr(intern!(slf.py(), "write"))
    }

    /// Sends `data` at once, and what comes before it.
    fn write(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        if data.as_bytes().is_empty() {
            return Ok(());
        }
        let mut body = self.begin()?;
        let sent = body.send(data.py(), data.as_bytes());
        self.state().body = Some(body);
        Ok(sent?)
    }
}

fn response_of(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<(Response, Option<u64>)> {
    let mut response = with_status(&octets(status, "the status")?)?;
    let headers = headers
        .cast::<PyList>()
        .map_err(|_| PyTypeError::new_err("headers must be a list"))?;
    let mut length = None;
    for pair in headers.iter() {
        let pair = pair
            .cast::<PyTuple>()
            .ok()
            .filter(|pair| pair.len() == 2)
            .ok_or_else(|| PyTypeError::new_err("a header must be a tuple of a name and a value"))?;
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        let (name, value) = (text(&name, "a header's name")?, octets(&value, "a header's value")?);
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(length_of(&value)?);
        } else if name.eq_ignore_ascii_case("connection") && is_about_keeping(&value) {
            // Many applications that send events set it; whether a connection is kept is the server's to say.
        } else if is_hop_by_hop(name) {
            return Err(PyValueError::new_err(format!(
                "{name} is the server's to set (PEP 3333: hop-by-hop)"
            )));
        } else {
            response
                .try_append_header(name, value)
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
    }
    Ok((response, length))
}

/// Makes a response of `404 Not Found`.
fn with_status(status: &[u8]) -> PyResult<Response> {
    if status.iter().any(u8::is_ascii_control) {
        return Err(PyValueError::new_err("the status has a control character"));
    }
    let (code, reason) = match status.split_at_checked(3) {
        Some((code, [b' ', reason @ ..])) => (StatusCode::from_bytes(code).ok(), reason),
        Some((code, [])) => (StatusCode::from_bytes(code).ok(), &[][..]),
        _ => (None, &[][..]),
    };
    let code = code
        .filter(|code| !code.is_informational())
        .ok_or_else(|| PyValueError::new_err("the status must be three digits from 200, a space, and a reason"))?;
    let response = Response::default().with_status(code);
    if reason.is_empty() || code.canonical_reason().is_some_and(|usual| usual.as_bytes() == reason) {
        return Ok(response);
    }
    Ok(response.with_reason(reason))
}

/// PEP 3333: the octets of a native string are its characters.
fn octets<'t>(object: &'t Bound<'_, PyAny>, what: &str) -> PyResult<Cow<'t, [u8]>> {
    let text = text(object, what)?;
    if text.is_ascii() {
        return Ok(text.as_bytes().into());
    }
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect::<Option<Vec<u8>>>()
        .map(Cow::Owned)
        .ok_or_else(|| PyValueError::new_err(format!("{what} has a character beyond U+00FF")))
}

fn text<'t>(object: &'t Bound<'_, PyAny>, what: &str) -> PyResult<&'t str> {
    object
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be a str")))?
        .to_str()
}

fn length_of(value: &[u8]) -> PyResult<u64> {
    std::str::from_utf8(value)
        .ok()
        .map(str::trim)
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| PyValueError::new_err("Content-Length is not a number"))
}

fn is_about_keeping(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

/// RFC 2616 §13.5.1, which PEP 3333 refers to.
fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}
