//! Plain requests and responses, one after the other and pipelined.

use hansel::{App, IntoResponse, Request, Response, StatusCode};

use crate::support::{chunked, get, noise, post, server, start};

fn echo(request: &Request) -> hansel::Result<Vec<u8>> {
    Ok(request.bytes()?.to_vec())
}

#[test]
fn a_function_without_arguments_answers_get_and_head_on_the_root() {
    let server = start(server(), || "Hello, world!");
    let mut client = server.connect();
    let response = client.get("/");
    assert_eq!((response.status, response.text()), (200, "Hello, world!"));
    assert_eq!(response.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.field("Connection"), None, "1.1 stays open without saying so");

    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("13")));

    let missing = client.get("/elsewhere");
    assert_eq!(missing.status, 404, "no body of the HEAD came in between");
    let refused = client.post("/", b"x");
    assert_eq!(
        (refused.status, refused.field("Allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
}

#[test]
fn what_is_posted_comes_back() {
    let server = start(server(), echo);
    let mut client = server.connect();
    for size in [0, 1, 4096, 60_000] {
        let body = noise(size);
        assert_eq!(client.post("/", &body).body, body, "{size} bytes");
    }
    for chunk in [1, 100, 5000] {
        let body = noise(5000);
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(chunked(&body, chunk));
        assert_eq!(client.response().body, body, "in chunks of {chunk}");
    }
}

#[test]
fn the_shape_that_changes_a_response_takes_any_method_and_path() {
    let server = start(server(), |request: &Request, response: &mut Response| {
        response.set_status(StatusCode::IM_A_TEAPOT);
        response.set_header("X-Method", request.method().as_str());
        response.set_body(request.path().to_owned());
    });
    let mut client = server.connect();
    client.send("BREW /a%2Fb/c?d HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text()), (418, "/a%2Fb/c"));
    assert_eq!(response.field("X-Method"), Some("BREW"));
}

#[test]
fn any_final_status_passes_and_204_and_304_have_no_body() {
    let server = start(server(), |request: &Request| {
        let status = request.segment(0).unwrap().parse().unwrap();
        (StatusCode::from_u16(status).unwrap(), "text").into_response()
    });
    let mut client = server.connect();
    for status in [200, 204, 205, 299, 304, 404, 418, 500, 599, 799, 999] {
        let response = client.get(&format!("/{status}"));
        assert_eq!(response.status, status);
        if status == 204 {
            assert_eq!(response.field("Content-Length"), None);
        }
    }
}

#[test]
fn the_peer_is_the_clients_address() {
    let server = start(server(), |request: &Request| request.peer().unwrap().to_string());
    let mut client = server.connect();
    let own = client.stream.local_addr().unwrap().to_string();
    assert_eq!(client.get("/").text(), own);
    assert_eq!(client.get("/").text(), own, "on the second request too");
}

#[test]
fn a_connection_is_kept_for_many_requests() {
    let server = start(server(), |request: &Request| request.path().to_owned());
    let mut client = server.connect();
    for n in 0..1000 {
        let path = format!("/{n}");
        assert_eq!(client.get(&path).text(), path);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start(server(), |request: &Request| {
        let body = request.text().unwrap();
        format!("{} {body}", request.path())
    });
    let mut client = server.connect();
    let mut requests = Vec::new();
    for n in 0..1000 {
        match n % 3 {
            0 => requests.extend(get(&format!("/{n}")).bytes()),
            1 => requests.extend(post(&format!("/{n}"), n.to_string().as_bytes())),
            _ => {
                requests.extend(format!("POST /{n} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").bytes());
                requests.extend(chunked(n.to_string().as_bytes(), 2));
            }
        }
    }
    client.send(requests);
    for n in 0..1000 {
        let body = if n % 3 == 0 { String::new() } else { n.to_string() };
        assert_eq!(client.response().text(), format!("/{n} {body}"));
    }
}

#[test]
fn a_target_may_have_raw_octets_where_the_application_takes_them_however_it_comes() {
    let app = App::new(|request: &Request| request.target().to_owned()).takes_raw_targets();
    let server = start(server(), app);
    // Empty lines may come before it, and another request comes behind it.
    let [long, short] = ["/b%20ä/\u{20ac}?q=ß", "/é"].map(|target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let all = format!("\r\n{long}{short}{long}");
    let expected = [
        "/b%20%C3%A4/%E2%82%AC?q=%C3%9F",
        "/%C3%A9",
        "/b%20%C3%A4/%E2%82%AC?q=%C3%9F",
    ];
    let mut whole = server.connect();
    whole.send(&all);
    let mut by_bytes = server.connect();
    for byte in all.bytes() {
        by_bytes.send([byte]);
    }
    for client in [&mut whole, &mut by_bytes] {
        for target in expected {
            assert_eq!(client.response().text(), target);
        }
    }
    // What is no text is no text in this form, either.
    let mut client = server.connect();
    client.send(b"GET /\xFF HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = start(server(), echo);
    let mut client = server.connect();
    for byte in post("/", b"ham") {
        client.send([byte]);
    }
    assert_eq!(client.response().text(), "ham");
    assert_eq!(client.post("/", b"eggs").text(), "eggs");
}

#[test]
fn connection_close_is_honoured_and_what_follows_is_not_answered() {
    let server = start(server(), || "Hello");
    let mut client = server.connect();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n{}",
        get("/")
    ));
    let response = client.response();
    assert_eq!(response.text(), "Hello");
    response.assert_closes();
    client.end();
}

#[test]
fn http_10_closes_unless_asked_to_stay() {
    let server = start(server(), || "Hello");
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!(response.field("Connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "Hello");
    client.end();
}

#[test]
fn a_malformed_request_is_refused_and_what_follows_is_never_run() {
    let server = start(server(), |request: &Request| request.path().to_owned());
    for bad in [
        "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a.test\n\n",
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /%ff HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{}{bad}{}", get("/first"), get("/smuggled")));
        assert_eq!(client.response().text(), "/first");
        let refused = client.response();
        assert_eq!(refused.status, 400, "{bad:?}");
        refused.assert_closes();
        client.end();
    }
}

#[test]
fn a_header_that_would_break_the_message_is_never_sent() {
    let server = start(server(), |_: &Request| {
        Response::new("x").with_header("X-A", "1\r\nInjected: 2")
    });
    let response = server.connect().get("/");
    assert_eq!(response.status, 500);
    assert_eq!(response.field("Injected"), None);
}

#[test]
fn an_interim_status_is_no_final_response() {
    let server = start(server(), |_: &Request| StatusCode::CONTINUE);
    assert_eq!(server.connect().get("/").status, 500);
}

#[test]
fn long_responses_arrive_whole() {
    let server = start(server(), |request: &Request| {
        noise(request.segment(0).unwrap().parse().unwrap())
    });
    let mut client = server.connect();
    for size in [8 * 1024, 8 * 1024 + 1, 100_000, 5_000_000] {
        assert_eq!(client.get(&format!("/{size}")).body, noise(size), "{size} bytes");
    }
}
