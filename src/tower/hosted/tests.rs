//! Tests of services that are applications.

use std::io::{self, Read, Write};
use std::pin::Pin;

use super::super::Service;
use super::http_response::WHOLE;
use super::*;
use crate::test::Client;

/// Returns an application behind both translations.
fn there_and_back<S>(application: impl IntoApplication<S>) -> Client {
    Client::new(super::application(Service::new(application)))
}

/// A service that is a function.
#[derive(Clone)]
struct Function<F>(F);

impl<F, B> tower_service::Service<http::Request<Body>> for Function<F>
where
    F: Fn(http::Request<Body>) -> Result<http::Response<B>, &'static str>,
{
    type Response = http::Response<B>;
    type Error = AnyError;
    type Future = std::future::Ready<Result<http::Response<B>, AnyError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        std::future::ready((self.0)(request).map_err(Into::into))
    }
}

/// A body of that many frames, of which the last is an error, or never comes.
struct Pieces {
    frames: Vec<&'static str>,
    then: Poll<Option<&'static str>>,
    length: Option<u64>,
}

impl http_body::Body for Pieces {
    type Data = &'static [u8];
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, AnyError>>> {
        if self.frames.is_empty() {
            return self.then.map(|last| Some(Err(last?.into())));
        }
        let frame = match self.frames.remove(0) {
            "trailers" => http_body::Frame::trailers(http::HeaderMap::new()),
            data => http_body::Frame::data(data.as_bytes()),
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map(http_body::SizeHint::with_exact).unwrap_or_default()
    }
}

fn hosted<B>(
    service: impl Fn(http::Request<Body>) -> Result<http::Response<B>, &'static str> + Clone + Send + Sync + 'static,
) -> Client
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    Client::new(application(Function(service)))
}

fn empty_with(fields: &[(&str, &str)]) -> http::Response<Body> {
    let mut response = http::Response::new(Body::from(Vec::new()));
    for (name, value) in fields {
        let name = http::HeaderName::try_from(*name).unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

#[test]
fn head_has_the_length_that_a_service_gives_and_none_where_it_gives_none() {
    let client = hosted(|request| {
        let fields: &[_] = match request.uri().path() {
            "/known" => &[("content-length", "1234567")],
            _ => &[],
        };
        Ok(empty_with(fields))
    });
    let known = client.call("HEAD", "/known");
    assert_eq!(known.header("Content-Length"), Some("1234567"));
    assert_eq!((known.status().as_u16(), known.bytes()), (200, &b""[..]));
    // Whether GET would have got content is unknown.
    assert_eq!(client.call("HEAD", "/unknown").header("Content-Length"), None);
    assert_eq!(client.get("/unknown").header("Content-Length"), Some("0"));
}

#[test]
fn a_target_that_is_no_uri_to_http_is_told_from_one_that_is_too_long() {
    let client = hosted(|request| {
        Ok(http::Response::new(Body::from(
            request.uri().path().as_bytes().to_vec(),
        )))
    })
    .with_limits(crate::Limits::new().target(100_000).head(200_000));
    let longest = usize::from(u16::MAX) - 1;
    let of_length = |length: usize| client.get(&format!("/{}", "a".repeat(length - 1)));
    assert_eq!(of_length(longest).bytes().len(), longest);
    assert_eq!(of_length(longest + 1).status(), StatusCode::URI_TOO_LONG);
    assert_eq!(client.get("/a`b").status(), StatusCode::BAD_REQUEST);
}

#[test]
fn more_fields_than_http_has_room_for_are_told() {
    let client = hosted(|request| Ok(http::Response::new(Body::from(vec![b'x'; request.headers().len()]))))
        .with_limits(crate::Limits::new().fields(50_000).head(1_000_000));
    let answered = |count: usize| {
        let fields: String = (0..count).map(|n| format!("x{n}: y\r\n")).collect();
        let received = client.converse(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        String::from_utf8(received).unwrap()
    };
    assert!(answered(1000).ends_with(&"x".repeat(1001)));
    assert!(answered(40_000).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_service_that_has_nothing_to_send_is_left_when_its_client_has_gone() {
    let client = hosted(|_| {
        Ok(http::Response::new(Pieces {
            frames: vec!["begun"],
            then: Poll::Pending,
            length: None,
        }))
    });
    let mut stream = client.open(Request::get("/"));
    let mut begun = [0; 5];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"begun");
    assert_eq!(stream.leave().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    for (length, then, expected) in [
        (Some(4), None, (200, true)),
        (None, None, (200, true)),
        (Some(4), Some("broken"), (500, true)),
        (None, Some("broken"), (200, false)),
        (Some(1 + WHOLE), Some("broken"), (200, false)),
        (Some(1 + WHOLE), None, (200, false)),
    ] {
        let client = hosted(move |_| {
            Ok(http::Response::new(Pieces {
                frames: vec!["ab", "", "cd", "trailers"],
                then: Poll::Ready(then),
                length,
            }))
        });
        let response = client.get("/");
        assert_eq!(
            (response.status().as_u16(), response.is_whole()),
            expected,
            "{length:?} {then:?}"
        );
        assert!(expected != (200, true) || response.text() == "abcd");
    }
}

#[test]
fn a_service_that_fails_or_panics_is_a_500() {
    let client = hosted(|request| match request.uri().path() {
        "/fails" => Err("on purpose"),
        "/panics" => panic!("on purpose"),
        _ => Ok(empty_with(&[])),
    });
    let status = |path| client.get(path).status().as_u16();
    assert_eq!([status("/fails"), status("/panics"), status("/")], [500, 500, 200]);
}

/// A service that is ready when it has been asked often enough, or never.
#[derive(Clone)]
struct Busy(Option<u8>);

impl tower_service::Service<http::Request<Body>> for Busy {
    type Response = http::Response<Body>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.0 {
            Some(0) => Poll::Ready(Ok(())),
            Some(more) => {
                *more -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(Err("never ready")),
        }
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        assert_eq!(self.0, Some(0), "it is the clone that was ready");
        std::future::ready(Ok(empty_with(&[])))
    }
}

#[test]
fn a_service_is_called_when_it_is_ready_and_is_a_500_if_it_never_is() {
    assert_eq!(Client::new(Busy(Some(3))).get("/").status(), 200);
    assert_eq!(Client::new(Busy(None)).get("/").status(), 500);
}

#[test]
fn a_hook_for_responses_sees_what_became_of_a_service() {
    let service = Function(|request: http::Request<Body>| match request.uri().path() {
        "/fails" => Err("on purpose"),
        "/panics" => panic!("on purpose"),
        _ => Ok(empty_with(&[])),
    });
    let app = crate::App::new(crate::Routes::new().mount("/a", service)).respond(|seen, response| {
        response.set_header("X-Origin", format!("{:?} {}", seen.origin(), seen.request().is_some()));
    });
    let client = Client::new(app);
    for (path, origin) in [
        ("/a/fails", "Failed true"),
        ("/a/panics", "Panicked true"),
        ("/a/", "Handler true"),
        ("/a/x`", "Handler true"),
        ("/", "Missed true"),
    ] {
        assert_eq!(client.get(path).header("X-Origin"), Some(origin), "{path}");
    }
}

#[test]
fn a_service_reads_a_body_and_its_trailers_whole_or_piece_by_piece() {
    async fn told(request: http::Request<Body>) -> Result<http::Response<Body>, &'static str> {
        let hint = http_body::Body::size_hint(request.body()).exact();
        let mut body = request.into_body();
        let (mut length, mut trailers) = (0, 0);
        while let Some(frame) = poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut body), context)).await {
            let frame = frame.map_err(|_| "broken")?;
            length += frame.data_ref().map_or(0, |data| data.len());
            trailers += frame.trailers_ref().map_or(0, http::HeaderMap::len);
        }
        assert!(http_body::Body::is_end_stream(&body));
        Ok(http::Response::new(Body::from(
            format!("{hint:?} {length} {trailers}").into_bytes(),
        )))
    }
    #[derive(Clone)]
    struct Told;
    impl tower_service::Service<http::Request<Body>> for Told {
        type Response = http::Response<Body>;
        type Error = &'static str;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            Box::pin(told(request))
        }
    }
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\nA: 1\r\nB: 2\r\n\r\n",
        200_000,
        "x".repeat(200_000)
    );
    for (limits, hint) in [
        (crate::Limits::new(), "Some(200000)"),
        (crate::Limits::new().body_buffer(1000).body_memory(0), "None"),
    ] {
        let client = Client::new(Told).with_limits(limits);
        let received = String::from_utf8(client.converse(chunked.as_bytes())).unwrap();
        assert!(received.ends_with(&format!("{hint} 200000 2")), "{received}");
        assert_eq!(client.post("/", "x".repeat(200_000)).text(), "Some(200000) 200000 0");
        let cut = &chunked[..100_000];
        let received = String::from_utf8(client.converse(cut.as_bytes())).unwrap();
        assert!(
            received.is_empty() || received.starts_with("HTTP/1.1 500 "),
            "{received}"
        );
    }
}

