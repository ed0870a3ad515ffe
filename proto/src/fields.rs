//! Outgoing fields: checked when they are added, encoded once, copied as one piece.

use std::error::Error;
use std::fmt;

use crate::framing::{elements, trim};
use crate::scan;

/// The fields of a response, already in the form they are sent in.
///
/// What gets in is safe to send: names are tokens, values hold no control bytes, and fields the
/// protocol owns are refused or kept apart:
///
/// - `Transfer-Encoding`, `Keep-Alive`, `Proxy-Connection` and `Trailer` are refused: how a response
///   is framed is decided by [`Connection::respond`](crate::Connection::respond).
/// - `Content-Length` must be a number. It is sent where nobody but the application can know the
///   length (responses to HEAD, and 304), and never against the real length.
/// - `Connection` may say `close`, which closes; `keep-alive` changes nothing.
/// - `Date` and `Content-Type` win over the ones `respond` would write.
///
/// ```
/// use hansel_proto::FieldBlock;
///
/// let mut fields = FieldBlock::new();
/// fields.append("Set-Cookie", b"a=1")?;
/// fields.append("Set-Cookie", b"b=2")?;
/// fields.set("Content-Type", b"text/plain")?;
/// assert_eq!(fields.first("content-type"), Some(&b"text/plain"[..]));
/// assert!(fields.append("X-Split", b"a\r\nSet-Cookie: c=3").is_err());
/// # Ok::<(), hansel_proto::InvalidField>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldBlock {
    /// `name: value\r\n`, again and again.
    lines: Vec<u8>,
    special: Special,
    /// The [marks](mark) of all names: one that has no mark here need not be searched for.
    names: u64,
}

/// What is reserved with the first field: enough for those that most responses have.
const ROOM: usize = 256;

/// A bit that names of the same length and first letter share.
fn mark(name: &str) -> u64 {
    let first = name.as_bytes().first().map_or(0, |byte| byte | 0x20);
    1 << ((usize::from(first) + 7 * name.len()) % 64)
}

impl FieldBlock {
    /// No fields, and nothing allocated.
    pub const fn new() -> FieldBlock {
        FieldBlock {
            lines: Vec::new(),
            special: Special(0),
            names: 0,
        }
    }

    /// Adds a field behind the others. Whitespace around the value is not part of it.
    ///
    /// # Errors
    /// If it could not be sent, or is not the application's to send; the block is as before.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        let (value, special) = checked(name, value).map_err(|rule| InvalidField::new(name, rule))?;
        if special.has(Special::CONTENT_LENGTH) && self.special.has(Special::CONTENT_LENGTH) {
            return Err(InvalidField::new(name, FieldRule::OneLength));
        }
        self.push(name, value);
        self.special.add(special);
        Ok(())
    }

    /// Adds a field in the place of all others of that name.
    ///
    /// # Errors
    /// As [`append`](FieldBlock::append); the block is as before.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        let (value, special) = checked(name, value).map_err(|rule| InvalidField::new(name, rule))?;
        self.remove(name);
        self.push(name, value);
        self.special.add(special);
        Ok(())
    }

    /// Takes out every field of that name, in any case of letters; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.names & mark(name) == 0 {
            return false;
        }
        let mut special = Special(0);
        // What is kept moves up to here, once.
        let (mut at, mut kept) = (0, 0);
        while let Some(line) = self.line_at(at) {
            let end = line.end;
            if !scan::is_word(line.name.as_bytes(), name.as_bytes()) {
                special.add(Special::of(line.name, line.value));
                if kept < at {
                    self.lines.copy_within(at..end, kept);
                }
                kept += end - at;
            }
            at = end;
        }
        self.special = special;
        self.lines.truncate(kept);
        kept < at
    }

    /// Takes out every field and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.special = Special(0);
        self.names = 0;
    }

    /// The fields as `(name, value)`, in order.
    pub fn iter(&self) -> FieldBlockIter<'_> {
        FieldBlockIter { block: self, at: 0 }
    }

    /// The value of the first field of that name, in any case of letters.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        if self.names & mark(name) == 0 {
            return None;
        }
        self.iter()
            .find(|(other, _)| scan::is_word(other.as_bytes(), name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Whether there is a field of that name, in any case of letters.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn special(&self) -> Special {
        self.special
    }

    /// The bytes the fields take when sent.
    pub(crate) fn encoded_len(&self) -> usize {
        self.lines.len()
    }

    /// The application's Content-Length.
    pub(crate) fn content_length(&self) -> Option<u64> {
        if self.special.has(Special::CONTENT_LENGTH) {
            self.first("content-length").and_then(decimal)
        } else {
            None
        }
    }

    /// Appends all fields but `Content-Length` and `Connection`, which the protocol writes itself.
    #[inline]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if !self.special.has(Special::CONTENT_LENGTH | Special::CONNECTION) {
            out.extend_from_slice(&self.lines);
            return;
        }
        let mut at = 0;
        while let Some(line) = self.line_at(at) {
            if !Special::of(line.name, line.value).has(Special::CONTENT_LENGTH | Special::CONNECTION) {
                out.extend_from_slice(&self.lines[at..line.end]);
            }
            at = line.end;
        }
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        let room = if self.lines.is_empty() { ROOM } else { 0 };
        self.lines.reserve(room.max(name.len() + value.len() + 4));
        self.names |= mark(name);
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
    }

    fn line_at(&self, at: usize) -> Option<Line<'_>> {
        let rest = self.lines.get(at..)?;
        // Names hold no colon and values no CR: the first of each is the one `push` wrote.
        let colon = rest.iter().position(|&byte| byte == b':')?;
        let (name, behind) = rest.split_at(colon);
        let length = behind.iter().position(|&byte| byte == b'\r')?;
        let value = behind.get(2..length)?;
        let name = std::str::from_utf8(name).ok()?;
        Some(Line {
            name,
            value,
            end: at + colon + length + 2,
        })
    }
}

