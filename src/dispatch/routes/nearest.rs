//! The patterns that are nearest to a path, for explanations of a 404.

use super::route::Route;
use crate::dispatch::Why;

/// The most patterns that are shown.
const SHOWN: usize = 5;

/// Explains why nothing matches, and what is near. `matches` returns whether another path would reach an endpoint.
pub(super) fn why<'r>(routes: &[Route], text: &'r str, matches: impl Fn(&str) -> bool) -> Why<'r> {
    let shown = if text.is_empty() { "/" } else { text };
    let hint = slash(text, &matches)
        .or_else(|| case(text, &matches))
        .unwrap_or_else(|| patterns(routes, text));
    Why::Unknown(shown.into(), hint)
}

fn slash(text: &str, matches: impl Fn(&str) -> bool) -> Option<String> {
    if let Some(shorter) = text.strip_suffix('/') {
        return matches(shorter).then(|| format!("; `{shorter}`, without the slash at its end, would"));
    }
    let longer = format!("{text}/");
    matches(&longer).then(|| format!("; `{longer}`, with a slash at its end, would"))
}

fn case(text: &str, matches: impl Fn(&str) -> bool) -> Option<String> {
    let lower = text.to_lowercase();
    let would = lower != text && matches(&lower);
    would.then(|| format!("; `{lower}` would: upper and lower case differ"))
}

/// Lists the patterns that have the longest beginning in common with the path.
fn patterns(routes: &[Route], text: &str) -> String {
    if routes.is_empty() {
        return "; there are no patterns here".to_owned();
    }
    let mut near: Vec<(usize, &Route)> = Vec::new();
    let mut count = 0;
    for route in routes.iter().filter(|route| route.registration.is_first) {
        count += 1;
        let likeness = likeness(&route.pattern().shown, text);
        let place = near.partition_point(|(other, _)| *other >= likeness);
        near.insert(place, (likeness, route));
        near.truncate(SHOWN);
    }
    let more = count - near.len();
    let list: Vec<_> = near.iter().map(|(_, route)| shown(route)).collect();
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("; there is {}{and_more}", list.join(", "))
}

/// Counts the octets that are equal at the beginning. A parameter is equal to any segment.
fn likeness(pattern: &str, text: &str) -> usize {
    let mut segments = text.split('/');
    let mut likeness = 0;
    for part in pattern.split('/') {
        let Some(segment) = segments.next() else { break };
        if part == segment {
            likeness += 2 + segment.len();
        } else if part.starts_with(['{', '(']) {
            likeness += 1;
        } else {
            let shared = part
                .bytes()
                .zip(segment.bytes())
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b));
            return likeness + shared.count();
        }
    }
    likeness
}

fn shown(route: &Route) -> String {
    let pattern = &route.pattern().shown;
    if route.is_mount() {
        format!("`{}/..`", pattern.trim_end_matches('/'))
    } else {
        format!("`{pattern}`")
    }
}

#[cfg(test)]
mod tests {
    use crate::{App, Method, Request, Routes};

    #[test]
    fn the_nearest_patterns_come_first_and_the_rest_is_counted() {
        let patterns = ["/b", "/people/all", "/c", "/d", "/people/a/name", "/e", "/people"];
        let routes = patterns
            .iter()
            .fold(Routes::new(), |routes, pattern| routes.get(*pattern, || "here"));
        let trail = App::new(routes).explain(Method::GET, "/people/alll").to_string();
        let near = "; there is `/people/all`, `/people/a/name`, `/people`, `/b`, `/c` and 2 more";
        assert!(trail.contains(near), "{trail}");
    }

    /// Returns the patterns in the order in which they are shown for a path that none of them matches.
    fn shown(patterns: &[&'static str], path: &str) -> String {
        let routes = patterns.iter().fold(Routes::new(), |routes, pattern| {
            routes.get(*pattern, |_: &Request| "here")
        });
        let trail = App::new(routes).explain(Method::GET, path).to_string();
        trail
            .split_once("there is ")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_parameter_is_nearer_than_a_segment_that_begins_otherwise() {
        assert_eq!(
            shown(&["/people/x", "/people/{id}"], "/people/7/z"),
            "`/people/{id}`, `/people/x`"
        );
    }

    #[test]
    fn what_has_as_much_in_common_comes_in_the_order_of_registration() {
        assert_eq!(
            shown(&["/people/b", "/people"], "/people/a/z"),
            "`/people/b`, `/people`"
        );
        assert_eq!(shown(&["/a", "/{p}/{q}/{r}"], "/a/b/c/d"), "`/a`, `/{p}/{q}/{r}`");
    }
}
