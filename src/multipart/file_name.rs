//! A name for a file from the name that a client has sent: one that is safe to show and to store under.

/// The most bytes of a name, which is what file systems take.
const MOST: usize = 255;

/// Returns the last component of a path, without anything that a file system reads as something else than a name. There
/// is none if nothing is left.
pub(super) fn safe(sent: &str) -> Option<String> {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or("");
    let kept = last.chars().filter(|letter| !is_invisible(*letter));
    let mut name: String = kept
        .map(|letter| if is_special(letter) { '_' } else { letter })
        .collect();
    // A dot in front hides a file, or makes it a rule for its directory (`.htaccess`). Windows drops those at the end.
    let is_trimmed = |letter: char| letter == '.' || letter.is_whitespace();
    name = name.trim_matches(is_trimmed).to_owned();
    if is_device(&name) {
        name.insert(0, '_');
    }
    let mut end = name.len().min(MOST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name.truncate(name.trim_end_matches(is_trimmed).len());
    (!name.is_empty()).then_some(name)
}

/// Control characters, and those that change the direction of what is shown: `a[RLO]gpj.exe` looks like `aexe.jpg`.
fn is_invisible(letter: char) -> bool {
    let is_direction =
        matches!(letter, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || is_direction || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Returns true for what Windows does not take in names, or takes for a drive, a stream or a pattern.
fn is_special(letter: char) -> bool {
    matches!(letter, ':' | '<' | '>' | '"' | '|' | '?' | '*')
}

/// Names that Windows takes for devices, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind)?;
        Some(matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}"
        ))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM").or(numbered("LPT")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_last_component_is_left_of_a_path() {
        for (sent, name) in [
            ("photo.jpg", Some("photo.jpg")),
            ("/etc/passwd", Some("passwd")),
            ("../../etc/passwd", Some("passwd")),
            (r"C:\Users\gretel\a.txt", Some("a.txt")),
            (r"..\..\boot.ini", Some("boot.ini")),
            ("C:evil.exe", Some("C_evil.exe")),
            ("a.txt:stream", Some("a.txt_stream")),
            ("..", None),
            (".", None),
            ("...", None),
            ("", None),
            ("a/", None),
            (r"a\..", None),
            (" . ", None),
            ("\0\r\n", None),
            ("a\0b\r\n.txt", Some("ab.txt")),
            (".htaccess", Some("htaccess")),
            ("a.txt. . ", Some("a.txt")),
            ("NUL", Some("_NUL")),
            ("con.txt", Some("_con.txt")),
            ("com1 .x", Some("_com1 .x")),
            ("command.com", Some("command.com")),
            ("a\u{202e}gpj.exe", Some("agpj.exe")),
            ("M\u{fc}ller 12.pdf", Some("M\u{fc}ller 12.pdf")),
        ] {
            assert_eq!(safe(sent).as_deref(), name, "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_never_a_path_and_safe_again(sent in "(\\PC|[./\\\\: \r\n\0]|\u{fc}{200}){0,40}") {
            if let Some(name) = safe(&sent) {
                let path = Path::new(&name);
                let mut components = path.components();
                prop_assert!(matches!(components.next(), Some(Component::Normal(only)) if only == path.as_os_str()));
                prop_assert!(components.next().is_none());
                prop_assert!(!name.contains(['/', '\\', ':']) && !name.starts_with('.') && name.len() <= 255);
                prop_assert!(!name.chars().any(char::is_control));
                prop_assert_eq!(safe(&name), Some(name.clone()));
            }
        }
    }
}
