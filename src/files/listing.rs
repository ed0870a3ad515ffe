//! The page that lists a directory.

use std::fmt::Write;
use std::fs::File;
use std::io;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::names;
use super::source::Tree;
use crate::{Html, IntoResponse, Response};

/// The number of names of a directory that are read. The system decides which come first.
const MOST: usize = 10_000;

/// The octets that are encoded in one segment of a link: also a colon, before which a browser would see a scheme.
const IN_LINKS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A link to `name` in the directory that a browser is at, wherever that is.
pub(super) fn link(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, IN_LINKS)
}

/// The names in a directory that a client may ask for.
pub(super) struct Listing {
    /// Directories first, then by name.
    entries: Vec<Entry>,
    is_complete: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    is_file: bool,
    name: String,
}

impl Listing {
    /// Reads the directory at this path below `tree`; of a disk, the one that was opened.
    pub(super) fn read(tree: &Tree, directory: Option<File>, below: &str, shows_hidden: bool) -> io::Result<Listing> {
        let mut listing = Listing {
            entries: Vec::new(),
            is_complete: true,
        };
        let mut seen = 0;
        let add = |name: &str, is_directory: &mut dyn FnMut() -> Option<bool>| {
            if matches!(name, "." | "..") {
                return true;
            }
            // Of those that are not shown as well: reading takes its time.
            if seen == MOST {
                listing.is_complete = false;
                return false;
            }
            seen += 1;
            if names::check(name, below.is_empty(), shows_hidden).is_ok() {
                listing.entries.extend(is_directory().map(|is_directory| Entry {
                    is_file: !is_directory,
                    name: name.to_owned(),
                }));
            }
            true
        };
        read(tree, directory, below, add)?;
        listing.entries.sort_unstable();
        Ok(listing)
    }

    /// Makes the page. `path` is what the client sees as the path of the directory.
    pub(super) fn page(&self, path: &str, has_parent: bool) -> Response {
        let mut page = String::from(BEGIN);
        let path = Escaped(path);
        let _ = write!(page, "<title>{path}</title></head>\n<body><h1>{path}</h1>\n<ul>\n");
        if has_parent {
            page.push_str("<li><a href=\"../\">../</a></li>\n");
        }
        for Entry { is_file, name } in &self.entries {
            let slash = if *is_file { "" } else { "/" };
            let (link, name) = (link(name), Escaped(name));
            let _ = writeln!(page, "<li><a href=\"./{link}{slash}\">{name}{slash}</a></li>");
        }
        page.push_str("</ul>\n");
        if !self.is_complete {
            let _ = writeln!(page, "<p>There are more: only {MOST} are read.</p>");
        }
        page.push_str("</body></html>\n");
        Html(page)
            .into_response()
            .with_header("X-Content-Type-Options", "nosniff")
            .with_header("Cache-Control", "no-cache")
            .with_header(
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'",
            )
    }
}

const BEGIN: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<style>body{font:1rem/1.6 system-ui,sans-serif;margin:2rem}h1{font-size:1.2rem}ul{list-style:none;padding:0}</style>
";

/// Passes on each name, and what finds out whether it is a directory, until `add` returns false.
#[cfg(unix)]
fn read(
    tree: &Tree,
    directory: Option<File>,
    below: &str,
    mut add: impl FnMut(&str, &mut dyn FnMut() -> Option<bool>) -> bool,
) -> io::Result<()> {
    use rustix::fs::{Dir, FileType};
    let (root, directory) = match (tree, directory) {
        (Tree::Directory(root), Some(directory)) => (root, directory),
        (Tree::Embedded(embedded), _) => {
            embedded
                .names(below)
                .all(|(name, is_directory)| add(name, &mut || Some(is_directory)));
            return Ok(());
        }
        (Tree::Directory(_), None) => return Ok(()),
    };
    for entry in Dir::new(directory)? {
        let entry = entry?;
        // Nobody can ask for a name that is not UTF-8.
        let Ok(name) = entry.file_name().to_str() else { continue };
        let mut is_directory = || match entry.file_type() {
            FileType::RegularFile => Some(false),
            FileType::Directory => Some(true),
            // A link that leads outside is not listed.
            FileType::Symlink | FileType::Unknown => root.is_directory(&join(below, name)),
            _ => None,
        };
        if !add(name, &mut is_directory) {
            break;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn read(
    tree: &Tree,
    _: Option<File>,
    below: &str,
    mut add: impl FnMut(&str, &mut dyn FnMut() -> Option<bool>) -> bool,
) -> io::Result<()> {
    let root = match tree {
        Tree::Directory(root) => root,
        Tree::Embedded(embedded) => {
            embedded
                .names(below)
                .all(|(name, is_directory)| add(name, &mut || Some(is_directory)));
            return Ok(());
        }
    };
    for entry in std::fs::read_dir(root.path().join(below))? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if !add(&name, &mut || root.is_directory(&join(below, &name))) {
            break;
        }
    }
    Ok(())
}

/// Returns the path of a name in a directory.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        _ => format!("{directory}/{name}"),
    }
}

/// Text in HTML, between tags or in a quoted attribute.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
