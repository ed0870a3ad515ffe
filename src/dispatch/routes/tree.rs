//! All templates in one tree, so that a path is compared with all of them in one pass.
//!
//! Each node holds the text that its patterns share; below it, they part by their next octet, or by a
//! parameter. Text is tried before a parameter, and what is longer before what it begins with.
//!
//! Where nothing parts any more, one last node holds the whole rest of its pattern. With many routes that
//! is most of the tree, and what looking things up costs then is the number of places in memory: patterns
//! that end alike share one text, which stays near.

use std::collections::HashMap;

use super::branch::{Branch, Ending};
use super::captured::{Captured, Match};
use super::pattern::Token;
use crate::request::{Octets, Segments, octet_in, word};

/// The tree, as one list of nodes in which the children of a node stand together.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// For each node its text, and behind it the first octets of its children's texts, which those are without:
    /// who has come to a child has compared that octet. Behind them all there is a word of nothing, so that
    /// there is a whole word at each of them.
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
    /// No octet is the first of a text in more than 243 ways: the others are never in UTF-8.
    child_count: u8,
    ways: Ways,
    /// The first octet of the first child's text, and whether those of the others are the next ones in order.
    /// Numbers part that way, and then nothing need be looked up.
    lowest: u8,
    is_range: bool,
    parameter: Option<Index>,
    /// What a path leads to that ends here.
    end: Option<Index>,
    /// What a path leads to that ends a segment here, and goes on.
    open: Option<Index>,
    /// What a path leads to that goes on behind the slash here.
    rest: Option<Index>,
}

/// Where it goes on behind a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ways {
    /// The text is a whole rest of a pattern, see [`Branch::straight`].
    Straight,
    /// To its children, and nowhere else.
    Children,
    /// By a parameter as well, or to a pattern that may end before the path does.
    #[default]
    Several,
}

/// An index plus one, so that `Option` costs nothing.
type Index = std::num::NonZeroU32;

fn index(n: usize) -> Option<Index> {
    Index::new(n as u32 + 1)
}

