//! One part of a form, while it arrives.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Seek, Write};

use super::head::PartHead;
use super::scanner::Scanner;
use super::{MultipartOptions, malformed, temporary, too_large};
use crate::Result;

/// One part of a form: a field or a file. It is read by [`BufRead`], or as a whole by a method.
///
/// ```
/// use std::io::{BufRead, Read};
///
/// use hansel::{Multipart, Request, Routes};
///
/// fn longest_line(request: &Request) -> hansel::Result<String> {
///     let mut longest = 0;
///     let mut parts = Multipart::of(request)?;
///     while let Some(part) = parts.next_part()? {
///         if part.name() == "letter" {
///             for line in part.take(1_000_000).lines() {
///                 longest = longest.max(line?.len());
///             }
///         }
///     }
///     Ok(longest.to_string())
/// }
/// # let routes = Routes::new().post("/", longest_line);
/// # let body = "--b\r\nContent-Disposition: form-data; name=\"letter\"\r\n\r\nDear\nwitch\r\n--b--";
/// # let request = Request::post("/").with_header("Content-Type", "multipart/form-data; boundary=b");
/// # assert_eq!(hansel::test::Client::new(routes).send(request.with_body(body)).text(), "5");
/// ```
///
/// Errors of reading keep their status through [`io::Error`], so `?` makes the right response of them.
///
/// Requires the feature `multipart`.
pub struct Part<'m, R> {
    scanner: &'m mut Scanner<R>,
    options: &'m MultipartOptions,
    head: PartHead,
    /// The number of bytes that may still come.
    left: u64,
}

impl<'m, R: BufRead> Part<'m, R> {
    pub(super) fn new(scanner: &'m mut Scanner<R>, options: &'m MultipartOptions, head: PartHead) -> Part<'m, R> {
        Part {
            scanner,
            options,
            head,
            left: options.most_part_bytes(),
        }
    }

    /// Returns the name of the field.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Returns a name for the file: the last component of the path that the client sent, without control characters and
    /// without what file systems take for something else than a name.
    ///
    /// It is never empty, `.` or `..`, begins with no dot, contains no `/`, `\` or `:`, and has at most 255 bytes. It is
    /// `None` if the client sent no name, or nothing of it is left.
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// Returns the name of the file as the client sent it: it may be a path, such as `../../etc/passwd`.
    pub fn untrusted_file_name(&self) -> Option<&str> {
        self.head.sent_file_name.as_deref()
    }

    /// Returns true if it is a file: the client sent a name for it, perhaps an empty one.
    ///
    /// Browsers send an empty name, and no content, for a file that the user has not chosen.
    pub fn is_file(&self) -> bool {
        self.head.sent_file_name.is_some()
    }

    /// Returns the type that the client says the content has. Without one it is `text/plain` (RFC 7578 §4.4).
    pub fn content_type(&self) -> Option<&str> {
        self.header("Content-Type")
    }

    /// Returns the value of the first header of that name, in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the names and values of its headers as they were sent, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// Reads the rest of it, if that is at most so many bytes.
    ///
    /// # Errors
    /// If it is longer (413) or can't be read.
    pub fn read_bytes(&mut self, most: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let content = self.fill_buf()?;
            if content.is_empty() {
                return Ok(bytes);
            }
            if content.len() > most - bytes.len() {
                return Err(too_large("a field is too large").into());
            }
            bytes.extend_from_slice(content);
            let taken = content.len();
            self.consume(taken);
        }
    }

    /// Reads the rest of it as text, if that is at most so many bytes.
    ///
    /// # Errors
    /// If it is longer (413), not UTF-8 (400), or can't be read.
    pub fn read_text(&mut self, most: usize) -> Result<String> {
        String::from_utf8(self.read_bytes(most)?).map_err(|_| malformed("a field that is not UTF-8").into())
    }

    /// Writes the rest of it to `writer` as it arrives. Returns how many bytes these were.
    ///
    /// # Errors
    /// If it can't be read, or not be written (500).
    pub fn save_to(&mut self, mut writer: impl Write) -> Result<u64> {
        let mut saved = 0;
        loop {
            let content = self.fill_buf()?;
            if content.is_empty() {
                return Ok(saved);
            }
            writer.write_all(content)?;
            let taken = content.len();
            saved += taken as u64;
            self.consume(taken);
        }
    }

    /// Writes the rest of it to a temporary file, and returns that at its beginning.
    ///
    /// The file has no name, so nobody else can open it, and it is deleted when it is closed. To keep a file, write it
    /// where it is to be by [`save_to`](Part::save_to).
    ///
    /// # Errors
    /// Those of [`save_to`](Part::save_to).
    pub fn save_temporary(&mut self) -> Result<File> {
        let mut file = temporary::unnamed(self.options.temporary_directory())?;
        // Clients may send their body in tiny chunks.
        let mut writer = BufWriter::new(&file);
        self.save_to(&mut writer)?;
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(file)
    }

    pub(super) fn into_head(self) -> PartHead {
        self.head
    }
}

impl<R: BufRead> BufRead for Part<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let content = self.scanner.content()?;
        let allowed = usize::try_from(self.left).unwrap_or(usize::MAX).min(content.len());
        if allowed == 0 && !content.is_empty() {
            return Err(too_large("a part is too large"));
        }
        Ok(content.get(..allowed).unwrap_or(content))
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount as u64);
        self.scanner.consume(amount);
    }
}

impl<R: BufRead> Read for Part<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let content = self.fill_buf()?;
        let read = content.len().min(into.len());
        for (into, byte) in into.iter_mut().zip(content) {
            *into = *byte;
        }
        self.consume(read);
        Ok(read)
    }
}

/// Shows the name of the field, but no content and no header.
impl<R> fmt::Debug for Part<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.head.name)
            .field("is_file", &self.head.sent_file_name.is_some())
            .finish_non_exhaustive()
    }
}
