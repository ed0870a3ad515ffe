//! The PROXY protocol: from trusted peers where it is switched on, and nowhere else.

use hansel::{Listener, Request, Server, Trust};

use crate::support::{Client, NEVER, Running, get, no_deadlines, server, start};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n";
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f\xc0\x00\x02\x01\x0a\x00\x00\x01\xdc\x04\x01\xbb\x04\x00\x00";

fn tells(server: Server) -> Running {
    start(server.limits(no_deadlines()), |request: &Request| {
        let peer = request.peer().map(|peer| peer.ip());
        format!("{peer:?} {:?}", request.client())
    })
}

fn behind_a_proxy() -> Running {
    let trust = Trust::peers(["127.0.0.1", "10.0.0.0/8"]).unwrap();
    tells(server().proxy_protocol().trust(trust))
}

fn connect(running: &Running, bytes: impl AsRef<[u8]>) -> Client {
    let mut client = running.connect();
    client.send(bytes);
    client
}

#[test]
fn the_header_names_the_client_of_every_request_behind_it() {
    let running = behind_a_proxy();
    for header in [LINE, BINARY] {
        let mut client = connect(&running, [header, get("/").as_bytes()].concat());
        assert_eq!(client.response().text(), "Some(127.0.0.1) Some(192.0.2.1)");
        assert_eq!(client.get("/").text(), "Some(127.0.0.1) Some(192.0.2.1)");
    }
}

#[test]
fn it_may_come_byte_by_byte_and_alone() {
    let running = behind_a_proxy();
    for header in [LINE, BINARY] {
        let mut client = running.connect();
        for byte in [header, get("/").as_bytes()].concat() {
            client.send([byte]);
        }
        assert_eq!(client.response().text(), "Some(127.0.0.1) Some(192.0.2.1)");
    }
}

#[test]
fn much_may_come_behind_it_at_once() {
    let running = behind_a_proxy();
    let requests = get("/").repeat(100);
    let mut client = connect(&running, [BINARY, requests.as_bytes()].concat());
    for _ in 0..100 {
        assert_eq!(client.response().text(), "Some(127.0.0.1) Some(192.0.2.1)");
    }
}

#[test]
fn a_proxy_that_speaks_for_nobody_is_served_and_is_not_the_client() {
    let running = behind_a_proxy();
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00",
    ] {
        let mut client = connect(&running, [header, get("/").as_bytes()].concat());
        assert_eq!(client.response().text(), "Some(127.0.0.1) None");
        assert_eq!(client.get("/").text(), "Some(127.0.0.1) None");
    }
}

#[test]
fn a_field_counts_where_the_header_names_another_proxy_and_else_not() {
    let running = behind_a_proxy();
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
    for (source, client) in [("10.9.9.9", "198.51.100.1"), ("192.0.2.1", "192.0.2.1")] {
        let header = format!("PROXY TCP4 {source} 10.0.0.1 1 1\r\n");
        let response = connect(&running, header + request).response();
        assert_eq!(response.text(), format!("Some(127.0.0.1) Some({client})"));
    }
}

#[test]
fn a_trusted_peer_must_send_one_and_a_proper_one() {
    let running = behind_a_proxy();
    for bytes in [
        get("/").as_bytes(),
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 x\r\n",
        b"\x16\x03\x01",
        &[b'\r'; 20],
    ] {
        assert!(connect(&running, bytes).end_of_any_kind().is_empty(), "{bytes:?}");
    }
    let mut client = connect(&running, &LINE[..20]);
    client.finish_sending();
    client.end();
}

#[test]
fn from_others_it_is_a_bad_request_as_it_is_where_it_is_off() {
    let strangers = tells(server().proxy_protocol().trust(Trust::peers(["10.0.0.0/8"]).unwrap()));
    let off = tells(server().trust(Trust::peers(["127.0.0.1"]).unwrap()));
    for running in [strangers, off] {
        let mut client = connect(&running, [LINE, get("/").as_bytes()].concat());
        assert_eq!(client.response().status, 400);
        assert_eq!(running.connect().get("/").text(), "Some(127.0.0.1) Some(127.0.0.1)");
    }
}

#[test]
fn it_is_a_matter_of_one_listener() {
    let proxied = Listener::tcp("127.0.0.1:0").unwrap().proxy_protocol();
    let server = server().listen(proxied);
    let running = tells(server.trust(Trust::peers(["127.0.0.1"]).unwrap()));
    let [plain, proxied] = *running.local_addrs() else {
        panic!("two addresses")
    };
    assert_eq!(
        Client::connect(plain).get("/").text(),
        "Some(127.0.0.1) Some(127.0.0.1)"
    );
    let mut client = Client::connect(proxied);
    client.send(LINE);
    assert_eq!(client.get("/").text(), "Some(127.0.0.1) Some(192.0.2.1)");
}

#[test]
fn for_a_server_it_is_a_matter_of_every_listener() {
    let server = server().proxy_protocol().and_bind("127.0.0.1:0").unwrap();
    let running = tells(server.trust(Trust::peers(["127.0.0.1"]).unwrap()));
    for address in running.local_addrs() {
        let mut client = Client::connect(*address);
        client.send(LINE);
        assert_eq!(client.get("/").text(), "Some(127.0.0.1) Some(192.0.2.1)");
    }
}

#[test]
fn it_has_the_time_of_a_head() {
    let limits = no_deadlines()
        .head_time(std::time::Duration::from_millis(50))
        .idle(NEVER);
    let trust = Trust::peers(["127.0.0.1"]).unwrap();
    let running = start(server().proxy_protocol().trust(trust).limits(limits), || "");
    connect(&running, &LINE[..20]).end();
    running.connect().end();
}

#[test]
fn without_anybody_to_trust_the_server_does_not_start() {
    let error = server().proxy_protocol().spawn(|| "").unwrap_err();
    assert!(error.to_string().contains("Server::trust"), "{error}");
}
