//! The text format of Prometheus, version 0.0.4.

use std::fmt::{self, Display, Write};

/// A text that grows by one family of samples after the other.
#[derive(Default)]
pub struct Exposition(String);

/// A number as Prometheus reads it: the values that are none are written `+Inf`, `-Inf` and `NaN`.
pub(crate) struct Number(pub(crate) f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => value.fmt(f),
        }
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

impl Exposition {
    pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins the samples of one name.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} ");
        // "HELP lines may contain any sequence of UTF-8 characters (after the metric name), but the backslash and the line
        // feed characters have to be escaped as \\ and \n, respectively."
        self.push_escaped(help, false);
        let _ = writeln!(self.0, "\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.write_sample(name, labels, &value);
    }

    fn write_sample(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn Display) {
        self.0.push_str(name);
        let mut before = '{';
        for (label, value) in labels {
            self.0.push(before);
            before = ',';
            self.0.push_str(label);
            self.0.push_str("=\"");
            // "label_value can be any sequence of UTF-8 characters, but the backslash (\), double-quote (") and line
            // feed (\n) characters have to be escaped".
            self.push_escaped(value, true);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn push_escaped(&mut self, text: &str, is_quoted: bool) {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' if is_quoted => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                letter => self.0.push(letter),
            }
        }
    }

    /// Adds a family with one sample.
    pub(crate) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Exposition::default();
        text.sample("a", &[("b", "\\\"\n{}"), ("c", "")], 1);
        text.single("d", "gauge", "D.", 2.5);
        let expected = "a{b=\"\\\\\\\"\\n{}\",c=\"\"} 1\n# HELP d D.\n# TYPE d gauge\nd 2.5\n";
        assert_eq!(text.into_text(), expected);
    }
}
