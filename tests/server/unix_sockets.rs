//! Unix sockets, beside an address of the network.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hansel::{Request, Server};

#[test]
fn a_unix_socket_serves_beside_an_address_and_is_gone_at_the_end() {
    let path = std::env::temp_dir().join(format!("hansel-serves-{}", std::process::id()));
    let server = Server::unix(&path, 0o600).unwrap().and_bind("127.0.0.1:0").unwrap();
    let server = server
        .spawn(|request: &Request| format!("{:?}", request.peer()))
        .unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nNone"), "{answer}");
    let over_tcp = super::support::Client::connect(server.local_addr()).get("/");
    assert!(over_tcp.text().contains("127.0.0.1:"), "{}", over_tcp.text());
    assert!(path.exists());
    drop(client);
    server.shutdown(Duration::from_secs(60));
    server.wait();
    assert!(!path.exists());
}
