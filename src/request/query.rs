//! The pairs of a query string, or of a form body: `a=1&b=two+words`.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

/// Iterates over the decoded pairs of a query or a form, in order.
///
/// The rules are those of the WHATWG URL standard for
/// [`application/x-www-form-urlencoded`](https://url.spec.whatwg.org/#urlencoded-parsing): `+` is a space, a pair without
/// `=` has an empty value, and bytes that are not UTF-8 become U+FFFD.
///
/// ```
/// let request = hansel::Request::get("/search?q=green+eggs&page=2&draft");
/// let pairs: Vec<_> = request.query_pairs().collect();
/// assert_eq!(pairs[0], ("q".into(), "green eggs".into()));
/// assert_eq!(pairs[2], ("draft".into(), "".into()));
/// ```
#[derive(Clone)]
pub struct Pairs<'r> {
    rest: &'r str,
}

impl<'r> Pairs<'r> {
    /// Creates an iterator over the pairs of `text`, which comes from a query or a form.
    pub fn of(text: &'r str) -> Pairs<'r> {
        Pairs { rest: text }
    }

    /// Returns the same pairs without decoding them.
    #[cfg(any(feature = "query", feature = "form"))]
    pub(crate) fn raw(self) -> impl Iterator<Item = (Encoded<'r>, Encoded<'r>)> {
        let mut pairs = self;
        std::iter::from_fn(move || pairs.next_encoded())
    }

    fn next_encoded(&mut self) -> Option<(Encoded<'r>, Encoded<'r>)> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some((Encoded(name), Encoded(value)));
            }
        }
        None
    }
}

/// Shows how much is left, but not the pairs: a form may contain passwords.
impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairs({} bytes)", self.rest.len())
    }
}

/// A name or a value as it was sent.
pub(crate) struct Encoded<'r>(&'r str);

impl<'r> Encoded<'r> {
    pub(crate) fn decoded(&self) -> Cow<'r, str> {
        if !self.0.contains(['%', '+']) {
            return Cow::Borrowed(self.0);
        }
        let spaced = self.0.replace('+', " ");
        Cow::Owned(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
    }
}

impl<'r> Iterator for Pairs<'r> {
    type Item = (Cow<'r, str>, Cow<'r, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_encoded()?;
        Some((name.decoded(), value.decoded()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        Pairs::of(text)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    }

    fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn pairs_come_decoded_and_in_order() {
        assert_eq!(pairs("a=1&b=2&a=3"), owned(&[("a", "1"), ("b", "2"), ("a", "3")]));
        assert_eq!(pairs("q=a%20b+c%2Bd"), owned(&[("q", "a b c+d")]));
        assert_eq!(pairs("%C3%A9=%C3%BC"), owned(&[("é", "ü")]));
    }

    #[test]
    fn only_the_first_equals_sign_separates() {
        assert_eq!(pairs("x=1=2"), owned(&[("x", "1=2")]));
        assert_eq!(pairs("x?a=1?b=2"), owned(&[("x?a", "1?b=2")]));
    }

    #[test]
    fn odd_pairs_are_kept_and_empty_ones_skipped() {
        assert_eq!(pairs("a&=b&&c="), owned(&[("a", ""), ("", "b"), ("c", "")]));
        assert_eq!(pairs(""), owned(&[]));
        assert_eq!(pairs("&&"), owned(&[]));
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(pairs("a=%FF"), owned(&[("a", "\u{FFFD}")]));
    }
}
