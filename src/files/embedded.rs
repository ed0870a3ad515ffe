//! Files that are part of the program.

use std::fmt;
use std::path::Path;

/// A directory whose files are part of the program: what [`embed!`](crate::embed) makes.
///
/// ```
/// use hansel::files::Files;
///
/// let files = Files::new(hansel::embed!("src/files"));
/// ```
#[derive(Clone, Copy)]
pub struct Embedded {
    /// The path as it is written in the program.
    directory: &'static str,
    /// Sorted by path.
    files: &'static [EmbeddedFile],
    /// The directory to read instead, in a program that is compiled for development.
    development: Option<&'static str>,
}

/// One file, which only [`embed!`](crate::embed) makes.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct EmbeddedFile {
    /// Names with a slash between.
    path: &'static str,
    pub(super) content: &'static [u8],
    pub(super) hash: &'static str,
}

impl EmbeddedFile {
    #[doc(hidden)]
    pub const fn new(path: &'static str, content: &'static [u8], hash: &'static str) -> EmbeddedFile {
        EmbeddedFile { path, content, hash }
    }
}

impl fmt::Debug for EmbeddedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedFile({}, {} bytes)", self.path, self.content.len())
    }
}

impl Embedded {
    #[doc(hidden)]
    pub const fn new(
        directory: &'static str,
        files: &'static [EmbeddedFile],
        development: Option<&'static str>,
    ) -> Embedded {
        Embedded {
            directory,
            files,
            development,
        }
    }

    /// Makes a program that is compiled for development use the files in it, too, instead of those in the directory.
    ///
    /// ```
    /// use hansel::{files::Files, test::Client};
    ///
    /// let client = Client::new(Files::new(hansel::embed!("src/files").always()));
    /// assert_eq!(client.get("/mod.rs").header("Last-Modified"), None, "it is not read from a disk");
    /// ```
    #[must_use]
    pub const fn always(self) -> Embedded {
        Embedded {
            development: None,
            ..self
        }
    }

    /// Returns the content of a file by its path, such as `css/site.css`.
    ///
    /// ```
    /// let files = hansel::embed!("src/files");
    /// assert!(files.content("mod.rs").is_some_and(|content| content.starts_with(b"//! Files")));
    /// assert!(files.content("../lib.rs").is_none());
    /// ```
    pub fn content(&self, path: &str) -> Option<&'static [u8]> {
        self.file(path).map(|file| file.content)
    }

    pub(super) fn directory(&self) -> &'static str {
        self.directory
    }

    /// Returns the directory to read instead, in a program that is compiled for development.
    pub(super) fn development_directory(&self) -> Option<&'static Path> {
        self.development.map(Path::new)
    }

    pub(super) fn file(&self, path: &str) -> Option<&'static EmbeddedFile> {
        let at = self.files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.files.get(at)
    }

    pub(super) fn has_directory(&self, path: &str) -> bool {
        path.is_empty() || self.below(path).next().is_some()
    }

    /// Returns the names in a directory, and whether each is a directory.
    pub(super) fn names(&self, directory: &str) -> impl Iterator<Item = (&'static str, bool)> {
        let names = self.below(directory).map(|path| match path.split_once('/') {
            Some((name, _)) => (name, true),
            None => (path, false),
        });
        let mut last = None;
        names.filter(move |name| last.replace(*name) != Some(*name))
    }

    /// Returns the paths of all files below a directory, counted from there.
    fn below(&self, directory: &str) -> impl Iterator<Item = &'static str> {
        let prefix = match directory {
            "" => String::new(),
            _ => format!("{directory}/"),
        };
        let begin = self.files.partition_point(|file| file.path < &*prefix);
        let later = self.files.get(begin..).unwrap_or_default();
        later.iter().map_while(move |file| file.path.strip_prefix(&*prefix))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("directory", &self.directory)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(path: &'static str) -> EmbeddedFile {
        EmbeddedFile::new(path, path.as_bytes(), "hash")
    }

    static FILES: [EmbeddedFile; 6] = [
        file("a-b/x"),
        file("a.txt"),
        file("a/b/c"),
        file("a/b/d"),
        file("a/z"),
        file("b"),
    ];

    #[test]
    fn files_and_directories_are_found_by_their_whole_path() {
        let embedded = Embedded::new("nowhere", &FILES, None);
        for file in &FILES {
            assert_eq!(embedded.content(file.path), Some(file.path.as_bytes()));
            assert!(!embedded.has_directory(file.path), "{}", file.path);
        }
        for directory in ["", "a", "a/b", "a-b"] {
            assert!(embedded.file(directory).is_none(), "{directory}");
            assert!(embedded.has_directory(directory), "{directory}");
        }
        for nothing in ["a/b/", "a/", "/a", "c", "a/b/c/d", "a.", "a/b/cd"] {
            assert!(embedded.file(nothing).is_none(), "{nothing}");
            assert!(!embedded.has_directory(nothing), "{nothing}");
        }
    }

    #[test]
    fn a_directory_has_each_name_once() {
        let embedded = Embedded::new("nowhere", &FILES, None);
        let names = |directory| embedded.names(directory).collect::<Vec<_>>();
        assert_eq!(names(""), [("a-b", true), ("a.txt", false), ("a", true), ("b", false)]);
        assert_eq!(names("a"), [("b", true), ("z", false)]);
        assert_eq!(names("a/b"), [("c", false), ("d", false)]);
        assert_eq!(names("b"), []);
    }
}
