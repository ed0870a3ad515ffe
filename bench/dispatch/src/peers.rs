//! The routers, behind one interface. All find the route and parse both arguments as numbers.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hansel::{App, Application, Request, Routes};
use tower_service::Service;

use crate::original::Original;
use crate::peer::Peer;

/// The first four only look the path up; the others call the handler and make a response.
pub(crate) const NAMES: [&str; 6] = [
    "hansel finds",
    "matchit",
    "actix-router",
    "Python's original",
    "hansel answers",
    "axum",
];

/// The part of their paths by which routes differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Numbers,
    /// A letter for each digit, no two of them adjacent: what is a run of neighbours with numbers has gaps.
    Letters,
}

impl Naming {
    pub(crate) fn name(self, route: usize) -> String {
        let digits = route.to_string();
        match self {
            Naming::Numbers => digits,
            Naming::Letters => digits
                .bytes()
                .map(|digit| char::from(b'b' + 2 * (digit - b'0')))
                .collect(),
        }
    }

    fn template(self, route: usize) -> String {
        format!("/api/r{}/{{id}}/items/{{item}}", self.name(route))
    }
}

/// Returns all routers; those that would take minutes are left out.
pub(crate) fn all(routes: usize, naming: Naming) -> Vec<Option<Box<dyn Peer>>> {
    // It tries one route after the other.
    let actix = (routes <= 1_000).then(|| Box::new(Actix::new(routes, naming)) as Box<dyn Peer>);
    // It has numbers only, and its time does not depend on names.
    let python = (naming == Naming::Numbers)
        .then(|| Original::of_patterns(routes))
        .flatten();
    let python = python.map(|python| Box::new(python) as Box<dyn Peer>);
    vec![
        Some(Box::new(Finds(hansel(routes, naming)))),
        Some(Box::new(Matchit::new(routes, naming))),
        actix,
        python,
        Some(Box::new(Responses(hansel(routes, naming)))),
        Some(Box::new(Axum::new(routes, naming))),
    ]
}

/// Times a lookup of each.
pub(crate) fn timed<T>(asked: Vec<T>, find: impl FnMut(&T) -> bool) -> Option<(usize, Duration)> {
    let mut find = find;
    let began = Instant::now();
    let found = asked.iter().filter(|one| find(one)).count();
    Some((found, began.elapsed()))
}

/// Finds the endpoint and parses its arguments, as for a call.
struct Finds(App);

/// Calls the handler, and makes a response.
struct Responses(App);

fn hansel(routes: usize, naming: Naming) -> App {
    let both = |id: u32, item: u32| {
        black_box((id, item));
    };
    let add = |all: Routes, i| all.get(naming.template(i).as_str(), both);
    App::new((0..routes).fold(Routes::new(), add))
}

fn requests(paths: &[String]) -> Vec<Request> {
    paths.iter().map(|path| Request::get(path)).collect()
}

impl Peer for Finds {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        timed(requests(paths), |request| self.0.reaches(request).is_ok())
    }
}

impl Peer for Responses {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        timed(requests(paths), |request| self.0.call(request).status() == 204)
    }
}

struct Matchit(matchit::Router<usize>);

impl Matchit {
    fn new(routes: usize, naming: Naming) -> Matchit {
        let mut router = matchit::Router::new();
        for i in 0..routes {
            router.insert(naming.template(i), i).unwrap();
        }
        Matchit(router)
    }
}

impl Peer for Matchit {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let find = |path: &str| {
            let found = self.0.at(path).ok()?;
            let number = |name| found.params.get(name)?.parse::<u32>().ok();
            black_box((number("id")?, number("item")?));
            Some(())
        };
        timed(paths.to_vec(), |path| find(path).is_some())
    }
}

struct Actix(actix_router::Router<usize>);

impl Actix {
    fn new(routes: usize, naming: Naming) -> Actix {
        let mut router = actix_router::Router::build();
        for i in 0..routes {
            router.path(naming.template(i), i);
        }
        Actix(router.finish())
    }
}

impl Peer for Actix {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let find = |path: &str| {
            let mut path = actix_router::Path::new(path);
            self.0.recognize(&mut path)?;
            let number = |name| path.get(name)?.parse::<u32>().ok();
            black_box((number("id")?, number("item")?));
            Some(())
        };
        timed(paths.to_vec(), |path| find(path).is_some())
    }
}

struct Axum(axum::Router);

async fn both_of_axum(axum::extract::Path(both): axum::extract::Path<(u32, u32)>) -> http::StatusCode {
    black_box(both);
    http::StatusCode::NO_CONTENT
}

impl Axum {
    fn new(routes: usize, naming: Naming) -> Axum {
        let add = |all: axum::Router, i| {
            let path = naming.template(i);
            all.route(&path, axum::routing::get(both_of_axum))
        };
        Axum((0..routes).fold(axum::Router::new(), add))
    }
}

impl Peer for Axum {
    fn ask(&self, paths: &[String]) -> Option<(usize, Duration)> {
        let mut router = self.0.clone();
        let request = |path: &String| http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let requests: Vec<_> = paths.iter().map(request).collect();
        let began = Instant::now();
        let mut found = 0;
        for request in requests {
            let mut call = pin!(router.call(request));
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(response)) => found += usize::from(response.status() == 204),
                Poll::Ready(Err(never)) => match never {},
                Poll::Pending => unreachable!("nothing here waits"),
            }
        }
        Some((found, began.elapsed()))
    }
}
