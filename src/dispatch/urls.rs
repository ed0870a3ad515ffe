//! URLs that are built from the patterns of a map.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Why a URL can't be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// No [`App`](crate::App) handles the request that was asked for a URL.
    NoApp,
    /// No route has this name.
    UnknownName(String),
    /// The number of values is not the number of the pattern's parameters.
    Count {
        /// The pattern.
        pattern: String,
        /// The number of its parameters.
        takes: usize,
        /// The number of values.
        given: usize,
    },
    /// The pattern is a regular expression that has more than text and groups.
    NotReversible(String),
    /// The URL leads elsewhere or nowhere, because a value does not fit its parameter.
    LeadsElsewhere {
        /// The URL.
        url: String,
        /// The pattern it was built from.
        pattern: String,
    },
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::NoApp => f.write_str(
                "no `App` handles this request, and routes have names in an `App` only: call `url_for` in its handlers and \
                 hooks, or serve an `App`",
            ),
            UrlError::UnknownName(name) => write!(f, "no route is named `{name}`"),
            UrlError::Count { pattern, takes, given } => {
                write!(f, "`{pattern}` takes {takes} values, and {given} were given")
            }
            UrlError::NotReversible(pattern) => write!(
                f,
                "no URL can be built from `{pattern}`: it is more than text and groups"
            ),
            UrlError::LeadsElsewhere { url, pattern } => {
                write!(f, "`{url}` does not lead to `{pattern}`, from which it was built")
            }
        }
    }
}

impl std::error::Error for UrlError {}

/// The octets to encode in a value of several segments: those that are not allowed in a path (RFC 3986 §3.3: `pchar`),
/// and `%`.
const VALUES: &AsciiSet = &CONTROLS
    .add(b'%')
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']');

/// The octets to encode in a value of one segment.
const VALUE: &AsciiSet = &VALUES.add(b'/');

/// Builds a path from `pattern`, with these values for its parameters.
pub(crate) fn build(pattern: &str, values: &[&dyn fmt::Display]) -> Result<String, UrlError> {
    let parts = parts(pattern).ok_or_else(|| UrlError::NotReversible(pattern.to_owned()))?;
    let takes = parts.iter().filter(|part| matches!(part, Part::Value(_))).count();
    if takes != values.len() {
        return Err(UrlError::Count {
            pattern: pattern.to_owned(),
            takes,
            given: values.len(),
        });
    }
    let mut values = values.iter();
    let mut url = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                for (i, segment) in text.split('/').enumerate() {
                    url.push_str(if i > 0 { "/" } else { "" });
                    let decoded = percent_decode_str(segment).decode_utf8_lossy();
                    url.extend(utf8_percent_encode(&decoded, VALUE));
                }
            }
            Part::Value(set) => {
                let value = values.next().map(|value| value.to_string()).unwrap_or_default();
                url.extend(utf8_percent_encode(&value, set));
            }
        }
    }
    Ok(url)
}

/// Returns whether a client that resolves `path` as a reference, as a browser does, requests this very path of the same
/// host.
pub(crate) fn stays_as_it_is(path: &str) -> bool {
    // RFC 3986 §4.2: a reference that begins with two slashes names another host. The WHATWG URL standard reads a
    // backslash as a slash, and ignores tabs and line ends.
    let mut octets = path.bytes();
    let is_of_this_host = octets.next() == Some(b'/') && octets.next() != Some(b'/');
    let is_kept = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'\\' | b'?' | b'#');
    is_of_this_host && path.bytes().all(is_kept) && !path.as_bytes().split(|&octet| octet == b'/').any(is_dots)
}

/// Returns whether a client removes the segment when it resolves a path (RFC 3986 §5.2.4): one dot, or two.
fn is_dots(segment: &[u8]) -> bool {
    let is_end_or_dot = |rest: &[u8]| rest.is_empty() || behind_dot(rest).is_some_and(<[u8]>::is_empty);
    behind_dot(segment).is_some_and(is_end_or_dot)
}

