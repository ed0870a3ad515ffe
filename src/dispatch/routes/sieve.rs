//! Which regular expressions a path can match at all, found in one pass over its segments.
//!
//! Most expressions say for each segment either what it is (`/hello`) or that it is something without a
//! slash (`/\w+`). That much of them goes into one tree, in which a path finds the few that are worth
//! running. What is not understood is always worth running, so the sieve never decides what matches.

use std::collections::HashMap;

/// What an expression asks of the segments of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Needs {
    /// For each segment its text, or `None` for any.
    segments: Vec<Option<String>>,
    /// Whether more segments may follow.
    is_open: bool,
}

/// A tree of the needs of all expressions.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    named: HashMap<String, Node>,
    any: Option<Box<Node>>,
    /// The expressions that need no more, of paths that end here.
    end: Vec<usize>,
    /// The same, of paths that may go on.
    open: Vec<usize>,
}

impl Sieve {
    pub(super) fn build<'p>(expressions: impl Iterator<Item = &'p str>) -> Sieve {
        let mut sieve = Sieve::default();
        for (i, expression) in expressions.enumerate() {
            let needs = needs(expression);
            let mut node = &mut sieve.root;
            for segment in needs.segments {
                node = match segment {
                    Some(text) => node.named.entry(text).or_default(),
                    None => node.any.get_or_insert_default(),
                };
            }
            if needs.is_open { &mut node.open } else { &mut node.end }.push(i);
        }
        sieve
    }

    /// The numbers of the expressions that `text` may match, in order. The text is empty, or begins with
    /// a slash.
    pub(super) fn candidates(&self, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.root.collect(text.strip_prefix('/'), &mut found);
        found.sort_unstable();
        found
    }
}

impl Node {
    /// `left` is what follows the slash after this node, if there is one.
    fn collect(&self, left: Option<&str>, found: &mut Vec<usize>) {
        found.extend(&self.open);
        let Some(left) = left else {
            found.extend(&self.end);
            return;
        };
        let (segment, behind) = match left.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (left, None),
        };
        if let Some(node) = self.named.get(segment) {
            node.collect(behind, found);
        }
        if let Some(node) = &self.any {
            node.collect(behind, found);
        }
    }
}

/// What an expression asks of segments, as far as it is understood.
fn needs(expression: &str) -> Needs {
    let nothing = Needs {
        segments: Vec::new(),
        is_open: true,
    };
    let body = expression.strip_prefix('^').unwrap_or(expression);
    if has_alternatives(body) {
        return nothing;
    }
    let Some(mut rest) = body.strip_prefix('/') else {
        return nothing;
    };
    let mut needs = nothing;
    let mut segment = Some(String::new());
    loop {
        match rest {
            "" => {
                // The end of a match is the end of a segment; an empty beginning says nothing.
                if segment.as_deref() != Some("") {
                    needs.segments.push(segment);
                }
                return needs;
            }
            "$" => {
                needs.segments.push(segment);
                needs.is_open = false;
                return needs;
            }
            _ => {}
        }
        let Some((atom, behind)) = atom(rest) else {
            return needs;
        };
        let (quantifier, behind) = quantifier(behind);
        rest = behind;
        match atom {
            Atom::Text('/') if quantifier.is_empty() => needs.segments.push(segment.replace(String::new())),
            Atom::Text('/') | Atom::Unknown => return needs,
            Atom::Text(c) if quantifier.is_empty() => segment = segment.map(|text| text + c.encode_utf8(&mut [0; 4])),
            Atom::Text(_) | Atom::WithoutSlash => segment = None,
        }
    }
}

/// The smallest part of an expression that a quantifier may follow.
#[derive(Debug, PartialEq, Eq)]
enum Atom {
    Text(char),
    /// Something that never matches a slash.
    WithoutSlash,
    Unknown,
}

/// The first atom of `text`, and what follows it. `None` where nothing is understood.
fn atom(text: &str) -> Option<(Atom, &str)> {
    let mut rest = text.chars();
    let atom = match rest.next()? {
        '\\' => match rest.next()? {
            'w' | 'd' | 's' => Atom::WithoutSlash,
            c if c.is_ascii_punctuation() => Atom::Text(c),
            _ => return None,
        },
        '[' => return class(text),
        '(' => return group(text),
        '.' => Atom::Unknown,
        ')' | ']' | '{' | '}' | '*' | '+' | '?' | '|' | '^' | '$' => return None,
        c => Atom::Text(c),
    };
    Some((atom, rest.as_str()))
}

