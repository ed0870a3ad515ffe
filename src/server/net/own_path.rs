//! The path of a Unix socket that belongs to this process: removed in the end, and only while it still does.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

/// The path of a socket that this process has bound, or was given by the process that did. Removed when this is
/// dropped.
#[derive(Debug)]
pub(crate) struct OwnPath {
    /// Absolute, because the program may change its directory.
    pub(crate) path: PathBuf,
    pub(crate) inode: Inode,
    /// The process that removes it. Nobody does while another process has the socket too, and needs the path. A process
    /// that was forked has the socket as well, and leaves the path to its parent.
    remover: Option<u32>,
}

/// The identity of a file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) device: u64,
    pub(crate) number: u64,
}

impl OwnPath {
    /// Returns the path of the socket that was just bound there.
    pub(super) fn of(path: &Path) -> io::Result<OwnPath> {
        Ok(OwnPath {
            inode: Inode::of_socket(path).ok_or_else(replaced)?,
            path: std::path::absolute(path)?,
            remover: Some(process::id()),
        })
    }

    /// Returns a path that still belongs to the process that has passed it.
    #[cfg(feature = "activation")]
    pub(crate) fn passed(path: PathBuf, inode: Inode) -> OwnPath {
        OwnPath {
            path,
            inode,
            remover: None,
        }
    }

    /// Has this process remove the path.
    #[cfg(feature = "activation")]
    pub(super) fn take(&mut self) {
        self.remover = Some(process::id());
    }

    /// Lets the path stay.
    pub(super) fn leave(&mut self) {
        self.remover = None;
    }

    /// Returns true if this process will remove the path.
    pub(super) fn is_removed(&self) -> bool {
        self.remover == Some(process::id())
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        // No server that checks first replaces it between these two steps, because this process still listens there.
        if self.is_removed() && Inode::of_socket(&self.path) == Some(self.inode) {
            // If it cannot be removed, the next server replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Inode {
    /// Returns the identity of what is at `path`, if that is a socket.
    pub(super) fn of_socket(path: &Path) -> Option<Inode> {
        let metadata = fs::symlink_metadata(path).ok()?;
        metadata.file_type().is_socket().then(|| Inode::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Inode {
        Inode {
            device: metadata.dev(),
            number: metadata.ino(),
        }
    }
}

pub(super) fn replaced() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the file was replaced while it was being created",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_relative_path_is_removed_wherever_the_program_has_gone() {
        let path = std::env::temp_dir().join(format!("hansel-path-relative-{}", process::id()));
        let here = std::env::current_dir().unwrap();
        let up = here.components().skip(1).map(|_| "..");
        let relative = up.collect::<PathBuf>().join(path.strip_prefix("/").unwrap());
        let _listener = UnixListener::bind(&path).unwrap();
        let own = OwnPath::of(&relative).unwrap();
        assert!(own.path.is_absolute(), "{own:?}");
        drop(own);
        assert!(!path.exists());
    }

    #[test]
    fn a_process_that_was_forked_leaves_the_path_to_its_parent() {
        let path = std::env::temp_dir().join(format!("hansel-path-forked-{}", process::id()));
        let _listener = UnixListener::bind(&path).unwrap();
        let mut own = OwnPath::of(&path).unwrap();
        own.remover = own.remover.map(|process| process ^ 1);
        drop(own);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
    }
}
