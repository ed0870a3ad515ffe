//! The one-pass matcher of `Routes`, compared with one that tries every pattern by itself.

use std::collections::HashSet;

use hansel::dispatch::{Dispatch, Endpoint, MethodSet, Reply, Step, Walk};
use hansel::{App, Application, IntoResponse, Method, Routes, regex};
use proptest::prelude::*;
use regex::Regex;

use super::tree::{Outcome, WORDS, path, request, segment};

/// A route to be made.
#[derive(Clone, Debug)]
enum Route {
    Template(Vec<Part>, Method),
    /// One of [`EXPRESSIONS`], with a handler of as many arguments as it has groups.
    Expression(usize, Method),
    /// A mount of something that takes so many segments.
    Mount(Vec<Part>, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    Word(&'static str),
    /// Of any text.
    Text,
    /// Of a number below 256. Its handler takes nothing else.
    Number,
    Rest,
}

/// Expressions and how many groups they have.
const EXPRESSIONS: [(&str, usize); 9] = [
    (r"^/$", 0),
    (r"^/a/(\w+)$", 1),
    (r"^/(\w+)/b$", 1),
    (r"^/b", 0),
    (r"/(a|b)/(.*)$", 2),
    (r"^/ab/?", 0),
    (r"^(/a)+$", 1),
    (r"^/[^/]*/(?P<last>[^/]*)", 1),
    (r"", 0),
];

const MIXED: &[&str] = &["7", "255", "300", "a", "b", "ab", "aa"];

fn template() -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![
        4 => prop::sample::select(&WORDS[..]).prop_map(Part::Word),
        2 => Just(Part::Text),
        1 => Just(Part::Number),
    ];
    (
        prop::collection::vec(part, 0..4),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.15),
    )
        .prop_map(|(mut parts, has_rest, has_slash)| {
            if has_rest {
                parts.push(Part::Rest);
            } else if has_slash && !parts.is_empty() {
                parts.push(Part::Word(""));
            }
            parts
        })
}

fn route() -> impl Strategy<Value = Route> {
    let method = || prop::sample::select(vec![Method::GET, Method::POST]);
    let prefix = template().prop_map(|parts| {
        let plain = parts
            .into_iter()
            .filter(|part| !matches!(part, Part::Rest | Part::Number | Part::Word("")));
        plain.collect()
    });
    prop_oneof![
        6 => (template(), method()).prop_map(|(parts, method)| Route::Template(parts, method)),
        2 => (0..EXPRESSIONS.len(), method()).prop_map(|(number, method)| Route::Expression(number, method)),
        2 => (prefix, 0..3_usize).prop_map(|(parts, takes)| Route::Mount(parts, takes)),
    ]
}

/// Routes without those that would be refused as equal to an earlier one.
fn routes() -> impl Strategy<Value = Vec<Route>> {
    prop::collection::vec(route(), 0..24).prop_map(|routes| {
        let mut keys = HashSet::new();
        routes.into_iter().filter(|route| keys.insert(route.key())).collect()
    })
}

fn any_path() -> impl Strategy<Value = Vec<String>> {
    let mixed = prop::sample::select(MIXED).prop_map(str::to_owned);
    let many = prop::collection::vec(prop_oneof![4 => mixed, 1 => segment()], 0..5);
    prop_oneof![2 => many.prop_filter("/ has no segment", |path| *path != [""]), 1 => path()]
}

fn some_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::POST, Method::HEAD, Method::DELETE])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_pass_agrees_with_trying_one_by_one(routes in routes(), path in any_path(), method in some_method()) {
        let app = App::new(build(&routes));
        let response = app.call(&request(&method, &path));
        let expected = naive(&routes, &method, &path);
        let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
        prop_assert_eq!(response.status().as_u16(), expected.status(&method), "{}", text);
        prop_assert_eq!(response.header("Allow").map(str::to_owned), expected.allow());
        if let Outcome::Found(number) = expected {
            prop_assert_eq!(text, number.to_string());
        }
    }

    /// The order of registration only counts among expressions.
    #[test]
    fn the_order_of_templates_does_not_matter(routes in routes(), path in any_path(), method in some_method()) {
        let templates: Vec<(u32, &Route)> =
            (0..).zip(&routes).filter(|(_, route)| !matches!(route, Route::Expression(..))).collect();
        let respond = |routes: &mut dyn Iterator<Item = &(u32, &Route)>| {
            let app = App::new(routes.fold(Routes::new(), |all, (number, route)| route.add(all, *number)));
            let response = app.call(&request(&method, &path));
            (response.status(), response.body().bytes().unwrap().to_vec())
        };
        prop_assert_eq!(respond(&mut templates.iter()), respond(&mut templates.iter().rev()));
    }
}