/// A class in brackets. Only the plain ones are understood: `[a-z0-9_-]`, `[^/]`.
fn class(text: &str) -> Option<(Atom, &str)> {
    let inside = text.strip_prefix('[')?;
    let (inside, behind) = inside.split_once(']')?;
    let (is_negated, inside) = match inside.strip_prefix('^') {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    if inside.is_empty() || inside.contains(['[', '&', '~']) || inside.contains("--") {
        return None;
    }
    let mut has_slash = false;
    let mut rest = inside.chars().peekable();
    while let Some(first) = rest.next() {
        if first == '\\' {
            match rest.next()? {
                'w' | 'd' | 's' => continue,
                c if c.is_ascii_punctuation() => has_slash |= c == '/',
                _ => return None,
            }
            continue;
        }
        let mut last = first;
        if rest.peek() == Some(&'-') {
            let mut ahead = rest.clone();
            ahead.next();
            if let Some(end) = ahead.next() {
                (last, rest) = (end, ahead);
                if last == '\\' {
                    return None;
                }
            }
        }
        has_slash |= (first..=last).contains(&'/');
    }
    let atom = if has_slash == is_negated {
        Atom::WithoutSlash
    } else {
        Atom::Unknown
    };
    Some((atom, behind))
}

/// A group: without a slash if all that is in it is.
fn group(text: &str) -> Option<(Atom, &str)> {
    let mut rest = text.strip_prefix('(')?;
    if let Some(special) = rest.strip_prefix('?') {
        rest = match special.strip_prefix(':') {
            Some(rest) => rest,
            None => {
                special
                    .strip_prefix('P')
                    .unwrap_or(special)
                    .strip_prefix('<')?
                    .split_once('>')?
                    .1
            }
        };
    }
    let mut is_without = true;
    loop {
        if let Some(behind) = rest.strip_prefix(')') {
            let atom = if is_without { Atom::WithoutSlash } else { Atom::Unknown };
            return Some((atom, behind));
        }
        if let Some(behind) = rest.strip_prefix('|') {
            rest = behind;
            continue;
        }
        let (inner, behind) = atom(rest)?;
        is_without &= !matches!(inner, Atom::Unknown | Atom::Text('/'));
        rest = quantifier(behind).1;
    }
}

/// A quantifier at the beginning of `text`, and what follows it.
fn quantifier(text: &str) -> (&str, &str) {
    let plain = match text.bytes().next() {
        Some(b'*' | b'+' | b'?') => 1,
        Some(b'{') => text.find('}').map_or(0, |close| close + 1),
        _ => 0,
    };
    let lazy = plain > 0 && text[plain..].starts_with('?');
    text.split_at(plain + usize::from(lazy))
}

/// Whether there is a `|` outside of all groups. One that is escaped or in a class counts too: to ask for
/// less is never wrong.
fn has_alternatives(text: &str) -> bool {
    let mut depth = 0_usize;
    for octet in text.bytes() {
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expression: &str) -> String {
        let needs = needs(expression);
        let segments: Vec<_> = needs
            .segments
            .iter()
            .map(|segment| segment.as_deref().unwrap_or("*"))
            .collect();
        format!("{}{}", segments.join("/"), if needs.is_open { ".." } else { "" })
    }

    #[test]
    fn what_is_understood_is_asked_for() {
        for (expression, needs) in [
            (r"^/$", ""),
            (r"^/hello/(?P<username>\w+)/$", "hello/*/"),
            (r"^/hello/(?P<username>\w+)", "hello/*.."),
            (r"^/hello", "hello.."),
            (r"^/a/", "a.."),
            (r"^/(\d{4})/(?<m>\d\d?)-x/[^/]+$", "*/*/*"),
            (r"^/a\.b/(?:x|y[a-z_-])+?/c$", "a.b/*/c"),
            (r"^/ab?/c$", "*/c"),
        ] {
            assert_eq!(shown(expression), needs, "{expression}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_asked_for() {
        for (expression, needs) in [
            (r"^/a/(.*)/b$", "a.."),
            (r"^/a/?$", ".."),
            (r"^/a/(b/c)/d$", "a.."),
            (r"^/a|/b$", ".."),
            (r"(?i)^/a$", ".."),
            (r"^/(?i)a$", ".."),
            (r"^/a/[!-~]/b$", "a.."),
            (r"^/a/[^a]/b$", "a.."),
            (r"^/a/\pL/b$", "a.."),
            (r"^/a/\W/b$", "a.."),
            (r"^$", ".."),
            (r"\w+", ".."),
        ] {
            assert_eq!(shown(expression), needs, "{expression}");
        }
    }

    /// Whatever matches is among the candidates.
    #[test]
    fn nothing_that_matches_falls_through() {
        let expressions = [
            r"^/$",
            r"^/a$",
            r"^/a",
            r"^/a/",
            r"^/a/?$",
            r"^/(\w*)$",
            r"^/\w+/b$",
            r"^/(.*)$",
            r"^/[^/]*/b$",
            r"^/a/(b|c)?$",
            r"^/a|/b",
            r"^$",
            r"",
            r"/",
            r"^/a/{1,2}b",
            r"(?i)/A",
            r"^/[a-c]{1,}/$",
            r"^/a*?b?$",
            r"^/a/[]/]b",
            r"^/(?x) a # comment",
            r"^/a\/b$",
            r"^/[+-9]/b$",
            r"^/[^\d]/b$",
        ];
        let expressions: Vec<_> = expressions
            .into_iter()
            .filter_map(|text| Some((text, regex::Regex::new(&format!(r"\A(?:{text})")).ok()?)))
            .collect();
        let sieve = Sieve::build(expressions.iter().map(|(text, _)| *text));
        for path in [
            "", "/", "/a", "/a/", "//a", "//", "/b", "/a/b", "/a//b", "/A", "/a/c", "/ab", "/x/b", "///b", "/a/b/c",
        ] {
            let candidates = sieve.candidates(path);
            for (i, (text, regex)) in expressions.iter().enumerate() {
                let ends = regex
                    .find(path)
                    .and_then(|found| super::super::regexes::taken(path, found.end()));
                assert!(ends.is_none() || candidates.contains(&i), "{text} on {path}");
            }
        }
    }
}
