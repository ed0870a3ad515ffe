//! The demo's application: all four seeds, mounted in one.

mod field;
mod methods;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hansel::{App, Body, Chain, Html, Request, Response, Routes};

use field::Field;

/// Commands to try, each with a description of the result.
const EXAMPLES: &[(&str, &str)] = &[
    ("curl -i ADDRESS/hello", "picohttp's document: Hello world!"),
    ("curl -i ADDRESS/goodbye", "and Goodbye cruel world"),
    (
        "curl -i ADDRESS/test/a/b/c",
        "simpledispatch's: a function by name, and the rest of the path",
    ),
    ("curl -i ADDRESS/extended/x", "one more function, from an extended type"),
    (
        "curl -i ADDRESS/monkey/y",
        "and one that was added while the server was running",
    ),
    (
        "curl -i ADDRESS/field",
        "web.dispatch.resource's: 10 potatoes in the field.",
    ),
    ("curl -i ADDRESS/field/3", "an item of the collection"),
    ("curl -i -X DELETE ADDRESS/field/3", "a verb of the item"),
    ("curl -i -X PLOUGH ADDRESS/field", "a custom verb"),
    ("curl -i ADDRESS/hello/Gretel/", "the regex dispatcher's: a named group"),
    (
        "curl -i ADDRESS/people/7",
        "a template with a typed argument; try /people/gretel",
    ),
    ("curl -i ADDRESS/counter -X POST", "state shared by requests"),
    (
        "curl -i ADDRESS/upload --data-binary @Cargo.lock",
        "a body, counted as it arrives",
    ),
    ("curl -N ADDRESS/stream", "a response that is written piece by piece"),
    (
        "curl -i ADDRESS/slow",
        "a handler that blocks for a second; other requests do not wait for it",
    ),
    ("curl -I ADDRESS/hello", "HEAD: GET without the body"),
    ("curl -i -X OPTIONS ADDRESS/field", "OPTIONS, derived from the handlers"),
];

/// Returns the text that the demo prints at its start.
pub(crate) fn what_to_try(address: &str) -> String {
    let mut text = String::from("Things to try:\n");
    for (command, shows) in EXAMPLES {
        let command = command.replace("ADDRESS", &format!("http://{address}"));
        text.push_str(&format!("  {command:<64} # {shows}\n"));
    }
    text
}

/// Returns the application: patterns first, then functions by name.
pub(crate) fn app() -> App {
    App::new(Chain::new().then(routes()).then(methods::methods()))
}

fn routes() -> Routes {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    Routes::new()
        .get("/", index)
        .get("/hello", hello_world)
        .get("/goodbye", goodbye)
        .regex(r"^/hello/(?P<username>\w+)/$", hello)
        .get("/people/{id}", person)
        .mount("/field", Field::new())
        .get("/counter", move || format!("{}\n", count.load(Ordering::Relaxed)))
        .post("/counter", move || {
            format!("{}\n", counted.fetch_add(1, Ordering::Relaxed) + 1)
        })
        .post("/upload", upload)
        .get("/stream", stream)
        .get("/slow", slow)
}

/// picohttp's first example.
fn hello_world() -> &'static str {
    "Hello world!"
}

/// picohttp's second example.
fn goodbye() -> &'static str {
    "Goodbye cruel world"
}

/// Called only for a `u32`; everything else is 404.
fn person(id: u32) -> String {
    format!("person {id}\n")
}

/// The regex dispatcher's `views.hello`.
fn hello(username: &str) -> String {
    format!("Hello {username}")
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

fn slow() -> &'static str {
    thread::sleep(Duration::from_secs(1));
    "That took a second.\n"
}

/// The page at the root, for browsers.
fn index() -> Html<String> {
    let mut rows = String::new();
    for (command, shows) in EXAMPLES {
        let path = command
            .split("ADDRESS")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or("/");
        // Both are constants of this program without markup.
        rows.push_str(&format!(
            "<li><a href=\"{path}\"><code>{path}</code></a> {shows}</li>\n"
        ));
    }
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>hansel: Index</title>\
         <body style=\"max-width:44rem;margin:3rem auto;font-family:system-ui;line-height:1.6\">\
         <h1>Index</h1><ul>\n{rows}</ul></body></html>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::StatusCode;
    use hansel::test::Client;

    #[test]
    fn every_documents_urls_answer_as_they_say() {
        let client = Client::new(app());
        for (target, text) in [
            ("/hello", "Hello world!"),
            ("/goodbye", "Goodbye cruel world"),
            ("/test/a/b/c", "[\"a\", \"b\", \"c\"]\n"),
            ("/extended", "extended: []\n"),
            ("/monkey/x", "monkey: [\"x\"]\n"),
            ("/hello/Gretel/", "Hello Gretel"),
            ("/field", "10 potatoes in the field."),
            ("/field/3", "One of 10 beautiful potatoes."),
            ("/people/7", "person 7\n"),
        ] {
            assert_eq!(client.get(target).text(), text, "{target}");
        }
        for target in [
            "/nope",
            "/hello/Gretel",
            "/people/gretel",
            "/field/0",
            "/field/11",
            "/field/3/x",
        ] {
            assert_eq!(client.get(target).status(), StatusCode::NOT_FOUND, "{target}");
        }
    }

    #[test]
    fn the_counter_counts() {
        let client = Client::new(app());
        assert_eq!(client.get("/counter").text(), "0\n");
        client.post("/counter", "");
        assert_eq!(client.post("/counter", "").text(), "2\n");
        assert_eq!(client.get("/counter").text(), "2\n");
        let refused = client.call("DELETE", "/counter");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.header("Allow"), Some("GET, HEAD, OPTIONS, POST"));
    }

    #[test]
    fn an_upload_is_counted() {
        let response = Client::new(app()).post("/upload", vec![0; 123_456]);
        assert_eq!(response.text(), "123456 bytes\n");
    }

    #[test]
    fn everything_that_is_offered_is_there() {
        let text = what_to_try("127.0.0.1:8000");
        assert_eq!(text.matches("http://127.0.0.1:8000/").count(), EXAMPLES.len());
        let app = app();
        for (command, _) in EXAMPLES {
            let method = match command.split_once("-X ") {
                Some((_, rest)) => rest.split(' ').next().unwrap_or("GET"),
                None if command.contains("--data") => "POST",
                None => "GET",
            };
            let target = command
                .split("ADDRESS")
                .nth(1)
                .and_then(|rest| rest.split(' ').next())
                .unwrap();
            let method = method.parse().unwrap();
            let trail = app.explain(method, target);
            assert!(trail.is_found() || trail.status() == 204, "{command}: {trail}");
            assert!(
                Client::new(self::app()).get("/").text().contains(target),
                "{target} is on the page"
            );
        }
    }
}
