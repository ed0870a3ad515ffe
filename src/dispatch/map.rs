//! The map of an application: its endpoints, and their patterns.

use std::fmt;
use std::panic::Location;

use super::needs::{Life, Needs, SharedState, StateCheck};
use super::{LimitExtremes, MethodSet, RouteLimits};
use crate::Response;
use crate::pace::Pace;
use crate::seen::{Seen, in_subtrees};

/// The map of an application: every endpoint that is known before a request.
///
/// As text it is a table with a line for each place.
///
/// ```
/// use hansel::{App, Routes};
///
/// fn person(id: u32) -> String { id.to_string() }
///
/// let app = App::new(Routes::new().get("/people/{id}", person).name("person"));
/// let map = app.routes();
/// let place = &map.places()[0];
/// assert_eq!(place.pattern, "/people/{id}");
/// assert_eq!(place.handler, "person(u32)");
/// assert_eq!(place.methods.to_string(), "GET");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Map {
    places: Vec<Place>,
    /// The paces by which places are timed, each with the index of its place.
    paces: Vec<(Pace, usize)>,
    prefix: String,
    /// The item types that are being described. A type among its own items is not described again.
    within: Vec<&'static str>,
    /// The hook that calls those of parts, if a part has one.
    response_hook: Option<PartHooks>,
    /// True if a part has handlers that may respond before they return.
    responds_early: bool,
    /// The check of the state that handlers take, if this map is made for one.
    check: Option<Box<StateCheck>>,
    /// The limits of what is being described, and the extremes of all.
    limits: RouteLimits,
    extremes: LimitExtremes,
}

type PartHooks = fn(&Seen<'_>, &mut Response);

/// A place on a [`Map`]: an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The methods that it takes.
    pub methods: MethodSet,
    /// Its pattern from the root, such as `/people/{id}`.
    pub pattern: String,
    /// The function and its path arguments.
    pub handler: String,
    /// The kind of dispatcher that leads to it.
    pub dispatcher: String,
    /// The name by which URLs are built.
    pub name: Option<String>,
    /// The limits that hold here, besides those of the server.
    pub limits: RouteLimits,
}

impl Map {
    /// Creates an empty map.
    pub fn new() -> Map {
        Map::default()
    }

    /// Creates an empty map that checks the state that the endpoints of an application take.
    pub(crate) fn checking(life: &Life) -> Map {
        Map {
            check: Some(Box::new(StateCheck::of(life))),
            ..Map::default()
        }
    }

    /// Returns all places, in the order in which they were described.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Returns all places, likewise.
    pub(crate) fn into_places(self) -> Vec<Place> {
        self.places
    }

