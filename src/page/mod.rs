//! The page that development mode shows in place of a 404, 405 or 500, with how it came about.
//!
//! A browser gets a page, every other client the same as text. Nothing in this module runs unless
//! [`App::development`](crate::App::development) was switched on.

mod escape;
mod html;
mod near;
mod panics;
mod part;
mod secrets;
mod text;

use crate::dispatch::{Both, Map, Miss, Observer, Outcome, Recorder, Trail, Why};
use crate::report;
use crate::response::Origin;
use crate::response::reason;
use crate::{Html, IntoResponse, Request, Response, StatusCode};
use near::Near;
use panics::Panic;
use secrets::Secrets;

/// Larger responses of the application are not shown on the page.
const LARGEST_OWN: usize = 64 * 1024;

/// Everything that happened to a request, for the page to show.
struct Story<'a> {
    request: &'a Request,
    /// The text that is left out of everything that is shown.
    secrets: &'a Secrets,
    status: StatusCode,
    trail: &'a Trail,
    map: &'a Map,
    near: Vec<Near<'a>>,
    /// The number of segments that lead somewhere.
    known: usize,
    /// Why the next segment does not, if it is the only reason.
    unfit: Option<&'a Why<'static>>,
    panic: Option<&'a Panic>,
    /// Why the response is a 500, which otherwise only the log says.
    failure: Option<String>,
    /// The response that the application made itself.
    own: Option<Own>,
}

/// A response that the page stands in place of.
struct Own {
    is_html: bool,
    text: String,
}

/// Answers a request by `call`, and tells how it came to that if it came to nothing good.
pub(crate) fn respond(
    request: &Request,
    observer: Option<&dyn Observer>,
    call: impl FnOnce(&dyn Observer) -> Response,
    map: impl FnOnce() -> Map,
    note_endpoint: impl FnOnce(),
) -> Response {
    let recorder = Recorder::default();
    let watched = || match observer {
        Some(observer) => call(&Both(&recorder, observer)),
        None => call(&recorder),
    };
    let (mut response, mut panic) = match panics::catch(watched) {
        Ok(response) => (response, None),
        Err(panic) => {
            note_endpoint();
            report::error!("handler panicked at {}: {}", request.described(), panic.message);
            let response = StatusCode::INTERNAL_SERVER_ERROR
                .into_response()
                .with_origin(Origin::Panicked);
            (response, Some(panic))
        }
    };
    let mut failure = response.report_fault(Some(request));
    let is_told = matches!(
        response.status(),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::INTERNAL_SERVER_ERROR
    );
    // What is not in memory stays unchanged: a stream may be anything, and cannot be read twice.
    if !is_told || response.body().bytes().is_none() {
        return response;
    }
    let Some(mut trail) = recorder.into_trail(request) else {
        return response;
    };
    // Anything that the program says about a request may contain one of its secrets.
    let secrets = Secrets::of(request);
    let panics = panic.iter_mut().map(|panic| &mut panic.message);
    for text in panics.chain(failure.as_mut()) {
        *text = secrets.left_out_of(text).into_owned();
    }
    for why in trail.crumbs.iter_mut().filter_map(|crumb| crumb.declined.as_mut()) {
        let text = why.to_string();
        let shown = secrets.left_out_of(&text);
        if shown != text {
            *why = Why::Other(shown.into_owned().into());
        }
    }
    let map = map();
    let story = Story::new((request, &secrets), &response, &trail, &map, panic.as_ref(), failure);
    story.tell(response)
}

