//! The segments of a path that may name a file or a directory.

use std::fmt;

/// Why a segment never names a file here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is empty, `.` or `..`.
    Dots,
    /// It has a slash, a backslash or a NUL in it.
    Separator,
    /// It begins with a dot.
    Hidden,
    /// The system gives the name a meaning of its own.
    System,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Dots => "an empty segment, `.` or `..` names no file",
            Refused::Separator => "a slash, backslash or NUL in a segment is part of no name",
            Refused::Hidden => "names that begin with a dot are hidden; see `Files::hidden`",
            Refused::System => "the system gives this name a meaning of its own",
        })
    }
}

/// Checks one decoded segment.
pub(super) fn check(segment: &str, is_first: bool, shows_hidden: bool) -> Result<(), Refused> {
    if matches!(segment, "" | "." | "..") {
        return Err(Refused::Dots);
    }
    if segment.bytes().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
        return Err(Refused::Separator);
    }
    // RFC 8615 §3: well-known locations are below `/.well-known/`, which is the only place for them.
    if segment.starts_with('.') && !shows_hidden && !(is_first && segment == ".well-known") {
        return Err(Refused::Hidden);
    }
    if cfg!(windows) && is_special_on_windows(segment) {
        return Err(Refused::System);
    }
    Ok(())
}

/// Returns true for names that Windows reads as something else: devices, streams (`file::$DATA`), drives, wildcards, and
/// names whose last dots and spaces it ignores.
fn is_special_on_windows(name: &str) -> bool {
    let has_special = |byte: u8| byte < b' ' || matches!(byte, b'<' | b'>' | b':' | b'"' | b'|' | b'?' | b'*');
    if name.bytes().any(has_special) || name.ends_with(['.', ' ']) {
        return true;
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    if DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return true;
    }
    // COM1 to COM9 and LPT1 to LPT9, and so with superscript digits.
    let Some((port, number)) = stem.char_indices().nth(3).map(|(at, _)| stem.split_at(at)) else {
        return false;
    };
    let is_port = port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT");
    is_port
        && matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_and_nothing_else() {
        for name in ["a", "a.txt", "é", "a b", "%2e%2e", "...", "a..b", "~root", "-", "C:"] {
            assert_eq!(check(name, true, true), Ok(()), "{name}");
        }
        for dots in ["", ".", ".."] {
            assert_eq!(check(dots, true, true), Err(Refused::Dots), "{dots}");
        }
        for name in ["a/b", "/", "../a", "a\\b", "..\\a", "a\0b", "\0"] {
            assert_eq!(check(name, true, true), Err(Refused::Separator), "{name}");
        }
    }

    #[test]
    fn dot_files_are_hidden_but_for_well_known_at_the_root() {
        for name in [".git", ".env", "...", ".well-known2"] {
            assert_eq!(check(name, true, false), Err(Refused::Hidden), "{name}");
            assert_eq!(check(name, true, true), Ok(()), "{name}");
        }
        assert_eq!(check(".well-known", true, false), Ok(()));
        assert_eq!(check(".well-known", false, false), Err(Refused::Hidden));
    }

    #[test]
    fn what_windows_reads_as_something_else_is_known() {
        for name in [
            "con", "NUL", "nul.txt", "aux .txt", "COM1", "lpt9.log", "COM¹", "a:b", "a::$DATA", "a.", "a ", "a?",
            "CONIN$",
        ] {
            assert!(is_special_on_windows(name), "{name}");
        }
        for name in [
            "a",
            "console",
            "com",
            "com10",
            "nulls.txt",
            "é",
            "a.b",
            "auxiliary",
            "日本語の名前",
        ] {
            assert!(!is_special_on_windows(name), "{name}");
        }
    }
}
