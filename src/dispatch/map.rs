//! The map: what can be reached, and where.

use std::fmt;

use super::MethodSet;

/// What can be reached in an application: every endpoint, or what is known of it before any request.
///
/// As text it is a table, a line per place.
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
    prefix: String,
    /// The items whose description is under way: one among its own items ends it.
    within: Vec<&'static str>,
}

/// One place on a [`Map`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The methods it takes.
    pub methods: MethodSet,
    /// Where it is, from the root: `/people/{id}`.
    pub pattern: String,
    /// What is there: a function and its path arguments.
    pub handler: String,
    /// The kind of dispatcher that leads to it.
    pub dispatcher: String,
    /// Its name, for URLs that are built from it.
    pub name: Option<String>,
}

impl Map {
    /// An empty one.
    pub fn new() -> Map {
        Map::default()
    }

    /// All places, in the order in which they were described.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The place with this name.
    pub fn find(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name.as_deref() == Some(name))
    }

    /// A name that two places have, and their patterns, if there are such.
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

    /// Describes what is below a part of a path, such as `/calc` or `/{id}`.
    pub fn below(&mut self, part: &str, describe: impl FnOnce(&mut Map)) {
        let before = self.prefix.len();
        if part != "/" {
            self.prefix.push_str(part);
        }
        describe(self);
        self.prefix.truncate(before);
    }

    /// Writes down an endpoint at `part`, as seen from here.
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
        });
    }

    /// Gives the place that was written down last a name.
    pub fn name(&mut self, name: &str) {
        if let Some(place) = self.places.last_mut() {
            place.name = Some(name.to_owned());
        }
    }

    /// Writes down that something is here that does not say what.
    pub fn opaque(&mut self) {
        self.endpoint("", &MethodSet::any(), "/{*}", "an application");
    }

    /// Describes items of a type, unless they are among the items that are being described.
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
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Place {
    fn methods_text(&self) -> String {
        if self.methods.is_any() {
            return "any".to_owned();
        }
        self.methods.to_string()
    }
}
