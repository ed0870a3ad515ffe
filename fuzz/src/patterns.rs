//! Random patterns and paths: the one-pass matcher of `Routes` compared with one that tries every pattern by itself.

use std::cmp::Ordering;
use std::collections::HashSet;

use arbitrary::{Arbitrary, Unstructured};
use hansel::{App, Application, Method, Request, Routes};
use percent_encoding::percent_decode_str;
use regex::Regex;

/// The routes and the request.
#[derive(Debug)]
pub struct Case {
    routes: Vec<Route>,
    asked: Method,
    /// Segments as they are sent: escapes and all.
    path: Vec<String>,
}

/// A pattern and its handler. Every handler responds with the number of its route.
#[derive(Debug)]
struct Route {
    parts: Vec<Part>,
    kind: Kind,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Template,
    /// A template that ends with `{*rest}`.
    Rest,
    /// The same parts as a regular expression, anchored at both ends.
    Expression,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// As it is written: escapes and all.
    Word(String),
    /// One segment that is not empty.
    Text,
    /// The same, of a number below 256 for the handler.
    Number,
}

/// So few that patterns and paths meet: with escapes, with an escaped slash, with prefixes of others.
const WORDS: [&str; 16] = [
    "a", "b", "ab", "aa", "abc", "%61", "a%2Fb", "7", "300", "%37", "a.b", "%C3%BC", "ü", "~", "-", "A",
];

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Case> {
        let mut keys = HashSet::new();
        let mut routes = Vec::new();
        for _ in 0..input.int_in_range(0..=20)? {
            let route = route(input)?;
            if keys.insert(route.key()) {
                routes.push(route);
            }
        }
        let methods = [Method::GET, Method::POST, Method::HEAD, Method::DELETE];
        let asked = input.choose(&methods)?.clone();
        let mut path = Vec::new();
        for _ in 0..input.int_in_range(0..=6)? {
            path.push(match input.int_in_range(0..=9)? {
                0 => String::new(),
                1 => escaped(input.bytes(2)?),
                // A path is ASCII when it is sent.
                _ => input.choose(&WORDS)?.replace('ü', "%c3%bc"),
            });
        }
        Ok(Case { routes, asked, path })
    }
}

fn route(input: &mut Unstructured<'_>) -> arbitrary::Result<Route> {
    let kind = *input.choose(&[Kind::Template, Kind::Template, Kind::Rest, Kind::Expression])?;
    let mut parts = Vec::new();
    for _ in 0..input.int_in_range(0..=4)? {
        parts.push(match input.int_in_range(0..=6)? {
            0 | 1 => Part::Text,
            2 => Part::Number,
            _ => Part::Word((*input.choose(&WORDS)?).to_owned()),
        });
    }
    let method = input.choose(&[Method::GET, Method::POST])?.clone();
    Ok(Route { parts, kind, method })
}

fn escaped(bytes: &[u8]) -> String {
    // NUL is refused anywhere in a path, before matching.
    bytes
        .iter()
        .map(|byte| format!("%{:02x}", (byte & 0x7f).max(1)))
        .collect()
}

/// Compares both.
///
/// # Panics
/// Panics if their responses differ.
pub fn compare(case: &Case) {
    let routes = case.routes.iter().enumerate();
    let app = App::new(routes.fold(Routes::new(), |all, (number, route)| route.add(all, number)));
    let target = format!("/{}", case.path.join("/"));
    let Ok(request) = Request::try_new(case.asked.clone(), &target) else {
        panic!("{target} can be asked for");
    };
    let response = app.call(&request);
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    let outcome = match response.status().as_u16() {
        200 => Outcome::Found(text.parse().expect("a number")),
        405 => Outcome::Missed(allowed(response.header("Allow").unwrap_or_default())),
        404 => Outcome::Missed(HashSet::new()),
        status => panic!("{status} {text}"),
    };
    assert_eq!(outcome, one_by_one(case), "{target} {case:?}");
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Found(usize),
    /// The methods that would have found something.
    Missed(HashSet<Method>),
}

/// Returns the methods without those that come with every GET.
fn allowed(field: &str) -> HashSet<Method> {
    let methods = field.split(", ").map(|method| method.parse().expect("a method"));
    methods
        .filter(|method| *method != Method::HEAD && *method != Method::OPTIONS)
        .collect()
}

