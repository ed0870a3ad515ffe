//! The chunked transfer coding (RFC 9112 §7.1): decodes what clients send, and encodes responses.

use crate::limits::{LINE_BYTES, Limits};
use crate::lines::{self, Lines};
use crate::progress::Progress;
use crate::refusal::{Reason, Refusal};
use crate::scan::{self, TOKEN};
use crate::span::Span;

/// RFC 9112 §7.1.1: "A server ought to limit the total length of chunk extensions received in a request to an amount
/// reasonable for the services provided". A request has this much in any case, and one byte more for every eight bytes
/// of content: enough for a signature with every chunk, but not for a flood.
const SPARE_LINE_BYTES: u64 = 8 * 1024;

/// Longer lines count as spare: 16 digits are a full `u64`, and CR LF follows.
const PLAIN_LINE_BYTES: usize = 18;

/// Appends `data` as one chunk. Empty data appends nothing, because the chunk of size zero is the last.
///
/// ```
/// let mut out = Vec::new();
/// hansel_proto::chunk::encode(b"hello, hansel", &mut out);
/// hansel_proto::chunk::finish(&mut out);
/// assert_eq!(out, b"d\r\nhello, hansel\r\n0\r\n\r\n");
/// ```
pub fn encode(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    let mut digits = [0; 16];
    let mut first = digits.len();
    let mut rest = data.len();
    while rest > 0 {
        first -= 1;
        digits[first] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
    }
    out.reserve(digits.len() - first + data.len() + 4);
    out.extend_from_slice(&digits[first..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and an empty trailer section, which completes the body.
pub fn finish(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// The finding at the start of the next bytes of a chunked body.
#[derive(Debug)]
pub(crate) enum Piece {
    Partial,
    Content { start: usize, end: usize },
    End { len: usize, trailers: Span },
}

/// Decodes one chunked body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunked {
    at: At,
    /// Bytes of content announced so far, including those of this chunk that have not arrived.
    announced: u64,
    /// Bytes of lines beyond what sizes need.
    spare: u64,
}

/// The position of the next byte in a chunked body.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// Before the first chunk size.
    #[default]
    Start,
    /// Inside the data of a chunk, of which this many bytes have not arrived.
    Data(u64),
    /// Before the CR LF that ends the data of a chunk.
    DataEnd,
}

impl Chunked {
    /// Finds the piece at the start of `input`. Consumes it only if it is content or the end.
    pub(crate) fn receive(&mut self, input: &[u8], limits: &Limits, progress: &mut Progress) -> Result<Piece, Refusal> {
        let start = match self.at {
            At::Data(left) => return Ok(self.data(input, 0, left)),
            At::Start => 0,
            At::DataEnd => match input {
                [b'\r', b'\n', ..] => 2,
                [] | [b'\r'] => return Ok(Piece::Partial),
                [b'\r', byte, ..] | [byte, ..] => {
                    return Err(Refusal::byte(Reason::ChunkEnd, *byte));
                }
            },
        };
        let most = if progress.line == 0 {
            LINE_BYTES
        } else {
            limits.trailer_bytes
        };
        if !progress.is_due(input, most) {
            return Ok(Piece::Partial);
        }
        let Some(line) = chunk_line(input, start)? else {
            progress.note(input, 0, 0);
            return Ok(Piece::Partial);
        };
        let spare = (line.end - start).saturating_sub(PLAIN_LINE_BYTES) as u64 + self.spare;
        if spare > SPARE_LINE_BYTES + self.announced / 8 {
            return Err(Refusal::limit(Reason::ChunkLinesTooLong, SPARE_LINE_BYTES));
        }
        if line.size == 0 {
            return trailers(input, line.end, limits, progress);
        }
        // A size beyond 64 bits saturates, so it exceeds every limit.
        let announced = self.announced.saturating_add(line.size);
        if announced > limits.body_bytes || announced == u64::MAX {
            return Err(Refusal::content_too_large(limits.body_bytes));
        }
        if line.end == input.len() {
            // There is no data yet, so nothing is consumed: the line is read again together with its data.
            *progress = Progress::default();
            return Ok(Piece::Partial);
        }
        self.announced = announced;
        self.spare = spare;
        *progress = Progress::default();
        Ok(self.data(input, line.end, line.size))
    }

    /// Returns the content from `start` on, of which `left` bytes belong to this chunk.
    fn data(&mut self, input: &[u8], start: usize, left: u64) -> Piece {
        let there = input.len() - start;
        if there == 0 {
            return Piece::Partial;
        }
        let taken = usize::try_from(left).map_or(there, |left| left.min(there));
        let left = left - taken as u64;
        self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
        Piece::Content {
            start,
            end: start + taken,
        }
    }
}

/// RFC 9112 §7.1.2: the trailer section after the last chunk. Consumed only when it is complete.
fn trailers(input: &[u8], start: usize, limits: &Limits, progress: &mut Progress) -> Result<Piece, Refusal> {
    let most = start.saturating_add(limits.trailer_bytes);
    let within = input.get(..most).unwrap_or(input);
    let line = (progress.line as usize).max(start);
    let known = progress.fields as usize;
    let skip = |line, _| lines::skip_field_line(within, line);
    match lines::field_lines(within, line, known, limits.fields, skip)? {
        Lines::End(len) => {
            *progress = Progress::default();
            Ok(Piece::End {
                len,
                trailers: Span::new(start, len - 2),
            })
        }
        Lines::Open { .. } if input.len() >= most => {
            Err(Refusal::limit(Reason::TrailersTooLong, limits.trailer_bytes as u64))
        }
        Lines::Open { line, fields } => {
            progress.note(input, line, fields);
            Ok(Piece::Partial)
        }
    }
}

/// A line between chunks: the size that it announces, and the index after it.
struct ChunkLine {
    size: u64,
    end: usize,
}

/// RFC 9112 §7.1: `chunk-size [ chunk-ext ] CRLF`; `None` if the bytes end first.
#[inline(never)]
fn chunk_line(input: &[u8], start: usize) -> Result<Option<ChunkLine>, Refusal> {
    let most = start + LINE_BYTES;
    let mut cursor = Cursor {
        bytes: input.get(..most).unwrap_or(input),
        at: start,
    };
    match cursor.chunk_line() {
        Ok(line) => Ok(Some(line)),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::OutOfBytes) if input.len() >= most => {
            Err(Refusal::limit(Reason::ChunkLinesTooLong, LINE_BYTES as u64))
        }
        Err(Stop::OutOfBytes) => Ok(None),
    }
}

/// Why reading a line stopped before its end.
enum Stop {
    OutOfBytes,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

/// Reads one line byte by byte, by the grammar.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Cursor<'_> {
    fn chunk_line(&mut self) -> Result<ChunkLine, Stop> {
        let size = self.size()?;
        self.extensions()?;
        Ok(ChunkLine { size, end: self.at })
    }

    /// RFC 9112 §7.1: `chunk-size = 1*HEXDIG`, and "recipients MUST anticipate potentially large
    /// hexadecimal numerals and prevent parsing errors due to integer conversion overflows".
    fn size(&mut self) -> Result<u64, Stop> {
        let first = self.at;
        let mut size = 0u64;
        while let Some(digit) = (self.peek()? as char).to_digit(16) {
            size = if size >> 60 == 0 {
                size << 4 | u64::from(digit)
            } else {
                u64::MAX
            };
            self.at += 1;
        }
        if self.at == first {
            return Err(Refusal::byte(Reason::ChunkSize, self.peek()?).into());
        }
        Ok(size)
    }

    /// RFC 9112 §7.1.1: `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` and the CRLF after
    /// it. "A recipient MUST ignore unrecognized chunk extensions", so nothing is kept.
    fn extensions(&mut self) -> Result<(), Stop> {
        let mut expected = Reason::ChunkSize;
        loop {
            if self.peek()? == b'\r' {
                return self.line_end();
            }
            self.whitespace()?;
            self.expect(b';', expected)?;
            expected = Reason::ChunkExtension;
            self.whitespace()?;
            self.token()?;
            if self.value_follows()? {
                self.value()?;
            }
        }
    }

    /// Consumes `BWS "=" BWS` if it comes next, and otherwise nothing: whitespace alone belongs to the next extension,
    /// which must follow.
    fn value_follows(&mut self) -> Result<bool, Stop> {
        let name_end = self.at;
        self.whitespace()?;
        if self.peek()? != b'=' {
            self.at = name_end;
            return Ok(false);
        }
        self.at += 1;
        self.whitespace()?;
        Ok(true)
    }

    /// RFC 9112 §7.1.1: `chunk-ext-val = token / quoted-string`.
    fn value(&mut self) -> Result<(), Stop> {
        if self.peek()? != b'"' {
            return self.token();
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                // RFC 9110 §5.6.4: `quoted-pair = "\" ( HTAB / SP / VCHAR / obs-text )`.
                b'\\' => {
                    self.at += 1;
                    self.text()?;
                }
                _ => self.text()?,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads one byte of text: HTAB, SP, VCHAR or obs-text.
    fn text(&mut self) -> Result<(), Stop> {
        let byte = self.peek()?;
        if !scan::is(byte, scan::VALUE) {
            return Err(Refusal::byte(Reason::ChunkExtension, byte).into());
        }
        self.at += 1;
        Ok(())
    }

    fn token(&mut self) -> Result<(), Stop> {
        let end = scan::run(self.bytes, self.at, TOKEN);
        if end == self.at {
            return Err(Refusal::byte(Reason::ChunkExtension, self.peek()?).into());
        }
        self.at = end;
        Ok(())
    }

    /// RFC 9112 §7.1.1: BWS, "bad" whitespace that a recipient has to accept.
    fn whitespace(&mut self) -> Result<(), Stop> {
        while matches!(self.peek()?, b' ' | b'\t') {
            self.at += 1;
        }
        Ok(())
    }

    fn line_end(&mut self) -> Result<(), Stop> {
        self.at += 1;
        match self.peek()? {
            b'\n' => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Refusal::new(Reason::BareCr).into()),
        }
    }

    fn expect(&mut self, wanted: u8, reason: Reason) -> Result<(), Stop> {
        match self.peek()? {
            byte if byte == wanted => {
                self.at += 1;
                Ok(())
            }
            b'\n' => Err(Refusal::new(Reason::BareLf).into()),
            byte => Err(Refusal::byte(reason, byte).into()),
        }
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::OutOfBytes)
    }
}
