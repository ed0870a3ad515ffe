//! WebSockets: each message is a call.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hansel::websocket::{CloseCause, CloseCode, Closed, Message, Opening, Socket, SocketSettings, WebSocket};
use hansel::{AccessLog, Error, Hooks, Routes, SlowSubscribers, State, StatusCode, Topic};

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Client, Gate, Lines, OpenAtEnd, Running, hear, no_deadlines, sample, server, start};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A frame: whether it is the last one of its message, what it is, and its payload.
type Frame = (bool, u8, Vec<u8>);

fn opening(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

fn open(server: &Running, path: &str) -> Client {
    let mut client = server.connect();
    client.send(opening(path, ""));
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.field("Upgrade"), Some("websocket"));
    assert_eq!(head.field("Connection"), Some("upgrade"));
    client
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let mask = [7, 77, 3, 200];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn text(message: &str) -> Vec<u8> {
    frame(0x80 | TEXT, message.as_bytes())
}

fn close(code: u16) -> Vec<u8> {
    frame(0x80 | CLOSE, &code.to_be_bytes())
}

fn receive(client: &mut Client) -> Frame {
    let head = client.take(2);
    assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
    let len = match head[1] {
        126 => u16::from_be_bytes(client.take(2).try_into().unwrap()).into(),
        127 => u64::from_be_bytes(client.take(8).try_into().unwrap()),
        len => len.into(),
    };
    (head[0] & 0x80 != 0, head[0] & 0x0f, client.take(len as usize))
}

fn receive_text(client: &mut Client) -> String {
    let (is_final, opcode, payload) = receive(client);
    assert!(is_final);
    assert_eq!(opcode, TEXT, "{payload:?}");
    String::from_utf8(payload).unwrap()
}

/// Receives a close frame, and returns its code and its reason.
fn receive_close(client: &mut Client) -> (Option<u16>, String) {
    let (_, opcode, payload) = receive(client);
    assert_eq!(opcode, CLOSE, "{:?}", String::from_utf8_lossy(&payload));
    let Some((code, reason)) = payload.split_first_chunk() else {
        return (None, String::new());
    };
    (
        Some(u16::from_be_bytes(*code)),
        String::from_utf8(reason.to_vec()).unwrap(),
    )
}

fn echo(socket: WebSocket) -> Opening {
    socket
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
}

/// An echo that blocks at the gate if it is told to, and says before that it has begun.
fn blocking(gate: &Gate) -> Routes {
    let gate = gate.clone();
    Routes::new().get("/", move |socket: WebSocket| {
        let gate = gate.clone();
        socket
            .open(())
            .on_message(move |socket: &Socket, message: Message<'_>| {
                if message.text() == Some("block") {
                    socket.send("begun")?;
                    gate.pass();
                }
                socket.send(message)
            })
    })
}

fn echoing() -> Running {
    start(server().limits(no_deadlines()), Routes::new().get("/", echo))
}

/// An echo that tells how it was closed.
fn told(settings: SocketSettings) -> (Running, Receiver<Closed>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let routes = Routes::new().get("/", move |socket: WebSocket| {
        let tell: Sender<Closed> = tell.lock().unwrap().clone();
        socket
            .settings(settings.clone())
            .open(())
            .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
            .on_close(move |_: &Socket, closed: &Closed| tell.send(closed.clone()).unwrap())
    });
    (start(server().limits(no_deadlines()), routes), told)
}

#[test]
fn messages_come_back_as_they_were_and_in_order() {
    let server = echoing();
    let mut client = open(&server, "/");
    client.send(text("hello"));
    assert_eq!(receive_text(&mut client), "hello");
    client.send(frame(0x80 | BINARY, b"\x00\xff"));
    assert_eq!(receive(&mut client), (true, BINARY, b"\x00\xff".to_vec()));
    for len in [0, 125, 126, 65_535, 65_536, 1 << 20] {
        let long = "x".repeat(len);
        client.send(text(&long));
        assert_eq!(receive_text(&mut client), long);
    }
    let all: Vec<u8> = (0..1000).flat_map(|n| text(&n.to_string())).collect();
    client.send(all);
    for n in 0..1000 {
        assert_eq!(receive_text(&mut client), n.to_string());
    }
    client.send(close(1000));
    assert_eq!(receive_close(&mut client), (Some(1000), String::new()));
    client.end();
}

