//! Where a request came from: by the socket, and by trusted proxies only.

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
    client.response().text().to_owned()
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

/// A binary PROXY header.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family, 0, u8::try_from(block.len()).unwrap()]);
    header.extend(block);
    header
}

/// What a connection begins with, and whom the fields that follow count for: nobody, or a sender that is trusted.
enum Sender {
    /// They do not count; the client is this one.
    Is(&'static str),
    /// They count; without them the client is this one.
    MayTell(&'static str),
}

/// The table in the documentation of `Trust`: every sender with every kind of list.
#[test]
fn whom_a_peer_vouches_for() {
    const PEER: &str = "127.0.0.1";
    let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
    let mut unix = vec![0; 216];
    unix[..2].copy_from_slice(b"/s");
    // (is trusted, PROXY header, sender)
    let senders = [
        (false, None, Sender::Is(PEER)),
        (true, None, Sender::MayTell(PEER)),
        (
            true,
            Some(line("TCP4 198.51.100.9 10.0.0.1 1 1")),
            Sender::Is("198.51.100.9"),
        ),
        (
            true,
            Some(line("TCP6 ::ffff:198.51.100.9 ::1 1 1")),
            Sender::Is("198.51.100.9"),
        ),
        (
            true,
            Some(line("TCP4 10.9.9.9 10.0.0.1 1 1")),
            Sender::MayTell("10.9.9.9"),
        ),
        (true, Some(line("UNKNOWN")), Sender::Is("-")),
        (true, Some(line("UNKNOWN 198.51.100.9 10.0.0.1 1 1")), Sender::Is("-")),
        (true, Some(line("TCP4 0.0.0.0 10.0.0.1 1 1")), Sender::Is("-")),
        (true, Some(binary(0x20, 0, &[])), Sender::Is("-")),
        (
            true,
            Some(binary(0x20, 0x11, &[10, 9, 9, 9, 10, 0, 0, 1, 0, 1, 0, 1])),
            Sender::Is("-"),
        ),
        (true, Some(binary(0x21, 0, &[])), Sender::Is("-")),
        (true, Some(binary(0x21, 0x31, &unix)), Sender::Is("-")),
        (
            true,
            Some(binary(0x21, 0x11, &[198, 51, 100, 9, 10, 0, 0, 1, 0, 1, 0, 1])),
            Sender::Is("198.51.100.9"),
        ),
        (
            true,
            Some(binary(0x21, 0x11, &[10, 9, 9, 9, 10, 0, 0, 1, 0, 1, 0, 1])),
            Sender::MayTell("10.9.9.9"),
        ),
    ];
    // (lists of X-Forwarded-For, of Forwarded, the client: `=` for the sender)
    let lists: [(&[&str], &[&str], &str); 8] = [
        (&[], &[], "="),
        (&["192.0.2.1"], &["for=192.0.2.1"], "192.0.2.1"),
        (
            &["10.6.6.6, 192.0.2.1, 10.1.1.1"],
            &["for=10.6.6.6, For=192.0.2.1;by=x, for=10.1.1.1"],
            "192.0.2.1",
        ),
        (
            &["10.6.6.6", "192.0.2.1", "10.1.1.1"],
            &["for=10.6.6.6", "for=\"192.0.2.1:1\"", "for=10.1.1.1"],
            "192.0.2.1",
        ),
        (&[", 192.0.2.1 ,, ,"], &[", for=192.0.2.1 ,, ,"], "192.0.2.1"),
        (&["192.0.2.1, unknown"], &["for=192.0.2.1, for=unknown"], "-"),
        (&["192.0.2.1, nonsense"], &["for=192.0.2.1, nonsense"], "-"),
        (&[""], &[","], "-"),
    ];
    for (is_trusted, header, sender) in &senders {
        for is_standard in [false, true] {
            let trust = Trust::peers([if *is_trusted { PEER } else { "203.0.113.1" }, "10.0.0.0/8"]).unwrap();
            let trust = if is_standard { trust.forwarded() } else { trust }.forwarded_host();
            let server = server().trust(trust);
            let server = if header.is_some() {
                server.proxy_protocol()
            } else {
                server
            };
            let running = start(server, |request: &Request| {
                let client = request.client().map_or("-".to_owned(), |client| client.to_string());
                let id = request.id().to_string();
                let id = if id == "given" { "given" } else { "own" };
                format!("{client} {} {} {id}", request.scheme(), request.host().unwrap_or("-"))
            });
            let mut connection = running.connect();
            connection.send(header.as_deref().unwrap_or_default());
            for (customary, standard, client) in &lists {
                for told in [false, true] {
                    let (mine, others) = if is_standard {
                        (standard, customary)
                    } else {
                        (customary, standard)
                    };
                    // What the other kind of field says never counts.
                    let (name, other) = match is_standard {
                        true => ("Forwarded", "X-Forwarded-For"),
                        false => ("X-Forwarded-For", "Forwarded"),
                    };
                    let mut fields: String = mine.iter().map(|list| format!("{name}: {list}\r\n")).collect();
                    fields.extend(
                        others
                            .iter()
                            .map(|_| format!("{other}: for=192.0.2.66, 192.0.2.66\r\n")),
                    );
                    if told && !is_standard {
                        fields += "X-Request-Id: forged\r\nX-Request-Id: given\r\n\
                                   X-Forwarded-Proto: https\r\nX-Forwarded-Host: told.test\r\n";
                    }
                    let expected = match sender {
                        Sender::Is(sender) => format!("{sender} http a.test own"),
                        Sender::MayTell(sender) => {
                            let client = if *client == "=" { sender } else { client };
                            let rest = if told && !is_standard {
                                "https told.test given"
                            } else {
                                "http a.test own"
                            };
                            format!("{client} {rest}")
                        }
                    };
                    let response = ask(&mut connection, &fields);
                    assert_eq!(response, expected, "{is_trusted} {header:?} {fields}");
                }
            }
        }
    }
}

#[test]
fn a_clients_own_id_never_beats_its_proxys() {
    let trust = Trust::peers(["127.0.0.1"]).unwrap();
    let running = start(server().trust(trust), |request: &Request| request.id().to_string());
    let mut client = running.connect();
    for (fields, expected) in [
        ("X-Request-Id: proxy\r\n", "proxy"),
        ("X-Request-Id: client\r\nX-Request-Id: proxy\r\n", "proxy"),
        ("X-Request-Id: client, proxy\r\n", "proxy"),
        ("x-request-id: client,proxy,\r\nAccept: */*\r\n", "proxy"),
        ("X-Request-Id: a\r\nX-Request-Id: b\r\nX-Request-ID: proxy\r\n", "proxy"),
        ("X-Request-Id: proxy\r\nX-Correlation-Id: client\r\n", "proxy"),
        // What is no id leaves ours, and not the one before.
        ("X-Request-Id: client\r\nX-Request-Id: not one\r\n", ""),
        ("X-Request-Id: client\r\nX-Request-Id:\r\n", ""),
        ("X-Request-Id: client, \"proxy\"\r\n", ""),
        ("X-Request-Id: client, \u{e4}\r\n", ""),
        ("", ""),
    ] {
        let id = ask(&mut client, fields);
        let is_own = id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        assert!(
            if expected.is_empty() { is_own } else { id == expected },
            "{fields}: {id}"
        );
    }
}

#[test]
fn the_host_is_a_matter_of_its_own() {
    let trust = Trust::peers(["127.0.0.1"]).unwrap();
    let tells = |trust| {
        start(server().trust(trust), |request: &Request| {
            request.host().unwrap_or("-").to_owned()
        })
    };
    let fields =
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: forged.test\r\nForwarded: for=192.0.2.1;host=forged.test\r\n";
    for trust in [trust.clone(), trust.forwarded()] {
        assert_eq!(ask(&mut tells(trust.clone()).connect(), fields), "a.test", "{trust}");
        let running = tells(trust.forwarded_host());
        assert_eq!(ask(&mut running.connect(), fields), "forged.test");
        assert_eq!(ask(&mut running.connect(), ""), "a.test");
        assert_eq!(
            ask(
                &mut running.connect(),
                "X-Forwarded-Host: a b\r\nForwarded: host=\"a b\"\r\n"
            ),
            "a.test"
        );
    }
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
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.ends_with(&format!("\r\n\r\n{expected}")), "{response}");
        handle.shutdown(std::time::Duration::ZERO);
        handle.wait();
    }
}
