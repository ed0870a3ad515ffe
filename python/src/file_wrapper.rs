//! `wsgi.file_wrapper`: a file that the server sends by itself, if it is one of the operating system.

use std::fs::File;

use hansel::Body;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The content of a file, in blocks.
#[pyclass(frozen, module = "hansel.wsgi")]
pub(crate) struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=64 * 1024))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> FileWrapper {
        FileWrapper { filelike, blksize }
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let read = intern!(py, "read");
        let block = self.filelike.bind(py).call_method1(read, (self.blksize,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// Returns the rest of the file, up to `length`, as a body that the server reads by itself.
    ///
    /// Only for what `open(path, "rb")` returns: a class of somebody else's may have the number of a file whose content is
    /// not what it reads, as `gzip.GzipFile` has.
    pub(crate) fn body(&self, py: Python<'_>, length: Option<u64>) -> Option<Body> {
        let file = self.filelike.bind(py);
        let name = file.get_type().fully_qualified_name().ok()?;
        if !is_plain(&name) || (name != "_io.FileIO" && !is_plain(&raw_type(file)?)) {
            return None;
        }
        let number: u32 = file.call_method0(intern!(py, "fileno")).ok()?.extract().ok()?;
        // The position that Python knows: it may have read ahead.
        let at: u64 = file.call_method0(intern!(py, "tell")).ok()?.extract().ok()?;
        // A file of its own, with a position of its own. It fails if it has no name here, or for lack of permission.
        let file = File::open(format!("/dev/fd/{number}")).ok()?;
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        let end = match length {
            Some(length) => at.checked_add(length)?,
            None => metadata.len().max(at),
        };
        Body::file_range(file, at..end).ok()
    }
}

fn raw_type<'py>(file: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
    let raw = file.getattr(intern!(file.py(), "raw")).ok()?;
    raw.get_type().fully_qualified_name().ok()
}

fn is_plain(name: &Bound<'_, PyString>) -> bool {
    name == "_io.FileIO" || name == "_io.BufferedReader"
}
