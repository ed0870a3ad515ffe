//! A body that is sent while the application makes it.

use std::io::{self, Write};

use hansel::{Request, Response, ResponseWriter};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::boundary;

/// Sends a body, and no more of it than was announced.
pub(crate) struct BodyOut {
    writer: ResponseWriter,
    left: Option<u64>,
}

impl BodyOut {
    /// Begins the response to the request of the call that this thread is in.
    pub(crate) fn begin(response: Response, length: Option<u64>) -> PyResult<BodyOut> {
        let begin = |request: &Request| request.respond_now(response, length);
        let writer = boundary::request_of_call(begin).ok_or_else(|| {
            PyRuntimeError::new_err("a response begins on the thread of its call, and while that lasts")
        })??;
        Ok(BodyOut { writer, left: length })
    }

    /// Sends `bytes`, and waits for the client without the interpreter's lock.
    pub(crate) fn send(&mut self, py: Python<'_>, bytes: &[u8]) -> io::Result<()> {
        let bytes = match &mut self.left {
            Some(left) => {
                let fits = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= fits as u64;
                // RFC 9110 §8.6: the rest would be read as the next response.
                bytes.get(..fits).unwrap_or(bytes)
            }
            None => bytes,
        };
        // Giving the lock away takes longer than to gather a short chunk, and others would run before the next one.
        if self.writer.try_write(bytes)? {
            return Ok(());
        }
        boundary::without(py, || self.writer.write_all(bytes))
    }

    /// Sends what the server has gathered, if the client still takes it.
    pub(crate) fn flush(&mut self, py: Python<'_>) {
        let _ = boundary::without(py, || self.writer.flush());
    }

    /// Returns true if all is sent that was announced.
    pub(crate) fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// Ends the body, and waits for the client, so without the interpreter's lock. If it is shorter than was announced, the
    /// connection is closed.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.writer.finish()
    }
}
