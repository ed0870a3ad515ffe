//! The parameters of a header: `; name="value"`, as clients write them.

use super::malformed;
use crate::Error;

/// The most parameters of a header: each is compared with all before it.
const MOST: usize = 16;

/// A header with parameters: `form-data; name="photo"; filename="a.jpg"`.
pub(super) struct Parameters<'h> {
    /// The text before the first semicolon.
    pub(super) value: &'h str,
    parameters: Vec<(&'h str, String)>,
}

impl<'h> Parameters<'h> {
    /// Reads a header. No parameter may be there twice: readers would differ on which of them counts.
    pub(super) fn of(header: &'h str) -> Result<Parameters<'h>, Error> {
        let (value, mut rest) = header.split_once(';').unwrap_or((header, ""));
        let mut parameters: Vec<(&str, String)> = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                break;
            }
            let (name, behind) = rest
                .split_once('=')
                .ok_or_else(|| malformed("a parameter without a value"))?;
            let name = name.trim_end_matches([' ', '\t']);
            if !is_token(name) {
                return Err(malformed("a parameter whose name is none").into());
            }
            let (content, behind) = value_of(behind.trim_start_matches([' ', '\t']))?;
            if parameters.len() == MOST {
                return Err(malformed("too many parameters").into());
            }
            if parameters.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(malformed("a parameter that is there twice").into());
            }
            parameters.push((name, content));
            rest = behind;
        }
        Ok(Parameters {
            value: value.trim_matches([' ', '\t']),
            parameters,
        })
    }

    /// Removes the parameter of that name, in any case, and returns its value.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self
            .parameters
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(self.parameters.swap_remove(at).1)
    }
}

/// Returns the value at the beginning of `text`, and what follows it: a semicolon, or nothing.
fn value_of(text: &str) -> Result<(String, &str), Error> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let value = value.trim_end_matches([' ', '\t']);
        if value.contains('"') {
            return Err(malformed("a quote within a value").into());
        }
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        match (letter, next) {
            ('"', _) => {
                let rest = quoted.get(at + 1..).unwrap_or("").trim_start_matches([' ', '\t']);
                if rest.is_empty() || rest.starts_with(';') {
                    return Ok((value, rest));
                }
                return Err(malformed("text behind a quoted value").into());
            }
            // A browser writes a backslash as it is, also before the last quote: `filename="a\"`.
            ('\\', Some('"')) if quoted.get(at + 2..).unwrap_or("").trim_end().is_empty() => value.push('\\'),
            // RFC 2045 §5.1 escapes by backslash, as curl does if it is told to, and clients of mail do. Before other
            // letters it is itself, as in the `C:\dir\a.txt` of old browsers.
            ('\\', Some(escaped @ ('"' | '\\'))) => {
                value.push(escaped);
                letters.next();
            }
            _ => value.push(letter),
        }
    }
    Err(malformed("a quote that is not closed").into())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Vec<(String, String)>> {
        let read = Parameters::of(header).ok()?;
        let pairs = read.parameters.into_iter();
        Some(pairs.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn values_are_quoted_or_not_and_escaped_in_either_way() {
        for (header, value) in [
            ("x; a=b", "b"),
            ("x;A=b;", "b"),
            ("x ; a = b ", "b"),
            (r#"x; a="b c;d=e""#, "b c;d=e"),
            (r#"x; a="b\"c""#, "b\"c"),
            (r#"x; a="b\\c""#, "b\\c"),
            (r#"x; a="C:\dir\b.txt""#, r"C:\dir\b.txt"),
            (r#"x; a="b\""#, r"b\"),
            (r#"x; a="""#, ""),
            ("x; a=\"\u{fc} %22\"", "\u{fc} %22"),
        ] {
            let mut parameters = Parameters::of(header).unwrap();
            assert_eq!(parameters.value, "x");
            assert_eq!(parameters.take("a").as_deref(), Some(value), "{header}");
        }
        assert_eq!(read(r#"x; a="1"; b=2"#).unwrap().len(), 2);
    }

    #[test]
    fn what_readers_could_understand_differently_is_refused() {
        for header in [
            "x; a",
            "x; =b",
            "x; a b=c",
            r#"x; a="b"#,
            r#"x; a="b"c"#,
            r#"x; a=b"c""#,
            "x; a=1; a=2",
            "x; a=1; A=2",
            "x;a=;b=;c=;d=;e=;f=;g=;h=;i=;j=;k=;l=;m=;n=;o=;p=;q=",
        ] {
            assert!(read(header).is_none(), "{header}");
        }
    }
}