/// Tries every route by itself, best first.
fn one_by_one(case: &Case) -> Outcome {
    // The root has no segments, and `/` is its text.
    let is_root = case.path.is_empty() || case.path == [""];
    let path = if is_root { &[][..] } else { &case.path[..] };
    let path: Vec<String> = path.iter().map(|segment| decoded(segment)).collect();
    let mut matching: Vec<(usize, &Route)> = (0..)
        .zip(&case.routes)
        .filter(|(_, route)| route.matches(&path))
        .collect();
    // Stable: among equals the one that was registered first.
    matching.sort_by_key(|(_, route)| route.rank(case));
    let mut allowed = HashSet::new();
    for (number, route) in matching {
        if !route.arguments_fit(&path) {
            continue;
        }
        if route.method == case.asked || (case.asked == Method::HEAD && route.method == Method::GET) {
            return Outcome::Found(number);
        }
        allowed.insert(route.method.clone());
    }
    Outcome::Missed(allowed)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Route {
    /// Returns what two routes must not have in common.
    fn key(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            // Expressions are compared by their text, not by what they match.
            Part::Word(word) if self.kind == Kind::Expression => format!("/{}", decoded(word)),
            Part::Word(word) => format!("/{}", decoded(word).replace('/', "%2F")),
            Part::Number if self.kind == Kind::Expression => "/#".to_owned(),
            Part::Text | Part::Number => "/{}".to_owned(),
        });
        format!("{} {:?} {}", self.method, self.kind, parts.collect::<String>())
    }

    fn pattern(&self) -> String {
        let parts = self.parts.iter().enumerate().map(|(number, part)| match part {
            Part::Word(word) => format!("/{word}"),
            Part::Text | Part::Number => format!("/{{p{number}}}"),
        });
        let written: String = parts.collect();
        match self.kind {
            Kind::Rest => format!("{written}/{{*rest}}"),
            _ if written.is_empty() => "/".to_owned(),
            _ => written,
        }
    }

    fn expression(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Word(word) => format!("/{}", regex::escape(&decoded(word))),
            Part::Text => "/([^/]+)".to_owned(),
            Part::Number => r"/(\d+)".to_owned(),
        });
        let written: String = parts.collect();
        format!("^{}$", if written.is_empty() { "/" } else { &written })
    }

    fn add(&self, routes: Routes, number: usize) -> Routes {
        let method = self.method.clone();
        let pattern = match self.kind {
            Kind::Expression => hansel::regex(&self.expression()),
            _ => hansel::dispatch::Pattern::from(self.pattern()),
        };
        let respond = move || number.to_string();
        let arguments = self.parts.iter().filter(|part| !matches!(part, Part::Word(_))).count();
        match (self.kind, self.wants_numbers(), arguments) {
            (Kind::Rest, ..) => routes.on(method, pattern, move |_: Vec<String>| respond()),
            (_, _, 0) => routes.on(method, pattern, respond),
            (_, false, 1) => routes.on(method, pattern, move |_: &str| respond()),
            (_, false, 2) => routes.on(method, pattern, move |_: &str, _: &str| respond()),
            (_, false, 3) => routes.on(method, pattern, move |_: &str, _: &str, _: &str| respond()),
            (_, false, _) => routes.on(method, pattern, move |_: &str, _: &str, _: &str, _: &str| respond()),
            (_, true, 1) => routes.on(method, pattern, move |_: u8| respond()),
            (_, true, 2) => routes.on(method, pattern, move |_: u8, _: u8| respond()),
            (_, true, 3) => routes.on(method, pattern, move |_: u8, _: u8, _: u8| respond()),
            (_, true, _) => routes.on(method, pattern, move |_: u8, _: u8, _: u8, _: u8| respond()),
        }
    }

    /// One number makes all arguments of a handler numbers.
    fn wants_numbers(&self) -> bool {
        self.kind != Kind::Rest && self.parts.contains(&Part::Number)
    }

    fn matches(&self, path: &[String]) -> bool {
        let many = path.len();
        match self.kind {
            Kind::Template => many == self.parts.len() && self.fits(path),
            // `/{*rest}` takes every path; elsewhere there has to be a slash before the rest.
            Kind::Rest => (many > self.parts.len() || self.parts.is_empty()) && self.fits(path),
            Kind::Expression => {
                let text = format!("/{}", path.join("/"));
                let has_slash_inside = path.iter().any(|segment| segment.contains('/'));
                !has_slash_inside
                    && Regex::new(&self.expression())
                        .expect("a good expression")
                        .is_match(&text)
            }
        }
    }

    fn fits(&self, path: &[String]) -> bool {
        self.parts.iter().zip(path).all(|(part, segment)| match part {
            Part::Word(word) => decoded(word) == *segment,
            Part::Text | Part::Number => !segment.is_empty(),
        })
    }

    fn arguments_fit(&self, path: &[String]) -> bool {
        let mut taken = self
            .parts
            .iter()
            .zip(path)
            .filter(|(part, _)| !matches!(part, Part::Word(_)));
        !self.wants_numbers() || taken.all(|(_, segment)| segment.parse::<u8>().is_ok())
    }

    /// Returns how early it is tried: templates, expressions, rests. Among templates and rests, text comes before
    /// parameters, part by part; among expressions, the one that was registered first.
    fn rank(&self, case: &Case) -> Rank {
        let parts = self.parts.iter().map(|part| !matches!(part, Part::Word(_)));
        match self.kind {
            Kind::Template => Rank::Template(parts.collect()),
            Kind::Expression => {
                // Equal expressions share the place of the first.
                let written = self.expression();
                let is_equal = |other: &Route| other.kind == Kind::Expression && other.expression() == written;
                Rank::Expression(case.routes.iter().position(is_equal).unwrap_or_default())
            }
            Kind::Rest => Rank::Rest(Specific(parts.collect())),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// For each part whether it is a parameter.
    Template(Vec<bool>),
    Expression(usize),
    Rest(Specific),
}

/// Like the parts of a template, but a longer one comes first.
#[derive(PartialEq, Eq)]
struct Specific(Vec<bool>);

impl Ord for Specific {
    fn cmp(&self, other: &Specific) -> Ordering {
        let common = self.0.len().min(other.0.len());
        let parts = self.0[..common].cmp(&other.0[..common]);
        parts.then(other.0.len().cmp(&self.0.len()))
    }
}

impl PartialOrd for Specific {
    fn partial_cmp(&self, other: &Specific) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_make_patterns_that_agree() {
        let mut random = 20_261_125_u64;
        let mut bytes = [0; 400];
        for _ in 0..600 {
            for byte in &mut bytes {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (random >> 33) as u8;
            }
            compare(&Case::arbitrary(&mut Unstructured::new(&bytes)).unwrap());
        }
    }
}