#[test]
fn frames_that_come_byte_by_byte_or_in_fragments_are_the_same_messages() {
    let server = echoing();
    let mut client = open(&server, "/");
    for byte in text("slowly") {
        client.send([byte]);
    }
    assert_eq!(receive_text(&mut client), "slowly");
    client.send(frame(TEXT, "h\u{e4}".as_bytes().split_at(2).0));
    client.send(frame(0x80 | PING, b"there?"));
    assert_eq!(receive(&mut client), (true, PONG, b"there?".to_vec()));
    client.send(frame(0, &"h\u{e4}".as_bytes()[2..]));
    client.send(frame(0x80, b"nsel"));
    assert_eq!(receive_text(&mut client), "h\u{e4}nsel");
}

#[test]
fn a_frame_may_come_with_the_request() {
    let server = echoing();
    let mut client = server.connect();
    client.send([opening("/", "").as_bytes(), &text("early"), &text("bird")].concat());
    assert_eq!(client.head().status, 101);
    assert_eq!(receive_text(&mut client), "early");
    assert_eq!(receive_text(&mut client), "bird");
}

#[test]
fn what_opens_no_socket_is_refused_and_the_connection_goes_on() {
    let server = echoing();
    let mut client = server.connect();
    let response = client.get("/");
    assert_eq!(response.status, 426);
    assert_eq!(response.field("Upgrade"), Some("websocket"));
    assert_eq!(response.field("Sec-WebSocket-Version"), Some("13"));
    client.send(opening("/", "").replace("Version: 13", "Version: 8"));
    assert_eq!(client.response().status, 426);
    client.send(opening("/", "").replace("ZQ==\r\n", "ZQ=\r\n"));
    assert_eq!(client.response().status, 400);
    client.send(opening("/", "Origin: https://elsewhere.example\r\n"));
    assert_eq!(client.response().status, 403);
    client.send(opening("/", "Origin: null\r\n"));
    assert_eq!(client.response().status, 403);
    client.send(opening("/", "Origin: http://LOCALHOST:80\r\n"));
    assert_eq!(client.head().status, 101);
}

#[test]
fn origins_that_are_listed_may_open_it() {
    let routes = Routes::new()
        .get("/some", |socket: WebSocket| {
            echo(socket.origins(["https://friend.example"]))
        })
        .get("/any", |socket: WebSocket| echo(socket.any_origin()));
    let server = start(server().limits(no_deadlines()), routes);
    for (path, origin, status) in [
        ("/some", "https://friend.example", 101),
        ("/some", "https://friend.example.org", 403),
        ("/some", "null", 403),
        ("/any", "null", 101),
    ] {
        let mut client = server.connect();
        client.send(opening(path, &format!("Origin: {origin}\r\n")));
        assert_eq!(client.head().status, status, "{path} {origin}");
    }
}

#[test]
fn a_subprotocol_that_both_speak_is_named() {
    let routes = Routes::new().get("/", |socket: WebSocket| {
        let socket = socket.protocols(["chat.v2", "chat.v1"]);
        let spoken = socket.protocol().unwrap_or("none").to_owned();
        socket
            .open(spoken)
            .on_open(|socket: &Socket<String>| socket.send(socket.state()))
    });
    let server = start(server().limits(no_deadlines()), routes);
    for (offered, chosen) in [("chat.v1, chat.v2", Some("chat.v2")), ("chat", None)] {
        let mut client = server.connect();
        client.send(opening("/", &format!("Sec-WebSocket-Protocol: {offered}\r\n")));
        assert_eq!(client.head().field("Sec-WebSocket-Protocol"), chosen);
        assert_eq!(receive_text(&mut client), chosen.unwrap_or("none"));
    }
}

