//! Opening step by step: one name after the other, without following links.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open as open_path, openat};
use rustix::io::Errno;

/// Flags to open a file that may turn out to be anything: opening a FIFO does not wait, and a terminal does not become
/// that of the process.
pub(super) const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Flags to open a directory that is only passed through.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

pub(super) fn open_named(path: &Path) -> io::Result<File> {
    Ok(open_path(path, READ, Mode::empty())?.into())
}

pub(super) fn enter(root: &Path) -> io::Result<OwnedFd> {
    Ok(open_path(root, PASS, Mode::empty())?)
}

/// Opens one name after the other, and follows no link. There is no `..` among the names, so the path never leads up.
pub(super) fn open_below(root: &OwnedFd, below: &str) -> io::Result<File> {
    let (directories, name) = match below.rsplit_once('/') {
        Some((directories, name)) => (Some(directories), name),
        None if below.is_empty() => (None, "."),
        None => (None, below),
    };
    let mut passed = None;
    for name in directories.into_iter().flat_map(|names| names.split('/')) {
        let directory = passed.as_ref().unwrap_or(root);
        passed = Some(openat(directory, name, PASS | OFlags::NOFOLLOW, Mode::empty())?);
    }
    let directory = passed.as_ref().unwrap_or(root);
    Ok(openat(directory, name, READ | OFlags::NOFOLLOW, Mode::empty())?.into())
}

pub(super) fn why_missing(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        // openat2(2): "an escape from the root during path resolution was detected".
        Errno::XDEV => Some("it is a link that leads outside"),
        Errno::LOOP => Some("it is a link that is not followed"),
        Errno::NAMETOOLONG => Some("the name is too long"),
        // open(2): a socket, or a device that is not there.
        Errno::NXIO | Errno::NODEV => Some("it is not a regular file"),
        _ => None,
    }
}
