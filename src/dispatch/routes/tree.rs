//! All templates in one tree, so that a path is compared with all of them in one pass.
//!
//! Each node holds the text that its patterns share; below it, they part by their next octet, or by a
//! parameter. Text is tried before a parameter, and what is longer before what it begins with.
//!
//! Where nothing parts any more, one last node holds the whole rest of its pattern. With many routes that
//! is most of the tree, and what looking things up costs then is the number of places in memory: patterns
//! that end alike share one text, which stays near.

use std::collections::HashMap;

use super::branch::Branch;
use super::pattern::{MAX_CAPTURES, Token};

/// The tree, as one list of nodes in which the children of a node stand together.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// For each node its text, and behind it the first octets of its children's texts.
    octets: Vec<u8>,
    has_rest: bool,
}

/// Half a cache line, and never in two of them.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Node {
    text: u32,
    text_len: u32,
    children: u32,
    child_count: u16,
    /// Whether the text is a whole rest of a pattern, see [`Branch::straight`].
    is_straight: bool,
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
        let root = root.without_empty_beginning();
        let mut tree = Tree {
            has_rest,
            ..Tree::default()
        };
        tree.nodes.push(Node::default());
        tree.lay_out(0, root, &mut HashMap::new());
        tree
    }

    /// Offers `visit` the patterns that match, best first, until it makes something of one.
    ///
    /// `masked` is `text`, but every slash in it separates segments.
    pub(super) fn search<'r, T>(
        &self,
        text: &'r str,
        masked: &str,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let path = Path {
            text,
            masked: masked.as_bytes(),
        };
        self.find::<false, T>(0, path, 0, &mut Captured::new(), visit)
    }

    /// As [`search`](Tree::search), for the patterns that end in a rest.
    pub(super) fn search_rest<'r, T>(
        &self,
        text: &'r str,
        masked: &str,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        if !self.has_rest {
            return None;
        }
        let path = Path {
            text,
            masked: masked.as_bytes(),
        };
        self.find::<true, T>(0, path, 0, &mut Captured::new(), visit)
    }

    fn find<'r, const REST: bool, T>(
        &self,
        node: usize,
        path: Path<'_, 'r>,
        position: usize,
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let (mut node, mut position) = (node, position);
        loop {
            let (here, left) = self.go_down::<REST>(node, path.masked.get(position..)?)?;
            position = path.masked.len() - left.len();
            if here.is_straight {
                return if !REST && self.follow(here, path, position, captured).is_some() {
                    visit(captured.matched(here.end?, path.masked.len()))
                } else {
                    None
                };
            }
            let known = captured.len;
            let Some(&next) = left.first() else {
                return here.visit_at_end::<REST, T>(position, captured, visit);
            };
            if let Some(child) = self.child(here, next) {
                let found = self.find::<REST, T>(child, path, position, captured, visit);
                if found.is_some() {
                    return found;
                }
                captured.len = known;
            }
            let is_last = if REST { here.rest } else { here.open }.is_none();
            if let Some(parameter) = here.parameter {
                let len = segment_len(left);
                if len > 0 && captured.push(path.text.get(position..position + len)) {
                    if is_last {
                        node = at(parameter);
                        position += len;
                        continue;
                    }
                    let found = self.find::<REST, T>(at(parameter), path, position + len, captured, visit);
                    if found.is_some() {
                        return found;
                    }
                    captured.len = known;
                }
            }
            return here.visit_open::<REST, T>(position, next == b'/', captured, visit);
        }
    }

    /// Goes down from `node` for as long as there is one way only: to the first node where there are more,
    /// or where the path ends, or to a straight one. `left` is what is left of the path before the node, and
    /// what comes back is left behind it; before it, if it is straight.
    fn go_down<'a, const REST: bool>(&self, mut node: usize, mut left: &'a [u8]) -> Option<(&Node, &'a [u8])> {
        loop {
            let here = self.nodes.get(node)?;
            if here.is_straight {
                return Some((here, left));
            }
            let (text, keys) = self
                .octets
                .get(here.text as usize..)?
                .split_at_checked(here.text_len as usize)?;
            left = behind(left, text)?;
            let has_other = here.parameter.or(if REST { here.rest } else { here.open }).is_some();
            let Some(&next) = left.first().filter(|_| !has_other) else {
                return Some((here, left));
            };
            node = here.children as usize + position(keys.get(..usize::from(here.child_count))?, next)?;
        }
    }

    /// Compares what is left of the path with the rest of the one pattern there is, and captures.
    fn follow<'r>(
        &self,
        straight: &Node,
        path: Path<'_, 'r>,
        position: usize,
        captured: &mut Captured<'r>,
    ) -> Option<()> {
        let mut texts = self.text_of(straight);
        let mut left = path.masked.get(position..)?;
        loop {
            let (&len, others) = texts.split_first()?;
            let (text, others) = others.split_at_checked(usize::from(len))?;
            left = behind(left, text)?;
            if others.is_empty() {
                return left.is_empty().then_some(());
            }
            let len = segment_len(left);
            let position = path.masked.len() - left.len();
            if len == 0 || !captured.push(path.text.get(position..position + len)) {
                return None;
            }
            left = left.get(len..)?;
            texts = others;
        }
    }

    fn text_of(&self, node: &Node) -> &[u8] {
        let start = node.text as usize;
        self.octets.get(start..start + node.text_len as usize).unwrap_or(&[])
    }

    fn child(&self, node: &Node, first: u8) -> Option<usize> {
        let start = (node.text + node.text_len) as usize;
        let keys = self.octets.get(start..start + node.child_count as usize)?;
        let place = position(keys, first)?;
        Some(node.children as usize + place)
    }

    /// Writes `branch` down at `place`, and what is below it behind all that is there. `straight` knows where
    /// the rests of patterns are that have been written down.
    fn lay_out(&mut self, place: usize, branch: Branch, straight: &mut HashMap<Vec<u8>, u32>) {
        if let Some((texts, target)) = branch.straight() {
            let text_len = texts.len() as u32;
            let text = *straight.entry(texts).or_insert_with_key(|texts| {
                self.octets.extend_from_slice(texts);
                self.octets.len() as u32 - text_len
            });
            self.nodes[place] = Node {
                text,
                text_len,
                is_straight: true,
                end: index(target),
                ..Node::default()
            };
            return;
        }
        let text = self.octets.len() as u32;
        self.octets.extend_from_slice(&branch.text);
        self.octets
            .extend(branch.children.iter().filter_map(|child| child.text.first()));
        let children = self.nodes.len();
        let count = branch.children.len();
        let parameter = branch.parameter.is_some().then_some(children + count);
        let added = count + usize::from(parameter.is_some());
        self.nodes.resize(children + added, Node::default());
        self.nodes[place] = Node {
            text,
            text_len: branch.text.len() as u32,
            children: children as u32,
            child_count: count as u16,
            is_straight: false,
            parameter: parameter.and_then(index),
            end: branch.end.and_then(index),
            open: branch.open.and_then(index),
            rest: branch.rest.and_then(index),
        };
        let below = branch.children.into_iter().chain(branch.parameter.map(|below| *below));
        for (i, below) in below.enumerate() {
            self.lay_out(children + i, below, straight);
        }
    }
}

