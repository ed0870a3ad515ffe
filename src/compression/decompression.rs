//! Compressed requests.

use std::io::{self, BufRead, Read};

use super::codings::Coding;
use crate::dispatch::IntoDispatch;
use crate::{BodyError, Error, Hooks, IntoResponse, Request, Response, StatusCode};

/// Decompresses the bodies of requests that have a `Content-Encoding` of `gzip` or `br`.
///
/// Handlers read the decompressed body, by [`Request::bytes`], [`Request::body`], or as an argument.
///
/// ```
/// use std::io::Write;
///
/// use flate2::write::GzEncoder;
/// use hansel::{App, Decompression, Request, Routes, test::Client};
///
/// fn shout(request: &Request) -> hansel::Result<String> {
///     Ok(request.text()?.to_uppercase())
/// }
///
/// let client = Client::new(App::new(Decompression::new().on(Routes::new().post("/shout", shout))));
/// let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
/// encoder.write_all(b"ham and eggs")?;
/// let request = Request::post("/shout").with_header("Content-Encoding", "gzip").with_body(encoder.finish()?);
/// assert_eq!(client.send(request).text(), "HAM AND EGGS");
///
/// let unknown = Request::post("/shout").with_header("Content-Encoding", "compress").with_body("?");
/// let refused = client.send(unknown);
/// assert_eq!(refused.status(), 415);
/// assert_eq!(refused.header("Accept-Encoding"), Some("br, gzip"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// | a body that | response |
/// |---|---|
/// | has another coding, or several | 415, with the codings in `Accept-Encoding` (RFC 9110 §15.5.16) |
/// | becomes larger than [`largest`](Decompression::largest) | 413 |
/// | becomes more than [`ratio`](Decompression::ratio) times as large as it was sent | 413 |
/// | is not what its coding says, or ends early | 400 |
///
/// The body is decompressed as a whole before the handler is called, so a request takes up to `largest` of memory, and
/// twice that while its body grows. The server's limits hold for the body as it is sent. It happens before the endpoint is
/// looked for: put authentication and rate limits around it. Headers stay as they were sent, `Content-Encoding` included.
///
/// Requires the feature `compression`.
#[derive(Clone, Debug)]
#[must_use = "it decompresses nothing until it is used: `decompression.on(routes)`"]
pub struct Decompression {
    largest: u64,
    ratio: u64,
}

/// The size that any body may have after decompression, however small it was sent: the ratio of less tells nothing.
const ANYWAY: u64 = 64 * 1024;

impl Decompression {
    /// Creates one of bodies up to 2 MiB that become up to 200 times as large.
    pub fn new() -> Decompression {
        Decompression {
            largest: 2 * 1024 * 1024,
            // As Apache's DeflateInflateRatioLimit. JSON of many rows reaches about 50, and deflate 1032 at most.
            ratio: 200,
        }
    }

    /// Sets the largest body after decompression, in bytes.
    pub fn largest(mut self, bytes: u64) -> Decompression {
        self.largest = bytes;
        self
    }

    /// Sets how many times as large a body may become. The first 64 KiB do not count.
    pub fn ratio(mut self, times: u64) -> Decompression {
        self.ratio = times;
        self
    }

    /// Decompresses what is sent to `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        Hooks::on(inner).before(move |request: &Request| self.decompress(request))
    }

    fn decompress(&self, request: &Request) -> Result<(), Response> {
        let Some(coding) = coding(request)? else { return Ok(()) };
        let mut body = request.body();
        match body.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Refused::from(error).response(coding)),
        }
        let sent = Counted { body, count: 0 };
        let decompressed = match coding {
            Coding::Gzip => self.read(flate2::bufread::MultiGzDecoder::new(sent), |decoder| {
                decoder.get_ref().count
            }),
            Coding::Brotli => {
                let mut decoder = brotli::Decompressor::new(sent, 4096);
                // It grows with the body, not with the window that a client announces, which is up to 16 MiB.
                decoder.set_initial_ring_buffer_size(16 * 1024);
                self.read(decoder, |decoder| decoder.get_ref().count)
            }
        };
        let decompressed = decompressed.map_err(|refused| refused.response(coding))?;
        request.replace_body(decompressed).map_err(IntoResponse::into_response)
    }

    /// Reads to the end, within the bounds. `sent` says how much of the body was needed so far.
    fn read<D: Read>(&self, mut decoder: D, sent: impl Fn(&D) -> u64) -> Result<Vec<u8>, Refused> {
        let mut decompressed = Vec::new();
        let mut piece = [0; 8 * 1024];
        loop {
            match decoder.read(&mut piece) {
                // Brotli's decoder reports what stands behind the end only if it is asked again.
                Ok(0) => match decoder.read(&mut piece)? {
                    0 => return Ok(decompressed),
                    _ => return Err(Refused::Invalid),
                },
                Ok(n) => {
                    decompressed.extend_from_slice(&piece[..n]);
                    let len = decompressed.len() as u64;
                    if len > self.largest {
                        return Err(Refused::TooLarge(self.largest));
                    }
                    if len > ANYWAY && len / self.ratio.max(1) > sent(&decoder) {
                        return Err(Refused::TooDense(self.ratio));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Default for Decompression {
    fn default() -> Decompression {
        Decompression::new()
    }
}

/// Returns the coding of a request, or the response to one that is not known.
fn coding(request: &Request) -> Result<Option<Coding>, Response> {
    let lines = request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Content-Encoding"));
    let mut codings = lines
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        // RFC 9110 §8.4.1: identity "SHOULD NOT be included", and does nothing.
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Ok(None),
        (Some(name), None) => Coding::named(name).map(Some).ok_or_else(unsupported),
        (Some(_), Some(_)) => Err(unsupported()),
    }
}

/// RFC 9110 §15.5.16: "if the problem was caused by an unsupported content coding, the Accept-Encoding response header
/// field ought to be used to indicate which (if any) content codings would have been accepted".
fn unsupported() -> Response {
    let accepted = Coding::ALL.map(Coding::name).join(", ");
    Response::new(format!("a body may have one Content-Encoding of these: {accepted}\n"))
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .with_header("Accept-Encoding", accepted)
}

/// Why a body was not decompressed.
#[derive(Debug)]
enum Refused {
    /// It could not be read from the client.
    Unread(BodyError),
    Invalid,
    TooLarge(u64),
    TooDense(u64),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        // What is no error of the body itself is one of the decoder.
        let unread = error.get_ref().and_then(|error| error.downcast_ref::<BodyError>());
        unread.map_or(Refused::Invalid, |error| Refused::Unread(*error))
    }
}

impl Refused {
    fn response(self, coding: Coding) -> Response {
        let name = coding.name();
        let (status, text) = match self {
            Refused::Unread(error) => return error.into_response(),
            Refused::Invalid => (StatusCode::BAD_REQUEST, format!("the body is not valid {name}\n")),
            Refused::TooLarge(most) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {most} bytes when it is decompressed\n"),
            ),
            Refused::TooDense(ratio) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is more than {ratio} times as large when it is decompressed\n"),
            ),
        };
        Error::new(status, text).into_response()
    }
}

/// A body, and how much of it was read.
struct Counted<R> {
    body: R,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.body.read(into)?;
        self.count += n as u64;
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.body.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count += amount as u64;
        self.body.consume(amount);
    }
}
