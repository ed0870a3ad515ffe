//! Finds the regular expressions that a path may match, in one pass over its segments.
//!
//! Most expressions require for each segment either a text (`/hello`) or something without a slash (`/\w+`). These
//! requirements of all expressions are kept in one tree, which finds the few expressions that are worth running. Other
//! requirements are ignored here, so the sieve never decides that an expression matches.

use std::collections::HashMap;

use regex_syntax::hir::{Class, Hir, HirKind, Literal, Look};

/// The requirements of an expression on the segments of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Needs {
    /// The text of each segment, or `None` for any text.
    segments: Vec<Option<String>>,
    /// True if more segments may follow.
    is_open: bool,
}

/// The tree of the requirements of all expressions.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    named: HashMap<String, Node>,
    any: Option<Box<Node>>,
    /// The expressions that require the path to end here.
    end: Vec<usize>,
    /// The expressions that require no more.
    open: Vec<usize>,
}

impl Sieve {
    pub(super) fn build<'p>(expressions: impl Iterator<Item = &'p Hir>) -> Sieve {
        let mut sieve = Sieve::default();
        for (i, expression) in expressions.enumerate() {
            let Needs { segments, is_open } = Needs::of(expression);
            let mut node = &mut sieve.root;
            for segment in segments {
                node = match segment {
                    Some(text) => node.named.entry(text).or_default(),
                    None => node.any.get_or_insert_default(),
                };
            }
            if is_open { &mut node.open } else { &mut node.end }.push(i);
        }
        sieve
    }

    /// Returns the numbers of the expressions that `text` may match, in order. The text is empty or begins with a
    /// slash.
    pub(super) fn candidates(&self, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.root.collect(text.strip_prefix('/'), &mut found);
        found.sort_unstable();
        found
    }
}

