//! The decisions of the fields of a head: where the body ends (RFC 9112 §6), which host is meant (§3.2), whether the
//! connection persists (§9.3), and whether the client waits for `100 Continue`.

use crate::host;
use crate::lines::{self, Field};
use crate::refusal::{Reason, Refusal};
use crate::scan;
use crate::span::Span;
use crate::version::Version;

/// The framing of the body of a request (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 9112 §6.3 delimits a request in no other way"
)]
pub enum Framing {
    /// Neither Content-Length nor Transfer-Encoding: there is no body.
    #[default]
    None,
    /// Exactly that many bytes; a Content-Length of 0 is `Length(0)`.
    Length(u64),
    /// Chunks, up to the one of size zero.
    Chunked,
}

impl Framing {
    /// Returns true if content may follow.
    fn has_content(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }
}

/// The decisions that the fields of a section make.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decided {
    /// The value of the Host field.
    pub(crate) host: Option<Span>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

/// Derives from the fields of a complete section what the protocol needs, and refuses what it forbids. `known_host` is
/// a Host value that was valid before; an empty one is valid as well.
#[inline]
pub(crate) fn settle(fields: &[Field], bytes: &[u8], version: Version, known_host: &[u8]) -> Result<Decided, Refusal> {
    let mut seen = Seen::default();
    for field in fields {
        match Deciding::of(field.name.of(bytes)) {
            None => {}
            Some(Deciding::Host) => {
                seen.hosts += 1;
                seen.host = Some(field.value);
            }
            Some(Deciding::Expect) => seen.expect = true,
            Some(Deciding::Connection) => {
                seen.connections += 1;
                seen.connection = field.value.of(bytes);
            }
            Some(Deciding::ContentLength) => {
                seen.lengths += 1;
                seen.length = field.value.of(bytes);
            }
            Some(Deciding::TransferEncoding) => seen.transfer_encoding = true,
        }
    }
    check_host(bytes, &seen, version, known_host)?;
    let framing = framing(bytes, &seen, version, fields)?;
    let expects_continue = seen.expect && expects_continue(bytes, version, fields)?;
    Ok(Decided {
        host: seen.host,
        framing,
        keep_alive: keep_alive(bytes, &seen, version, fields),
        expects_continue: expects_continue && framing.has_content(),
    })
}

/// The fields that decide something here. The values of all others decide nothing.
enum Deciding {
    Host,
    Expect,
    Connection,
    ContentLength,
    TransferEncoding,
}

impl Deciding {
    /// Returns the field of that name.
    #[inline(always)]
    fn of(name: &[u8]) -> Option<Deciding> {
        // The length rules out nearly every other name without a comparison.
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => Some(Deciding::Host),
            6 if is(b"expect") => Some(Deciding::Expect),
            10 if is(b"connection") => Some(Deciding::Connection),
            14 if is(b"content-length") => Some(Deciding::ContentLength),
            17 if is(b"transfer-encoding") => Some(Deciding::TransferEncoding),
            _ => None,
        }
    }
}

/// The deciding fields that a head has.
#[derive(Default)]
struct Seen<'b> {
    hosts: usize,
    host: Option<Span>,
    lengths: usize,
    length: &'b [u8],
    transfer_encoding: bool,
    connections: usize,
    connection: &'b [u8],
    expect: bool,
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
/// request message that lacks a Host header field and to any request message that contains more
/// than one Host header field line or a Host header field with an invalid field value."
#[inline(always)]
fn check_host(bytes: &[u8], seen: &Seen<'_>, version: Version, known_host: &[u8]) -> Result<(), Refusal> {
    match (seen.hosts, seen.host) {
        (2.., _) => Err(Refusal::new(Reason::HostRepeated)),
        (_, Some(value)) if value.of(bytes) == known_host || host::is_host(value.of(bytes)) => Ok(()),
        (_, Some(_)) => Err(Refusal::new(Reason::Host)),
        (_, None) if version == Version::Http10 => Ok(()),
        (_, None) => Err(Refusal::new(Reason::HostMissing)),
    }
}

