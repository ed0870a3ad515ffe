//! TLS connections: the same responses, and TLS's own handshakes and closings.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hansel::{Body, Event, Listener, Request, Response, Server, Tls, Topic, TopicSettings, Trust};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::deadlines::drip;
use crate::support::{Client, Gate, OpenAtEnd, PATIENCE, Running, get, no_deadlines, noise, post, post_head, start};

/// A certificate that its owner has signed, in files that are gone with it.
struct Identity {
    certificate: CertificateDer<'static>,
    chain: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn new() -> Identity {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("hansel-tls-{}-{number}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let (chain, key) = (place.join("chain.pem"), place.join("key.pem"));
        let certificate = Identity::write(&chain, &key);
        Identity {
            certificate,
            chain,
            key,
        }
    }

    fn write(chain: &PathBuf, key: &PathBuf) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(chain, made.cert.pem()).unwrap();
        std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn tls(&self) -> Tls {
        Tls::from_pem_files(&self.chain, &self.key).unwrap()
    }

    fn server(&self) -> Server {
        crate::support::server().limits(no_deadlines()).tls(self.tls())
    }

    fn connect(&self, server: &Running) -> Secure {
        self.connect_by(server.local_addr(), rustls::ALL_VERSIONS, &["http/1.1"])
    }

    fn connect_by(&self, to: SocketAddr, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Secure {
        self.over(Client::connect(to).stream, versions, protocols)
    }

    fn over(&self, stream: TcpStream, versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Secure {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        Secure(StreamOwned::new(session, stream))
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.chain.parent().unwrap());
    }
}

/// A client's side of an encrypted connection.
struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// The head of a response, and as much of its body as its length says.
    #[track_caller]
    fn response(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a head");
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split_once("Content-Length: ").map(|(_, rest)| {
            let digits = rest.lines().next().unwrap();
            digits.parse().unwrap()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).expect("a body");
        (head, body)
    }

    #[track_caller]
    fn text(&mut self, path: &str) -> String {
        self.send(get(path));
        String::from_utf8(self.response().1).unwrap()
    }

    /// Everything up to the end, and whether the server has said that it is the end.
    fn rest(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut rest = Vec::new();
        let outcome = self.0.read_to_end(&mut rest);
        (rest, outcome.map(|_| ()))
    }
}

#[test]
fn requests_are_answered_as_they_are_without_it() {
    let identity = Identity::new();
    let server = start(identity.server(), |request: &Request| {
        format!("{} {}", request.scheme(), request.path())
    });
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = identity.connect_by(server.local_addr(), &[version], &["http/1.1"]);
        assert_eq!(client.text("/one"), "https /one");
        assert_eq!(client.text("/two"), "https /two");
        assert_eq!(client.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        client.send([get("/a"), get("/b"), get("/c")].concat());
        for path in ["/a", "/b", "/c"] {
            assert_eq!(client.response().1, format!("https {path}").into_bytes());
        }
    }
}

#[test]
fn what_is_sent_to_a_topic_is_encrypted_as_well() {
    let identity = Identity::new();
    let topic = Topic::with(TopicSettings::new().present(|| Event::new("now")));
    let subscribed = topic.clone();
    let server = start(identity.server(), move |_: &Request| subscribed.subscribe_plain());
    let mut client = identity.connect(&server);
    client.send(get("/"));
    client.response();
    // More than a record, and than what a socket takes at once.
    let long = "x".repeat(300_000);
    topic.send(&*long);
    server.shutdown(Duration::from_secs(20));
    let (rest, outcome) = client.rest();
    outcome.unwrap();
    let expected = format!("3\r\nnow\r\n{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    assert!(rest == expected.as_bytes(), "{} bytes", rest.len());
}

#[test]
fn a_client_that_speaks_only_another_protocol_is_refused() {
    let identity = Identity::new();
    let server = start(identity.server(), || "here");
    let mut other = identity.connect_by(server.local_addr(), rustls::ALL_VERSIONS, &["h2"]);
    let error = other
        .0
        .write_all(get("/").as_bytes())
        .and_then(|()| other.rest().1)
        .unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    let mut either = identity.connect_by(server.local_addr(), rustls::ALL_VERSIONS, &["h2", "http/1.1"]);
    assert_eq!(either.text("/"), "here");
    let mut silent = identity.connect_by(server.local_addr(), rustls::ALL_VERSIONS, &[]);
    assert_eq!(silent.text("/"), "here");
}

#[test]
fn a_client_that_does_not_speak_it_gets_no_response_and_harms_nobody() {
    let identity = Identity::new();
    let server = start(identity.server(), || "here");
    let mut plain = Client::connect(server.local_addr());
    plain.send(get("/"));
    let rest = plain.end_of_any_kind();
    assert!(!rest.windows(5).any(|bytes| bytes == b"HTTP/"), "{rest:?}");
    assert_eq!(identity.connect(&server).text("/"), "here");
}

#[test]
fn a_handshake_has_the_time_of_a_head() {
    let identity = Identity::new();
    let limits = no_deadlines().head_time(Duration::from_millis(50));
    let server = start(identity.server().limits(limits), || "");
    // The beginning of a record that never comes.
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = Client::connect(server.local_addr());
        client.send(bytes);
        client.end_of_any_kind();
    }
}

#[test]
fn a_handshake_that_goes_on_byte_by_byte_has_no_more_time() {
    let identity = Identity::new();
    let limits = no_deadlines().head_time(Duration::from_millis(50));
    let server = start(identity.server().limits(limits), || "");
    let mut client = Client::connect(server.local_addr());
    // A record of 16 KiB that begins a ClientHello: it would last for more than a minute.
    client.send(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc");
    drip(&mut client, b"o");
    client.end_of_any_kind();
}

#[test]
fn handshakes_that_stall_hold_up_nobody() {
    let identity = Identity::new();
    // One loop, and no deadline that would clear the way.
    let server = start(identity.server(), || "here");
    let stalled: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = Client::connect(server.local_addr());
            client.send(b"\x16\x03\x01\x02\x00\x01");
            client
        })
        .collect();
    assert_eq!(identity.connect(&server).text("/"), "here");
    drop(stalled);
}

#[test]
fn a_large_response_waits_for_its_client_and_holds_up_nobody() {
    let identity = Identity::new();
    let content = noise(16 << 20);
    let large = content.clone();
    let server = start(identity.server(), move |request: &Request| match request.path() {
        "/large" => Response::new(large.clone()),
        _ => Response::new("small"),
    });
    let mut slow = identity.connect(&server);
    slow.send([get("/large"), get("/behind")].concat());
    // One loop serves both: it must not wait for the first.
    for _ in 0..10 {
        assert_eq!(identity.connect(&server).text("/"), "small");
    }
    assert!(slow.response().1 == content);
    assert_eq!(slow.response().1, b"small");
}

#[test]
fn a_body_is_read_as_it_arrives() {
    let identity = Identity::new();
    let limits = no_deadlines().body(64 << 20);
    let server = start(identity.server().limits(limits), |request: &Request| {
        request.bytes().map(<[u8]>::to_vec)
    });
    let content = noise(4 << 20);
    let mut client = identity.connect(&server);
    client.send(post_head("/", content.len()));
    for piece in content.chunks(100_000) {
        client.send(piece);
    }
    assert!(client.response().1 == content);
    let mut client = identity.connect(&server);
    client.send(post("/", b"small"));
    assert_eq!(client.response().1, b"small");
}

#[test]
fn a_stream_comes_as_it_is_written() {
    let identity = Identity::new();
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let passage = gate.clone();
    let server = start(identity.server(), move || {
        let passage = passage.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"first")?;
            client.flush()?;
            passage.pass();
            client.write_all(&[b'x'; 1 << 20])
        }))
    });
    let mut client = identity.connect(&server);
    client.send(get("/"));
    client.response();
    let mut chunk = [0; 10];
    client.0.read_exact(&mut chunk).unwrap();
    assert_eq!(&chunk, b"5\r\nfirst\r\n", "before the rest is written");
    gate.admit(1);
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        let mut piece = [0; 4096];
        let n = client.0.read(&mut piece).unwrap();
        assert_ne!(n, 0, "an early end");
        rest.extend_from_slice(&piece[..n]);
    }
    assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), 1 << 20);
}

