//! Suggestions for a path that leads nowhere: the places of the map that are near it.

use std::collections::HashSet;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::part::{Part, parts};
use crate::dispatch::Place;

/// The most places that are shown.
const SHOWN: usize = 5;
/// Places that differ by more than this were hardly meant.
const FARTHEST: usize = 5;
/// Longer segments are not compared letter by letter.
const COMPARED: usize = 64;
/// Characters that need no escape in a segment (RFC 3986 §3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':');

/// A place that was perhaps meant, and why the path did not reach it.
#[derive(Debug)]
pub(super) struct Near<'m> {
    pub(super) place: &'m Place,
    /// The path that would lead there, as far as it is known.
    pub(super) path: String,
    /// The same as a link, if following it leads anywhere.
    pub(super) link: Option<String>,
    /// The difference, with `code` in backticks.
    pub(super) difference: String,
    distance: usize,
    takes_method: bool,
    /// True if the path fits, and the place declined it because of a segment's content.
    pub(super) fits: bool,
}

/// Returns the places that are nearest to a path, nearest first. A place that was found is not what was meant.
pub(super) fn near<'m>(places: &'m [Place], method: &Method, path: &[&str], is_found: bool) -> Vec<Near<'m>> {
    let mut near: Vec<Near<'m>> = places
        .iter()
        .filter_map(|place| compare(place, method, path))
        .filter(|near| !(is_found && near.fits))
        .filter(|near| near.distance <= FARTHEST)
        .collect();
    near.sort_by_key(|near| near.distance);
    // Another method is only of interest where the requested one does nothing.
    let answered: HashSet<&str> = near
        .iter()
        .filter(|near| near.takes_method)
        .map(|near| near.place.pattern.as_str())
        .collect();
    near.retain(|near| near.takes_method || !answered.contains(near.place.pattern.as_str()));
    near.truncate(SHOWN);
    near
}

/// Returns the largest number of segments that some place has in common with a path, from the start.
pub(super) fn known(places: &[Place], path: &[&str]) -> usize {
    let of = |place: &Place| {
        let parts = parts(&place.pattern);
        let shared = parts.iter().zip(path).take_while(|(part, segment)| part.fits(segment));
        let count = shared.count();
        if count == path.len() && count == parts.len() {
            // The whole path fits, so it was declined because of its parameters.
            let is_literal = |part: &&Part<'_>| matches!(part, Part::Literal(_));
            return parts.iter().take_while(is_literal).count();
        }
        count
    };
    places.iter().map(of).max().unwrap_or(0)
}

fn compare<'m>(place: &'m Place, method: &Method, path: &[&str]) -> Option<Near<'m>> {
    let parts = parts(&place.pattern);
    let mut comparison = Comparison::of(&parts, path)?;
    let takes_method = place.methods.allow().allows(method);
    if !takes_method {
        // If the path is right, a place with another method comes first, otherwise after those that accept the method.
        comparison.distance += if comparison.differences.is_empty() { 1 } else { 3 };
        comparison
            .differences
            .push(format!("takes {}, not `{method}`", place.methods));
    }
    let fits = comparison.differences.is_empty();
    if fits {
        comparison.differences.push("fits, but was declined".to_owned());
        comparison.distance += 1;
    }
    Some(Near {
        place,
        path: if fits {
            place.pattern.clone()
        } else {
            shown(&comparison.meant)
        },
        link: link(place, &comparison).filter(|_| !fits),
        difference: comparison.differences.join("; "),
        distance: comparison.distance,
        takes_method,
        fits,
    })
}

/// A pattern compared with a path.
#[derive(Default)]
struct Comparison {
    /// The path that would match: segments, or parts for which something would have to be filled in.
    meant: Vec<Result<String, String>>,
    differences: Vec<String>,
    distance: usize,
}

