//! A form with files as an argument of handlers.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::sync::Arc;

use super::uploaded::{Content, UploadedFile};
use super::{Multipart, MultipartOptions, Part, temporary, too_large};
use crate::{Error, FromRequest, Request, Result};

/// The body of a request, a form with files (`multipart/form-data`), when all of it has arrived.
///
/// Small files are in memory, others in temporary files, which are deleted when the form is dropped. The response is 415
/// to a body of another content type, 400 to a malformed one, and 413 to one that is too large: see
/// [`MultipartOptions`] for the limits. For files that are to be stored, or may be large, use [`Multipart`], which
/// writes them where they belong while they arrive.
///
/// ```
/// use hansel::{MultipartForm, Routes};
///
/// fn attach(form: MultipartForm) -> String {
///     let names: Vec<_> = form.files("attachment").filter_map(|file| file.file_name()).collect();
///     format!("{}: {}", form.text("subject").unwrap_or("no subject"), names.join(" and "))
/// }
///
/// let routes = Routes::new().post("/letters", attach);
/// # use hansel::{Request, test::Client};
/// # let file = |name| format!("--b\r\nContent-Disposition: form-data; name=attachment; filename={name}\r\n\r\nx\r\n");
/// # let subject = "--b\r\nContent-Disposition: form-data; name=subject\r\n\r\nHut\r\n".to_owned();
/// # let body = [subject, file("a.txt"), file("b.txt"), "--b--".to_owned()].concat();
/// # let request = Request::post("/letters").with_header("Content-Type", "multipart/form-data; boundary=b");
/// # assert_eq!(Client::new(routes).send(request.with_body(body)).text(), "Hut: a.txt and b.txt");
/// ```
///
/// Requires the feature `multipart`.
pub struct MultipartForm {
    texts: Vec<(String, String)>,
    files: Vec<UploadedFile>,
}

impl MultipartForm {
    /// Reads all of `parts`, within its [options](Multipart::options).
    ///
    /// # Errors
    /// If it is malformed (400) or too large (413), or can't be read or stored.
    pub fn read<R: BufRead>(mut parts: Multipart<R>) -> Result<MultipartForm> {
        let options = parts.options.clone();
        let mut room = Room::of(&options);
        let mut form = MultipartForm {
            texts: Vec::new(),
            files: Vec::new(),
        };
        while let Some(mut part) = parts.next_part()? {
            if part.is_file() {
                form.files.extend(room.file(part)?);
            } else {
                room.take(part.name().len())?;
                let text = part.read_text(room.text)?;
                room.take(text.len())?;
                form.texts.push((part.into_head().name, text));
            }
        }
        Ok(form)
    }

    /// Returns the text of the first field of that name. A file is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Returns the texts of all fields of that name, in order: those of a choice of several, for example.
    pub fn texts<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        let texts = self.texts.iter().filter(move |(known, _)| known == name);
        texts.map(|(_, text)| &**text)
    }

    /// Returns the first file of that name. A file that the user has not chosen is none.
    pub fn file(&self, name: &str) -> Option<&UploadedFile> {
        self.files(name).next()
    }

    /// Returns all files of that name, in order.
    pub fn files<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f UploadedFile> {
        self.files.iter().filter(move |file| file.name() == name)
    }
}

/// The memory that is left for a form, and the file for what finds none.
struct Room<'o> {
    options: &'o MultipartOptions,
    text: usize,
    files: usize,
    /// With the number of bytes in it.
    overflow: Option<(Arc<File>, u64)>,
}

impl Room<'_> {
    fn of(options: &MultipartOptions) -> Room<'_> {
        Room {
            options,
            text: options.most_text_bytes(),
            files: options.most_memory(),
            overflow: None,
        }
    }

    fn take(&mut self, text: usize) -> Result<()> {
        let left = self.text.checked_sub(text);
        self.text = left.ok_or_else(|| Error::from(too_large("the fields are too large")))?;
        Ok(())
    }

    /// Reads a file, into memory as far as there is some.
    fn file<R: BufRead>(&mut self, mut part: Part<'_, R>) -> Result<Option<UploadedFile>> {
        // All headers are kept.
        self.take(part.headers().map(|(name, value)| name.len() + value.len()).sum())?;
        let mut start = Vec::new();
        let content = loop {
            let content = part.fill_buf()?;
            if content.is_empty() {
                self.files -= start.len();
                break Content::Memory(start);
            }
            if content.len() > self.files - start.len() {
                break self.overflow(&start, &mut part)?;
            }
            start.extend_from_slice(content);
            let taken = content.len();
            part.consume(taken);
        };
        let file = UploadedFile::new(part.into_head(), content);
        // HTML: without a choice, there is an entry with "the empty string as the name" and "an empty body".
        let is_chosen = !(file.is_empty() && file.untrusted_file_name().is_empty());
        Ok(is_chosen.then_some(file))
    }

    /// Appends to the temporary file what has been read of a file, and the rest of it.
    fn overflow<R: BufRead>(&mut self, read: &[u8], part: &mut Part<'_, R>) -> Result<Content> {
        let (shared, start) = match self.overflow.take() {
            Some(used) => used,
            None => (Arc::new(temporary::unnamed(self.options.temporary_directory())?), 0),
        };
        // Clients may send their body in tiny chunks.
        let mut writer = BufWriter::new(&*shared);
        writer.write_all(read)?;
        let len = part.save_to(&mut writer)?.saturating_add(read.len() as u64);
        writer.flush()?;
        drop(writer);
        self.overflow = Some((shared.clone(), start.saturating_add(len)));
        Ok(Content::Temporary { shared, start, len })
    }
}

impl FromRequest for MultipartForm {
    type Rejection = Error;

    fn from_request(request: &Request) -> Result<MultipartForm> {
        MultipartForm::read(Multipart::of(request)?)
    }
}

/// Shows the names of its fields, but no content.
impl fmt::Debug for MultipartForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.texts.iter().map(|(name, _)| name).collect();
        let files: Vec<_> = self.files.iter().map(UploadedFile::name).collect();
        f.debug_struct("MultipartForm")
            .field("texts", &texts)
            .field("files", &files)
            .finish()
    }
}
