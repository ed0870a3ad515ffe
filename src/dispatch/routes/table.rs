//! The patterns of `Routes`, made ready for dispatch.

use super::pattern::PatternKind;
use super::tree::{Ending, Match, Tree};
use super::{Entry, Target, nearest};
#[cfg(feature = "regex")]
use crate::dispatch::Why;
use crate::dispatch::by_method::best;
use crate::dispatch::{Miss, Reply, Step, Walk};
use crate::request::Segments;

#[cfg(feature = "regex")]
use super::regexes::{Expression, Expressions, taken};

/// What finds the entries whose patterns match.
#[derive(Debug, Default)]
pub(super) struct Table {
    templates: Tree,
    #[cfg(feature = "regex")]
    expressions: Expressions,
    /// The mount at `/`.
    root: Option<usize>,
}

/// What has come of the candidates so far.
struct Search {
    reply: Reply,
    has_tried: bool,
}

impl Search {
    /// Says whether the search is over.
    #[inline]
    fn note(&mut self, reply: Reply) -> bool {
        self.has_tried = true;
        match reply {
            Ok(arrived) => {
                self.reply = Ok(arrived);
                true
            }
            Err(Miss::NotFound) => false,
            Err(miss) => {
                self.missed(miss);
                false
            }
        }
    }

    #[cold]
    fn missed(&mut self, miss: Miss) {
        let before = std::mem::replace(&mut self.reply, Err(Miss::NotFound));
        self.reply = before.map_err(|before| before.merge(miss));
    }
}

impl Table {
    pub(super) fn build(entries: &[Entry]) -> Table {
        let templates =
            entries
                .iter()
                .enumerate()
                .filter_map(|(i, entry)| match (&entry.pattern.kind, &entry.target) {
                    (Ok(PatternKind::Template(template)), Target::Endpoints(_)) => {
                        Some((&*template.tokens, Ending::Closed, i))
                    }
                    (Ok(PatternKind::Template(template)), Target::Mount { .. }) if !template.tokens.is_empty() => {
                        Some((&*template.tokens, Ending::Open, i))
                    }
                    _ => None,
                });
        let is_root = |entry: &Entry| matches!(entry.target, Target::Mount { .. }) && entry.pattern.text == "/";
        Table {
            templates: Tree::build(templates),
            #[cfg(feature = "regex")]
            expressions: Expressions::build(entries.iter().enumerate().filter_map(|(i, entry)| {
                matches!(entry.pattern.kind, Ok(PatternKind::Regex(_))).then_some((&*entry.pattern.text, i))
            })),
            root: entries.iter().position(is_root),
        }
    }

    pub(super) fn dispatch<'r>(&self, entries: &[Entry], walk: &mut Walk<'r>) -> Reply {
        let segments = walk.segments();
        let (text, masked) = (segments.text(), segments.masked());
        let mut search = Search {
            reply: Err(Miss::NotFound),
            has_tried: false,
        };
        let mut visit = |found: Match<'_, 'r>| {
            let reply = entries
                .get(found.target)
                .map(|entry| entry.arrive(walk, segments, found));
            reply.is_some_and(|reply| search.note(reply))
        };
        if self.templates.search(text, masked, &mut visit) {
            return search.reply;
        }
        #[cfg(feature = "regex")]
        if self.search_expressions(entries, walk, &mut search) {
            return search.reply;
        }
        let mut visit = |found: Match<'_, 'r>| {
            let reply = entries
                .get(found.target)
                .map(|entry| entry.arrive(walk, segments, found));
            reply.is_some_and(|reply| search.note(reply))
        };
        if self.templates.search_rest(text, masked, &mut visit) {
            return search.reply;
        }
        if let Some(entry) = self.root.and_then(|root| entries.get(root)) {
            let found = Match {
                target: 0,
                captured: &[],
                taken: 0,
            };
            if search.note(entry.arrive(walk, segments, found)) {
                return search.reply;
            }
        }
        // What was tried has said why not.
        if walk.is_watched() && !search.has_tried {
            let _ = walk.decline("Routes", "", || {
                nearest::why(entries, text, |text| self.reaches(entries, text))
            });
        }
        search.reply
    }

    /// Whether a path, written without escapes, matches the pattern of an endpoint.
    fn reaches(&self, entries: &[Entry], text: &str) -> bool {
        let is_endpoint = |target: usize| {
            let target = entries.get(target).map(|entry| &entry.target);
            matches!(target, Some(Target::Endpoints(_)))
        };
        if self.templates.search(text, text, |found| is_endpoint(found.target)) {
            return true;
        }
        #[cfg(feature = "regex")]
        for target in self.expressions.candidates(text) {
            if let Some(PatternKind::Regex(expression)) =
                entries.get(target).and_then(|entry| entry.pattern.kind.as_ref().ok())
                && expression.captures(text).is_some()
            {
                return true;
            }
        }
        false
    }

    #[cfg(feature = "regex")]
    fn search_expressions(&self, entries: &[Entry], walk: &mut Walk<'_>, search: &mut Search) -> bool {
        let segments = walk.segments();
        let text = if segments.is_root() { "/" } else { segments.text() };
        if segments.masked().contains('\0') {
            if self.expressions.candidates(segments.masked()).next().is_some() {
                search.has_tried = true;
                let _ = walk.decline("Routes", "", || Why::EncodedSlash);
            }
            return false;
        }
        for target in self.expressions.candidates(text) {
            if let Some(entry) = entries.get(target)
                && let Ok(PatternKind::Regex(expression)) = &entry.pattern.kind
                && let Some(captures) = expression.captures(text)
                && search.note(entry.arrive_by_expression(walk, segments, text, expression, &captures))
            {
                return true;
            }
        }
        false
    }
}