fn build(routes: &[Route]) -> Routes {
    (0..)
        .zip(routes)
        .fold(Routes::new(), |all, (number, route)| route.add(all, number))
}

impl Route {
    /// Its pattern, where parameters have no names: those of equal keys are refused.
    fn key(&self) -> String {
        let plain = |parts: &[Part]| -> String {
            let unnamed = |part: &Part| match part {
                Part::Number => format!("{:?}", Part::Text),
                part => format!("{part:?}"),
            };
            parts.iter().map(unnamed).collect()
        };
        match self {
            Route::Template(parts, method) => format!("{method} {}", plain(parts)),
            Route::Expression(number, method) => format!("{method} expression {number}"),
            Route::Mount(parts, _) => format!("mount {}", plain(parts)),
        }
    }

    fn add(&self, routes: Routes, number: u32) -> Routes {
        let text = move || number.to_string();
        match self {
            Route::Template(parts, method) => {
                let pattern = written(parts);
                let method = method.clone();
                // As many arguments as parameters: numbers where a number is among them, else texts.
                let parameters = parts
                    .iter()
                    .filter(|part| matches!(part, Part::Text | Part::Number))
                    .count();
                let has_rest = parts.last() == Some(&Part::Rest);
                match (parts.contains(&Part::Number), parameters, has_rest) {
                    (_, _, true) => routes.on(method, pattern, move |all: Vec<String>| {
                        let _ = all;
                        text()
                    }),
                    (_, 0, _) => routes.on(method, pattern, text),
                    (true, 1, _) => routes.on(method, pattern, move |_: u8| text()),
                    (true, 2, _) => routes.on(method, pattern, move |_: u8, _: u8| text()),
                    (true, ..) => routes.on(method, pattern, move |_: u8, _: u8, _: u8| text()),
                    (false, 1, _) => routes.on(method, pattern, move |_: &str| text()),
                    (false, 2, _) => routes.on(method, pattern, move |_: &str, _: String| text()),
                    (false, ..) => routes.on(method, pattern, move |_: &str, _: String, _: &str| text()),
                }
            }
            Route::Expression(expression, method) => {
                let (expression, groups) = EXPRESSIONS[*expression];
                let (pattern, method) = (regex(expression), method.clone());
                match groups {
                    0 => routes.on(method, pattern, text),
                    1 => routes.on(method, pattern, move |_: &str| text()),
                    _ => routes.on(method, pattern, move |_: &str, _: &str| text()),
                }
            }
            Route::Mount(parts, takes) => routes.mount(&written(parts), Takes(*takes, number)),
        }
    }
}

fn written(parts: &[Part]) -> String {
    if parts.is_empty() {
        return "/".to_owned();
    }
    let part = |(number, part): (usize, &Part)| match part {
        Part::Word(word) => format!("/{word}"),
        Part::Text | Part::Number => format!("/{{p{number}}}"),
        Part::Rest => "/{*rest}".to_owned(),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Takes so many segments.
struct Takes(usize, u32);

impl Dispatch for Takes {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let get = MethodSet::of(Method::GET);
        walk.descend(Step::taking("Takes", "/..", self.0), |walk| {
            walk.arrive(Endpoint::new("Takes", "takes", &get), |_| {
                self.1.to_string().into_response()
            })
        })
    }
}

/// How early a candidate is tried: first by kind, then part by part.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Template(Vec<Specific>),
    Expression(usize),
    Rest(Vec<Specific>),
    /// The mount at `/`.
    Root,
}

/// How specific a part is; the end of a pattern that goes on comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specific {
    Word,
    Parameter,
    GoesOn,
}

/// Tries every route on its own, best first.
fn naive(routes: &[Route], method: &Method, path: &[String]) -> Outcome {
    let mut candidates: Vec<(Rank, Outcome)> = (0..)
        .zip(routes)
        .filter_map(|(number, route)| route.alone(routes, number, method, path))
        .collect();
    candidates.sort_by(|(a, _), (b, _)| a.cmp(b));
    let outcomes = candidates.into_iter().map(|(_, outcome)| outcome);
    outcomes.fold(Outcome::Missed(Default::default()), Outcome::or)
}

