//! From an application's iterable to a body.

use std::io;
use std::sync::Arc;

use hansel::{Body, Method, Request, Response};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyIterator, PyList, PyTuple, PyType};

use crate::body_out::BodyOut;
use crate::boundary;
use crate::file_wrapper::FileWrapper;
use crate::start_response::{Start, Started};
use crate::turns::Turns;

/// Chunks of so many bytes are sent from where Python has them; to copy fewer is cheaper.
const KEPT_FROM: usize = 64 * 1024;

/// Makes a response of what the application has returned, or sends it. `close` is called once, at the end or by an error.
pub(crate) fn respond(
    request: &Request,
    result: &Bound<'_, PyAny>,
    start: &Start,
    turns: &Arc<Turns>,
) -> PyResult<Response> {
    let has_begun = start.state().is_sent;
    let is_list = result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>();
    if is_list && !has_begun {
        let content = gathered(result)?;
        return Ok(whole(request, start.take()?, content));
    }
    let wrapper = result.cast_exact::<FileWrapper>().ok().filter(|_| !has_begun);
    if let Some(response) = wrapper.map_or(Ok(None), |wrapper| of_file(wrapper, start, turns))? {
        return Ok(response);
    }
    let response = poured(request, result, start);
    close(result, turns);
    response
}

/// Bytes in memory, Python's or ours.
enum Content {
    Copied(Vec<u8>),
    Kept(PyBackedBytes),
}

impl Content {
    fn of(chunk: &Bound<'_, PyBytes>) -> Content {
        if chunk.as_bytes().len() < KEPT_FROM {
            Content::Copied(chunk.as_bytes().to_vec())
        } else {
            Content::Kept(chunk.clone().into())
        }
    }
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
fn gathered(result: &Bound<'_, PyAny>) -> PyResult<Content> {
    let is_only = result.len()? == 1;
    let mut body = Vec::new();
    for item in result.try_iter()? {
        let item = item?;
        let chunk = bytes(&item)?;
        if is_only {
            return Ok(Content::of(chunk));
        }
        body.extend_from_slice(chunk.as_bytes());
    }
    Ok(Content::Copied(body))
}

/// Asks for one chunk after the other, and sends each before it asks for the next.
fn poured(request: &Request, result: &Bound<'_, PyAny>, start: &Start) -> PyResult<Response> {
    let is_only = result.len().is_ok_and(|len| len == 1);
    let mut chunks = result.try_iter()?;
    if !start.state().is_sent {
        // The head may still be replaced until there is a chunk that is not empty.
        let first = next(&mut chunks)?;
        let first = first.as_ref().map(bytes).transpose()?;
        // Asking for it may have called `write`.
        if !start.state().is_sent {
            let here = first.map_or(0, |chunk| chunk.as_bytes().len() as u64);
            if first.is_none() || is_only || start.state().length.is_some_and(|length| length <= here) {
                let content = first.map_or(Content::Copied(Vec::new()), Content::of);
                return Ok(whole(request, start.take()?, content));
            }
            if request.method() == Method::HEAD {
                return Ok(headless(start.take()?));
            }
        }
        let first = first.map_or(&[][..], |chunk| chunk.as_bytes());
        if send(start, result.py(), first)?.is_err() {
            return Ok(Response::default());
        }
    }
    pour_rest(&mut chunks, start)?;
    let body = start.begin()?;
    if is_generator(result) {
        start.state().ending = Some(body);
    } else {
        // Before `close`, which may do more work.
        let _ = boundary::without(result.py(), || body.finish());
    }
    // It is not sent, as the response has begun.
    Ok(Response::default())
}

/// Sends the other chunks of a response that has begun, but not its end. An error of the client's ends it silently.
fn pour_rest(chunks: &mut Bound<'_, PyIterator>, start: &Start) -> PyResult<()> {
    let py = chunks.py();
    loop {
        // The generator may call `write`, and `start_response` again.
        if start.state().body.as_ref().is_some_and(BodyOut::is_complete) {
            break;
        }
        let Some(chunk) = next(chunks)? else {
            break;
        };
        if send(start, py, bytes(&chunk)?.as_bytes())?.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns true for Python's own generators: to close one that has ended does nothing.
fn is_generator(result: &Bound<'_, PyAny>) -> bool {
    static GENERATOR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let kind = GENERATOR.import(result.py(), "types", "GeneratorType");
    kind.is_ok_and(|kind| result.get_type().is(kind))
}

/// Sends a chunk, and the head before the first one. The inner error is the client's.
fn send(start: &Start, py: Python<'_>, chunk: &[u8]) -> PyResult<io::Result<()>> {
    let mut body = start.begin()?;
    let sent = body.send(py, chunk);
    start.state().body = Some(body);
    Ok(sent)
}

/// Returns the next chunk that is not empty.
fn next<'py>(chunks: &mut Bound<'py, PyIterator>) -> PyResult<Option<Bound<'py, PyAny>>> {
    for item in chunks {
        let item = item?;
        if !bytes(&item)?.as_bytes().is_empty() {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

fn of_file(wrapper: &Bound<'_, FileWrapper>, start: &Start, turns: &Arc<Turns>) -> PyResult<Option<Response>> {
    let length = {
        let state = start.state();
        if state.response.is_none() {
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
