//! The tree of templates while it grows: one branch for each beginning that patterns share.

use super::pattern::Token;

/// How a pattern ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the path.
    Closed,
    /// With a segment; another dispatcher takes the rest.
    Open,
}

/// A node of the tree while it grows.
#[derive(Debug, Default)]
pub(super) struct Branch {
    pub(super) text: Vec<u8>,
    /// One for each octet that a text begins with, in the order of these; no text is empty.
    pub(super) children: Vec<Branch>,
    pub(super) parameter: Option<Box<Branch>>,
    pub(super) end: Option<usize>,
    pub(super) open: Option<usize>,
    pub(super) rest: Option<usize>,
}

impl Branch {
    pub(super) fn insert(&mut self, tokens: &[Token], ending: Ending, target: usize) {
        match tokens {
            [] if ending == Ending::Open => self.open = Some(target),
            [] => self.end = Some(target),
            [Token::Literal(text), behind @ ..] => self.below(text).insert(behind, ending, target),
            [Token::Segment, behind @ ..] => self.parameter.get_or_insert_default().insert(behind, ending, target),
            [Token::Rest, ..] => self.rest = Some(target),
        }
    }

    /// The branch behind `text`, which grows if it is not there.
    fn below(&mut self, text: &[u8]) -> &mut Branch {
        let Some(&first) = text.first() else { return self };
        let place = self.children.partition_point(|child| child.text[0] < first);
        if self.children.get(place).is_none_or(|child| child.text[0] != first) {
            let child = Branch {
                text: text.to_vec(),
                ..Branch::default()
            };
            self.children.insert(place, child);
        }
        let child = &mut self.children[place];
        let shared = child.text.iter().zip(text).take_while(|(a, b)| a == b).count();
        if shared < child.text.len() {
            child.split(shared);
        }
        child.below(&text[shared..])
    }

    /// Makes two branches of one, the upper with the first `len` octets of its text.
    fn split(&mut self, len: usize) {
        let lower_text = self.text.split_off(len);
        let upper_text = std::mem::take(&mut self.text);
        let lower = Branch {
            text: lower_text,
            ..std::mem::take(self)
        };
        self.text = upper_text;
        self.children.push(lower);
    }

    /// The same without a first branch that only says that all paths begin alike.
    pub(super) fn without_empty_beginning(mut self) -> Branch {
        let is_needed = self.parameter.is_some() || self.end.or(self.open).or(self.rest).is_some();
        match self.children.pop() {
            Some(only) if !is_needed && self.children.is_empty() => only,
            Some(last) => {
                self.children.push(last);
                self
            }
            None => self,
        }
    }

    /// If nothing parts below here: what is to be compared, and the one pattern that it leads to.
    ///
    /// The texts stand behind one another, each behind its length; between two of them is a parameter.
    pub(super) fn straight(&self) -> Option<(Vec<u8>, usize)> {
        let mut texts = vec![Vec::new()];
        let mut branch = self;
        loop {
            texts.last_mut()?.extend_from_slice(&branch.text);
            if branch.open.or(branch.rest).is_some() {
                return None;
            }
            branch = match (&*branch.children, &branch.parameter, branch.end) {
                ([], None, Some(target)) => return Some((joined(&texts)?, target)),
                ([only], None, None) => only,
                ([], Some(parameter), None) => {
                    texts.push(Vec::new());
                    parameter
                }
                _ => return None,
            };
        }
    }
}

/// `None` for a text so long that its length does not fit.
fn joined(texts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    for text in texts {
        joined.push(u8::try_from(text.len()).ok()?);
        joined.extend_from_slice(text);
    }
    Some(joined)
}