impl Route {
    /// What comes of this route alone, if its pattern matches.
    fn alone(&self, routes: &[Route], number: u32, method: &Method, path: &[String]) -> Option<(Rank, Outcome)> {
        match self {
            Route::Template(parts, taken) => {
                let has_rest = parts.last() == Some(&Part::Rest);
                let fixed = &parts[..parts.len() - usize::from(has_rest)];
                let (mut rank, rest) = specific(fixed, path)?;
                if has_rest {
                    rank.push(Specific::GoesOn);
                }
                // `/{*rest}` takes every path; elsewhere there has to be a slash before the rest.
                if (!has_rest && !rest.is_empty()) || (has_rest && rest.is_empty() && !fixed.is_empty()) {
                    return None;
                }
                let numbers = parts.contains(&Part::Number) && !has_rest;
                let of_parameters = fixed
                    .iter()
                    .zip(path)
                    .filter(|(part, _)| !matches!(part, Part::Word(_)));
                let is_fit = !numbers
                    || of_parameters
                        .into_iter()
                        .all(|(_, segment)| segment.parse::<u8>().is_ok());
                let outcome = if is_fit {
                    arrive(taken, method, number)
                } else {
                    nowhere()
                };
                Some((
                    if has_rest {
                        Rank::Rest(rank)
                    } else {
                        Rank::Template(rank)
                    },
                    outcome,
                ))
            }
            Route::Expression(expression, taken) => {
                let (text, _) = EXPRESSIONS[*expression];
                let outcome = match matched(text, path) {
                    Some(rest) if rest.is_empty() => arrive(taken, method, number),
                    Some(_) => nowhere(),
                    None => return None,
                };
                // Equal expressions are one pattern, whose place is that of the first.
                let is_equal = |other: &Route| matches!(other, Route::Expression(other, _) if other == expression);
                let first = routes.iter().position(is_equal)?;
                Some((Rank::Expression(first), outcome))
            }
            Route::Mount(parts, takes) => {
                let (mut rank, rest) = specific(parts, path)?;
                rank.push(Specific::GoesOn);
                let outcome = if rest.len() == *takes {
                    arrive(&Method::GET, method, number)
                } else {
                    nowhere()
                };
                Some((
                    if parts.is_empty() {
                        Rank::Root
                    } else {
                        Rank::Template(rank)
                    },
                    outcome,
                ))
            }
        }
    }
}

/// Matches the beginning of a path, and says what is left.
fn specific<'p>(parts: &[Part], path: &'p [String]) -> Option<(Vec<Specific>, &'p [String])> {
    let mut rank = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let segment = path.get(number)?;
        rank.push(match part {
            Part::Word(word) if word == segment => Specific::Word,
            Part::Text | Part::Number if !segment.is_empty() => Specific::Parameter,
            _ => return None,
        });
    }
    Some((rank, &path[parts.len()..]))
}

/// Matches an expression alone, and says what is left of the path.
fn matched(expression: &str, path: &[String]) -> Option<String> {
    if path.iter().any(|segment| segment.contains('/')) {
        return None;
    }
    let text = if path.is_empty() {
        "/".to_owned()
    } else {
        format!("/{}", path.join("/"))
    };
    let end = Regex::new(&format!(r"\A(?:{expression})")).unwrap().find(&text)?.end();
    let ends_segment = end == text.len() || text[end..].starts_with('/');
    let end = if ends_segment {
        end
    } else if text[..end].ends_with('/') {
        // What comes behind a slash is a segment of its own.
        end - 1
    } else {
        return Some("the middle of a segment".to_owned());
    };
    // At the root, `/` is what the expression sees and nothing is what is there.
    Some(if path.is_empty() {
        String::new()
    } else {
        text[end..].to_owned()
    })
}

fn arrive(taken: &Method, method: &Method, number: u32) -> Outcome {
    if taken == method || (*method == Method::HEAD && *taken == Method::GET) {
        return Outcome::Found(number);
    }
    Outcome::Missed([taken.to_string()].into())
}

fn nowhere() -> Outcome {
    Outcome::Missed(Default::default())
}