fn at(index: Index) -> usize {
    index.get() as usize - 1
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
        tree.octets.extend([0; 8]);
        tree
    }

    /// Offers `visit` the patterns that match, best first, until it makes something of one.
    // It is called in two places, of which one is the usual.
    #[inline(always)]
    pub(super) fn search<'r, T>(
        &self,
        path: Path<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        // Nearly always one way leads to one pattern: that is looked at here, without a call.
        let (here, left) = self.go_down(0, path.octets)?;
        if here.ways == Ways::Straight {
            return self.visit_straight(here, path, left, &mut Captured::new(), visit);
        }
        self.find::<false, T>(here, path, left, &mut Captured::new(), visit)
    }

    /// As [`search`](Tree::search), for the patterns that end in a rest.
    #[inline]
    pub(super) fn search_rest<'r, T>(
        &self,
        path: Path<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        if !self.has_rest {
            return None;
        }
        self.find_below::<true, T>(0, path, path.octets, &mut Captured::new(), visit)
    }

    /// Tries what is below `node`, and comes back with what was captured before.
    fn find_below<'r, const REST: bool, T>(
        &self,
        node: usize,
        path: Path<'r>,
        left: Octets<'r>,
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let known = captured.len();
        let (here, left) = self.go_down(node, left)?;
        let found = if here.ways == Ways::Straight {
            // The rest of one pattern, and that does not end in a rest.
            (!REST).then(|| self.visit_straight(here, path, left, captured, visit))?
        } else {
            self.find::<REST, T>(here, path, left, captured, visit)
        };
        captured.truncate(known);
        found
    }

    /// Tries what is `here`, where there are several ways or the path ends.
    fn find<'r, const REST: bool, T>(
        &self,
        here: &Node,
        path: Path<'r>,
        left: Octets<'r>,
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let position = path.position(left);
        let Some(next) = left.first() else {
            return here.visit_at_end::<REST, T>(path.taken(position), captured, visit);
        };
        let mut found = None;
        if let Some(child) = self.child(here, next) {
            found = self.find_below::<REST, T>(child, path, left.behind_first()?, captured, visit);
        }
        if let (None, Some(parameter)) = (&found, here.parameter) {
            if let Some((len, behind)) = left.segment().filter(|(len, _)| *len > 0) {
                if captured.push(path.whole.get(position..position + len)) {
                    found = self.find_below::<REST, T>(at(parameter), path, behind, captured, visit);
                    captured.truncate(captured.len() - 1);
                }
            }
        }
        found.or_else(|| here.visit_open::<REST, T>(path.taken(position), next == b'/', captured, visit))
    }

    /// Tries the one pattern that a straight node leads to.
    #[inline(always)]
    fn visit_straight<'r, T>(
        &self,
        straight: &Node,
        path: Path<'r>,
        left: Octets<'r>,
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        self.follow(straight, path, left, captured)?;
        visit(captured.matched(at(straight.end?), path.octets.len()))
    }

    /// Goes down from `node` for as long as there is one way only: to the first node where there are more,
    /// or where the path ends, or to a straight one. `left` is what is left of the path before the node, and
    /// what comes back is left behind it; before it, if it is straight.
    #[inline(always)]
    fn go_down<'r>(&self, mut node: usize, mut left: Octets<'r>) -> Option<(&Node, Octets<'r>)> {
        loop {
            let here = self.nodes.get(node)?;
            if here.ways == Ways::Straight {
                return Some((here, left));
            }
            if here.text_len > 0 {
                left = left.behind(self.octets.get(here.text as usize..)?, here.text_len as usize)?;
            }
            match left.first() {
                Some(next) if here.ways == Ways::Children => node = self.child(here, next)?,
                _ => return Some((here, left)),
            }
            left = left.behind_first()?;
        }
    }

    /// Compares what is left of the path with the rest of the one pattern there is, and captures.
    #[inline(always)]
    fn follow<'r>(
        &self,
        straight: &Node,
        path: Path<'r>,
        mut left: Octets<'r>,
        captured: &mut Captured<'r>,
    ) -> Option<()> {
        let mut texts = self.octets.get(straight.text as usize..)?;
        let behind_texts = texts.len().checked_sub(straight.text_len as usize)?;
        loop {
            let (&len, text) = texts.split_first()?;
            // Behind a parameter that is the last, there is none.
            if len > 0 {
                left = left.behind(text, usize::from(len))?;
            }
            texts = text.get(usize::from(len)..)?;
            if texts.len() <= behind_texts {
                return (left.len() == 0).then_some(());
            }
            let start = path.position(left);
            let len;
            (len, left) = left.segment()?;
            if len == 0 || !captured.push(path.whole.get(start..start + len)) {
                return None;
            }
        }
    }

    #[inline(always)]
    fn child(&self, node: &Node, first: u8) -> Option<usize> {
        let count = usize::from(node.child_count);
        if node.is_range {
            let place = usize::from(first.wrapping_sub(node.lowest));
            return (place < count).then_some(node.children as usize + place);
        }
        let mut keys = self.octets.get((node.text + node.text_len) as usize..)?;
        let mut before = 0;
        while before < count {
            if let Some(place) = octet_in(word(keys)?, first) {
                // What is behind the keys is something else.
                return (before + place < count).then_some(node.children as usize + before + place);
            }
            before += 8;
            keys = keys.get(8..)?;
        }
        None
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
                ways: Ways::Straight,
                end: index(target),
                ..Node::default()
            };
            return;
        }
        let text = self.octets.len() as u32;
        self.octets.extend_from_slice(&branch.text);
        let keys: Vec<u8> = branch.children.iter().map(|child| child.text[0]).collect();
        self.octets.extend_from_slice(&keys);
        let children = self.nodes.len();
        let count = branch.children.len();
        let parameter = branch.parameter.is_some().then_some(children + count);
        let added = count + usize::from(parameter.is_some());
        self.nodes.resize(children + added, Node::default());
        self.nodes[place] = Node {
            text,
            text_len: branch.text.len() as u32,
            children: children as u32,
            child_count: count as u8,
            lowest: keys.first().copied().unwrap_or_default(),
            is_range: keys.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])),
            ways: if parameter.is_some() || branch.open.or(branch.rest).is_some() {
                Ways::Several
            } else {
                Ways::Children
            },
            parameter: parameter.and_then(index),
            end: branch.end.and_then(index),
            open: branch.open.and_then(index),
            rest: branch.rest.and_then(index),
        };
        let behind_first = |mut child: Branch| {
            child.text.remove(0);
            child
        };
        let below = branch.children.into_iter().map(behind_first);
        for (i, below) in below.chain(branch.parameter.map(|below| *below)).enumerate() {
            self.lay_out(children + i, below, straight);
        }
    }
}

