//! Routes of hansel's own beside an application of Python: no interpreter takes part in them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hansel::files::{Cache, Files};
use hansel::{App, Application, Request, Response, Routes, StatusCode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Files, a response or a redirection, to be mounted at a path.
#[pyclass(frozen, module = "hansel")]
#[derive(Clone)]
pub(crate) struct Mount(Kind);

#[derive(Clone)]
enum Kind {
    /// It has the path, and all below it.
    Files(Arc<Files>),
    /// It has the path only.
    Fixed(Arc<Fixed>),
}

/// A response that is always the same.
struct Fixed {
    status: StatusCode,
    headers: Vec<(String, String)>,
    content: Vec<u8>,
    /// For GET and HEAD only.
    is_content: bool,
}

#[pymethods]
impl Mount {
    /// Returns the files of a directory, or one file.
    #[staticmethod]
    #[pyo3(signature = (path, is_directory, max_age, is_immutable, flags, fallback))]
    fn files(
        path: PathBuf,
        is_directory: bool,
        max_age: Option<f64>,
        is_immutable: bool,
        flags: Vec<String>,
        fallback: Option<&str>,
    ) -> PyResult<Mount> {
        let mut files = if is_directory {
            Files::open(path)?
        } else {
            // It may be absent for a while later, but not by mistake.
            path.metadata()?;
            Files::file(path)
        };
        for flag in flags {
            files = match flag.as_str() {
                "downloads" => files.downloads(),
                "hashed_names" => files.hashed_names(),
                "hidden" => files.hidden(),
                "listing" => files.listing(),
                "precompressed" => files.precompressed(),
                _ => return Err(PyValueError::new_err(format!("there is no option {flag}"))),
            };
        }
        files = match max_age {
            _ if is_immutable => files.cache(Cache::Immutable),
            Some(time) => files.cache(Cache::For(Duration::try_from_secs_f64(time).map_err(value_error)?)),
            None => files,
        };
        if let Some(page) = fallback {
            // A mistake of a program that is written in Rust is a panic.
            files = catch_unwind(AssertUnwindSafe(|| files.fallback(page)))
                .map_err(|_| PyValueError::new_err(format!("`{page}` can't be the page for other paths")))?;
        }
        Ok(Mount(Kind::Files(Arc::new(files))))
    }

    /// Returns a response: of all methods, or of GET and HEAD if it is content.
    #[staticmethod]
    fn fixed(status: u16, headers: Vec<(String, String)>, content: Vec<u8>, is_content: bool) -> PyResult<Mount> {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.as_u16() >= 200);
        let status = status.ok_or_else(|| PyValueError::new_err("a status is a number from 200 to 999"))?;
        let mut response = Response::default();
        for (name, value) in &headers {
            response.try_append_header(name, value).map_err(value_error)?;
        }
        Ok(Mount(Kind::Fixed(Arc::new(Fixed {
            status,
            headers,
            content,
            is_content,
        }))))
    }
}

impl Fixed {
    fn response(&self) -> Response {
        let mut response = Response::default().with_status(self.status);
        for (name, value) in &self.headers {
            response.append_header(name, value);
        }
        response.set_body(hansel::Body::untyped(self.content.clone()));
        response
    }
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// All that is mounted beside an application.
#[pyclass(frozen)]
pub(crate) struct Mounts(Arc<Table>);

pub(crate) struct Table {
    app: App,
    places: Vec<Place>,
}

struct Place {
    segments: Vec<String>,
    has_all_below: bool,
}

#[pymethods]
impl Mounts {
    #[new]
    fn new(mounts: HashMap<String, PyRef<'_, Mount>>) -> PyResult<Mounts> {
        let (mut routes, mut places) = (Routes::new(), Vec::new());
        for (path, mount) in &mounts {
            let segments = segments_of(path)?;
            let has_all_below = matches!(mount.0, Kind::Files(_));
            routes = match mount.0.clone() {
                Kind::Files(files) => routes.mount(path, files),
                Kind::Fixed(fixed) if fixed.is_content => routes.get(path.as_str(), move || fixed.response()),
                Kind::Fixed(fixed) => routes.any(path.as_str(), move || fixed.response()),
            };
            places.push(Place {
                segments,
                has_all_below,
            });
        }
        let app = App::new(routes);
        Ok(Mounts(Arc::new(Table { app, places })))
    }
}

impl Mounts {
    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0)
    }
}

/// Returns the segments of a path at which something can be mounted.
fn segments_of(path: &str) -> PyResult<Vec<String>> {
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
    };
    let segments: Option<Vec<&str>> = path.strip_prefix('/').map(|rest| rest.split('/').collect());
    let segments = segments.filter(|segments| segments.iter().all(|segment| is_plain(segment)));
    let segments = segments.ok_or_else(|| {
        PyValueError::new_err(format!(
            "can't mount at `{path}`: a path is like /static or /a/b.txt, of ASCII letters, digits, `-`, `.`, `_` and `~`"
        ))
    })?;
    Ok(segments.into_iter().map(str::to_owned).collect())
}

impl Table {
    /// Returns true if a request is for what is mounted.
    pub(crate) fn has(&self, request: &Request) -> bool {
        self.places.iter().any(|place| place.is_of(request))
    }

    pub(crate) fn call(&self, request: &Request) -> Response {
        self.app.call(request)
    }

    /// Records where a request has led, for the log.
    pub(crate) fn note_endpoint(&self, request: &Request) {
        self.app.note_endpoint(request);
    }

    pub(crate) fn patterns_of(&self, pace: u16) -> String {
        self.app.patterns_of(pace)
    }
}

impl Place {
    fn is_of(&self, request: &Request) -> bool {
        let mut segments = request.segments();
        let begins = self
            .segments
            .iter()
            .all(|own| segments.next().is_some_and(|segment| segment == own.as_str()));
        begins && (self.has_all_below || segments.next().is_none())
    }
}
