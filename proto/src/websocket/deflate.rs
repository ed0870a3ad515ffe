//! Which offers of `permessage-deflate` are accepted, and on what terms (RFC 7692 §7.1).

use std::borrow::Cow;
use std::fmt;

use crate::scan::is_token;

/// An accepted offer of `permessage-deflate` (RFC 7692). Formatted, it is the response's `Sec-WebSocket-Extensions`.
///
/// Each message is compressed by itself, in both directions: no socket keeps a window between its messages. An offer is
/// declined if a parameter is unknown, is there twice, or has a value that it must not have. A window that a client
/// demands is accepted, whatever its size.
///
/// ```
/// use hansel_proto::websocket::Opening;
///
/// let fields = [
///     ("Connection", &b"Upgrade"[..]),
///     ("Upgrade", b"websocket"),
///     ("Sec-WebSocket-Version", b"13"),
///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Extensions", b"permessage-deflate; server_max_window_bits=12"),
/// ];
/// let deflate = Opening::of("GET", fields)?.deflate.expect("it is offered");
/// assert_eq!(deflate.window_bits(), 12);
/// assert_eq!(
///     deflate.to_string(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12"
/// );
/// # Ok::<(), hansel_proto::websocket::BadOpening>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deflate {
    /// The window that the client demands of the server.
    demanded: Option<u8>,
}

impl Deflate {
    /// Returns the base-2 logarithm of the distance, 8 to 15, that a message from the server may refer back at most.
    pub const fn window_bits(self) -> u8 {
        match self.demanded {
            Some(bits) => bits,
            None => 15,
        }
    }

    /// Returns the first acceptable offer in a value of Sec-WebSocket-Extensions. All of the value is checked.
    pub(super) fn accepted(value: &[u8]) -> Result<Option<Deflate>, Malformed> {
        let mut rest = Rest(value);
        let mut accepted = None;
        loop {
            // RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
            while rest.takes(b',') {}
            if rest.0.is_empty() {
                return Ok(accepted);
            }
            // RFC 6455 §9.1: an order of preference, "with the first options listed being most preferable".
            let offer = rest.offer()?;
            accepted = accepted.or(offer);
            if !rest.0.is_empty() && !rest.takes(b',') {
                return Err(Malformed);
            }
        }
    }
}

impl fmt::Display for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 7692 §7.1.1.2: a server may include "client_no_context_takeover" even if the offer does not.
        f.write_str("permessage-deflate; server_no_context_takeover; client_no_context_takeover")?;
        match self.demanded {
            // RFC 7692 §7.1.2.1: a server accepts the parameter by including it "with the same or smaller value".
            Some(bits) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// A value that is no list of extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

/// The rest of a value (RFC 6455 §9.1).
struct Rest<'f>(&'f [u8]);

impl<'f> Rest<'f> {
    /// Takes one extension with its parameters. Returns `None` if it is another one, or not acceptable.
    fn offer(&mut self) -> Result<Option<Deflate>, Malformed> {
        let mut is_acceptable = self.token()? == b"permessage-deflate";
        let mut parameters = Parameters::default();
        while self.takes(b';') {
            let name = self.token()?;
            let value = if self.takes(b'=') { Some(self.value()?) } else { None };
            is_acceptable = is_acceptable && parameters.take(name, value.as_deref());
        }
        Ok(is_acceptable.then_some(Deflate {
            demanded: parameters.server_window,
        }))
    }

    /// Takes this byte and the whitespace around it, if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(behind) = self.0.strip_prefix(&[byte]) else {
            return false;
        };
        self.0 = behind.trim_ascii_start();
        true
    }

    fn token(&mut self) -> Result<&'f [u8], Malformed> {
        let end = self.0.iter().position(|byte| b" \t,;=".contains(byte));
        let (token, behind) = self.0.split_at_checked(end.unwrap_or(self.0.len())).ok_or(Malformed)?;
        self.0 = behind.trim_ascii_start();
        is_token(token).then_some(token).ok_or(Malformed)
    }

    /// RFC 6455 §9.1: of a quoted string, "the value after quoted-string unescaping MUST conform to the 'token' ABNF".
    fn value(&mut self) -> Result<Cow<'f, [u8]>, Malformed> {
        let Some(quoted) = self.0.strip_prefix(b"\"") else {
            return self.token().map(Cow::Borrowed);
        };
        let mut value = Vec::new();
        let mut bytes = quoted.iter();
        loop {
            match bytes.next() {
                Some(b'"') => break,
                Some(b'\\') => value.extend(bytes.next()),
                Some(&byte) => value.push(byte),
                None => return Err(Malformed),
            }
        }
        self.0 = bytes.as_slice().trim_ascii_start();
        is_token(&value).then_some(Cow::Owned(value)).ok_or(Malformed)
    }
}

/// The parameters of an offer that were read.
#[derive(Default)]
struct Parameters {
    server_window: Option<u8>,
    has_client_window: bool,
    client_forgets: bool,
    server_forgets: bool,
}

impl Parameters {
    /// Takes one more. Returns false if the offer must be declined: RFC 7692 §7.1 names a parameter that is "not defined
    /// for use in an offer", one with an invalid value, and several with the same name.
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) -> bool {
        let once = |seen: &mut bool| !std::mem::replace(seen, true);
        match (name, value) {
            (b"server_no_context_takeover", None) => once(&mut self.server_forgets),
            (b"client_no_context_takeover", None) => once(&mut self.client_forgets),
            // A client may announce its own window: all are inflated with the largest.
            (b"client_max_window_bits", value) => {
                once(&mut self.has_client_window) && value.is_none_or(|value| window(value).is_some())
            }
            (b"server_max_window_bits", Some(value)) => {
                let window = window(value);
                window.is_some() && std::mem::replace(&mut self.server_window, window).is_none()
            }
            _ => false,
        }
    }
}

/// RFC 7692 §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}
