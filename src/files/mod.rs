//! Files: a directory, a single file, or files in the program, served as HTTP would have it.
//!
//! Requires the feature `files`.
//!
//! ```
//! use hansel::{App, Routes, files::Files};
//!
//! let app = App::new(
//!     Routes::new()
//!         .get("/", || "Hello")
//!         .mount("/static", Files::new("src"))
//!         .mount("/licence", Files::file("LICENSE-MIT")),
//! );
//! # let client = hansel::test::Client::new(app);
//! # assert_eq!(client.get("/static/lib.rs").status(), 200);
//! # assert_eq!(client.get("/licence").status(), 200);
//! # assert_eq!(client.get("/static/../Cargo.toml").status(), 404);
//! ```
//!
//! | a request | gets |
//! |---|---|
//! | for a file | 200 with `ETag`, `Last-Modified`, `Cache-Control`, a Content-Type and `nosniff` |
//! | by HEAD | the same without content |
//! | by another method | 405 with `Allow`; OPTIONS is answered |
//! | with `If-None-Match`, `If-Modified-Since` | 304 if the client has the current version |
//! | with `If-Match`, `If-Unmodified-Since` | 412 if the file is another by now |
//! | with `Range` | 206 with one part or several, or 416. With `If-Range` the whole file if it is another by now |
//! | with `Accept-Encoding` | a sibling `.br`, `.zst` or `.gz`, if [`precompressed`](Files::precompressed) |
//! | for a directory | its `index.html`, or a [`listing`](Files::listing); without a slash at the end, 308 to the path with one |
//! | for a page that is no file, from a browser | the [`fallback`](Files::fallback), if there is one |
//! | for anything else | 404: the next part of a [`Chain`](crate::Chain) is asked |
//!
//! A file that is missing stays a 404 for GET where other routes have its path for PUT, PATCH or DELETE.
//!
//! # What is never sent
//! Nothing outside the directory: `..` is refused however it is encoded, and so are slashes and backslashes in a segment.
//! On Linux (5.6 and newer) the kernel resolves each path in one call that cannot leave the directory, also if links and
//! directories are swapped meanwhile. Links that stay inside are followed, if they are relative; on other systems, none
//! is. Names that begin with a dot are [hidden](Files::hidden), but for `/.well-known`. Only regular files are sent: a
//! FIFO, a socket or a device is a 404, and nobody waits for it.
//!
//! Serve what users have uploaded from a host name of its own, or as [`downloads`](Files::downloads): a page among
//! it could act for whoever opens it.
//!
//! # Speed
//! A file is opened where the handler runs and is sent by the event loop, from what the system has in memory. What has
//! to be read from a disk is read by other threads; neither thread nor loop waits for a client. Nothing is cached: a file
//! that changes is served as it is now.
//!
//! # One-file deployments
//! [`embed!`](crate::embed) puts a directory into the program. While the program is developed, its files are read from the
//! directory.
//!
//! ```
//! use hansel::files::Files;
//!
//! let files = Files::new(hansel::embed!("src")).hashed_names();
//! # assert_eq!(hansel::test::Client::new(files).get("/lib.rs").status(), 200);
//! ```

mod beneath;
mod cache;
mod conditions;
mod content_types;
mod embedded;
mod encodings;
mod fallback;
mod listing;
mod names;
mod ranges;
mod respond;
mod source;
mod validators;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::dispatch::{Dispatch, Endpoint, Map, MethodSet, Reply, Step, Walk};
use crate::{Error, IntoResponse, Method, Request, Response, StatusCode};

pub use cache::Cache;
pub use embedded::Embedded;
#[doc(hidden)]
pub use embedded::EmbeddedFile;
#[doc(hidden)]
pub use hansel_macros::embed_files as __embed_files;
pub use source::Source;

use encodings::{Coding, wanted};
use fallback::is_for_page;
use listing::{Listing, join, link};
use respond::{Representation, respond};
use source::{Absent, Found, Opened, Tree, find_named};

/// A dispatcher that serves files. The [module](self) has the table of what a request gets.
///
/// Requires the feature `files`.
///
/// ```no_run
/// use hansel::{Server, files::{Cache, Files}};
/// use std::time::Duration;
///
/// let files = Files::new("static").precompressed().cache(Cache::For(Duration::from_secs(60)));
/// Server::bind("127.0.0.1:8080")?.serve(files)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Files {
    place: Place,
    /// The name on the map and in trails.
    name: String,
    methods: MethodSet,
    index: Option<String>,
    /// The path of the page for paths that lead nowhere.
    fallback: Option<String>,
    lists: bool,
    shows_hidden: bool,
    is_precompressed: bool,
    has_hashed_names: bool,
    /// True if browsers save the files.
    are_downloads: bool,
    /// The value of Cache-Control.
    cache_control: Option<Cow<'static, str>>,
    types: content_types::ContentTypes,
}

