//! A dispatcher that is mounted under a path.

use std::fmt;

use super::{Dispatch, IntoDispatch, Map, Reply, Step, Walk, Why, notation};

/// A dispatcher under a path; see [`mount`].
pub struct Mount<D> {
    /// The name on the map and in trails.
    path: String,
    /// Decoded.
    segments: Vec<String>,
    inner: D,
}

/// Mounts a dispatcher, an application or a function under a path of literal segments.
///
/// ```
/// use hansel::{Application, Chain, IntoApplication, Request, mount};
///
/// let app = Chain::new().then(mount("/a", || "A")).then(mount("/b", || "B")).into_application();
/// assert_eq!(app.call(&Request::get("/b")).body().bytes(), Some(&b"B"[..]));
/// ```
///
/// As in a pattern, the path may be percent-encoded.
///
/// # Panics
/// Panics if the path does not begin with a slash, ends with one, or has a parameter.
/// [`Routes::mount`](crate::Routes::mount) takes parameters.
#[track_caller]
pub fn mount<S, I: IntoDispatch<S>>(path: &str, inner: I) -> Mount<impl Dispatch + use<S, I>> {
    let segments = match path {
        "/" => Vec::new(),
        _ => match path.strip_prefix('/') {
            Some(path) if !path.ends_with('/') => path.split('/').collect(),
            _ => panic!("a mount's path begins with a slash and does not end with one: `{path}`"),
        },
    };
    let is_parameter = |segment: &&str| segment.starts_with('{') && segment.ends_with('}');
    if let Some(parameter) = segments.iter().copied().find(is_parameter) {
        panic!(
            "in the path `{path}`, `{parameter}` is a parameter: for those, there is `Routes::mount`; \
             braces themselves are written %7B and %7D"
        );
    }
    let mut decoded = Vec::new();
    for segment in segments {
        match notation::literal(segment) {
            Ok(text) => decoded.push(text),
            Err(problem) => panic!("in the path `{path}`, {problem}"),
        }
    }
    Mount {
        path: path.replace('^', "%5E"),
        segments: decoded,
        inner: inner.into_dispatch(),
    }
}

impl<D> fmt::Debug for Mount<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<D: Dispatch> Dispatch for Mount<D> {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let mut segments = walk.segments();
        if !self.segments.iter().all(|segment| segments.next() == Some(segment)) {
            let rest = walk.segments().text();
            return Err(walk.decline("Mount", &self.path, || Why::Unknown(rest.into(), String::new())));
        }
        let step = Step::taking("Mount", &self.path, self.segments.len());
        walk.descend(step, |walk| self.inner.dispatch(walk))
    }

    fn describe(&self, map: &mut Map) {
        map.below(&self.path, |map| self.inner.describe(map));
    }
}
