//! Patterns: templates such as `/people/{id}`, and regular expressions.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::dispatch::arguments::Tail;

/// What a path has to look like: a template, or a regular expression.
///
/// A template is made from text. `{name}` stands for one segment that is not empty, `{*name}` at the end
/// for the rest; anything else stands for itself, and may be percent-encoded.
///
/// ```
/// use hansel::{Routes, regex};
///
/// Routes::new()
///     .get("/people/{id}", |id: u32| id.to_string())
///     .get("/files/{*path}", |path: String| path)
///     .post(regex(r"^/(\d{4})/(\d\d)$"), |year: u16, month: u8| format!("{month}/{year}"));
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    pub(super) text: String,
    /// As it is shown on a map and in a trail.
    pub(super) shown: String,
    pub(super) kind: Result<PatternKind, String>,
}

#[derive(Clone, Debug)]
pub(super) enum PatternKind {
    Template(Template),
    #[cfg(feature = "regex")]
    Regex(super::regexes::Expression),
}

/// A template, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) tokens: Vec<Token>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) has_rest: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Decoded text, slashes before segments included; NUL stands for a slash inside a segment.
    Literal(Vec<u8>),
    /// One segment that is not empty.
    Segment,
    /// The rest. The slash before it is part of the literal before it.
    Rest,
}

/// So that a dispatch needs no room but the stack's.
pub(super) const MAX_CAPTURES: usize = 16;

impl From<&str> for Pattern {
    fn from(text: &str) -> Pattern {
        Pattern {
            text: text.to_owned(),
            shown: text.to_owned(),
            kind: Template::parse(text).map(PatternKind::Template),
        }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Pattern {
        Pattern::from(&*text)
    }
}

impl Pattern {
    /// Two patterns with the same key match the same paths.
    pub(super) fn key(&self) -> String {
        match &self.kind {
            Ok(PatternKind::Template(template)) => template.key(),
            _ => format!("regex {}", self.text),
        }
    }

    pub(super) fn check(&self) -> Result<(), &str> {
        self.kind.as_ref().map(|_| ()).map_err(|problem| &**problem)
    }

    /// Whether it can be the path of a mount: what is below it begins with a slash.
    pub(super) fn check_mount(&self) -> Result<(), String> {
        self.check()?;
        let text = &self.text;
        if text != "/" && text.ends_with('/') {
            return Err(format!("a mount's path does not end with a slash: `{text}`"));
        }
        match &self.kind {
            Ok(PatternKind::Template(template)) if !template.has_rest => Ok(()),
            _ => Err(format!(
                "a mount takes the rest of the path anyhow: leave `{{*..}}` out of `{text}`"
            )),
        }
    }

    /// How many captures it has, and whether more may follow.
    pub(super) fn captures(&self) -> (usize, bool) {
        match &self.kind {
            Ok(PatternKind::Template(template)) if template.has_rest => (template.names.len() - 1, true),
            Ok(PatternKind::Template(template)) => (template.names.len(), false),
            #[cfg(feature = "regex")]
            Ok(PatternKind::Regex(expression)) => (expression.names.len(), true),
            Err(_) => (0, false),
        }
    }

    /// What a handler may do with what follows the pattern.
    pub(super) fn tail(&self) -> Tail {
        match &self.kind {
            Ok(PatternKind::Template(template)) if template.has_rest => Tail::Joined,
            #[cfg(feature = "regex")]
            Ok(PatternKind::Regex(_)) => Tail::Segments,
            _ => Tail::Nothing,
        }
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        match &self.kind {
            Ok(PatternKind::Template(template)) => &template.names,
            #[cfg(feature = "regex")]
            Ok(PatternKind::Regex(expression)) => &expression.names,
            Err(_) => &[],
        }
    }
}

impl Template {
    fn parse(text: &str) -> Result<Template, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!("the pattern `{text}` does not begin with `/`"));
        };
        let mut template = Template::default();
        if path.is_empty() {
            return Ok(template);
        }
        for segment in path.split('/') {
            if template.has_rest {
                return Err(format!("in the pattern `{text}`, something follows the rest parameter"));
            }
            template.literal("/");
            match segment.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')) {
                Some(name) => template.parameter(name, text)?,
                None => template.literal(literal(segment, text)?),
            }
        }
        if template.names.len() > MAX_CAPTURES {
            return Err(format!("the pattern `{text}` has more than {MAX_CAPTURES} parameters"));
        }
        Ok(template)
    }

    fn literal(&mut self, text: &str) {
        // The first slash separates, or nothing does; what is decoded stays within its segment.
        let decoded = if text == "/" {
            vec![b'/']
        } else {
            let decoded = percent_decode_str(text);
            decoded.map(|byte| if byte == b'/' { 0 } else { byte }).collect()
        };
        match self.tokens.last_mut() {
            Some(Token::Literal(before)) => before.extend(decoded),
            _ => self.tokens.push(Token::Literal(decoded)),
        }
    }

    fn parameter(&mut self, inside: &str, text: &str) -> Result<(), String> {
        let (name, is_rest) = match inside.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inside, false),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(format!(
                "in the pattern `{text}`, `{{{inside}}}` is not a name in braces, such as `{{id}}` or `{{*rest}}`"
            ));
        }
        if self.names.iter().any(|other| **other == *name) {
            return Err(format!("in the pattern `{text}`, `{name}` stands twice"));
        }
        self.names.push(Arc::from(name));
        self.has_rest = is_rest;
        self.tokens.push(if is_rest { Token::Rest } else { Token::Segment });
        Ok(())
    }

    fn key(&self) -> String {
        self.tokens
            .iter()
            .map(|token| match token {
                Token::Literal(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Token::Segment => "{}".to_owned(),
                Token::Rest => "{*}".to_owned(),
            })
            .collect()
    }
}