enum Place {
    Tree(Tree),
    /// The only file.
    File(PathBuf),
}

/// The destination of a path.
enum Reached {
    /// A file, and its path below the tree.
    File(Opened, String),
    /// The page for paths that lead nowhere.
    Fallback(Opened, String),
    /// A directory that is to be listed, and its path.
    Listing(Option<File>, String),
    /// A directory without the slash at the end.
    Moved(String),
    /// Finding out has failed.
    Failed(io::Error),
}

impl Files {
    /// Serves the files below a directory, or those of [`embed!`](crate::embed). A relative path counts from the current
    /// directory of the process, as it is now.
    ///
    /// # Panics
    /// If there is no such directory. [`open`](Files::open) returns that as an error.
    #[track_caller]
    pub fn new(source: impl Into<Source>) -> Files {
        let source = source.into();
        let shown = match &source.0 {
            source::Place::Path(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            source::Place::Embedded(embedded) => embedded.directory().into(),
        };
        match Files::open(source) {
            Ok(files) => files,
            Err(error) => panic!(
                "can't serve files from `{}`: {error}; a relative path counts from the directory that the program was \
                 started in",
                shown.display()
            ),
        }
    }

    /// Does what [`new`](Files::new) does, for a directory that may not be there.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn open(source: impl Into<Source>) -> io::Result<Files> {
        let tree = Tree::new(source.into().0)?;
        Ok(Files::of(tree.name(), Place::Tree(tree)))
    }

    /// Serves one file, at the path that it is mounted at. It need not be there yet.
    ///
    /// ```
    /// use hansel::{Routes, files::Files};
    ///
    /// let routes = Routes::new().mount("/robots.txt", Files::file("static/robots.txt"));
    /// ```
    pub fn file(path: impl Into<PathBuf>) -> Files {
        let path = path.into();
        let path = std::path::absolute(&path).unwrap_or(path);
        Files::of(path.display().to_string(), Place::File(path))
    }

    fn of(name: String, place: Place) -> Files {
        Files {
            place,
            name,
            methods: MethodSet::of(Method::GET),
            index: Some("index.html".to_owned()),
            fallback: None,
            lists: false,
            shows_hidden: false,
            is_precompressed: false,
            has_hashed_names: false,
            are_downloads: false,
            cache_control: Cache::default().control(),
            types: content_types::ContentTypes::default(),
        }
    }

    /// Sets the name of the file that is served for a directory: `index.html` unless it is set. With an empty name there is
    /// none.
    ///
    /// # Panics
    /// If it is not the name of a file, but a path.
    #[must_use]
    #[track_caller]
    pub fn index(mut self, name: &str) -> Files {
        if let (false, Err(refused)) = (name.is_empty(), names::check(name, false, true)) {
            panic!("`{name}` can't be the index of a directory: {refused}");
        }
        self.index = Some(name.to_owned()).filter(|name| !name.is_empty());
        self
    }

    /// Serves this file, such as `index.html`, for paths that lead to no file: the page of an application that has its own
    /// paths in the browser. So a link to such a path and a reload work.
    ///
    /// Only a browser that asks for a page gets it, which accepts `text/html` by name. For scripts, images and what scripts
    /// load, and by other methods than GET, a file that is not there stays a 404. A [single file](Files::file) has none.
    ///
    /// ```no_run
    /// use hansel::{Routes, files::Files};
    ///
    /// let routes = Routes::new()
    ///     .get("/api/people", || "Gretel")
    ///     .mount("/", Files::new("dist").hashed_names().fallback("index.html"));
    /// ```
    ///
    /// # Panics
    /// If it is not the path of a file as clients write it: names with a slash between, and no slash in front.
    #[must_use]
    #[track_caller]
    pub fn fallback(mut self, path: &str) -> Files {
        for (at, name) in path.split('/').enumerate() {
            if let Err(refused) = names::check(name, at == 0, true) {
                panic!("`{path}` can't be the page for other paths: {refused}");
            }
        }
        self.fallback = Some(path.to_owned());
        self
    }

