//! The patterns of `Routes`, made ready for dispatch.

use super::branch::Ending;
use super::captured::Match;
use super::pattern::PatternKind;
use super::ready::{Lead, Matched, Ready};
use super::tree::{Path, Tree};
use super::{Entry, Target, nearest};
#[cfg(feature = "regex")]
use crate::dispatch::Why;
use crate::dispatch::{Arrived, Miss, Reply, Step, Walk};
use crate::request::DecodedPath;

#[cfg(feature = "regex")]
use super::regexes::{Expression, Expressions, taken};

/// What finds the entries whose patterns match.
#[derive(Default)]
pub(super) struct Table {
    templates: Tree,
    routes: Vec<Ready>,
    #[cfg(feature = "regex")]
    expressions: Expressions,
    /// The mount at `/`.
    root: Option<usize>,
    has_mounts: bool,
}

/// What the candidates have missed so far.
struct Missed {
    miss: Miss,
    /// Whether there was one: it has said then why not.
    any: bool,
}

impl Missed {
    /// Keeps what was missed; an arrival is handed on.
    #[inline]
    fn note(&mut self, reply: Reply) -> Option<Arrived> {
        self.any = true;
        match reply {
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
        self.miss = std::mem::replace(&mut self.miss, Miss::NotFound).merge(miss);
    }
}

impl Table {
    pub(super) fn build(entries: &[Entry]) -> Table {
        let routes = Ready::all(entries);
        let mut first = 0;
        let leads: Vec<Lead> = entries
            .iter()
            .enumerate()
            .map(|(i, entry)| match &entry.target {
                Target::Endpoints(routes) => {
                    first += routes.len();
                    Lead::Routes(first - routes.len())
                }
                Target::Mount { .. } => Lead::Mount(i),
            })
            .collect();
        let templates = entries.iter().zip(&leads).filter_map(|(entry, lead)| {
            let Ok(PatternKind::Template(template)) = &entry.pattern.kind else {
                return None;
            };
            match lead {
                Lead::Routes(_) => Some((&*template.tokens, Ending::Closed, lead.number())),
                Lead::Mount(_) if template.tokens.is_empty() => None,
                Lead::Mount(_) => Some((&*template.tokens, Ending::Open, lead.number())),
            }
        });
        let is_root = |entry: &Entry| matches!(entry.target, Target::Mount { .. }) && entry.pattern.text == "/";
        Table {
            templates: Tree::build(templates),
            routes,
            #[cfg(feature = "regex")]
            expressions: Expressions::build(entries.iter().zip(&leads).enumerate().filter_map(|(i, (entry, lead))| {
                match (&entry.pattern.kind, lead) {
                    (Ok(PatternKind::Regex(expression)), Lead::Routes(first)) => Some((expression, (i, *first))),
                    _ => None,
                }
            })),
            root: entries.iter().position(is_root),
            has_mounts: leads.iter().any(|lead| matches!(lead, Lead::Mount(_))),
        }
    }

    pub(super) fn dispatch(&self, entries: &[Entry], walk: &mut Walk<'_>) -> Reply {
        if self.has_mounts {
            self.search_among_rivals(entries, walk)
        } else {
            self.search(entries, walk)
        }
    }

    /// Mounts ask others, which may have an own 404 for what this table finds elsewhere.
    // The search is in the program twice, so that tables without mounts don't pay for those with.
    #[inline(never)]
    fn search_among_rivals(&self, entries: &[Entry], walk: &mut Walk<'_>) -> Reply {
        walk.with_rivals(true, |walk| self.search(entries, walk))
    }

    #[inline(always)]
    fn search<'r>(&self, entries: &[Entry], walk: &mut Walk<'r>) -> Reply {
        let segments = walk.segments();
        let path = Path::of(segments);
        let mut missed = Missed {
            miss: Miss::NotFound,
            any: false,
        };
        let mut visit = |found: Match<'_, 'r>| {
            let reply = walk.behind_miss(&missed.miss, |walk| self.follow(entries, walk, found));
            missed.note(reply)
        };
        if let Some(arrived) = self.templates.search(path, &mut visit) {
            return Ok(arrived);
        }
        #[cfg(feature = "regex")]
        if let Some(arrived) = self.search_expressions(entries, walk, &mut missed) {
            return Ok(arrived);
        }
        let mut visit = |found: Match<'_, 'r>| {
            let reply = walk.behind_miss(&missed.miss, |walk| self.follow(entries, walk, found));
            missed.note(reply)
        };
        if let Some(arrived) = self.templates.search_rest(path, &mut visit) {
            return Ok(arrived);
        }
        if let Some(root) = self.root {
            let found = Match {
                target: Lead::Mount(root).number(),
                captured: &[],
                taken: 0,
            };
            let reply = walk.behind_miss(&missed.miss, |walk| self.follow(entries, walk, found));
            if let Some(arrived) = missed.note(reply) {
                return Ok(arrived);
            }
        }
        // What was tried has said why not.
        if walk.is_watched() && !missed.any {
            let _ = walk.decline("Routes", "", || {
                nearest::why(entries, segments.text(), |text| self.reaches(entries, text))
            });
        }
        Err(missed.miss)
    }

