//! Literal segments of patterns, and the notations of other routers, which are not literal.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The octets that have a meaning in patterns, here or in another router: [`literal`] takes them only encoded.
const PATTERN: &AsciiSet = &CONTROLS
    .add(b'%')
    .add(b'/')
    .add(b'?')
    .add(b'#')
    .add(b':')
    .add(b'*')
    .add(b'^')
    .add(b'\\')
    .add(b'{')
    .add(b'}')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'(')
    .add(b')');

/// Encodes a segment as a part of a pattern that matches this segment only.
pub(super) fn encoded(segment: &str) -> String {
    utf8_percent_encode(segment, PATTERN).to_string()
}

/// Decodes a literal segment of a pattern.
///
/// # Errors
/// If the segment can't be a part of a path, or another router would read it as a parameter. The text says what to
/// write instead, but not where.
pub(super) fn literal(segment: &str) -> Result<String, String> {
    if let Some(instead) = other_notation(segment) {
        return Err(instead);
    }
    if segment.contains(['{', '}']) {
        return Err(format!(
            "`{segment}` mixes text and braces: a parameter is a whole segment, `/{{name}}/`; \
             a brace itself is written %7B or %7D; for parts of a segment, use a regular expression"
        ));
    }
    if segment.contains(['?', '#']) {
        return Err(format!(
            "`{segment}` has a query or fragment, which a path never contains; a question mark itself is written %3F"
        ));
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    match decoded {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(format!("`{segment}` is not text")),
    }
}

/// Returns what to write for braces that contain something other than a name.
pub(super) fn in_braces(inside: &str) -> String {
    if inside == "$" {
        return "leave `{$}` out: a pattern ends where its text ends".to_owned();
    }
    let unstarred = inside.trim_start_matches(['*', '.']);
    let (name, behind) = split_name(unstarred);
    let is_rest = unstarred.len() < inside.len()
        || behind.starts_with(['*', '+'])
        || matches!(behind, "..." | ":path" | ":.*" | ":.+" | ":*");
    let hint = match behind.chars().next() {
        Some(':' | '=') if !name.is_empty() => "; the handler's argument says what type it is",
        Some('?') if !name.is_empty() => OPTIONAL,
        Some('*' | '+' | '.') if !name.is_empty() => "",
        None if is_rest && !name.is_empty() => "",
        _ => return format!("`{{{inside}}}` is not a name in braces, such as `{{id}}` or `{{*rest}}`"),
    };
    format!("write {} for `{{{inside}}}`{hint}", parameter(name, is_rest))
}

const OPTIONAL: &str = "; a part that may be absent takes two patterns, one without it";

/// Returns what to write instead if another router reads the segment as a parameter.
fn other_notation(segment: &str) -> Option<String> {
    let is_enclosed = |open, close| segment.starts_with(open) && segment.ends_with(close);
    let is_cut_off = |inside: &&str| !inside.contains('}') && inside.contains(':');
    if let Some(inside) = segment.strip_prefix('{').filter(is_cut_off) {
        // The path was split at a slash within the braces.
        return Some(in_braces(inside));
    }
    let is_expression =
        segment.contains('\\') || segment.contains("(?") || segment.contains("[^") || is_enclosed('(', ')');
    if is_expression {
        return Some(format!(
            "`{segment}` looks like a regular expression: write `hansel::regex(r\"..\")` for the whole pattern; \
             parentheses themselves are written %28 and %29, a backslash %5C"
        ));
    }
    if let Some(inside) = segment.strip_prefix(':').filter(|inside| !inside.is_empty()) {
        let (name, behind) = split_name(inside);
        let is_rest = behind.starts_with(['*', '+']);
        let optional = if behind.starts_with('?') { OPTIONAL } else { "" };
        return Some(format!(
            "write {} for `{segment}`{optional}; a colon itself is written %3A",
            parameter(name, is_rest)
        ));
    }
    if segment.contains(['<', '>']) {
        let inside = segment.strip_prefix('<').and_then(|inside| inside.strip_suffix('>'));
        return Some(match inside {
            Some(inside) => in_angles(segment, inside),
            None => format!(
                "`{segment}` mixes text and angle brackets: a parameter is a whole segment, `/{{name}}/`; \
                 angle brackets themselves are written %3C and %3E"
            ),
        });
    }
    if is_enclosed('[', ']') {
        let inside = segment.trim_matches(['[', ']']);
        let unstarred = inside.trim_start_matches(['*', '.']);
        let is_rest = unstarred.len() < inside.len();
        return Some(format!(
            "write {} for `{segment}`; brackets themselves are written %5B and %5D",
            parameter(split_name(unstarred).0, is_rest)
        ));
    }
    if segment.starts_with('*') || segment.ends_with('*') {
        let name = segment.trim_start_matches('*');
        return Some(if split_name(name).1.is_empty() {
            format!(
                "write {}, as the last segment, for `{segment}`; a star itself is written %2A",
                parameter(name, true)
            )
        } else {
            format!(
                "`{segment}` has a star, which stands for nothing else here: the rest of a path is `{{*rest}}`, as the last \
                 segment; a star itself is written %2A; for parts of a segment, use a regular expression"
            )
        });
    }
    None
}

/// Returns what to write for `<id>`, `<int:id>`, `<id:int>`, `<path:rest>` and `<rest..>`.
fn in_angles(segment: &str, inside: &str) -> String {
    const TYPES: [&str; 10] = [
        "int", "float", "string", "str", "slug", "uuid", "path", "any", "default", "re",
    ];
    let (name, kind) = match inside.split_once(':') {
        Some((kind, name)) if TYPES.contains(&kind) || name.is_empty() || !TYPES.contains(&name) => (name, kind),
        Some((name, kind)) => (name, kind),
        None => (inside, ""),
    };
    let (name, behind) = split_name(name);
    let is_rest = kind == "path" || behind == "..";
    format!(
        "write {} for `{segment}`; the handler's argument says what type it is; \
         angle brackets themselves are written %3C and %3E",
        parameter(name, is_rest)
    )
}

/// Splits `text` behind the name that it begins with.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns whether the name of a parameter may contain the character.
pub(super) fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn parameter(name: &str, is_rest: bool) -> String {
    match (name, is_rest) {
        ("", true) => "`{*rest}`".to_owned(),
        ("", false) => "`{name}`".to_owned(),
        (name, true) => format!("`{{*{name}}}`"),
        (name, false) => format!("`{{{name}}}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_notation_is_explained() {
        for (segment, instead) in [
            (":id", "write `{id}` for `:id`"),
            (
                ":id?",
                "write `{id}` for `:id?`; a part that may be absent takes two patterns",
            ),
            (":rest*", "write `{*rest}`"),
            (":rest+", "write `{*rest}`"),
            (":id.json", "write `{id}`"),
            (r":id(\d+)", "regular expression"),
            ("*", "write `{*rest}`"),
            ("**", "write `{*rest}`"),
            ("*path", "write `{*path}`"),
            ("**path", "write `{*path}`"),
            ("*.html", "has a star"),
            ("a*", "has a star"),
            ("<id>", "write `{id}`"),
            ("<int:id>", "write `{id}`"),
            ("<id:int>", "write `{id}`"),
            ("<path:rest>", "write `{*rest}`"),
            ("<rest:path>", "write `{*rest}`"),
            ("<rest..>", "write `{*rest}`"),
            (r"<id:re:\d+>", "regular expression"),
            ("<id>.json", "mixes text and angle brackets"),
            ("[id]", "write `{id}`"),
            ("[id=int]", "write `{id}`"),
            ("[...rest]", "write `{*rest}`"),
            ("[[...rest]]", "write `{*rest}`"),
            ("{id", "mixes text and braces"),
            ("{id:[^", "write `{id}`"),
            ("{id}.json", "mixes text and braces"),
            (r"(?P<id>\d+)", "regular expression"),
            (r"(?P<id>[^", "regular expression"),
            ("([a-z]+)", "regular expression"),
            (r"\d+", "regular expression"),
            ("x(?:y)", "regular expression"),
            ("x[^y]", "regular expression"),
            ("<int:path>", "write `{path}`"),
            ("<a:b>", "write `{b}`"),
            ("%00", "is not text"),
            ("%FF", "is not text"),
        ] {
            let problem = literal(segment).expect_err(segment);
            assert!(problem.contains(instead), "{segment}: {problem}");
        }
        for (inside, instead) in [
            ("id:int", "write `{id}` for `{id:int}`; the handler's argument says"),
            (r"id:\d+", "write `{id}`"),
            ("id=7", "write `{id}`"),
            ("id?", "write `{id}` for `{id?}`; a part that may be absent"),
            ("rest:path", "write `{*rest}`"),
            ("rest:.*", "write `{*rest}`"),
            ("...rest", "write `{*rest}`"),
            ("rest...", "write `{*rest}`"),
            ("**rest", "write `{*rest}`"),
            ("rest*", "write `{*rest}`"),
            ("*rest:path", "write `{*rest}`"),
            ("$", "leave `{$}` out"),
            ("", "is not a name"),
            ("*", "is not a name"),
            ("a b", "is not a name"),
            ("a-b", "is not a name"),
            (":int", "is not a name"),
            ("?", "is not a name"),
            ("+", "is not a name"),
        ] {
            let problem = in_braces(inside);
            assert!(problem.contains(instead), "{inside}: {problem}");
        }
    }

    #[test]
    fn text_that_only_resembles_a_notation_is_text() {
        for (segment, text) in [
            ("%3Aid", ":id"),
            ("%2A", "*"),
            ("%2Arest", "*rest"),
            ("%7Bid%7D", "{id}"),
            ("%3Cid%3E", "<id>"),
            ("%5Bid%5D", "[id]"),
            ("%28id%29", "(id)"),
            (":", ":"),
            ("a:b", "a:b"),
            ("a*b", "a*b"),
            ("%7B*%7D", "{*}"),
            ("a[0]", "a[0]"),
            ("Foo_(bar)", "Foo_(bar)"),
            ("$metadata", "$metadata"),
            ("@me", "@me"),
            ("100%", "100%"),
            ("a^b", "a^b"),
            ("~a;b=c,d", "~a;b=c,d"),
        ] {
            assert_eq!(literal(segment).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_segment_that_is_shown_reads_back_as_itself() {
        for segment in [
            ":id", "*", "{id}", "<id>", "[id]", "(id)", "100%", "%7B", "a/b", "a?b#c", "é", "^a", r"\d", "a b", "(?:x)",
        ] {
            assert_eq!(literal(&encoded(segment)).as_deref(), Ok(segment));
        }
        for c in (1..=0x17f).filter_map(char::from_u32) {
            for text in [format!("{c}"), format!("{c}a"), format!("a{c}"), format!("{c}a{c}")] {
                assert_eq!(literal(&encoded(&text)), Ok(text));
            }
        }
    }
}
