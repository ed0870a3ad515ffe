//! Sockets on one loop, and a topic.

use std::time::Duration;

use hansel::websocket::{Message, Opening, Socket, WebSocket};
use hansel::{Limits, Routes, Server, Topic};

fn main() -> hansel::Result {
    let address = std::env::args().nth(1).expect("an address");
    let room = Topic::new();
    let chat = move |socket: WebSocket| {
        let (joined, room) = (room.clone(), room.clone());
        socket
            .open(())
            .on_open(move |socket: &Socket| socket.join(&joined))
            .on_message(move |_: &Socket, message: Message<'_>| {
                room.send(message.text().unwrap_or_default());
            })
    };
    let routes = Routes::new().get("/echo", echo).get("/chat", chat).get("/sleep", sleep);
    let limits = Limits::new().connections(32_000).subscribers(31_000);
    Ok(Server::bind(address)?.loops(1).limits(limits).quiet().serve(routes)?)
}

fn echo(socket: WebSocket) -> Opening {
    socket
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
}

fn sleep(socket: WebSocket) -> Opening {
    socket.open(()).on_message(|socket: &Socket, message: Message<'_>| {
        let time = message.text().and_then(|text| text.parse().ok()).unwrap_or_default();
        if time > 0 {
            std::thread::sleep(Duration::from_millis(time));
        }
        socket.send(message)
    })
}