impl Entry {
    /// Goes on behind a template that matches.
    fn arrive<'r>(&self, walk: &mut Walk<'r>, from: Segments<'r>, found: Match<'_, 'r>) -> Reply {
        match &self.target {
            Target::Endpoints(routes) => best(
                routes,
                |route| &route.methods,
                walk,
                |route, walk| {
                    let step = Step::taking_text("Routes", &route.pattern.shown, found.taken);
                    walk.descend(step, |walk| {
                        if route.asks_by_name {
                            name_captures(route.pattern.names(), walk, from, found.captured);
                        }
                        route.arrive(walk, found.captured)
                    })
                },
            ),
            Target::Mount { inner, .. } => {
                let step = Step::taking_text("Routes", &self.pattern.shown, found.taken);
                walk.descend(step, |walk| {
                    name_captures(self.pattern.names(), walk, from, found.captured);
                    inner.dispatch(walk)
                })
            }
        }
    }

    /// Goes on behind an expression that matches.
    #[cfg(feature = "regex")]
    fn arrive_by_expression<'r>(
        &self,
        walk: &mut Walk<'r>,
        from: Segments<'r>,
        text: &'r str,
        expression: &Expression,
        captures: &regex::Captures<'r>,
    ) -> Reply {
        let end = captures.get(0).map_or(0, |whole| whole.end());
        let Some(taken) = taken(text, end) else {
            return Err(walk.decline("Routes", &self.pattern.shown, || Why::InsideSegment));
        };
        let mut captured = [None; super::pattern::MAX_CAPTURES];
        for (place, group) in captured.iter_mut().zip(captures.iter().skip(1)) {
            *place = group.map(|group| group.as_str());
        }
        let captured = captured.get(..expression.names.len()).unwrap_or(&[]);
        let Target::Endpoints(routes) = &self.target else {
            return Err(Miss::NotFound);
        };
        best(
            routes,
            |route| &route.methods,
            walk,
            |route, walk| {
                // Where nothing is left, `/` is what the expression has seen, and nothing is what it takes.
                let step = Step::taking_text("Routes", &route.pattern.shown, taken.min(from.text().len()));
                walk.descend(step, |walk| {
                    if route.asks_by_name {
                        name_captures(route.pattern.names(), walk, from, captured);
                    }
                    route.arrive(walk, captured)
                })
            },
        )
    }
}

fn name_captures<'r>(names: &[std::sync::Arc<str>], walk: &Walk<'r>, from: Segments<'r>, captured: &[Option<&'r str>]) {
    for (name, value) in names.iter().zip(captured) {
        if let Some(value) = value.filter(|_| !name.is_empty()) {
            walk.capture(name, from, value);
        }
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
            crumbs.into_iter().filter_map(|crumb| crumb.declined).collect()
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