impl<'a> IntoIterator for &'a FieldBlock {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = FieldBlockIter<'a>;

    fn into_iter(self) -> FieldBlockIter<'a> {
        self.iter()
    }
}

/// The fields of a [`FieldBlock`]: see [`FieldBlock::iter`].
#[derive(Clone, Debug)]
pub struct FieldBlockIter<'a> {
    block: &'a FieldBlock,
    at: usize,
}

impl<'a> Iterator for FieldBlockIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<(&'a str, &'a [u8])> {
        let line = self.block.line_at(self.at)?;
        self.at = line.end;
        Some((line.name, line.value))
    }
}

struct Line<'a> {
    name: &'a str,
    value: &'a [u8],
    end: usize,
}

/// Which fields a block has that the protocol must know of: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Special(u8);

impl Special {
    pub(crate) const CONTENT_LENGTH: u8 = 1 << 0;
    pub(crate) const CONNECTION: u8 = 1 << 1;
    pub(crate) const CLOSE: u8 = 1 << 2;
    pub(crate) const DATE: u8 = 1 << 3;
    pub(crate) const CONTENT_TYPE: u8 = 1 << 4;
    pub(crate) const UPGRADE: u8 = 1 << 5;

    fn of(name: &str, value: &[u8]) -> Special {
        let is = |known: &str| scan::is_word(name.as_bytes(), known.as_bytes());
        Special(match name.len() {
            4 if is("date") => Special::DATE,
            7 if is("upgrade") => Special::UPGRADE,
            10 if is("connection") => {
                let close = elements(value).any(|option| scan::is_word(option, b"close"));
                Special::CONNECTION | if close { Special::CLOSE } else { 0 }
            }
            12 if is("content-type") => Special::CONTENT_TYPE,
            14 if is("content-length") => Special::CONTENT_LENGTH,
            _ => 0,
        })
    }

    /// Whether it has any of these.
    pub(crate) fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    fn add(&mut self, other: Special) {
        self.0 |= other.0;
    }
}

/// The value as it is sent, and what is special about the field.
fn checked<'v>(name: &str, value: &'v [u8]) -> Result<(&'v [u8], Special), FieldRule> {
    let value = trim(value);
    if !scan::is_token(name.as_bytes()) {
        return Err(FieldRule::Name);
    }
    // RFC 9110 §5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous".
    if !scan::is_value(value) {
        return Err(FieldRule::Value);
    }
    if is_of_framing(name) {
        return Err(FieldRule::Framing);
    }
    let special = Special::of(name, value);
    if special.has(Special::CONTENT_LENGTH) && decimal(value).is_none() {
        return Err(FieldRule::Length);
    }
    if special.has(Special::CONNECTION) && !elements(value).all(is_known_option) {
        return Err(FieldRule::Connection);
    }
    Ok((value, special))
}

/// Whether it is a field that says how a message is framed, or how a connection is kept.
fn is_of_framing(name: &str) -> bool {
    let own = match name.len() {
        7 => "trailer",
        10 => "keep-alive",
        16 => "proxy-connection",
        17 => "transfer-encoding",
        _ => return false,
    };
    scan::is_word(name.as_bytes(), own.as_bytes())
}

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`, as far as it can be counted.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn is_known_option(option: &[u8]) -> bool {
    scan::is_word(option, b"close") || scan::is_word(option, b"keep-alive")
}

/// A field that was not taken into a [`FieldBlock`]: its name and the rule against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    name: Box<str>,
    rule: FieldRule,
}

impl InvalidField {
    fn new(name: &str, rule: FieldRule) -> InvalidField {
        InvalidField {
            name: name.into(),
            rule,
        }
    }

    /// The name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rule it broke.
    pub fn rule(&self) -> FieldRule {
        self.rule
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {:?} cannot be sent: {}", self.name, self.rule)
    }
}

impl Error for InvalidField {}

/// Why a field cannot be part of a [`FieldBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldRule {
    /// The name is not a token (RFC 9110 §5.1).
    Name,
    /// The value holds a control byte, such as CR, LF or NUL (RFC 9110 §5.5).
    Value,
    /// How a response is framed is not the application's to say (RFC 9112 §6.1, RFC 9110 §7.6.1).
    Framing,
    /// A Content-Length is one decimal number (RFC 9110 §8.6).
    Length,
    /// There is a Content-Length already (RFC 9110 §8.6).
    OneLength,
    /// The only connection option an application has is `close` (RFC 9112 §9.6).
    Connection,
}

impl fmt::Display for FieldRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldRule::Name => "its name is not a token (RFC 9110 §5.1)",
            FieldRule::Value => "its value holds a control byte (RFC 9110 §5.5)",
            FieldRule::Framing => "how a response is framed is decided by the protocol (RFC 9110 §7.6.1)",
            FieldRule::Length => "its value is not one decimal number (RFC 9110 §8.6)",
            FieldRule::OneLength => "there is one already (RFC 9110 §8.6)",
            FieldRule::Connection => "close is the only option an application has (RFC 9112 §9.6)",
        })
    }
}