impl<'a> Story<'a> {
    fn new(
        (request, secrets): (&'a Request, &'a Secrets),
        response: &Response,
        trail: &'a Trail,
        map: &'a Map,
        panic: Option<&'a Panic>,
        failure: Option<String>,
    ) -> Story<'a> {
        let segments: Vec<&str> = request.segments().collect();
        let is_found = matches!(trail.outcome, Outcome::Found | Outcome::Refused(_));
        // A custom handler for 404 is an endpoint that was found, after the others had declined.
        let is_declined =
            response.status() == StatusCode::NOT_FOUND && trail.crumbs.iter().any(|crumb| crumb.declined.is_some());
        let is_lost = matches!(trail.outcome, Outcome::Missed(Miss::NotFound));
        let unfit = unfit(trail, &segments).filter(|_| is_lost);
        Story {
            request,
            secrets,
            status: response.status(),
            trail,
            map,
            near: match is_found {
                true if !is_declined => Vec::new(),
                _ => nearest(trail, map, &segments, is_found),
            },
            known: match (is_lost, unfit) {
                (false, _) => segments.len(),
                (true, Some((number, _))) => number,
                (true, None) => reached(trail, &segments).max(near::known(map.places(), &segments)),
            },
            unfit: unfit.map(|(_, why)| why),
            panic,
            failure,
            own: own(response, secrets),
        }
    }

    fn tell(&self, response: Response) -> Response {
        let told = if wants_html(self.request) {
            Html(html::page(self)).into_response()
        } else if self.own.is_some() {
            // A client of an API gets the application's own response.
            return response;
        } else {
            text::text(self).into_response()
        };
        let mut told = told.with_status(self.status);
        // Hooks for responses must see how it was made: `problem_details` tells nothing of a panic.
        if let Some(origin) = response.origin() {
            told = told.with_origin(origin);
        }
        for (name, value) in response.headers() {
            let is_replaced = [
                "Content-Type",
                "Content-Length",
                "Content-Encoding",
                "ETag",
                "Cache-Control",
            ]
            .iter()
            .any(|replaced| replaced.eq_ignore_ascii_case(name));
            if !is_replaced {
                told.append_header(name, value);
            }
        }
        // Nothing on the page is loaded from elsewhere, and no script runs, whatever a request contains.
        told.with_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        )
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("Cache-Control", "no-store")
    }

    /// Returns the heading for the places that are near.
    fn near_title(&self) -> &'static str {
        match self.near.iter().all(|near| near.fits) {
            true => "Nearest",
            false => "Did you mean",
        }
    }

    /// Returns the name of the endpoint that was reached.
    fn endpoint(&self) -> Option<&'a str> {
        self.trail.endpoint().map(|crumb| crumb.handler.as_str())
    }
}

/// Returns what was perhaps meant. Where the path was right, the reason comes from the trail.
fn nearest<'m>(trail: &Trail, map: &'m Map, segments: &[&str], is_found: bool) -> Vec<Near<'m>> {
    let mut all = near::near(map.places(), &trail.method, segments, is_found);
    for near in all.iter_mut().filter(|near| near.fits) {
        let function = near.place.handler.split('(').next().unwrap_or("");
        let mut declined = trail.crumbs.iter().filter(|crumb| crumb.handler == function);
        if let Some(why) = declined.find_map(|crumb| crumb.declined.as_ref()) {
            near.difference = format!("fits, but {why}");
        }
    }
    all
}

/// Returns the last segment that was not accepted as an argument or an item, and the reason.
fn unfit<'t>(trail: &'t Trail, segments: &[&str]) -> Option<(usize, &'t Why<'static>)> {
    let mut declined = trail.crumbs.iter().rev().filter_map(|crumb| crumb.declined.as_ref());
    declined.find_map(|why| {
        let (Why::Argument { segment, .. } | Why::NoItem(segment)) = why else {
            return None;
        };
        let number = segments.iter().rposition(|other| other == segment)?;
        Some((number, why))
    })
}

/// Returns the largest number of segments that dispatch has consumed.
fn reached(trail: &Trail, segments: &[&str]) -> usize {
    // How much was consumed up to each depth.
    let mut taken: Vec<usize> = Vec::new();
    let mut farthest = 0;
    for crumb in &trail.crumbs {
        taken.truncate(crumb.depth);
        if crumb.declined.is_none() && !crumb.is_endpoint {
            let in_all = taken.last().unwrap_or(&0) + crumb.taken.as_ref().map_or(0, String::len);
            taken.push(in_all);
            farthest = farthest.max(in_all);
        }
    }
    let mut end = 0;
    let ends = segments.iter().map(|segment| {
        end += 1 + segment.len();
        end
    });
    ends.take_while(|&end| end <= farthest).count()
}

