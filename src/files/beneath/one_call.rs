//! Opening in one call that cannot leave the root, whatever is renamed meanwhile: openat2(2) of Linux.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::path::Arg;

use super::steps;
use super::steps::{PASS, READ};

/// The number of times that a path is resolved again because something was renamed meanwhile.
const TRIES: usize = 64;

const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// The ability of the kernel: it may be older, or a sandbox may forbid the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// openat2, also for what is in memory only (Linux 5.12).
    Cached,
    /// openat2 (Linux 5.6).
    Beneath,
    Neither,
}

impl Kernel {
    fn here() -> Kernel {
        static HERE: OnceLock<Kernel> = OnceLock::new();
        *HERE.get_or_init(|| {
            let knows = |resolve| {
                let opened = openat2(CWD, ".", PASS, Mode::empty(), resolve);
                // Unknown flags, no such call, and what sandboxes say of it. The directory itself does not matter.
                !matches!(opened, Err(Errno::INVAL | Errno::NOSYS | Errno::PERM))
            };
            if knows(INSIDE | ResolveFlags::CACHED) {
                Kernel::Cached
            } else if knows(INSIDE) {
                Kernel::Beneath
            } else {
                Kernel::Neither
            }
        })
    }
}

pub(super) fn enter(root: &Path) -> io::Result<OwnedFd> {
    match Kernel::here() {
        Kernel::Neither => steps::enter(root),
        kernel => Ok(open_at(CWD, root, PASS, ResolveFlags::empty(), kernel)?),
    }
}

pub(super) fn open_below(root: &OwnedFd, below: &str) -> io::Result<File> {
    let kernel = Kernel::here();
    if kernel == Kernel::Neither {
        return steps::open_below(root, below);
    }
    let below = if below.is_empty() { "." } else { below };
    Ok(open_at(root, below, READ, INSIDE, kernel)?.into())
}

/// Opens a path. If that has to wait for a disk, others are let through meanwhile.
fn open_at(
    at: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
    kernel: Kernel,
) -> Result<OwnedFd, Errno> {
    if kernel != Kernel::Cached {
        return open_in_peace(&at, path, flags, resolve);
    }
    // openat2(2): "Make the open operation fail unless all path components are already present in the kernel's
    // lookup cache."
    match openat2(&at, path, flags, Mode::empty(), resolve | ResolveFlags::CACHED) {
        Err(Errno::AGAIN | Errno::INTR) => crate::blocking(|| open_in_peace(&at, path, flags, resolve)),
        opened => opened,
    }
}

/// Opens a path once nothing is renamed meanwhile: openat2(2): EAGAIN if "the kernel could not ensure that a `..`
/// component didn't escape (due to a race condition or potential attack)".
fn open_in_peace(at: impl AsFd, path: impl Arg + Copy, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        opened = openat2(&at, path, flags, Mode::empty(), resolve);
        if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    opened
}
