//! The regular expressions of a table. One pass finds the few that a path may match, and only those run.

use std::sync::Arc;

use regex::{Captures, Regex};
use regex_syntax::hir::Hir;

use super::captured::MAX_CAPTURES;
use super::sieve::Sieve;

/// A regular expression that matches from the beginning of the rest of the path.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    regex: Regex,
    /// The parsed expression, for the sieve.
    meaning: Hir,
    /// The names of its groups, in order. Groups without a name have an empty one.
    pub(super) names: Vec<Arc<str>>,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Expression, String> {
        let problem = |error: regex::Error| format!("the regular expression `{text}` can't be: {error}");
        // Without the anchor first, so that an error shows the expression as it was written.
        Regex::new(text).map_err(problem)?;
        // With `(?x)`, a comment at the end would swallow the parenthesis: a line end closes it.
        let regex = Regex::new(&format!(r"\A(?:{text})"))
            .or_else(|_| Regex::new(&format!("\\A(?:{text}\n)")))
            .map_err(problem)?;
        let meaning =
            regex_syntax::parse(text).map_err(|error| format!("the regular expression `{text}` can't be: {error}"))?;
        let names: Vec<Arc<str>> = regex
            .capture_names()
            .skip(1)
            .map(|name| name.unwrap_or("").into())
            .collect();
        if names.len() > MAX_CAPTURES {
            return Err(format!(
                "the regular expression `{text}` has more than {MAX_CAPTURES} groups"
            ));
        }
        Ok(Expression { regex, meaning, names })
    }

    pub(super) fn captures<'r>(&self, text: &'r str) -> Option<Captures<'r>> {
        self.regex.captures(text)
    }
}

/// The expressions of a table.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    sieve: Sieve,
    /// For each expression, the first route with its pattern.
    routes: Vec<usize>,
}

impl Expressions {
    /// Builds the sieve of `expressions`, which come with their routes, in the order in which they are tried.
    pub(super) fn build<'p>(expressions: impl Iterator<Item = (&'p Expression, usize)>) -> Expressions {
        let (expressions, routes): (Vec<&Expression>, Vec<usize>) = expressions.unzip();
        Expressions {
            sieve: Sieve::build(expressions.into_iter().map(|expression| &expression.meaning)),
            routes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Returns the routes of the expressions that may match, in order.
    pub(super) fn candidates(&self, text: &str) -> impl Iterator<Item = usize> {
        let numbers = self.sieve.candidates(text);
        numbers
            .into_iter()
            .filter_map(|number| self.routes.get(number).copied())
    }
}

/// Returns how many octets of `text` a match up to `end` takes: those up to the end of a segment, or up to a slash at
/// the end of the match. Returns `None` if the match ends in the middle of a segment.
pub(super) fn taken(text: &str, end: usize) -> Option<usize> {
    let octets = text.as_bytes();
    if end == octets.len() || octets.get(end) == Some(&b'/') {
        return Some(end);
    }
    let before = end.checked_sub(1)?;
    (octets.get(before) == Some(&b'/')).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_anchored_at_the_beginning_only() {
        let expression = Expression::parse(r"/b|/c").unwrap();
        assert!(expression.captures("/c/x").is_some());
        assert!(expression.captures("/a/b").is_none());
        assert!(expression.captures("/a/c").is_none());
    }

    #[test]
    fn a_match_takes_whole_segments() {
        assert_eq!(taken("/a/b", 4), Some(4));
        assert_eq!(taken("/a/b", 2), Some(2));
        assert_eq!(taken("/a/b", 3), Some(2));
        assert_eq!(taken("/abc", 2), None);
        assert_eq!(taken("/abc", 0), Some(0));
        assert_eq!(taken("", 0), Some(0));
    }

    #[test]
    fn candidates_come_in_order() {
        let texts = [r"^/\w+$", r"^/b$", r"^/a", r"^/[ab]$"].map(|text| Expression::parse(text).unwrap());
        let expressions = Expressions::build(texts.iter().zip(10..));
        let candidates: Vec<_> = expressions.candidates("/a").collect();
        assert_eq!(candidates, [10, 12, 13]);
        assert_eq!(expressions.candidates("/x/y").count(), 0);
    }

    #[test]
    fn a_comment_at_the_end_is_one() {
        let expression = Expression::parse("(?x) /a # the first letter").unwrap();
        assert!(expression.captures("/a").is_some());
        assert!(expression.captures("/b/a").is_none());
    }

    #[test]
    fn a_broken_expression_is_shown() {
        let error = Expression::parse(r"^/(\w+$").unwrap_err();
        assert!(error.contains("unclosed group"), "{error}");
    }
}
