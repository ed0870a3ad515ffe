//! Patterns: templates such as `/people/{id}`, and regular expressions.

use std::sync::Arc;

use super::captured::MAX_CAPTURES;
#[cfg(feature = "regex")]
use super::{regexes::Expression, shown::shown};
use crate::dispatch::arguments::Tail;
use crate::dispatch::notation;

/// A pattern for paths: a template, or a regular expression.
///
/// A template is made from text. `{name}` matches one segment that is not empty, and `{*name}` at the end matches the
/// rest of the path. Everything else matches itself, and may be percent-encoded.
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
    /// The text on maps and in trails. A template begins with `/`, and its text makes an equal pattern. An
    /// expression begins with `^`.
    pub(super) shown: Arc<str>,
    pub(super) kind: Result<PatternKind, String>,
}

#[derive(Clone, Debug)]
pub(super) enum PatternKind {
    Template(Template),
    #[cfg(feature = "regex")]
    Regex(Expression),
}

/// A parsed template.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) tokens: Vec<Token>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) has_rest: bool,
}

/// The identity of a pattern: two patterns with equal keys match the same paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Template(Vec<Token>),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// Decoded text, including the slashes before segments. NUL stands for a slash inside a segment.
    Literal(Vec<u8>),
    /// One segment that is not empty.
    Segment,
    /// The rest of the path. The slash before it belongs to the literal before it.
    Rest,
}

/// Creates a pattern from a regular expression, in the syntax of the [`regex`](https://docs.rs/regex) crate.
///
/// The expression is matched against the decoded rest of the path, from its beginning, even without a `^`. Without a
/// `$`, more may follow, which the handler can take. At the root, `/` is `/`; below a mount, the path of the mount
/// itself is the empty text. A segment that contains an encoded slash (`%2F`) never matches.
///
/// Requires the feature `regex`, which is on by default.
///
/// ```
/// use hansel::{Routes, regex};
///
/// Routes::new().post(regex(r"^/hello/(?P<username>\w+)/$"), |username: String| format!("Hello {username}"));
/// ```
#[cfg(feature = "regex")]
pub fn regex(expression: &str) -> Pattern {
    Pattern {
        text: expression.to_owned(),
        shown: shown(expression).into(),
        kind: Expression::parse(expression).map(PatternKind::Regex),
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Pattern {
        Pattern {
            text: text.to_owned(),
            shown: text.replace('^', "%5E").into(),
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
    pub(super) fn key(&self) -> Key {
        match &self.kind {
            Ok(PatternKind::Template(template)) => Key::Template(template.tokens.clone()),
            _ => Key::Text(self.text.clone()),
        }
    }

    pub(super) fn check(&self) -> Result<(), &str> {
        self.kind.as_ref().map(|_| ()).map_err(|problem| &**problem)
    }

    /// Checks that the pattern can be the path of a mount, below which paths begin with a slash.
    pub(super) fn check_mount(&self) -> Result<(), String> {
        let text = &self.text;
        if text.rsplit('/').next().is_some_and(|last| last.starts_with('*')) {
            return Err(format!(
                "a mount takes the rest of the path anyhow: leave the star out of `{text}`"
            ));
        }
        self.check()?;
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

    /// Returns the number of captures, and whether the rest of the path may follow.
    pub(super) fn captures(&self) -> (usize, bool) {
        match &self.kind {
            Ok(PatternKind::Template(template)) if template.has_rest => (template.names.len() - 1, true),
            Ok(PatternKind::Template(template)) => (template.names.len(), false),
            #[cfg(feature = "regex")]
            Ok(PatternKind::Regex(expression)) => (expression.names.len(), true),
            Err(_) => (0, false),
        }
    }

    /// Returns how a handler may read the part of the path that follows the pattern.
    pub(super) fn tail(&self) -> Tail {
        match &self.kind {
            Ok(PatternKind::Template(template)) if template.has_rest => Tail::Joined,
            #[cfg(feature = "regex")]
            Ok(PatternKind::Regex(_)) => Tail::Segments,
            _ => Tail::Nothing,
        }
    }

    #[cfg(feature = "regex")]
    pub(super) fn expression(&self) -> Option<&Expression> {
        match &self.kind {
            Ok(PatternKind::Regex(expression)) => Some(expression),
            _ => None,
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
            let hint = if text.starts_with(['^', '(']) {
                "; a regular expression is written `hansel::regex(r\"..\")`"
            } else {
                ""
            };
            return Err(format!("the pattern `{text}` does not begin with `/`{hint}"));
        };
        let mut template = Template::default();
        if path.is_empty() {
            return Ok(template);
        }
        for segment in path.split('/') {
            if template.has_rest {
                return Err(format!("in the pattern `{text}`, something follows the rest parameter"));
            }
            template.push_text(b"/");
            match segment.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')) {
                Some(name) => template.parameter(name, text)?,
                None => template.literal(segment, text)?,
            }
        }
        if template.names.len() > MAX_CAPTURES {
            return Err(format!("the pattern `{text}` has more than {MAX_CAPTURES} parameters"));
        }
        Ok(template)
    }

    fn literal(&mut self, segment: &str, text: &str) -> Result<(), String> {
        let literal = notation::literal(segment).map_err(|problem| format!("in the pattern `{text}`, {problem}"))?;
        // Segments are split before they are decoded: an encoded slash stays within its segment.
        self.push_text(literal.replace('/', "\0").as_bytes());
        Ok(())
    }

    fn push_text(&mut self, text: &[u8]) {
        match self.tokens.last_mut() {
            Some(Token::Literal(before)) => before.extend(text),
            _ => self.tokens.push(Token::Literal(text.to_vec())),
        }
    }

    fn parameter(&mut self, inside: &str, text: &str) -> Result<(), String> {
        let (name, is_rest) = match inside.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inside, false),
        };
        if name.is_empty() || !name.chars().all(notation::is_of_name) {
            return Err(format!("in the pattern `{text}`, {}", notation::in_braces(inside)));
        }
        if self.names.iter().any(|other| **other == *name) {
            return Err(format!("in the pattern `{text}`, `{name}` stands twice"));
        }
        self.names.push(Arc::from(name));
        self.has_rest = is_rest;
        self.tokens.push(if is_rest { Token::Rest } else { Token::Segment });
        Ok(())
    }
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

    #[test]
    fn braces_that_are_text_are_no_parameter() {
        let key = |text: &str| Pattern::from(text).key();
        assert_ne!(key("/a/{b}"), key("/a/%7B%7D"));
        assert_ne!(key("/a/{b}"), key("/a/%7Bb%7D"));
        assert_ne!(key("/{*b}"), key("/%7B*%7D".replace('*', "%2A").as_str()));
        assert_eq!(key("/a/%7B%7D"), key("/a/%7b%7d"));
        assert_ne!(Pattern::from("regex /").key(), Pattern::from("/").key());
    }

    #[test]
    fn a_template_that_is_shown_reads_back_as_itself() {
        for text in [
            "/",
            "//",
            "/a^b/{c}",
            "/%7B%7D/{a}",
            "/a%2Fb",
            "/%5E/{*r}",
            "/(a/b)/100%",
            "/é/%C3%A9",
        ] {
            let pattern = Pattern::from(text);
            pattern.check().unwrap();
            assert_eq!(Pattern::from(&*pattern.shown).key(), pattern.key(), "{}", pattern.shown);
            assert!(pattern.shown.starts_with('/') && !pattern.shown.contains('^'));
        }
    }
}
