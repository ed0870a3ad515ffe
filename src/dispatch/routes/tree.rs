//! All templates in one tree, so that a path is compared with all of them in one pass.
//!
//! Each node holds the text that its patterns share; below it, they part by their next octet, or by a
//! parameter. Text is tried before a parameter, and what is longer before what it begins with.

use super::pattern::{MAX_CAPTURES, Token};

/// The tree, as one list of nodes in which the children of a node stand together.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// For each node its text, and behind it the first octets of its children's texts.
    octets: Vec<u8>,
    has_rest: bool,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    text: u32,
    text_len: u32,
    children: u32,
    child_count: u32,
    parameter: Option<Index>,
    /// What a path leads to that ends here.
    end: Option<Index>,
    /// What a path leads to that ends a segment here, and goes on.
    open: Option<Index>,
    /// What a path leads to that goes on behind the slash here.
    rest: Option<Index>,
}

/// An index plus one, so that `Option` costs nothing.
type Index = std::num::NonZeroU32;

fn index(n: usize) -> Option<Index> {
    Index::new(n as u32 + 1)
}

fn at(index: Index) -> usize {
    index.get() as usize - 1
}

/// How a pattern ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the path.
    Closed,
    /// With a segment; another dispatcher takes the rest.
    Open,
}

/// A pattern that matches, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match<'a, 'r> {
    /// As it was inserted.
    pub(super) target: usize,
    pub(super) captured: &'a [Option<&'r str>],
    /// How many octets of the text it takes.
    pub(super) taken: usize,
}

/// What has been captured on the way to a node.
struct Captured<'r> {
    values: [Option<&'r str>; MAX_CAPTURES],
    len: usize,
}

impl Tree {
    /// Builds the tree of these patterns; no two may be equal.
    pub(super) fn build<'p>(patterns: impl Iterator<Item = (&'p [Token], Ending, usize)>) -> Tree {
        let mut root = Branch::default();
        let mut has_rest = false;
        for (tokens, ending, target) in patterns {
            // `/{*rest}` takes every path, and `/` has no slash before its rest.
            let tokens = match tokens {
                [Token::Literal(slash), Token::Rest] if slash == b"/" => &tokens[1..],
                tokens => tokens,
            };
            has_rest |= tokens.last() == Some(&Token::Rest);
            root.insert(tokens, ending, target);
        }
        let mut tree = Tree {
            has_rest,
            ..Tree::default()
        };
        tree.nodes.push(Node::placeholder());
        tree.lay_out(0, root);
        tree
    }

    /// Offers `visit` the patterns that match, best first, until it returns `true`; says whether it has.
    ///
    /// `masked` is `text`, but every slash in it separates segments.
    pub(super) fn search<'r>(&self, text: &'r str, masked: &str, mut visit: impl FnMut(Match<'_, 'r>) -> bool) -> bool {
        let path = Path {
            text,
            masked: masked.as_bytes(),
        };
        self.find::<false>(0, path, 0, &mut Captured::new(), &mut visit)
    }

    /// As [`search`](Tree::search), for the patterns that end in a rest.
    pub(super) fn search_rest<'r>(
        &self,
        text: &'r str,
        masked: &str,
        mut visit: impl FnMut(Match<'_, 'r>) -> bool,
    ) -> bool {
        let path = Path {
            text,
            masked: masked.as_bytes(),
        };
        self.has_rest && self.find::<true>(0, path, 0, &mut Captured::new(), &mut visit)
    }

    fn find<'r, const REST: bool>(
        &self,
        node: usize,
        path: Path<'_, 'r>,
        position: usize,
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> bool,
    ) -> bool {
        let (mut node, mut position) = (node, position);
        loop {
            let Some(&here) = self.nodes.get(node) else {
                return false;
            };
            let Some(left) = path
                .masked
                .get(position..)
                .and_then(|left| behind(left, self.text_of(here)))
            else {
                return false;
            };
            position = path.masked.len() - left.len();
            let known = captured.len;
            let Some(&next) = left.first() else {
                return here.visit_at_end::<REST>(position, captured, visit);
            };
            let child = self.child(here, next);
            let is_last = if REST { here.rest } else { here.open }.is_none();
            if let Some(child) = child {
                if is_last && here.parameter.is_none() {
                    node = child;
                    continue;
                }
                if self.find::<REST>(child, path, position, captured, visit) {
                    return true;
                }
                captured.len = known;
            }
            if let Some(parameter) = here.parameter {
                let len = left.iter().position(|&octet| octet == b'/').unwrap_or(left.len());
                if len > 0 && captured.push(path.text.get(position..position + len)) {
                    if is_last {
                        node = at(parameter);
                        position += len;
                        continue;
                    }
                    if self.find::<REST>(at(parameter), path, position + len, captured, visit) {
                        return true;
                    }
                    captured.len = known;
                }
            }
            return here.visit_open::<REST>(position, next == b'/', captured, visit);
        }
    }

    fn text_of(&self, node: Node) -> &[u8] {
        let start = node.text as usize;
        self.octets.get(start..start + node.text_len as usize).unwrap_or(&[])
    }

    fn child(&self, node: Node, first: u8) -> Option<usize> {
        let start = (node.text + node.text_len) as usize;
        let keys = self.octets.get(start..start + node.child_count as usize)?;
        let place = keys.iter().position(|&key| key == first)?;
        Some(node.children as usize + place)
    }

    /// Writes `branch` down at `place`, and what is below it behind all that is there.
    fn lay_out(&mut self, place: usize, branch: Branch) {
        let text = self.octets.len() as u32;
        self.octets.extend_from_slice(&branch.text);
        self.octets
            .extend(branch.children.iter().filter_map(|child| child.text.first()));
        let children = self.nodes.len();
        let count = branch.children.len();
        let parameter = branch.parameter.is_some().then_some(children + count);
        let added = count + usize::from(parameter.is_some());
        self.nodes.resize(children + added, Node::placeholder());
        self.nodes[place] = Node {
            text,
            text_len: branch.text.len() as u32,
            children: children as u32,
            child_count: count as u32,
            parameter: parameter.and_then(index),
            end: branch.end.and_then(index),
            open: branch.open.and_then(index),
            rest: branch.rest.and_then(index),
        };
        let below = branch.children.into_iter().chain(branch.parameter.map(|below| *below));
        for (i, below) in below.enumerate() {
            self.lay_out(children + i, below);
        }
    }
}

