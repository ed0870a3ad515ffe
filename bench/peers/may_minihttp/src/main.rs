//! may_minihttp, with as many workers of `may` as loops.
//!
//! It has no thread pool for blocking calls: `/sleep` blocks a worker, as any call into the standard library would.

use std::io;

use may_minihttp::{HttpServer, HttpService, Request, Response};
use work::Settings;

fn main() -> io::Result<()> {
    let settings = Settings::of_arguments();
    may::config().set_workers(settings.loops);
    let server = HttpServer(Work).start(settings.address())?;
    server.join().map_err(|_| io::Error::other("the server panicked"))
}

#[derive(Clone)]
struct Work;

impl HttpService for Work {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let (path, query) = match request.path().split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.path(), None),
        };
        let mut segments = path.split('/').skip(1);
        let route = [(); 5].map(|()| segments.next());
        match (request.method(), route) {
            ("GET", [Some(""), None, ..]) => text(response).body(work::HELLO),
            ("GET", [Some("user"), Some(id), None, ..]) => text(response).body_vec(work::user(id).into_bytes()),
            ("GET", [Some("shops"), Some(shop), Some("items"), Some(item), None]) => {
                let page = work::item_page(shop, item, query, cookie(&request));
                response
                    .header("Content-Type: text/html; charset=utf-8")
                    .header("Cache-Control: private, max-age=60")
                    .header("X-Frame-Options: DENY")
                    .body_vec(page.into_bytes());
            }
            ("GET", [Some("json"), None, ..]) => {
                let json = response.header("Content-Type: application/json");
                json.body_vec(work::json());
            }
            ("GET", [Some("10k"), None, ..]) => text(response).body(work::ten_kb()),
            ("GET", [Some("1m"), None, ..]) => text(response).body(work::one_mb()),
            ("POST", [Some("upload"), None, ..]) => {
                let count = io::copy(&mut request.body(), &mut io::sink())?;
                text(response).body_vec(count.to_string().into_bytes());
            }
            ("GET", [Some("sleep"), None, ..]) => {
                work::sleep();
                text(response).body(work::HELLO);
            }
            _ => drop(response.status_code(404, "Not Found")),
        }
        Ok(())
    }
}

fn text<'r, 'b>(response: &'r mut Response<'b>) -> &'r mut Response<'b> {
    response.header("Content-Type: text/plain; charset=utf-8")
}

fn cookie<'r>(request: &'r Request) -> Option<&'r str> {
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
    let field = request.headers().iter().find(|field| is_cookie(field.name))?;
    std::str::from_utf8(field.value).ok()
}
