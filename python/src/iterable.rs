//! From an application's iterable to a body.

use std::io::{self, Write};
use std::sync::Arc;

use hansel::{Body, BodyWriter, Method, Request, Response};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyIterator, PyList, PyTuple};

use crate::file_wrapper::FileWrapper;
use crate::gateway::Turns;
use crate::interpreter;
use crate::start_response::{Start, Started};

/// Chunks of so many bytes are sent from where Python has them; to copy fewer is cheaper.
const KEPT_FROM: usize = 64 * 1024;

/// Makes a response of what the application has returned. `close` is called once, at the end or by an error.
pub(crate) fn respond(
    request: &Request,
    result: &Bound<'_, PyAny>,
    start: &Start,
    turns: &Arc<Turns>,
) -> PyResult<Response> {
    if result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>() {
        let content = gathered(result, start)?;
        return Ok(whole(request, start.take()?, content));
    }
    let wrapper = result.cast_exact::<FileWrapper>().ok();
    if let Some(response) = wrapper.map_or(Ok(None), |wrapper| of_file(wrapper, start, turns))? {
        return Ok(response);
    }
    let mut chunks = Chunks {
        result: result.clone().unbind(),
        iterator: None,
        is_closed: false,
        left: None,
        turns: Arc::clone(turns),
    };
    let outcome = chunks.first(result, start).and_then(|first| Ok((first, start.take()?)));
    match outcome {
        Ok((First::Whole(body), started)) => {
            chunks.close(result.py());
            Ok(whole(request, started, Content::Copied(body)))
        }
        Ok((First::Begun(_), started)) if request.method() == Method::HEAD => {
            chunks.close(result.py());
            Ok(headless(started))
        }
        Ok((First::Begun(body), started)) => Ok(begun(started, chunks, body)),
        Err(error) => {
            chunks.close(result.py());
            Err(error)
        }
    }
}

/// Bytes in memory, Python's or ours.
enum Content {
    Copied(Vec<u8>),
    Kept(PyBackedBytes),
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        match self {
            Content::Copied(bytes) => bytes,
            Content::Kept(bytes) => bytes,
        }
    }
}

/// Returns all chunks of a list or a tuple.
fn gathered(result: &Bound<'_, PyAny>, start: &Start) -> PyResult<Content> {
    let mut body = std::mem::take(&mut start.state().written);
    let is_only = body.is_empty() && result.len()? == 1;
    for item in result.try_iter()? {
        let item = item?;
        let chunk = bytes(&item)?;
        if is_only && chunk.as_bytes().len() >= KEPT_FROM {
            return Ok(Content::Kept(chunk.clone().into()));
        }
        body.extend_from_slice(chunk.as_bytes());
    }
    Ok(Content::Copied(body))
}

fn of_file(wrapper: &Bound<'_, FileWrapper>, start: &Start, turns: &Arc<Turns>) -> PyResult<Option<Response>> {
    let length = {
        let state = start.state();
        if !state.written.is_empty() || state.response.is_none() {
            return Ok(None);
        }
        state.length
    };
    let Some(body) = wrapper.get().body(wrapper.py(), length) else {
        return Ok(None);
    };
    let mut response = start.take()?.response.unwrap_or_default();
    let (file, turns) = (wrapper.clone().into_any().unbind(), Arc::clone(turns));
    response.set_body(body.on_done(move |_| {
        let _ = Python::try_attach(|py| close(file.bind(py), &turns));
    }));
    Ok(Some(response))
}

fn whole(request: &Request, started: Started, content: Content) -> Response {
    let here = content.as_ref().len() as u64;
    let is_head = request.method() == Method::HEAD;
    match started.length {
        Some(_) if is_head => return headless(started),
        Some(length) if length > here => {
            let mut response = started.response.unwrap_or_default();
            // 204 and 304 have no body, whatever length they announce.
            if !matches!(response.status().as_u16(), 204 | 304) {
                // It ends before its length, so the connection is cut.
                let cut = io::Cursor::new(content.as_ref().to_vec());
                response.set_body(Body::sized_reader(cut, length));
            }
            return response;
        }
        _ => {}
    }
    let mut response = started.response.unwrap_or_default();
    response.set_body(match (started.length, content) {
        // RFC 9110 §8.6: the rest would be read as the next response.
        (Some(length), content) if length < here => {
            let end = usize::try_from(length).unwrap_or(usize::MAX);
            Body::untyped(content.as_ref().iter().take(end).copied().collect::<Vec<u8>>())
        }
        (_, Content::Copied(bytes)) => Body::untyped(bytes),
        (_, kept) => Body::untyped(Body::owned(kept)),
    });
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

/// The response whose first chunk is here, and whose others are still to be asked for.
fn begun(started: Started, mut chunks: Chunks, first: Vec<u8>) -> Response {
    let mut response = started.response.unwrap_or_default();
    chunks.left = started.length;
    let pour = move |client: &mut BodyWriter<'_>| chunks.pour(&first, client);
    response.set_body(match started.length {
        Some(length) => Body::sized_stream(length, pour),
        None => Body::stream(pour),
    });
    response
}

fn bytes<'a, 'py>(item: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    item.cast::<PyBytes>().map_err(|_| {
        let kind = item.get_type();
        PyTypeError::new_err(format!("the body must be an iterable of bytes, and has a {kind}"))
    })
}

/// Calls an iterable's `close`, if it has one.
fn close(result: &Bound<'_, PyAny>, turns: &Turns) {
    let closed = match result.getattr_opt(intern!(result.py(), "close")) {
        Ok(Some(close)) => close.call0().map(drop),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        turns.report(result.py(), &error, "close() of an iterable");
    }
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
    turns: Arc<Turns>,
}

impl Chunks {
    /// Asks for chunks up to the first that is not empty: until then the head may still be replaced.
    fn first(&mut self, result: &Bound<'_, PyAny>, start: &Start) -> PyResult<First> {
        let is_only = result.len().is_ok_and(|len| len == 1);
        let iterator = result.try_iter()?;
        self.iterator = Some(iterator.unbind());
        let chunk = self.next(result.py())?;
        let mut state = start.state();
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
        if !std::mem::replace(&mut self.is_closed, true) {
            self.iterator = None;
            close(self.result.bind(py), &self.turns);
        }
    }

    /// Asks for the next chunk on a thread that does not have the lock. At the end, and after an error, it closes.
    fn ask(&mut self) -> io::Result<Option<PyBackedBytes>> {
        let turns = Arc::clone(&self.turns);
        interpreter::take(&turns.limiter);
        let next = Python::attach(|py| match self.next(py) {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                self.close(py);
                Ok(None)
            }
            Err(error) => {
                turns.report(py, &error, "a response that had begun");
                self.close(py);
                Err(io::Error::other("the application failed while it made its response"))
            }
        });
        interpreter::give_back();
        next
    }

    fn pour(mut self, first: &[u8], client: &mut BodyWriter<'_>) -> io::Result<()> {
        self.send(first, client)?;
        while self.left != Some(0) {
            let Some(chunk) = self.ask()? else {
                return Ok(());
            };
            self.send(&chunk, client)?;
        }
        Ok(())
    }

    /// Sends what fits into the length.
    fn send(&mut self, chunk: &[u8], client: &mut BodyWriter<'_>) -> io::Result<()> {
        let Some(left) = self.left else {
            return client.write_all(chunk);
        };
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        self.left = Some(left - fits as u64);
        client.write_all(chunk.get(..fits).unwrap_or(chunk))
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if !self.is_closed {
            // While the interpreter ends, nothing can be called any more.
            let _ = Python::try_attach(|py| self.close(py));
        }
    }
}
