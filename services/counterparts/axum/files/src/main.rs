//! Takes files of any size, and serves them with ranges.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use askama::Template;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{self, DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::{Stream, TryStreamExt};
use tokio::fs::{self, File};
use tokio_util::io::StreamReader;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::services::ServeFile;
use tower_http::set_header::SetResponseHeaderLayer;

/// The largest file, in bytes. It is never in memory as a whole.
const MOST: usize = 4 * 1024 * 1024 * 1024;

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
async fn page(State(shelf): State<Arc<Shelf>>) -> Result<Html<String>, Failure> {
    Ok(Html(
        Page {
            files: shelf.list().await?,
        }
        .render()
        .map_err(io::Error::other)?,
    ))
}

/// `POST /`: the form of the page.
async fn upload(State(shelf): State<Arc<Shelf>>, mut parts: Multipart) -> Result<Redirect, Failure> {
    while let Some(part) = parts.next_field().await? {
        if let Some(name) = part.file_name().and_then(base_name).map(str::to_owned) {
            shelf.store(&name, part.map_err(io::Error::other)).await?;
        }
    }
    Ok(Redirect::to("/"))
}

/// Returns the last component of what a client calls a file, which may be a path.
fn base_name(name: &str) -> Option<&str> {
    name.rsplit(['/', '\\']).next().filter(|name| !name.is_empty())
}

/// `GET /files/name`
async fn send(
    State(shelf): State<Arc<Shelf>>,
    extract::Path(name): extract::Path<String>,
    request: extract::Request,
) -> Result<Response, Failure> {
    let mut response = ServeFile::new(shelf.path(&name)?)
        .oneshot(request)
        .await
        .into_response();
    // A page that somebody has uploaded must not act for its readers.
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    Ok(response)
}

/// `PUT /files/name`: the body is the file.
async fn store(
    State(shelf): State<Arc<Shelf>>,
    extract::Path(name): extract::Path<String>,
    body: Body,
) -> Result<StatusCode, Failure> {
    let content = body.into_data_stream().map_err(io::Error::other);
    let is_new = shelf.store(&name, content).await?;
    Ok(if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    })
}

/// `DELETE /files/name`
async fn delete(
    State(shelf): State<Arc<Shelf>>,
    extract::Path(name): extract::Path<String>,
) -> Result<StatusCode, Failure> {
    match fs::remove_file(shelf.path(&name)?).await {
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
    async fn open(directory: &Path) -> io::Result<Shelf> {
        let arriving = directory.join(".arriving");
        // What a process before this one has not finished.
        if arriving.exists() {
            fs::remove_dir_all(&arriving).await?;
        }
        fs::create_dir_all(arriving).await?;
        Ok(Shelf {
            directory: directory.to_owned(),
            arrivals: AtomicU64::new(0),
        })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let is_name = !name.starts_with('.') && name.len() <= 255 && !name.contains(['/', '\\', '\0']);
        if name.is_empty() || !is_name {
            return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, "no name for a file".into()));
        }
        Ok(self.directory.join(name))
    }

    /// Stores a file whole or not at all. Returns whether there was none of that name.
    async fn store(&self, name: &str, content: impl Stream<Item = io::Result<Bytes>>) -> Result<bool, Failure> {
        let path = self.path(name)?;
        let number = self.arrivals.fetch_add(1, Relaxed);
        let arriving = Arriving(self.directory.join(".arriving").join(number.to_string()));
        let mut file = File::create_new(&arriving.0).await?;
        let mut content = std::pin::pin!(StreamReader::new(content));
        tokio::io::copy_buf(&mut content, &mut file).await?;
        file.sync_all().await?;
        let is_new = !path.exists();
        fs::rename(&arriving.0, path).await?;
        Ok(is_new)
    }

    async fn list(&self) -> io::Result<Vec<Listed>> {
        let mut files = Vec::new();
        let mut entries = fs::read_dir(&self.directory).await?;
        while let Some(entry) = entries.next_entry().await? {
            let metadata = entry.metadata().await?;
            if metadata.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push(Listed {
                    name,
                    size: metadata.len(),
                });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// A file that is removed unless it has been moved to its place.
struct Arriving(PathBuf);

impl Drop for Arriving {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The response to a request that failed.
struct Failure(StatusCode, String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        log::error!("{error}");
        Failure(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error".into())
    }
}

impl From<MultipartError> for Failure {
    fn from(error: MultipartError) -> Failure {
        Failure(error.status(), error.body_text())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

async fn style() -> impl IntoResponse {
    let content_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (content_type, include_str!("../../../../files/src/style.css"))
}

const PAGE_POLICY: &str =
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

fn app(shelf: Shelf) -> Router {
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(page).post(upload))
        .route("/files/{name}", get(send).put(store).delete(delete))
        .route("/style.css", get(style))
        .with_state(Arc::new(shelf))
        .layer(DefaultBodyLimit::max(MOST))
        .layer(set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::X_FRAME_OPTIONS, "DENY"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(CatchPanicLayer::new())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let listen = env::var("LISTEN").unwrap_or("127.0.0.1:8080".into());
    let directory = env::var("DIRECTORY").unwrap_or("shelf".into());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let app = app(Shelf::open(Path::new(&directory)).await?);
    Ok(axum::serve(listener, app).with_graceful_shutdown(terminated()).await?)
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
