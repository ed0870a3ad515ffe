//! Forms with files: read from pieces of any size, and by a naive reader that has the whole body.

use std::io::{self, BufRead, Read};

use hansel::Multipart;
use hansel::multipart::MultipartOptions;

/// The name and content of each part; or how many parts were read before the form was refused.
pub type Form = Result<Vec<(String, Vec<u8>)>, usize>;

const LIMIT: usize = 256;

/// Reads a form whose boundary is `b`.
fn read(body: impl BufRead) -> Form {
    let options = MultipartOptions::new().header_bytes(LIMIT);
    let parts = Multipart::from_reader("multipart/form-data; boundary=b", body);
    let mut parts = parts.expect("the boundary is valid").options(options);
    let mut read = Vec::new();
    loop {
        let mut part = match parts.next_part() {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(read),
            Err(error) => {
                assert!([400, 413, 415].contains(&error.status().as_u16()), "{error}");
                return Err(read.len());
            }
        };
        if let Some(name) = part.file_name() {
            assert!(!name.is_empty() && !name.starts_with('.') && name.len() <= 255);
            assert!(!name.contains(['/', '\\', ':']) && !name.chars().any(char::is_control));
        }
        let name = part.name().to_owned();
        match part.read_bytes(usize::MAX) {
            Ok(content) => read.push((name, content)),
            Err(_) => return Err(read.len()),
        }
    }
}

/// Returns the form in `body`, which must be the same in pieces of these sizes, and for the naive reader.
pub fn read_in_pieces(body: &[u8], sizes: &[u8]) -> Form {
    let whole = read(body);
    assert_eq!(read(Pieces::of(body, sizes)), whole, "in pieces it is another form");
    assert_eq!(naive(body), whole, "the naive reader reads another form");
    whole
}

/// Reads the same form by splitting it. It takes hansel's word for headers, one part at a time.
fn naive(body: &[u8]) -> Form {
    const DELIMITER: &[u8] = b"\r\n--b";
    let mut read = Vec::new();
    // A body begins at the beginning of a line.
    let body = [b"\r\n", body].concat();
    let mut rest = split_at(&body, DELIMITER).ok_or(0_usize)?.1;
    loop {
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| end + 1);
        let (line, behind) = rest.split_at(end);
        let refused = Err(read.len());
        let blanks = |text: &[u8]| text.iter().all(|byte| b" \t".contains(byte));
        let (text, has_ended) = line.strip_suffix(b"\r\n").map_or((line, false), |text| (text, true));
        if line.len() > LIMIT {
            return refused;
        }
        match text.strip_prefix(b"--") {
            Some(text) if blanks(text) => return Ok(read),
            None if blanks(text) && has_ended => {}
            _ => return refused,
        }
        // The empty line ends the headers. Its CRLF may belong to the next delimiter.
        let (headers, _) = split_at(&[b"\r\n", behind].concat(), b"\r\n\r\n")
            .map(|(a, b)| (a.to_vec(), b.len()))
            .ok_or(read.len())?;
        let section = headers.get(2..).unwrap_or(&[]);
        let section_len = if section.is_empty() { 0 } else { section.len() + 2 };
        let content = &behind[section_len..];
        let (content, next) = split_at(content, DELIMITER).ok_or(read.len())?;
        let content = content.strip_prefix(b"\r\n").unwrap_or(b"");
        let name = name_of(&behind[..section_len]).ok_or(read.len())?;
        read.push((name, content.to_vec()));
        rest = next;
    }
}

/// Returns the name in a header section, read as a form of one part.
fn name_of(section: &[u8]) -> Option<String> {
    let alone = [b"--b\r\n", section, b"\r\nx\r\n--b--"].concat();
    Some(read(&*alone).ok()?.first()?.0.clone())
}

fn split_at<'b>(bytes: &'b [u8], by: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

/// A reader that has pieces of these sizes, again and again.
struct Pieces<'b> {
    rest: &'b [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'b, u8>>,
    left: usize,
}

impl<'b> Pieces<'b> {
    fn of(body: &'b [u8], sizes: &'b [u8]) -> Pieces<'b> {
        let sizes = if sizes.is_empty() { &[0] } else { sizes };
        Pieces {
            rest: body,
            sizes: sizes.iter().cycle(),
            left: 0,
        }
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let size = usize::from(*self.sizes.next().expect("it begins again")) + 1;
            self.left = size.min(self.rest.len());
        }
        Ok(&self.rest[..self.left])
    }

    fn consume(&mut self, amount: usize) {
        self.left -= amount;
        self.rest = &self.rest[amount..];
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("forms are read by their buffer")
    }
}