#[test]
fn a_proper_end_is_told_and_a_broken_one_is_not() {
    let identity = Identity::new();
    let server = start(identity.server(), |request: &Request| match request.path() {
        "/broken" => Response::new(Body::stream(|client| {
            client.write_all(b"half")?;
            client.flush()?;
            Err(io::Error::other("as the test wants it"))
        })),
        _ => Response::new("whole"),
    });
    let mut client = identity.connect(&server);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    let (rest, end) = client.rest();
    assert!(rest.ends_with(b"whole"));
    end.expect("a proper end");
    // Without a length or chunks, only this tells a whole body from half of one.
    let mut client = identity.connect(&server);
    client.send("GET /broken HTTP/1.0\r\n\r\n");
    let (rest, end) = client.rest();
    assert!(rest.ends_with(b"half"));
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_idle_connection_is_closed_in_order() {
    let identity = Identity::new();
    let limits = no_deadlines().idle(Duration::from_millis(50));
    let server = start(identity.server().limits(limits), || "here");
    let mut client = identity.connect(&server);
    assert_eq!(client.text("/"), "here");
    let (rest, end) = client.rest();
    assert!(rest.is_empty());
    end.expect("a proper end");
}

#[test]
fn a_drain_finishes_what_is_in_flight() {
    let identity = Identity::new();
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let passage = gate.clone();
    let server = start(identity.server(), move || {
        passage.pass();
        "finished"
    });
    let mut client = identity.connect(&server);
    client.send(get("/"));
    gate.await_arrived(1);
    server.shutdown(PATIENCE);
    gate.admit(1);
    let (rest, end) = client.rest();
    assert!(rest.ends_with(b"finished"), "{}", String::from_utf8_lossy(&rest));
    end.expect("a proper end");
    drop(client);
    assert_eq!(server.wait().cut, 0);
}

#[test]
fn a_client_that_has_finished_sending_gets_its_responses() {
    let identity = Identity::new();
    let server = start(identity.server(), || "here");
    let mut client = identity.connect(&server);
    client.send([get("/"), get("/")].concat());
    client.0.conn.send_close_notify();
    client.0.flush().unwrap();
    assert_eq!(client.response().1, b"here");
    assert_eq!(client.response().1, b"here");
    client.rest().1.expect("a proper end");
}

#[test]
fn one_connection_too_many_is_never_answered_in_plain_text() {
    let identity = Identity::new();
    let limits = no_deadlines().connections(1);
    let server = start(identity.server().limits(limits), || "served");
    let mut first = identity.connect(&server);
    assert_eq!(first.text("/"), "served");
    // It is asking again, so it is not idle.
    first.send("GET / HT");
    let mut received = Vec::new();
    // It may be reset, since its beginning is not read.
    let _ = Client::connect(server.local_addr()).stream.read_to_end(&mut received);
    assert_eq!(received, b"");
    first.send("TP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(first.response().1, b"served");
}

#[test]
fn a_certificate_is_renewed_without_a_restart() {
    let mut identity = Identity::new();
    let tls = identity.tls();
    let server = start(crate::support::server().tls(tls.clone()), || "here");
    let mut before = identity.connect(&server);
    assert_eq!(before.text("/"), "here");

    std::fs::write(&identity.chain, "not a certificate").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("chain.pem"), "{error}");
    assert_eq!(identity.connect(&server).text("/"), "here", "the old one stays");

    let old = identity.certificate.clone();
    identity.certificate = Identity::write(&identity.chain, &identity.key);
    tls.reload().unwrap();
    assert_eq!(identity.connect(&server).text("/"), "here");
    assert_eq!(before.text("/"), "here", "who is connected stays so");
    identity.certificate = old;
    let mut stale = identity.connect(&server);
    assert!(stale.0.write_all(b"GET").is_err(), "the old one is not shown any more");
}

#[test]
fn files_that_do_not_serve_are_named() {
    let [one, other] = [Identity::new(), Identity::new()];
    let missing = one.chain.with_file_name("missing.pem");
    let error = |chain: &PathBuf, key: &PathBuf| Tls::from_pem_files(chain, key).unwrap_err();
    assert_eq!(error(&missing, &one.key).kind(), io::ErrorKind::NotFound);
    assert!(error(&missing, &one.key).to_string().contains("missing.pem"));
    assert!(error(&one.chain, &missing).to_string().contains("missing.pem"));
    let swapped = error(&one.key, &one.chain).to_string();
    assert!(
        swapped.contains("no certificate in it") && swapped.contains("key.pem"),
        "{swapped}"
    );
    let keyless = error(&one.chain, &one.chain).to_string();
    assert!(keyless.contains("no key in it"), "{keyless}");
    let strangers = error(&one.chain, &other.key).to_string();
    assert!(strangers.contains("do not go together"), "{strangers}");
}

#[test]
fn a_proxy_header_comes_before_the_encryption() {
    let identity = Identity::new();
    let server = identity.server().proxy_protocol();
    let server = start(
        server.trust(Trust::peers(["127.0.0.1"]).unwrap()),
        |request: &Request| format!("{:?} {}", request.client(), request.scheme()),
    );
    let header = b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n";
    // By itself, and together with the first bytes of the handshake.
    let stream = Client::connect(server.local_addr()).stream;
    (&stream).write_all(header).unwrap();
    let mut apart = identity.over(stream, rustls::ALL_VERSIONS, &[]);
    assert_eq!(apart.text("/"), "Some(192.0.2.1) https");

    let stream = Client::connect(server.local_addr()).stream;
    let mut together = identity.over(stream, rustls::ALL_VERSIONS, &[]);
    let mut first = header.to_vec();
    together.0.conn.write_tls(&mut first).unwrap();
    together.0.sock.write_all(&first).unwrap();
    assert_eq!(together.text("/"), "Some(192.0.2.1) https");
}

#[test]
fn it_is_a_matter_of_one_listener() {
    let identity = Identity::new();
    let secure = Listener::tcp("127.0.0.1:0").unwrap().tls(identity.tls());
    let server = crate::support::server().listen(secure);
    let text = server.to_string();
    let server = start(server, |request: &Request| request.scheme());
    let [plain, secure] = *server.local_addrs() else {
        panic!("two addresses")
    };
    for address in [format!("http://{plain}\n"), format!("https://{secure}\n")] {
        assert!(text.contains(&address), "{text}");
    }
    assert_eq!(Client::connect(plain).get("/").text(), "http");
    let mut client = identity.connect_by(secure, rustls::ALL_VERSIONS, &[]);
    assert_eq!(client.text("/"), "https");
}

#[test]
fn for_a_server_it_leaves_no_listener_in_clear_text() {
    let identity = Identity::new();
    let other = Identity::new();
    let server = crate::support::server()
        .and_bind("127.0.0.1:0")
        .unwrap()
        .tls(identity.tls())
        .and_bind("127.0.0.1:0")
        .unwrap()
        .listen(Listener::tcp("127.0.0.1:0").unwrap().tls(other.tls()));
    let text = server.to_string();
    assert!(!text.contains("http://"), "{text}");
    let server = start(server, |request: &Request| request.scheme());
    let [first, before, after, of_its_own] = *server.local_addrs() else {
        panic!("four addresses")
    };
    for address in [first, before, after] {
        let mut client = identity.connect_by(address, rustls::ALL_VERSIONS, &[]);
        assert_eq!(client.text("/"), "https");
    }
    let mut client = other.connect_by(of_its_own, rustls::ALL_VERSIONS, &[]);
    assert_eq!(client.text("/"), "https", "with its own certificate");
}

#[test]
fn a_stream_that_only_waits_learns_that_its_client_is_gone() {
    let (tell, told) = std::sync::mpsc::channel();
    let identity = Identity::new();
    let server = start(identity.server(), move |_: &Request| {
        let tell = tell.clone();
        Response::new(Body::stream(move |client| {
            client.write_all(b"x")?;
            while client.wait(crate::support::NEVER) {}
            tell.send(()).unwrap();
            Ok(())
        }))
    });
    let mut client = identity.connect(&server);
    client.send(get("/"));
    let mut received = Vec::new();
    while !received.ends_with(b"1\r\nx\r\n") {
        let mut byte = [0];
        client.0.read_exact(&mut byte).unwrap();
        received.extend(byte);
    }
    socket2::SockRef::from(&client.0.sock)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(client);
    crate::support::hear(&told);
}
