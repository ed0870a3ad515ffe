//! URLs, built back from the patterns of a map.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Why a URL can't be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// No route has this name.
    UnknownName(String),
    /// The pattern has this many parameters, and not as many values were given.
    Count {
        /// The pattern.
        pattern: String,
        /// How many it takes.
        takes: usize,
        /// How many there were.
        given: usize,
    },
    /// The pattern is a regular expression that is more than text and groups.
    NotReversible(String),
    /// The URL was built, and leads elsewhere or nowhere: a value does not fit its parameter.
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

/// What has a meaning in a path or may not stand in it (RFC 3986 §3.3: `pchar`).
const TEXT: &AsciiSet = &CONTROLS
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

/// As [`TEXT`], where slashes separate segments.
const VALUES: &AsciiSet = &TEXT.add(b'%');

/// What may not stand in one segment.
const VALUE: &AsciiSet = &VALUES.add(b'/');

/// Builds the path that `pattern` is with these values in the place of its parameters.
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
            Part::Text(text) => url.extend(utf8_percent_encode(text, TEXT)),
            Part::Value(set) => {
                let value = values.next().map(|value| value.to_string()).unwrap_or_default();
                url.extend(utf8_percent_encode(&value, set));
            }
        }
    }
    Ok(url)
}

enum Part<'p> {
    Text(&'p str),
    /// A parameter, and what its value may not contain.
    Value(&'static AsciiSet),
}

/// Takes a pattern apart: text, and parameters in braces, in which braces may nest: `{year:\d{4}}`.
fn parts(pattern: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '^', '(']) {
        // What is left of an expression that is more than text and groups.
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

/// Where the brace is that closes one that was opened before `text`.
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
    fn values_take_the_places_of_parameters() {
        assert_eq!(build("/", &[]).unwrap(), "/");
        assert_eq!(build("/people/{id}/x", &[&7]).unwrap(), "/people/7/x");
        assert_eq!(build("/{a}/{b}", &[&"x/y", &"ü?"]).unwrap(), "/x%2Fy/%C3%BC%3F");
        assert_eq!(build("/f/{*path}", &[&"x/y z"]).unwrap(), "/f/x/y%20z");
        assert_eq!(build(r"/{year:\d{4}}/é", &[&1970]).unwrap(), "/1970/%C3%A9");
        assert_eq!(build("/a%2Fb/{c}", &[&"%"]).unwrap(), "/a%2Fb/%25");
    }

    #[test]
    fn what_can_not_be_built_is_said() {
        assert!(matches!(
            build("/{a}", &[]),
            Err(UrlError::Count { takes: 1, given: 0, .. })
        ));
        assert!(matches!(build(r"^/(a|b)+$", &[&1]), Err(UrlError::NotReversible(_))));
    }
}