/// What follows `beginning` in `octets`, if they begin so. As `strip_prefix`, without the call that is
/// most of the work for texts as short as these.
#[inline]
fn behind<'a>(octets: &'a [u8], beginning: &[u8]) -> Option<&'a [u8]> {
    let (same, left) = octets.split_at_checked(beginning.len())?;
    let (same_words, same_rest) = same.as_chunks::<8>();
    let (words, rest) = beginning.as_chunks::<8>();
    let differ = |a: &[u8; 8], b: &[u8; 8]| u64::from_ne_bytes(*a) != u64::from_ne_bytes(*b);
    if same_words.iter().zip(words).any(|(a, b)| differ(a, b)) || same_rest.iter().zip(rest).any(|(a, b)| a != b) {
        return None;
    }
    Some(left)
}

/// The path that is searched for.
#[derive(Clone, Copy)]
struct Path<'a, 'r> {
    text: &'r str,
    masked: &'a [u8],
}

impl Node {
    const fn placeholder() -> Node {
        Node {
            text: 0,
            text_len: 0,
            children: 0,
            child_count: 0,
            parameter: None,
            end: None,
            open: None,
            rest: None,
        }
    }

    /// The path ends at this node.
    fn visit_at_end<'r, const REST: bool>(
        &self,
        position: usize,
        captured: &Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> bool,
    ) -> bool {
        if REST {
            return self.visit_open::<REST>(position, true, captured, visit);
        }
        let mut offer = |target: Option<Index>| target.is_some_and(|target| visit(captured.matched(target, position)));
        offer(self.end) || offer(self.open)
    }

    /// Nothing below this node was taken.
    fn visit_open<'r, const REST: bool>(
        &self,
        position: usize,
        ends_segment: bool,
        captured: &Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> bool,
    ) -> bool {
        match (REST, self.rest, self.open) {
            // The slash behind which the rest begins belongs to its first segment.
            (true, Some(rest), _) => visit(captured.matched(rest, position.saturating_sub(1))),
            (false, _, Some(open)) if ends_segment => visit(captured.matched(open, position)),
            _ => false,
        }
    }
}

impl<'r> Captured<'r> {
    fn new() -> Captured<'r> {
        Captured {
            values: [None; MAX_CAPTURES],
            len: 0,
        }
    }

    /// Says whether there was room, which there is: no pattern has more parameters.
    fn push(&mut self, value: Option<&'r str>) -> bool {
        let Some(place) = self.values.get_mut(self.len) else {
            return false;
        };
        *place = value;
        self.len += 1;
        true
    }

    fn matched(&self, target: Index, taken: usize) -> Match<'_, 'r> {
        Match {
            target: at(target),
            captured: self.values.get(..self.len).unwrap_or(&[]),
            taken,
        }
    }
}

