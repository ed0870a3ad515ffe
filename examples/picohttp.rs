//! picohttp's document, in hansel: a server is a port and a handler that fills in a response.
//!
//! `cargo run --example picohttp`, then `curl -i http://127.0.0.1:8080/hello`.

use hansel::{Request, Response, Server, StatusCode};

/// The document's example. It receives every method and every path.
fn request_handler(request: &Request, response: &mut Response) {
    match request.segment(0) {
        Some("hello") => response.set_body("Hello world!"),
        Some("goodbye") => response.set_body("Goodbye cruel world"),
        _ => response.set_status(StatusCode::NOT_FOUND),
    }
}

/// Replaces what the document calls `args`: a closure passes everything else that a handler needs.
fn with_arguments(request: &Request, response: &mut Response, name: &str, repeat: usize) {
    response.set_header("X-Method", request.method().as_str());
    response.set_body(format!("{name} ").repeat(repeat));
}

fn main() -> hansel::Result {
    // HttpServer(port, requestHandler, args=("Hansel", 2), threads=False, start=False, block=False)
    let second = Server::bind("127.0.0.1:8081")?.threads(1);
    // server.start(): it has listened since `bind` and serves from here on, while this thread continues.
    let second =
        second.spawn(|request: &Request, response: &mut Response| with_arguments(request, response, "Hansel", 2))?;
    println!("a second server is at http://{}", second.local_addr());

    // HttpServer(8080, requestHandler): starts, and blocks until Ctrl-C.
    Ok(Server::bind("127.0.0.1:8080")?.serve(request_handler)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hansel::test::Client;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn the_documents_example_answers_as_recorded() {
        let client = Client::new(request_handler);
        for (method, target, status, body) in [
            ("GET", "/hello", 200, "Hello world!"),
            ("GET", "/goodbye", 200, "Goodbye cruel world"),
            ("GET", "/nope", 404, ""),
            ("GET", "/", 404, ""),
            ("GET", "/hello/", 200, "Hello world!"),
            ("BREW", "/hello", 200, "Hello world!"),
            ("GET", "/hello?a=1&b=2", 200, "Hello world!"),
            // Not as recorded: picohttp treats a query without "=" as part of the path.
            ("GET", "/hello?a", 200, "Hello world!"),
            // Not as recorded: HEAD has no body (RFC 9110 §9.3.2).
            ("HEAD", "/hello", 200, ""),
        ] {
            let response = client.call(method, target);
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (status, body),
                "{method} {target}"
            );
        }
    }

    #[test]
    fn elements_of_the_request_are_parsed() {
        let client = Client::new(|request: &Request| {
            let path: Vec<_> = request.segments().collect();
            let query: Vec<_> = request.query_pairs().collect();
            let data = request.text()?;
            let header = request.header("X-Time").unwrap_or("-");
            Ok::<_, hansel::BodyError>(format!(
                "{} {path:?} {query:?} {:?} {header} {data:?}",
                request.method(),
                request.version()
            ))
        });
        let request = Request::post("/dump/b%20c//d/?x=1&y=a%20b")
            .with_header("X-Time", "10:11:12")
            .with_body("héllo");
        assert_eq!(
            client.send(request).text(),
            r#"POST ["dump", "b c", "", "d", ""] [("x", "1"), ("y", "a b")] HTTP/1.1 10:11:12 "héllo""#
        );
    }

    #[test]
    fn any_status_and_header_may_be_set_and_the_length_counts_octets() {
        let client = Client::new(|request: &Request, response: &mut Response| {
            let status = request.segment(0).and_then(|status| status.parse().ok()).unwrap_or(200);
            response.set_status(StatusCode::from_u16(status).unwrap_or_default());
            response.set_header("X-A", "5");
            response.set_body("héllo");
        });
        for status in [200, 299, 418, 599, 999] {
            let response = client.get(&format!("/{status}"));
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.header("x-a"), Some("5"));
            assert_eq!(response.header("Content-Length"), Some("6"));
        }
    }

    #[test]
    fn a_handler_that_panics_is_a_500_and_the_server_goes_on() {
        let client = Client::new(|request: &Request, _: &mut Response| assert!(request.path() != "/raise", "boom"));
        assert_eq!(client.get("/raise").status(), 500);
        assert_eq!(client.get("/").status(), 200);
    }

    #[test]
    fn a_server_is_started_without_blocking_and_takes_arguments() {
        let server = Server::bind("127.0.0.1:0").unwrap().threads(1);
        let server =
            server.spawn(|request: &Request, response: &mut Response| with_arguments(request, response, "a", 3));
        let server = server.unwrap();
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("\r\n\r\na a a "), "{response}");
        server.shutdown(Duration::from_secs(10));
        assert_eq!(server.wait().cut, 0);
    }
}
