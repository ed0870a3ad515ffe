//! The media type of a file, by what its name ends with.

use std::borrow::Cow;

const OCTETS: &str = "application/octet-stream";

/// Types that a program has set, by extension in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct ContentTypes(Vec<(String, String)>);

impl ContentTypes {
    pub(super) fn set(&mut self, extension: &str, content_type: &str) {
        let extension = extension.trim_start_matches('.').to_ascii_lowercase();
        self.0.retain(|(known, _)| *known != extension);
        self.0.push((extension, content_type.to_owned()));
    }

    /// Returns the type of a file with this name.
    pub(super) fn of(&self, name: &str) -> Cow<'_, str> {
        // A dot file is no extension without a name.
        let Some((_, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
            return Cow::Borrowed(OCTETS);
        };
        let set = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
        match set {
            Some((_, content_type)) => Cow::Borrowed(content_type),
            None => known(extension),
        }
    }
}

/// The types that the web is made of, and others by `mime_guess`, which has a few that have got new names since.
fn known(extension: &str) -> Cow<'static, str> {
    const MOST: usize = 11;
    let mut lower = [0; MOST];
    let lower = match lower.get_mut(..extension.len()) {
        Some(lower) => {
            lower.copy_from_slice(extension.as_bytes());
            lower.make_ascii_lowercase();
            &*lower
        }
        None => extension.as_bytes(),
    };
    Cow::Borrowed(match lower {
        b"html" | b"htm" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"js" | b"mjs" | b"cjs" => "text/javascript; charset=utf-8",
        b"txt" | b"text" | b"log" => "text/plain; charset=utf-8",
        b"md" | b"markdown" => "text/markdown; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"json" | b"map" => "application/json",
        b"webmanifest" => "application/manifest+json",
        b"xml" => "text/xml; charset=utf-8",
        b"svg" => "image/svg+xml",
        b"png" => "image/png",
        b"jpg" | b"jpeg" => "image/jpeg",
        b"gif" => "image/gif",
        b"webp" => "image/webp",
        b"avif" => "image/avif",
        b"ico" => "image/x-icon",
        b"woff2" => "font/woff2",
        b"woff" => "font/woff",
        b"wasm" => "application/wasm",
        b"pdf" => "application/pdf",
        b"mp4" => "video/mp4",
        b"gz" => "application/gzip",
        b"zst" => "application/zstd",
        _ => return guessed(extension),
    })
}

fn guessed(extension: &str) -> Cow<'static, str> {
    match mime_guess::from_ext(extension).first_raw() {
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        Some(known) => Cow::Borrowed(known),
        None => Cow::Borrowed(OCTETS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_follows_from_the_end_of_the_name() {
        let types = ContentTypes::default();
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a.min.js", "text/javascript; charset=utf-8"),
            ("site.webmanifest", "application/manifest+json"),
            ("data.json", "application/json"),
            ("a.tar.gz", "application/gzip"),
            ("font.woff", "font/woff"),
            (
                "a.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            ("a.ics", "text/calendar; charset=utf-8"),
            ("a.verylongextension", OCTETS),
            ("a.é", OCTETS),
            ("a.", OCTETS),
            ("html", OCTETS),
            (".html", OCTETS),
            ("", OCTETS),
        ] {
            assert_eq!(types.of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_program_may_set_others() {
        let mut types = ContentTypes::default();
        types.set("html", "text/html; charset=iso-8859-1");
        types.set(".Crumb", "application/x-crumb");
        types.set("html", "text/html");
        assert_eq!(types.of("a.HTML"), "text/html");
        assert_eq!(types.of("a.crumb"), "application/x-crumb");
        assert_eq!(types.of("a.css"), "text/css; charset=utf-8");
    }
}
