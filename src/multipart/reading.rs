//! A form that is read part by part.

use std::fmt;
use std::io::{self, BufRead};
use std::sync::Arc;

use super::head::PartHead;
use super::parameters::Parameters;
use super::scanner::Scanner;
use super::{MultipartOptions, Part, malformed, too_large, unsupported};
use crate::{BodyReader, Request, Result};

/// The body of a request, a form with files (`multipart/form-data`), read part by part as it arrives.
///
/// See the [module](crate::multipart) for an example. What is in memory is what the connection has received and nobody
/// has read, at most 256 KiB, and the headers of the part.
///
/// A body up to [`Limits::body_buffer`](field@crate::Limits::body_buffer) is complete before the handler starts. A larger
/// one is read while the handler runs, in one of the [places](crate::Limits) for that.
///
/// Requires the feature `multipart`.
pub struct Multipart<R> {
    scanner: Scanner<R>,
    pub(super) options: Arc<MultipartOptions>,
    /// The number of parts that have begun.
    parts: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first part, or in one.
    Within,
    Ended,
    /// It is malformed, or can't be read.
    Broken,
}

impl<'r> Multipart<BodyReader<'r>> {
    /// Begins to read the body of `request`, with the [`MultipartOptions`] that are shared around its handler.
    ///
    /// # Errors
    /// If it is no `multipart/form-data` (415), or its boundary is missing or invalid (400).
    pub fn of(request: &'r Request) -> Result<Multipart<BodyReader<'r>>> {
        let content_type = request.header("Content-Type").unwrap_or("");
        let mut parts = Multipart::from_reader(content_type, request.body())?;
        if let Some(options) = request.state::<MultipartOptions>() {
            parts.options = options;
        }
        Ok(parts)
    }
}

impl<R: BufRead> Multipart<R> {
    /// Begins to read a form that is not the body of a request, with the Content-Type that came with it.
    ///
    /// # Errors
    /// Those of [`of`](Multipart::of).
    pub fn from_reader(content_type: &str, reader: R) -> Result<Multipart<R>> {
        Ok(Multipart {
            scanner: Scanner::new(reader, &boundary(content_type)?),
            options: Arc::default(),
            parts: 0,
            state: State::Within,
        })
    }

    /// Sets its limits, and the directory of its temporary files.
    #[must_use]
    pub fn options(mut self, options: MultipartOptions) -> Multipart<R> {
        self.options = Arc::new(options);
        self
    }

    /// Returns the next part, or `None` at the end of the form. Waits for it if it is still arriving. What has not been
    /// read of the part before is skipped.
    ///
    /// # Errors
    /// If the form is malformed (400) or has too many parts or headers (413), and those of
    /// [`BodyError`](crate::BodyError).
    pub fn next_part(&mut self) -> Result<Option<Part<'_, R>>> {
        match self.state {
            State::Ended => return Ok(None),
            State::Broken => return Err(malformed("it could not be read further").into()),
            State::Within => {}
        }
        self.state = State::Broken;
        let head = self.next_head()?;
        self.state = if head.is_some() { State::Within } else { State::Ended };
        Ok(head.map(|head| Part::new(&mut self.scanner, &self.options, head)))
    }

    fn next_head(&mut self) -> Result<Option<PartHead>> {
        self.scanner.skip()?;
        if !self.scanner.delimiter_line()? {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > self.options.most_parts() {
            return Err(too_large("too many parts").into());
        }
        let section = self.header_section()?;
        self.scanner.begin();
        PartHead::of(section).map(Some)
    }

    /// Reads the headers of a part, and the empty line behind them.
    fn header_section(&mut self) -> io::Result<Vec<u8>> {
        const END: &[u8] = b"\r\n";
        let most = self.options.most_header_bytes().saturating_add(END.len());
        let mut section = Vec::new();
        loop {
            let start = section.len();
            if !self.scanner.line(&mut section, most.saturating_sub(start))? {
                return Err(too_large("the headers of a part are too large"));
            }
            match section.get(start..) {
                Some(END) => {
                    section.truncate(start);
                    return Ok(section);
                }
                Some(line) if line.ends_with(END) => {}
                _ => return Err(malformed("a line of headers that does not end with CRLF")),
            }
        }
    }
}

impl<R> fmt::Debug for Multipart<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("options", &self.options)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// Returns the boundary of a form from its Content-Type.
fn boundary(content_type: &str) -> Result<String> {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Err(unsupported(&format!("expected multipart/form-data, not `{essence}`")).into());
    }
    let boundary = Parameters::of(content_type)?.take("boundary");
    let boundary = boundary.ok_or_else(|| malformed("a Content-Type without a boundary"))?;
    // RFC 2046 §5.1.1: "no longer than 70 characters, not counting the two leading hyphens", of fewer characters than
    // these; but `boundary=*****` is what many Android programs send.
    let is_valid = (1..=70).contains(&boundary.len())
        && boundary.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !boundary.ends_with(' ');
    if !is_valid {
        return Err(malformed("a boundary that is none").into());
    }
    Ok(boundary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_found_as_clients_write_it() {
        for (content_type, expected) in [
            (
                "multipart/form-data; boundary=----WebKitFormBoundary7MA4",
                Ok("----WebKitFormBoundary7MA4"),
            ),
            ("Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b:=?\"", Ok("a b:=?")),
            ("multipart/form-data; boundary=*****", Ok("*****")),
            ("multipart/form-data", Err(400)),
            ("multipart/form-data; boundary=", Err(400)),
            ("multipart/form-data; boundary=\"a \"", Err(400)),
            ("multipart/form-data; boundary=\"a\tb\"", Err(400)),
            ("multipart/form-data; boundary=a; boundary=b", Err(400)),
            ("multipart/form-data; boundary=\u{fc}", Err(400)),
            ("multipart/mixed; boundary=a", Err(415)),
            ("application/x-www-form-urlencoded", Err(415)),
            ("", Err(415)),
        ] {
            let found = boundary(content_type).map_err(|error| error.status().as_u16());
            assert_eq!(
                found.as_deref(),
                expected.as_ref().map(|text| &**text),
                "{content_type}"
            );
        }
        for (len, is_valid) in [(70, true), (71, false)] {
            let content_type = format!("multipart/form-data; boundary={}", "b".repeat(len));
            assert_eq!(boundary(&content_type).is_ok(), is_valid, "s5_1_1: {len}");
        }
    }
}
