//! WebSockets with the in-process client: the same as on the wire.

use std::sync::mpsc::channel;

use hansel::websocket::{CloseCause, CloseCode, Closed, Message, Opening, Socket, WebSocket};
use hansel::{Request, Routes, State, Topic, test::Client};

fn echo(socket: WebSocket) -> Opening {
    socket
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
}

#[test]
fn a_test_talks_to_a_socket() {
    let client = Client::new(Routes::new().get("/", echo));
    let mut socket = client.socket(Request::get("/")).unwrap();
    for text in ["one", ""] {
        socket.send(text);
        assert_eq!(socket.receive(), Some(Message::Text(text)));
    }
    socket.send(vec![0xff]);
    assert_eq!(socket.receive(), Some(Message::Binary(&[0xff])));
    assert_eq!(socket.try_receive(), None);
    assert_eq!(socket.close(CloseCode::GOING_AWAY), Some(CloseCode::GOING_AWAY));
}

#[test]
fn what_opens_no_socket_is_the_response() {
    let client = Client::new(Routes::new().get("/", echo).get("/page", || "here"));
    let refused = client.socket(Request::get("/").with_header("Origin", "https://elsewhere.example"));
    assert_eq!(refused.unwrap_err().status(), 403);
    assert_eq!(client.socket(Request::get("/page")).unwrap_err().text(), "here");
    assert_eq!(client.socket(Request::get("/none")).unwrap_err().status(), 404);
}

#[test]
fn messages_of_other_threads_and_topics_arrive_and_leaving_is_seen() {
    let (tell, told) = channel();
    let room = Topic::new();
    let routes = Routes::new().get("/", move |socket: WebSocket, room: State<Topic>| {
        let (tell, room) = (tell.clone(), Topic::clone(&room));
        socket
            .open(())
            .on_open(move |socket: &Socket| socket.join(&room))
            .on_message(|socket: &Socket, _: Message<'_>| {
                let socket = socket.clone();
                std::thread::spawn(move || socket.send("from another thread"));
            })
            .on_close(move |_: &Socket, closed: &Closed| tell.send(closed.clone()).unwrap())
    });
    let client = Client::new(hansel::Hooks::on(routes).state(room.clone()));
    let mut socket = client.socket(Request::get("/")).unwrap();
    room.send("of the topic");
    assert_eq!(socket.receive(), Some(Message::Text("of the topic")));
    socket.send("go");
    assert_eq!(socket.receive(), Some(Message::Text("from another thread")));
    drop(socket);
    assert_eq!(told.recv().unwrap().cause(), CloseCause::Lost);
    assert_eq!(room.status().subscribers, 0);
}

#[test]
fn a_mistake_is_closed_as_on_the_wire() {
    let client = Client::new(Routes::new().get("/", echo));
    let mut socket = client.socket(Request::get("/")).unwrap();
    socket.send_bytes(b"\x81\x01a");
    assert_eq!(socket.receive(), None);
    assert_eq!(socket.close_code(), Some(CloseCode::PROTOCOL));
}

#[test]
fn a_trail_and_the_map_tell_that_a_function_opens_a_socket() {
    let app = hansel::App::new(Routes::new().get("/echo", echo));
    let is_told = app
        .routes()
        .places()
        .iter()
        .any(|place| place.handler == "echo() opens a socket");
    assert!(is_told, "{:?}", app.routes());
    let client = Client::new(app);
    let socket = client.socket(Request::get("/echo")).unwrap();
    let trail = socket.response().trail().unwrap().to_string();
    assert!(trail.contains("echo opens a socket"), "{trail}");
}

/// Hooks see the response, and may add headers to it.
#[cfg(feature = "development")]
#[test]
fn a_socket_opens_in_development_mode_and_behind_hooks_for_responses() {
    let app = hansel::App::new(Routes::new().get("/", echo))
        .development(true)
        .respond(|_, response| response.set_header("X-Seen", "yes"));
    let client = Client::new(app);
    let mut socket = client.socket(Request::get("/")).unwrap();
    assert_eq!(socket.response().status(), 101);
    assert_eq!(socket.response().header("X-Seen"), Some("yes"));
    socket.send("one");
    assert_eq!(socket.receive(), Some(Message::Text("one")));
}