impl Comparison {
    /// Compares in each possible way. Returns `None` if the two have nothing in common.
    fn of(parts: &[Part<'_>], path: &[&str]) -> Option<Comparison> {
        if path.iter().any(|segment| segment.contains('/')) {
            let separated: Vec<&str> = path.iter().flat_map(|segment| segment.split('/')).collect();
            let mut comparison = Comparison::default();
            if comparison.by_segment(parts, &separated) && comparison.distance == 0 {
                comparison.differ(2, "with a slash for `%2F`, which is a part of its segment".to_owned());
                return Some(comparison);
            }
        }
        let mut comparison = Comparison::default();
        if comparison.by_segment(parts, path) {
            return Some(comparison);
        }
        let mut comparison = Comparison::default();
        comparison.by_prefix(parts, path).then_some(comparison)
    }

    /// Compares from the start. Returns true if the two have something in common.
    fn by_segment(&mut self, parts: &[Part<'_>], path: &[&str]) -> bool {
        let mut segments = path.iter().copied().peekable();
        let mut has_met = parts.is_empty() && path.iter().all(|segment| segment.is_empty());
        for part in parts {
            if let Part::Rest(_) = part {
                self.meant
                    .extend(segments.by_ref().map(|segment| Ok(segment.to_owned())));
                break;
            }
            // Two slashes where one was meant.
            while segments.peek() == Some(&"") && *part != Part::Literal("") {
                segments.next();
                self.differ(1, "there is a slash too many".to_owned());
            }
            match (segments.next(), *part) {
                (None, Part::Maybe(_)) => {}
                (None, Part::Literal("")) => {
                    self.differ(1, "with a slash at its end".to_owned());
                    self.meant.push(Ok(String::new()));
                }
                (None, part) => {
                    self.differ(3, format!("`{}` is missing at its end", part.text()));
                    self.meant.push(match part {
                        Part::Literal(text) => Ok(text.to_owned()),
                        part => Err(part.text().to_owned()),
                    });
                }
                (Some(segment), Part::Literal(text)) => {
                    has_met = true;
                    if !self.spell(segment, text) {
                        return false;
                    }
                    self.meant.push(Ok(text.to_owned()));
                }
                (Some(segment), _) => self.meant.push(Ok(segment.to_owned())),
            }
        }
        let left: Vec<&str> = segments.collect();
        match left[..] {
            [] => {}
            [""] => self.differ(1, "without the slash at its end".to_owned()),
            _ => self.differ(3 * left.len(), format!("`/{}` is left over", left.join("/"))),
        }
        has_met
    }

    /// Compares the end of the pattern: perhaps the path of a mount is missing.
    fn by_prefix(&mut self, parts: &[Part<'_>], path: &[&str]) -> bool {
        let Some(missing) = parts.len().checked_sub(path.len()).filter(|&missing| missing > 0) else {
            return false;
        };
        let (prefix, end) = parts.split_at(missing);
        let fits = end.iter().zip(path).all(|(part, segment)| part.fits(segment));
        let has_met = end
            .iter()
            .any(|part| matches!(part, Part::Literal(text) if !text.is_empty()));
        if !fits || !has_met {
            return false;
        }
        let text: String = prefix.iter().map(|part| format!("/{}", part.text())).collect();
        self.differ(2 + missing, format!("behind `{text}`"));
        self.meant.extend(prefix.iter().map(|part| match part {
            Part::Literal(text) => Ok((*text).to_owned()),
            part => Err(part.text().to_owned()),
        }));
        self.meant.extend(path.iter().map(|segment| Ok((*segment).to_owned())));
        true
    }

    /// Compares letter by letter. Returns true if one may have been meant by the other.
    fn spell(&mut self, segment: &str, text: &str) -> bool {
        if segment == text {
            return true;
        }
        if segment.eq_ignore_ascii_case(text) {
            self.differ(1, format!("`{text}` for `{segment}`: upper and lower case differ"));
            return true;
        }
        if segment.len() > COMPARED || text.len() > COMPARED {
            return false;
        }
        let edits = edits(&segment.to_lowercase(), &text.to_lowercase());
        let is_near = edits <= 1 + text.chars().count() / 4 && edits < text.chars().count();
        if is_near {
            self.differ(1 + edits, format!("`{text}` for `{segment}`"));
        }
        is_near
    }

    fn differ(&mut self, distance: usize, difference: String) {
        self.distance += distance;
        if self.differences.last() != Some(&difference) {
            self.differences.push(difference);
        }
    }
}

fn shown(meant: &[Result<String, String>]) -> String {
    if meant.is_empty() {
        return "/".to_owned();
    }
    let text = |part: &Result<String, String>| match part {
        Ok(text) => format!("/{}", text.replace('/', "%2F")),
        Err(text) => format!("/{text}"),
    };
    meant.iter().map(text).collect()
}

/// Returns a link, if following it sends a request that is accepted.
fn link(place: &Place, comparison: &Comparison) -> Option<String> {
    let segments: Vec<&str> = comparison
        .meant
        .iter()
        .map(|part| part.as_deref().ok())
        .collect::<Option<_>>()?;
    // `//host` would lead to another server (RFC 3986 §4.2).
    let stays_here = segments.first().is_none_or(|first| !first.is_empty());
    // A browser never requests dots (RFC 3986 §5.2.4).
    let has_dots = segments.iter().any(|segment| matches!(*segment, "." | ".."));
    if !stays_here || has_dots || !place.methods.allows(&Method::GET) {
        return None;
    }
    let encoded = segments
        .iter()
        .map(|segment| format!("/{}", utf8_percent_encode(segment, SEGMENT)));
    Some(if segments.is_empty() {
        "/".to_owned()
    } else {
        encoded.collect()
    })
}

/// Returns how many letters must be added, removed, replaced, or swapped with their neighbour to turn one text into the
/// other: the optimal string alignment distance.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let is_equal = a[i - 1] == b[j - 1];
            let mut least = (row[j] + 1)
                .min(next[j - 1] + 1)
                .min(row[j - 1] + usize::from(!is_equal));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Map;
    use crate::{App, Routes};

    fn map() -> Map {
        let calc = Routes::new().get("/add/{a}/{b}", |a: i32, b: i32| (a + b).to_string());
        App::new(
            Routes::new()
                .get("/", || "root")
                .get("/people/{id}", |_: u32| "person")
                .post("/people", || "added")
                .get("/news/", || "news")
                .mount("/calc", calc),
        )
        .routes()
    }

    fn differences(path: &[&str]) -> Vec<(String, String)> {
        let map = map();
        let near = near(map.places(), &Method::GET, path, false);
        near.into_iter().map(|near| (near.path, near.difference)).collect()
    }

    #[track_caller]
    fn nearest(path: &[&str], meant: &str, why: &str) {
        let found = differences(path);
        assert_eq!(found.first(), Some(&(meant.to_owned(), why.to_owned())), "{found:?}");
    }

    #[test]
    fn what_newcomers_get_wrong_is_named() {
        nearest(&["peopel", "7"], "/people/7", "`people` for `peopel`");
        nearest(
            &["People", "7"],
            "/people/7",
            "`people` for `People`: upper and lower case differ",
        );
        nearest(&["people", "7", ""], "/people/7", "without the slash at its end");
        nearest(&["news"], "/news/", "with a slash at its end");
        nearest(&["", "people", "7"], "/people/7", "there is a slash too many");
        nearest(&["people", "7", "x"], "/people/7", "`/x` is left over");
        nearest(&["add", "1", "2"], "/calc/add/1/2", "behind `/calc`");
        nearest(&["calc", "add", "1"], "/calc/add/1/{b}", "`{b}` is missing at its end");
        nearest(&["people"], "/people", "takes POST, not `GET`");
        let slash = "with a slash for `%2F`, which is a part of its segment";
        nearest(&["people/7"], "/people/7", slash);
        nearest(&["people", "x"], "/people/{id}", "fits, but was declined");
    }

    #[test]
    fn what_is_far_away_is_not_shown() {
        assert_eq!(differences(&["zebra", "stripes", "and", "more"]), []);
        assert_eq!(differences(&[&"x".repeat(1000)]), []);
    }

    #[test]
    fn a_link_leads_to_this_server_and_to_something_that_answers_get() {
        let map = map();
        let link = |path: &[&str]| near(map.places(), &Method::GET, path, false)[0].link.clone();
        assert_eq!(link(&["peopel", "a/b \""]).as_deref(), Some("/people/a%2Fb%20%22"));
        assert_eq!(link(&["people"]), None, "takes POST only");
        assert_eq!(link(&["calc", "add", "1"]), None, "a part is missing");
        let everything = App::new(
            Routes::new()
                .post("/{a}/{b}", |_: u8, _: u8| "")
                .any("/{*all}", |_: &str| ""),
        );
        let map = everything.routes();
        let all = near(map.places(), &Method::GET, &["", "evil.example"], false);
        assert!(all.iter().all(|near| near.link.is_none()), "{all:?}");
    }

    #[test]
    fn what_is_known_ends_where_no_place_goes_on() {
        let map = map();
        let known = |path: &[&str]| known(map.places(), path);
        assert_eq!(known(&["people", "7", "x"]), 2);
        assert_eq!(known(&["people", "x"]), 1, "the parameter declined it");
        assert_eq!(known(&["calc", "sub", "1"]), 1);
        assert_eq!(known(&["nowhere"]), 0);
    }

    #[test]
    fn edits_are_counted_as_people_make_them() {
        for (a, b, distance) in [
            ("", "", 0),
            ("abc", "acb", 1),
            ("people", "peple", 1),
            ("a", "xyz", 3),
            ("é", "e", 1),
        ] {
            assert_eq!(edits(a, b), distance, "{a} {b}");
            assert_eq!(edits(b, a), distance, "{b} {a}");
        }
    }
}
