//! Conditional requests for responses in memory: RFC 9110 §13.

use std::hash::{DefaultHasher, Hasher};

use crate::dispatch::IntoDispatch;
use crate::{Body, Hooks, Method, Request, Response, Seen, StatusCode};

/// Gives responses an `ETag`, and answers 304 without a body to clients that have the current version.
///
/// ```
/// use hansel::{App, ETags, Request, Routes, test::Client};
///
/// let client = Client::new(App::new(ETags::new().on(Routes::new().get("/menu", || "ham and eggs"))));
/// let response = client.get("/menu");
/// let tag = response.header("ETag").unwrap();
///
/// let again = client.send(Request::get("/menu").with_header("If-None-Match", tag));
/// assert_eq!(again.status(), 304);
/// assert_eq!(again.bytes(), b"");
/// ```
///
/// The tag is a hash of the body. So this saves bytes, but no work: the handler runs all the same. Only 200 to GET and HEAD
/// gets one, and only with a body in memory. Responses with `Cache-Control: no-store` get none.
///
/// Where a handler sets an `ETag`, or a `Last-Modified`, conditions are evaluated by that, for streams and files as well:
///
/// | header of the request | response |
/// |---|---|
/// | `If-Match` without the tag, compared strongly | 412 |
/// | `If-None-Match` with the tag, compared weakly, or `*` | 304 |
/// | `If-Modified-Since`, equal to `Last-Modified`, without `If-None-Match` | 304 |
///
/// Other methods are not looked at, because their handler has already acted: a handler of PUT compares `If-Match` itself.
///
/// With the feature `compression`, put this inside `Compression`, so that the hash is of what was not compressed:
/// `Compression::new().on(ETags::new().on(routes))`. In any order the tags are right.
///
/// Requires the feature `etags`.
#[derive(Clone, Debug, Default)]
#[must_use = "it sets nothing until it is used: `etags.on(routes)`"]
#[non_exhaustive]
pub struct ETags {}

impl ETags {
    /// Creates a part that sets entity tags and evaluates conditions.
    pub fn new() -> ETags {
        ETags::default()
    }

    /// Applies it to the responses of `inner`. Hooks that are added to the result run inside.
    #[track_caller]
    pub fn on<K>(self, inner: impl IntoDispatch<K>) -> Hooks {
        Hooks::on(inner).respond(self.responses())
    }

    /// Returns a hook for [`App::respond`](crate::App::respond), where it reaches every response.
    pub fn responses(self) -> impl Fn(&Seen<'_>, &mut Response) + Send + Sync {
        |seen, response| {
            if let Some(request) = seen.request() {
                check(request, response);
            }
        }
    }
}

fn check(request: &Request, response: &mut Response) {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || response.status() != StatusCode::OK {
        return;
    }
    if response.header("ETag").is_none() && !is_never_stored(response) {
        // An endpoint that makes no body for HEAD may make one for GET.
        let bytes = response
            .body()
            .bytes()
            .filter(|bytes| !bytes.is_empty() || *request.method() == Method::GET);
        if let Some(tag) = bytes.map(tag_of) {
            response.set_header("ETag", tag);
        }
    }
    match outcome(request, response) {
        Outcome::Go => {}
        Outcome::NotModified => make_not_modified(response),
        Outcome::Failed => {
            response.set_status(StatusCode::PRECONDITION_FAILED);
            remove_content(response);
        }
    }
}

enum Outcome {
    Go,
    NotModified,
    Failed,
}

/// Evaluates the conditions of a request that would get this 200, in the order of RFC 9110 §13.2.2.
fn outcome(request: &Request, response: &Response) -> Outcome {
    let tag = response.header("ETag");
    // "1. When recipient is the origin server and If-Match is present, evaluate the If-Match precondition".
    if request.if_match(tag) == Some(false) {
        return Outcome::Failed;
    }
    // "3. When If-None-Match is present, evaluate the If-None-Match precondition".
    match request.if_none_match(tag) {
        Some(true) => return Outcome::NotModified,
        Some(false) => return Outcome::Go,
        None => {}
    }
    // "4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present". Clients send
    // the date back that they got; another one may be right as well, but a 200 is never wrong.
    match (request.header("If-Modified-Since"), response.header("Last-Modified")) {
        (Some(since), Some(modified)) if since == modified => Outcome::NotModified,
        _ => Outcome::Go,
    }
}

/// RFC 9110 §15.4.5: a 304 has "Content-Location, Date, ETag, and Vary" and "Cache-Control and Expires" of the 200, and
/// "ought not generate representation metadata other than the above listed fields".
fn make_not_modified(response: &mut Response) {
    response.set_status(StatusCode::NOT_MODIFIED);
    if response.header("ETag").is_some() {
        response.remove_header("Last-Modified");
    }
    remove_content(response);
}

fn remove_content(response: &mut Response) {
    for name in [
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Content-Language",
        "Content-Disposition",
        "Accept-Ranges",
    ] {
        response.remove_header(name);
    }
    response.set_body(Body::empty());
}

fn is_never_stored(response: &Response) -> bool {
    let is_never = |value: &[u8]| {
        let mut directives = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        directives.any(|directive| directive.eq_ignore_ascii_case(b"no-store"))
    };
    response
        .headers()
        .any(|(name, value)| name.eq_ignore_ascii_case("Cache-Control") && is_never(value))
}

