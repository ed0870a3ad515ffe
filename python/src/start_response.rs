//! `start_response` and `write`: what an application says about its response.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hansel::{Response, StatusCode};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

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
    /// What `write` has been given.
    pub(crate) written: Vec<u8>,
}

impl Start {
    /// No Python runs while this is locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        slf.getattr(pyo3::intern!(slf.py(), "write"))
    }

    fn write(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let mut state = self.state();
        if !data.as_bytes().is_empty() {
            state.is_sent = true;
            state.written.extend_from_slice(data.as_bytes());
        }
        Ok(())
    }
}

fn response_of(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<(Response, Option<u64>)> {
    let mut response = Response::default().with_status(status_of(status)?);
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
        let (name, value) = (octets(&name, "a header's name")?, octets(&value, "a header's value")?);
        let name = std::str::from_utf8(&name)
            .ok()
            .filter(|name| is_token(name))
            .ok_or_else(|| PyValueError::new_err("a header's name has characters that names can't have"))?;
        if value.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return Err(PyValueError::new_err(format!(
                "the value of {name} has a line end or NUL"
            )));
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(length_of(&value)?);
        } else if name.eq_ignore_ascii_case("connection") && is_about_keeping(&value) {
            // Many applications that send events set it; whether a connection is kept is the server's to say.
        } else if is_hop_by_hop(name) {
            return Err(PyValueError::new_err(format!(
                "{name} is the server's to set (PEP 3333: hop-by-hop)"
            )));
        } else {
            response.append_header(name, value);
        }
    }
    Ok((response, length))
}

fn status_of(status: &Bound<'_, PyAny>) -> PyResult<StatusCode> {
    let status = octets(status, "the status")?;
    if status.iter().any(u8::is_ascii_control) {
        return Err(PyValueError::new_err("the status has a control character"));
    }
    let code = match status.split_at_checked(3) {
        Some((code, [] | [b' ', ..])) => StatusCode::from_bytes(code).ok(),
        _ => None,
    };
    code.filter(|code| !code.is_informational())
        .ok_or_else(|| PyValueError::new_err("the status must be three digits from 200, a space, and a reason"))
}

/// PEP 3333: the octets of a native string are its characters.
fn octets(text: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<u8>> {
    let text = text
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be a str")))?;
    let text = text.to_str()?;
    if text.is_ascii() {
        return Ok(text.as_bytes().to_vec());
    }
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect::<Option<_>>()
        .ok_or_else(|| PyValueError::new_err(format!("{what} has a character beyond U+00FF")))
}

fn length_of(value: &[u8]) -> PyResult<u64> {
    std::str::from_utf8(value)
        .ok()
        .map(str::trim)
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| PyValueError::new_err("Content-Length is not a number"))
}

fn is_token(name: &str) -> bool {
    // RFC 9110 §5.6.2.
    let is_of_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    !name.is_empty() && name.bytes().all(is_of_token)
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