/// RFC 9112 §6.3, the rules for requests: 3, 4, 5 and 7.
#[inline(always)]
fn framing(bytes: &[u8], seen: &Seen<'_>, version: Version, fields: &[Field]) -> Result<Framing, Refusal> {
    match (seen.transfer_encoding, seen.lengths) {
        (false, 0) => Ok(Framing::None),
        (false, 1) => content_length(seen.length).map(Framing::Length),
        // RFC 9110 §8.6 lets a recipient take repeated equal values as one, or refuse them. A sender of two has already
        // lost track of its framing.
        (false, _) => Err(Refusal::new(Reason::ContentLengthRepeated)),
        // RFC 9112 §6.1: "A server or client that receives an HTTP/1.0 message containing a
        // Transfer-Encoding header field MUST treat the message as if the framing is faulty".
        (true, _) if version == Version::Http10 => Err(Refusal::new(Reason::CodingBefore11)),
        // RFC 9112 §6.1: "A server MAY reject a request that contains both Content-Length and
        // Transfer-Encoding"; they are how requests are smuggled (§11.2).
        (true, 1..) => Err(Refusal::new(Reason::LengthAndCoding)),
        (true, 0) => transfer_encoding(bytes, fields),
    }
}

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`. A number that is too large to count exceeds every limit.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() {
        return Err(Refusal::new(Reason::ContentLength));
    }
    let mut length = 0u64;
    for &digit in value {
        if !digit.is_ascii_digit() {
            return Err(Refusal::byte(Reason::ContentLength, digit));
        }
        length = length.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    match length {
        u64::MAX => Err(Refusal::limit(Reason::ContentTooLarge, u64::MAX - 1)),
        _ => Ok(length),
    }
}

/// RFC 9112 §6.3: "If a Transfer-Encoding header field is present in a request and the chunked
/// transfer coding is not the final encoding, the message body length cannot be determined
/// reliably; the server MUST respond with the 400 (Bad Request) status code and then close".
#[inline(never)]
fn transfer_encoding(bytes: &[u8], fields: &[Field]) -> Result<Framing, Refusal> {
    let mut values = lines::values(fields, bytes, b"transfer-encoding");
    match (values.next(), values.next()) {
        (Some(value), None) if scan::is_word(value, b"chunked") => return Ok(Framing::Chunked),
        _ => {}
    }
    // Only that one word is accepted: every other spelling is read differently by some server.
    if has_element(bytes, fields, b"transfer-encoding", &mut is_unknown_coding) {
        // RFC 9112 §6.1: "A server that receives a request message with a transfer coding it does
        // not understand SHOULD respond with 501 (Not Implemented)."
        return Err(Refusal::new(Reason::UnknownCoding));
    }
    Err(Refusal::new(Reason::TransferEncoding))
}

/// Returns true if this names a coding, with or without parameters, that is not a misspelt `chunked`.
fn is_unknown_coding(coding: &[u8]) -> bool {
    let name = coding
        .split(|&byte| matches!(byte, b';' | b' ' | b'\t'))
        .next()
        .unwrap_or_default();
    let has_space_inside = name.len() < coding.len() && !coding.contains(&b';');
    scan::is_token(name) && !has_space_inside && !scan::is_word(name, b"chunked")
}

/// RFC 9112 §9.3: "close" decides first, then HTTP/1.1 persists, then HTTP/1.0 with "keep-alive" does.
#[inline(always)]
fn keep_alive(bytes: &[u8], seen: &Seen<'_>, version: Version, fields: &[Field]) -> bool {
    // These are nearly all values that clients send.
    match (seen.connections, seen.connection) {
        (0, _) => return version == Version::Http11,
        (1, option) if option.eq_ignore_ascii_case(b"keep-alive") => return true,
        (1, option) if option.eq_ignore_ascii_case(b"close") => return false,
        _ => {}
    }
    !has_option(bytes, fields, b"close") && (version == Version::Http11 || has_option(bytes, fields, b"keep-alive"))
}

/// Returns true if `option` is one of the connection options.
#[inline(never)]
fn has_option(bytes: &[u8], fields: &[Field], option: &[u8]) -> bool {
    has_element(bytes, fields, b"connection", &mut |element| {
        scan::is_word(element, option)
    })
}

/// Returns true if `is_it` holds for an element of a field with that name.
#[inline(never)]
fn has_element(bytes: &[u8], fields: &[Field], name: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    lines::values(fields, bytes, name).any(|value| elements(value).any(&mut *is_it))
}

/// RFC 9110 §10.1.1: "A server that receives an Expect field value containing a member other than
/// 100-continue MAY respond with a 417 (Expectation Failed) status code", and one "that receives a
/// 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation".
#[inline(never)]
fn expects_continue(bytes: &[u8], version: Version, fields: &[Field]) -> Result<bool, Refusal> {
    if version == Version::Http10 {
        return Ok(false);
    }
    let mut expected = false;
    let expects_more = has_element(bytes, fields, b"expect", &mut |expectation| {
        expected = true;
        !scan::is_word(expectation, b"100-continue")
    });
    if expects_more {
        return Err(Refusal::new(Reason::Expectation));
    }
    Ok(expected)
}

/// RFC 9110 §5.6.1: the elements of a list, of which "a recipient MUST parse and ignore a reasonable
/// number of empty list elements".
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Removes the optional whitespace around a value: SP and HTAB, nothing else.
#[inline]
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    match value {
        // Nearly all values have none.
        [first, .., last] if *first > b' ' && *last > b' ' => value,
        _ => trim_all(value),
    }
}

#[inline(never)]
fn trim_all(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
