//! Path arguments: the types that a segment can be read as.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// A type that one segment of a path can be read as, so handlers can take it as an argument.
///
/// It is implemented for numbers, `bool`, `char`, `String`, `PathBuf` and the IP addresses of [`std::net`]. For a type
/// of your own that has [`FromStr`](std::str::FromStr), [`from_segment!`](crate::from_segment) implements it.
///
/// ```
/// use hansel::dispatch::FromSegment;
///
/// struct Isbn(String);
///
/// impl FromSegment for Isbn {
///     fn from_segment(segment: &str) -> Option<Isbn> {
///         (segment.len() == 13 && segment.bytes().all(|b| b.is_ascii_digit())).then(|| Isbn(segment.into()))
///     }
///
///     fn expected() -> &'static str {
///         "ISBN of 13 digits"
///     }
/// }
/// # assert!(Isbn::from_segment("9783161484100").is_some_and(|isbn| isbn.0.starts_with("978")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be read from a segment of a path",
    note = "implement `hansel::dispatch::FromSegment` for it, or write `hansel::from_segment!({Self});` if it has `FromStr`"
)]
pub trait FromSegment: Sized {
    /// Reads a decoded segment. After `None`, the next route that matches is tried; if there is none, the response is
    /// 404.
    fn from_segment(segment: &str) -> Option<Self>;

    /// Describes a valid segment, for explanations: "`x` is not a ...".
    fn expected() -> &'static str {
        short_name(std::any::type_name::<Self>())
    }
}

/// Implements [`FromSegment`] for types that have [`FromStr`](std::str::FromStr).
///
/// ```
/// #[derive(Debug, PartialEq)]
/// enum Colour { Red, Green }
///
/// impl std::str::FromStr for Colour {
///     type Err = ();
///     fn from_str(name: &str) -> Result<Colour, ()> {
///         match name {
///             "red" => Ok(Colour::Red),
///             "green" => Ok(Colour::Green),
///             _ => Err(()),
///         }
///     }
/// }
///
/// hansel::from_segment!(Colour);
///
/// fn paint(colour: Colour) -> String {
///     format!("Now it is {colour:?}.")
/// }
/// # let app = hansel::App::new(hansel::Routes::new().get("/paint/{colour}", paint));
/// # assert!(app.explain(hansel::Method::GET, "/paint/red").is_found());
/// # assert!(!app.explain(hansel::Method::GET, "/paint/blue").is_found());
/// ```
#[macro_export]
macro_rules! from_segment {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::dispatch::FromSegment for $type {
            fn from_segment(segment: &str) -> ::std::option::Option<Self> {
                segment.parse().ok()
            }
        }
    )+};
}

from_segment!(u64, u128, i64, i128, f32, f64, bool, char, IpAddr, Ipv4Addr, Ipv6Addr);

/// Numbers that are parsed as a larger type: the code that parses a number is large, and is compiled for each type.
macro_rules! from_larger {
    ($larger:ty: $($type:ty),+) => {$(
        impl FromSegment for $type {
            fn from_segment(segment: &str) -> Option<$type> {
                <$larger>::from_segment(segment)?.try_into().ok()
            }
        }
    )+};
}

from_larger!(u64: u8, u16, u32, usize);
from_larger!(i64: i8, i16, i32, isize);

impl FromSegment for String {
    fn from_segment(segment: &str) -> Option<String> {
        Some(segment.to_owned())
    }
}

impl FromSegment for PathBuf {
    /// Reads a relative path without `..`, so that joining it to a folder stays below that folder. It has no `.` and no
    /// empty parts either, so each file has one path. It may be empty, which is the folder, and may end with a slash.
    fn from_segment(segment: &str) -> Option<PathBuf> {
        // On Windows, a backslash separates parts, and a colon names a drive: neither is allowed anywhere.
        if segment.contains(['\\', ':']) {
            return None;
        }
        let mut parts = segment.strip_suffix('/').unwrap_or(segment).split('/');
        let is_plain = segment.is_empty() || parts.all(|part| !matches!(part, "" | "." | ".."));
        is_plain.then(|| PathBuf::from(segment))
    }

    fn expected() -> &'static str {
        "relative path without `..`"
    }
}

/// Returns the last part of the full name of a type or function: `alloc::string::String` is `String`.
pub(crate) fn short_name(full: &'static str) -> &'static str {
    let octets = full.as_bytes();
    let mut depth = 0_usize;
    for (i, octet) in octets.iter().enumerate().rev() {
        match octet {
            b'>' => depth += 1,
            b'<' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => return plain(&full[i + 1..]),
            _ => {}
        }
    }
    plain(full)
}

/// Returns a name without the `r#` of raw identifiers.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// Returns the name of a type without path and parameters: `demo::Potato<'_>` is `Potato`.
pub(crate) fn type_name<T>() -> &'static str {
    let name = short_name(std::any::type_name::<T>());
    name.split('<').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_must_be_is_said_when_it_is_not() {
        let routes = crate::Routes::new().get("/files/{*path}", |path: PathBuf| path.display().to_string());
        let trail = crate::App::new(routes)
            .explain(crate::Method::GET, "/files/../x")
            .to_string();
        assert!(trail.contains("`../x` is not a relative path without `..`"), "{trail}");
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        let bad = [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a\\..\\b",
            "c:x",
            "..",
            "a/./../b",
            "/",
            "/a",
            "a/..",
        ];
        let other_paths_of_one_file = ["a/./b", "a//b", "./a", ".", "a//", "a/."];
        for bad in bad.into_iter().chain(other_paths_of_one_file) {
            assert_eq!(PathBuf::from_segment(bad), None, "{bad}");
        }
        for good in ["", "a", "a/", ".ssh/id", "...", "~root"] {
            assert_eq!(PathBuf::from_segment(good), Some(PathBuf::from(good)));
        }
        assert_eq!(PathBuf::from_segment("a/b.txt"), Some(PathBuf::from("a/b.txt")));
    }

    #[test]
    fn a_number_is_one_of_its_type() {
        assert_eq!(
            ["0", "+255", "256", "-1", "", "x"].map(u8::from_segment),
            [Some(0), Some(255), None, None, None, None]
        );
        assert_eq!(
            ["127", "-128", "128", "-129"].map(i8::from_segment),
            [Some(127), Some(-128), None, None]
        );
        assert_eq!(
            ["4294967295", "4294967296"].map(u32::from_segment),
            [Some(u32::MAX), None]
        );
        assert_eq!(usize::from_segment("18446744073709551616"), None);
    }

    #[test]
    fn names_are_short_in_explanations() {
        assert_eq!(<u32 as FromSegment>::expected(), "u32");
        assert_eq!(<String as FromSegment>::expected(), "String");
        assert_eq!(<Ipv4Addr as FromSegment>::expected(), "Ipv4Addr");
        assert_eq!(short_name("a::B<c::D>"), "B<c::D>");
        assert_eq!(short_name("<a::B as c::D>::verbs"), "verbs");
        assert_eq!(short_name("a::B<'_>::get"), "get");
        assert_eq!(short_name("a::r#move"), "move");
        assert_eq!(short_name("r#type<a::B>"), "type<a::B>");
    }
}
