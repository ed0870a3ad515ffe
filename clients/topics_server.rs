//! A topic whose messages outlive the server: `clients/topics` and `clients/topics_soak` subscribe to it.
//!
//! `topics_server ADDRESS FILE`: messages are lines of the file, and a message's id is its line. `POST /messages` adds one.
//! `/kept` keeps the latest messages in memory only.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use hansel::{App, Event, Hooks, Html, Limits, Request, Routes, Server, State, StatusCode, Topic, TopicSettings};

struct Messages {
    /// Also what gives the next line its number.
    file: Mutex<(File, u64)>,
    stored: Topic,
    kept: Topic,
    long: Topic,
}

fn main() -> hansel::Result {
    let [_, address, path] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("an address and a file")
    };
    let path = PathBuf::from(path);
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    let lines = BufReader::new(File::open(&path)?).lines().count() as u64;
    let replay = move |id: &str| after(&path, id.parse().ok()?).ok();
    let settings = TopicSettings::new().heartbeat(Duration::from_secs(1));
    let messages = Messages {
        file: Mutex::new((file, lines)),
        stored: Topic::with(settings.clone().replay_by(replay)),
        long: Topic::with(settings.clone().name("long").backlog(4).replay(0)),
        kept: Topic::with(settings.name("kept").backlog(64).replay(1024)),
    };
    let routes = Routes::new()
        .get("/", || Html(PAGE))
        .get("/messages", |messages: State<Messages>| messages.stored.subscribe())
        .get("/kept", |messages: State<Messages>| messages.kept.subscribe())
        .get("/lines", |messages: State<Messages>| messages.kept.subscribe_plain())
        .get("/long", |messages: State<Messages>| messages.long.subscribe_plain())
        .post("/messages", send)
        .post(
            "/long",
            |request: &Request, messages: State<Messages>| -> hansel::Result<StatusCode> {
                messages.long.send(request.bytes()?.to_vec());
                Ok(StatusCode::NO_CONTENT)
            },
        );
    let server = Server::bind(address.as_str())?
        .limits(Limits::new().connections(4000).transfer_time(Duration::from_secs(5)))
        .health()
        .grace(Duration::from_secs(5));
    println!("http://{}/", server.local_addrs()[0]);
    Ok(server.quiet().serve(App::new(Hooks::on(routes).state(messages)))?)
}

fn send(request: &Request, messages: State<Messages>) -> hansel::Result<StatusCode> {
    let text = std::str::from_utf8(request.bytes()?)?;
    let mut file = messages.file.lock().expect("no handler has panicked");
    writeln!(file.0, "{text}")?;
    file.1 += 1;
    // Sent before the next one is stored, so that messages are sent in the order of their ids.
    messages.stored.send(Event::new(text).with_id(file.1.to_string())?);
    messages.kept.send(text);
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the messages behind an id.
fn after(path: &PathBuf, id: u64) -> std::io::Result<Vec<Event>> {
    let lines = BufReader::new(File::open(path)?).lines().zip(1..);
    let lines = lines.skip(usize::try_from(id).unwrap_or(usize::MAX));
    let event = |(line, number): (std::io::Result<String>, u64)| {
        let event = Event::new(line?).with_id(number.to_string());
        event.map_err(std::io::Error::other)
    };
    lines.map(event).collect()
}

const PAGE: &str = r#"<!doctype html>
<title>topics</title>
<script>
window.got = [];
new EventSource("/messages").onmessage = event => got.push(event.data);
</script>
"#;
