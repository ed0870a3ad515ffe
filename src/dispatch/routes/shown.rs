//! Shows regular expressions as templates: `^/hello/(?P<username>\w+)/$` is `/hello/{username:\w+}/`.

use regex_syntax::ast::{AssertionKind, Ast, Group, GroupKind, parse::Parser};

use crate::dispatch::notation;

/// Returns an expression as a template, if it consists of text and groups only. Other expressions are returned with a
/// `^` before them, so they do not look like templates.
pub(super) fn shown(expression: &str) -> String {
    let ast = Parser::new().parse(expression).ok();
    if let Some(template) = ast.as_ref().and_then(|ast| template(ast, expression)) {
        return template;
    }
    match ast {
        _ if expression.starts_with('^') => expression.to_owned(),
        Some(Ast::Alternation(_)) => format!("^(?:{expression})"),
        _ => format!("^{expression}"),
    }
}

fn template(ast: &Ast, expression: &str) -> Option<String> {
    let parts = match ast {
        Ast::Concat(concat) => &concat.asts[..],
        other => std::slice::from_ref(other),
    };
    let mut shown = String::new();
    let last = parts.len().checked_sub(1)?;
    for (i, part) in parts.iter().enumerate() {
        match part {
            Ast::Assertion(assertion) if i == 0 && assertion.kind == AssertionKind::StartLine => {}
            Ast::Assertion(assertion) if i == last && assertion.kind == AssertionKind::EndLine => {}
            Ast::Literal(literal) if literal.c == '/' => shown.push('/'),
            Ast::Literal(literal) => shown.push_str(&notation::encoded(literal.c.encode_utf8(&mut [0; 4]))),
            Ast::Group(group) => shown.push_str(&parameter(group, expression)?),
            _ => return None,
        }
    }
    shown.starts_with('/').then_some(shown)
}

/// Returns a capturing group as a parameter.
fn parameter(group: &Group, expression: &str) -> Option<String> {
    let name = match &group.kind {
        GroupKind::CaptureIndex(_) => "",
        GroupKind::CaptureName { name, .. } => &*name.name,
        GroupKind::NonCapturing(_) => return None,
    };
    let span = group.ast.span();
    let inside = expression.get(span.start.offset..span.end.offset)?;
    // A group inside would be a capture of its own, and a brace without its pair would end the parameter elsewhere.
    (!has_group(&group.ast) && is_paired(inside)).then(|| format!("{{{name}:{inside}}}"))
}

fn has_group(ast: &Ast) -> bool {
    match ast {
        Ast::Group(_) => true,
        Ast::Repetition(repetition) => has_group(&repetition.ast),
        Ast::Alternation(alternation) => alternation.asts.iter().any(has_group),
        Ast::Concat(concat) => concat.asts.iter().any(has_group),
        _ => false,
    }
}

/// Returns whether braces are balanced.
fn is_paired(text: &str) -> bool {
    let depth = text.bytes().try_fold(0_usize, |depth, octet| match octet {
        b'{' => Some(depth + 1),
        b'}' => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_groups_are_a_template() {
        for (expression, template) in [
            (r"^/$", "/"),
            (r"^/hello/(?P<username>\w+)/$", r"/hello/{username:\w+}/"),
            (r"^/(\d{4})/(?<month>\d\d)\.html$", r"/{:\d{4}}/{month:\d\d}.html"),
            (r"^/([)(])$", r"/{:[)(]}"),
            (r"^/([{])$", r"^/([{])$"),
            (r"^/(a|b)$", r"/{:a|b}"),
            (r"^/\{a\}/100%41$", "/%7Ba%7D/100%2541"),
            (r"^/a\?b$", "/a%3Fb"),
            (r"(?i)^/a$", r"^(?i)^/a$"),
            (r"/a.b", r"^/a.b"),
            (r"/a|/b", r"^(?:/a|/b)"),
            (r"^/a|/b$", r"^/a|/b$"),
            (r"^/a?$", r"^/a?$"),
            (r"^/(a)?$", r"^/(a)?$"),
            (r"^/(?:a|b)$", r"^/(?:a|b)$"),
            (r"^/((a)b)$", r"^/((a)b)$"),
            (r"\w+", r"^\w+"),
            (r"^/cost\$", "/cost$"),
            (r"^/((a)+)$", r"^/((a)+)$"),
            (r"^/((a)|b)$", r"^/((a)|b)$"),
            (r"/a^/b", r"^/a^/b"),
            (r"^/a$/b", r"^/a$/b"),
            (r"\b/a", r"^\b/a"),
            (r"^/a\b", r"^/a\b"),
        ] {
            assert_eq!(shown(expression), template, "{expression}");
        }
    }
}
