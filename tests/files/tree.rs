//! A directory with known files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use hansel::test::{Client, Response};
use hansel::{IntoApplication, Request};

/// The time of all files, and how it is sent.
pub(crate) const MODIFIED: Duration = Duration::new(784_111_777, 5_000);
pub(crate) const LAST_MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A directory that is removed in the end.
pub(crate) struct Tree(PathBuf);

impl Tree {
    pub(crate) fn new() -> Tree {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hansel-files-{}-{serial}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Tree(path)
    }

    pub(crate) fn with(self, path: &str, content: impl AsRef<[u8]>) -> Tree {
        self.add(path, content);
        self
    }

    /// Writes a file, and the directories that it is in.
    pub(crate) fn add(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_modified(&path, MODIFIED);
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn set_modified(path: &Path, since_1970: Duration) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + since_1970).unwrap();
}

pub(crate) fn client<S>(application: impl IntoApplication<S>) -> Client {
    Client::new(application)
}

/// Sends a GET request with these headers.
pub(crate) fn get(client: &Client, target: &str, fields: &[(&str, &str)]) -> Response {
    let request = fields.iter().fold(Request::get(target), |request, (name, value)| {
        request.with_header(name, value)
    });
    client.send(request)
}

/// Waits until that is so.
pub(crate) fn await_that(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it has never become so");
        std::thread::yield_now();
    }
}
