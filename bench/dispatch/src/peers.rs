//! The routers, each behind the same two questions.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hansel::{App, Application, Request, Routes};
use tower_service::Service;

pub(crate) const NAMES: [&str; 4] = ["hansel", "matchit", "actix-router", "axum"];

/// A router with its routes.
pub(crate) trait Peer {
    /// Makes what it needs of the paths, so that only dispatch is timed. The result asks for all of them
    /// and says how many were found.
    fn prepare<'p>(&'p self, paths: &'p [String]) -> Box<dyn FnMut() -> usize + 'p>;
}

/// All of them; those that would take minutes are left out.
pub(crate) fn all(routes: usize) -> Vec<Option<Box<dyn Peer>>> {
    // It tries one route after the other.
    let actix = (routes <= 1_000).then(|| Box::new(Actix::new(routes)) as Box<dyn Peer>);
    vec![
        Some(Box::new(Hansel::new(routes))),
        Some(Box::new(Matchit::new(routes))),
        actix,
        Some(Box::new(Axum::new(routes))),
    ]
}

struct Hansel(App);

fn both(id: u32, item: u32) {
    black_box((id, item));
}

impl Hansel {
    fn new(routes: usize) -> Hansel {
        let add = |all: Routes, i| all.get(format!("/api/r{i}/{{id}}/items/{{item}}").as_str(), both);
        Hansel(App::new((0..routes).fold(Routes::new(), add)))
    }
}

impl Peer for Hansel {
    fn prepare<'p>(&'p self, paths: &'p [String]) -> Box<dyn FnMut() -> usize + 'p> {
        let requests: Vec<_> = paths.iter().map(|path| Request::get(path)).collect();
        Box::new(move || {
            requests
                .iter()
                .filter(|request| self.0.call(request).status() == 204)
                .count()
        })
    }
}

struct Matchit(matchit::Router<usize>);

impl Matchit {
    fn new(routes: usize) -> Matchit {
        let mut router = matchit::Router::new();
        for i in 0..routes {
            router.insert(format!("/api/r{i}/{{id}}/items/{{item}}"), i).unwrap();
        }
        Matchit(router)
    }
}

impl Peer for Matchit {
    fn prepare<'p>(&'p self, paths: &'p [String]) -> Box<dyn FnMut() -> usize + 'p> {
        let find = |path: &str| {
            let found = self.0.at(path).ok()?;
            let number = |name| found.params.get(name)?.parse::<u32>().ok();
            black_box((number("id")?, number("item")?));
            Some(())
        };
        Box::new(move || paths.iter().filter(|path| find(path).is_some()).count())
    }
}

struct Actix(actix_router::Router<usize>);

impl Actix {
    fn new(routes: usize) -> Actix {
        let mut router = actix_router::Router::build();
        for i in 0..routes {
            router.path(format!("/api/r{i}/{{id}}/items/{{item}}"), i);
        }
        Actix(router.finish())
    }
}

impl Peer for Actix {
    fn prepare<'p>(&'p self, paths: &'p [String]) -> Box<dyn FnMut() -> usize + 'p> {
        let find = |path: &str| {
            let mut path = actix_router::Path::new(path);
            self.0.recognize(&mut path)?;
            let number = |name| path.get(name)?.parse::<u32>().ok();
            black_box((number("id")?, number("item")?));
            Some(())
        };
        Box::new(move || paths.iter().filter(|path| find(path).is_some()).count())
    }
}

struct Axum(axum::Router);

async fn both_of_axum(axum::extract::Path(both): axum::extract::Path<(u32, u32)>) -> http::StatusCode {
    black_box(both);
    http::StatusCode::NO_CONTENT
}

impl Axum {
    fn new(routes: usize) -> Axum {
        let add = |all: axum::Router, i| {
            all.route(
                &format!("/api/r{i}/{{id}}/items/{{item}}"),
                axum::routing::get(both_of_axum),
            )
        };
        Axum((0..routes).fold(axum::Router::new(), add))
    }
}

impl Peer for Axum {
    fn prepare<'p>(&'p self, paths: &'p [String]) -> Box<dyn FnMut() -> usize + 'p> {
        let mut router = self.0.clone();
        Box::new(move || {
            let found = paths.iter().filter(|path| {
                let request = http::Request::get(path.as_str())
                    .body(axum::body::Body::empty())
                    .unwrap();
                let mut call = pin!(router.call(request));
                match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(response)) => response.status() == 204,
                    Poll::Ready(Err(never)) => match never {},
                    Poll::Pending => unreachable!("nothing here waits"),
                }
            });
            found.count()
        })
    }
}
