//! The table of `Routes`: finds the routes whose patterns match a path.

use super::branch::Ending;
#[cfg(feature = "regex")]
use super::captured::MAX_CAPTURES;
use super::captured::Match;
use super::nearest;
use super::pattern::PatternKind;
#[cfg(feature = "regex")]
use super::regexes::{Expressions, taken};
use super::route::Route;
use super::tree::{Path, Tree};
#[cfg(feature = "regex")]
use crate::dispatch::Why;
use crate::dispatch::{Arrived, Miss, Reply, Walk};
use crate::request::DecodedPath;

/// Finds the routes whose patterns match.
#[derive(Default)]
pub(super) struct Table {
    templates: Tree,
    #[cfg(feature = "regex")]
    expressions: Expressions,
    /// The mount at `/`.
    root: Option<usize>,
    has_mounts: bool,
}

impl Table {
    pub(super) fn build(routes: &[Route]) -> Table {
        let is_root = |route: &Route| route.is_mount() && route.pattern().text == "/";
        let firsts = || {
            routes
                .iter()
                .enumerate()
                .filter(|(_, route)| route.registration.is_first)
        };
        let templates = firsts().filter_map(|(number, route)| match &route.pattern().kind {
            Ok(PatternKind::Template(template)) if !is_root(route) => {
                let ending = if route.is_mount() { Ending::Open } else { Ending::Closed };
                Some((&*template.tokens, ending, number))
            }
            _ => None,
        });
        Table {
            templates: Tree::build(templates),
            #[cfg(feature = "regex")]
            expressions: Expressions::build(
                firsts().filter_map(|(number, route)| Some((route.pattern().expression()?, number))),
            ),
            root: routes.iter().position(is_root),
            has_mounts: routes.iter().any(Route::is_mount),
        }
    }

    pub(super) fn dispatch(&self, routes: &[Route], walk: &mut Walk<'_>) -> Reply {
        if self.has_mounts {
            self.search_among_rivals(routes, walk)
        } else {
            self.search(routes, walk)
        }
    }

    /// Searches a table with mounts: these may have a 404 of their own for a path that another route has.
    // The search is compiled twice, so that tables without mounts do not pay for mounts.
    #[inline(never)]
    fn search_among_rivals(&self, routes: &[Route], walk: &mut Walk<'_>) -> Reply {
        walk.with_rivals(|walk| self.search(routes, walk))
    }

