//! The tree of all templates, in which one pass compares a path with all of them.
//!
//! Each node has the text that its patterns share. Below it, they differ in their next octet, or have a parameter. Text
//! is tried before a parameter, and a longer text before its prefix.
//!
//! Where only one pattern is left, a last node has the whole rest of it.

use super::branch::{Branch, Ending};
use super::captured::{Captured, Match};
use super::pattern::Token;
use crate::request::{Segments, segment_len};

/// The tree, as a list of nodes. The children of a node are adjacent.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// For each node its text, and behind it the first octets of its children's texts. The children's own texts lack
    /// these octets, which have been compared when a child is reached.
    octets: Vec<u8>,
    has_rest: bool,
}

/// A node: half a cache line, and never in two.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Node {
    text: u32,
    text_len: u32,
    children: u32,
    /// At most 243, because other octets never occur in UTF-8.
    child_count: u8,
    ways: Ways,
    parameter: Option<Index>,
    /// The route of a path that ends here.
    end: Option<Index>,
    /// The mount of a path in which a segment ends here.
    open: Option<Index>,
    /// The route of a path that goes on behind the slash here.
    rest: Option<Index>,
}

/// The ways that lead on from a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ways {
    /// None: the text is the whole rest of a pattern, see [`Branch::straight`].
    Straight,
    /// Its children only.
    Children,
    /// A parameter as well, or a pattern that may end before the path does.
    #[default]
    Several,
}

/// An index plus one, so that `Option` takes no space.
type Index = std::num::NonZeroU32;

fn index(n: usize) -> Option<Index> {
    Index::new(n as u32 + 1)
}

fn at(index: Index) -> usize {
    index.get() as usize - 1
}

