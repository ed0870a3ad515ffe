//! Why a connection is closed: codes and reasons (RFC 6455 §7.4).

use std::fmt;

/// A status code of a close frame (RFC 6455 §7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// A server that stops, or a page that is left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The other side has broken the protocol.
    pub const PROTOCOL: CloseCode = CloseCode(1002);
    /// A kind of message that is not accepted.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// Text that is not UTF-8, or other content that is not what it should be.
    pub const INVALID: CloseCode = CloseCode(1007);
    /// A policy is violated, and no other code fits.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// A message is too large.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// The server has failed.
    pub const ERROR: CloseCode = CloseCode(1011);
    /// The server is overloaded, or the client does not keep up: it may try again later.
    pub const TRY_AGAIN: CloseCode = CloseCode(1013);

    /// Returns the code, if it may be sent in a close frame.
    ///
    /// ```
    /// use hansel_proto::websocket::CloseCode;
    ///
    /// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
    /// assert!(CloseCode::new(4001).is_some());
    /// assert_eq!(CloseCode::new(1006), None);
    /// ```
    pub const fn new(code: u16) -> Option<CloseCode> {
        match code {
            // RFC 6455 §7.4.1, and those registered since. 1004, 1005, 1006 and 1015 are reserved: an endpoint "MUST NOT
            // set [them] as a status code in a Close control frame".
            1000..=1003 | 1007..=1014 => Some(CloseCode(code)),
            // RFC 6455 §7.4.2: for libraries and applications.
            3000..=4999 => Some(CloseCode(code)),
            _ => None,
        }
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// The content of a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Close<'a> {
    /// The code, unless the frame has none.
    pub code: Option<CloseCode>,
    /// The reason, for logs.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the payload of a close frame.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Close<'a>> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            // RFC 6455 §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
            return payload.is_empty().then_some(Close { code: None, reason: "" });
        };
        Some(Close {
            code: Some(CloseCode::new(u16::from_be_bytes(*code))?),
            reason: std::str::from_utf8(reason).ok()?,
        })
    }
}
