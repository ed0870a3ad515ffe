//! Why a request is refused: the rule that it broke, what broke it, and the status for it.

use std::error::Error;
use std::fmt;

/// The error for a request that cannot be served and must not be guessed at.
///
/// After any refusal the connection must respond with [`status`](Refusal::status) and close, because it is no longer
/// certain where the next request would begin. `Display` is one sentence that names the rule, what broke it, and the
/// RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    reason: Reason,
    culprit: Culprit,
}

/// The bytes that broke the rule, if they are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Culprit {
    Unnamed,
    Byte(u8),
    Limit(u64),
}

impl Refusal {
    pub(crate) const fn new(reason: Reason) -> Refusal {
        Refusal {
            reason,
            culprit: Culprit::Unnamed,
        }
    }

    pub(crate) const fn byte(reason: Reason, byte: u8) -> Refusal {
        Refusal {
            reason,
            culprit: Culprit::Byte(byte),
        }
    }

    pub(crate) const fn limit(reason: Reason, limit: u64) -> Refusal {
        Refusal {
            reason,
            culprit: Culprit::Limit(limit),
        }
    }

    /// Returns the refusal of content that is larger than `limit` bytes, for a caller with limits of its own, such as
    /// one for each route, besides `Limits::body_bytes`.
    ///
    /// ```
    /// let refusal = hansel_proto::Refusal::content_too_large(1000);
    /// assert_eq!(refusal.status(), 413);
    /// assert!(refusal.to_string().contains("the limit is 1000"));
    /// ```
    pub const fn content_too_large(limit: u64) -> Refusal {
        Refusal::limit(Reason::ContentTooLarge, limit)
    }

    /// Returns the status of the response: 400, 408, 413, 414, 417, 431, 501 or 505.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// Returns the rule that was broken.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, sentence, section) = self.reason.rule();
        f.write_str(sentence)?;
        match self.culprit {
            Culprit::Unnamed => {}
            Culprit::Byte(byte) if byte.is_ascii_graphic() => {
                write!(f, ", not {:?}", byte as char)?;
            }
            Culprit::Byte(byte) => write!(f, ", not byte 0x{byte:02x}")?,
            Culprit::Limit(limit) => write!(f, "; the limit is {limit}")?,
        }
        write!(f, " ({section})")
    }
}

impl Error for Refusal {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $status:literal, $sentence:literal, $section:literal;)*) => {
        /// The rule that a refused request broke.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(
                #[doc = concat!("`", $status, "`: ", $sentence, " (", $section, ").")]
                $(#[$doc])*
                $name,
            )*
        }

        impl Reason {
            /// All reasons, for tables and tests.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            const fn rule(self) -> (u16, &'static str, &'static str) {
                match self {
                    $(Reason::$name => ($status, $sentence, $section),)*
                }
            }
        }
    };
}

impl Reason {
    /// Returns the status of the response to a request that is refused for this reason.
    pub fn status(self) -> u16 {
        self.rule().0
    }
}