    /// Makes browsers save each file under its name instead of showing it, by `Content-Disposition: attachment`. So nothing
    /// in it acts as a page of this host.
    ///
    /// ```
    /// use hansel::{files::Files, test::Client};
    ///
    /// let response = Client::new(Files::new("src").downloads()).get("/lib.rs");
    /// assert_eq!(response.header("Content-Disposition"), Some("attachment; filename=\"lib.rs\""));
    /// ```
    ///
    /// [`Response::set_download_name`] does so for any response, under any name.
    #[must_use]
    pub fn downloads(mut self) -> Files {
        self.are_downloads = true;
        self
    }

    /// Lists directories that have no index. The page has no script, and names only what a client may ask for, directories
    /// first. Of a directory with more than 10,000 names only that many are read.
    #[must_use]
    pub fn listing(mut self) -> Files {
        self.lists = true;
        self
    }

    /// Serves a file's sibling with the name's end `.br`, `.zst` or `.gz` to clients that accept Brotli, Zstandard or gzip:
    /// `site.css.gz` for `site.css`. All responses get `Vary: Accept-Encoding`.
    ///
    /// The file itself must be there as well. A sibling that is more than two seconds older than its file is not used,
    /// because it was made from an earlier version.
    #[must_use]
    pub fn precompressed(mut self) -> Files {
        self.is_precompressed = true;
        self
    }

    /// Sets how long clients may keep a file without asking. Unless it is set, they ask each time: [`Cache::Revalidate`].
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Files {
        self.cache_control = cache.control();
        self
    }

    /// Lets clients keep files [forever](Cache::Immutable) whose name contains a hash of the content, as build tools make
    /// them: `app.3f9ac01d.js`, `index-BX9uQz21.css`.
    ///
    /// A part of the name between dots, hyphens and underscores counts as a hash if it has at least eight letters and
    /// digits, a digit among them, and is in lower-case hexadecimal with a letter, or has a capital. Something must stand
    /// before it, unless it has at least sixteen.
    #[must_use]
    pub fn hashed_names(mut self) -> Files {
        self.has_hashed_names = true;
        self
    }

    /// Serves files and directories whose names begin with a dot, too, such as `.git`. Unless this is set, only
    /// `/.well-known` is.
    #[must_use]
    pub fn hidden(mut self) -> Files {
        self.shows_hidden = true;
        self
    }

    /// Sets the Content-Type of files with this extension, such as `html`.
    ///
    /// ```
    /// use hansel::files::Files;
    ///
    /// let files = Files::new("src").content_type("rs", "text/x-rust; charset=utf-8");
    /// # let client = hansel::test::Client::new(files);
    /// # assert_eq!(client.get("/lib.rs").header("Content-Type"), Some("text/x-rust; charset=utf-8"));
    /// ```
    ///
    /// Unless it is set, it is the registered type, with UTF-8 as the charset of text; and `application/octet-stream` for an
    /// extension that is not known.
    #[must_use]
    pub fn content_type(mut self, extension: &str, content_type: &str) -> Files {
        self.types.set(extension, content_type);
        self
    }

    /// Returns the response with the file at this path, for a handler that decides who may have it. `None`, which is a 404,
    /// if there is no such file.
    ///
    /// The path has names with a slash between. It may come from a client: what the [module](self) says is never sent is not
    /// sent here either. Of a [single file](Files::file) the path is empty.
    ///
    /// ```
    /// use hansel::{Request, Response, Routes, StatusCode, files::Files};
    ///
    /// let documents = Files::new("src");
    /// let routes = Routes::new().get("/documents/{name}", move |request: &Request, name: String| {
    ///     let may_read = request.header("Authorization").is_some();
    ///     if !may_read {
    ///         return Err(StatusCode::UNAUTHORIZED);
    ///     }
    ///     Ok(documents.send(request, &name))
    /// });
    /// # let client = hansel::test::Client::new(routes);
    /// # let request = || Request::get("/documents/lib.rs");
    /// # assert_eq!(client.send(request()).status(), 401);
    /// # assert_eq!(client.send(request().with_header("Authorization", "Bearer x")).status(), 200);
    /// ```
    pub fn send(&self, request: &Request, path: &str) -> Option<Response> {
        let mut names = path.split('/').enumerate();
        let are_names = names.all(|(at, name)| names::check(name, at == 0, self.shows_hidden).is_ok());
        if !(are_names || path.is_empty()) {
            return None;
        }
        match self.find(path) {
            Ok(Found::File(file)) => Some(self.respond(request, file, path)),
            Ok(Found::Directory(_)) | Err(Absent::Missing(_)) => None,
            Err(Absent::Failed(error)) => Some(Error::from(error).into_response()),
        }
    }

