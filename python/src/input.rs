//! `wsgi.input`: a body that is read as it arrives, or from where the server has it.

use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hansel::{BodyError, OwnedBody, Request, StatusCode};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::boundary::{self, LentBody};

/// A body, or none: then it is empty.
#[pyclass(frozen, module = "hansel.wsgi")]
pub(crate) struct Input(Mutex<State>);

enum State {
    Empty,
    /// All of it has arrived. It is read up to `at`.
    Here {
        body: Arc<LentBody>,
        at: usize,
    },
    Waiting(OwnedBody),
    /// A thread reads it.
    InUse,
    /// With what the client may be told.
    Failed(StatusCode),
}

impl Input {
    pub(crate) fn empty() -> Input {
        Input(Mutex::new(State::Empty))
    }

    /// Has the body of the request of the call that this thread is in.
    pub(crate) fn of(request: &Request) -> Input {
        let here = request.body_is_here().then(boundary::lend_body).flatten();
        Input(Mutex::new(match here {
            Some(body) => State::Here { body, at: 0 },
            None => State::Waiting(request.owned_body()),
        }))
    }

    /// Copies what is not read of a body that is lent, because somebody may read it after the call.
    pub(crate) fn keep(&self, request: &Request) {
        let mut state = self.state();
        if let State::Here { at, .. } = *state {
            let mut body = request.owned_body();
            body.consume(at);
            *state = State::Waiting(body);
        }
    }

    /// Returns the status for a client whose body could not be read.
    pub(crate) fn failure(&self) -> Option<StatusCode> {
        match &*self.state() {
            State::Failed(status) => Some(*status),
            _ => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads with `read`, without the interpreter's lock if this may wait.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&mut dyn BufRead) -> io::Result<R> + Send,
    ) -> PyResult<R> {
        let before = std::mem::replace(&mut *self.state(), State::InUse);
        let mut body = match before {
            State::Waiting(body) => body,
            State::Here { body, at } => {
                let read = body.read(|bytes| {
                    let mut rest = bytes.get(at..).unwrap_or(&[]);
                    let result = read(&mut rest);
                    (result, bytes.len() - rest.len())
                });
                let (result, at) = read.ok_or_else(|| PyOSError::new_err("the call is over"))?;
                *self.state() = State::Here { body, at };
                return Ok(result?);
            }
            State::InUse => return Err(PyRuntimeError::new_err("another thread reads wsgi.input")),
            State::Empty => {
                *self.state() = State::Empty;
                return Ok(read(&mut io::empty())?);
            }
            State::Failed(status) => {
                *self.state() = State::Failed(status);
                return Err(PyOSError::new_err("the body could not be read before"));
            }
        };
        let result = boundary::without(py, || read(&mut body));
        *self.state() = match &result {
            Ok(_) => State::Waiting(body),
            Err(error) => State::Failed(status_of(error)),
        };
        Ok(result?)
    }

    /// Returns up to `most` bytes of a body that is here, copied once.
    fn copy<'py>(&self, py: Python<'py>, most: u64) -> Option<Bound<'py, PyBytes>> {
        let State::Here { body, at } = &mut *self.state() else {
            return None;
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let copied = body.read(|bytes| {
            let rest = bytes.get(*at..).unwrap_or(&[]);
            PyBytes::new(py, rest.get(..most).unwrap_or(rest))
        })?;
        *at += copied.as_bytes().len();
        Some(copied)
    }

    fn line(&self, py: Python<'_>, most: u64) -> PyResult<Vec<u8>> {
        self.with(py, |body| {
            let mut line = Vec::new();
            body.take(most).read_until(b'\n', &mut line)?;
            Ok(line)
        })
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(bytes) = self.copy(py, most(size)) {
            return Ok(bytes);
        }
        let bytes = self.with(py, |body| {
            let mut bytes = Vec::new();
            body.take(most(size)).read_to_end(&mut bytes)?;
            Ok(bytes)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.line(py, most(size))?))
    }

    /// Returns lines, until they have `hint` bytes in all.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        let mut left = most(hint.filter(|hint| *hint > 0));
        while left > 0 {
            let line = self.line(py, u64::MAX)?;
            if line.is_empty() {
                break;
            }
            left = left.saturating_sub(line.len() as u64);
            lines.append(PyBytes::new(py, &line))?;
        }
        Ok(lines)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, u64::MAX)?;
        Ok((!line.is_empty()).then(|| PyBytes::new(py, &line)))
    }

    /// Does nothing: the body is the server's (PEP 3333).
    fn close(&self) {}
}

/// A size below zero means all.
fn most(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(u64::MAX)
}

fn status_of(error: &io::Error) -> StatusCode {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<BodyError>());
    reason.map_or(StatusCode::BAD_REQUEST, |reason| reason.status())
}