    #[inline(always)]
    fn search<'r>(&self, routes: &[Route], walk: &mut Walk<'r>) -> Reply {
        let segments = walk.segments();
        let path = Path::of(segments);
        let mut search = Search {
            routes,
            walk,
            missed: Miss::NotFound,
            has_matched: false,
        };
        if let Some(arrived) = self.templates.search(path, &mut |found| search.visit(found)) {
            return Ok(arrived);
        }
        #[cfg(feature = "regex")]
        if let Some(arrived) = self.search_expressions(&mut search) {
            return Ok(arrived);
        }
        if let Some(arrived) = self.templates.search_rest(path, &mut |found| search.visit(found)) {
            return Ok(arrived);
        }
        if let Some(arrived) = self.root.and_then(|root| search.visit(Match::all(root))) {
            return Ok(arrived);
        }
        // Routes that were tried have said why they declined.
        if search.walk.is_watched() && !search.has_matched {
            let _ = search.walk.decline("Routes", "", || {
                nearest::why(routes, segments.text(), |text| self.reaches(routes, text))
            });
        }
        Err(search.missed)
    }

    #[cfg(feature = "regex")]
    fn search_expressions(&self, search: &mut Search<'_, '_, '_>) -> Option<Arrived> {
        if self.expressions.is_empty() {
            return None;
        }
        let segments = search.walk.segments();
        let text = if segments.is_root() {
            segments.slash()
        } else {
            segments.text()
        };
        if segments.has_slash_inside() {
            if self.expressions.candidates(segments.masked()).next().is_some() {
                search.has_matched = true;
                let _ = search.walk.decline("Routes", "", || Why::EncodedSlash);
            }
            return None;
        }
        self.expressions.candidates(text).find_map(|number| {
            let pattern = search.routes.get(number)?.pattern();
            let expression = pattern.expression()?;
            let captures = expression.captures(text)?;
            let mut captured = [None; MAX_CAPTURES];
            for (place, group) in captured.iter_mut().zip(captures.iter().skip(1)) {
                *place = group.map(|group| group.as_str());
            }
            let Some(taken) = taken(text, captures.get(0).map_or(0, |whole| whole.end())) else {
                search.has_matched = true;
                let _ = search.walk.decline("Routes", &pattern.shown, || Why::InsideSegment);
                return None;
            };
            search.visit(Match {
                route: number,
                captured: captured.get(..expression.names.len()).unwrap_or(&[]),
                // At the root, the expression has seen `/`, although nothing is left to take.
                taken: taken.min(segments.text().len()),
            })
        })
    }

    /// Returns whether a decoded path matches the pattern of a handler.
    fn reaches(&self, routes: &[Route], text: &str) -> bool {
        let mut plain = DecodedPath::default();
        plain.take_plain(text);
        let mut is_handler = |found: Match<'_, '_>| routes.get(found.route)?.handler().map(|_| ());
        if self
            .templates
            .search(Path::of(plain.segments()), &mut is_handler)
            .is_some()
        {
            return true;
        }
        #[cfg(feature = "regex")]
        for number in self.expressions.candidates(text) {
            let expression = routes.get(number).and_then(|route| route.pattern().expression());
            if expression.is_some_and(|expression| expression.captures(text).is_some()) {
                return true;
            }
        }
        false
    }
}

/// A search that tries one matching route after the other.
struct Search<'t, 'w, 'r> {
    routes: &'t [Route],
    walk: &'w mut Walk<'r>,
    /// The merged misses of the routes that were tried.
    missed: Miss,
    /// True if a pattern has matched. If so, a crumb says why its route was not taken.
    has_matched: bool,
}

impl<'r> Search<'_, '_, 'r> {
    /// Dispatches to the route whose pattern matches, and keeps its miss.
    #[inline(always)]
    fn visit(&mut self, found: Match<'_, 'r>) -> Option<Arrived> {
        self.has_matched = true;
        let routes = self.routes;
        let route = routes.get(found.route)?;
        match self
            .walk
            .behind_miss(&self.missed, |walk| route.take(routes, walk, &found))
        {
            Ok(arrived) => Some(arrived),
            Err(Miss::NotFound) => None,
            Err(miss) => {
                self.merge(miss);
                None
            }
        }
    }

    #[cold]
    fn merge(&mut self, miss: Miss) {
        self.missed = std::mem::replace(&mut self.missed, Miss::NotFound).merge(miss);
    }
}

#[cfg(test)]
mod tests {
    use crate::{App, Application, Method, Request, Routes};

    fn text(app: &App, target: &str) -> String {
        let response = app.call(&Request::get(target));
        match response.status().as_u16() {
            200 => String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned(),
            status => status.to_string(),
        }
    }

