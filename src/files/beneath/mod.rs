//! Opening files below a directory, and never outside it.
//!
//! On Linux the kernel resolves the path in one call that cannot leave the directory, whatever is renamed meanwhile:
//! openat2(2) with `RESOLVE_BENEATH`. On other systems each name is opened by itself, relative to the directory before,
//! and is not followed if it is a link.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod one_call;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod steps;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(any(target_os = "linux", target_os = "android"))]
use one_call::{enter, open_below};
#[cfg(not(unix))]
use portable as system;
#[cfg(not(unix))]
use portable::{enter, open_below};
#[cfg(unix)]
use steps as system;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
use steps::{enter, open_below};

/// The time for which a directory is used without a look at what has its path. To open it for each request takes a tenth of
/// the processor time of a response without content.
const KEPT: Duration = Duration::from_millis(100);

/// A directory, below which files are opened.
///
/// It is found anew ten times a second: a deployment may put another directory in its place.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// The directory that was found last, and when.
    found: Mutex<Option<(Instant, Arc<Inside>)>>,
}

/// The directory that is there now.
#[derive(Debug)]
pub(super) struct Inside(#[cfg(unix)] std::os::fd::OwnedFd, #[cfg(not(unix))] PathBuf);

impl Root {
    /// Creates a root. A relative path counts from the current directory as it is now.
    ///
    /// # Errors
    /// If it is not a directory.
    pub(super) fn new(path: &Path) -> io::Result<Root> {
        let path = std::path::absolute(path)?;
        if !std::fs::metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Root {
            path,
            found: Mutex::new(None),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn enter(&self) -> io::Result<Arc<Inside>> {
        let now = Instant::now();
        if let Some((since, inside)) = &*self.found() {
            if now.saturating_duration_since(*since) < KEPT {
                return Ok(Arc::clone(inside));
            }
        }
        let inside = enter(&self.path).map(|directory| Arc::new(Inside(directory)));
        let found = inside.as_ref().ok().map(|inside| (now, Arc::clone(inside)));
        // What was found before is closed without the lock.
        let before = std::mem::replace(&mut *self.found(), found);
        drop(before);
        inside
    }

    fn found(&self) -> MutexGuard<'_, Option<(Instant, Arc<Inside>)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what [`Inside::open`] does.
    pub(super) fn open(&self, below: &str) -> io::Result<File> {
        self.enter()?.open(below)
    }

    /// Returns true if it is a directory, or a file that may be sent; none if it is neither, or not below the root.
    pub(super) fn is_directory(&self, below: &str) -> Option<bool> {
        let metadata = self.open(below).and_then(|file| file.metadata()).ok()?;
        (metadata.is_dir() || metadata.is_file()).then_some(metadata.is_dir())
    }
}

impl Inside {
    /// Opens a file or directory by its path below the root: names with a slash between, or nothing for the root itself.
    ///
    /// Never waits for the other end of a FIFO. The caller looks what it has got.
    pub(super) fn open(&self, below: &str) -> io::Result<File> {
        open_below(&self.0, below)
    }
}

/// Opens the one file that a program has named. Never waits for the other end of a FIFO.
pub(super) fn open_named(path: &Path) -> io::Result<File> {
    system::open_named(path)
}

/// Returns why a file is not there for clients, unless the error is one of the server's.
pub(super) fn why_missing(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Some("there is no such file"),
        io::ErrorKind::PermissionDenied => Some("permission to read it is denied"),
        io::ErrorKind::InvalidInput => Some("it is no name of a file"),
        _ => system::why_missing(error),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    const SECRET: &str = "the secret outside";

    /// `root/d/a` and `outside/a`.
    fn tree(name: &str) -> PathBuf {
        let tree = std::env::temp_dir().join(format!("hansel-beneath-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&tree);
        for (directory, content) in [("root/d", "inside"), ("outside", SECRET)] {
            fs::create_dir_all(tree.join(directory)).unwrap();
            fs::write(tree.join(directory).join("a"), content).unwrap();
        }
        tree
    }

    fn by_steps(root: &Path, below: &str) -> io::Result<File> {
        steps::open_below(&steps::enter(root)?, below)
    }

    fn read(opened: io::Result<File>) -> Option<String> {
        opened.and_then(io::read_to_string).ok()
    }

    #[test]
    fn step_by_step_no_link_is_followed_and_no_fifo_waited_for() {
        let tree = tree("steps");
        let root = tree.join("root");
        symlink("d", root.join("link")).unwrap();
        symlink("d/a", root.join("file")).unwrap();
        let open = |below| read(by_steps(&root, below));
        assert_eq!(open("d/a").as_deref(), Some("inside"));
        for nothing in ["link/a", "file", "d/b", "a", "d/a/x"] {
            assert_eq!(open(nothing), None, "{nothing}");
        }
        for directory in ["", "d"] {
            assert!(by_steps(&root, directory).unwrap().metadata().unwrap().is_dir());
        }
        let made = std::process::Command::new("mkfifo")
            .arg(root.join("fifo"))
            .status()
            .unwrap();
        assert!(made.success());
        assert!(!by_steps(&root, "fifo").unwrap().metadata().unwrap().is_file());
        fs::remove_dir_all(tree).unwrap();
    }

    #[test]
    fn no_way_of_opening_leaves_the_root_while_a_directory_becomes_a_link() {
        let tree = tree("race");
        let at = |below| tree.join(below);
        symlink("../outside", at("link")).unwrap();
        let is_over = AtomicBool::new(false);
        let (mut inside, mut missed) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for (from, to) in [("root/d", "d"), ("link", "root/d"), ("root/d", "link"), ("d", "root/d")] {
                        fs::rename(at(from), at(to)).unwrap();
                    }
                }
            });
            let root = Root::new(&at("root")).unwrap();
            let mut is_outside = false;
            for round in 0..200_000 {
                for opened in [root.open("d/a"), by_steps(root.path(), "d/a")] {
                    match read(opened) {
                        Some(text) if text == SECRET => is_outside = true,
                        Some(_) => inside += 1,
                        None => missed += 1,
                    }
                }
                if round > 3000 && inside > 100 && missed > 100 {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(!is_outside);
        });
        assert!(inside > 0 && missed > 0, "{inside} {missed}");
        fs::remove_dir_all(tree).unwrap();
    }

    #[test]
    fn an_error_of_the_server_is_not_for_clients_to_see_as_a_missing_file() {
        for errno in [
            rustix::io::Errno::MFILE,
            rustix::io::Errno::NFILE,
            rustix::io::Errno::IO,
            rustix::io::Errno::NOMEM,
        ] {
            assert_eq!(why_missing(&errno.into()), None, "{errno}");
        }
        for errno in [
            rustix::io::Errno::NOENT,
            rustix::io::Errno::XDEV,
            rustix::io::Errno::ACCESS,
            rustix::io::Errno::NXIO,
        ] {
            assert!(why_missing(&errno.into()).is_some(), "{errno}");
        }
    }
}
