//! The tree of templates while it is built: a branch for each prefix that patterns share.

use super::pattern::Token;

/// The end of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// At the end of the path.
    Closed,
    /// At the end of a segment; another dispatcher takes the rest of the path.
    Open,
}

/// A node of the tree while it is built.
#[derive(Debug, Default)]
pub(super) struct Branch {
    pub(super) text: Vec<u8>,
    /// One for each first octet of a text, in the order of these octets. No text is empty.
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

    /// Returns the branch behind `text`, which is added if it is missing.
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

    /// Splits the branch in two, of which the upper has the first `len` octets of the text.
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

    /// Removes a first branch that contains nothing but a common prefix of all patterns.
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

    /// Returns the rest of the only pattern below this branch, and its route, if there is only one.
    ///
    /// The rest is a sequence of texts with a parameter between each two, each text behind its length.
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

/// Joins texts, each behind its length. Returns `None` if a length does not fit into an octet.
fn joined(texts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    for text in texts {
        joined.push(u8::try_from(text.len()).ok()?);
        joined.extend_from_slice(text);
    }
    Some(joined)
}
