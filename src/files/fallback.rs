//! The page of an application that has its own paths in the browser, for paths that lead to no file.

use crate::{Method, Request};

/// Returns true if a browser asks for a page, as it does when a user follows a link or reloads. Scripts, styles, images and
/// what scripts load do not accept HTML by name, so for them a file that is not there stays a 404.
pub(super) fn is_for_page(request: &Request) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    is_read
        && request
            .headers()
            .any(|(name, value)| name.eq_ignore_ascii_case("Accept") && names_html(value))
}

/// RFC 9110 §12.5.1: a list of media ranges, each with parameters; a weight of 0 means "not acceptable" (§12.4.2).
fn names_html(accept: &[u8]) -> bool {
    accept.split(|byte| *byte == b',').any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_html = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"text/html"));
        is_html && !parts.any(is_zero_weight)
    })
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter.strip_prefix(b"q=").or(parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_accepts_html_by_name_asks_for_a_page() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("Text/HTML ; charset=utf-8", true),
            ("*/*, text/html;q=0.1", true),
            ("*/*", false),
            ("text/*", false),
            ("text/html;q=0", false),
            ("text/html; q=0.000, */*", false),
            ("text/html5", false),
            ("", false),
        ] {
            let request = Request::get("/").with_header("Accept", accept);
            assert_eq!(is_for_page(&request), expected, "{accept}");
        }
        assert!(!is_for_page(&Request::get("/")));
        assert!(!is_for_page(&Request::post("/").with_header("Accept", "text/html")));
    }
}