/// Returns the application's own response, unless it is only the name of the status.
fn own(response: &Response, secrets: &Secrets) -> Option<Own> {
    let bytes = response.body().bytes()?;
    let is_bare = bytes == reason(response.status()).as_bytes();
    if bytes.is_empty() || is_bare || bytes.len() > LARGEST_OWN {
        return None;
    }
    Some(Own {
        is_html: response
            .header("Content-Type")
            .is_some_and(|kind| kind.starts_with("text/html")),
        text: secrets.left_out_of(std::str::from_utf8(bytes).ok()?).into_owned(),
    })
}

/// Returns true if the client is a browser that loads a page, which it announces (RFC 9110 §12.5.1). The request of a
/// script does not.
fn wants_html(request: &Request) -> bool {
    let accept = request.header("Accept").unwrap_or("").to_ascii_lowercase();
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        // RFC 9110 §12.4.2: "a value of 0 means "not acceptable"".
        let is_refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        parts.next() == Some("text/html") && !parts.any(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Crumb, Dispatch, Reply, Step, Walk};
    use crate::{App, Application, Body, Method, Routes};

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn routes() -> Routes {
        Routes::new()
            .get("/people/{id}", |id: u32| (id < 100).then(|| id.to_string()))
            .get("/panic", || {
                if true {
                    panic!("<b>boom</b>")
                }
            })
            .get("/error", || -> crate::Result<String> {
                Ok(std::fs::read_to_string("/no/<such>")?)
            })
            .get("/field", || Response::new("x").with_header("X-A", "\n"))
            .get("/told", |request: &Request| -> String {
                panic!("no user for {:?}", request.query_value("token"))
            })
            .get("/failed", |request: &Request| -> crate::Result<String> {
                Err(std::io::Error::other(request.query().unwrap_or("").to_owned()))?
            })
            .get("/echo", |request: &Request| {
                let cookie = request.header("Cookie").unwrap_or("");
                (StatusCode::NOT_FOUND, format!("{:?} {cookie}", request.query()))
            })
            .get("/own", || (StatusCode::NOT_FOUND, Html("<script>own</script>")))
            .get("/stream", || {
                Response::new(Body::reader(&b"read"[..])).with_status(StatusCode::NOT_FOUND)
            })
    }

    fn request(target: &str, accept: &str) -> Request {
        Request::get(target).with_header("Accept", accept)
    }

    fn answered(app: &App, request: &Request) -> (u16, String) {
        let response = app.call(request);
        let body = response.body().bytes().unwrap_or(b"(not in memory)").to_vec();
        (response.status().as_u16(), String::from_utf8(body).unwrap())
    }

    #[track_caller]
    fn page(app: &App, target: &str) -> String {
        let (status, page) = answered(app, &request(target, BROWSER));
        assert!(status >= 400 && page.starts_with("<!doctype html>"), "{status} {page}");
        page
    }

    #[test]
    fn nothing_of_it_is_shown_unless_it_was_switched_on() {
        for app in [
            App::new(routes()),
            App::new(routes()).development(true).development(false),
        ] {
            for (target, expected) in [
                ("/nowhere", (404, "Not Found")),
                ("/people/x", (404, "Not Found")),
                ("/people/777", (404, "Not Found")),
                ("/error", (500, "Internal Server Error")),
                ("/own", (404, "<script>own</script>")),
            ] {
                for accept in [BROWSER, "*/*"] {
                    let (status, body) = answered(&app, &request(target, accept));
                    assert_eq!((status, &*body), expected);
                }
            }
            let call = || app.call(&request("/panic", BROWSER)).status();
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
        }
    }

    #[test]
    fn browsers_get_a_page_and_others_the_same_as_text() {
        let app = App::new(routes()).development(true);
        let page = page(&app, "/peple/7");
        assert!(page.contains("Nothing is at <code>/peple/7</code>."), "{page}");
        assert!(page.contains("<a href=\"/people/7\">"), "{page}");
        for accept in ["*/*", "application/json", "text/html;q=0, */*", ""] {
            let (status, text) = answered(&app, &request("/peple/7", accept));
            assert_eq!(status, 404);
            assert!(
                text.contains("\nDid you mean\n  GET /people/7: people for peple\n"),
                "{text}"
            );
        }
    }

    fn crumb(depth: usize, taken: &str, declined: Option<Why<'static>>) -> crate::dispatch::TrailCrumb {
        crate::dispatch::TrailCrumb {
            depth,
            dispatcher: "Routes".to_owned(),
            taken: Some(taken.to_owned()),
            handler: String::new(),
            is_endpoint: false,
            methods: None,
            declined,
        }
    }

    #[test]
    fn what_is_known_of_a_path_is_the_farthest_that_any_way_has_led() {
        let trail = |crumbs| Trail {
            method: Method::GET,
            path: "/a/b/c".to_owned(),
            crumbs,
            outcome: Outcome::Missed(Miss::NotFound),
        };
        let segments = ["a", "b", "c"];
        let ways = trail(vec![crumb(0, "/a", None), crumb(1, "/b", None), crumb(0, "/a", None)]);
        assert_eq!(reached(&ways, &segments), 2);
        let no_item = Why::NoItem("b".into());
        let ways = trail(vec![crumb(0, "/a", None), crumb(1, "/b", Some(no_item.clone()))]);
        assert_eq!(reached(&ways, &segments), 1);
        assert_eq!(unfit(&ways, &segments), Some((1, &no_item)));
        assert_eq!(unfit(&ways, &["a", "b b"]), None);
    }

    #[test]
    fn a_good_response_is_left_alone() {
        let app = App::new(routes()).development(true);
        assert_eq!(answered(&app, &request("/people/7", BROWSER)), (200, "7".to_owned()));
        assert_eq!(
            answered(&app, &request("/stream", BROWSER)),
            (404, "(not in memory)".to_owned())
        );
    }

    #[test]
    fn the_head_of_a_response_stays_and_nothing_on_the_page_can_run() {
        let app = App::new(routes()).development(true);
        let post = Request::post("/people/7").with_header("Accept", BROWSER);
        let response = app.call(&post);
        assert_eq!(response.status(), 405);
        assert_eq!(response.header("Allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(response.header("Content-Type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        assert!(
            response
                .header("Content-Security-Policy")
                .unwrap()
                .starts_with("default-src 'none';")
        );
    }

    #[test]
    fn a_panic_and_an_error_are_told_with_their_reasons() {
        let app = App::new(routes()).development(true);
        let panic = page(&app, "/panic");
        assert!(
            panic.contains("<pre class=\"message\">&lt;b&gt;boom&lt;/b&gt;</pre>"),
            "{panic}"
        );
        assert!(panic.contains("at <code>src/page/mod.rs:"), "{panic}");
        assert!(panic.contains("<span class=\"here\">"), "{panic}");
        assert!(page(&app, "/error").contains("No such file or directory"));
        assert!(page(&app, "/field").contains("X-A"));
    }

    #[test]
    fn a_response_of_ones_own_is_shown_on_the_page_and_sent_to_others() {
        let app = App::new(routes()).development(true);
        let page = page(&app, "/own");
        assert!(
            page.contains("<iframe sandbox title=\"Your own response\" srcdoc=\"&lt;script&gt;own&lt;/script&gt;\">"),
            "{page}"
        );
        assert_eq!(
            answered(&app, &request("/own", "*/*")),
            (404, "<script>own</script>".to_owned())
        );
        let text = Routes::new().get("/there", || "").not_found(|| "own <text>");
        let page = self::page(&App::new(text).development(true), "/their");
        assert!(page.contains("<pre class=\"message\">own &lt;text&gt;</pre>"), "{page}");
        assert!(page.contains("<code>there</code> for <code>their</code>"), "{page}");
    }

    /// Names everything after an attack.
    struct Hostile;

    const ATTACK: &str = "\"'></code><script>alert(1)</script>";

    impl Dispatch for Hostile {
        fn dispatch(&self, walk: &mut Walk<'_>) -> Reply {
            walk.descend(Step::new(ATTACK, ATTACK), |walk| {
                Err(walk.decline(ATTACK, ATTACK, || ATTACK.into()))
            })
        }

        fn describe(&self, map: &mut Map) {
            map.endpoint(
                ATTACK,
                &crate::dispatch::MethodSet::of(Method::GET),
                &format!("/{ATTACK}"),
                ATTACK,
            );
        }
    }

    #[test]
    fn everything_is_escaped_wherever_it_comes_from() {
        let app = App::new(Hostile).development(true);
        let path = "/%22%27%3E%3C%2Fcode%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
        let hostile = request(&format!("{path}{path}?q=%22%27%3E%3Cscript%3E"), BROWSER)
            .with_header("X-Attack", ATTACK)
            .with_header("Referer", [b"\xff", ATTACK.as_bytes()].concat());
        let (status, page) = answered(&app, &hostile);
        assert_eq!(status, 404);
        assert!(page.matches("&lt;script&gt;alert(1)").count() > 8, "{page}");
        assert!(!page.to_lowercase().contains("<script"), "{page}");
        assert!(!page.contains("\"'>"), "{page}");
    }

    #[test]
    fn secrets_of_the_request_are_not_shown() {
        let app = App::new(routes()).development(true);
        let secret = request(
            "/nowhere?q=open&access_token=hidden&next=%2F%3Fpassword%3Dhidden",
            BROWSER,
        )
        .with_header("Cookie", "session=hidden")
        .with_header("authorization", "Bearer hidden")
        .with_header("X-Api-Key", "hidden")
        .with_header("Referer", "https://a.test/?sid=hidden")
        .with_header("X-Other", "eyJhbGciOiJub25lIn0.hidden")
        .with_header("X-Plain", "this is hidden, and this is open");
        let (_, page) = answered(&app, &secret);
        assert!(page.contains("(14 octets, not shown)"), "{page}");
        assert!(
            page.contains("q=open&amp;access_token=(6 octets, not shown)&amp;next="),
            "{page}"
        );
        assert!(page.contains("this is (not shown), and this is open"), "{page}");
        assert!(!page.contains("hidden"), "{page}");
    }

    #[test]
    fn secrets_are_not_shown_where_the_program_repeats_them() {
        let app = App::new(routes()).development(true);
        for path in ["/told", "/failed", "/echo"] {
            for accept in [BROWSER, "*/*"] {
                if (path, accept) == ("/echo", "*/*") {
                    // The page does not replace responses that the program makes itself.
                    continue;
                }
                let request = request(&format!("{path}?token=hid%64en&q=open"), accept);
                let (status, page) = answered(&app, &request.with_header("Cookie", "session=hidden"));
                assert!(status >= 404 && page.contains("(not shown)"), "{page}");
                assert!(!page.contains("hidden") && !page.contains("hid%64en"), "{page}");
            }
        }
    }

    #[test]
    fn whoever_listens_still_hears() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        struct Ear;
        impl Observer for Ear {
            fn begins(&self, _: &Request) {
                HEARD.fetch_add(1, Relaxed);
            }
            fn crumb(&self, _: &Crumb<'_>) {
                HEARD.fetch_add(100, Relaxed);
            }
            fn ends(&self, _: &Request, outcome: Result<(), &Miss>) {
                HEARD.fetch_add(if outcome.is_err() { 10_000 } else { 0 }, Relaxed);
            }
        }
        let app = App::new(routes()).observe(Ear).development(true);
        let _ = app.call(&Request::get("/nowhere"));
        assert_eq!(HEARD.load(Relaxed), 10_101);
    }
}