#[test]
fn the_fields_of_a_service_pass_but_those_of_the_connection() {
    let client = hosted(|_| {
        Ok(empty_with(&[
            ("set-cookie", "a=1"),
            ("connection", "x-a"),
            ("set-cookie", "b=2"),
            ("transfer-encoding", "gzip"),
            ("x-a", "1"),
        ]))
    });
    let response = client.get("/");
    let all = |name| {
        response
            .headers()
            .filter(|field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(
        (all("x-a"), all("transfer-encoding"), all("connection")),
        (vec!["1"], vec![], vec![])
    );
    assert_eq!(all("content-length"), ["0"]);
}

#[test]
fn an_application_is_the_same_through_both_translations() {
    let client = there_and_back(|request: &Request| {
        let body = request.text()?.to_owned();
        let agent = request.header("User-Agent").unwrap_or("-").to_owned();
        let text = format!("{} {} {agent} {body}", request.method(), request.target());
        Ok::<_, crate::BodyError>(
            Response::new(text)
                .with_status(StatusCode::CREATED)
                .with_header("X-A", "1"),
        )
    });
    let response = client.send(
        Request::post("/a%20b?c=d")
            .with_header("User-Agent", "test")
            .with_body("ham"),
    );
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.text(), "POST /a%20b?c=d test ham");
    assert_eq!(response.header("X-A"), Some("1"));
    assert_eq!(response.header("Content-Type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn long_bodies_and_streams_pass_whole() {
    let client = there_and_back(|request: &Request| match request.segment(0) {
        Some("long") => crate::Body::from("x".repeat(300_000)),
        _ => crate::Body::stream(|client| (0..500).try_for_each(|n| write!(client, "{n} "))),
    });
    assert_eq!(client.get("/long").bytes().len(), 300_000);
    assert_eq!(client.get("/long").header("Content-Length"), Some("300000"));
    let stream = client.get("/stream");
    assert!(stream.is_whole());
    assert!(stream.text().starts_with("0 1 2 ") && stream.text().ends_with(" 498 499 "));
}