/// Returns the tag of these bytes: 128 bits of SipHash with fixed keys, so that all replicas of a service have the same.
/// A program of another Rust version may have others, which costs a transfer.
fn tag_of(bytes: &[u8]) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        hasher.finish()
    };
    format!("\"{:016x}{:016x}\"", half(0), half(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{self, Client};
    use crate::{App, Routes};

    fn client(response: impl Fn() -> Response + Send + Sync + 'static) -> Client {
        let routes = Routes::new().get("/", response).post("/", || "made");
        Client::new(App::new(ETags::new().on(routes)))
    }

    fn tagged() -> Client {
        client(|| {
            let response = Response::new("ham").with_header("ETag", "\"v\"");
            response.with_header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        })
    }

    fn asking(fields: &[(&str, &str)]) -> Request {
        fields.iter().fold(Request::get("/"), |request, (name, value)| {
            request.with_header(name, value)
        })
    }

    #[test]
    fn s8_8_3_the_same_bytes_have_the_same_tag_and_others_another() {
        let tag = |body: &'static str| {
            client(move || Response::new(body))
                .get("/")
                .header("ETag")
                .map(str::to_owned)
        };
        assert_eq!(tag("ham"), tag("ham"));
        assert_ne!(tag("ham"), tag("eggs"));
        assert_ne!(tag("ham"), tag(""));
        let ham = tag("ham").unwrap();
        assert_eq!(
            (ham.len(), ham.starts_with('"'), ham.ends_with('"')),
            (34, true, true),
            "{ham}"
        );
    }

    #[test]
    fn only_what_can_be_asked_for_again_has_a_tag() {
        let has_tag = |response: &test::Response| response.header("ETag").is_some();
        assert!(!has_tag(&client(|| Response::new("no")).post("/", "")));
        assert!(!has_tag(
            &client(|| Response::new("no").with_status(StatusCode::NOT_FOUND)).get("/")
        ));
        assert!(!has_tag(&client(|| Response::new(Body::reader(&b"no"[..]))).get("/")));
        assert!(!has_tag(
            &client(|| Response::new("no").with_header("Cache-Control", "no-store")).get("/")
        ));
        assert!(has_tag(&client(|| Response::new("yes")).call("HEAD", "/")));
        assert_eq!(
            tagged().get("/").header("ETag"),
            Some("\"v\""),
            "what a handler sets stays"
        );
        let head = Routes::new().on(Method::HEAD, "/", Response::default);
        let head = Client::new(App::new(ETags::new().on(head)));
        assert!(!has_tag(&head.call("HEAD", "/")), "nobody knows the tag of GET");
    }

    #[test]
    fn s13_1_conditions_are_evaluated_in_their_order() {
        for (fields, expected) in [
            (&[("If-None-Match", "\"v\"")][..], 304),
            (&[("If-None-Match", "W/\"v\"")], 304),
            (&[("If-None-Match", "\"a\", \"b,c\" , W/\"v\"")], 304),
            (&[("If-None-Match", "*")], 304),
            (&[("If-None-Match", "\"a\""), ("if-none-match", "\"v\"")], 304),
            (&[("If-None-Match", "\"a\"")], 200),
            (&[("If-None-Match", "v")], 200),
            (&[("If-None-Match", "\"v")], 200),
            (&[("If-None-Match", "\"v\"x")], 200),
            (&[("If-None-Match", "")], 200),
            (&[("If-Match", "\"v\"")], 200),
            (&[("If-Match", "*")], 200),
            (&[("If-Match", "W/\"v\"")], 412),
            (&[("If-Match", "\"a\"")], 412),
            (&[("If-Match", "\"a\""), ("If-None-Match", "\"v\"")], 412),
            (&[("If-Match", "\"v\""), ("If-None-Match", "\"v\"")], 304),
            (&[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")], 304),
            (&[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
            (
                &[
                    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("If-None-Match", "\"a\""),
                ],
                200,
            ),
        ] {
            let response = tagged().send(asking(fields));
            assert_eq!(response.status(), expected, "{fields:?}");
            assert_eq!(response.header("ETag"), Some("\"v\""));
            assert_eq!(response.bytes().is_empty(), expected != 200);
        }
    }

    #[test]
    fn s15_4_5_a_304_keeps_what_a_cache_needs_and_loses_what_describes_the_body() {
        let kept = [
            ("Cache-Control", "max-age=60"),
            ("Content-Location", "/menu"),
            ("Expires", "Sun, 06 Nov 2044 08:49:37 GMT"),
            ("Vary", "Accept"),
            ("Set-Cookie", "a=b"),
        ];
        let lost = [
            ("Content-Type", "text/html"),
            ("Content-Language", "de"),
            ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Accept-Ranges", "bytes"),
        ];
        let client = client(move || {
            let all = kept.into_iter().chain(lost);
            all.fold(Response::new("ham"), |response, (name, value)| {
                response.with_header(name, value)
            })
        });
        for method in ["GET", "HEAD"] {
            let request = Request::new(method.parse().unwrap(), "/").with_header("If-None-Match", "*");
            let response = client.send(request);
            assert_eq!(response.status(), 304);
            for (name, value) in kept {
                assert_eq!(response.header(name), Some(value), "{method} {name}");
            }
            for (name, _) in lost {
                assert_eq!(response.header(name), None, "{method} {name}");
            }
            assert!(response.header("ETag").is_some() && response.header("Date").is_some());
        }
    }

    #[test]
    fn a_stream_with_a_tag_of_its_own_is_not_written_for_a_client_that_has_it() {
        let stream = || Response::new(Body::stream(|_| panic!("not needed"))).with_header("ETag", "W/\"v\"");
        let response = client(stream).send(asking(&[("If-None-Match", "\"v\"")]));
        assert_eq!((response.status().as_u16(), response.is_whole()), (304, true));
    }
}
