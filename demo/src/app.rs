//! The demo's application: one function, and what it shares between requests.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hansel::{Application, Body, IntoApplication, IntoResponse, Method, Request, Response, StatusCode};

/// What can be tried, and what it shows.
const EXAMPLES: &[(&str, &str)] = &[
    ("curl -i ADDRESS/hello", "picohttp's document: Hello world!"),
    ("curl -i ADDRESS/goodbye", "and Goodbye cruel world"),
    (
        "curl -i ADDRESS/test/a/b/c",
        "simpledispatch's: the parameters of a path",
    ),
    ("curl -i ADDRESS/counter -X POST", "state that requests share"),
    ("curl -i ADDRESS/upload --data-binary @Cargo.lock", "a body, counted"),
    (
        "curl -N ADDRESS/stream",
        "an answer that is written as it comes into being",
    ),
    (
        "curl -i ADDRESS/slow",
        "a handler that blocks for a second; nobody else waits for it",
    ),
    ("curl -I ADDRESS/hello", "HEAD, as GET without the body"),
];

/// The text that greets whoever starts the demo.
pub(crate) fn what_to_try(address: &str) -> String {
    let mut text = String::from("Things to try:\n");
    for (command, shows) in EXAMPLES {
        text.push_str(&format!(
            "  {:<62} # {shows}\n",
            command.replace("ADDRESS", &format!("http://{address}"))
        ));
    }
    text
}

/// The application.
pub(crate) fn app() -> impl Application {
    let count = AtomicU64::new(0);
    (move |request: &Request| answer(request, &count)).into_application()
}

fn answer(request: &Request, count: &AtomicU64) -> Response {
    let mut path = request.segments();
    let (name, parameters) = (path.next().unwrap_or(""), path);
    match (name, request.method()) {
        ("hello", &Method::GET | &Method::HEAD) => "Hello world!".into_response(),
        ("goodbye", &Method::GET | &Method::HEAD) => "Goodbye cruel world".into_response(),
        ("test", &Method::GET | &Method::HEAD) => format!("{:?}\n", parameters.collect::<Vec<_>>()).into_response(),
        ("counter", &Method::GET | &Method::HEAD) => format!("{}\n", count.load(Ordering::Relaxed)).into_response(),
        ("counter", &Method::POST) => format!("{}\n", count.fetch_add(1, Ordering::Relaxed) + 1).into_response(),
        ("upload", &Method::POST) => upload(request).into_response(),
        ("stream", &Method::GET | &Method::HEAD) => stream(),
        ("slow", &Method::GET | &Method::HEAD) => {
            thread::sleep(Duration::from_secs(1));
            "That took a second.\n".into_response()
        }
        ("hello" | "goodbye" | "test" | "stream" | "slow", _) => refused("GET, HEAD"),
        ("counter", _) => refused("GET, HEAD, POST"),
        ("upload", _) => refused("POST"),
        _ => (StatusCode::NOT_FOUND, "Nothing here.\n").into_response(),
    }
}

fn refused(allowed: &str) -> Response {
    StatusCode::METHOD_NOT_ALLOWED
        .into_response()
        .with_header("Allow", allowed)
}

fn upload(request: &Request) -> hansel::Result<String> {
    let bytes = std::io::copy(&mut request.body(), &mut std::io::sink())?;
    Ok(format!("{bytes} bytes\n"))
}

fn stream() -> Response {
    let ticks = Body::stream(|client| {
        for tick in 1..=5 {
            write!(client, "data: tick {tick}\n\n")?;
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    });
    Response::new(ticks).with_header("Content-Type", "text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;

    #[test]
    fn the_documents_examples_answer_as_they_say() {
        let client = Client::new(app());
        assert_eq!(client.get("/hello").text(), "Hello world!");
        assert_eq!(client.get("/goodbye").text(), "Goodbye cruel world");
        assert_eq!(client.get("/nope").status(), StatusCode::NOT_FOUND);
        assert_eq!(client.get("/").status(), StatusCode::NOT_FOUND);
        assert_eq!(client.get("/test/a/b/c").text(), "[\"a\", \"b\", \"c\"]\n");
    }

    #[test]
    fn the_counter_counts() {
        let client = Client::new(app());
        assert_eq!(client.get("/counter").text(), "0\n");
        client.post("/counter", "");
        assert_eq!(client.post("/counter", "").text(), "2\n");
        assert_eq!(client.get("/counter").text(), "2\n");
        assert_eq!(
            client.call("DELETE", "/counter").header("Allow"),
            Some("GET, HEAD, POST")
        );
    }

    #[test]
    fn an_upload_is_counted() {
        assert_eq!(
            Client::new(app()).post("/upload", vec![0; 123_456]).text(),
            "123456 bytes\n"
        );
    }

    #[test]
    fn every_example_that_is_printed_names_the_address() {
        let text = what_to_try("127.0.0.1:8000");
        assert_eq!(text.matches("http://127.0.0.1:8000/").count(), EXAMPLES.len());
        assert!(!text.contains("ADDRESS"));
    }
}