#[test]
fn a_mistake_of_the_client_closes_the_socket_with_its_code_and_the_program_is_told_once() {
    for (bytes, code) in [
        (vec![0x81, 0x01, b'a'], 1002),
        (frame(0x80 | TEXT, b"\xff"), 1007),
        (frame(0x80 | 3, b""), 1002),
        (frame(0x80 | TEXT, &[b'x'; 1001]), 1009),
        (frame(0x80, b"continues nothing"), 1002),
        (close(1005), 1002),
    ] {
        let (server, told) = told(SocketSettings::new().message(1000));
        let mut client = open(&server, "/");
        client.send(&bytes);
        assert_eq!(receive_close(&mut client).0, Some(code), "{bytes:?}");
        client.end();
        let closed = hear(&told);
        assert_eq!(closed.cause(), CloseCause::Failure);
        assert_eq!(closed.code().map(CloseCode::get), Some(code));
        drop(server);
        assert!(told.try_recv().is_err(), "once");
    }
}

#[test]
fn whoever_closes_the_program_is_told_who_it_was() {
    let (server, told) = told(SocketSettings::new());
    let mut client = open(&server, "/");
    client.send(frame(0x80 | CLOSE, b"\x0f\xa1bye"));
    assert_eq!(receive_close(&mut client), (Some(4001), String::new()));
    client.end();
    let closed = hear(&told);
    assert_eq!((closed.cause(), closed.reason()), (CloseCause::Client, "bye"));
    assert_eq!(closed.code(), CloseCode::new(4001));

    let client = open(&server, "/");
    drop(client);
    assert_eq!(hear(&told).cause(), CloseCause::Lost);

    open(&server, "/").reset();
    assert_eq!(hear(&told).cause(), CloseCause::Lost);
}