/// A node of the tree while it grows.
#[derive(Debug, Default)]
struct Branch {
    text: Vec<u8>,
    children: Vec<Branch>,
    parameter: Option<Box<Branch>>,
    end: Option<usize>,
    open: Option<usize>,
    rest: Option<usize>,
}

impl Branch {
    fn insert(&mut self, tokens: &[Token], ending: Ending, target: usize) {
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
        let place = self
            .children
            .iter()
            .position(|child| child.text.first() == Some(&first));
        let place = place.unwrap_or_else(|| {
            self.children.push(Branch {
                text: text.to_vec(),
                ..Branch::default()
            });
            self.children.len() - 1
        });
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
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Pattern, PatternKind};
    use super::*;

    fn tree(patterns: &[&str]) -> Tree {
        let parsed: Vec<Vec<Token>> = patterns
            .iter()
            .map(|text| match Pattern::from(text.trim_end_matches(" ..")).kind {
                Ok(PatternKind::Template(template)) => template.tokens,
                other => panic!("{other:?}"),
            })
            .collect();
        let ending = |i: usize| {
            if patterns[i].ends_with(" ..") {
                Ending::Open
            } else {
                Ending::Closed
            }
        };
        Tree::build(parsed.iter().enumerate().map(|(i, tokens)| (&**tokens, ending(i), i)))
    }

    /// All matches in order, as `pattern captures taken`.
    fn matches(patterns: &[&str], path: &str) -> Vec<String> {
        let tree = tree(patterns);
        let mut seen = Vec::new();
        let mut note = |found: Match<'_, '_>| {
            let captured: Vec<_> = found.captured.iter().flatten().copied().collect();
            seen.push(format!(
                "{} [{}] {}",
                patterns[found.target],
                captured.join(","),
                found.taken
            ));
            false
        };
        tree.search(path, path, &mut note);
        tree.search_rest(path, path, &mut note);
        seen
    }

    #[test]
    fn text_comes_before_parameters_and_parameters_before_rests() {
        let patterns = ["/a/{*r}", "/{x}/b", "/a/{x}", "/a/b", "/{*r}", "/{x}/{y}"];
        assert_eq!(
            matches(&patterns, "/a/b"),
            [
                "/a/b [] 4",
                "/a/{x} [b] 4",
                "/{x}/b [a] 4",
                "/{x}/{y} [a,b] 4",
                "/a/{*r} [] 2",
                "/{*r} [] 0"
            ]
        );
    }

    #[test]
    fn shared_beginnings_do_not_mix_patterns_up() {
        let patterns = ["/team", "/test", "/toast", "/te", "/t/", "/"];
        for path in ["/team", "/test", "/toast", "/te", "/t/"] {
            assert_eq!(matches(&patterns, path), [format!("{path} [] {}", path.len())]);
        }
        assert_eq!(matches(&patterns, ""), ["/ [] 0"]);
        assert_eq!(matches(&patterns, "/t"), [""; 0]);
        assert_eq!(matches(&patterns, "/tests"), [""; 0]);
    }

    #[test]
    fn a_parameter_is_a_whole_segment_and_never_empty() {
        assert_eq!(matches(&["/a/{x}"], "/a/"), [""; 0]);
        assert_eq!(matches(&["/a/{x}"], "/a/b/"), [""; 0]);
        assert_eq!(matches(&["/a/{x}/"], "/a/b/"), ["/a/{x}/ [b] 5"]);
    }

    #[test]
    fn open_ends_match_at_segments_and_the_longest_first() {
        let patterns = ["/a ..", "/a/{x} ..", "/a/b"];
        assert_eq!(
            matches(&patterns, "/a/b"),
            ["/a/b [] 4", "/a/{x} .. [b] 4", "/a .. [] 2"]
        );
        assert_eq!(matches(&patterns, "/a"), ["/a .. [] 2"]);
        assert_eq!(matches(&patterns, "/a/"), ["/a .. [] 2"]);
        assert_eq!(matches(&patterns, "/ab"), [""; 0]);
        assert_eq!(matches(&patterns, "/a/c/d"), ["/a/{x} .. [c] 4", "/a .. [] 2"]);
    }

    #[test]
    fn a_rest_needs_its_slash_except_at_the_root() {
        assert_eq!(matches(&["/a/{*r}"], "/a"), [""; 0]);
        assert_eq!(matches(&["/a/{*r}"], "/a/"), ["/a/{*r} [] 2"]);
        assert_eq!(matches(&["/a/{*r}"], "/a/b/c"), ["/a/{*r} [] 2"]);
        assert_eq!(matches(&["/{*r}"], ""), ["/{*r} [] 0"]);
        assert_eq!(matches(&["/{*r}"], "/a"), ["/{*r} [] 0"]);
    }
}
