//! Compressed responses and requests.

mod codings;
mod decompression;
mod types;

use std::fmt;
use std::sync::Arc;

use crate::dispatch::IntoDispatch;
use crate::{Hooks, Method, Request, Response, Seen, StatusCode};

use codings::Coding;
pub use decompression::Decompression;
use types::Types;

/// Compresses responses with Brotli or gzip, as the client prefers.
///
/// ```
/// use hansel::{App, Compression, Request, Routes, test::Client};
///
/// let numbers = || (0..1000).map(|n| format!("{n}\n")).collect::<String>();
/// let client = Client::new(App::new(Compression::new().on(Routes::new().get("/numbers", numbers))));
///
/// let response = client.send(Request::get("/numbers").with_header("Accept-Encoding", "gzip, br"));
/// assert_eq!(response.header("Content-Encoding"), Some("br"));
/// assert_eq!(response.header("Vary"), Some("Accept-Encoding"));
/// assert!(response.bytes().len() < 1500);
/// assert_eq!(client.get("/numbers").bytes().len(), 3890);
/// ```
///
/// # What is compressed
/// Bodies of a compressible [type](Compression::include): text, JSON, XML, JavaScript, SVG, WebAssembly, plain fonts. Those
/// in memory are compressed at once, if they have [1 KiB](Compression::least) or more, and sent as they are if they do not
/// become smaller. Readers and streams are compressed while they are sent. Each write is sent at once, in a state that the
/// client can decompress, so an event arrives as early as without compression.
///
/// Not compressed:
/// - what a handler has compressed: it has a `Content-Encoding`;
/// - parts of something (206, `Content-Range`), and what has no body (204, 205, 304);
/// - what forbids it by `Cache-Control: no-transform` (RFC 9111 §5.2.2.6);
/// - what has a digest of its bytes (`Content-Digest`, `Repr-Digest`);
/// - files: they would need a thread for as long as a slow client takes them. Compress them before they are served.
///
/// To leave out a part of what is inside, let a hook set `no-transform` there.
///
/// A compressed response has a weak `ETag` (RFC 9110 §8.8.3.3) and no `Accept-Ranges`, because its bytes may differ next
/// time. All that depend on `Accept-Encoding` name it in `Vary`.
///
/// # Secrets
/// Who sees how long encrypted responses are, and can make a browser send requests, can guess a secret in a response that
/// also repeats something of the request: a right guess is shorter (the attack [BREACH](https://breachattack.com)).
/// So responses to requests that another site has caused (`Sec-Fetch-Site: cross-site`) and that have cookies or an
/// `Authorization` are not compressed, unless you [allow it](Compression::cross_site). Browsers send that header since
/// 2023 at the latest, over HTTPS.
///
/// That leaves older browsers, and attackers who can put scripts or links into your own site. Where a response repeats
/// what a client chose beside a secret, mask the secret differently each time, or set `Cache-Control: no-transform`.
///
/// # Memory and time
/// For a response in memory, gzip allocates about 350 KiB, and Brotli from 1.4 MiB in all for 20 KiB to 34 MiB for 1 MiB.
/// A stream keeps its compressor as long as it lasts: some hundred KiB with gzip, some MiB with Brotli. A page of 20 KiB
/// takes about a millisecond of a core, and 1 MiB up to 100 ms.
///
/// Requires the feature `compression`.
#[derive(Clone)]
#[must_use = "it compresses nothing until it is used: `compression.on(routes)`"]
pub struct Compression {
    least: u64,
    types: Types,
    cross_site: bool,
}

impl Compression {
    /// Creates a compression with the default types and the default least size.
    pub fn new() -> Compression {
        Compression {
            // A response of less fits into one packet anyway.
            least: 1024,
            types: Types::default(),
            cross_site: false,
        }
    }

    /// Sets the size in bytes from which a body of known length is compressed.
    pub fn least(mut self, bytes: u64) -> Compression {
        self.least = bytes;
        self
    }

    /// Compresses bodies of this type as well: `application/x-protobuf`, `model/*`, or `*/*` for all.
    ///
    /// # Panics
    /// If it is none of these forms.
    #[track_caller]
    pub fn include(mut self, content_type: &str) -> Compression {
        self.types.include(content_type);
        self
    }

    /// Does not compress bodies of this type, even if it is [included](Compression::include): `text/event-stream`, `font/*`.
    ///
    /// # Panics
    /// If it is no type, and not of the form `font/*` or `*/*`.
    #[track_caller]
    pub fn exclude(mut self, content_type: &str) -> Compression {
        self.types.exclude(content_type);
        self
    }

