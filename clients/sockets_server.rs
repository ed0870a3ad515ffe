//! The server of `clients/sockets`, `clients/sockets_soak` and `conformance/run_websocket.py`: prints its address, and drains
//! when it is told to end.
//!
//! | path | what a message does |
//! |---|---|
//! | `/echo` | it comes back; it may have 32 MiB and 100,000 fragments |
//! | `/strict` | it comes back; all limits and times are small. Only `NAME NUMBER` is right, with the numbers in order |
//! | `/room` | it is sent to all who are here |
//! | `/long` | it is sent to all who are here, and the slow ones of them miss some |
//! | `/sleep` | so many milliseconds later it comes back |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hansel::websocket::{Message, Opening, Socket, SocketSettings, WebSocket};
use hansel::{
    App, Error, Hooks, Html, Limits, Routes, Server, SlowSubscribers, State, StatusCode, Topic, TopicSettings,
};

struct Rooms {
    room: Topic,
    long: Topic,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
    messages: AtomicU64,
    /// Messages that were not the next one of their sender.
    wrong: AtomicU64,
}

fn main() -> hansel::Result {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let rooms = Rooms {
        room: Topic::with(TopicSettings::new().name("room").backlog(4096).replay(0)),
        long: Topic::with(
            TopicSettings::new()
                .name("long")
                .backlog(4)
                .replay(0)
                .slow(SlowSubscribers::DropOldest),
        ),
        counts: Arc::default(),
    };
    let routes = Routes::new()
        .get("/", || Html(PAGE))
        .get("/echo", echo)
        .get("/strict", strict)
        .get("/room", |socket: WebSocket, rooms: State<Rooms>| {
            join(socket, &rooms.room)
        })
        .get("/long", |socket: WebSocket, rooms: State<Rooms>| {
            join(socket, &rooms.long)
        })
        .get("/sleep", sleep)
        .get("/counts", |rooms: State<Rooms>| {
            let Counts {
                opened,
                closed,
                messages,
                wrong,
            } = &*rooms.counts;
            [opened, closed, messages, wrong]
                .map(|count| count.load(Ordering::SeqCst).to_string())
                .join(" ")
        });
    let server = Server::bind(address.as_str())?
        .limits(Limits::new().connections(4000).transfer_time(Duration::from_secs(5)))
        .health()
        .grace(Duration::from_secs(5));
    println!("http://{}/", server.local_addrs()[0]);
    Ok(server.quiet().serve(App::new(Hooks::on(routes).state(rooms)))?)
}

fn echo(socket: WebSocket) -> Opening {
    let settings = SocketSettings::new()
        .message(32 << 20)
        .fragments(100_000)
        .message_time(Duration::from_secs(300));
    socket
        .protocols(["echo", "chat"])
        .settings(settings)
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| socket.send(message))
}

fn strict(socket: WebSocket, rooms: State<Rooms>) -> Opening<AtomicU64> {
    let second = Duration::from_secs(1);
    let settings = SocketSettings::new()
        .message(64 << 10)
        .fragments(64 << 10)
        .ping(second)
        .pong(5 * second)
        .closing(second)
        .message_time(Duration::from_secs(20))
        .backlog(16);
    let (here, there) = (Arc::clone(&rooms.counts), Arc::clone(&rooms.counts));
    rooms.counts.opened.fetch_add(1, Ordering::SeqCst);
    socket
        .settings(settings)
        .open(AtomicU64::new(0))
        .on_message(move |socket: &Socket<AtomicU64>, message: Message<'_>| {
            here.messages.fetch_add(1, Ordering::SeqCst);
            let expected = socket.state().fetch_add(1, Ordering::SeqCst);
            let number = message.text().and_then(|text| text.split(' ').nth(1)?.parse().ok());
            if number != Some(expected) {
                here.wrong.fetch_add(1, Ordering::SeqCst);
            }
            socket.send(message)
        })
        .on_close(move |_: &Socket<AtomicU64>, _| {
            there.closed.fetch_add(1, Ordering::SeqCst);
        })
}

fn join(socket: WebSocket, topic: &Topic) -> Opening {
    let (joined, topic) = (topic.clone(), topic.clone());
    socket
        .settings(
            SocketSettings::new()
                .ping(Duration::from_secs(1))
                .pong(Duration::from_secs(5)),
        )
        .open(())
        .on_open(move |socket: &Socket| socket.join(&joined))
        .on_message(move |_: &Socket, message: Message<'_>| match message {
            Message::Text(text) => topic.send(text),
            Message::Binary(bytes) => topic.send(bytes.to_vec()),
        })
}

fn sleep(socket: WebSocket) -> Opening {
    socket
        .open(())
        .on_message(|socket: &Socket, message: Message<'_>| -> Result<(), Error> {
            let text = message.text().unwrap_or_default();
            let time = text
                .parse()
                .map_err(|_| Error::new(StatusCode::BAD_REQUEST, "a number of milliseconds"))?;
            std::thread::sleep(Duration::from_millis(time));
            socket.send(text)?;
            Ok(())
        })
}

const PAGE: &str = r#"<!doctype html>
<title>sockets</title>
<script>
window.got = [];
window.open_socket = (path, protocols) => new Promise((opened, failed) => {
    const socket = new WebSocket(`ws://${location.host}${path}`, protocols ?? []);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => opened(socket);
    socket.onerror = () => failed("not opened");
    socket.onmessage = event => got.push(event.data);
    window.ended = new Promise(ended => socket.onclose = event => ended(`${event.code} ${event.reason} ${event.wasClean}`));
    window.socket = socket;
});
</script>
"#;
