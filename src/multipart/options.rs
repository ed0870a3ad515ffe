//! Limits of a form, and the place of its files meanwhile.

use std::path::{Path, PathBuf};

/// Limits for forms with files, and the directory of temporary files.
///
/// ```
/// use hansel::multipart::MultipartOptions;
/// use hansel::{App, Hooks, MultipartForm, Routes};
///
/// fn avatar(form: MultipartForm) -> String {
///     format!("{} bytes", form.file("avatar").map_or(0, |file| file.len()))
/// }
///
/// let options = MultipartOptions::new().parts(3).part_bytes(1024 * 1024);
/// let app = App::new(Hooks::on(Routes::new().post("/avatar", avatar)).state(options));
/// ```
///
/// They hold where they are shared by [`Hooks::state`](crate::Hooks::state), or for one form by
/// [`Multipart::options`](crate::Multipart::options). The whole body is limited by the
/// [limit of its route](crate::RouteLimits::body).
///
/// Requires the feature `multipart`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it limits nothing until it is used: `hooks.state(options)`"]
pub struct MultipartOptions {
    parts: usize,
    header_bytes: usize,
    part_bytes: u64,
    text_bytes: usize,
    memory: usize,
    directory: Option<PathBuf>,
}

impl MultipartOptions {
    /// Creates the options that are the default: at most 1000 parts of any size, with 8 KiB of headers each.
    ///
    /// A [`MultipartForm`](crate::MultipartForm) has at most 1 MiB of text, and 256 KiB of files in memory.
    pub fn new() -> MultipartOptions {
        MultipartOptions {
            parts: 1000,
            header_bytes: 8 * 1024,
            part_bytes: u64::MAX,
            text_bytes: 1024 * 1024,
            memory: 256 * 1024,
            directory: None,
        }
    }

    /// Sets how many parts a form may have. Beyond that, the response is 413.
    pub fn parts(mut self, most: usize) -> MultipartOptions {
        self.parts = most;
        self
    }

    /// Sets how many bytes of headers a part may have. Beyond that, the response is 413.
    pub fn header_bytes(mut self, most: usize) -> MultipartOptions {
        self.header_bytes = most;
        self
    }

    /// Sets how many bytes of content a part may have. Beyond that, the response is 413.
    pub fn part_bytes(mut self, most: u64) -> MultipartOptions {
        self.part_bytes = most;
        self
    }

    /// Sets how many bytes all names, all text fields and all headers of files of a [`MultipartForm`](crate::MultipartForm)
    /// may have together. Beyond that, the response is 413.
    pub fn text_bytes(mut self, most: usize) -> MultipartOptions {
        self.text_bytes = most;
        self
    }

    /// Sets how many bytes of files a [`MultipartForm`](crate::MultipartForm) keeps in memory, in all. A file for which no
    /// memory is left is kept in a temporary file.
    pub fn memory(mut self, bytes: usize) -> MultipartOptions {
        self.memory = bytes;
        self
    }

    /// Sets the directory of temporary files. By default it is that of the system ([`std::env::temp_dir`]), which may be
    /// in memory, and small.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> MultipartOptions {
        self.directory = Some(directory.into());
        self
    }

    pub(super) fn most_parts(&self) -> usize {
        self.parts
    }

    pub(super) fn most_header_bytes(&self) -> usize {
        self.header_bytes
    }

    pub(super) fn most_part_bytes(&self) -> u64 {
        self.part_bytes
    }

    pub(super) fn most_text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(super) fn most_memory(&self) -> usize {
        self.memory
    }

    pub(super) fn temporary_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }
}

impl Default for MultipartOptions {
    fn default() -> MultipartOptions {
        MultipartOptions::new()
    }
}
