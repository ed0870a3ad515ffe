//! Where a request came from: the socket's word, and that of trusted proxies only.

use std::io::{Read, Write};

use hansel::{Request, Trust};

use crate::support::{Client, Running, server, start};

fn tells(trust: Option<Trust>) -> Running {
    let server = match trust {
        Some(trust) => server().trust(trust),
        None => server(),
    };
    start(server, |request: &Request| {
        let peer = request.peer().map(|peer| peer.ip());
        format!("{peer:?} {:?} {}", request.client(), request.scheme())
    })
}

fn ask(client: &mut Client, fields: &str) -> String {
    client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
    client.answer().text().to_owned()
}

const FORWARDED: &str =
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.2;proto=https\r\n";

#[test]
fn nobody_is_trusted_unless_it_is_said() {
    let itself = "Some(127.0.0.1) Some(127.0.0.1) http";
    assert_eq!(ask(&mut tells(None).connect(), FORWARDED), itself);
    let elsewhere = Trust::peers(["10.0.0.0/8", "::1", "unix"]).unwrap();
    assert_eq!(ask(&mut tells(Some(elsewhere.clone())).connect(), FORWARDED), itself);
    assert_eq!(
        ask(&mut tells(Some(elsewhere.forwarded())).connect(), FORWARDED),
        itself
    );
}

#[test]
fn a_trusted_peers_field_names_the_client_and_the_other_field_does_not() {
    let trust = Trust::peers(["127.0.0.0/8"]).unwrap();
    let running = tells(Some(trust.clone()));
    let mut client = running.connect();
    assert_eq!(ask(&mut client, FORWARDED), "Some(127.0.0.1) Some(192.0.2.1) https");
    assert_eq!(
        ask(&mut client, ""),
        "Some(127.0.0.1) Some(127.0.0.1) http",
        "each request by itself"
    );
    assert_eq!(
        ask(&mut client, "Forwarded: for=192.0.2.2\r\n"),
        "Some(127.0.0.1) Some(127.0.0.1) http"
    );
    let running = tells(Some(trust.forwarded()));
    assert_eq!(
        ask(&mut running.connect(), FORWARDED),
        "Some(127.0.0.1) Some(192.0.2.2) https"
    );
}

#[cfg(unix)]
#[test]
fn a_unix_sockets_peer_is_trusted_by_its_own_name() {
    let path = std::env::temp_dir().join(format!("hansel-trust-{}", std::process::id()));
    for (peers, expected) in [("unix", "None Some(192.0.2.1) https"), ("0.0.0.0/0", "None None http")] {
        let server = hansel::Server::unix(&path, 0o600).unwrap().loops(1).quiet();
        let server = server.trust(Trust::peers([peers]).unwrap());
        let handle = server
            .spawn(|request: &Request| format!("{:?} {:?} {}", request.peer(), request.client(), request.scheme()))
            .unwrap();
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        client
            .write_all(format!("GET / HTTP/1.0\r\n{FORWARDED}\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
        handle.shutdown(std::time::Duration::ZERO);
        handle.wait();
    }
}