#[test]
fn a_state_is_dropped_when_its_client_has_gone_also_where_no_handler_asks_for_the_end() {
    struct State(Sender<()>);
    impl Drop for State {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, drops) = channel();
    let app = Routes::new().get("/", move |socket: WebSocket| {
        socket
            .open(State(dropped.clone()))
            .on_message(|_: &Socket<State>, _: Message<'_>| ())
    });
    let server = start(server(), app);
    for say_goodbye in [false, true] {
        let mut client = open(&server, "/");
        if say_goodbye {
            client.send(close(1000));
            assert_eq!(receive_close(&mut client), (Some(1000), String::new()));
        }
        drop(client);
        hear(&drops);
    }
}

#[test]
fn a_program_sends_and_closes_from_any_thread() {
    let (give, given) = channel();
    let give = Mutex::new(give);
    let routes = Routes::new().get("/", move |socket: WebSocket| {
        let give: Sender<Socket> = give.lock().unwrap().clone();
        socket
            .open(())
            .on_open(move |socket: &Socket| give.send(socket.clone()).unwrap())
    });
    let server = start(server().limits(no_deadlines()), routes);
    let mut client = open(&server, "/");
    let socket = hear(&given);
    for n in 0..1000 {
        socket.send(format!("{n}")).unwrap();
    }
    socket.close(CloseCode::NORMAL, "done");
    assert!(socket.send("too late").is_err());
    for n in 0..1000 {
        assert_eq!(receive_text(&mut client), n.to_string());
    }
    assert_eq!(receive_close(&mut client), (Some(1000), "done".into()));
    client.send(close(1000));
    client.end();
}

#[test]
fn sockets_hold_no_thread_and_one_that_blocks_holds_up_nobody_but_itself() {
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let server = start(server().limits(no_deadlines()).threads(4), blocking(&gate));
    let mut clients: Vec<_> = (0..100).map(|_| open(&server, "/")).collect();
    clients[0].send([text("block"), text("next")].concat());
    gate.await_arrived(1);
    assert_eq!(
        receive_text(&mut clients[0]),
        "begun",
        "although its handler has not returned"
    );
    for client in clients.iter_mut().skip(1) {
        client.send(text("pass"));
        assert_eq!(receive_text(client), "pass");
    }
    gate.admit(1);
    assert_eq!(receive_text(&mut clients[0]), "block");
    assert_eq!(receive_text(&mut clients[0]), "next");
}

#[test]
fn sockets_join_topics_leave_them_and_leave_all_when_they_end() {
    let room = Topic::new();
    let routes = Routes::new().get("/", |socket: WebSocket, room: State<Topic>| {
        let room = Topic::clone(&room);
        let joined = room.clone();
        socket
            .open(())
            .on_open(move |socket: &Socket| {
                socket.send("welcome")?;
                socket.join(&joined);
                socket.send("joined")
            })
            .on_message(move |socket: &Socket, message: Message<'_>| match message {
                Message::Text("leave") => {
                    socket.leave(&room);
                    socket.send("left").unwrap();
                }
                message => room.send(message.text().unwrap()),
            })
    });
    let server = start(server().limits(no_deadlines()), Hooks::on(routes).state(room.clone()));
    let mut clients: Vec<_> = (0..10).map(|_| open(&server, "/")).collect();
    for client in &mut clients {
        assert_eq!(receive_text(client), "welcome");
        assert_eq!(receive_text(client), "joined");
    }
    clients[3].send(text("hello"));
    for client in &mut clients {
        assert_eq!(receive_text(client), "hello");
    }
    clients[0].send(text("leave"));
    assert_eq!(receive_text(&mut clients[0]), "left");
    clients.remove(5);
    clients[1].send(text("again"));
    for client in clients.iter_mut().skip(1) {
        assert_eq!(receive_text(client), "again");
    }
    drop(clients);
    // On a thread that nobody waits for.
    while room.status().subscribers > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_handler_that_fails_or_panics_closes_its_socket_and_no_other() {
    let routes = Routes::new().get("/", |socket: WebSocket| {
        socket
            .open(())
            .on_message(|socket: &Socket, message: Message<'_>| -> Result<(), Error> {
                match message.text() {
                    Some("fail") => return Err(Error::new(StatusCode::BAD_REQUEST, "no")),
                    Some("panic") => panic!("on purpose"),
                    _ => socket.send(message)?,
                }
                Ok(())
            })
    });
    let server = start(server().limits(no_deadlines()), routes);
    let mut other = open(&server, "/");
    for what in ["fail", "panic"] {
        let mut client = open(&server, "/");
        client.send([text("before"), text(what), text("after")].concat());
        assert_eq!(receive_text(&mut client), "before");
        assert_eq!(receive_close(&mut client).0, Some(1011));
        client.send(close(1011));
        client.end();
    }
    other.send(text("fine"));
    assert_eq!(receive_text(&mut other), "fine");
}

#[test]
fn a_handler_that_takes_too_long_closes_its_socket_at_its_deadline() {
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let blocks = gate.clone();
    let routes = Routes::new().get("/", move |socket: WebSocket| {
        let (gate, tell) = (blocks.clone(), tell.lock().unwrap().clone());
        socket
            .open(())
            .on_message(move |socket: &Socket, message: Message<'_>| {
                socket.send("begun")?;
                gate.pass();
                socket.send(message)
            })
            .on_close(move |_: &Socket, closed: &Closed| tell.send(closed.clone()).unwrap())
    });
    let limits = no_deadlines().handler(Duration::from_millis(50));
    let (tell_line, line) = channel();
    let log = AccessLog::combined(Lines(tell_line));
    let server = start(server().limits(limits).access_log(log), routes);
    let mut client = open(&server, "/");
    client.send(text("block"));
    assert_eq!(receive_text(&mut client), "begun");
    assert_eq!(receive_close(&mut client).0, Some(1011));
    client.end();
    gate.admit(1);
    assert_eq!(hear(&told).cause(), CloseCause::Error);
    assert!(hear(&line).contains(" 101 "), "it is logged as any other");
}

