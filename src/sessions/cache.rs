//! The rules for caches of a response that depends on a session.

use crate::Response;

/// Shared caches keep nothing, and a browser asks again before it shows what it has kept. Not `no-store`: that would make
/// going back slow, and hides nothing from whoever has the browser.
const PRIVATE: &str = "private, no-cache";

/// Keeps a response that depends on a cookie from those that have another one.
///
/// A handler's own rules for caches stay, unless the response sets a session's cookie and a shared cache might keep it:
/// then others would be in the same session.
pub(super) fn mark(response: &mut Response, sets_cookie: bool) {
    // RFC 9110 §12.5.5: what the response was selected by.
    response.vary_by("Cookie");
    let is_said = response.header("Cache-Control").is_some();
    let is_private = lists(response, "Cache-Control", &["private", "no-store"]);
    if !is_said || (sets_cookie && !is_private) {
        response.set_header("Cache-Control", PRIVATE);
    }
}

/// Returns true if the headers of that name list one of these words.
fn lists(response: &Response, name: &str, words: &[&str]) -> bool {
    let lines = response.headers().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut elements = lines.flat_map(|(_, line)| line.split(|byte| *byte == b','));
    elements.any(|element| {
        words
            .iter()
            .any(|word| element.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(said: &str, sets_cookie: bool) -> String {
        let mut response = Response::default().with_header("Cache-Control", said);
        mark(&mut response, sets_cookie);
        response.header("Cache-Control").unwrap().to_owned()
    }

    #[test]
    fn a_response_is_private_unless_its_handler_says_otherwise() {
        let mut response = Response::default();
        mark(&mut response, false);
        assert_eq!(response.header("Cache-Control"), Some(PRIVATE));
        assert_eq!(response.header("Vary"), Some("Cookie"));
        assert_eq!(marked("public, max-age=60", false), "public, max-age=60");
    }

    #[test]
    fn a_response_that_sets_a_sessions_cookie_is_in_no_shared_cache_whatever_its_handler_says() {
        for said in ["public, max-age=60", "max-age=60", "no-cache", "private=\"X-A\"", ""] {
            assert_eq!(marked(said, true), PRIVATE, "{said}");
        }
        for said in ["no-store", "max-age=60, Private"] {
            assert_eq!(marked(said, true), said);
        }
    }
}
