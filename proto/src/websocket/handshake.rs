//! The opening handshake of a server (RFC 6455 §4.2).

use std::error::Error;
use std::fmt;

use super::deflate::Deflate;
use super::sha1::sha1;

/// A client's request to open a WebSocket, checked.
///
/// The fields are passed in, because not every request that opens a socket was parsed by this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Opening {
    /// The value of Sec-WebSocket-Accept, which the response must have.
    pub accept: [u8; 28],
    /// The client's first acceptable offer of compression. Who accepts it sends it in Sec-WebSocket-Extensions, and tells
    /// the [`Receiver`](super::Receiver::with_compression).
    pub deflate: Option<Deflate>,
}

impl Opening {
    /// Checks a request with this method and these fields. It must be one of HTTP/1.1.
    ///
    /// ```
    /// use hansel_proto::websocket::Opening;
    ///
    /// let fields = [
    ///     ("Connection", &b"keep-alive, Upgrade"[..]),
    ///     ("Upgrade", b"websocket"),
    ///     ("Sec-WebSocket-Version", b"13"),
    ///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    /// ];
    /// let opening = Opening::of("GET", fields)?;
    /// assert_eq!(&opening.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), hansel_proto::websocket::BadOpening>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error with the status that refuses the request.
    pub fn of<'f>(method: &str, fields: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<Opening, BadOpening> {
        let (mut connection, mut upgrade) = (false, false);
        let mut version = Single::default();
        let mut key = Single::default();
        let (mut deflate, mut are_extensions_valid) = (None, true);
        for (name, value) in fields {
            match name.len() {
                7 if name.eq_ignore_ascii_case("upgrade") => upgrade |= has_token(value, b"websocket"),
                10 if name.eq_ignore_ascii_case("connection") => connection |= has_token(value, b"upgrade"),
                17 if name.eq_ignore_ascii_case("sec-websocket-key") => key.add(value),
                21 if name.eq_ignore_ascii_case("sec-websocket-version") => version.add(value),
                24 if name.eq_ignore_ascii_case("sec-websocket-extensions") => match Deflate::accepted(value) {
                    Ok(offer) => deflate = deflate.or(offer),
                    Err(_) => are_extensions_valid = false,
                },
                _ => {}
            }
        }
        // RFC 6455 §4.2.1, in its order. A request that is no handshake at all is told what is expected here.
        if !upgrade || !connection {
            return Err(BadOpening(OpeningFault::NoUpgrade));
        }
        if method != "GET" {
            return Err(BadOpening(OpeningFault::Method));
        }
        if version.value() != Some(b"13") {
            return Err(BadOpening(OpeningFault::Version));
        }
        let key = key
            .value()
            .filter(|key| is_key(key))
            .ok_or(BadOpening(OpeningFault::Key))?;
        // RFC 6455 §9.1: if a value "does not conform to the ABNF [...], the recipient of such malformed data MUST
        // immediately _Fail the WebSocket Connection_".
        if !are_extensions_valid {
            return Err(BadOpening(OpeningFault::Extensions));
        }
        Ok(Opening {
            accept: accept_key(key),
            deflate,
        })
    }
}

/// A field that may come once only.
#[derive(Default)]
struct Single<'f> {
    value: Option<&'f [u8]>,
    is_repeated: bool,
}

impl<'f> Single<'f> {
    fn add(&mut self, value: &'f [u8]) {
        self.is_repeated |= self.value.replace(value.trim_ascii()).is_some();
    }

    fn value(&self) -> Option<&'f [u8]> {
        self.value.filter(|_| !self.is_repeated)
    }
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',')
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(token))
}

/// RFC 6455 §4.1: the key is "a randomly selected 16-byte value that has been base64-encoded".
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key {
        // Of the last digit only two bits count, and the others are zero (RFC 4648 §3.5).
        [digits @ .., b'A' | b'Q' | b'g' | b'w', b'=', b'='] => digits.len() == 21 && digits.iter().all(is_digit),
        _ => false,
    }
}

/// Returns the value of Sec-WebSocket-Accept for this key (RFC 6455 §4.2.2).
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let hash = sha1(&[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat());
    let mut text = [b'='; 28];
    for (digits, bytes) in text.chunks_exact_mut(4).zip(hash.chunks(3)) {
        let group = bytes.iter().fold(0, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - bytes.len()));
        for (place, digit) in digits.iter_mut().take(bytes.len() + 1).enumerate() {
            *digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
        }
    }
    text
}

/// Why a request opens no WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadOpening(OpeningFault);

/// A fault of a request that should open a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpeningFault {
    /// It is no handshake: Upgrade has no `websocket`, or Connection no `upgrade`.
    NoUpgrade,
    /// Its method is not GET.
    Method,
    /// Its version is not 13.
    Version,
    /// Its key is not 16 bytes in Base64.
    Key,
    /// Its Sec-WebSocket-Extensions is no list of extensions.
    Extensions,
}

impl BadOpening {
    /// Returns the fault.
    pub const fn fault(self) -> OpeningFault {
        self.0
    }

    /// Returns the status of the response.
    pub const fn status(self) -> u16 {
        match self.0 {
            // RFC 9110 §15.5.22: "the server refuses to perform the request using the current protocol but might be
            // willing to do so after the client upgrades". For a version that is not spoken, RFC 6455 §4.2.2 names 426.
            OpeningFault::NoUpgrade | OpeningFault::Version => 426,
            OpeningFault::Method | OpeningFault::Key | OpeningFault::Extensions => 400,
        }
    }

    /// Returns the fields that the response must have.
    pub const fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self.0 {
            // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response".
            OpeningFault::NoUpgrade | OpeningFault::Version => {
                &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
            }
            OpeningFault::Method | OpeningFault::Key | OpeningFault::Extensions => &[],
        }
    }
}

impl fmt::Display for BadOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            OpeningFault::NoUpgrade => "here is a WebSocket, which a request opens by `Upgrade: websocket`",
            OpeningFault::Method => "a WebSocket is opened by GET",
            OpeningFault::Version => "the version of WebSocket here is 13",
            OpeningFault::Key => "Sec-WebSocket-Key must be 16 bytes in Base64, once",
            OpeningFault::Extensions => "Sec-WebSocket-Extensions must be a list of extensions with parameters",
        })
    }
}

impl Error for BadOpening {}