/// A segment that stands for itself, unless it looks like a parameter in another notation.
fn literal<'a>(segment: &'a str, text: &str) -> Result<&'a str, String> {
    if segment.contains(['{', '}']) {
        return Err(format!(
            "in the pattern `{text}`, `{segment}` mixes text and braces: a parameter is a whole segment, `/{{name}}/`; \
             a brace itself is written %7B or %7D; for parts of a segment, use a regular expression"
        ));
    }
    if let Some(name) = segment.strip_prefix(':').filter(|name| !name.is_empty()) {
        return Err(format!(
            "in the pattern `{text}`, write `{{{name}}}` for `{segment}`; a colon itself is written %3A"
        ));
    }
    if let Some(inside) = segment.strip_prefix('<').and_then(|inside| inside.strip_suffix('>')) {
        let name = inside.rsplit(':').next().unwrap_or(inside);
        return Err(format!(
            "in the pattern `{text}`, write `{{{name}}}` for `{segment}`; the handler's argument says what type it is"
        ));
    }
    if segment.contains(['?', '#']) {
        return Err(format!(
            "in the pattern `{text}`, `{segment}` has a query or fragment, which a path never contains; \
             a question mark itself is written %3F"
        ));
    }
    let decoded: Vec<u8> = percent_decode_str(segment).collect();
    if std::str::from_utf8(&decoded).is_err() || decoded.contains(&0) {
        return Err(format!("in the pattern `{text}`, `{segment}` is not text"));
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        Template::parse(text).unwrap().tokens
    }

    fn text(text: &str) -> Token {
        Token::Literal(text.into())
    }

    #[test]
    fn templates_are_taken_apart() {
        assert_eq!(tokens("/"), []);
        assert_eq!(tokens("/a/b/"), [text("/a/b/")]);
        assert_eq!(
            tokens("/a/{b}/c/{*d}"),
            [text("/a/"), Token::Segment, text("/c/"), Token::Rest]
        );
        assert_eq!(tokens("/caf%C3%A9"), [text("/café")]);
        assert_eq!(tokens("/a%2Fb"), [text("/a\0b")]);
    }

    #[test]
    fn mistakes_are_named_and_mended() {
        for (pattern, hint) in [
            ("people", "does not begin with `/`"),
            ("/people/:id", "write `{id}` for `:id`"),
            ("/people/<int:id>", "write `{id}` for `<int:id>`"),
            ("/people/{id}.json", "mixes text and braces"),
            ("/people/{}", "is not a name in braces"),
            ("/a/{b}/{b}", "`b` stands twice"),
            ("/a/{*b}/c", "something follows"),
            ("/a?b=1", "a query or fragment"),
            ("/a/%FF", "is not text"),
        ] {
            let error = Template::parse(pattern).unwrap_err();
            assert!(error.contains(hint) && error.contains(pattern), "{pattern}: {error}");
        }
    }

    #[test]
    fn names_do_not_tell_patterns_apart() {
        let key = |text: &str| Pattern::from(text).key();
        assert_eq!(key("/a/{b}"), key("/a/{c}"));
        assert_eq!(key("/%61/{b}"), key("/a/{c}"));
        assert_ne!(key("/a/{b}"), key("/a/{*b}"));
        assert_ne!(key("/a%2Fb"), key("/a/b"));
        assert_ne!(key("/"), key("//"));
    }
}
