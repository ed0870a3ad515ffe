//! Outgoing fields: checked when they are added, encoded once, copied at once.

use std::error::Error;
use std::fmt;

use crate::framing::{elements, trim};
use crate::scan;

/// The fields of a response, already encoded.
///
/// Every field in it is safe to send: names are tokens, and values contain no control bytes. Fields that belong to the
/// protocol are refused or handled separately:
///
/// - `Transfer-Encoding`, `Keep-Alive`, `Proxy-Connection` and `Trailer` are refused:
///   [`Connection::respond`](crate::Connection::respond) decides how a response is framed.
/// - `Content-Length` must be a number. It is sent where only the application can know the length (responses to HEAD,
///   and 304), and never if it contradicts the real length.
/// - `Connection` may be `close`, which closes the connection; `keep-alive` changes nothing.
/// - `Date` and `Content-Type` replace the ones that `respond` would write.
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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldBlock {
    /// Lines of the form `name: value\r\n`.
    lines: Vec<u8>,
    special: Special,
    /// The [marks](mark) of all names. A name whose mark is not in here is not in the block, which saves a search.
    names: u64,
}

/// Capacity reserved with the first field: enough for the fields of most responses.
const ROOM: usize = 256;

/// Returns one bit, shared by names of the same length and first letter.
fn mark(name: &str) -> u64 {
    let first = name.as_bytes().first().map_or(0, |byte| byte | 0x20);
    1 << ((usize::from(first) + 7 * name.len()) % 64)
}

impl FieldBlock {
    /// Creates a block without fields. Nothing is allocated.
    pub const fn new() -> FieldBlock {
        FieldBlock {
            lines: Vec::new(),
            special: Special(0),
            names: 0,
        }
    }

    /// Adds a field after the others. Whitespace around the value is removed.
    ///
    /// # Errors
    /// Returns an error if the field could not be sent, or belongs to the protocol. The block is unchanged then.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        let (value, special) = checked(name, value).map_err(|rule| InvalidField::new(name, rule))?;
        if special.has(Special::CONTENT_LENGTH) && self.special.has(Special::CONTENT_LENGTH) {
            return Err(InvalidField::new(name, FieldRule::OneLength));
        }
        self.push(name, value);
        self.special.add(special);
        Ok(())
    }

    /// Replaces all fields with that name by this one, which becomes the last field.
    ///
    /// # Errors
    /// Returns the errors of [`append`](FieldBlock::append). The block is unchanged then.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        let (value, special) = checked(name, value).map_err(|rule| InvalidField::new(name, rule))?;
        self.remove(name);
        self.push(name, value);
        self.special.add(special);
        Ok(())
    }

    /// Removes every field with that name, compared without case. Returns true if there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.names & mark(name) == 0 {
            return false;
        }
        let mut special = Special(0);
        // Kept lines move up to `kept`, each once.
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

    /// Removes every field and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.special = Special(0);
        self.names = 0;
    }

    /// Returns the fields as `(name, value)`, in order.
    pub fn iter(&self) -> FieldBlockIter<'_> {
        FieldBlockIter { block: self, at: 0 }
    }

    /// Returns the value of the first field with that name, compared without case.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        if self.names & mark(name) == 0 {
            return None;
        }
        self.iter()
            .find(|(other, _)| scan::is_word(other.as_bytes(), name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Returns true if there is a field with that name, compared without case.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Returns true if there are no fields.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn special(&self) -> Special {
        self.special
    }

    /// Returns the number of bytes of the encoded fields.
    pub(crate) fn encoded_len(&self) -> usize {
        self.lines.len()
    }

    /// Returns the Content-Length that the application has set.
    pub(crate) fn content_length(&self) -> Option<u64> {
        if self.special.has(Special::CONTENT_LENGTH) {
            self.first("content-length").and_then(decimal)
        } else {
            None
        }
    }

    /// Appends all fields except `Content-Length` and `Connection`, which the protocol writes itself.
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
        // Names contain no colon and values no CR, so the first of each is the one that `push` wrote.
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

/// Shows the names, but not the values: they may be secrets.
impl fmt::Debug for FieldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FieldBlock").field(&self.iter()).finish()
    }
}

/// Iterates over the fields of a [`FieldBlock`]: see [`FieldBlock::iter`].
#[derive(Clone)]
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

/// Shows the names that are left, but not the values: they may be secrets.
impl fmt::Debug for FieldBlockIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(name, _)| name)).finish()
    }
}

struct Line<'a> {
    name: &'a str,
    value: &'a [u8],
    end: usize,
}

/// A set of bits: the fields of a block that the protocol must know about.
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

    /// Returns true if any of these bits is set.
    pub(crate) fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    fn add(&mut self, other: Special) {
        self.0 |= other.0;
    }
}

/// Returns the value as it is sent, and which special field it is.
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

/// Returns true if it is a field that frames a message or controls a connection.
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

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`, as long as it fits into a `u64`.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn is_known_option(option: &[u8]) -> bool {
    scan::is_word(option, b"close") || scan::is_word(option, b"keep-alive")
}

/// The error for a field that a [`FieldBlock`] refused: its name and the rule it broke.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

    /// Returns the name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rule that it broke.
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

/// Why a [`FieldBlock`] refuses a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldRule {
    /// The name is not a token (RFC 9110 §5.1).
    Name,
    /// The value contains a control byte, such as CR, LF or NUL (RFC 9110 §5.5).
    Value,
    /// The application does not decide how a response is framed (RFC 9112 §6.1, RFC 9110 §7.6.1).
    Framing,
    /// A Content-Length is one decimal number (RFC 9110 §8.6).
    Length,
    /// There is a Content-Length already (RFC 9110 §8.6).
    OneLength,
    /// The only connection option that an application may set is `close` (RFC 9112 §9.6).
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A search that a mark spares is only worth something if most names differ in it.
    #[test]
    fn a_mark_tells_most_of_the_usual_names_apart() {
        let names = [
            "Accept-Ranges",
            "Access-Control-Allow-Origin",
            "Age",
            "Allow",
            "Cache-Control",
            "Connection",
            "Content-Disposition",
            "Content-Encoding",
            "Content-Language",
            "Content-Length",
            "Content-Range",
            "Content-Security-Policy",
            "Content-Type",
            "Date",
            "ETag",
            "Expires",
            "Last-Modified",
            "Link",
            "Location",
            "Referrer-Policy",
            "Retry-After",
            "Server",
            "Set-Cookie",
            "Strict-Transport-Security",
            "Upgrade",
            "Vary",
            "WWW-Authenticate",
            "X-Content-Type-Options",
            "X-Frame-Options",
            "X-Request-Id",
        ];
        let mut marks = names.map(mark);
        for (name, its) in names.iter().zip(marks) {
            assert_eq!(its.count_ones(), 1, "{name}");
            assert_eq!(mark(&name.to_ascii_lowercase()), its, "{name}");
        }
        marks.sort_unstable();
        let distinct = marks.chunk_by(|one, other| one == other).count();
        assert!(distinct >= 26, "{distinct}");
    }

    #[test]
    fn fields_take_as_many_bytes_as_is_said() {
        let mut block = FieldBlock::new();
        let mut out = Vec::new();
        for name in ["A", "Bc", "Set-Cookie"] {
            block.append(name, b"value").unwrap();
            out.clear();
            block.encode(&mut out);
            assert_eq!(block.encoded_len(), out.len());
        }
    }
}
