//! Sockets are opened by hansel's own server and the test client. Under other servers a connection is not hansel's, and
//! whoever asks is told so.

use hansel::websocket::{Message, Opening, Socket, WebSocket};
use hansel::{Limits, Routes};

use crate::servers::Servers;

fn echo(socket: WebSocket) -> Opening {
    socket
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
}

fn opening(more: &str) -> Vec<u8> {
    let text = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    text.into_bytes()
}

#[test]
fn only_what_would_open_one_gets_another_response_under_other_servers() {
    let servers = Servers::of(|| hansel::App::new(Routes::new().get("/", echo)), Limits::new());
    let statuses = |bytes: &[u8]| servers.responses(bytes).map(|received| received.status);
    assert_eq!(statuses(&opening("")), [101, 501, 101, 501]);
    assert_eq!(statuses(&opening("Origin: https://elsewhere.example\r\n")), [403; 4]);
    assert_eq!(statuses(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), [426; 4]);
}
