//! Opening by what the standard library has, for systems that are not Unix.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn enter(root: &Path) -> io::Result<PathBuf> {
    Ok(root.to_owned())
}

/// Follows no link. A link that takes the place of a directory between the check and the opening would be followed:
/// there is no call that prevents it.
pub(super) fn open_below(root: &PathBuf, below: &str) -> io::Result<File> {
    let mut path = root.clone();
    for name in below.split('/').filter(|name| !name.is_empty()) {
        path.push(name);
        if std::fs::symlink_metadata(&path)?.is_symlink() {
            return Err(io::ErrorKind::NotFound.into());
        }
    }
    open_named(&path)
}

#[cfg(windows)]
pub(super) fn open_named(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    // Directories can only be opened with the first flag. With the second, a link is opened itself.
    const BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT)
        .open(path)
}

#[cfg(not(windows))]
pub(super) fn open_named(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn why_missing(_: &io::Error) -> Option<&'static str> {
    None
}