#[test]
fn a_silent_client_is_asked_whether_it_is_there_and_given_up_if_it_does_not_answer() {
    let soon = Duration::from_millis(20);
    let (server, told) = told(SocketSettings::new().ping(soon).pong(Duration::from_secs(20)));
    let mut client = open(&server, "/");
    for _ in 0..3 {
        assert_eq!(receive(&mut client), (true, PING, vec![]));
        client.send(frame(0x80 | PONG, b""));
    }
    drop(client);
    assert_eq!(hear(&told).cause(), CloseCause::Lost);
    drop(server);

    let (server, told) = self::told(SocketSettings::new().ping(soon).pong(soon));
    let mut client = open(&server, "/");
    assert_eq!(receive(&mut client), (true, PING, vec![]));
    assert_eq!(receive_close(&mut client).0, Some(1008));
    assert_eq!(hear(&told).cause(), CloseCause::Lost);
}

#[test]
fn a_message_that_does_not_arrive_in_time_closes_the_socket() {
    let (server, told) = told(SocketSettings::new().message_time(Duration::from_millis(20)));
    let mut client = open(&server, "/");
    client.send(&text("never whole")[..4]);
    assert_eq!(receive_close(&mut client).0, Some(1008));
    assert_eq!(hear(&told).cause(), CloseCause::Failure);
}

#[test]
fn who_sends_too_much_waits_and_nothing_is_lost() {
    let (server, _told) = told(SocketSettings::new().rate(500));
    let mut client = open(&server, "/");
    client.send((0..600).flat_map(|n| text(&n.to_string())).collect::<Vec<_>>());
    for n in 0..600 {
        assert_eq!(receive_text(&mut client), n.to_string());
    }
}

#[test]
fn a_client_that_does_not_read_is_closed_or_misses_the_oldest() {
    for (slow, is_closed) in [(SlowSubscribers::Close, true), (SlowSubscribers::DropOldest, false)] {
        let (give, given) = channel();
        let give = Mutex::new(give);
        let settings = SocketSettings::new().backlog(3).slow(slow);
        let routes = Routes::new().get("/", move |socket: WebSocket| {
            let give: Sender<Socket> = give.lock().unwrap().clone();
            socket
                .settings(settings.clone())
                .open(())
                .on_open(move |socket: &Socket| give.send(socket.clone()).unwrap())
        });
        let server = start(server().limits(no_deadlines()), routes);
        let mut client = open(&server, "/");
        let socket = hear(&given);
        let long = "x".repeat(1 << 20);
        let sent = (0..100).take_while(|_| socket.send(&long).is_ok()).count();
        assert_eq!(sent < 100, is_closed);
        if is_closed {
            assert!(socket.send("more").unwrap_err().to_string().contains("closed"));
        } else {
            socket.send("last").unwrap();
            let mut received = 0;
            while receive_text(&mut client) != "last" {
                received += 1;
            }
            assert!(received < 100, "{received}");
        }
    }
}

#[test]
fn a_drain_closes_sockets_with_1001_after_what_was_sent() {
    let (server, told) = told(SocketSettings::new());
    let mut client = open(&server, "/");
    client.send(text("one"));
    assert_eq!(receive_text(&mut client), "one");
    server.shutdown(Duration::from_secs(20));
    assert_eq!(receive_close(&mut client).0, Some(1001));
    client.send(close(1001));
    client.end();
    assert_eq!(hear(&told).cause(), CloseCause::Drain);
}

#[test]
fn sockets_have_a_share_of_the_connections() {
    let limits = no_deadlines().subscribers(2);
    let server = start(
        server().limits(limits),
        Routes::new().get("/", echo).get("/page", || "here"),
    );
    let first = open(&server, "/");
    let _second = open(&server, "/");
    let mut third = server.connect();
    third.send(opening("/", ""));
    assert_eq!(third.response().status, 503);
    assert_eq!(third.get("/page").text(), "here");
    drop(first);
    loop {
        let mut client = server.connect();
        client.send(opening("/", ""));
        if client.head().status == 101 {
            return;
        }
    }
}