impl Node {
    /// Collects the expressions that `left` may match: the text behind the slash after this node, if there is one.
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

impl Needs {
    /// Reads the requirements of an expression.
    ///
    /// The expression was parsed by the crate that compiles it, so no notation is misread here. Requirements may be
    /// left out, never added: flags have become classes, assertions other than the end of the text are ignored, and
    /// reading stops at the first part that may match a slash among other things.
    fn of(expression: &Hir) -> Needs {
        let mut reader = Reader {
            needs: Needs {
                segments: Vec::new(),
                is_open: true,
            },
            segment: None,
        };
        if reader.read(expression) == Next::GoOn {
            reader.finish();
        }
        reader.needs
    }
}

/// Reads an expression from the beginning.
struct Reader {
    needs: Needs,
    /// `None` before the first slash.
    segment: Option<Segment>,
}

/// The current segment so far.
#[derive(Debug)]
enum Segment {
    Text(Vec<u8>),
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Reader {
    fn read(&mut self, part: &Hir) -> Next {
        match part.kind() {
            HirKind::Literal(Literal(text)) => self.read_text(text),
            HirKind::Capture(group) => self.read(&group.sub),
            HirKind::Concat(parts) => match parts.iter().all(|part| self.read(part) == Next::GoOn) {
                true => Next::GoOn,
                false => Next::Stop,
            },
            HirKind::Look(Look::End) => {
                self.push_segment();
                self.needs.is_open = self.segment.is_none();
                Next::Stop
            }
            HirKind::Empty | HirKind::Look(_) => Next::GoOn,
            _ if may_match_slash(part) => Next::Stop,
            _ => match &mut self.segment {
                Some(segment) => {
                    *segment = Segment::Any;
                    Next::GoOn
                }
                None => Next::Stop,
            },
        }
    }

    fn read_text(&mut self, text: &[u8]) -> Next {
        for &octet in text {
            match (&mut self.segment, octet) {
                (_, b'/') => {
                    self.push_segment();
                    self.segment = Some(Segment::Text(Vec::new()));
                }
                (Some(Segment::Text(before)), octet) => before.push(octet),
                (Some(Segment::Any), _) => {}
                // No path begins like this. The expression itself will fail.
                (None, _) => return Next::Stop,
            }
        }
        Next::GoOn
    }

    /// Ends the current segment.
    fn push_segment(&mut self) {
        let segment = match &self.segment {
            // Without Unicode, an expression may contain a part of a character.
            Some(Segment::Text(text)) => std::str::from_utf8(text).ok().map(str::to_owned),
            Some(Segment::Any) => None,
            None => return,
        };
        self.needs.segments.push(segment);
    }

    /// Ends the match, at the end of a segment or behind a slash. After a slash, anything may follow.
    fn finish(&mut self) {
        if !matches!(&self.segment, Some(Segment::Text(text)) if text.is_empty()) {
            self.push_segment();
        }
    }
}

/// Returns whether the part may match a slash.
fn may_match_slash(part: &Hir) -> bool {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(Literal(text)) => text.contains(&b'/'),
        HirKind::Class(Class::Unicode(class)) => {
            let mut ranges = class.ranges().iter();
            ranges.any(|range| (range.start()..=range.end()).contains(&'/'))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut ranges = class.ranges().iter();
            ranges.any(|range| (range.start()..=range.end()).contains(&b'/'))
        }
        HirKind::Repetition(_) | HirKind::Capture(_) | HirKind::Concat(_) | HirKind::Alternation(_) => {
            part.kind().subs().iter().any(may_match_slash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expression: &str) -> String {
        let needs = Needs::of(&regex_syntax::parse(expression).unwrap());
        let segments: Vec<_> = needs
            .segments
            .iter()
            .map(|segment| segment.as_deref().unwrap_or("*"))
            .collect();
        format!("{}{}", segments.join("/"), if needs.is_open { ".." } else { "" })
    }

    #[test]
    fn what_an_expression_says_is_asked_for() {
        for (expression, needs) in [
            (r"^/$", ""),
            (r"^/hello/(?P<username>\w+)/$", "hello/*/"),
            (r"^/hello/(?P<username>\w+)", "hello/*.."),
            (r"^/hello", "hello.."),
            (r"^/a/", "a.."),
            (r"^/(\d{4})/(?<m>\d\d?)-x/[^/]+$", "*/*/*"),
            (r"^/a\.b/(?:x|y[a-z_-])+?/c$", "a.b/*/c"),
            (r"^/ab?/c$", "*/c"),
            (r"^/a/\pL/b$", "a/*/b"),
            (r"(?i)^/a$", "*"),
            (r"^(/a/b)/c$", "a/b/c"),
            (r"^/(?x) a # comment", "a.."),
            (r"^/é/\x{e9}$", "é/é"),
            (r"^/[a]/\<b\>$", "a/b"),
        ] {
            assert_eq!(shown(expression), needs, "{expression}");
        }
    }

    #[test]
    fn where_a_slash_may_be_nothing_more_is_asked_for() {
        for (expression, needs) in [
            (r"^/a/(.*)/b$", "a.."),
            (r"^/a/?$", ".."),
            (r"^/a/(b/c|d)/d$", "a.."),
            (r"^/a|/b$", ".."),
            (r"^/a/[!-~]/b$", "a.."),
            (r"^/a/[\.-_]/b$", "a.."),
            (r"^/a/[^a]/b$", "a.."),
            (r"^/a/\W/b$", "a.."),
            (r"^/a/(?-u:[!-~])/b$", "a.."),
            (r"^/a/(?-u:[!-.])/b$", "a/*/b"),
            (r"^/sad:\(/x|/glad/x$", ".."),
            (r"^$", ".."),
            (r"\w+", ".."),
            (r"a/b", ".."),
        ] {
            assert_eq!(shown(expression), needs, "{expression}");
        }
    }

    /// Random expressions and paths.
    struct Random(u64);

    impl Random {
        fn below(&mut self, count: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as usize) % count
        }

        fn of(&mut self, all: &[&'static str]) -> &'static str {
            all[self.below(all.len())]
        }

        fn expression(&mut self) -> String {
            let begin = self.of(&[
                "^", "^", "^", "^", "", "(?i)^", "(?x)^", "(?s)^", "(?m)^", r"\A", r"\b", "^(?i)",
            ]);
            let end = self.of(&[
                "$", "$", "$", "", "", r"\z", "/$", "/?$", "(?:/|$)", r"\b", "(?m)$", "|/b$", "$|",
            ]);
            format!("{begin}/{}{end}", self.parts(3))
        }

        fn parts(&mut self, depth: usize) -> String {
            (0..=self.below(5)).map(|_| self.part(depth)).collect()
        }

        fn part(&mut self, depth: usize) -> String {
            let quantifier = match self.below(3) {
                0 => self.of(&["*", "+", "?", "*?", "+?", "??", "{2}", "{0,1}", "{1,}", "{0}", "{1,2}?"]),
                _ => "",
            };
            let atom = match self.below(if depth == 0 { 9 } else { 12 }) {
                0..3 => self
                    .of(&["a", "b", "ab", "A", "é", "-", "9", "x", ":", " ", "_"])
                    .to_owned(),
                3..5 => "/".to_owned(),
                5 => self
                    .of(&[
                        r"\(",
                        r"\)",
                        r"\|",
                        r"\/",
                        r"\.",
                        r"\[",
                        r"\{",
                        r"\$",
                        r"\^",
                        r"\x2f",
                        r"\x{2F}",
                        r"\u002f",
                        r"\t",
                        r"\-",
                        r"\<",
                        r"\>",
                        r"\b",
                        r"\B",
                        r"\b{start}",
                        r"\b{end-half}",
                    ])
                    .to_owned(),
                6 => self
                    .of(&[
                        ".",
                        r"[^/]",
                        "[^a]",
                        "[ab]",
                        "[a-z]",
                        r"\d",
                        r"\D",
                        r"[[:alpha:]]",
                        r"(?-u:\w)",
                        r"(?-u:\W)",
                        "(?s:.)",
                    ])
                    .to_owned(),
                7 => self.class(),
                8 => self
                    .of(&[
                        "^", "$", "(?i)", "(?-i)", "(?x)", "(?-x)", "#c\n", "(?U)", r"\A", r"\z", "[/]", "[(]", "[)|]",
                        "[]/]", "[^]]",
                    ])
                    .to_owned(),
                9 => format!("({})", self.parts(depth - 1)),
                10 => format!("(?:{}|{})", self.parts(depth - 1), self.parts(depth - 1)),
                _ => {
                    let flags = self.of(&["?i:", "?x:", "?s-i:", "?m:", "?<n>", "?P<m>", "?:|"]);
                    format!("({flags}{})", self.parts(depth - 1))
                }
            };
            atom + quantifier
        }

        fn class(&mut self) -> String {
            const ENDS: [&str; 12] = [r"\.", ".", r"\+", "+", "-", "/", r"\/", "0", "9", "a", "_", r"\x2e"];
            let negated = self.of(&["", "", "^"]);
            let items: String = (0..=self.below(3))
                .map(|_| match self.below(6) {
                    0..3 => format!("{}-{}", self.of(&ENDS), self.of(&ENDS)),
                    3 => self
                        .of(&[r"\w", r"\d", r"\S", r"[:punct:]", "[a-f&&[^b]]", "[!-~--/]", "~~a"])
                        .to_owned(),
                    _ => self.of(&ENDS).to_owned(),
                })
                .collect();
            format!("[{negated}{items}]")
        }

        /// A path that resembles the expression: it keeps most of its letters.
        fn path(&mut self, expression: &str) -> String {
            let mut path = String::new();
            for c in expression.chars() {
                match c {
                    'a' | 'b' | 'x' | 'é' | '9' | '/' | '-' | '(' | '.' | ':' if self.below(8) > 0 => path.push(c),
                    '|' if self.below(2) == 0 => break,
                    '+' | '*' | ']' if self.below(3) == 0 => path.push_str(self.of(&["a", "/", "b", ".", "/a"])),
                    _ => {}
                }
            }
            path.insert_str(0, if path.starts_with('/') { "" } else { "/" });
            path
        }
    }

    /// Compared with `regex` itself: whatever matches up to the end of a segment is among the candidates.
    #[test]
    fn the_sieve_never_loses_a_match() {
        let mut random = Random(20_261_128);
        let (mut tried, mut matched, mut sifted) = (0, 0, 0);
        while tried < 30_000 {
            let text = random.expression();
            let Ok(meaning) = regex_syntax::parse(&text) else {
                continue;
            };
            // A comment may reach to the end.
            let end = if text.contains('#') { "\n" } else { "" };
            let Ok(regex) = regex::Regex::new(&format!(r"\A(?:{text}{end})")) else {
                continue;
            };
            tried += 1;
            let sieve = Sieve::build(std::iter::once(&meaning));
            for path in [
                random.path(&text),
                random.path(&text),
                random.path(&text),
                "/".to_owned(),
            ] {
                let is_candidate = !sieve.candidates(&path).is_empty();
                let end = regex
                    .find(&path)
                    .filter(|found| found.start() == 0)
                    .map(|found| found.end());
                let matches = end.and_then(|end| super::super::regexes::taken(&path, end)).is_some();
                assert!(is_candidate || !matches, "`{text}` matches `{path}`");
                matched += usize::from(matches);
                sifted += usize::from(!is_candidate);
            }
        }
        // Else nothing was compared.
        assert!(
            matched > 3_000 && sifted > 10_000,
            "{matched} matched, {sifted} sifted out"
        );
    }
}