/// Returns what follows a dot. The WHATWG URL standard reads `%2E` as one.
fn behind_dot(octets: &[u8]) -> Option<&[u8]> {
    match octets {
        [b'.', rest @ ..] | [b'%', b'2', b'E' | b'e', rest @ ..] => Some(rest),
        _ => None,
    }
}

enum Part<'p> {
    /// Segments, or parts of them, that may be percent-encoded.
    Text(&'p str),
    /// A parameter, and the octets to encode in its value.
    Value(&'static AsciiSet),
}

/// Splits a pattern into text and parameters in braces. Braces may nest, as in `{year:\d{4}}`.
fn parts(pattern: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '^']) {
        // An expression that has more than text and groups begins with `^`.
        let inside = rest[open..].strip_prefix('{')?;
        parts.push(Part::Text(&rest[..open]));
        let close = closing(inside)?;
        let name = &inside[..close];
        let several = name.starts_with('*') || name.contains(':');
        parts.push(Part::Value(if several { VALUES } else { VALUE }));
        rest = &inside[close + 1..];
    }
    parts.push(Part::Text(rest));
    Some(parts)
}

/// Returns the position of the brace that closes one opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, octet) in text.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(i),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_what_is_wrong() {
        let (pattern, url) = ("/{a}".to_owned(), "/b/c".to_owned());
        let count = UrlError::Count {
            pattern: pattern.clone(),
            takes: 1,
            given: 2,
        };
        for (error, text) in [
            (UrlError::UnknownName("x".into()), "no route is named `x`"),
            (count, "`/{a}` takes 1 values, and 2 were given"),
            (
                UrlError::NotReversible("^/.".into()),
                "no URL can be built from `^/.`: it is more than text and groups",
            ),
            (
                UrlError::LeadsElsewhere { url, pattern },
                "`/b/c` does not lead to `/{a}`, from which it was built",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn values_take_the_places_of_parameters() {
        assert_eq!(build("/", &[]).unwrap(), "/");
        assert_eq!(build("/people/{id}/x", &[&7]).unwrap(), "/people/7/x");
        assert_eq!(build("/{a}/{b}", &[&"x/y", &"ü?"]).unwrap(), "/x%2Fy/%C3%BC%3F");
        assert_eq!(build("/f/{*path}", &[&"x/y z"]).unwrap(), "/f/x/y%20z");
        assert_eq!(build(r"/{year:\d{4}}/é", &[&1970]).unwrap(), "/1970/%C3%A9");
        assert_eq!(build("/a%2Fb/{c}", &[&"%"]).unwrap(), "/a%2Fb/%25");
        assert_eq!(
            build("/%7Ba%7D/b(c)/100%/{d}", &[&"{}"]).unwrap(),
            "/%7Ba%7D/b(c)/100%25/%7B%7D"
        );
    }

    #[test]
    fn what_can_not_be_built_is_said() {
        assert!(matches!(
            build("/{a}", &[]),
            Err(UrlError::Count { takes: 1, given: 0, .. })
        ));
        assert!(matches!(build(r"^/(a|b)+$", &[&1]), Err(UrlError::NotReversible(_))));
    }

    #[test]
    fn a_path_stays_as_it_is_unless_it_is_resolved() {
        for path in [
            "/",
            "/a",
            "/a//b",
            "/a/",
            "/...",
            "/a/..b",
            "/a.",
            "/%2e%2e%2e",
            "/%2F..",
            "/:80",
            "/a@b",
            "/%5C%5Cb",
            "/%252e",
        ] {
            assert!(stays_as_it_is(path), "{path}");
        }
        for path in [
            "",
            "a",
            "//",
            "//b",
            "/\\b",
            "\\b",
            "/a\\b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/%2E%2e/b",
            "/.%2e",
            "/%2E.",
            "/\tb",
            "/\t/b",
            "/a\r\n",
            "/a b",
            "/é",
            "/a?b",
            "/a#b",
            "http://b/",
        ] {
            assert!(!stays_as_it_is(path), "{path}");
        }
    }
}
