//! A file of a form that has arrived.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::head::PartHead;

/// A file of a [`MultipartForm`](crate::MultipartForm): in memory, or in a temporary file that is deleted when the form is
/// dropped.
///
/// Requires the feature `multipart`.
pub struct UploadedFile {
    head: PartHead,
    content: Content,
}

pub(super) enum Content {
    Memory(Vec<u8>),
    /// In a temporary file that all files of a form share, so a form uses one descriptor however many files it has.
    Temporary {
        shared: Arc<File>,
        start: u64,
        len: u64,
    },
}

impl UploadedFile {
    pub(super) fn new(head: PartHead, content: Content) -> UploadedFile {
        UploadedFile { head, content }
    }

    /// Returns a name for the file, which is never a path: see [`Part::file_name`](crate::multipart::Part::file_name).
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// Returns the name of the file as the client sent it: it may be a path, such as `../../etc/passwd`.
    pub fn untrusted_file_name(&self) -> &str {
        self.head.sent_file_name.as_deref().unwrap_or("")
    }

    /// Returns the type that the client says the content has. It may be wrong: a browser tells it by the name.
    pub fn content_type(&self) -> Option<&str> {
        let mut headers = self.head.headers();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"))?;
        std::str::from_utf8(value).ok()
    }

    /// Returns its length in bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Temporary { len, .. } => *len,
        }
    }

    /// Returns true if it has no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if it is in memory, and false if it is in a temporary file.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.content, Content::Memory(_))
    }

    /// Returns a reader of its content, from the beginning.
    pub fn reader(&self) -> impl Read + '_ {
        Reader {
            file: self,
            position: 0,
        }
    }

    /// Returns its content.
    ///
    /// # Errors
    /// If the temporary file can't be read.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Copies it to a new file at `path`. Never write it where the client says, but under a name of your own.
    ///
    /// # Errors
    /// If there is such a file already, or it can't be written.
    pub fn save_as(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        io::copy(&mut self.reader(), &mut file)?;
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.head.name
    }
}

impl fmt::Debug for UploadedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadedFile")
            .field("len", &self.len())
            .field("is_in_memory", &self.is_in_memory())
            .finish_non_exhaustive()
    }
}

/// A reader with a position of its own, so that there can be several.
struct Reader<'f> {
    file: &'f UploadedFile,
    position: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &self.file.content {
            Content::Memory(bytes) => {
                let position = usize::try_from(self.position).unwrap_or(usize::MAX);
                bytes.get(position..).unwrap_or(&[]).read(into)?
            }
            Content::Temporary { shared, start, len } => {
                let left = usize::try_from(len.saturating_sub(self.position)).unwrap_or(usize::MAX);
                let most = into.len().min(left);
                let into = into.get_mut(..most).unwrap_or_default();
                read_at(shared, into, start.saturating_add(self.position))?
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, position)
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, position)
}
