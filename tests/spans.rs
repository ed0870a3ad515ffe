//! A span for each request, as a subscriber sees it.
//!
//! A separate binary, because a process has only one subscriber.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use hansel::{Body, Handle, Limits, Request, Response, Routes, Server, StatusCode};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

type Fields = HashMap<&'static str, String>;

/// What a span was when it ended: its fields, and the messages of the events in it.
#[derive(Debug, Default)]
struct Span {
    is_ours: bool,
    fields: Fields,
    events: Vec<String>,
}

/// Keeps spans while they last, and sends them to the test whose path they have.
struct Collector {
    spans: Mutex<HashMap<u64, Span>>,
    ended: Mutex<HashMap<String, Sender<Span>>>,
}

static COLLECTOR: LazyLock<&'static Collector> = LazyLock::new(|| {
    let collector: &'static Collector = Box::leak(Box::new(Collector {
        spans: Mutex::default(),
        ended: Mutex::default(),
    }));
    tracing::subscriber::set_global_default(collector).expect("no other subscriber");
    collector
});

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Collector {
    fn of_path(path: &str) -> Receiver<Span> {
        let (ended, heard) = channel();
        COLLECTOR.ended.lock().unwrap().insert(path.to_owned(), ended);
        heard
    }
}

impl Subscriber for &'static Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        let mut new = Span {
            is_ours: span.metadata().target() == "hansel" && span.metadata().name() == "request" && span.is_root(),
            ..Span::default()
        };
        span.record(&mut Reader(&mut new.fields));
        let number = (0..).find(|number| !spans.contains_key(number)).unwrap();
        spans.insert(number, new);
        Id::from_u64(number + 1)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.spans.lock().unwrap();
        values.record(&mut Reader(&mut spans.get_mut(&(span.into_u64() - 1)).unwrap().fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let entered = ENTERED.with_borrow(|entered| entered.last().copied());
        let within = event.parent().map(|parent| parent.into_u64() - 1).or(entered);
        let mut spans = self.spans.lock().unwrap();
        if let Some(span) = within.and_then(|number| spans.get_mut(&number)) {
            span.events.push(fields.remove("message").unwrap_or_default());
        }
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64() - 1));
    }

    fn exit(&self, span: &Id) {
        assert_eq!(ENTERED.with_borrow_mut(Vec::pop), Some(span.into_u64() - 1));
    }

    fn try_close(&self, span: Id) -> bool {
        let ended = self.spans.lock().unwrap().remove(&(span.into_u64() - 1)).unwrap();
        let senders = self.ended.lock().unwrap();
        if let Some(sender) = ended.fields.get("path").and_then(|path| senders.get(path)) {
            let _ = sender.send(ended);
        }
        true
    }
}

/// Reads the fields of spans and events as text.
struct Reader<'f>(&'f mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

fn serve(routes: Routes, limits: Limits) -> Handle {
    let server = Server::bind("127.0.0.1:0").unwrap().loops(1).quiet().request_ids();
    server.limits(limits).spawn(routes).unwrap()
}

/// All that comes for a request, after which the client has nothing more to say.
fn ask(server: &Handle, request: &str) -> String {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

fn next(spans: &Receiver<Span>) -> Span {
    spans
        .recv_timeout(Duration::from_secs(30))
        .expect("a span that has ended")
}

fn end(server: &Handle) {
    server.shutdown(Duration::ZERO);
    server.wait();
}

#[test]
fn a_request_is_a_span_with_what_the_handler_says_in_it() {
    let spans = Collector::of_path("/people/7");
    let routes = Routes::new().get("/people/{id}", |id: u32| {
        tracing::info!("looking for {id}");
        (StatusCode::ACCEPTED, "found")
    });
    let server = serve(routes, Limits::default());
    let response = ask(&server, &get("/people/7?x=y"));
    let span = next(&spans);
    assert!(span.is_ours);
    assert_eq!(span.fields["method"], "GET");
    assert_eq!(span.fields["pattern"], "/people/{id}");
    assert_eq!(span.fields["status"], "202");
    assert!(
        response.contains(&format!("X-Request-Id: {}\r\n", span.fields["id"])),
        "{response}"
    );
    assert!(span.fields["seconds"].parse::<f64>().unwrap() > 0.0);
    assert_eq!(span.events, ["looking for 7", "answered"]);
    end(&server);
}

#[test]
fn every_request_of_a_connection_has_a_span_of_its_own() {
    let spans = Collector::of_path("/row");
    let server = serve(Routes::new().get("/row", || "Hello"), Limits::default());
    ask(&server, &[get("/row?1"), get("/row?2"), get("/row?3")].concat());
    let ids: Vec<String> = (0..3).map(|_| next(&spans).fields["id"].clone()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    end(&server);
}

#[test]
fn what_matches_nothing_has_no_pattern() {
    let spans = Collector::of_path("/nowhere");
    let server = serve(Routes::new(), Limits::default());
    ask(&server, &get("/nowhere"));
    let span = next(&spans);
    assert_eq!(span.fields["status"], "404");
    assert_eq!(span.fields.get("pattern"), None);
    end(&server);
}

#[test]
fn a_handler_that_panics_has_the_status_that_is_sent_for_it() {
    let spans = Collector::of_path("/panic");
    let routes = Routes::new().get("/panic", || -> &'static str { panic!("as the test wants it") });
    let server = serve(routes, Limits::default());
    ask(&server, &get("/panic"));
    let span = next(&spans);
    assert_eq!(span.fields["status"], "500");
    assert_eq!(span.fields["pattern"], "/panic");
    end(&server);
}

#[test]
fn a_stream_is_written_in_the_span() {
    let spans = Collector::of_path("/stream");
    let routes = Routes::new().get("/stream", || {
        Response::new(Body::stream(|client| {
            tracing::info!("writing");
            client.write_all(b"content")
        }))
    });
    let server = serve(routes, Limits::default());
    assert!(ask(&server, &get("/stream")).contains("content"));
    assert_eq!(next(&spans).events, ["writing", "answered"]);
    end(&server);
}

#[test]
fn a_body_that_is_read_as_it_arrives_is_read_in_the_span() {
    let spans = Collector::of_path("/upload");
    let routes = Routes::new().post("/upload", |request: &Request| -> hansel::Result<String> {
        let length = request.bytes()?.len();
        tracing::info!("{length} bytes");
        Ok(length.to_string())
    });
    let server = serve(routes, Limits::default());
    let body = "x".repeat(300_000);
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert!(ask(&server, &(head + &body)).ends_with("\r\n\r\n300000"));
    assert_eq!(next(&spans).events, ["300000 bytes", "answered"]);
    end(&server);
}

#[test]
fn a_handler_that_returns_too_late_has_a_span_without_a_status() {
    let spans = Collector::of_path("/late");
    let (admit, admitted) = channel::<()>();
    let admitted = Mutex::new(admitted);
    let routes = Routes::new().get("/late", move || {
        let _ = admitted.lock().unwrap().recv();
        "too late"
    });
    let limits = Limits::new().handler(Duration::from_millis(20));
    let server = serve(routes, limits);
    assert!(ask(&server, &get("/late")).starts_with("HTTP/1.1 503 "));
    drop(admit);
    let span = next(&spans);
    assert_eq!(span.fields.get("status"), None);
    assert_eq!(span.fields["pattern"], "/late");
    end(&server);
}
