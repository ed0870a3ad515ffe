//! Random trees of dispatchers, compared with a model of what each of them should do.

use std::collections::BTreeSet;

use hansel::dispatch::{Dispatch, Endpoint, Map, MethodSet, Miss, Reply, Step, Walk, mount};
use hansel::{Chain, Hooks, IntoResponse, Method, Methods, Request, Routes};
use proptest::prelude::*;

/// A dispatcher to be made. Every endpoint has a number, which is its response.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// A dispatcher of one's own that takes so many segments, whatever they are, and arrives.
    Leaf {
        takes: usize,
        methods: Vec<Method>,
        number: u32,
    },
    /// `mount("/a/b", ..)`
    Mount(Vec<String>, Box<Tree>),
    Chain(Vec<Tree>),
    /// Sets a context value, takes one segment, and goes on.
    Hooked(u32, Box<Tree>),
    /// `Routes` with an endpoint for GET at each of some words, and a mount at another.
    Routes {
        words: Vec<(String, u32)>,
        mounted: String,
        inner: Box<Tree>,
    },
    /// `Methods` with functions of a list.
    Methods(Vec<(String, u32)>),
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Found(u32),
    /// Nothing allowed is a 404.
    Missed(BTreeSet<String>),
}

/// What hooks set.
pub(crate) struct Mark(pub(crate) u32);

pub(crate) const WORDS: [&str; 4] = ["a", "b", "ab", "é"];

pub(crate) fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

/// A segment as it is after decoding; some are words, and some can only be had by encoding.
pub(crate) fn segment() -> impl Strategy<Value = String> {
    prop_oneof![6 => word(), 1 => Just(String::new()), 1 => Just("a/b".to_owned()), 1 => Just("%61".to_owned())]
}

/// Any path; one empty segment alone has no path of its own, since `/` has no segment.
pub(crate) fn path() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(segment(), 0..5).prop_filter("/ has no segment", |path| *path != [""])
}

/// A tree and a path that has often to do with it.
pub(crate) fn tree_and_path() -> impl Strategy<Value = (Tree, Vec<String>)> {
    tree().prop_flat_map(|tree| {
        let ends = tree.ends();
        let along =
            (prop::sample::select(ends), prop::option::weighted(0.2, segment())).prop_map(|(mut path, more)| {
                path.extend(more);
                path
            });
        let along = along.prop_filter("/ has no segment", |path| *path != [""]);
        (Just(tree), prop_oneof![3 => along, 1 => path()])
    })
}

pub(crate) fn method() -> impl Strategy<Value = Method> {
    let brew = Method::from_bytes(b"BREW").unwrap();
    prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::DELETE,
        Method::OPTIONS,
        brew,
    ])
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let methods = prop::sample::subsequence(vec![Method::GET, Method::POST, Method::DELETE, Method::HEAD], 1..3);
    let leaf = (0..3_usize, methods, 0..1000_u32);
    let named = || prop::collection::btree_map(word(), 0..1000_u32, 1..3).prop_map(|words| words.into_iter().collect());
    let end = prop_oneof![
        leaf.prop_map(|(takes, methods, number)| Tree::Leaf { takes, methods, number }),
        named().prop_map(Tree::Methods),
    ];
    end.prop_recursive(5, 24, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            (prop::collection::vec(word(), 1..3), boxed.clone()).prop_map(|(path, inner)| Tree::Mount(path, inner)),
            prop::collection::vec(inner, 0..3).prop_map(Tree::Chain),
            (0..1000_u32, boxed.clone()).prop_map(|(value, inner)| Tree::Hooked(value, inner)),
            (named(), word(), boxed).prop_map(|(words, mounted, inner)| Tree::Routes { words, mounted, inner }),
        ]
    })
}

/// A request for a path of decoded segments.
pub(crate) fn request(method: &Method, path: &[String]) -> Request {
    Request::new(method.clone(), &target(path))
}

/// The path of decoded segments; no segment is `/`.
pub(crate) fn target(path: &[String]) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    let encode = |segment: &String| -> String {
        let plain = |octet: u8| octet.is_ascii_alphanumeric();
        segment
            .bytes()
            .map(|octet| {
                if plain(octet) {
                    char::from(octet).to_string()
                } else {
                    format!("%{octet:02X}")
                }
            })
            .collect()
    };
    path.iter().map(|segment| format!("/{}", encode(segment))).collect()
}

impl Tree {
    pub(crate) fn build(&self) -> Box<dyn Dispatch> {
        match self {
            Tree::Leaf { takes, methods, number } => Box::new(Leaf {
                takes: *takes,
                methods: methods
                    .iter()
                    .fold(MethodSet::empty(), |set, method| set.with(method.clone())),
                number: *number,
            }),
            Tree::Mount(path, inner) => Box::new(mount(&format!("/{}", path.join("/")), inner.build())),
            Tree::Chain(links) => Box::new(links.iter().fold(Chain::new(), |chain, link| chain.then(link.build()))),
            Tree::Hooked(value, inner) => {
                let value = *value;
                let set = move |request: &Request| request.set(Mark(value));
                Box::new(Hooks::on(TakesOne(inner.build())).before(set))
            }
            Tree::Routes { words, mounted, inner } => {
                let routes = words.iter().fold(Routes::new(), |routes, (word, number)| {
                    let number = *number;
                    routes.get(format!("/{word}"), move || number.to_string())
                });
                Box::new(routes.mount(&format!("/{mounted}"), inner.build()))
            }
            Tree::Methods(names) => Box::new(names.iter().fold(Methods::new(), |methods, (name, number)| {
                let number = *number;
                methods.add(name, move |_: Vec<String>| number.to_string())
            })),
        }
    }

