//! Responses that a browser saves as a file: RFC 6266.

use std::fmt::Write;

use super::Response;

/// # Downloads
impl Response {
    /// Makes browsers save the body as a file of this name instead of showing it, by the header `Content-Disposition`.
    ///
    /// The name may be any text. Slashes, backslashes and what can't be shown become underscores, so it never leads
    /// elsewhere than into the user's folder.
    ///
    /// ```
    /// use hansel::Response;
    ///
    /// let mut response = Response::new("year,sum\n");
    /// response.set_download_name("Überblick.csv");
    /// let disposition = "attachment; filename=\"_berblick.csv\"; filename*=UTF-8''%C3%9Cberblick.csv";
    /// assert_eq!(response.header("Content-Disposition"), Some(disposition));
    /// ```
    pub fn set_download_name(&mut self, name: &str) {
        self.set_header("Content-Disposition", attachment(name));
    }

    /// Sets the name of a download as [`set_download_name`](Response::set_download_name) does, and returns the response.
    ///
    /// ```
    /// use hansel::{Response, Routes};
    ///
    /// let routes = Routes::new().get("/people.csv", || Response::new("name\nGretel\n").with_download_name("people.csv"));
    /// ```
    pub fn with_download_name(mut self, name: &str) -> Response {
        self.set_download_name(name);
        self
    }
}

/// Returns the value of a Content-Disposition.
fn attachment(name: &str) -> String {
    let name: String = name.chars().map(shown).collect();
    // RFC 6266 appendix D: "Avoid including the percent character followed by two hexadecimal characters", because some
    // clients decode them; "Avoid using non-ASCII characters".
    let is_plain = |letter: char| (' '..='~').contains(&letter) && !matches!(letter, '"' | '%');
    let plain: String = name
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        // RFC 6266 §4.3: "When both "filename" and "filename*" are present [..], recipients SHOULD pick "filename*"".
        value.push_str("; filename*=UTF-8''");
        name.bytes().for_each(|octet| push_encoded(&mut value, octet));
    }
    value
}

fn shown(letter: char) -> char {
    if letter.is_control() || matches!(letter, '/' | '\\') {
        '_'
    } else {
        letter
    }
}

/// RFC 8187 §3.2.1: "value-chars = *( pct-encoded / attr-char )".
fn push_encoded(value: &mut String, octet: u8) {
    if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
        value.push(char::from(octet));
    } else {
        let _ = write!(value, "%{octet:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_encoded_so_that_it_ends_nothing_and_leads_nowhere() {
        for (name, plain, encoded) in [
            ("a b.txt", "a b.txt", None),
            ("", "", None),
            (
                "a\"; filename=\"b",
                "a_; filename=_b",
                Some("a%22%3B%20filename%3D%22b"),
            ),
            ("../../etc/passwd", ".._.._etc_passwd", None),
            ("C:\\a", "C:_a", None),
            ("a\r\nb\0", "a__b_", None),
            ("100%25.txt", "100_25.txt", Some("100%2525.txt")),
            ("ä", "_", Some("%C3%A4")),
        ] {
            let value = attachment(name);
            let expected = match encoded {
                Some(encoded) => format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"),
                None => format!("attachment; filename=\"{plain}\""),
            };
            assert_eq!(value, expected, "{name:?}");
            let response = Response::new("").with_download_name(name);
            assert_eq!(response.header("Content-Disposition"), Some(&*value));
            assert!(!response.is_faulty());
        }
    }
}