#[test]
fn a_socket_without_a_permit_waits_whatever_the_queue_is() {
    let gate = Gate::new();
    let _open = OpenAtEnd(&gate);
    let limits = no_deadlines().queue(0);
    let server = start(server().limits(limits).loops(1).threads(1), blocking(&gate));
    let mut clients: Vec<_> = (0..5).map(|_| open(&server, "/")).collect();
    for client in &mut clients {
        client.send(text("block"));
    }
    gate.await_arrived(1);
    gate.admit(5);
    for client in &mut clients {
        assert_eq!(receive_text(client), "begun");
        assert_eq!(receive_text(client), "block");
    }
}

#[test]
fn the_access_log_has_a_line_when_a_socket_ends_and_metrics_count_it() {
    let (tell, told) = channel();
    let log = AccessLog::combined(Lines(tell));
    let routes = Routes::new().get("/socket", echo).get("/", || "here");
    let server = start(server().limits(no_deadlines()).access_log(log).health(), routes);
    let mut probe = server.connect();
    assert!(!probe.get("/metrics").text().contains("hansel_socket"));
    let mut client = open(&server, "/socket");
    client.send(text("hello"));
    assert_eq!(receive_text(&mut client), "hello");
    for (name, value) in [("hansel_sockets", 1.0), ("hansel_socket_messages_total", 1.0)] {
        assert_eq!(sample(&mut probe, name), value, "{name}");
    }
    client.send(close(1000));
    receive_close(&mut client);
    client.end();
    let line = hear(&told);
    assert!(line.contains("GET /socket") && line.contains(" 101 "), "{line}");
}

/// What a client sends.
#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary(Vec<u8>),
    Fragments(Vec<String>),
    Ping,
    /// Bytes that break the protocol.
    Mistake(&'static [u8]),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mistakes = select(vec![
        &b"\x81\x01a"[..],
        b"\xc1\x80\0\0\0\0",
        b"\x83\x80\0\0\0\0",
        b"\x81\x81\0\0\0\0\xff",
        b"\x80\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\x03\xed",
    ]);
    let step = prop_oneof![
        4 => ".{0,200}".prop_map(Step::Text),
        2 => collection::vec(any::<u8>(), 0..300).prop_map(Step::Binary),
        2 => collection::vec(".{0,9}", 1..5).prop_map(Step::Fragments),
        1 => Just(Step::Ping),
        1 => mistakes.prop_map(Step::Mistake),
    ];
    collection::vec(step, 0..12)
}

fn frames(step: &Step) -> Vec<u8> {
    match step {
        Step::Text(message) => text(message),
        Step::Binary(bytes) => frame(0x80 | BINARY, bytes),
        Step::Ping => frame(0x80 | PING, b"?"),
        Step::Mistake(bytes) => bytes.to_vec(),
        Step::Fragments(pieces) => {
            let last = pieces.len() - 1;
            let fragments = pieces.iter().enumerate().flat_map(|(n, piece)| {
                let opcode = if n == 0 { TEXT } else { 0 };
                frame(if n == last { 0x80 | opcode } else { opcode }, piece.as_bytes())
            });
            fragments.collect()
        }
    }
}

#[test]
fn the_same_frames_mean_the_same_on_the_wire_and_to_the_test_client() {
    let server = echoing();
    let client = hansel::test::Client::new(Routes::new().get("/", echo));
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        let mut bytes: Vec<u8> = steps.iter().flat_map(frames).collect();
        bytes.extend(close(4000));

        let mut wire = open(&server, "/");
        wire.send(&bytes);
        let mut of_wire = Vec::new();
        let code = loop {
            match receive(&mut wire) {
                (_, CLOSE, payload) => break payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                (_, PONG, _) => {}
                (_, opcode, payload) => of_wire.push((opcode == TEXT, payload)),
            }
        };

        let mut socket = client.socket(hansel::Request::get("/")).unwrap();
        socket.send_bytes(&bytes);
        let mut of_client = Vec::new();
        while let Some(message) = socket.receive() {
            of_client.push((message.text().is_some(), message.bytes().to_vec()));
        }
        prop_assert_eq!(of_wire, of_client);
        prop_assert_eq!(code, socket.close_code().map(CloseCode::get));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
