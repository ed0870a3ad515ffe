//! Takes files of any size, and serves them with ranges.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use askama::Template;
use hansel::files::Files;
use hansel::{
    App, Error, Hooks, Html, Multipart, Request, Response, RouteLimits, Routes, SecurityHeaders, Server, State,
    StatusCode,
};

/// The largest file, in bytes. It is never in memory as a whole.
const MOST: u64 = 4 * 1024 * 1024 * 1024;

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    files: Vec<Listed>,
}

struct Listed {
    name: String,
    size: u64,
}

/// `GET /`
fn page(shelf: State<Shelf>) -> hansel::Result<Html<String>> {
    Ok(Html(Page { files: shelf.list()? }.render()?))
}

/// `POST /`: the form of the page.
fn upload(request: &Request, shelf: State<Shelf>) -> hansel::Result<Response> {
    let mut parts = Multipart::of(request)?;
    while let Some(mut part) = parts.next_part()? {
        // Never a path, whatever the client sends.
        if let Some(name) = part.file_name().map(str::to_owned) {
            shelf.store(&name, |file| part.save_to(file))?;
        }
    }
    Ok(Response::see_other("/"))
}

/// `GET /files/name`
fn send(name: &str, request: &Request, files: State<Files>) -> Option<Response> {
    // A page that somebody has uploaded must not act for its readers.
    Some(
        files
            .send(request, name)?
            .with_header("Content-Security-Policy", "sandbox"),
    )
}

/// `PUT /files/name`: the body is the file.
fn put(name: &str, request: &Request, shelf: State<Shelf>) -> hansel::Result<StatusCode> {
    let is_new = shelf.store(name, |file| Ok(request.body().save_to(file)?))?;
    Ok(if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    })
}

/// `DELETE /files/name`
fn delete(name: &str, shelf: State<Shelf>) -> hansel::Result<StatusCode> {
    match fs::remove_file(shelf.path(name)?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(StatusCode::NOT_FOUND),
        removed => Ok(removed.map(|()| StatusCode::NO_CONTENT)?),
    }
}

/// The directory with the files, and hidden in it, those that are arriving.
struct Shelf {
    directory: PathBuf,
    arrivals: AtomicU64,
}

impl Shelf {
    fn open(directory: &Path) -> io::Result<Shelf> {
        let arriving = directory.join(".arriving");
        // What a process before this one has not finished.
        if arriving.exists() {
            fs::remove_dir_all(&arriving)?;
        }
        fs::create_dir_all(arriving)?;
        Ok(Shelf {
            directory: directory.to_owned(),
            arrivals: AtomicU64::new(0),
        })
    }

    fn path(&self, name: &str) -> hansel::Result<PathBuf> {
        let is_name = !name.starts_with('.') && name.len() <= 255 && !name.contains(['/', '\\', '\0']);
        if name.is_empty() || !is_name {
            return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "no name for a file"));
        }
        Ok(self.directory.join(name))
    }

    /// Stores a file whole or not at all. Returns whether there was none of that name.
    fn store(&self, name: &str, write: impl FnOnce(&mut File) -> hansel::Result<u64>) -> hansel::Result<bool> {
        let path = self.path(name)?;
        let number = self.arrivals.fetch_add(1, Relaxed);
        let arriving = Arriving(self.directory.join(".arriving").join(number.to_string()));
        let mut file = File::create_new(&arriving.0)?;
        write(&mut file)?;
        file.sync_all()?;
        let is_new = !path.exists();
        fs::rename(&arriving.0, path)?;
        Ok(is_new)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let (entry, metadata) = entry.and_then(|entry| Ok((entry.metadata()?, entry)))?;
            files.extend(entry.is_file().then(|| Listed {
                name: metadata.file_name().to_string_lossy().into_owned(),
                size: entry.len(),
            }));
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// A file that is removed unless it has been moved to its place.
struct Arriving(PathBuf);

impl Drop for Arriving {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn style() -> Response {
    Response::new(include_str!("style.css")).with_header("Content-Type", "text/css; charset=utf-8")
}

fn app(directory: &Path) -> io::Result<App> {
    let shelf = Shelf::open(directory)?;
    let large = || RouteLimits::new().body(MOST).deadline(None);
    let routes = Routes::new()
        .get("/", page)
        .post("/", upload)
        .route_limits(large())
        .get("/files/{name}", send)
        .put("/files/{name}", put)
        .route_limits(large())
        .delete("/files/{name}", delete)
        .get("/style.css", style);
    let files = Files::open(directory)?;
    Ok(App::new(Hooks::on(routes).state(shelf).state(files)).respond(SecurityHeaders::new().responses()))
}

fn main() -> hansel::Result {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let directory = env::var("DIRECTORY").unwrap_or("shelf".into());
    Ok(Server::bind(listen)?.serve(app(Path::new(&directory))?)?)
}