reasons! {
    EmptyLines => 400, "only a few empty lines may precede a request line", "RFC 9112 §2.2";
    Method => 400, "a request must start with its method, a token, and one space", "RFC 9110 §9.1, RFC 9112 §3";
    MethodTooLong => 501, "the method is longer than any known method", "RFC 9112 §3";
    Target => 400, "a request target must consist of URI characters and end with one space", "RFC 9112 §3.2, RFC 3986 §3.3";
    TargetEscape => 400, "a % in a request target must be followed by two hexadecimal digits", "RFC 3986 §2.1";
    TargetTooLong => 414, "the request target is too long", "RFC 9112 §3";
    TargetForm => 400, "the form of the request target is not allowed for the method", "RFC 9112 §3.2";
    TargetScheme => 400, "the scheme of a request target must be http or https", "RFC 9112 §3.2.2, RFC 9110 §4.2";
    TargetUserInfo => 400, "a request target must not contain user information", "RFC 9110 §4.2.4";
    TargetAuthority => 400, "the authority of a request target must be a host with an optional port", "RFC 9110 §4.2.1, §9.3.6";
    MissingVersion => 400, "the request line has no protocol version", "RFC 9112 §3";
    Version => 400, "a request line must end with HTTP/, digit, dot, digit", "RFC 9112 §2.3";
    UnsupportedVersion => 505, "only HTTP/1.0 and HTTP/1.1 are supported", "RFC 9110 §15.6.6";
    BareCr => 400, "a CR must be followed by an LF", "RFC 9112 §2.2";
    BareLf => 400, "a line must end with CR LF, not with LF alone", "RFC 9112 §2.2";
    LeadingWhitespace => 400, "a field line must not start with whitespace or be folded", "RFC 9112 §2.2, §5.2";
    SpaceBeforeColon => 400, "there must be no whitespace between a field name and its colon", "RFC 9112 §5.1";
    FieldName => 400, "a field line must start with a name, a token, and a colon", "RFC 9110 §5.1, RFC 9112 §5";
    FieldValue => 400, "a field value must consist of visible characters, space and tab", "RFC 9110 §5.5";
    TooManyFields => 431, "there are too many field lines", "RFC 6585 §5";
    HeadTooLong => 431, "the head of the request is too long", "RFC 6585 §5";
    HostMissing => 400, "an HTTP/1.1 request must have a Host field", "RFC 9112 §3.2";
    HostRepeated => 400, "a request must have only one Host field line", "RFC 9112 §3.2";
    Host => 400, "a Host field must be a host with an optional port", "RFC 9112 §3.2";
    ContentLength => 400, "a Content-Length must be one decimal number", "RFC 9112 §6.3";
    ContentLengthRepeated => 400, "a request must have only one Content-Length field line", "RFC 9112 §6.3";
    LengthAndCoding => 400, "a request must not have both a Content-Length and a Transfer-Encoding", "RFC 9112 §6.1";
    CodingBefore11 => 400, "an HTTP/1.0 request must not have a Transfer-Encoding", "RFC 9112 §6.1";
    TransferEncoding => 400, "the transfer coding of a request must end with chunked, applied once", "RFC 9112 §6.3";
    UnknownCoding => 501, "chunked is the only supported transfer coding", "RFC 9112 §6.1";
    Expectation => 417, "100-continue is the only supported expectation", "RFC 9110 §10.1.1";
    ContentTooLarge => 413, "the content of the request is too large", "RFC 9110 §15.5.14";
    ChunkSize => 400, "a chunk must start with its size in hexadecimal digits, then an extension or CR LF", "RFC 9112 §7.1";
    ChunkExtension => 400, "a chunk extension must be a token, or a token, = and a token or quoted string", "RFC 9112 §7.1.1";
    ChunkLinesTooLong => 413, "the lines between the chunks are too long for the content they carry", "RFC 9112 §7.1.1";
    ChunkEnd => 400, "chunk data must end with CR LF after exactly the announced size", "RFC 9112 §7.1";
    TrailersTooLong => 431, "the trailer section is too long", "RFC 6585 §5";
    Incomplete => 400, "the connection ended before the request did", "RFC 9112 §8";
    /// This crate has no clock and never returns it by itself. It is for
    /// [`Connection::refuse`](crate::Connection::refuse).
    Timeout => 408, "the request took too long to arrive", "RFC 9110 §15.5.9";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_one_sentence_with_culprit_and_source() {
        let byte = Refusal::byte(Reason::FieldName, b'/');
        assert_eq!(
            byte.to_string(),
            "a field line must start with a name, a token, and a colon, not '/' (RFC 9110 §5.1, RFC 9112 §5)"
        );
        let control = Refusal::byte(Reason::FieldValue, 0);
        assert_eq!(
            control.to_string(),
            "a field value must consist of visible characters, space and tab, not byte 0x00 (RFC 9110 §5.5)"
        );
        let limit = Refusal::limit(Reason::TargetTooLong, 8192);
        assert_eq!(
            limit.to_string(),
            "the request target is too long; the limit is 8192 (RFC 9112 §3)"
        );
    }

    #[test]
    fn every_reason_has_an_error_status_and_names_its_source() {
        for &reason in Reason::ALL {
            assert!((400..600).contains(&reason.status()), "{reason:?}");
            assert!(Refusal::new(reason).to_string().contains("(RFC "), "{reason:?}");
        }
    }
}
