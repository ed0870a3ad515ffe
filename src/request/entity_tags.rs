//! Conditions on entity tags: RFC 9110 §13.1.1 and §13.1.2.

use super::{Request, lists};

/// Returns whether If-Match lists the tag of the current representation, as [`Request::if_match`] documents.
pub(super) fn if_match(request: &Request, current: Option<&str>) -> Option<bool> {
    // RFC 9110 §8.8.3.2: in the strong comparison "two entity tags are equivalent if both are not weak and their
    // opaque-tags match character-by-character".
    let is_current = |tag: &[u8]| current.is_some_and(|current| current.as_bytes() == tag && !tag.starts_with(b"W/"));
    has_tag(request, "if-match", is_current)
}

/// Returns whether If-None-Match lists the tag of the current representation.
pub(super) fn if_none_match(request: &Request, current: Option<&str>) -> Option<bool> {
    // RFC 9110 §8.8.3.2: in the weak comparison they are "regardless of either or both being tagged as 'weak'".
    let is_current = |tag: &[u8]| current.is_some_and(|current| opaque(current.as_bytes()) == opaque(tag));
    has_tag(request, "if-none-match", is_current)
}

/// Returns whether a list of tags has one that `is_current`, or is `*`. None if there is no such header.
fn has_tag(request: &Request, name: &'static str, is_current: impl Fn(&[u8]) -> bool) -> Option<bool> {
    let mut found = None;
    for line in lists::lines(request, name) {
        // RFC 9110 §13.1.1, §13.1.2: `*` is true if "the origin server has a current representation".
        let is_match = line == b"*" || Tags(line).any(&is_current);
        found = Some(found.unwrap_or(false) || is_match);
    }
    found
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tags of a list. RFC 9110 §8.8.3: `entity-tag = [ weak ] opaque-tag`, `opaque-tag = DQUOTE *etagc DQUOTE`,
/// so there may be commas in one. What is no tag is left out.
struct Tags<'v>(&'v [u8]);

impl<'v> Iterator for Tags<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        loop {
            let begin = self.0.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
            let rest = self.0.get(begin..)?;
            let opaque = opaque(rest);
            let len = match opaque.strip_prefix(b"\"") {
                None => 0,
                Some(inner) => match inner.iter().position(|byte| *byte == b'"') {
                    Some(end) => rest.len() - opaque.len() + end + 2,
                    // A quote that is never closed takes the rest.
                    None => return None,
                },
            };
            let behind = rest.get(len..).unwrap_or_default();
            let skipped = behind.iter().position(|byte| *byte == b',').unwrap_or(behind.len());
            let (behind, next) = behind.split_at(skipped);
            self.0 = next;
            if len > 0 && behind.trim_ascii().is_empty() {
                return rest.get(..len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &str) -> Vec<&str> {
        Tags(list.as_bytes())
            .map(|tag| std::str::from_utf8(tag).unwrap())
            .collect()
    }

    #[test]
    fn s8_8_3_a_list_of_tags_is_taken_apart() {
        assert_eq!(tags(r#""a""#), [r#""a""#]);
        assert_eq!(tags(r#""a", W/"b" ,"c""#), [r#""a""#, r#"W/"b""#, r#""c""#]);
        assert_eq!(
            tags(r#" , ,"a,b",, """#),
            [r#""a,b""#, r#""""#],
            "a comma in a tag, and an empty one"
        );
        assert_eq!(tags(r#"a, "b""#), [r#""b""#], "what is no tag is left out");
        assert_eq!(tags(r#"w/"a", W"b", "c"x, "d""#), [r#""d""#]);
        assert_eq!(tags(r#""a", "b"#), [r#""a""#], "never closed");
        for none in ["", ",", "\"", "W/", "W/\"", "*", "a"] {
            assert_eq!(tags(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn s8_8_3_2_if_match_compares_strongly_and_if_none_match_weakly() {
        for (own, theirs, strong, weak) in [
            ("\"1\"", "\"1\"", true, true),
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "W/\"1\"", false, true),
            ("\"1\"", "\"2\", \"1\"", true, true),
            ("\"1\"", "*", true, true),
            ("\"1\"", "1", false, false),
            ("\"1\"", "", false, false),
        ] {
            let request = Request::get("/")
                .with_header("If-Match", theirs)
                .with_header("If-None-Match", theirs);
            assert_eq!(request.if_match(Some(own)), Some(strong), "{own} {theirs}");
            assert_eq!(request.if_none_match(Some(own)), Some(weak), "{own} {theirs}");
            let is_any = theirs == "*";
            assert_eq!(
                (request.if_match(None), request.if_none_match(None)),
                (Some(is_any), Some(is_any))
            );
        }
        let plain = Request::get("/");
        assert_eq!((plain.if_match(Some("\"1\"")), plain.if_none_match(None)), (None, None));
    }
}
