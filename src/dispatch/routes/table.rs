//! The patterns of `Routes`, made ready for dispatch.

use super::super::arguments::Tail;
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
}

impl Search {
    /// Says whether the search is over.
    fn note(&mut self, reply: Reply) -> bool {
        let found = reply.is_ok();
        self.reply = match (reply, std::mem::replace(&mut self.reply, Err(Miss::NotFound))) {
            (Err(miss), Err(before)) => Err(before.merge(miss)),
            (reply, _) => reply,
        };
        found
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
        if walk.is_watched() && search.reply.as_ref().is_err_and(|miss| *miss == Miss::NotFound) {
            let _ = walk.decline("Routes", "", || nearest::why(&self.templates, entries, text, masked));
        }
        search.reply
    }

    #[cfg(feature = "regex")]
    fn search_expressions(&self, entries: &[Entry], walk: &mut Walk<'_>, search: &mut Search) -> bool {
        let segments = walk.segments();
        let text = if segments.is_root() { "/" } else { segments.text() };
        if segments.masked().contains('\0') {
            if self.expressions.matches(text).next().is_some() {
                let _ = walk.decline("Routes", "", || Why::EncodedSlash);
            }
            return false;
        }
        for target in self.expressions.matches(text) {
            if let Some(entry) = entries.get(target)
                && let Ok(PatternKind::Regex(expression)) = &entry.pattern.kind
                && search.note(entry.arrive_by_expression(walk, segments, text, expression))
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
            Target::Endpoints(routes) => {
                let tail = if self.pattern.captures().1 {
                    Tail::Joined
                } else {
                    Tail::Nothing
                };
                best(
                    routes,
                    |route| &route.methods,
                    walk,
                    |route, walk| {
                        let step = Step::taking_text("Routes", &route.pattern.shown, found.taken);
                        walk.descend(step, |walk| {
                            if route.bound.0.signature().sees_request() {
                                name_captures(route.pattern.names(), walk, from, found.captured);
                            }
                            route.arrive(walk, found.captured, tail)
                        })
                    },
                )
            }
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
    ) -> Reply {
        let Some(captures) = expression.captures(text) else {
            return Err(Miss::NotFound);
        };
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
                    if route.bound.0.signature().sees_request() {
                        name_captures(route.pattern.names(), walk, from, captured);
                    }
                    route.arrive(walk, captured, Tail::Segments)
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