impl Tree {
    /// Builds the tree of these patterns, each with its route. No two patterns may be equal.
    pub(super) fn build<'p>(patterns: impl Iterator<Item = (&'p [Token], Ending, usize)>) -> Tree {
        let mut root = Branch::default();
        let mut has_rest = false;
        for (tokens, ending, target) in patterns {
            // `/{*rest}` matches every path, and the path `/` has no slash before its rest.
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
        tree.lay_out(0, root);
        tree
    }

    /// Calls `visit` for the patterns that match, the best first, until it returns something.
    #[inline]
    pub(super) fn search<'r, T>(
        &self,
        path: Path<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        self.find_below::<false, T>(0, path, path.octets, &mut Captured::new(), visit)
    }

    /// Like [`search`](Tree::search), for patterns that end in a rest.
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

    /// Tries the patterns below `node`. The captures are restored.
    fn find_below<'r, const REST: bool, T>(
        &self,
        node: usize,
        path: Path<'r>,
        left: &'r [u8],
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let known = captured.len();
        let (here, left) = self.go_down(node, left)?;
        let found = if here.ways == Ways::Straight {
            // A straight node never ends in a rest.
            (!REST).then(|| self.visit_straight(here, path, left, captured, visit))?
        } else {
            self.find::<REST, T>(here, path, left, captured, visit)
        };
        captured.truncate(known);
        found
    }

    /// Tries the patterns at `here`, where there are several ways or the path ends.
    fn find<'r, const REST: bool, T>(
        &self,
        here: &Node,
        path: Path<'r>,
        left: &'r [u8],
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        let position = path.position(left);
        let Some((&next, behind_next)) = left.split_first() else {
            return here.visit_at_end::<REST, T>(position, captured, visit);
        };
        let mut found = None;
        if let Some(child) = self.child(here, next) {
            found = self.find_below::<REST, T>(child, path, behind_next, captured, visit);
        }
        if let (None, Some(parameter)) = (&found, here.parameter) {
            let len = segment_len(left);
            if len > 0 && captured.push(path.text.get(position..position + len)) {
                found = self.find_below::<REST, T>(at(parameter), path, &left[len..], captured, visit);
                captured.truncate(captured.len() - 1);
            }
        }
        found.or_else(|| here.visit_open::<REST, T>(position, next == b'/', captured, visit))
    }

    /// Tries the one pattern of a straight node.
    #[inline(always)]
    fn visit_straight<'r, T>(
        &self,
        straight: &Node,
        path: Path<'r>,
        left: &'r [u8],
        captured: &mut Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        self.follow(straight, path, left, captured)?;
        visit(captured.matched(at(straight.end?), path.octets.len()))
    }

    /// Goes down from `node` as long as there is only one way, and returns the first node at which there are several
    /// ways or the path ends, or a straight node. `left` is the part of the path before `node`; the part behind the
    /// returned node is returned, or the part before it if it is straight.
    #[inline(always)]
    fn go_down<'r>(&self, mut node: usize, mut left: &'r [u8]) -> Option<(&Node, &'r [u8])> {
        loop {
            let here = self.nodes.get(node)?;
            if here.ways == Ways::Straight {
                return Some((here, left));
            }
            left = left.strip_prefix(self.text(here)?)?;
            match left.split_first() {
                Some((&next, behind)) if here.ways == Ways::Children => {
                    node = self.child(here, next)?;
                    left = behind;
                }
                _ => return Some((here, left)),
            }
        }
    }

    /// Compares the rest of the path with the rest of the pattern, and captures.
    #[inline(always)]
    fn follow<'r>(
        &self,
        straight: &Node,
        path: Path<'r>,
        mut left: &'r [u8],
        captured: &mut Captured<'r>,
    ) -> Option<()> {
        let mut texts = self.text(straight)?;
        loop {
            let (&len, text) = texts.split_first()?;
            let (text, others) = text.split_at_checked(usize::from(len))?;
            left = left.strip_prefix(text)?;
            texts = others;
            if texts.is_empty() {
                return left.is_empty().then_some(());
            }
            let start = path.position(left);
            let len = segment_len(left);
            if len == 0 || !captured.push(path.text.get(start..start + len)) {
                return None;
            }
            left = &left[len..];
        }
    }

    #[inline]
    fn text(&self, node: &Node) -> Option<&[u8]> {
        self.octets.get(node.text as usize..)?.get(..node.text_len as usize)
    }

    #[inline]
    fn child(&self, node: &Node, first: u8) -> Option<usize> {
        let keys = self.octets.get((node.text + node.text_len) as usize..)?;
        let keys = keys.get(..usize::from(node.child_count))?;
        let place = keys.iter().position(|&key| key == first)?;
        Some(node.children as usize + place)
    }

    /// Writes `branch` to the node at `place`, and the branches below it to new nodes.
    fn lay_out(&mut self, place: usize, branch: Branch) {
        let text = self.octets.len() as u32;
        if let Some((texts, target)) = branch.straight() {
            self.octets.extend_from_slice(&texts);
            self.nodes[place] = Node {
                text,
                text_len: texts.len() as u32,
                ways: Ways::Straight,
                end: index(target),
                ..Node::default()
            };
            return;
        }
        self.octets.extend_from_slice(&branch.text);
        self.octets.extend(branch.children.iter().map(|child| child.text[0]));
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
            self.lay_out(children + i, below);
        }
    }
}

/// The path to search for.
#[derive(Clone, Copy)]
pub(super) struct Path<'r> {
    text: &'r str,
    /// The text, with NUL for each slash inside a segment.
    octets: &'r [u8],
}

impl<'r> Path<'r> {
    #[inline]
    pub(super) fn of(segments: Segments<'r>) -> Path<'r> {
        Path {
            text: segments.text(),
            octets: segments.masked().as_bytes(),
        }
    }

    /// Returns how many octets are before those that are left.
    #[inline]
    fn position(self, left: &[u8]) -> usize {
        self.octets.len() - left.len()
    }
}

impl Node {
    /// Visits the patterns of a path that ends at this node.
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

    /// Visits the pattern that may end here, after everything below was tried.
    fn visit_open<'r, const REST: bool, T>(
        &self,
        position: usize,
        ends_segment: bool,
        captured: &Captured<'r>,
        visit: &mut impl FnMut(Match<'_, 'r>) -> Option<T>,
    ) -> Option<T> {
        match (REST, self.rest, self.open) {
            // The slash before the rest belongs to the rest's first segment.
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
