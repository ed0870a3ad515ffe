//! Text that is safe wherever HTML allows text or a quoted attribute.

use std::fmt::{self, Write};

/// Shows its content with everything escaped that HTML could interpret.
///
/// Everything that a page shows goes through it: clients choose paths and header fields, and names of handlers may
/// contain `<`.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'g>(&'f mut fmt::Formatter<'g>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            '\n' | '\t' => self.0.write_char(c),
            // Invisible characters, and those that change the direction of text, are shown as escapes.
            c if c.is_control() || is_direction(c) => write!(self.0, "\\u{{{:x}}}", u32::from(c)),
            c => self.0.write_char(c),
        })
    }
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escaped text, with what stands between backticks shown as code.
pub(super) struct Prose<'t>(pub(super) &'t str);

impl fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('`').enumerate().peekable();
        while let Some((number, part)) = parts.next() {
            match number % 2 {
                0 => write!(f, "{}", Escaped(part))?,
                // A backtick without a partner is shown as it is.
                _ if parts.peek().is_none() => write!(f, "`{}", Escaped(part))?,
                _ => write!(f, "<code>{}</code>", Escaped(part))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_html_could_take_for_its_own() {
        assert_eq!(
            Escaped(r#"<script a="b" c='d'>&"#).to_string(),
            "&lt;script a=&quot;b&quot; c=&#39;d&#39;&gt;&amp;"
        );
        assert_eq!(Escaped("Jürgen 🥔").to_string(), "Jürgen 🥔");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(Escaped("a\u{202e}b\u{7}\r").to_string(), "a\\u{202e}b\\u{7}\\u{d}");
    }

    #[test]
    fn prose_marks_code_and_escapes_it() {
        assert_eq!(
            Prose("`<b>` is not a `u32`, `").to_string(),
            "<code>&lt;b&gt;</code> is not a <code>u32</code>, `"
        );
    }
}