    /// Compresses responses to requests with cookies or an `Authorization`, too, that another site has caused. It is safe
    /// where no response has a secret beside what a client chose.
    pub fn cross_site(mut self) -> Compression {
        self.cross_site = true;
        self
    }

    /// Compresses the responses of `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        let compression = Arc::new(self);
        Hooks::on(inner).respond(move |seen, response| compression.compress(seen.request(), response))
    }

    /// Returns a hook for [`App::respond`](crate::App::respond), where it reaches every response.
    pub fn responses(self) -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync {
        move |seen, response| self.compress(seen.request(), response)
    }

    fn compress(&self, request: Option<&Request>, response: &mut Response) {
        let Some(request) = request else { return };
        if response.status() == StatusCode::NOT_MODIFIED {
            return not_modified(request, response);
        }
        if !self.is_compressible(request, response) {
            return;
        }
        response.vary_by("Accept-Encoding");
        let Some(coding) = Coding::preferred(request) else {
            return;
        };
        if response.body().is_empty() || (!self.cross_site && is_cross_site_with_credentials(request)) {
            return;
        }
        let body = response.take_body();
        match body.bytes().map(|bytes| (bytes.len(), coding.whole(bytes))) {
            Some((len, compressed)) if compressed.len() >= len => return response.set_body(body),
            Some((_, compressed)) => response.set_body(compressed),
            None => match body.through(coding.filter()) {
                Ok(compressed) => response.set_body(compressed),
                Err(_) => return response.set_status(StatusCode::INTERNAL_SERVER_ERROR),
            },
        }
        response.set_header("Content-Encoding", coding.name());
        response.remove_header("Content-Length");
        response.remove_header("Accept-Ranges");
        weaken_tag(response);
    }

    /// Returns true if the response would be compressed for a client that accepts it.
    fn is_compressible(&self, request: &Request, response: &Response) -> bool {
        let has = |name| response.header(name).is_some();
        let is_whole = !matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT
        ) && !has("Content-Range");
        let body = response.body();
        // An endpoint that makes no body for HEAD may make a long one for GET.
        let is_long =
            body.len().is_none_or(|len| len >= self.least) || (body.is_empty() && *request.method() == Method::HEAD);
        let content_type = response.header("Content-Type").or(body.content_type());
        is_whole
            && is_long
            && !body.is_file()
            && !body.is_pushed()
            && content_type.is_some_and(|content_type| self.types.has(content_type))
            && ![
                "Content-Encoding",
                "Content-Digest",
                "Repr-Digest",
                "Digest",
                "Content-MD5",
            ]
            .iter()
            .any(|name| has(name))
            && !forbids_transformation(response)
    }
}

/// RFC 9110 §15.4.5: a 304 has the `ETag` and the `Vary` that the 200 would have had.
fn not_modified(request: &Request, response: &mut Response) {
    if response.header("ETag").is_none() || forbids_transformation(response) {
        return;
    }
    response.vary_by("Accept-Encoding");
    if Coding::preferred(request).is_some() {
        // Perhaps the 200 was too short and its tag is strong. RFC 9111 §4.3.4: a weak tag finds that one as well, but a
        // strong tag would not find a weak one.
        weaken_tag(response);
    }
}

/// RFC 9110 §8.8.3.3: a strong tag must not be that of two encodings.
fn weaken_tag(response: &mut Response) {
    let weak = response
        .header("ETag")
        .filter(|tag| tag.starts_with('"'))
        .map(|tag| format!("W/{tag}"));
    if let Some(weak) = weak {
        response.set_header("ETag", weak);
    }
}

/// RFC 9111 §5.2.2.6: "The no-transform response directive indicates that an intermediary .. MUST NOT transform the
/// content". An application can say it to this one as well.
fn forbids_transformation(response: &Response) -> bool {
    let is_forbidden = |value: &[u8]| {
        let mut directives = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        directives.any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
    };
    response
        .headers()
        .any(|(name, value)| name.eq_ignore_ascii_case("Cache-Control") && is_forbidden(value))
}

/// Returns true if another site has made a browser send the request as its user.
fn is_cross_site_with_credentials(request: &Request) -> bool {
    let has = |name| request.header_bytes(name).is_some();
    request.header("Sec-Fetch-Site") == Some("cross-site") && (has("Cookie") || has("Authorization"))
}

impl Default for Compression {
    fn default() -> Compression {
        Compression::new()
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("least", &self.least)
            .field("cross_site", &self.cross_site)
            .finish_non_exhaustive()
    }
}
