//! A regular expression, shown as a template: `^/hello/(?P<username>\w+)/$` as `/hello/{username:\w+}/`.

/// The template an expression is, if it is only text and groups; else itself.
pub(super) fn shown(expression: &str) -> String {
    template(expression).unwrap_or_else(|| expression.to_owned())
}

fn template(expression: &str) -> Option<String> {
    let body = expression.strip_prefix('^').unwrap_or(expression);
    let mut rest = body
        .strip_suffix('$')
        .filter(|body| !body.ends_with('\\'))
        .unwrap_or(body);
    let mut shown = String::new();
    while let Some(next) = rest.chars().next() {
        match next {
            '(' => {
                let end = group_end(rest)?;
                shown.push_str(&parameter(&rest[1..end])?);
                rest = &rest[end + 1..];
                if rest.starts_with(['?', '*', '+', '{']) {
                    return None;
                }
                continue;
            }
            '\\' => {
                let escaped = rest[1..].chars().next().filter(|c| c.is_ascii_punctuation())?;
                match escaped {
                    '{' => shown.push_str("%7B"),
                    '}' => shown.push_str("%7D"),
                    _ => shown.push(escaped),
                }
                rest = &rest[1 + escaped.len_utf8()..];
                continue;
            }
            '.' | '*' | '+' | '?' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | ')' => return None,
            _ => shown.push(next),
        }
        rest = &rest[next.len_utf8()..];
    }
    shown.starts_with('/').then_some(shown)
}

/// A group without its parentheses, as a parameter.
fn parameter(group: &str) -> Option<String> {
    if group.contains('(') {
        return None;
    }
    let Some(special) = group.strip_prefix('?') else {
        return Some(format!("{{:{group}}}"));
    };
    let (name, inner) = special
        .strip_prefix('P')
        .unwrap_or(special)
        .strip_prefix('<')?
        .split_once('>')?;
    Some(format!("{{{name}:{inner}}}"))
}

/// Where the parenthesis is that closes the one that `text` begins with.
fn group_end(text: &str) -> Option<usize> {
    let (mut depth, mut in_class, mut is_escaped) = (0_usize, false, false);
    for (i, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class && depth == 1 => return Some(i),
            b')' if !in_class => depth -= 1,
            _ => {}
        }
    }
    None
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
            (r"^/([)(])$", r"^/([)(])$"),
            (r"^/a?$", r"^/a?$"),
            (r"^/(a)?$", r"^/(a)?$"),
            (r"^/(?:a|b)$", r"^/(?:a|b)$"),
            (r"^/((a)b)$", r"^/((a)b)$"),
            (r"\w+", r"\w+"),
            (r"^/cost\$", "/cost$"),
        ] {
            assert_eq!(shown(expression), template, "{expression}");
        }
    }
}