    /// Some paths that lead to endpoints, where methods do not matter; or none, which is a path as well.
    fn ends(&self) -> Vec<Vec<String>> {
        let below = |prefix: &[String], inner: &Tree| -> Vec<Vec<String>> {
            inner.ends().into_iter().map(|end| [prefix, &end].concat()).collect()
        };
        match self {
            Tree::Leaf { takes, .. } => vec![vec!["b".to_owned(); *takes]],
            Tree::Mount(path, inner) => below(path, inner),
            Tree::Chain(links) if links.is_empty() => vec![Vec::new()],
            Tree::Chain(links) => links.iter().flat_map(Tree::ends).collect(),
            Tree::Hooked(_, inner) => below(&["a".to_owned()], inner),
            Tree::Routes { words, mounted, inner } => {
                let words = words.iter().map(|(word, _)| vec![word.clone()]);
                words.chain(below(std::slice::from_ref(mounted), inner)).collect()
            }
            Tree::Methods(names) => names.iter().map(|(name, _)| vec![name.clone()]).collect(),
        }
    }

    /// What dispatch should come to, by the plainest code there is.
    pub(crate) fn expect(&self, method: &Method, path: &[String]) -> Outcome {
        match self {
            Tree::Leaf { takes, methods, number } => match path.len() == *takes {
                true => arrive(methods, method, *number),
                false => Outcome::nowhere(),
            },
            Tree::Mount(prefix, inner) => match path.strip_prefix(&prefix[..]) {
                Some(rest) => inner.expect(method, rest),
                None => Outcome::nowhere(),
            },
            Tree::Chain(links) => {
                let outcomes = links.iter().map(|link| link.expect(method, path));
                outcomes.fold(Outcome::nowhere(), Outcome::or)
            }
            Tree::Hooked(_, inner) => match path.split_first() {
                Some((_, rest)) => inner.expect(method, rest),
                None => Outcome::nowhere(),
            },
            Tree::Routes { words, mounted, inner } => {
                let endpoint = words.iter().find(|(word, _)| path == [word.clone()]);
                let first = endpoint.map(|(_, number)| arrive(&[Method::GET], method, *number));
                let second = match path.split_first() {
                    Some((word, rest)) if word == mounted => inner.expect(method, rest),
                    _ => Outcome::nowhere(),
                };
                first.into_iter().fold(Outcome::nowhere(), Outcome::or).or(second)
            }
            Tree::Methods(names) => {
                let called = names.iter().find(|(name, _)| path.first() == Some(name));
                called.map_or_else(Outcome::nowhere, |(_, number)| arrive(&[Method::GET], method, *number))
            }
        }
    }
}

fn arrive(methods: &[Method], method: &Method, number: u32) -> Outcome {
    let is_head_of_get = *method == Method::HEAD && methods.contains(&Method::GET);
    if methods.contains(method) || is_head_of_get {
        return Outcome::Found(number);
    }
    Outcome::Missed(methods.iter().map(Method::to_string).collect())
}

impl Outcome {
    fn nowhere() -> Outcome {
        Outcome::Missed(BTreeSet::new())
    }

    pub(crate) fn or(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::Missed(mut these), Outcome::Missed(those)) => {
                these.extend(those);
                Outcome::Missed(these)
            }
            (Outcome::Missed(_), found) => found,
            (found, _) => found,
        }
    }

    /// The status that dispatch answers with.
    pub(crate) fn status(&self, method: &Method) -> u16 {
        match self {
            Outcome::Found(_) => 200,
            Outcome::Missed(allowed) if allowed.is_empty() => 404,
            Outcome::Missed(_) if *method == Method::OPTIONS => 204,
            Outcome::Missed(_) => 405,
        }
    }

    /// The `Allow` that it answers with.
    pub(crate) fn allow(&self) -> Option<String> {
        let Outcome::Missed(allowed) = self else { return None };
        let mut all = allowed.clone();
        if all.is_empty() {
            return None;
        }
        if all.contains("GET") {
            all.insert("HEAD".to_owned());
        }
        all.insert("OPTIONS".to_owned());
        Some(all.into_iter().collect::<Vec<_>>().join(", "))
    }
}

struct Leaf {
    takes: usize,
    methods: MethodSet,
    number: u32,
}

impl Dispatch for Leaf {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        // Takes fewer than there are if there are fewer, so that the walk has to find out.
        let step = Step::taking("Leaf", "/..", self.takes);
        walk.descend(step, |walk| {
            let endpoint = Endpoint::new("Leaf", "leaf", &self.methods);
            walk.arrive(endpoint, |_| self.number.to_string().into_response())
        })
    }

    fn describe(&self, map: &mut Map) {
        map.endpoint("Leaf", &self.methods, "/..", "leaf");
    }
}

struct TakesOne(Box<dyn Dispatch>);

impl Dispatch for TakesOne {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        if walk.segments().is_empty() {
            return Err(Miss::NotFound);
        }
        walk.descend(Step::taking("TakesOne", "/{one}", 1), |walk| self.0.dispatch(walk))
    }
}