    /// Goes on behind a template that matches.
    // Once, with all that it calls in it: what is between the tree and the handler is most of a dispatch.
    #[inline(never)]
    fn follow<'r>(&self, entries: &[Entry], walk: &mut Walk<'r>, found: Match<'_, 'r>) -> Reply {
        let matched = Matched {
            captured: found.captured,
            taken: found.taken,
        };
        match Lead::of(found.target) {
            Lead::Routes(first) => Ready::take_best(self.sharing(first), entries, walk, &matched),
            Lead::Mount(entry) => match entries.get(entry) {
                Some(entry) => entry.enter(walk, &matched),
                None => Err(Miss::NotFound),
            },
        }
    }

    /// The routes that share the pattern of the `first` of them.
    #[inline]
    fn sharing(&self, first: usize) -> &[Ready] {
        let count = self.routes.get(first).map_or(0, |route| route.sharing as usize);
        self.routes.get(first..first + count).unwrap_or(&[])
    }

    /// Whether a path, written without escapes, matches the pattern of an endpoint.
    #[cfg_attr(
        not(feature = "regex"),
        expect(unused_variables, reason = "only expressions are entries")
    )]
    fn reaches(&self, entries: &[Entry], text: &str) -> bool {
        let mut is_endpoint = |found: Match<'_, '_>| matches!(Lead::of(found.target), Lead::Routes(_)).then_some(());
        let mut plain = DecodedPath::default();
        plain.take_plain(text);
        if self
            .templates
            .search(Path::of(plain.segments()), &mut is_endpoint)
            .is_some()
        {
            return true;
        }
        #[cfg(feature = "regex")]
        for (entry, _) in self.expressions.candidates(text) {
            if let Some(expression) = entries.get(entry).and_then(Entry::expression)
                && expression.captures(text).is_some()
            {
                return true;
            }
        }
        false
    }

    #[cfg(feature = "regex")]
    fn search_expressions(&self, entries: &[Entry], walk: &mut Walk<'_>, missed: &mut Missed) -> Option<Arrived> {
        if self.expressions.is_empty() {
            return None;
        }
        let segments = walk.segments();
        let text = if segments.is_root() {
            segments.slash()
        } else {
            segments.text()
        };
        if segments.has_slash_inside() {
            if self.expressions.candidates(segments.masked()).next().is_some() {
                missed.any = true;
                let _ = walk.decline("Routes", "", || Why::EncodedSlash);
            }
            return None;
        }
        for (entry, first) in self.expressions.candidates(text) {
            let Some((entry, expression)) = entries.get(entry).and_then(|entry| Some((entry, entry.expression()?)))
            else {
                continue;
            };
            let Some(captures) = expression.captures(text) else {
                continue;
            };
            let mut captured = [None; super::captured::MAX_CAPTURES];
            for (place, group) in captured.iter_mut().zip(captures.iter().skip(1)) {
                *place = group.map(|group| group.as_str());
            }
            let reply = match taken(text, captures.get(0).map_or(0, |whole| whole.end())) {
                None => Err(walk.decline("Routes", &entry.pattern.shown, || Why::InsideSegment)),
                Some(taken) => {
                    let matched = Matched {
                        captured: captured.get(..expression.names.len()).unwrap_or(&[]),
                        // Where nothing is left, `/` is what the expression has seen, and nothing is what it takes.
                        taken: taken.min(segments.text().len()),
                    };
                    walk.behind_miss(&missed.miss, |walk| {
                        Ready::take_best(self.sharing(first), entries, walk, &matched)
                    })
                }
            };
            if let Some(arrived) = missed.note(reply) {
                return Some(arrived);
            }
        }
        None
    }
}

impl Entry {
    #[cfg(feature = "regex")]
    fn expression(&self) -> Option<&Expression> {
        match &self.pattern.kind {
            Ok(PatternKind::Regex(expression)) => Some(expression),
            _ => None,
        }
    }

    /// Goes on with what is mounted.
    fn enter<'r>(&self, walk: &mut Walk<'r>, matched: &Matched<'_, 'r>) -> Reply {
        let Target::Mount { inner, .. } = &self.target else {
            return Err(Miss::NotFound);
        };
        let step = Step::taking_text("Routes", &self.pattern.shown, matched.taken);
        walk.descend(step, |walk| {
            matched.name(self.pattern.names(), "", walk);
            inner.dispatch(walk)
        })
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