/// What follows `beginning` in `octets`, if they begin so. As `strip_prefix`, without the call that is
/// most of the work for texts as short as these.
#[inline]
fn behind<'a>(octets: &'a [u8], beginning: &[u8]) -> Option<&'a [u8]> {
    let (same, left) = octets.split_at_checked(beginning.len())?;
    let is_same = match beginning.len() {
        0 => true,
        1 => same.first() == beginning.first(),
        // Two words that overlap are a short text.
        2..4 => ends::<2>(same) == ends::<2>(beginning),
        4..8 => ends::<4>(same) == ends::<4>(beginning),
        8..=16 => ends::<8>(same) == ends::<8>(beginning),
        _ => same == beginning,
    };
    is_same.then_some(left)
}

/// The first and the last `N` octets.
#[inline]
fn ends<const N: usize>(octets: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (octets.first_chunk(), octets.last_chunk())
}

/// How long the segment is that `octets` begin with.
#[inline]
fn segment_len(octets: &[u8]) -> usize {
    position(octets, b'/').unwrap_or(octets.len())
}

/// Where `wanted` is: eight octets at a time.
#[inline]
fn position(octets: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = octets.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // An octet that is wanted becomes zero, and borrows from its upper bit.
        let different = u64::from_le_bytes(*word) ^ (ONES * u64::from(wanted));
        let found = different.wrapping_sub(ONES) & !different & (ONES << 7);
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|&octet| octet == wanted)?;
    Some(octets.len() - rest.len() + place)
}

/// The path that is searched for.
#[derive(Clone, Copy)]
struct Path<'a, 'r> {
    text: &'r str,
    masked: &'a [u8],
}

impl Node {
    /// The path ends at this node.
    fn visit_at_end<'r, const REST: bool, T>(
        &self,
        position: usize,
        captured: &Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        if REST {
            return self.visit_open::<REST, T>(position, true, captured, visit);
        }
        let found = self.end.and_then(|end| visit(captured.matched(end, position)));
        found.or_else(|| self.open.and_then(|open| visit(captured.matched(open, position))))
    }

    /// Nothing below this node was taken.
    fn visit_open<'r, const REST: bool, T>(
        &self,
        position: usize,
        ends_segment: bool,
        captured: &Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        match (REST, self.rest, self.open) {
            // The slash behind which the rest begins belongs to its first segment.
            (true, Some(rest), _) => visit(captured.matched(rest, position.saturating_sub(1))),
            (false, _, Some(open)) if ends_segment => visit(captured.matched(open, position)),
            _ => None,
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
            None::<()>
        };
        tree.search(path, path, &mut note);
        tree.search_rest(path, path, &mut note);
        seen
    }

    #[test]
    fn a_slash_is_found_wherever_it_is() {
        for len in 0..20 {
            for slash in 0..=len {
                let mut octets = vec![b'0'; len];
                octets.iter_mut().skip(slash).for_each(|octet| *octet = b'/');
                assert_eq!(segment_len(&octets), slash, "{len}");
            }
        }
        assert_eq!(segment_len("0\u{af}.\u{12f}/".as_bytes()), 6);
    }

    #[test]
    fn a_beginning_is_all_of_it() {
        let text = b"/abcdefghijklmnopqrstuvwxyz";
        for len in 0..text.len() {
            assert_eq!(behind(text, &text[..len]), Some(&text[len..]));
            for wrong in 0..len {
                let mut other = text[..len].to_vec();
                other[wrong] ^= 1;
                assert_eq!(behind(text, &other), None, "{len} {wrong}");
            }
            assert_eq!(behind(&text[..len], text), None);
        }
    }

    #[test]
    fn patterns_that_end_alike_share_one_text() {
        let size = |count: usize| {
            let numbers = 10..10 + count;
            let patterns: Vec<_> = numbers.map(|i| format!("/r{i}x/{{a}}/and/a/long/end/{{b}}")).collect();
            tree(&patterns.iter().map(String::as_str).collect::<Vec<_>>())
                .octets
                .len()
        };
        assert_eq!(size(30) - size(29), 1, "one octet to tell it apart by");
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
