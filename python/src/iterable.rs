//! From an application's iterable to a body.

use std::io::{self, Read, Write};
use std::sync::Arc;

use hansel::{Body, BodyWriter, Limiter, Method, Request, Response};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyIterator, PyList, PyTuple};

use crate::interpreter;
use crate::start_response::{Start, Started};

/// Makes a response of what the application has returned. `close` is called once, at the end or by an error.
pub(crate) fn respond(
    request: &Request,
    result: &Bound<'_, PyAny>,
    start: &Bound<'_, Start>,
    limiter: &Arc<Limiter>,
) -> PyResult<Response> {
    let py = result.py();
    if result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>() {
        let mut body = std::mem::take(&mut start.get().state().written);
        for item in result.try_iter()? {
            body.extend_from_slice(bytes(&item?)?.as_bytes());
        }
        return Ok(whole(request, take(start)?, body));
    }
    let mut chunks = Chunks {
        result: result.clone().unbind(),
        iterator: None,
        is_closed: false,
        left: None,
        limiter: Arc::clone(limiter),
    };
    let outcome = chunks.first(py, result, start);
    match outcome {
        Ok(First::Whole(body)) => {
            chunks.close(py);
            Ok(whole(request, take(start)?, body))
        }
        Ok(First::Begun(body)) if request.method() == Method::HEAD => {
            chunks.close(py);
            drop(body);
            let started = take(start)?;
            Ok(headless(started))
        }
        Ok(First::Begun(body)) => {
            let started = take(start)?;
            let mut response = started.response.unwrap_or_default();
            chunks.left = started.length.map(|length| length.saturating_sub(body.len() as u64));
            response.set_body(match started.length {
                Some(length) => Body::sized_reader(
                    Sized {
                        chunks,
                        piece: io::Cursor::new(body),
                    },
                    length,
                ),
                None => Body::stream(move |client| chunks.pour(body, client)),
            });
            Ok(response)
        }
        Err(error) => {
            chunks.close(py);
            Err(error)
        }
    }
}

/// Takes what `start_response` was told. From here on the head counts as sent.
fn take(start: &Bound<'_, Start>) -> PyResult<Started> {
    let mut state = start.get().state();
    let started = std::mem::take(&mut *state);
    state.is_sent = true;
    if started.response.is_none() {
        return Err(PyRuntimeError::new_err("the application did not call start_response"));
    }
    Ok(started)
}

fn whole(request: &Request, started: Started, mut body: Vec<u8>) -> Response {
    let is_head = request.method() == Method::HEAD;
    match started.length {
        Some(_) if is_head => return headless(started),
        // RFC 9110 §8.6: the rest would be read as the next response.
        Some(length) if length < body.len() as u64 => body.truncate(usize::try_from(length).unwrap_or(usize::MAX)),
        Some(length) if length > body.len() as u64 => {
            let mut response = started.response.unwrap_or_default();
            // 204 and 304 have no body, whatever length they announce.
            if !matches!(response.status().as_u16(), 204 | 304) {
                // It ends before its length, so the connection is cut.
                response.set_body(Body::sized_reader(io::Cursor::new(body), length));
            }
            return response;
        }
        _ => {}
    }
    let mut response = started.response.unwrap_or_default();
    response.set_body(if body.is_empty() { Body::empty() } else { body.into() });
    response
}

/// The response to HEAD, with the length that GET would have.
fn headless(started: Started) -> Response {
    let mut response = started.response.unwrap_or_default();
    response.set_body(match started.length {
        Some(length) => Body::sized_reader(io::empty(), length),
        None => Body::reader(io::empty()),
    });
    response
}

fn bytes<'a, 'py>(item: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    item.cast::<PyBytes>().map_err(|_| {
        let kind = item.get_type();
        PyTypeError::new_err(format!("the body must be an iterable of bytes, and has a {kind}"))
    })
}

enum First {
    Whole(Vec<u8>),
    Begun(Vec<u8>),
}

/// The chunks of an iterable that are still to come.
struct Chunks {
    result: Py<PyAny>,
    iterator: Option<Py<PyIterator>>,
    is_closed: bool,
    left: Option<u64>,
    limiter: Arc<Limiter>,
}

impl Chunks {
    /// Asks for chunks up to the first that is not empty: until then the head may still be replaced.
    fn first(&mut self, py: Python<'_>, result: &Bound<'_, PyAny>, start: &Bound<'_, Start>) -> PyResult<First> {
        let is_only = result.len().is_ok_and(|len| len == 1);
        let iterator = result.try_iter()?;
        self.iterator = Some(iterator.unbind());
        let chunk = self.next(py)?;
        let mut state = start.get().state();
        let mut body = std::mem::take(&mut state.written);
        let is_over = chunk.is_none()
            || is_only
            || state
                .length
                .is_some_and(|length| length <= (body.len() + chunk.as_ref().map_or(0, |chunk| chunk.len())) as u64);
        if let Some(chunk) = chunk {
            body.extend_from_slice(&chunk);
        }
        Ok(if is_over {
            First::Whole(body)
        } else {
            First::Begun(body)
        })
    }

    /// Returns the next chunk that is not empty.
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<PyBackedBytes>> {
        let Some(iterator) = &self.iterator else {
            return Ok(None);
        };
        for item in iterator.bind(py).clone() {
            let item = item?;
            let chunk = bytes(&item)?;
            if !chunk.as_bytes().is_empty() {
                return Ok(Some(PyBackedBytes::from(chunk.clone())));
            }
        }
        Ok(None)
    }

    fn close(&mut self, py: Python<'_>) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.iterator = None;
        let result = self.result.bind(py);
        let Ok(Some(close)) = result.getattr_opt(intern!(py, "close")) else {
            return;
        };
        if let Err(error) = close.call0() {
            error.display(py);
        }
    }

    /// Asks for the next chunk on a thread that does not have the lock. At the end, and after an error, it closes.
    fn ask(&mut self) -> io::Result<Option<PyBackedBytes>> {
        let limiter = Arc::clone(&self.limiter);
        interpreter::take(&limiter);
        let next = Python::attach(|py| match self.next(py) {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                self.close(py);
                Ok(None)
            }
            Err(error) => {
                error.display(py);
                self.close(py);
                Err(io::Error::other("the application failed while it made its response"))
            }
        });
        interpreter::give_back();
        next
    }

    fn pour(mut self, first: Vec<u8>, client: &mut BodyWriter<'_>) -> io::Result<()> {
        client.write_all(&first)?;
        while let Some(chunk) = self.ask()? {
            client.write_all(&chunk)?;
        }
        Ok(())
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if !self.is_closed {
            Python::attach(|py| self.close(py));
        }
    }
}

/// Chunks whose total length is known.
struct Sized {
    chunks: Chunks,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Sized {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.piece.read(into)?;
        if n > 0 || self.chunks.left == Some(0) {
            return Ok(n);
        }
        let Some(chunk) = self.chunks.ask()? else {
            return Ok(0);
        };
        self.chunks.left = self.chunks.left.map(|left| left.saturating_sub(chunk.len() as u64));
        self.piece = io::Cursor::new(chunk.to_vec());
        self.piece.read(into)
    }
}
