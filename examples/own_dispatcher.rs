//! Custom dispatchers: by the name of a host, and by a tree of files. Each is one page of code and can do what the
//! others can: it mounts and is mounted, explains itself, and is on the map.
//!
//! `cargo run --example own_dispatcher`, then `curl http://localhost:8000/files/hello.rs`, and `curl -H "Host:
//! gretel.example" http://localhost:8000/`.

use std::fs::File;
use std::path::PathBuf;

use hansel::dispatch::{Dispatch, Endpoint, FromSegment, IntoDispatch, Map, MethodSet, Reply, Step, Walk};
use hansel::{App, Body, Method, Response, Routes, Server};

/// Dispatches by the host that the client asked for.
#[derive(Default)]
struct Hosts {
    hosts: Vec<(String, Box<dyn Dispatch>)>,
    otherwise: Option<Box<dyn Dispatch>>,
}

impl Hosts {
    fn host<K>(mut self, name: &str, inner: impl IntoDispatch<K>) -> Hosts {
        self.hosts.push((name.to_owned(), Box::new(inner.into_dispatch())));
        self
    }

    fn otherwise<K>(mut self, inner: impl IntoDispatch<K>) -> Hosts {
        self.otherwise = Some(Box::new(inner.into_dispatch()));
        self
    }
}

impl Dispatch for Hosts {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let asked = walk.request().host().unwrap_or("");
        let name = asked.rsplit_once(':').map_or(asked, |(name, _port)| name);
        let known = self.hosts.iter().find(|(host, _)| host.eq_ignore_ascii_case(name));
        match (known, &self.otherwise) {
            (Some((host, inner)), _) => walk.descend(Step::new("Hosts", host), |walk| inner.dispatch(walk)),
            (None, Some(inner)) => walk.descend(Step::new("Hosts", "any other"), |walk| inner.dispatch(walk)),
            (None, None) => Err(walk.decline("Hosts", name, || "there is no such host".into())),
        }
    }

    fn describe(&self, map: &mut Map) {
        let hosts = self.hosts.iter().map(|(_, inner)| inner);
        hosts.chain(&self.otherwise).for_each(|inner| inner.describe(map));
    }
}

/// Dispatches by names of directories and files: the path of the URL is a path below a directory.
struct Files {
    folder: PathBuf,
    methods: MethodSet,
}

impl Files {
    fn of(folder: impl Into<PathBuf>) -> Files {
        Files {
            folder: folder.into(),
            methods: MethodSet::of(Method::GET),
        }
    }
}

impl Dispatch for Files {
    fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
        let mut path = self.folder.clone();
        for segment in walk.segments() {
            match name(segment) {
                Some(name) => path.push(name),
                None => return Err(walk.decline("Files", segment, || "that is no name of a file".into())),
            }
        }
        let Ok(body) = File::open(&path).and_then(Body::file) else {
            return Err(walk.decline("Files", &path.to_string_lossy(), || "there is no such file".into()));
        };
        let content_type = content_type(&path);
        let file = Endpoint::new("Files", "file", &self.methods);
        let all = Step::taking("Files", "/{*path}", walk.segments().count());
        walk.descend(all, |walk| {
            walk.arrive(file, |_| Response::new(body).with_header("Content-Type", content_type))
        })
    }

    fn describe(&self, map: &mut Map) {
        map.endpoint("Files", &self.methods, "/{*path}", &self.folder.to_string_lossy());
    }
}

/// Returns the name of a file or directory. Names that lead elsewhere and hidden ones are refused.
fn name(segment: &str) -> Option<PathBuf> {
    PathBuf::from_segment(segment).filter(|path| path.components().count() == 1 && !segment.starts_with('.'))
}

fn content_type(path: &std::path::Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("rs" | "md" | "toml" | "txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn app() -> App {
    let sources = Files::of(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"));
    App::new(
        Hosts::default()
            .host("gretel.example", || "Gretel's")
            .otherwise(Routes::new().get("/", || "Hansel's").mount("/files", sources)),
    )
}

fn main() -> hansel::Result {
    let app = app();
    print!("{}", app.routes());
    Ok(Server::bind("127.0.0.1:8000")?.serve(app)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::Request;
    use hansel::test::Client;

    #[test]
    fn a_host_has_its_own_paths() {
        let client = Client::new(app());
        let at = |host: &str, target: &str| client.send(Request::get(target).with_header("Host", host));
        assert_eq!(at("gretel.example", "/").text(), "Gretel's");
        assert_eq!(at("Gretel.Example:8000", "/").text(), "Gretel's");
        assert_eq!(at("hansel.example", "/").text(), "Hansel's");
        assert_eq!(at("gretel.example", "/files/hello.rs").status(), 404);
        let only = Client::new(App::new(Hosts::default().host("gretel.example", || "Gretel's")));
        assert_eq!(only.get("/").status(), 404);
    }

    #[test]
    fn a_tree_of_files_is_served() {
        let client = Client::new(app());
        let response = client.get("/files/own_dispatcher.rs");
        assert!(response.text().starts_with("//! Custom dispatchers"));
        assert_eq!(response.header("Content-Type"), Some("text/plain; charset=utf-8"));
        assert_eq!(client.call("HEAD", "/files/own_dispatcher.rs").status(), 200);
        let post = client.post("/files/own_dispatcher.rs", "");
        assert_eq!(
            (post.status().as_u16(), post.header("Allow")),
            (405, Some("GET, HEAD, OPTIONS"))
        );
    }

    #[test]
    fn nothing_outside_the_tree_is() {
        let client = Client::new(app());
        for target in [
            "/files",
            "/files/",
            "/files/nope.rs",
            "/files/../Cargo.toml",
            "/files/%2e%2e/Cargo.toml",
            "/files/..%2FCargo.toml",
            "/files/%2Fetc%2Fpasswd",
            "/files//etc/passwd",
            "/files/.hidden",
            "/files/hello.rs/",
        ] {
            assert_eq!(client.get(target).status(), 404, "{target}");
        }
    }

    #[test]
    fn it_explains_itself_and_is_on_the_map() {
        let trail = app().explain(Method::GET, "/files/nope.rs").to_string();
        assert!(trail.contains("Hosts any other"), "{trail}");
        assert!(trail.contains("there is no such file"), "{trail}");
        let map = app().routes().to_string();
        assert!(map.contains("/files/{*path}"), "{map}");
    }
}
