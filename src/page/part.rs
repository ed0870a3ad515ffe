//! The patterns of a map, split into parts for the comparison with a path.

/// The part of a pattern between two slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'p> {
    /// Literal text; empty for a slash at the end.
    Literal(&'p str),
    /// `{id}`: one segment.
    Parameter(&'p str),
    /// `{String?}`: one segment, or none.
    Maybe(&'p str),
    /// `{*path}`: all that follows.
    Rest(&'p str),
    /// A part of a regular expression.
    Expression(&'p str),
}

impl<'p> Part<'p> {
    /// Returns the part as it is written in the pattern.
    pub(super) fn text(self) -> &'p str {
        match self {
            Part::Literal(text)
            | Part::Parameter(text)
            | Part::Maybe(text)
            | Part::Rest(text)
            | Part::Expression(text) => text,
        }
    }

    /// Returns true if `segment` may match this part.
    pub(super) fn fits(self, segment: &str) -> bool {
        match self {
            Part::Literal(text) => text == segment,
            _ => !segment.is_empty(),
        }
    }

    fn read(text: &'p str, is_expression: bool) -> Part<'p> {
        match text.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')) {
            Some(inside) if inside.starts_with('*') => Part::Rest(text),
            Some(inside) if inside.ends_with('?') => Part::Maybe(text),
            Some(_) => Part::Parameter(text),
            None if is_expression && text.contains(['(', '[', '\\', '.', '*', '+', '?', '|']) => Part::Expression(text),
            None => Part::Literal(text),
        }
    }
}

/// Returns the parts of a pattern; none for `/`.
pub(super) fn parts(pattern: &str) -> Vec<Part<'_>> {
    // A regular expression follows the path of its mount: `/calc^/hello/(\w+)/$`.
    let (path, expression) = pattern.split_once('^').unwrap_or((pattern, ""));
    let mut parts: Vec<Part<'_>> = Vec::new();
    if let Some(path) = path.strip_prefix('/').filter(|path| !path.is_empty()) {
        parts.extend(path.split('/').map(|text| Part::read(text, false)));
    }
    let expression = expression.strip_suffix('$').unwrap_or(expression);
    if let Some(expression) = expression.strip_prefix('/').filter(|rest| !rest.is_empty()) {
        parts.extend(split(expression).map(|text| Part::read(text, true)));
    }
    parts
}

/// Splits an expression at the slashes that are outside of groups and classes.
fn split(expression: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    expression.split(move |c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_every_style_are_taken_apart() {
        assert_eq!(parts("/"), []);
        assert_eq!(parts("/a/{b}"), [Part::Literal("a"), Part::Parameter("{b}")]);
        assert_eq!(
            parts("/a/{u32}/{String?}/"),
            [
                Part::Literal("a"),
                Part::Parameter("{u32}"),
                Part::Maybe("{String?}"),
                Part::Literal("")
            ]
        );
        assert_eq!(parts("/f/{*path}"), [Part::Literal("f"), Part::Rest("{*path}")]);
        assert_eq!(
            parts(r"/sub^/hello/(?P<a>[^/]+)/$"),
            [
                Part::Literal("sub"),
                Part::Literal("hello"),
                Part::Expression("(?P<a>[^/]+)"),
                Part::Literal("")
            ]
        );
        assert_eq!(parts("^/$"), []);
    }
}