    /// Returns the place with this name.
    pub fn find(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name.as_deref() == Some(name))
    }

    /// Returns a name that two places have, and the patterns of both.
    pub(crate) fn same_name(&self) -> Option<(&str, &str, &str)> {
        self.places.iter().enumerate().find_map(|(i, place)| {
            let name = place.name.as_deref()?;
            let other = self
                .places
                .iter()
                .skip(i + 1)
                .find(|other| other.name.as_deref() == Some(name))?;
            Some((name, &*place.pattern, &*other.pattern))
        })
    }

    /// Lets `describe` add places below a part of a path, such as `/calc` or `/{id}`.
    pub fn below(&mut self, part: &str, describe: impl FnOnce(&mut Map)) {
        let before = self.prefix.len();
        if part != "/" {
            self.prefix.push_str(part);
        }
        describe(self);
        self.prefix.truncate(before);
    }

    /// Adds an endpoint at `part`, relative to the current place.
    pub fn endpoint(&mut self, dispatcher: &str, methods: &MethodSet, part: &str, handler: &str) {
        let pattern = match (&*self.prefix, part) {
            ("", "" | "/") => "/".to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, part) => format!("{prefix}{part}"),
        };
        self.places.push(Place {
            methods: methods.clone(),
            pattern,
            handler: handler.to_owned(),
            dispatcher: dispatcher.to_owned(),
            name: None,
            limits: self.limits.clone(),
        });
    }

    /// Notes the pace by which the place that was added last is timed.
    pub(super) fn timed_by(&mut self, pace: Pace) {
        if let Some(last) = self.places.len().checked_sub(1) {
            self.paces.push((pace, last));
        }
    }

    /// Returns the patterns that are timed by the pace with this index. There are several if they lead to the same function.
    pub(crate) fn patterns_of(&self, index: u16) -> String {
        let pace = Pace::of_index(index);
        let timed = self.paces.iter().filter(|(other, _)| *other == pace);
        let patterns: Vec<&str> = timed
            .filter_map(|(_, index)| Some(&*self.places.get(*index)?.pattern))
            .collect();
        patterns.join(" or ")
    }

    /// Names the place that was added last.
    pub fn name(&mut self, name: &str) {
        if let Some(place) = self.places.last_mut() {
            place.name = Some(name.to_owned());
        }
    }

    /// Notes what the endpoint that was added last needs, which is checked when the application is created.
    ///
    /// ```
    /// use hansel::dispatch::{Dispatch, Endpoint, Map, MethodSet, Reply, Walk};
    /// use hansel::{FromRequest, Hooks, IntoResponse, Method, State};
    ///
    /// struct Motto { text: &'static str }
    ///
    /// struct Shown(MethodSet);
    ///
    /// impl Dispatch for Shown {
    ///     fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
    ///         walk.arrive(Endpoint::new("Shown", "motto", &self.0), |request| {
    ///             State::<Motto>::from_request(request).map(|motto| motto.text).into_response()
    ///         })
    ///     }
    ///
    ///     fn describe(&self, map: &mut Map) {
    ///         map.endpoint("Shown", &self.0, "/", "motto");
    ///         map.needs(|needs| needs.state::<Motto>());
    ///     }
    /// }
    ///
    /// let shown = Shown(MethodSet::of(Method::GET));
    /// let app = hansel::App::new(Hooks::on(shown).state(Motto { text: "No crumb is lost." }));
    /// # use hansel::{Application, Request};
    /// # assert_eq!(app.call(&Request::get("/")).body().bytes(), Some(&b"No crumb is lost."[..]));
    /// ```
    #[track_caller]
    pub fn needs(&mut self, note: impl FnOnce(&mut Needs)) {
        let mut needs = Needs::new();
        note(&mut needs);
        self.check(&needs, Location::caller());
    }

    /// Checks what the endpoint that was added last needs; it was registered `at` that line.
    pub(super) fn check(&mut self, needs: &Needs, at: &'static Location<'static>) {
        if let (Some(check), Some(place)) = (&mut self.check, self.places.last()) {
            check.check(needs, || format!("{} of `{}`, at {at},", place.handler, place.label()));
        }
    }

    /// Lets `describe` add places around which `shared` is shared.
    pub(super) fn sharing(&mut self, shared: &[SharedState], describe: impl FnOnce(&mut Map)) {
        if let Some(check) = &mut self.check {
            check.enter(shared);
        }
        describe(self);
        if let Some(check) = &mut self.check {
            check.leave(shared);
        }
    }

    /// Returns the check of state, if this is one.
    pub(super) fn state_check(&self) -> Option<&StateCheck> {
        self.check.as_deref()
    }

    /// Returns the problem of endpoints that need what they do not get, if that was checked.
    pub(crate) fn unmet(&mut self) -> Option<String> {
        self.check.take()?.problem()
    }

    /// Lets `describe` add places with these limits, for a dispatcher that calls [`Walk::limited`](super::Walk::limited).
    pub fn limited(&mut self, limits: &RouteLimits, describe: impl FnOnce(&mut Map)) {
        let inside = limits.within(&self.limits);
        let outside = std::mem::replace(&mut self.limits, inside);
        self.extremes.add(limits);
        describe(self);
        self.limits = outside;
    }

    /// Returns the extremes of the limits that were described.
    pub(crate) fn extremes(&self) -> &LimitExtremes {
        &self.extremes
    }

    /// Adds a place for an application whose parts have limits with these extremes.
    pub(crate) fn application(&mut self, extremes: &LimitExtremes) {
        self.extremes.merge(extremes);
        self.endpoint("", &MethodSet::any(), "/{*}", "an application");
    }

    /// Adds a place for something that does not describe itself.
    pub fn opaque(&mut self) {
        self.extremes.add_unknown_deadline();
        self.endpoint("", &MethodSet::any(), "/{*}", "an application");
    }

    /// Notes that a part has a hook for responses. Only this names the function that calls it, so the linker drops it from
    /// programs without one.
    pub(crate) fn note_response_hook(&mut self) {
        self.response_hook = Some(in_subtrees);
    }

    /// Returns the hook that calls those of parts, if a part has one.
    pub(crate) fn response_hook(&self) -> Option<PartHooks> {
        self.response_hook
    }

    /// Notes that a part has handlers that may respond before they return.
    pub(crate) fn note_early_responses(&mut self) {
        self.responds_early = true;
    }

    /// Returns true if a part has handlers that may respond before they return.
    pub(crate) fn responds_early(&self) -> bool {
        self.responds_early
    }

    /// Describes items of a type, unless that is under way already.
    pub(super) fn items(&mut self, name: &'static str, describe: impl FnOnce(&mut Map)) {
        if self.within.contains(&name) {
            self.endpoint("Resource", &MethodSet::empty(), "/..", "and so on");
            return;
        }
        self.within.push(name);
        describe(self);
        self.within.pop();
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<String> = self.places.iter().map(Place::methods_text).collect();
        let (mut first, mut second) = (0, 0);
        for (place, methods) in self.places.iter().zip(&methods) {
            first = first.max(methods.len());
            second = second.max(place.pattern.len());
        }
        for (place, methods) in self.places.iter().zip(&methods) {
            write!(f, "{methods:first$}  {:second$}  {}", place.pattern, place.handler)?;
            if let Some(name) = &place.name {
                write!(f, "  [{name}]")?;
            }
            if !place.limits.is_empty() {
                write!(f, "  ({})", place.limits)?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Place {
    /// Returns its methods and its pattern, such as `GET /people/{id}`.
    fn label(&self) -> String {
        format!("{} {}", self.methods_text(), self.pattern)
    }

    fn methods_text(&self) -> String {
        if self.methods.is_any() {
            return "any".to_owned();
        }
        self.methods.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::dispatch::{Dispatch, Reply, Walk};
    use crate::{App, Chain, Resource, Routes, Verbs, mount};

    fn person(id: u32, part: &str) -> String {
        format!("{id} {part}")
    }

    fn page() -> &'static str {
        "page"
    }

    #[test]
    fn as_text_it_has_a_line_for_each_place() {
        let app = App::new(
            Routes::new()
                .get("/people/{id}/{part}", person)
                .name("person")
                .any("/", page),
        );
        let lines = "GET  /people/{id}/{part}  person(u32, &str)  [person]\nany  /                    page()\n";
        assert_eq!(app.routes().to_string(), lines);
    }

    struct Shelf;

    impl Shelf {
        fn get(&self, number: Option<u32>, others: Vec<u8>) -> String {
            format!("{number:?} {others:?}")
        }
    }

    impl Resource for Shelf {
        fn verbs(verbs: &mut Verbs<'_, '_, Self>) {
            verbs.get(Self::get);
        }
    }

    #[test]
    fn arguments_that_may_be_absent_or_many_are_told_from_others() {
        let map = App::new(Shelf).routes();
        assert_eq!(map.places()[0].handler, "get(u32?, *u8)");
    }

    #[derive(Clone)]
    struct Opaque;

    impl Dispatch for Opaque {
        fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
            Err(walk.decline("Opaque", "", || "it is closed".into()))
        }
    }

    #[test]
    fn what_does_not_describe_itself_is_an_application() {
        let shared = Arc::new(Routes::new().get("/x", page));
        let chain = Chain::new().then(mount("/a", Opaque)).then(mount("/b", shared));
        let map = App::new(chain).routes();
        let patterns: Vec<_> = map
            .places()
            .iter()
            .map(|place| (&*place.pattern, &*place.handler))
            .collect();
        assert_eq!(patterns, [("/a/{*}", "an application"), ("/b/x", "page()")]);
        assert!(map.places()[0].methods.is_any());
    }
}