    /// Finds what is at this path.
    fn find(&self, below: &str) -> Result<Found, Absent> {
        match &self.place {
            Place::Tree(tree) => tree.find(below),
            Place::File(path) if below.is_empty() => find_named(path).map(Found::File),
            Place::File(_) => Err(Absent::Missing("there is only one file")),
        }
    }

    /// Finds what is sent for the rest of a path.
    fn reach(&self, walk: &Walk<'_>) -> Result<Reached, Cow<'static, str>> {
        self.follow(walk)
            .or_else(|why| self.fall_back(walk.request()).ok_or(why))
    }

    /// Finds the page for paths that lead nowhere, if the request is for a page.
    fn fall_back(&self, request: &Request) -> Option<Reached> {
        let path = self.fallback.as_deref().filter(|_| is_for_page(request))?;
        match self.find(path) {
            Ok(Found::File(file)) => Some(Reached::Fallback(file, path.to_owned())),
            Ok(Found::Directory(_)) | Err(Absent::Missing(_)) => None,
            Err(Absent::Failed(error)) => Some(Reached::Failed(error)),
        }
    }

    /// Finds what the rest of a path leads to.
    fn follow(&self, walk: &Walk<'_>) -> Result<Reached, Cow<'static, str>> {
        let (below, ends_with_slash) = match self.place {
            Place::Tree(_) => self.path(walk)?,
            Place::File(_) if walk.segments().is_empty() => (String::new(), false),
            Place::File(_) => return Err("there is only one file".into()),
        };
        if ends_with_slash {
            return self.reach_directory(below).map_err(Cow::Borrowed);
        }
        match self.find(&below) {
            Ok(Found::File(file)) => Ok(Reached::File(file, below)),
            Ok(Found::Directory(_)) => match self.reach_directory(below)? {
                Reached::Failed(error) => Ok(Reached::Failed(error)),
                _ => Ok(Reached::Moved(with_slash(walk.request()))),
            },
            Err(Absent::Missing(why)) => Err(why.into()),
            Err(Absent::Failed(error)) => Ok(Reached::Failed(error)),
        }
    }

    /// Returns the path below the tree, and whether it has a slash at the end.
    fn path(&self, walk: &Walk<'_>) -> Result<(String, bool), Cow<'static, str>> {
        let mut below = String::new();
        let mut segments = walk.segments();
        // At the root of all, `/` is all there is; below a mount, nothing is the mount without a slash.
        let mut ends_with_slash = walk.request().segments().is_empty();
        while let Some(segment) = segments.next() {
            if segment.is_empty() && segments.is_empty() {
                ends_with_slash = true;
                break;
            }
            names::check(segment, below.is_empty(), self.shows_hidden).map_err(|refused| refused.to_string())?;
            if !below.is_empty() {
                below.push('/');
            }
            below.push_str(segment);
        }
        Ok((below, ends_with_slash))
    }

    /// Finds what is sent for a directory.
    fn reach_directory(&self, below: String) -> Result<Reached, &'static str> {
        let Place::Tree(tree) = &self.place else {
            return Err("it is a file");
        };
        if let Some(index) = &self.index {
            let index = join(&below, index);
            match tree.find(&index) {
                Ok(Found::File(file)) => return Ok(Reached::File(file, index)),
                Err(Absent::Failed(error)) => return Ok(Reached::Failed(error)),
                Ok(Found::Directory(_)) | Err(Absent::Missing(_)) => {}
            }
        }
        match tree.find(&below) {
            Ok(Found::Directory(directory)) if self.lists => Ok(Reached::Listing(directory, below)),
            Ok(Found::Directory(_)) => Err("it is a directory without an index"),
            Ok(Found::File(_)) => Err("it is a file, and a slash follows"),
            Err(Absent::Missing(why)) => Err(why),
            Err(Absent::Failed(error)) => Ok(Reached::Failed(error)),
        }
    }

    fn finish(&self, request: &Request, reached: Reached) -> Response {
        match reached {
            Reached::File(file, below) => self.respond(request, file, &below),
            Reached::Fallback(file, below) => {
                let mut response = self.respond(request, file, &below);
                response.vary_by("Accept");
                response
            }
            Reached::Listing(directory, below) => self.list(request, directory, &below),
            Reached::Moved(location) => Response::moved_permanently(location),
            Reached::Failed(error) => Error::from(error).into_response(),
        }
    }

    fn list(&self, request: &Request, directory: Option<File>, below: &str) -> Response {
        let Place::Tree(tree) = &self.place else {
            return StatusCode::NOT_FOUND.into_response();
        };
        match Listing::read(tree, directory, below, self.shows_hidden) {
            Ok(listing) => {
                let shown: String = request.segments().map(|segment| format!("/{segment}")).collect();
                listing.page(if shown.is_empty() { "/" } else { &shown }, !below.is_empty())
            }
            Err(error) => Error::from(error).into_response(),
        }
    }

    fn respond(&self, request: &Request, file: Opened, below: &str) -> Response {
        let path = match &self.place {
            Place::Tree(_) => Path::new(below),
            Place::File(path) => path,
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (file, coding) = self.encoded(request, file, below);
        let chosen = Representation {
            file,
            content_type: self.types.of(name),
            coding,
            cache_control: if self.has_hashed_names && cache::has_hash(name) {
                Cache::Immutable.control()
            } else {
                self.cache_control.as_deref().map(Cow::Borrowed)
            },
            is_negotiated: self.is_precompressed,
        };
        let mut response = respond(request, chosen);
        if self.are_downloads && response.status().is_success() {
            response.set_download_name(name);
        }
        response
    }

    /// Returns the sibling of a file that the client likes best, or the file itself.
    fn encoded(&self, request: &Request, file: Opened, below: &str) -> (Opened, Option<Coding>) {
        if !self.is_precompressed {
            return (file, None);
        }
        let mut wanted = wanted(request).peekable();
        if wanted.peek().is_none() {
            return (file, None);
        }
        let entered = match &self.place {
            Place::Tree(tree) => tree.enter().ok(),
            Place::File(_) => None,
        };
        for coding in wanted {
            let sibling = match (&self.place, &entered) {
                (Place::File(path), _) => {
                    let mut sibling = path.clone().into_os_string();
                    sibling.push(coding.suffix());
                    find_named(Path::new(&sibling)).map(Found::File)
                }
                (Place::Tree(_), Some(entered)) => entered.find(&format!("{below}{}", coding.suffix())),
                (Place::Tree(_), None) => break,
            };
            match sibling {
                Ok(Found::File(sibling)) if sibling.is_as_new_as(&file) => return (sibling, Some(coding)),
                _ => {}
            }
        }
        (file, None)
    }
}

/// Returns the path of a request with a slash at the end, relative to the request: so it leads to no other host, and
/// holds behind proxies that remove a part of the path.
fn with_slash(request: &Request) -> String {
    let last = link(request.segments().last().unwrap_or_default());
    match request.query() {
        Some(query) => format!("./{last}/?{query}"),
        None => format!("./{last}/"),
    }
}

impl Dispatch for Files {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let reached = match self.reach(walk) {
            Ok(reached) => reached,
            Err(why) => {
                let endpoint = Endpoint::new("Files", &self.name, &self.methods);
                return Err(walk.decline_empty(endpoint, || (*why).into()));
            }
        };
        let name = match reached {
            // Reading a directory takes longer.
            Reached::Listing(..) => "listing",
            _ => &self.name,
        };
        let endpoint = Endpoint::new("Files", name, &self.methods);
        let all = Step::taking("Files", "/{*path}", walk.segments().count());
        walk.descend(all, |walk| {
            walk.arrive(endpoint, |request| self.finish(request, reached))
        })
    }

    fn describe(&self, map: &mut Map) {
        let pattern = match self.place {
            Place::Tree(_) => "/{*path}",
            Place::File(_) => "/",
        };
        map.endpoint("Files", &self.methods, pattern, &self.name);
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("place", &self.name)
            .finish_non_exhaustive()
    }
}

/// Puts the files of a directory into the program, as [`Embedded`](crate::files::Embedded): for deployments of one file.
///
/// The path counts from the directory of `Cargo.toml`. Names that begin with a dot are left out, but for `.well-known` in
/// the directory itself; so are links that lead out of it.
///
/// ```
/// use hansel::{Routes, files::Files};
///
/// let routes = Routes::new().mount("/static", Files::new(hansel::embed!("src")));
/// ```
///
/// In a program that is compiled with debug assertions, as `cargo run` does, the files are read from the directory as long
/// as that is there: a change shows on reload. [`Embedded::always`](crate::files::Embedded::always) prevents that.
///
/// Cargo compiles again when one of the files has changed. For it to notice new files as well, add a `build.rs`:
///
/// ```
/// println!("cargo::rerun-if-changed=static");
/// ```
///
/// Requires the feature `files`.
#[macro_export]
macro_rules! embed {
    ($directory:tt) => {
        $crate::files::__embed_files!($crate $directory)
    };
}