/// The path that is searched for.
#[derive(Clone, Copy)]
pub(super) struct Path<'r> {
    /// All of the request's path, with what is behind it.
    whole: &'r str,
    /// The part that is searched for.
    octets: Octets<'r>,
}

impl<'r> Path<'r> {
    #[inline]
    pub(super) fn of(segments: Segments<'r>) -> Path<'r> {
        Path {
            whole: segments.whole(),
            octets: segments.octets(),
        }
    }

    /// Where in the whole path the octets begin that are left.
    #[inline]
    fn position(self, left: Octets<'_>) -> usize {
        left.begin_in(self.whole)
    }

    /// How many octets are before a position.
    #[inline]
    fn taken(self, position: usize) -> usize {
        position.wrapping_sub(self.position(self.octets))
    }
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
        let found = self.end.and_then(|end| visit(captured.matched(at(end), position)));
        found.or_else(|| self.open.and_then(|open| visit(captured.matched(at(open), position))))
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
            (true, Some(rest), _) => visit(captured.matched(at(rest), position.saturating_sub(1))),
            (false, _, Some(open)) if ends_segment => visit(captured.matched(at(open), position)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Pattern, PatternKind};
    use super::*;
    use crate::request::DecodedPath;

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
        let mut plain = DecodedPath::default();
        plain.take_plain(path);
        let path = Path::of(plain.segments());
        let mut seen = Vec::new();
        let mut note = |found: Match<'_, '_>| {
            let captured: Vec<_> = found.captured.iter().flatten().copied().collect();
            seen.push(format!(
                "{} [{}] {}",
                patterns[found.route],
                captured.join(","),
                found.taken
            ));
            None::<()>
        };
        tree.search(path, &mut note);
        tree.search_rest(path, &mut note);
        seen
    }

    #[test]
    fn a_text_is_compared_whole() {
        let text = "/abcdefghijklmnopqrstuvwxyz";
        for len in 2..=text.len() {
            assert_eq!(
                matches(&[&text[..len]], &text[..len]),
                [format!("{} [] {len}", &text[..len])]
            );
            for wrong in 1..len {
                let mut other = text[..len].to_owned().into_bytes();
                other[wrong] ^= 1;
                let other = String::from_utf8(other).unwrap();
                assert_eq!(matches(&[&text[..len]], &other), [""; 0], "{other}");
            }
            for other in 2..=text.len() {
                assert_eq!(
                    matches(&[&text[..len]], &text[..other]).len(),
                    usize::from(len == other)
                );
            }
        }
    }

    #[test]
    fn a_path_has_no_slashes_but_its_own() {
        let patterns = [
            "/a/",
            "/a//",
            "/a/{*r}",
            "/a//b",
            "/b/",
            "/c/{x}/",
            "/c/{x}//{y}",
            "/d/ ..",
        ];
        for path in ["/a", "/b", "/c/x", "/d", "/c/x/y"] {
            assert_eq!(matches(&patterns, path), [""; 0], "{path}");
        }
        assert_eq!(matches(&patterns, "/a/"), ["/a/ [] 3", "/a/{*r} [] 2"]);
        assert_eq!(matches(&patterns, "/c/x/"), ["/c/{x}/ [x] 5"]);
    }

    #[test]
    fn ways_part_by_any_octet_in_a_run_or_not() {
        for keys in ["34", "345", "0123456789", "9", "35", "bdfhjlnprt", "abyz", "-.", "éê"] {
            let patterns: Vec<String> = keys.chars().map(|key| format!("/r{key}/x")).collect();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            for other in ('!'..='~').filter(|c| !"#%/:<>?{}".contains(*c)).chain(['é', 'ê', 'ë']) {
                let found = matches(&patterns, &format!("/r{other}/x"));
                assert_eq!(found.len(), usize::from(keys.contains(other)), "{other} of {keys}");
                assert_eq!(matches(&patterns, &format!("/r{other}")), [""; 0]);
            }
            assert_eq!(matches(&patterns, "/r"), [""; 0], "{keys}");
        }
        // The parameter stands right behind the children.
        let with_parameter = ["/a/3", "/a/4", "/a/{x}/z"];
        assert_eq!(matches(&with_parameter, "/a/5/z"), ["/a/{x}/z [5] 6"]);
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