    #[test]
    fn an_argument_that_does_not_fit_lets_the_next_candidate_try() {
        let routes = Routes::new()
            .get("/{*rest}", |rest: Vec<String>| format!("rest {rest:?}"))
            .get("/{id}/x", |id: u8| format!("number {id}"))
            .mount("/y", || "mounted");
        let app = App::new(routes);
        assert_eq!(text(&app, "/7/x"), "number 7");
        assert_eq!(text(&app, "/777/x"), r#"rest ["777", "x"]"#);
        assert_eq!(text(&app, "/y"), "mounted");
        assert_eq!(text(&app, "/y/z"), r#"rest ["y", "z"]"#);
        assert_eq!(text(&app, "/"), "rest []");
    }

    #[test]
    fn a_slash_in_a_segment_separates_nothing() {
        let routes = Routes::new()
            .get("/a/{x}", |x: String| format!("one {x}"))
            .get("/b%2Fc", || "literal")
            .get("/files/{*path}", |path: String| format!("file {path}"));
        let app = App::new(routes);
        assert_eq!(text(&app, "/a/b%2Fc"), "one b/c");
        assert_eq!(text(&app, "/a%2Fb"), "404");
        assert_eq!(text(&app, "/b%2Fc"), "literal");
        assert_eq!(text(&app, "/b/c"), "404");
        assert_eq!(text(&app, "/files/%2e%2e/b"), "file ../b");
        assert_eq!(text(&app, "/files/..%2Fb"), "404");
    }

    #[cfg(feature = "regex")]
    #[test]
    fn expressions_see_the_decoded_rest_of_the_path() {
        let inner = Routes::new()
            .regex("^$", || "empty")
            .regex("^/$", || "slash")
            .regex(r"^/(\w+)(?:/(\d+))?", |name: &str, number: Option<u8>| {
                format!("{name} {number:?}")
            });
        let app = App::new(Routes::new().mount("/m", inner).regex("^/$", || "root"));
        assert_eq!(text(&app, "/"), "root");
        assert_eq!(text(&app, "/m"), "empty");
        assert_eq!(text(&app, "/m/"), "slash");
        assert_eq!(text(&app, "/m/J%C3%BCrgen"), "Jürgen None");
        assert_eq!(text(&app, "/m/a/7"), "a Some(7)");
        assert_eq!(text(&app, "/m/a/777"), "404");
        assert_eq!(text(&app, "/m/a/7/8"), "404");
        assert_eq!(text(&app, "/m/a%2F7"), "404");
    }

    #[cfg(feature = "regex")]
    #[test]
    fn expressions_are_tried_in_order_behind_templates() {
        let routes = Routes::new()
            .regex(r"^/(.*)$", |all: &str| format!("first {all}"))
            .regex(r"^/b/(\w+)$", |x: &str| format!("second {x}"))
            .get("/{x}", |x: u8| format!("template {x}"));
        let app = App::new(routes);
        assert_eq!(text(&app, "/7"), "template 7");
        assert_eq!(text(&app, "/x"), "first x");
        assert_eq!(text(&app, "/b/c"), "first b/c");
    }

    #[test]
    fn a_miss_is_explained_once_and_where_it_happened() {
        let app = App::new(
            Routes::new()
                .get("/people/{id}", |id: u32| id.to_string())
                .mount("/m", Routes::new()),
        );
        let reasons = |target: &str| -> Vec<String> {
            let crumbs = app.explain(Method::GET, target).crumbs;
            crumbs
                .into_iter()
                .filter_map(|crumb| Some(crumb.declined?.to_string()))
                .collect()
        };
        assert_eq!(reasons("/people/x"), ["`x` is not a u32"]);
        assert_eq!(
            reasons("/people/7/"),
            ["nothing matches `/people/7/`; `/people/7`, without the slash at its end, would"]
        );
        assert_eq!(reasons("/m/x"), ["nothing matches `/x`; there are no patterns here"]);
        assert_eq!(
            reasons("/PEOPLE/7"),
            ["nothing matches `/PEOPLE/7`; `/people/7` would: upper and lower case differ"]
        );
    }

    #[test]
    #[should_panic(expected = "two handlers for GET at equal patterns: `/{a}` at src/dispatch/routes/table.rs")]
    fn equal_patterns_are_an_error_that_names_both_places() {
        let _ = Routes::new().get("/{a}", |a: String| a).get("/{b}", |b: String| b);
    }

    #[test]
    #[should_panic(expected = "the pattern `/{a}/{b}` captures 2, and")]
    fn arguments_are_those_of_the_pattern() {
        let _ = Routes::new().get("/{a}/{b}", |a: String| a);
    }

    #[test]
    #[should_panic(expected = "there is no handler `views.indx`; the registry has views.index")]
    fn a_name_that_is_not_registered_is_an_error_at_the_start() {
        let registry = crate::Registry::new().add("views.index", || "Index");
        let _ = Routes::with(registry).get("/", "views.indx");
    }
}
