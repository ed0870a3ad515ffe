//! A head read without knowledge of the rules: the proof of a difference must not come from either of the parsers that
//! differ.

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// The lines of a head, split at the first thing that looks like a separator.
pub struct Naive<'b> {
    /// How many empty lines came before it.
    pub empty_lines: usize,
    pub head: &'b [u8],
    pub method: &'b [u8],
    pub target: &'b [u8],
    pub version: &'b [u8],
    pub fields: Vec<(String, &'b [u8])>,
}

impl<'b> Naive<'b> {
    pub fn read(bytes: &'b [u8]) -> Naive<'b> {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').peekable();
        let mut empty_lines = 0;
        let mut start = 0;
        while let Some(line) = lines.next_if(|line| trimmed(line).is_empty() && line.ends_with(b"\n")) {
            empty_lines += 1;
            start += line.len();
        }
        let request_line = trimmed(lines.next().unwrap_or_default());
        let mut words = request_line.split(|&byte| byte == b' ');
        let mut length = start + request_line.len();
        let mut fields = Vec::new();
        for line in lines {
            length += line.len();
            let line = trimmed(line);
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            fields.push((name, line.get(colon + 1..).unwrap_or_default().trim_ascii()));
        }
        Naive {
            empty_lines,
            head: &bytes[..(length + 4).min(bytes.len())],
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            version: words.next().unwrap_or_default(),
            fields,
        }
    }

    pub fn values(&self, wanted: &str) -> Vec<&'b [u8]> {
        let named = self.fields.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| *value).collect()
    }

    /// The elements of a list, from all its field lines.
    pub fn list(&self, name: &str) -> Vec<String> {
        let lines = self.values(name);
        let elements = lines.iter().flat_map(|line| line.split(|&byte| byte == b','));
        let elements = elements.map(|element| String::from_utf8_lossy(element.trim_ascii()).to_ascii_lowercase());
        elements.filter(|element| !element.is_empty()).collect()
    }

    /// Scheme and authority of a target in absolute form.
    pub fn absolute(&self) -> Option<(&'b [u8], &'b [u8])> {
        let colon = self.target.windows(3).position(|three| three == b"://")?;
        let behind = &self.target[colon + 3..];
        let end = behind.iter().position(|byte| b"/?".contains(byte));
        Some((&self.target[..colon], &behind[..end.unwrap_or(behind.len())]))
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 3986 §3.2.2 and §3.2.3: a non-empty host and perhaps a port. Returns the port, if it has digits.
pub fn host_and_port(authority: &[u8]) -> Option<Option<u32>> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let name = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+";
        let future = r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+";
        Regex::new(&format!(
            r"\A(?:{name}|\[(?:{future}|(?<six>[0-9A-Fa-f:.]+))\])(?::(?<port>[0-9]*))?\z"
        ))
        .expect("a good expression")
    });
    let captures = FORM.captures(authority)?;
    if let Some(six) = captures.name("six") {
        String::from_utf8_lossy(six.as_bytes()).parse::<Ipv6Addr>().ok()?;
    }
    match captures.name("port").map(|port| port.as_bytes()) {
        None | Some(b"") => Some(None),
        Some(digits) => {
            let port = String::from_utf8_lossy(digits).parse::<u32>().ok()?;
            (port <= 65535).then_some(Some(port))
        }
    }
}

/// Returns true if a path consists of `pchar` and `/` (RFC 3986 §3.3), and of what other software does not escape.
pub fn is_path(path: &[u8]) -> bool {
    static FORM: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\A[A-Za-z0-9\-._~!$&'()*+,;=:@/%\[\]{}|^`]*\z").expect("a good expression"));
    FORM.is_match(path)
}

/// Returns true if a query consists of what RFC 3986 §3.4 allows, and of what browsers do not escape.
pub fn is_query(query: &[u8]) -> bool {
    static FORM: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\A[A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]{}|\\^`]*\z").expect("a good expression"));
    FORM.is_match(query)
}

/// RFC 3986 §2.1: returns true if every % has its two hexadecimal digits.
pub fn has_whole_escapes(target: &[u8]) -> bool {
    let escapes = target.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let mut digits = escapes.map(|(at, _)| target.get(at + 1..at + 3));
    digits.all(|digits| digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}
