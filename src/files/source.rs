//! Where files come from: a directory, or the program itself.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::beneath::{Inside, Root, open_named, why_missing};
use super::embedded::{Embedded, EmbeddedFile};
use super::validators::Validators;

/// A place that files are found in.
///
/// It is made of the path of a directory, or of what [`embed!`](crate::embed) has put into the program.
#[derive(Debug)]
pub struct Source(pub(super) Place);

#[derive(Debug)]
pub(super) enum Place {
    /// The path of a directory, which is not known to exist.
    Path(std::path::PathBuf),
    Embedded(Embedded),
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Source {
    fn from(path: &P) -> Source {
        Source(Place::Path(path.as_ref().to_owned()))
    }
}

impl From<std::path::PathBuf> for Source {
    fn from(path: std::path::PathBuf) -> Source {
        Source(Place::Path(path))
    }
}

impl From<String> for Source {
    fn from(path: String) -> Source {
        Source(Place::Path(path.into()))
    }
}

impl From<Embedded> for Source {
    fn from(embedded: Embedded) -> Source {
        Source(Place::Embedded(embedded))
    }
}

/// A directory that is known to exist, or the files in the program.
#[derive(Debug)]
pub(super) enum Tree {
    Directory(Root),
    Embedded(Embedded),
}

/// The file or directory that a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(Opened),
    /// A directory, opened if it is one of a disk.
    Directory(Option<File>),
}

/// A file that can be sent.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) len: u64,
    version: Version,
}

#[derive(Debug)]
pub(super) enum Content {
    File(File),
    Memory(&'static [u8]),
}

/// The mark of a version of a file.
#[derive(Debug)]
enum Version {
    Of(Metadata),
    Hash(&'static str),
}

/// Why there is nothing to be sent.
#[derive(Debug)]
pub(super) enum Absent {
    /// The client gets 404, and this is the reason.
    Missing(&'static str),
    /// Finding out has failed, which is no client's fault.
    Failed(io::Error),
}

impl From<io::Error> for Absent {
    fn from(error: io::Error) -> Absent {
        why_missing(&error).map_or(Absent::Failed(error), Absent::Missing)
    }
}

impl Tree {
    pub(super) fn new(place: Place) -> io::Result<Tree> {
        match place {
            Place::Path(path) => Ok(Tree::Directory(Root::new(&path)?)),
            // Where the program is not developed there is no such directory.
            Place::Embedded(embedded) => match embedded.development_directory().map(Root::new) {
                Some(Ok(root)) => Ok(Tree::Directory(root)),
                _ => Ok(Tree::Embedded(embedded)),
            },
        }
    }

    /// Returns how it is called on the map and in trails.
    pub(super) fn name(&self) -> String {
        match self {
            Tree::Directory(root) => root.path().display().to_string(),
            Tree::Embedded(embedded) => format!("{} (embedded)", embedded.directory()),
        }
    }

    pub(super) fn enter(&self) -> Result<Entered<'_>, Absent> {
        Ok(match self {
            Tree::Directory(root) => Entered::Directory(root.enter()?),
            Tree::Embedded(embedded) => Entered::Embedded(embedded),
        })
    }

    /// Does what [`Entered::find`] does.
    pub(super) fn find(&self, below: &str) -> Result<Found, Absent> {
        self.enter()?.find(below)
    }
}

/// A tree as it is now.
pub(super) enum Entered<'t> {
    Directory(Arc<Inside>),
    Embedded(&'t Embedded),
}

impl Entered<'_> {
    /// Finds what is at this path below it: names with a slash between, or nothing for itself.
    pub(super) fn find(&self, below: &str) -> Result<Found, Absent> {
        match self {
            Entered::Directory(inside) => classify(inside.open(below)?),
            Entered::Embedded(embedded) => match embedded.file(below) {
                Some(file) => Ok(Found::File(Opened::in_memory(file))),
                None if embedded.has_directory(below) => Ok(Found::Directory(None)),
                None => Err(Absent::Missing("there is no such file")),
            },
        }
    }
}

/// Opens the one file that a program has named.
pub(super) fn find_named(path: &Path) -> Result<Opened, Absent> {
    match classify(open_named(path)?)? {
        Found::File(file) => Ok(file),
        Found::Directory(_) => Err(Absent::Missing("it is a directory")),
    }
}

/// Looks what was opened, because only then nobody can put something else in its place.
fn classify(file: File) -> Result<Found, Absent> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(Found::Directory(Some(file)));
    }
    if !metadata.is_file() {
        return Err(Absent::Missing("it is not a regular file"));
    }
    Ok(Found::File(Opened {
        content: Content::File(file),
        len: metadata.len(),
        version: Version::Of(metadata),
    }))
}

impl Opened {
    fn in_memory(file: &'static EmbeddedFile) -> Opened {
        Opened {
            content: Content::Memory(file.content),
            len: file.content.len() as u64,
            version: Version::Hash(file.hash),
        }
    }

    /// Returns the validators of its content, which is a `variant` of another file or, if that is empty, is not.
    pub(super) fn validators(&self, variant: &str) -> Validators {
        match &self.version {
            Version::Of(metadata) => Validators::of_file(metadata, variant, SystemTime::now()),
            Version::Hash(hash) => Validators::of_hash(hash),
        }
    }

    /// Returns whether it may have been made from `other` as that is now. Tools that keep the time of the original may
    /// round it.
    pub(super) fn is_as_new_as(&self, other: &Opened) -> bool {
        const ROUNDED: std::time::Duration = std::time::Duration::from_secs(2);
        let modified = |file: &Opened| match &file.version {
            Version::Of(metadata) => metadata.modified().ok(),
            Version::Hash(_) => None,
        };
        match (modified(self), modified(other)) {
            (Some(own), Some(others)) => others.duration_since(own).map_or(true, |older| older <= ROUNDED),
            _ => true,
        }
    }
}
